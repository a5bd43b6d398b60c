package campaign

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"downbeat/internal/outcome"
	"downbeat/internal/results"
	"downbeat/internal/statistics"
)

// Whatever runs do, and whenever the operator interrupts, the campaign ends, opens one
// run at a time, and says what became of each datapoint.
func TestAnyCourse(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		config := Config{
			Source:  anySource(t),
			Before:  rapid.IntRange(0, 2).Draw(t, "before"),
			Retries: rapid.IntRange(0, 2).Draw(t, "retries"),
			Pause:   time.Duration(rapid.IntRange(0, 1).Draw(t, "pause")) * time.Second,
			Limits: Limits{
				FailFast: rapid.Bool().Draw(t, "fail fast"), KeepGoing: rapid.Bool().Draw(t, "keep going"),
				MaxFailures: rapid.IntRange(0, 3).Draw(t, "max failures"),
			},
		}
		w := &world{t: t, config: config, campaign: New(config), now: time.Unix(0, 0), runs: make(map[string]*worldRun), tries: make(map[int]int)}
		w.step(Begin{})
		for n := 0; w.result == nil; n++ {
			if n > 500 {
				t.Fatal("it does not end")
			}
			inputs := w.possible()
			if len(inputs) == 0 {
				t.Fatal("it waits for nothing")
			}
			w.step(rapid.SampledFrom(inputs).Draw(t, "input")())
		}
		w.check()
	})
}

// anySource gives the points of a list, or until two combinations are known.
func anySource(t *rapid.T) Source {
	if rapid.Bool().Draw(t, "list") {
		return points(rapid.IntRange(0, 5).Draw(t, "points"))
	}
	goal := statistics.Goal{AtLeast: 2, AtMost: 6, Until: map[string]float64{"rate": 0.05}}
	return NewUntil(goal, rounds(goal.AtMost, "a", "b"), nil)
}

// A world carries out what a campaign says, in any way that is allowed.
type world struct {
	t           *rapid.T
	config      Config
	campaign    *Campaign
	now         time.Time
	asked       []Attempt
	runs        map[string]*worldRun
	order       []*worldRun
	tries       map[int]int // opened runs, by datapoint
	opened      int         // index of the datapoint that was opened last
	interrupted bool
	broken      bool // something could not be written
	result      *Result
}

type worldRun struct {
	Attempt
	id                                string
	open, givenUp, stopped, end, over bool
}

// possible are the inputs that may come now.
func (w *world) possible() (inputs []func() Input) {
	add := func(f func() Input) { inputs = append(inputs, f) }
	if len(w.asked) > 0 {
		add(w.make)
		add(w.dontMake)
	}
	for _, r := range w.order {
		switch {
		case r.over:
		case !r.end:
			add(func() Input { r.end = true; return Ended{r.id, w.outcome()} })
			fallthrough
		default:
			add(func() Input { r.over = true; return w.over(r) })
		}
	}
	if next := w.campaign.Next(); !next.IsZero() {
		add(func() Input { w.now = next; return nil })
	}
	if !w.interrupted && rapid.IntRange(0, 20).Draw(w.t, "interrupt") == 0 {
		add(func() Input { w.interrupted = true; return Interrupt{} })
	}
	return inputs
}

func (w *world) make() Input {
	a := w.asked[0]
	w.asked = nil
	r := &worldRun{Attempt: a, id: fmt.Sprintf("r%d", len(w.order)+1)}
	w.runs[r.id], w.order = r, append(w.order, r)
	return Made{Attempt: a, Run: r.id, Number: a.Try}
}

func (w *world) dontMake() Input {
	w.asked, w.broken = nil, true
	return NotMade{errDisk}
}

func (w *world) outcome() outcome.Run {
	return rapid.SampledFrom([]outcome.Run{
		outcome.RunSucceeded, outcome.RunSucceeded, outcome.RunFailed, outcome.RunLost, outcome.RunRefused, outcome.RunAborted,
	}).Draw(w.t, "outcome")
}

