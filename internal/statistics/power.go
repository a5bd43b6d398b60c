package statistics

import (
	"math"

	"gonum.org/v1/gonum/stat/distuv"
)

// Power is how likely a difference is found that is as large as [Design.Floor] says, or with as
// many values as [Design.Needed] says.
const Power = 0.8

// Least is the fewest values of each sample, or pairs, with which the test can find anything.
func (d Design) Least() int {
	p := 2.0
	for n := 1; ; n++ {
		if d.Paired {
			p /= 2 // all signs alike
		} else {
			p /= 2 * float64(2*n-1) / float64(n) // all of one below all of the other
		}
		if p <= d.Level {
			return n
		}
	}
}

// Floor is the smallest shift that samples of that size, with that spread, can show; it is
// infinite where they can show none.
func (d Design) Floor(s Shift) float64 {
	return (s.High-s.Low)/2 + distuv.UnitNormal.Quantile(Power)*s.Error
}

// FloorOf is the smallest shift that could be seen between the values and others that are as many
// and have the same spread.
func FloorOf(values []float64) float64 {
	if len(values) < 2 {
		return math.Inf(1)
	}
	d, n := Design{Level: Level}, len(values)
	s := Shift{N: float64(n)}
	s.invert(d.Level, differences(values, values), plainLaw(2*n, n), n*(n+1))
	return d.Floor(s)
}

// Needed is how many values of each sample, or pairs, find a shift as large as this one seems to
// be. It is infinite where there is none.
func (d Design) Needed(s Shift) float64 {
	size := d.Floor(s)
	if math.IsInf(size, 0) {
		size = (distuv.UnitNormal.Quantile(Power) - distuv.UnitNormal.Quantile(d.Level/2)) * s.Error
	}
	ratio := size / math.Abs(s.Estimate)
	if math.IsNaN(ratio) {
		return math.Inf(1)
	}
	return max(s.N*ratio*ratio, float64(d.Least()))
}
