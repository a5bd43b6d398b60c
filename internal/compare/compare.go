// Package compare says what has changed between two sides of which there are results: two
// experiments, or two values of a parameter. [All] pairs their combinations, tests each metric of
// each pair, and judges it. Which tests, and why, is in docs/adr/019-statistics.md.
package compare

import (
	"cmp"
	"maps"
	"math"
	"slices"

	"downbeat/internal/results"
	"downbeat/internal/statistics"
)

// A Side is what is compared: the runs of an experiment, or those with one value of a parameter.
type Side struct {
	Name string
	// Runs are those that count (see [results.Counted]).
	Runs []results.Record
}

// A Direction says which values of a metric are better.
type Direction string

// The directions; without one, a difference is neither better nor worse.
const (
	Lower  Direction = "lower"
	Higher Direction = "higher"
)

// A Verdict is what is said of a metric on the other side, seen from the base.
type Verdict string

// The verdicts.
const (
	Faster    Verdict = "faster" // better
	Slower    Verdict = "slower" // worse
	More      Verdict = "higher" // where no direction is known
	Less      Verdict = "lower"
	Undecided Verdict = "undecided" // the test finds no difference
	Missing   Verdict = "missing"   // there are no values on one side
)

// A Test is how two samples were compared.
type Test string

// The tests.
const (
	MannWhitney Test = "mann-whitney"
	SignedRank  Test = "signed-rank"
)

// Options say what to compare.
type Options struct {
	// By is the parameter of which the sides have one value each; empty: they are experiments.
	By string
	// Metrics are the only ones to compare; empty: all.
	Metrics []string
	// Better says which values of a metric are better; nil: that is not known of any.
	Better func(metric string) Direction
	// Stopped: how many repetitions there are was decided by how much they vary.
	Stopped bool
}

// priceOfStopping is the factor of all probabilities where repetitions stopped once their interval
// was narrow. That happens sooner where they look alike by chance, so that the tests, which take
// the number of values as given, would raise up to 7.4 % of false alarms instead of 5 %; with the
// factor it is 4.9 %.
const priceOfStopping = 1.6

// A Result is what is said of all sides.
type Result struct {
	By          string
	Base        string
	Tests       int // that were made together
	Comparisons []Comparison
}

// A Comparison is what is said of one side, seen from the base.
type Comparison struct {
	Other string
	Rows  []Row
	// OnlyBase and OnlyOther are combinations without a counterpart.
	OnlyBase, OnlyOther []map[string]any
}

// A Row is what is said of one metric of one combination.
type Row struct {
	Parameters  map[string]any // without that by which the sides differ
	Metric      string
	Unit        string
	Better      Direction // empty: not known
	Base, Other results.Summary
	Verdict     Verdict
	Test        Test // empty: there was none
	Pairs       int  // with SignedRank

	// Relative: the change is a ratio of the other side to the base, where 1 is none. Otherwise,
	// since some value is not above 0, it is a difference.
	Relative          bool
	Change, Low, High float64 // the change with its 95 % interval
	// P is that of the test alone, and Adjusted that with all the others.
	P, Adjusted float64
	// Floor is the smallest change that could have been seen, as a share or a difference;
	// infinite: none could.
	Floor float64
	// Needed is how many repetitions of each side would show such a change as it seems to be, in
	// all; infinite: no number is known.
	Needed float64

	// Redefined: not all runs took the metric by the same definition.
	Redefined bool

	shift  statistics.Shift
	design statistics.Design
	a, b   []float64 // what was tested
	price  float64   // of P, as it stands
}

// All compares each of the others with the base.
func All(base Side, others []Side, options Options) Result {
	r := Result{By: options.By, Base: base.Name}
	for _, other := range others {
		r.Comparisons = append(r.Comparisons, compareSides(base, other, options))
	}
	r.judge()
	return r
}

