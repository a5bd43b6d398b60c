package report

import (
	"math"
	"slices"
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
	p := point{x: x, low: values[0], mid: quantile(values, 0.5), high: values[len(values)-1], n: len(values)}
	if quartiles {
		p.low, p.high = quantile(values, 0.25), quantile(values, 0.75)
	}
	return p
}

// quantile interpolates between the two nearest of the sorted values (as R's
// type 7, NumPy's and Excel's default do).
func quantile(sorted []float64, q float64) float64 {
	at := q * float64(len(sorted)-1)
	below := int(math.Floor(at))
	above := min(below+1, len(sorted)-1)
	share := at - float64(below)
	return sorted[below]*(1-share) + sorted[above]*share
}
