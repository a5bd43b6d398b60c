package campaign

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"downbeat/internal/experiment"
	"downbeat/internal/outcome"
	"downbeat/internal/results"
	"downbeat/internal/statistics"
)

// rounds gives so many rounds of the points of a file with these branches.
func rounds(n int, branches ...string) []experiment.Point {
	var points []experiment.Point
	for round := range n {
		for _, branch := range branches {
			points = append(points, experiment.Point{
				Index: len(points) + 1, Repetition: round + 1, Parameters: []experiment.Parameter{{Name: "branch", Value: branch}},
			})
		}
	}
	return points
}

// recordOf reads what a run left: a rate, "failed", or "none" for a metric that found nothing.
func recordOf(now time.Time, word string) results.Record {
	r := results.Record{Outcome: outcome.RunSucceeded, ReleasedAt: now, EndedAt: now.Add(time.Second)}
	switch rate, err := strconv.ParseFloat(word, 64); {
	case word == "failed":
		r.Outcome, r.Metrics = outcome.RunFailed, results.Metrics{"rate": 100}
	case err != nil:
		r.Metrics = results.Metrics{"rate": math.NaN()}
	default:
		r.Metrics = results.Metrics{"rate": rate}
	}
	return r
}

// unroll runs a campaign in virtual time; rates are what the runs of each branch leave, one after
// the other, and the last one again and again. It gives the order in which the datapoints were
// opened, with a + where one was prepared before the one before it was over, and the progress at
// each.
func unroll(t *testing.T, config Config, rates map[string]string) (order string, told []Progress, result Result) {
	t.Helper()
	c, now := New(config), time.Unix(0, 0)
	effects := c.Step(now, Begin{})
	var list []string
	var open, made string // runs, which are named after their datapoints
	taken := make(map[string]int)
	name := func(a Attempt) string { return fmt.Sprintf("%s%d", a.Point.Parameters[0].Value, a.Point.Repetition) }
	for range 1000 {
		var next []Effect
		for _, e := range effects {
			switch e := e.(type) {
			case Make:
				made = name(e.Attempt)
				if open != "" {
					made = "+" + made
				}
				next = append(next, c.Step(now, Made{Attempt: e.Attempt, Run: made, Number: e.Try})...)
			case Open:
				open, told = e.Run, append(told, e.Progress)
				list = append(list, e.Run)
				now = now.Add(time.Second)
				next = append(next, c.Step(now, Ended{open, outcome.RunSucceeded})...)
				if len(next) == 0 {
					next = append(next, nil)
				}
			case Report:
				open = ""
			case Finish:
				return strings.Join(list, " "), told, e.Result
			case GiveUp, Stop, Retry, Pause:
				t.Fatalf("%T, though nobody asked for it", e)
			}
		}
		effects = slices.DeleteFunc(next, func(e Effect) bool { return e == nil })
		if len(effects) > 0 || open == "" {
			continue
		}
		branch := strings.TrimLeft(open, "+")[:1]
		words := strings.Fields(rates[branch])
		word := words[min(taken[branch], len(words)-1)]
		taken[branch]++
		run := open
		open = ""
		effects = c.Step(now, Over{Run: run, Record: recordOf(now, word)})
	}
	t.Fatal("it does not end")
	return "", nil, Result{}
}