// rows are those of all comparisons in which something was tested.
func (r *Result) rows() []*Row {
	var all []*Row
	for i := range r.Comparisons {
		for j := range r.Comparisons[i].Rows {
			if row := &r.Comparisons[i].Rows[j]; row.Test != "" {
				all = append(all, row)
			}
		}
	}
	return all
}

// judge adjusts the tests for one another, and says what follows.
func (r *Result) judge() {
	rows := r.rows()
	r.Tests = len(rows)
	ps := make([]float64, len(rows))
	for i, row := range rows {
		ps[i] = min(row.P*row.price, 1)
	}
	for i, adjusted := range statistics.Holm(ps) {
		row := rows[i]
		row.Adjusted = adjusted
		row.settle(r.Tests)
	}
}

// compareSides compares one side with the base.
func compareSides(base, other Side, options Options) Comparison {
	c := Comparison{Other: other.Name}
	mine, theirs := combinations(base, options.By), combinations(other, options.By)
	for _, a := range mine {
		i := slices.IndexFunc(theirs, func(b combination) bool { return b.key == a.key })
		if i < 0 {
			c.OnlyBase = append(c.OnlyBase, a.parameters)
			continue
		}
		c.Rows = append(c.Rows, compareCombinations(a, theirs[i], options)...)
	}
	for _, b := range theirs {
		if !slices.ContainsFunc(mine, func(a combination) bool { return a.key == b.key }) {
			c.OnlyOther = append(c.OnlyOther, b.parameters)
		}
	}
	return c
}

// A combination is the runs of one side with the same parameters.
type combination struct {
	key        string
	parameters map[string]any
	runs       []results.Record
	summaries  []results.Summary
}

func combinations(side Side, by string) []combination {
	var all []combination
	for _, runs := range results.Combinations(side.Runs) {
		c := combination{parameters: maps.Clone(runs[0].Parameters), runs: runs}
		delete(c.parameters, by)
		rest := results.Record{Parameters: c.parameters}
		c.key = rest.CombinationKey()
		var s results.Summarizer
		c.summaries = s.Summarize(runs)
		all = append(all, c)
	}
	return all
}

// compareCombinations compares each metric that either has.
func compareCombinations(a, b combination, options Options) []Row {
	var names []string
	for _, s := range slices.Concat(a.summaries, b.summaries) {
		names = append(names, s.Metric)
	}
	slices.Sort(names)
	var rows []Row
	for _, name := range slices.Compact(names) {
		if len(options.Metrics) > 0 && !slices.Contains(options.Metrics, name) {
			continue
		}
		row := Row{Parameters: a.parameters, Metric: name, Base: a.summary(name), Other: b.summary(name), Verdict: Missing}
		row.Unit = cmp.Or(row.Other.Unit, row.Base.Unit)
		row.Redefined = redefined(name, a.runs, b.runs)
		if options.Better != nil {
			row.Better = options.Better(name)
		}
		row.Change, row.Low, row.High, row.P, row.Adjusted = math.NaN(), math.NaN(), math.NaN(), math.NaN(), math.NaN()
		row.Floor, row.Needed = math.Inf(1), math.Inf(1)
		if row.Base.N > 0 && row.Other.N > 0 {
			row.price = 1
			if options.Stopped {
				row.price = priceOfStopping
			}
			row.compare(a.runs, b.runs)
		}
		rows = append(rows, row)
	}
	return rows
}

func (c combination) summary(metric string) results.Summary {
	for _, s := range c.summaries {
		if s.Metric == metric {
			return s
		}
	}
	return results.Summary{Metric: metric, Runs: len(c.runs), Summary: statistics.Summarize(nil)}
}

// redefined reports whether the runs of the two sides took a metric by different definitions.
func redefined(metric string, a, b []results.Record) bool {
	definition := ""
	for _, r := range slices.Concat(a, b) {
		of := r.MetricsOf[metric].Definition
		if definition != "" && of != "" && of != definition {
			return true
		}
		definition = cmp.Or(of, definition)
	}
	return false
}
