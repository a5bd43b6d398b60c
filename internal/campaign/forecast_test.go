package campaign

import (
	"testing"
	"time"

	"downbeat/internal/experiment"
	"downbeat/internal/outcome"
	"downbeat/internal/results"
)

// A course runs datapoints one after the other, without preparing any, and gives the
// progress with which each was opened.
func course(t *testing.T, config Config, began time.Time, took ...time.Duration) []Progress {
	t.Helper()
	c, now := New(config), began
	var opened []Progress
	effects := c.Step(now, Begin{})
	for _, d := range took {
		asked, ok := effects[len(effects)-1].(Make)
		if !ok {
			t.Fatalf("got %T, want Make", effects[len(effects)-1])
		}
		opened = append(opened, c.Step(now, Made{Attempt: asked.Attempt, Run: asked.Point.Label(), Number: 1})[0].(Open).Progress)
		released := now
		now = now.Add(d)
		effects = c.Step(now, Over{Run: asked.Point.Label(), Record: results.Record{Outcome: outcome.RunSucceeded, ReleasedAt: released, EndedAt: now}})
	}
	return opened
}

// The end is expected as if the datapoints that are left took as long, on average, as
// those that are over.
func TestUntil(t *testing.T) {
	t.Parallel()
	began := time.Date(2026, 11, 28, 9, 0, 0, 0, time.UTC)
	got := course(t, Config{Source: points(4), Before: 6}, began, 10*time.Second, 30*time.Second, 5*time.Second)
	for i, want := range []time.Time{{}, began.Add(10*time.Second + 3*10*time.Second), began.Add(40*time.Second + 2*20*time.Second)} {
		if !got[i].Until.Equal(want) {
			t.Errorf("datapoint %d: got %v, want %v", i+1, got[i].Until, want)
		}
		if got[i].Position != 7+i || got[i].Total != 10 {
			t.Errorf("datapoint %d: it is %d of %d", i+1, got[i].Position, got[i].Total)
		}
	}
	if one := course(t, Config{Source: points(1), Before: 6}, began, time.Second)[0]; !one.Until.IsZero() {
		t.Errorf("of a single datapoint: %v", one.Until)
	}
}

// A run is expected to take as long as the latest with the same parameters, or else as
// the latest of all.
func TestExpected(t *testing.T) {
	t.Parallel()
	point := func(index int, mode string) experiment.Point {
		return experiment.Point{Index: index, Parameters: []experiment.Parameter{{Name: "mode", Value: mode}}}
	}
	list := List{point(1, "fast"), point(2, "safe"), point(3, "fast"), point(4, "safe"), point(5, "odd")}
	got := course(t, Config{Source: list}, time.Unix(0, 0), 1*time.Second, 9*time.Second, 2*time.Second, 8*time.Second, time.Second)
	for i, want := range []time.Duration{0, 1 * time.Second, 1 * time.Second, 9 * time.Second, 8 * time.Second} {
		if got[i].Expected != want {
			t.Errorf("datapoint %d: got %s, want %s", i+1, got[i].Expected, want)
		}
	}
	var d durations
	d.add(list[0], results.Record{Outcome: outcome.RunFailed, ReleasedAt: time.Unix(1, 0), EndedAt: time.Unix(2, 0)})
	d.add(list[0], results.Record{Outcome: outcome.RunSucceeded, EndedAt: time.Unix(2, 0)})
	if got := d.expect(list[0]); got != 0 {
		t.Errorf("runs that failed, or were not released, are expected to take %s", got)
	}
}

// The result names each datapoint that did not succeed, by its last run.
func TestFailures(t *testing.T) {
	t.Parallel()
	c, now := New(Config{Source: points(3)}), time.Unix(100, 0)
	c.Step(now, Begin{})
	away := results.Record{Outcome: outcome.RunRefused, Reason: "alpha was not ready", Hosts: []results.HostRecord{{Host: "alpha", Outcome: outcome.HostNotReady}}}
	late := results.Record{Outcome: outcome.RunTimedOut, Reason: "it took too long", ReleasedAt: now}
	for i, record := range []results.Record{away, {Outcome: outcome.RunSucceeded, ReleasedAt: now}, late} {
		run := points(3)[i].Label()
		open := c.Step(now, Made{Attempt: Attempt{Point: points(3)[i], Try: 1}, Run: run, Number: 1})[0].(Open)
		if want := min(i, 1); len(open.Failures) != want {
			t.Errorf("datapoint %d is opened with %d failures, want %d", i+1, len(open.Failures), want)
		}
		now = now.Add(time.Second)
		effects := c.Step(now, Over{Run: run, Record: record})
		if took := effects[0].(Report).Took; took != time.Second {
			t.Errorf("datapoint %d took %s", i+1, took)
		}
		if i < 2 {
			continue
		}
		got := effects[1].(Finish).Result
		want := []Failure{
			{Label: "0001-n=1", Run: "0001-n=1", Outcome: outcome.RunRefused, Reason: "alpha was not ready", NotReady: true},
			{Label: "0003-n=3", Run: "0003-n=3", Outcome: outcome.RunTimedOut, Reason: "it took too long", Released: true},
		}
		if len(got.Failures) != 2 || got.Failures[0] != want[0] || got.Failures[1] != want[1] || !got.Released || got.Took != 3*time.Second {
			t.Errorf("got %+v, want the failures %+v", got, want)
		}
	}
}
