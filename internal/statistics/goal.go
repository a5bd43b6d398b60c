package statistics

import "math"

// A Goal says when what was measured is known well enough.
type Goal struct {
	// AtLeast is how many values of each metric there must be, and AtMost how many are ever
	// taken.
	AtLeast, AtMost int
	// Until is how large the half width of the interval of each metric's mean may be, relative
	// to the mean.
	Until map[string]float64
}

// Reached reports whether the values, by metric, reach the goal. NaN is no value.
func (g Goal) Reached(values map[string][]float64) bool {
	for metric, aim := range g.Until {
		var found []float64
		for _, v := range values[metric] {
			if !math.IsNaN(v) && !math.IsInf(v, 0) {
				found = append(found, v)
			}
		}
		if len(found) < max(g.AtLeast, 2) || !Precise(found, aim) {
			return false
		}
	}
	return true
}

// Precise reports whether the interval of the mean is as narrow as aim says, relative to the mean.
func Precise(values []float64, aim float64) bool {
	s := Summarize(values)
	return s.High-s.Low <= 2*aim*math.Abs(s.Mean)
}
