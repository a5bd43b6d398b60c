package report_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"downbeat/internal/outcome"
	"downbeat/internal/report"
	"downbeat/internal/report/reporttest"
	"downbeat/internal/results"
)

// A skew below the bound of its error reads as the bound wherever the page shows
// it, and one above it has the bound that held then beside it.
func TestSkewBelowItsBoundReadsAsTheBound(t *testing.T) {
	t.Parallel()
	e, err := results.Create(t.TempDir(), results.Meta{Name: "skews", Time: reporttest.Epoch})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	finishSkews(t, e, 1, results.Record{StartSkewUS: 0, StartErrorUS: 290, StopSkewUS: 40, StopErrorUS: 1210, ClockErrorUS: 7})
	finishSkews(t, e, 2, results.Record{StartSkewUS: 900, StartErrorUS: 300, StopSkewUS: 9000, StopErrorUS: 310, ClockErrorUS: 7})
	finishSkews(t, e, 3, results.Record{StartSkewUS: 0, StopSkewUS: 6, ClockErrorUS: 120}) // of an earlier version
	if err := write(e.Dir(), report.Options{}); err != nil {
		t.Fatal(err)
	}

	p := open(t, e.Dir(), "#run=R1", size(1200, 800))
	if got, want := p.column("start skew (µs)"), []string{"< 290", "900 ± 300", "< 120"}; !slices.Equal(got, want) {
		t.Errorf("start skews in the table: %q, want %q", got, want)
	}
	if got, want := p.column("stop skew (µs)"), []string{"< 1,210", "9,000 ± 310", "< 120"}; !slices.Equal(got, want) {
		t.Errorf("stop skews in the table: %q, want %q", got, want)
	}
	if tiles := strings.Join(p.texts(".tile"), "\n"); !strings.Contains(tiles, "< 290 µs") || !strings.Contains(tiles, "900 µs ± 300 µs at most") {
		t.Errorf("the tiles are\n%s", tiles)
	}
	for link, want := range map[string][]string{"R1": {"< 290 µs", "< 1.21 ms"}, "R2": {"900 µs ± 300 µs", "9.00 ms ± 310 µs"}, "R3": {"< 120 µs", "< 120 µs"}} {
		p := open(t, e.Dir(), "#run="+link, size(1200, 800))
		p.await(`document.querySelectorAll("#release circle.start").length === 2`)
		facts := strings.Join(p.texts("#run-facts dd"), "\n")
		strips := p.texts("#release-text")[0] + p.texts("#stop-text")[0] + strings.Join(p.texts("#release svg, #stop svg"), "")
		for _, skew := range want {
			if !strings.Contains(facts, skew) || strings.Count(strips, skew) < 2 {
				t.Errorf("%s: %q is not in the facts\n%s\nor in both the strips and what is said of them\n%s", link, skew, facts, strips)
			}
		}
		if strings.Contains(facts+strips, "within 0 µs") || strings.Contains(facts, "\n0 µs") {
			t.Errorf("%s: a skew of nothing in\n%s\n%s", link, facts, strips)
		}
	}
}

// Where the hosts were stopped one after the other, the time between them is not the skew: that of
// the widest step is told, and not drawn.
func TestSkewOfAStopInSteps(t *testing.T) {
	t.Parallel()
	e, err := results.Create(t.TempDir(), results.Meta{Name: "steps", Time: reporttest.Epoch})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	finishSkews(t, e, 1, results.Record{StopSkewUS: 40, StopErrorUS: 10}, func(r *results.Record) {
		r.Hosts[1].StoppedAt = r.Hosts[0].StoppedAt.Add(time.Second)
	})
	if err := write(e.Dir(), report.Options{}); err != nil {
		t.Fatal(err)
	}
	p := open(t, e.Dir(), "#run=R1", size(1200, 800))
	p.await(`document.querySelectorAll("#stop svg").length > 0`)
	if text := p.texts("#stop-text")[0]; !strings.Contains(text, "sent in steps, each within 40 µs") {
		t.Errorf("what is said of the stop: %q", text)
	}
	if svg := strings.Join(p.texts("#stop svg"), ""); strings.Contains(svg, "stop skew") {
		t.Errorf("the time between the steps is drawn as the skew: %q", svg)
	}
}

// finishSkews makes a run of two hosts with these skews.
func finishSkews(t *testing.T, e *results.Experiment, n int, rec results.Record, change ...func(*results.Record)) {
	t.Helper()
	run, err := e.NewRun("000"+string(rune('0'+n)), []results.Process{{Host: "alpha", Name: "0"}, {Host: "bravo", Name: "0"}})
	if err != nil {
		t.Fatal(err)
	}
	at := reporttest.Epoch.Add(time.Duration(n) * time.Minute)
	rec.Run, rec.Datapoint, rec.Repetition, rec.Attempt, rec.Outcome = "R"+string(rune('0'+n)), n, 1, 1, outcome.RunSucceeded
	rec.EnqueuedAt, rec.ReleasedAt, rec.EndedAt = at, at, at.Add(3*time.Second)
	for i, host := range []string{"alpha", "bravo"} {
		us := func(skew int64) time.Duration { return time.Duration(int64(i)*skew) * time.Microsecond }
		rec.Hosts = append(rec.Hosts, results.HostRecord{Host: host, Outcome: outcome.HostSucceeded, ClockErrorUS: rec.ClockErrorUS, StoppedAt: at.Add(2*time.Second + us(rec.StopSkewUS))})
		rec.Processes = append(rec.Processes, results.ProcessRecord{
			Host: host, Process: "0", CommandRecord: results.CommandRecord{Argv: []string{"true"}, Outcome: outcome.CommandStopped, StartedAt: at.Add(us(rec.StartSkewUS)), EndedAt: at.Add(2*time.Second + time.Millisecond)},
		})
	}
	for _, f := range change {
		f(&rec)
	}
	if err := run.Finish(rec); err != nil {
		t.Fatal(err)
	}
}
