package report

import (
	"slices"

	"downbeat/internal/statistics"
)

// manyRepetitions is from how many on at every point the spread is that of the
// middle half. Of fewer, quartiles would be guesses; lowest and highest are facts.
const manyRepetitions = 8

// A point summarizes the repetitions at one place.
type point struct {
	x              float64 // or the number of a category
	low, mid, high float64
	n              int
}

// summarize gives the median of the values and their spread.
func summarize(x float64, values []float64, quartiles bool) point {
	slices.Sort(values)
	p := point{x: x, low: values[0], mid: statistics.Quantile(values, 0.5), high: values[len(values)-1], n: len(values)}
	if quartiles {
		p.low, p.high = statistics.Quantile(values, 0.25), statistics.Quantile(values, 0.75)
	}
	return p
}
