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
)

// reductionNames are those worth proposing.
var reductionNames = []string{"sum", "mean", "min", "max", "median", "p99", "count", "first", "last"}

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

// reduce reads how a metric's values become one: by one step over all of them,
// or by one over those of each process and one over what the processes gave.
func (d *decoder) reduce(n *node, path string) (lines, processes Reduction) {
	if n.kind != mapNode {
		return "", d.reduction(n, path)
	}
	fields := d.fields(n, path, reduceFields)
	for _, name := range reduceFields {
		if fields[name] == nil {
			d.add(n.pos, path, "such as {lines: mean, processes: sum}", "%q is missing", name)
			return "", ""
		}
	}
	return d.reduction(fields["lines"], path+".lines"), d.reduction(fields["processes"], path+".processes")
}

func (d *decoder) reduction(n *node, path string) Reduction {
	s, ok := d.str(n, path)
	r := Reduction(s)
	if ok && !r.valid() {
		d.add(n.pos, path, d.didYouMean(s, reductionNames), "unknown reduction %q", s)
	}
	return r
}
