package compare

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"downbeat/internal/outcome"
	"downbeat/internal/results"
	"downbeat/internal/statistics"
)

var epoch = time.Date(2026, 11, 28, 21, 0, 0, 0, time.UTC)

// A series makes records of runs, one after the other.
type series struct{ runs []results.Record }

func (s *series) add(repetition int, parameters map[string]any, metrics results.Metrics) {
	at := epoch.Add(time.Duration(len(s.runs)) * time.Minute)
	s.runs = append(s.runs, results.Record{
		Run: fmt.Sprint(len(s.runs)), Datapoint: len(s.runs) + 1, Repetition: repetition, Attempt: 1, Parameters: parameters,
		Outcome: outcome.RunSucceeded, ReleasedAt: at, EndedAt: at.Add(time.Second), Metrics: metrics,
	})
}

// side picks the runs with that value.
func (s *series) side(parameter string, value any) Side {
	side := Side{Name: fmt.Sprint(value)}
	for _, r := range s.runs {
		if r.Parameters[parameter] == value {
			side.Runs = append(side.Runs, r)
		}
	}
	return side
}

// inTurn runs the branches a and b in turn, for each number of clients; rate gives a run's.
func inTurn(repetitions int, clients []int, rate func(branch string, clients, repetition int) float64) *series {
	s := &series{}
	for repetition := 1; repetition <= repetitions; repetition++ {
		for _, c := range clients {
			for _, branch := range []string{"a", "b"} {
				s.add(repetition, map[string]any{"branch": branch, "clients": c}, results.Metrics{"rate": rate(branch, c, repetition)})
			}
		}
	}
	return s
}

func (s *series) branches(options Options) Result {
	options.By = "branch"
	return All(s.side("branch", "a"), []Side{s.side("branch", "b")}, options)
}

func higher(string) Direction { return Higher }
func lower(string) Direction  { return Lower }

// What differs by more than it varies has a verdict, in words by which values are better.
func TestVerdicts(t *testing.T) {
	t.Parallel()
	better := func(repetition int) float64 { return 100 + float64(repetition%7) }
	s := inTurn(12, []int{1, 4}, func(branch string, clients, repetition int) float64 {
		if branch == "b" && clients == 4 {
			return 1.1 * better(repetition)
		}
		return better((repetition * 5) % 11)
	})
	for name, test := range map[string]struct {
		better func(string) Direction
		want   Verdict
	}{
		"a rate": {higher, Faster}, "a latency": {lower, Slower}, "something": {nil, More},
	} {
		r := s.branches(Options{Better: test.better})
		rows := r.Comparisons[0].Rows
		if len(rows) != 2 || rows[0].Verdict != Undecided || rows[1].Verdict != test.want || r.Tests != 2 {
			t.Errorf("%s: got %+v", name, rows)
		}
		if row := rows[1]; row.Change < 1.05 || row.Change > 1.15 || row.Low <= 1 || row.High < row.Change || !row.Relative || row.Parameters["clients"] != 4 || len(row.Parameters) != 1 {
			t.Errorf("%s: %+v", name, row)
		}
		back := All(s.side("branch", "b"), []Side{s.side("branch", "a")}, Options{By: "branch", Better: test.better}).Comparisons[0].Rows[1]
		if opposite := map[Verdict]Verdict{Faster: Slower, Slower: Faster, More: Less}; back.Verdict != opposite[test.want] {
			t.Errorf("%s, the other way round: %s", name, back.Verdict)
		}
	}
}

// Repetitions that were run in turn are compared as pairs, so that a drift does not hide what
// differs; where they were not, or there are few, as samples of their own.
func TestPairs(t *testing.T) {
	t.Parallel()
	drifting := func(branch string, _, repetition int) float64 {
		v := 100 + 20*float64(repetition) + float64(repetition*repetition%3)
		if branch == "b" {
			v *= 1.03
		}
		return v
	}
	row := inTurn(12, []int{1, 4}, drifting).branches(Options{Better: higher}).Comparisons[0].Rows[0]
	if row.Test != SignedRank || row.Pairs != 12 || row.Verdict != Faster || row.Change < 1.02 || row.Change > 1.04 {
		t.Errorf("in turn: %+v", row)
	}
	row = inTurn(9, []int{1}, drifting).branches(Options{}).Comparisons[0].Rows[0]
	if row.Test != MannWhitney || row.Verdict != Undecided {
		t.Errorf("few: %+v", row)
	}
	apart := inTurn(12, []int{1}, drifting)
	for i := range apart.runs {
		if r := &apart.runs[i]; r.Parameters["branch"] == "b" {
			r.ReleasedAt = r.ReleasedAt.Add(24 * time.Hour)
		}
	}
	if row = apart.branches(Options{}).Comparisons[0].Rows[0]; row.Test != MannWhitney {
		t.Errorf("on two days: %+v", row)
	}
	failed := inTurn(13, []int{1}, drifting)
	failed.runs[4].Metrics = results.Metrics{"rate": math.NaN()} // of a, in the third repetition
	if row = failed.branches(Options{}).Comparisons[0].Rows[0]; row.Test != SignedRank || row.Pairs != 12 || row.Base.N != 12 || row.Other.N != 13 {
		t.Errorf("with one missing: %+v", row)
	}
}

