package metric

import (
	"math"
	"slices"

	"downbeat/internal/experiment"
)

// A reducer makes one value of several.
type reducer struct {
	reduction experiment.Reduction
	seconds   float64 // of the time that a rate is about
	looked    bool    // something was searched for what is to be counted
	n         int
	value     float64
	values    []float64 // all of them, for medians and percentiles
	merged    histogram // of those that came as histograms
}

// A reading is a value, or a histogram of values.
type reading struct {
	value float64
	bars  []bar
}

func (r reading) into(to *reducer) {
	if r.bars == nil {
		to.add(r.value)
		return
	}
	if !to.reduction.Counts() {
		to.merged.merge(r.bars)
	}
	for _, b := range r.bars {
		to.n = int(plus(int64(to.n), b.count))
	}
}

func newReducer(r experiment.Reduction, seconds float64) reducer {
	return reducer{reduction: r, seconds: seconds}
}

func (r *reducer) add(v float64) {
	first := r.n == 0
	r.n++
	switch r.reduction {
	case experiment.Count, experiment.Rate:
	case experiment.Sum, experiment.Mean:
		r.value += v
	case experiment.Min:
		if first || v < r.value {
			r.value = v
		}
	case experiment.Max:
		if first || v > r.value {
			r.value = v
		}
	case experiment.First:
		if first {
			r.value = v
		}
	case experiment.Last:
		r.value = v
	default:
		r.values = append(r.values, v)
	}
}

// result gives the value, if there was any to make it of.
func (r *reducer) result() (float64, bool) {
	switch r.reduction {
	case experiment.Count:
		return float64(r.n), r.n > 0 || r.looked
	case experiment.Rate:
		return float64(r.n) / r.seconds, r.n > 0 || r.looked
	}
	if r.merged.bars != nil {
		return r.merged.reduce(r.reduction), true
	}
	if r.reduction == experiment.Mean {
		return r.value / float64(r.n), r.n > 0
	}
	if percent, ok := r.reduction.Percent(); ok {
		return percentile(r.values, percent), r.n > 0
	}
	return r.value, r.n > 0
}

// percentile lies between the two values nearest to it, as far from each as
// its rank is. It sorts the values.
func percentile(values []float64, percent float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	slices.Sort(values)
	rank := percent / 100 * float64(len(values)-1)
	below := int(rank)
	if below+1 >= len(values) {
		return values[len(values)-1]
	}
	part, low, high := rank-float64(below), values[below], values[below+1]
	return min(max(low*(1-part)+high*part, low), high) // rounding leads out of this span
}