// Combinations are run in turn until each is known; only those that are not are run again.
func TestUntilKnown(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		rates map[string]string
		want  string
	}{
		"all alike": {
			map[string]string{"a": "100", "b": "7"},
			"a1 +b1 +a2 +b2 +a3 +b3",
		},
		"one that varies more": {
			map[string]string{"a": "100", "b": "100 104 102 103 101 102"},
			"a1 +b1 +a2 +b2 +a3 +b3 b4 b5",
		},
		"one that varies too much": {
			map[string]string{"a": "100 200 100 200 100 200 100", "b": "100"},
			"a1 +b1 +a2 +b2 +a3 +b3 +a4 a5 a6",
		},
		"both, in turn": {
			map[string]string{"a": "1 2", "b": "2 1"},
			"a1 +b1 +a2 +b2 +a3 +b3 +a4 +b4 +a5 +b5 +a6 +b6",
		},
		"failed runs don't count": {
			map[string]string{"a": "100 failed failed 100", "b": "100"},
			"a1 +b1 +a2 +b2 +a3 +b3 +a4 +a5",
		},
		"nor does what found nothing": {
			map[string]string{"a": "100 none 100", "b": "100"},
			"a1 +b1 +a2 +b2 +a3 +b3 +a4",
		},
		"which never decides": {
			map[string]string{"a": "none", "b": "100"},
			"a1 +b1 +a2 +b2 +a3 +b3 +a4 a5 a6",
		},
		"all failed": {
			map[string]string{"a": "failed", "b": "100"},
			"a1 +b1 +a2 +b2 +a3 +b3 +a4 +a5 +a6",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			goal := statistics.Goal{AtLeast: 3, AtMost: 6, Until: map[string]float64{"rate": 0.02}}
			got, told, result := unroll(t, Config{Source: NewUntil(goal, rounds(6, "a", "b"), nil)}, test.rates)
			if got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
			n := len(strings.Fields(got))
			if result.Total != n || result.Ran != n || result.AtMost || result.Left() != 0 {
				t.Errorf("result %+v", result)
			}
			if first := told[0]; first.Total != 12 || !first.AtMost {
				t.Errorf("at first it is %+v", first)
			}
			if last := told[len(told)-1]; last.Total < n || last.Position != n {
				t.Errorf("at last it is %+v", last)
			}
		})
	}
}

// Earlier runs count, and numbers of datapoints stay what they were.
func TestUntilGoesOn(t *testing.T) {
	t.Parallel()
	goal := statistics.Goal{AtLeast: 3, AtMost: 6, Until: map[string]float64{"rate": 0.02}}
	all := rounds(6, "a", "b")
	done := func(point experiment.Point, rate float64) Done {
		return Done{Point: point, Metrics: results.Metrics{"rate": rate}}
	}
	earlier := []Done{done(all[0], 100), done(all[2], 100), done(all[1], 100), done(all[3], 130)}
	config := Config{Source: NewUntil(goal, all[4:], earlier), Before: len(earlier)}
	got, told, result := unroll(t, config, map[string]string{"a": "100", "b": "100"})
	if want := "a3 +b3 b4 b5 b6"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if told[0].Position != 5 || told[0].Total != 12 || told[0].Point.Index != 5 || result.Total != 9 || result.Succeeded() != 9 {
		t.Errorf("first %+v, result %+v", told[0], result)
	}
	if _, more := NewUntil(goal, all[6:], []Done{done(all[0], 1), done(all[2], 1), done(all[4], 1), done(all[1], 1), done(all[3], 1), done(all[5], 1)}).Next(0, nil); more {
		t.Error("what is known is run again")
	}
}

// The end is forecast as if all that may be run were.
func TestUntilForecast(t *testing.T) {
	t.Parallel()
	goal := statistics.Goal{AtLeast: 3, AtMost: 6, Until: map[string]float64{"rate": 0.02}}
	_, told, _ := unroll(t, Config{Source: NewUntil(goal, rounds(6, "a", "b"), nil)}, map[string]string{"a": "100", "b": "1 2"})
	var totals []int
	for _, p := range told {
		totals = append(totals, p.Total)
	}
	if want := []int{12, 12, 12, 12, 12, 12, 9, 9, 9}; !slices.Equal(totals, want) {
		t.Errorf("totals %v, want %v", totals, want)
	}
	if p := told[6]; !p.Until.Equal(time.Unix(9, 0)) || !p.AtMost {
		t.Errorf("at the seventh: %+v", p)
	}
	if p := told[8]; p.AtMost {
		t.Errorf("the last is %+v", p)
	}
}
