package metric_test

import (
	"math"
	"os"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"downbeat/internal/experiment"
	"downbeat/internal/metric"
	"downbeat/internal/outcome"
	"downbeat/internal/results"
	"downbeat/internal/samples"
)

// sampledRun has samples of each second of two hosts. On alpha, server.0 takes 10 % of a core and
// client.0 30 % and, from the fifth second on, 70 %; bravo has client.1, which takes 90 %, and a
// tenth of its CPU time is stolen.
func sampledRun() (fstest.MapFS, *results.Record) {
	tree := fstest.MapFS{}
	for _, host := range []string{"alpha", "bravo"} {
		var b samples.Builder
		var client, other int64
		row := func(seconds float64, n int64) {
			b.Row(at(seconds))
			cpu := make([]int64, samples.HostTemperature+1)
			cpu[samples.HostIdle], cpu[samples.HostUser] = n*1_000_000, n*1_000_000
			process := func(name string, used int64) {
				b.Put(samples.Process, name, []int64{used, 0, 100 << 20, samples.Unknown, samples.Unknown, 0, 0, 1, 3, 1})
			}
			if host == "alpha" {
				process("server.0", other)
				process("client.0", client)
			} else {
				process("client.1", client)
				cpu[samples.HostSteal], cpu[samples.HostIdle] = n*200_000, n*800_000
			}
			b.Put(samples.Host, "", cpu)
			b.Put(samples.Network, "lo", []int64{n * 1e9, 0, 0, 0, 0})
			b.Put(samples.Network, "eth0", []int64{n * 1000, 0, 0, 0, 0})
			b.Put(samples.Network, "eth1", []int64{n * 500, 0, 0, 0, 0})
		}
		row(-0.05, 0)
		for i := range 11 {
			row(float64(i), int64(i))
			other += 100_000
			switch {
			case host == "bravo":
				client += 900_000
			case i < 5:
				client += 300_000
			default:
				client += 700_000
			}
		}
		file := samples.Append([]byte(samples.Header), b.Block())
		tree[results.SamplesPath(host)] = &fstest.MapFile{Data: file}
	}
	rec := tenSeconds()
	rec.Beats = []results.BeatRecord{{Groups: []string{"server", "client"}, ReleasedAt: at(0), ClockErrorUS: 1}}
	rec.ReleasedAt = at(0)
	for _, p := range []results.Process{{Host: "alpha", Name: "server.0"}, {Host: "alpha", Name: "client.0"}, {Host: "bravo", Name: "client.1"}} {
		r := results.ProcessRecord{Host: p.Host, Process: p.Name}
		r.StartedAt, r.EndedAt = at(0), at(10)
		rec.Processes = append(rec.Processes, r)
	}
	return tree, rec
}

// of is a metric of samples.
func of(name string, processes experiment.Reduction, sources ...experiment.Source) experiment.Metric {
	return experiment.Metric{Name: "m", Sample: name, Processes: processes, Scale: 1, Sources: sources}
}

var (
	clients  = []experiment.Source{{Host: "alpha", Process: "client.0"}, {Host: "bravo", Process: "client.1"}}
	machines = []experiment.Source{{Host: "alpha"}, {Host: "bravo"}}
)

func TestNumbersAreTakenOfSamples(t *testing.T) {
	t.Parallel()
	each := func(m experiment.Metric) experiment.Metric { m.Lines = experiment.Mean; return m }
	in := func(m experiment.Metric) experiment.Metric { m.Window = "w"; return m }
	for _, tt := range []struct {
		name   string
		metric experiment.Metric
		want   float64
		whose  string
	}{
		{"the highest of all samples", of("cpu", experiment.Max, clients...), 90, ""},
		{"the mean of one", of("cpu", experiment.Mean, clients[0]), 50, ""},
		{"what they take together", each(of("cpu", experiment.Sum, clients...)), 140, ""},
		{"the highest mean", each(of("cpu", experiment.Max, clients...)), 90, "bravo/client.1"},
		{"the lowest mean", each(of("cpu", experiment.Min, clients...)), 50, "alpha/client.0"},
		{"in a window", in(of("cpu", experiment.Mean, clients[0])), 30, ""},
		{"of hosts", each(of("steal", experiment.Max, machines...)), 10, "bravo"},
		{"busy", of("busy", experiment.Max, machines...), 60, ""},
		{"the network without loopback", of("received", experiment.Max, machines...), 1500, ""},
		{"memory", of("rss", experiment.Max, clients...), 100 << 20, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tree, rec := sampledRun()
			judgedIn(t, tree, rec, window(release(0), release(5*time.Second)), tt.metric)
			if got := rec.Metrics["m"]; math.Abs(got-tt.want) > 1e-6 {
				t.Errorf("got %v, want %v: %s", got, tt.want, rec.MetricNotes["m"])
			}
			if got := rec.MetricsOf["m"].Whose; got != tt.whose {
				t.Errorf("it is of %q, want %q", got, tt.whose)
			}
			if rec.Outcome != outcome.RunSucceeded {
				t.Errorf("the run is %s: %s", rec.Outcome, rec.Reason)
			}
		})
	}
}

func TestRequirementOfSamplesNamesWhoDoesNotMeetIt(t *testing.T) {
	t.Parallel()
	tree, rec := sampledRun()
	m := of("cpu", experiment.Max, clients...)
	m.Name, m.Lines, m.Unit = "client.cpu", experiment.Mean, "%"
	require := experiment.Requirement{Name: "client.cpu", Metric: "client.cpu", Operator: "<", Limit: 85, Text: "< 85%"}
	judgedBy(t, tree, rec, &experiment.Measures{Metrics: []experiment.Metric{m}, Require: []experiment.Requirement{require}})
	if want := "client.cpu was 90 % (bravo/client.1), required < 85%"; rec.Reason != want {
		t.Errorf("the run is %s: %s\nwant %s", rec.Outcome, rec.Reason, want)
	}
}

func TestSamplesThatAreNotThereAreSaidToBe(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		change func(tree fstest.MapFS)
		metric experiment.Metric
		want   string
	}{
		"none were taken":    {func(tree fstest.MapFS) { delete(tree, "alpha/samples") }, of("cpu", experiment.Sum, clients[0]), "no samples were taken on alpha"},
		"of no such process": {func(fstest.MapFS) {}, of("cpu", experiment.Sum, experiment.Source{Host: "bravo", Process: "client.7"}), "no process that it is about was started"},
		"not known":          {func(fstest.MapFS) {}, of("read", experiment.Sum, clients[0]), "alpha/samples has no read of alpha/client.0"},
		"damaged":            {func(tree fstest.MapFS) { tree["alpha/samples"] = &fstest.MapFile{Data: []byte("x")} }, of("cpu", experiment.Sum, clients[0]), "doesn't begin with"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tree, rec := sampledRun()
			tt.change(tree)
			judgedIn(t, tree, rec, nil, tt.metric)
			if got := rec.MetricNotes["m"]; !math.IsNaN(rec.Metrics["m"]) || !strings.Contains(got, tt.want) {
				t.Errorf("got %v: %s\nwant %s", rec.Metrics["m"], got, tt.want)
			}
		})
	}
}

// judgedBy judges the run by all of that.
func judgedBy(t *testing.T, tree fstest.MapFS, rec *results.Record, by *experiment.Measures) {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, tree); err != nil {
		t.Fatal(err)
	}
	metric.Judge(t.Context(), dir, &experiment.Datapoint{Measures: *by}, rec, nil)
}