// Experiments are compared by the combinations that both have; what only one has is said.
func TestExperiments(t *testing.T) {
	t.Parallel()
	var a, b series
	for repetition := range 6 {
		for _, clients := range []int{1, 4} {
			a.add(repetition+1, map[string]any{"clients": clients}, results.Metrics{"rate": 100 + float64(repetition)})
			b.add(repetition+1, map[string]any{"clients": clients * 4}, results.Metrics{"rate": 200 + float64(repetition), "p99": 3})
		}
	}
	r := All(Side{"before", a.runs}, []Side{{"after", b.runs}}, Options{Better: higher})
	c := r.Comparisons[0]
	if len(c.Rows) != 2 || fmt.Sprint(c.OnlyBase, c.OnlyOther) != "[map[clients:1]] [map[clients:16]]" {
		t.Fatalf("got %+v", c)
	}
	if p99 := c.Rows[0]; p99.Metric != "p99" || p99.Verdict != Missing || p99.Test != "" || p99.Other.N != 6 {
		t.Errorf("got %+v", p99)
	}
	if rate := c.Rows[1]; rate.Verdict != Faster || rate.Parameters["clients"] != 4 || r.Tests != 1 {
		t.Errorf("got %+v", rate)
	}
	if only := All(Side{"before", a.runs}, []Side{{"after", b.runs}}, Options{Metrics: []string{"rate"}}); len(only.Comparisons[0].Rows) != 1 {
		t.Errorf("of one metric: %+v", only)
	}
}

// A metric with values that are not above 0 has a difference and no ratio.
func TestDifferences(t *testing.T) {
	t.Parallel()
	row := inTurn(12, []int{1}, func(branch string, _, repetition int) float64 {
		if branch == "b" {
			return 5 + float64(repetition%3)
		}
		return float64(repetition % 2)
	}).branches(Options{Better: lower}).Comparisons[0].Rows[0]
	if row.Relative || row.Verdict != Slower || row.Change < 4 || row.Change > 7 || math.IsInf(row.Floor, 0) {
		t.Errorf("got %+v", row)
	}
}

// With too few repetitions nothing can be decided, and it is said how many it takes.
func TestTooFew(t *testing.T) {
	t.Parallel()
	row := inTurn(3, []int{1}, func(branch string, _, repetition int) float64 {
		return float64(len(branch)*1000+repetition) * map[string]float64{"a": 1, "b": 2}[branch]
	}).branches(Options{}).Comparisons[0].Rows[0]
	if row.Verdict != Undecided || !math.IsInf(row.Floor, 1) || row.Needed != 4 || row.Further() != 1 {
		t.Errorf("got %+v", row)
	}
}

// Metrics that were taken by two definitions are marked.
func TestRedefined(t *testing.T) {
	t.Parallel()
	s := inTurn(4, []int{1}, func(string, int, int) float64 { return 1 })
	for i := range s.runs {
		s.runs[i].MetricsOf = map[string]results.MetricBasis{"rate": {Definition: "one"}}
	}
	if s.branches(Options{}).Comparisons[0].Rows[0].Redefined {
		t.Error("one definition is taken for two")
	}
	s.runs[3].MetricsOf["rate"] = results.MetricBasis{Definition: "another"}
	if !s.branches(Options{}).Comparisons[0].Rows[0].Redefined {
		t.Error("two definitions are taken for one")
	}
}

// simulate runs a and b in turn, with many metrics of all shapes; one of them is better by factor
// in b. Over the night all drifts by drift.
func simulate(r *rand.Rand, repetitions int, one string, factor, drift float64) *series {
	s := &series{}
	for repetition := 1; repetition <= repetitions; repetition++ {
		for _, clients := range []int{1, 4} {
			for _, branch := range []string{"a", "b"} {
				by := 1 + drift*float64(repetition)/float64(repetitions)
				metrics := results.Metrics{
					"normal":    by * (100 + 4*r.NormFloat64()),
					"lognormal": by * math.Exp(0.3*r.NormFloat64()),
					"heavy":     by * math.Exp(r.NormFloat64()),
					"bimodal":   by * ([]float64{3612, 7608}[r.IntN(2)] + 150*r.NormFloat64()),
					"counted":   math.Round(by * (20 + 3*r.NormFloat64())),
				}
				if branch == "b" && one != "" {
					metrics[one] *= factor
				}
				s.add(repetition, map[string]any{"branch": branch, "clients": clients}, metrics)
			}
		}
	}
	return s
}

