package report

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"downbeat/internal/results"
	"downbeat/internal/samples"
)

var usedFrom = time.Date(2026, 11, 23, 9, 30, 0, 0, time.UTC)

// used makes the directory of a run of so many clients on each of so many hosts, with a sample each
// second: client n takes n % of a core, and each CPU is half idle.
func used(t *testing.T, hosts, clients, seconds int) (string, *results.Record) {
	t.Helper()
	dir := t.TempDir()
	rec := &results.Record{ReleasedAt: usedFrom, EndedAt: usedFrom.Add(time.Duration(seconds) * time.Second)}
	for h := range hosts {
		host := fmt.Sprintf("h%d", h)
		rec.Hosts = append(rec.Hosts, results.HostRecord{Host: host})
		var b samples.Builder
		row := func(at time.Time, n int64) {
			b.Row(at)
			for c := range clients {
				b.Put(samples.Process, fmt.Sprintf("client.%d", c), []int64{n * int64(c) * 10_000, 0, 1 << 20, 0, 0, 0, 0, 1, 1, 1})
			}
			v := make([]int64, samples.HostTemperature+1)
			v[samples.HostUser], v[samples.HostSteal], v[samples.HostIdle] = n*400_000, n*100_000, n*500_000
			b.Put(samples.Host, "", v)
			b.Put(samples.Network, "eth0", []int64{n << 20, 0, 0, 0, 0})
		}
		row(usedFrom.Add(-50*time.Millisecond), 0)
		for i := range seconds + 1 {
			row(usedFrom.Add(time.Duration(i)*time.Second), int64(i))
		}
		for c := range clients {
			rec.Processes = append(rec.Processes, results.ProcessRecord{Host: host, Process: fmt.Sprintf("client.%d", c), Group: "client"})
		}
		if err := os.MkdirAll(filepath.Join(dir, host), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, results.SamplesPath(host)), samples.Append([]byte(samples.Header), b.Block()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir, rec
}

func chartsOf(u *usage) string {
	var titles []string
	for _, c := range u.Charts {
		titles = append(titles, fmt.Sprintf("%s: %d", c.Title, len(c.Lines)))
	}
	return strings.Join(titles, ", ")
}

func TestUsageIsDrawnFromTheReleaseOn(t *testing.T) {
	t.Parallel()
	dir, rec := used(t, 2, 3, 10)
	u := readUsage(dir, rec, newDetail(*rec))
	want := "CPU time: client: 6, Memory of processes: 1, CPUs of h0: 5, CPUs of h1: 5, Received from the network: 2"
	if got := chartsOf(u); got != want {
		t.Fatalf("got  %s\nwant %s", got, want)
	}
	cpu := u.Charts[0]
	if cpu.StepUS != 1_000_000 || len(cpu.Lines[2].Values) != 10 || cpu.Lines[2].Name != "h0/client.2" {
		t.Fatalf("got %+v", cpu)
	}
	for i, v := range cpu.Lines[2].Values {
		if math.Abs(v-2) > 1e-9 {
			t.Errorf("second %d: %v %%, want 2", i, v)
		}
	}
	if steal := u.Charts[2].Lines[4]; steal.Name != "steal" || math.Abs(steal.Values[3]-10) > 1e-9 {
		t.Errorf("got %+v", steal)
	}
}

func TestManyProcessesAndHostsAreDrawnAsTheirSpread(t *testing.T) {
	t.Parallel()
	dir, rec := used(t, 7, 2, 5)
	u := readUsage(dir, rec, newDetail(*rec))
	want := "CPU time: client: 3, Memory of processes: 1, Busy CPUs of hosts: 3, Stolen CPU time of hosts: 3, Received from the network: 3"
	if got := chartsOf(u); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if v := u.Charts[0].Lines; v[0].Values[2] != 1 || v[1].Values[2] != 0.5 || v[2].Values[2] != 0 {
		t.Errorf("got %+v", v)
	}
}

func TestLongRunIsDrawnWithFewPlaces(t *testing.T) {
	t.Parallel()
	dir, rec := used(t, 1, 1, 1000)
	for _, c := range readUsage(dir, rec, newDetail(*rec)).Charts {
		for _, l := range c.Lines {
			if len(l.Values) > mostUsagePlaces || c.StepUS != 7_000_000 {
				t.Errorf("%s: %d values, each of %d µs", c.Title, len(l.Values), c.StepUS)
			}
		}
	}
}

func TestRunWithoutSamplesHasNoUsage(t *testing.T) {
	t.Parallel()
	dir, rec := used(t, 1, 1, 3)
	if err := os.Remove(filepath.Join(dir, results.SamplesPath("h0"))); err != nil {
		t.Fatal(err)
	}
	if u := readUsage(dir, rec, newDetail(*rec)); u != nil {
		t.Errorf("got %+v", u)
	}
	if err := os.WriteFile(filepath.Join(dir, results.SamplesPath("h0")), []byte("damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	if u := readUsage(dir, rec, newDetail(*rec)); u == nil || !strings.Contains(u.Problem, "not all samples of h0 can be read: malformed samples") {
		t.Errorf("got %+v", u)
	}
}

func TestUsageOfManyRunsStaysSmall(t *testing.T) {
	t.Parallel()
	dir, rec := used(t, 4, 2, 400)
	packed, err := pack(readUsage(dir, rec, newDetail(*rec)))
	if err != nil {
		t.Fatal(err)
	}
	runs := []*run{{usage: packed}, {usage: packed}, {}}
	for _, tt := range []struct {
		most  int
		whole bool
	}{{2 * len(packed), true}, {2*len(packed) - 1, false}} {
		if err := fitUsage(runs, tt.most); err != nil {
			t.Fatal(err)
		}
		if sum := len(runs[0].usage) + len(runs[1].usage); sum > tt.most || sum == 0 || (runs[0].usage == packed) != tt.whole {
			t.Errorf("%d bytes, at most %d", sum, tt.most)
		}
	}
	if err := fitUsage(runs, 10); err != nil || runs[0].usage != "" {
		t.Errorf("%v, and %d bytes are left", err, len(runs[0].usage))
	}
}
