package statistics

import (
	"math"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"
)

// Method is how an interval of a mean was found.
type Method string

// The methods. Student's t is right for means of what is distributed normally, and errs little
// elsewhere. The studentized bootstrap finds the distribution of t in the sample, so that it also
// follows skewed ones; of few values it would know too little of it.
const (
	StudentsT   Method = "t"
	Studentized Method = "bootstrap-t"
)

const (
	// enoughToResample is from how many values on the bootstrap is used.
	enoughToResample = 20
	resamples        = 2000
)

// meanInterval gives the interval of the mean of at least two sorted values.
func meanInterval(sorted []float64) (low, high float64, by Method) {
	n := float64(len(sorted))
	mean, sd := stat.MeanStdDev(sorted, nil)
	se := sd / math.Sqrt(n)
	if sd == 0 {
		return mean, mean, StudentsT
	}
	if len(sorted) >= enoughToResample {
		if lowest, highest, ok := studentized(sorted, mean); ok {
			return mean - highest*se, mean - lowest*se, Studentized
		}
	}
	t := distuv.StudentsT{Mu: 0, Sigma: 1, Nu: n - 1}.Quantile(1 - Level/2)
	return mean - t*se, mean + t*se, StudentsT
}

// studentized gives the quantiles of t, as resampling finds them. It reports false where too many
// resamples have no spread: nearly all values are the same.
func studentized(sorted []float64, mean float64) (low, high float64, ok bool) {
	random := rand.New(rand.NewPCG(seedOf(sorted), 0))
	n := len(sorted)
	resample, ts := make([]float64, n), make([]float64, 0, resamples)
	for range resamples {
		for i := range resample {
			resample[i] = sorted[random.IntN(n)]
		}
		m, sd := stat.MeanStdDev(resample, nil)
		if sd > 0 {
			ts = append(ts, (m-mean)/(sd/math.Sqrt(float64(n))))
		}
	}
	const enough = resamples - resamples/1000
	if len(ts) < enough {
		return 0, 0, false
	}
	slices.Sort(ts)
	return Quantile(ts, Level/2), Quantile(ts, 1-Level/2), true
}

// seedOf makes a seed of the values, so that a sample always has the same interval.
func seedOf(values []float64) uint64 {
	const prime = 1099511628211 // of FNV-1a
	hash := uint64(14695981039346656037)
	for _, v := range values {
		hash = (hash ^ math.Float64bits(v)) * prime
	}
	return hash
}