// Of a thousand comparisons of the same with the same, at most one in twenty finds any difference,
// with ten metrics of several shapes each, whether or not the machines drift.
func TestFalseAlarms(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		repetitions int
		drift       float64
	}{{6, 0}, {12, 0}, {12, 0.3}} {
		t.Run(fmt.Sprintf("%d repetitions, drift %g", test.repetitions, test.drift), func(t *testing.T) {
			t.Parallel()
			const comparisons = 1000
			r, alarms := rand.New(rand.NewPCG(uint64(test.repetitions), 7)), 0
			for range comparisons {
				rows := simulate(r, test.repetitions, "", 1, test.drift).branches(Options{Better: higher}).Comparisons[0].Rows
				if len(rows) != 10 {
					t.Fatalf("%d rows", len(rows))
				}
				for _, row := range rows {
					if row.Verdict != Undecided {
						alarms++
						break
					}
				}
			}
			t.Logf("%d alarms in %d comparisons", alarms, comparisons)
			if alarms > comparisons/20 {
				t.Errorf("%d alarms in %d comparisons", alarms, comparisons)
			}
		})
	}
}

// Also where each side stopped as soon as its interval was narrow, which is sooner where its runs
// look alike by chance.
func TestFalseAlarmsOfSidesThatStopped(t *testing.T) {
	t.Parallel()
	const comparisons = 3000
	r, alarms := rand.New(rand.NewPCG(12, 7)), 0
	goal := statistics.Goal{AtLeast: 3, AtMost: 19, Until: map[string]float64{"rate": 0.03}}
	for range comparisons {
		var s series
		values := map[string][]float64{}
		for repetition := 1; repetition <= goal.AtMost; repetition++ {
			for _, branch := range []string{"a", "b"} {
				if goal.Reached(map[string][]float64{"rate": values[branch]}) {
					continue
				}
				v := 100 + 5*r.NormFloat64()
				values[branch] = append(values[branch], v)
				s.add(repetition, map[string]any{"branch": branch}, results.Metrics{"rate": v})
			}
		}
		if s.branches(Options{Stopped: true}).Comparisons[0].Rows[0].Verdict != Undecided {
			alarms++
		}
	}
	t.Logf("%d alarms in %d comparisons", alarms, comparisons)
	if alarms > comparisons/20 {
		t.Errorf("%d alarms in %d comparisons", alarms, comparisons)
	}
}

// A change as large as the floor is found about as often as the power says, though ten tests are
// made at once; and it is found in the right direction.
func TestPower(t *testing.T) {
	t.Parallel()
	const comparisons, repetitions = 200, 15
	r := rand.New(rand.NewPCG(5, 7))
	found, floors := make(map[string]float64), make(map[string]float64)
	for range comparisons {
		for _, row := range simulate(r, repetitions, "", 1, 0.2).branches(Options{}).Comparisons[0].Rows {
			floors[row.Metric] += math.Log1p(row.Floor) / (2 * comparisons)
		}
	}
	for _, metric := range []string{"normal", "lognormal", "heavy"} {
		floors[metric] = math.Expm1(floors[metric])
		for range comparisons {
			for _, row := range simulate(r, repetitions, metric, 1+floors[metric], 0.2).branches(Options{Better: higher}).Comparisons[0].Rows {
				switch {
				case row.Metric != metric:
				case row.Verdict == Faster:
					found[metric] += 1.0 / (2 * comparisons)
				case row.Verdict == Slower:
					t.Errorf("%s is slower, though it is %g times faster", metric, 1+floors[metric])
				}
			}
		}
		t.Logf("%s: %.1f %% is found in %.3f", metric, 100*floors[metric], found[metric])
		if found[metric] < 0.75 || found[metric] > 0.97 {
			t.Errorf("%s: a change of %.1f %% is found in %.3f", metric, 100*floors[metric], found[metric])
		}
	}
}

// Nothing to compare is no error.
func TestNothing(t *testing.T) {
	t.Parallel()
	r := All(Side{Name: "a"}, []Side{{Name: "b"}}, Options{})
	if r.Tests != 0 || len(r.Comparisons) != 1 || r.Comparisons[0].Rows != nil {
		t.Errorf("got %+v", r)
	}
	if strings.Join([]string{r.Base, r.Comparisons[0].Other}, " ") != "a b" {
		t.Error("the sides have lost their names")
	}
}
