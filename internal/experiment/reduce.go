package experiment

import (
	"slices"
	"strconv"
	"strings"
)

// A Reduction names how several values become one.
type Reduction string

// The reductions, besides the percentiles: "p99", "p99.9".
const (
	Sum    Reduction = "sum"
	Mean   Reduction = "mean"
	Min    Reduction = "min"
	Max    Reduction = "max"
	Median Reduction = "median"
	Count  Reduction = "count"
	First  Reduction = "first"
	Last   Reduction = "last"
	Rate   Reduction = "rate" // values per second
)

// Counts reports whether the reduction counts values, which need not be numbers.
func (r Reduction) Counts() bool { return r == Count || r == Rate }

// reductionNames are those that error messages propose.
var reductionNames = []string{"sum", "mean", "min", "max", "median", "p99", "count", "rate", "first", "last"}

// Percent gives the percentage of a percentile, and 50 for the median.
func (r Reduction) Percent() (float64, bool) {
	if r == Median {
		return 50, true
	}
	digits, ok := strings.CutPrefix(string(r), "p")
	if !ok || strings.Trim(digits, "0123456789.") != "" {
		return 0, false
	}
	v, err := strconv.ParseFloat(digits, 64)
	return v, err == nil && v > 0 && v < 100
}

// valid reports whether there is such a reduction.
func (r Reduction) valid() bool {
	_, percentile := r.Percent()
	return percentile || slices.Contains(reductionNames, string(r))
}

// aReduction is the name of one.
var aReduction = shape[Reduction]{"reduction", anyOf(
	schema{"enum": reductionNames}, schema{"type": "string", "pattern": `^p[0-9]{1,2}(\.[0-9]+)?$`},
), func(v value) Reduction {
	s, ok := v.str()
	r := Reduction(s)
	if ok && !r.valid() {
		v.wrong(v.in.didYouMean(s, reductionNames), "unknown reduction %q", s)
	}
	return r
}}

// reduction is how a metric's values become one: by one step over all of them, or
// by one over those of each process and one over what the processes gave.
var reduction = binding[metric]{
	words: "reduction, or map", schema: anyOf(aReduction.schema, reduceFields.table().schema()), inner: []*table{reduceFields.table()},
	read: func(v value, m *metric) {
		if v.kind == mapNode {
			reduceFields.read(v, m)
			return
		}
		m.Processes = aReduction.read(v)
	},
}
