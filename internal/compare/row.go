package compare

import (
	"math"
	"slices"

	"downbeat/internal/results"
	"downbeat/internal/statistics"
)

// Repetitions that were run in turn are compared as pairs, if there are so many pairs and most
// have a part in one. With fewer, a test of pairs can decide nothing once it is adjusted for a few
// others, while one of independent samples can.
const (
	fewestPairs     = 10
	shareOfUnpaired = 0.25
)

// compare tests a metric of which both sides have values.
func (row *Row) compare(base, other []results.Record) {
	a, b := row.Base.Values, row.Other.Values
	row.Test, row.design = MannWhitney, statistics.Design{Level: statistics.Level}
	if x, y := pairs(row.Metric, base, other); len(x) >= fewestPairs && float64(len(x)) >= (1-shareOfUnpaired)*float64(max(len(a), len(b))) {
		a, b, row.Pairs, row.Test, row.design.Paired = x, y, len(x), SignedRank, true
	}
	row.Relative = slices.Min(row.Base.Values) > 0 && slices.Min(row.Other.Values) > 0
	if row.Relative {
		a, b = logarithms(a), logarithms(b)
	}
	row.a, row.b = a, b
	row.shift = row.design.Compare(a, b)
	row.P = row.shift.P
	row.Change, row.Low, row.High = row.plain(row.shift.Estimate), row.plain(row.shift.Low), row.plain(row.shift.High)
}

// plain is a shift as a ratio, where it is one of logarithms.
func (row *Row) plain(shift float64) float64 {
	if row.Relative {
		return math.Exp(shift)
	}
	return shift
}

// settle gives the verdict, and what could have been seen where so many tests are made.
func (row *Row) settle(tests int) {
	row.design.Level = statistics.Level / float64(tests) / row.price
	at := row.design.Interval(row.a, row.b)
	row.Floor = row.design.Floor(at)
	if row.Relative {
		row.Floor = math.Expm1(row.Floor)
	}
	row.Needed = math.Ceil(row.design.Needed(at))
	if row.Adjusted > statistics.Level || row.shift.Estimate == 0 {
		row.Verdict = Undecided
		return
	}
	up := row.shift.Estimate > 0
	switch {
	case row.Better == "" && up:
		row.Verdict = More
	case row.Better == "":
		row.Verdict = Less
	case (row.Better == Higher) == up:
		row.Verdict = Faster
	default:
		row.Verdict = Slower
	}
}

// Further is how many more repetitions of each side would show such a change as it seems to be;
// infinite: no number is known.
func (row *Row) Further() float64 {
	return max(row.Needed-float64(min(row.Base.N, row.Other.N)), 1)
}

// pairs gives the values of the repetitions that both sides have, if they were run in turn: of
// each pair, nothing else of the two came between its runs.
func pairs(metric string, base, other []results.Record) (a, b []float64) {
	type run struct {
		results.Record
		other bool
	}
	var all []run
	for _, r := range base {
		all = append(all, run{r, false})
	}
	for _, r := range other {
		all = append(all, run{r, true})
	}
	has := func(r run) (float64, bool) {
		v, ok := r.Metrics[metric]
		return v, ok && !math.IsNaN(v) && !math.IsInf(v, 0)
	}
	sides := make(map[int]int) // a bit for each side that has a value, by repetition
	for _, r := range all {
		if _, ok := has(r); ok && r.other {
			sides[r.Repetition] |= 1
		} else if ok {
			sides[r.Repetition] |= 2
		}
	}
	all = slices.DeleteFunc(all, func(r run) bool {
		_, ok := has(r)
		return !ok || sides[r.Repetition] != 3
	})
	slices.SortStableFunc(all, func(x, y run) int { return x.ReleasedAt.Compare(y.ReleasedAt) })
	for i := 0; i+1 < len(all); i += 2 {
		x, y := all[i], all[i+1]
		if x.other == y.other || x.Repetition != y.Repetition {
			return nil, nil
		}
		if x.other {
			x, y = y, x
		}
		p, _ := has(x)
		q, _ := has(y)
		a, b = append(a, p), append(b, q)
	}
	return a, b
}

func logarithms(values []float64) []float64 {
	logs := make([]float64, len(values))
	for i, v := range values {
		logs[i] = math.Log(v)
	}
	return logs
}
