// Package statistics says what the repetitions of a measurement tell: [Summarize] of one sample,
// [Independent] and [Paired] of the difference between two, with tests that assume no distribution,
// [Holm] of many tests at once, [Floor] and [Needed] of what a number of repetitions can show, and
// [Goal] of when there are enough of them.
//
// All of it is pure: the same numbers give the same answer. Where resampling is used, its random
// numbers come from the sample itself. docs/adr/019-statistics.md says why these methods.
package statistics

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/stat"
)

// Confidence is that of all intervals, and Level that of all tests.
const (
	Confidence = 0.95
	Level      = 1 - Confidence
)

// A Summary is what a sample tells of what was measured. What needs more values than there are is
// NaN.
type Summary struct {
	N        int
	Median   float64
	Mean     float64
	SD       float64 // of the sample; of one value, NaN
	Min, Max float64
	// Low and High are the interval of the mean, found by Method.
	Low, High float64
	Method    Method
	// Outliers are the values, by their place in the sample, that lie outside Tukey's fences.
	// They count like all others.
	Outliers []int
}

// Summarize summarizes a sample without NaN. It does not change the sample.
func Summarize(values []float64) Summary {
	s := Summary{N: len(values), Median: math.NaN(), Mean: math.NaN(), SD: math.NaN(), Min: math.NaN(), Max: math.NaN(), Low: math.NaN(), High: math.NaN()}
	if s.N == 0 {
		return s
	}
	sorted := slices.Sorted(slices.Values(values))
	s.Min, s.Median, s.Max = sorted[0], Quantile(sorted, 0.5), sorted[s.N-1]
	s.Mean = stat.Mean(values, nil)
	if s.N == 1 {
		return s
	}
	s.SD = stat.StdDev(values, nil)
	s.Low, s.High, s.Method = meanInterval(sorted)
	s.Outliers = outliers(values, sorted)
	return s
}

// HalfWidth is half the width of the interval of the mean, relative to the mean; NaN where there
// is no interval, or the mean is 0.
func (s Summary) HalfWidth() float64 {
	if s.Mean == 0 {
		return math.NaN()
	}
	return (s.High - s.Low) / 2 / math.Abs(s.Mean)
}

// Quantile interpolates between the two nearest of the sorted values (as R's type 7, NumPy's and
// Excel's default do).
func Quantile(sorted []float64, q float64) float64 {
	at := q * float64(len(sorted)-1)
	below := int(math.Floor(at))
	above := min(below+1, len(sorted)-1)
	share := at - float64(below)
	return sorted[below]*(1-share) + sorted[above]*share
}

// fewForFences is how many values are too few to tell an outlier from the others.
const fewForFences = 5

// outliers finds the values that are more than one and a half times the width of the middle half
// away from it.
func outliers(values, sorted []float64) []int {
	if len(values) < fewForFences {
		return nil
	}
	low, high := Quantile(sorted, 0.25), Quantile(sorted, 0.75)
	reach := 1.5 * (high - low)
	var found []int
	for i, v := range values {
		if v < low-reach || v > high+reach {
			found = append(found, i)
		}
	}
	return found
}