func (w *world) over(r *worldRun) Input {
	if rapid.IntRange(0, 30).Draw(w.t, "broken") == 0 {
		w.broken = w.broken || !r.givenUp
		return Over{Run: r.id, Err: errDisk}
	}
	record := results.Record{Outcome: w.outcome(), ReleasedAt: w.now, EndedAt: w.now}
	record.Metrics = results.Metrics{"rate": float64(rapid.IntRange(100, 104).Draw(w.t, "rate"))}
	if record.Outcome == outcome.RunRefused {
		record = refusedBy("alpha: no disk")
	}
	return Over{Run: r.id, Record: record}
}

func (w *world) step(in Input) {
	for _, e := range w.campaign.Step(w.now, in) {
		if w.result != nil {
			w.t.Fatalf("after the end: %T", e)
		}
		w.carryOut(e)
	}
}

func (w *world) carryOut(e Effect) {
	switch e := e.(type) {
	case Make:
		w.mayMake(e.Attempt)
		w.asked = append(w.asked, e.Attempt)
	case Open:
		w.mayOpen(w.runs[e.Run])
		w.runs[e.Run].open = true
		w.tries[e.Point.Index]++
	case GiveUp:
		r := w.runs[e.Run]
		w.must(!r.open && !r.givenUp && !r.over, "%s is given up, though it is open, given up or over", e.Run)
		r.givenUp = true
	case Stop:
		r := w.runs[e.Run]
		w.must(w.interrupted && r.open && !r.stopped, "%s is stopped", e.Run)
		r.stopped = true
	case Report:
		r := w.runs[e.Run]
		w.must(r.open && r.over, "%s is reported before it is over", e.Run)
	case Finish:
		w.result = &e.Result
	case Retry, Pause:
	}
}

func (w *world) must(holds bool, format string, args ...any) {
	if !holds {
		w.t.Fatalf(format, args...)
	}
}

func (w *world) mayMake(a Attempt) {
	w.must(len(w.asked) == 0, "two runs are to be made at a time")
	w.must(!w.interrupted, "a run is made after an interrupt")
	w.must((a.Try == 1) == (a.Since == ""), "attempt %d since %q", a.Try, a.Since)
	for _, r := range w.order {
		w.must(r.over || r.open && r.end, "a run is made while the hosts still have %s", r.id)
	}
}

func (w *world) mayOpen(open *worldRun) {
	w.must(!w.interrupted, "a run is opened after an interrupt")
	w.must(!open.open && !open.givenUp, "%s is opened, though it is open or given up", open.id)
	w.must(open.Point.Index >= w.opened, "datapoint %d is opened after %d", open.Point.Index, w.opened)
	w.must(open.Try == w.tries[open.Point.Index]+1, "attempt %d comes after %d", open.Try, w.tries[open.Point.Index])
	w.must(open.Try <= w.config.Retries+1, "attempt %d of %d", open.Try, w.config.Retries+1)
	w.opened = open.Point.Index
	for _, r := range w.order {
		w.must(r == open || r.over, "%s is opened, and %s is not over", open.id, r.id)
	}
}

// check checks the result.
func (w *world) check() {
	r := *w.result
	for _, run := range w.order {
		w.must(run.over, "%s is not over at the end", run.id)
	}
	w.must(r.Interrupted == w.interrupted, "interrupted: %t, want %t", r.Interrupted, w.interrupted)
	w.must(r.Err == nil || w.broken, "it ends with an error that there was not")
	w.must(r.Ran <= len(w.tries), "%d datapoints were run, and %d opened", r.Ran, len(w.tries))
	w.must(len(r.Failures) <= r.Ran, "more failures than datapoints")
	if r.Stopped.Reason == NotStopped && !r.Interrupted && r.Err == nil {
		planned, atMost := w.config.Source.Planned()
		w.must(r.Left() == 0 && r.Ran == planned && !atMost, "%d are left, and nobody says why", r.Left())
	}
}
