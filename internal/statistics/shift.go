package statistics

import (
	"cmp"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"
)

// A Design is how two samples are compared: as pairs, whose values at the same place were taken
// under the same conditions, or as samples that have nothing to do with each other; and at which
// level, which is lower where many tests are made together.
type Design struct {
	Paired bool
	Level  float64
}

// A Shift is by how much the values of a second sample lie above those of a first one.
type Shift struct {
	// Estimate is that of Hodges and Lehmann: the median of the differences between a value of
	// one and a value of the other or, of pairs, of the means of two differences.
	Estimate float64
	// Low and High are its interval: the shifts that the test does not reject at the design's
	// level. They are infinite where there are too few values for one.
	Low, High float64
	// Error is the standard error of the estimate.
	Error float64
	// P is the probability of such a difference, or a greater one, if there is none: of Mann and
	// Whitney's test or, of pairs, of Wilcoxon's signed ranks.
	P float64
	// N is how many pairs there were, or how many values of each sample tell as much, if there
	// are more of one than of the other.
	N float64
}

// Compare compares a second sample with a first one.
func (d Design) Compare(a, b []float64) Shift {
	s := d.Interval(a, b)
	switch {
	case len(a) == 0, len(b) == 0:
	case d.Paired:
		s.P = signedRank(subtract(b, a))
	default:
		s.P = rankSum(a, b)
	}
	return s
}

// Interval is the shift without its test: P is 1.
func (d Design) Interval(a, b []float64) Shift {
	n := 2 * float64(len(a)) * float64(len(b)) / float64(len(a)+len(b))
	switch {
	case len(a) == 0, len(b) == 0:
		return Shift{Estimate: math.NaN(), Low: math.Inf(-1), High: math.Inf(1), Error: math.NaN(), P: 1}
	case d.Paired:
		s := Shift{P: 1, N: n}
		s.invert(d.Level, walsh(subtract(b, a)), plainLaw(len(a), bySign), 0)
		return s
	}
	s := Shift{P: 1, N: n}
	// The doubled sum, if all of b are below all of a.
	s.invert(d.Level, differences(a, b), plainLaw(len(a)+len(b), len(b)), len(b)*(len(b)+1))
	return s
}

// rankSum is the probability of Mann and Whitney's test.
func rankSum(a, b []float64) float64 {
	ranks, tied := doubledRanks(slices.Concat(a, b))
	sum := 0
	for _, r := range ranks[len(a):] {
		sum += r
	}
	if tied {
		return subsetLaw(ranks, len(b)).beyond(sum)
	}
	return plainLaw(len(ranks), len(b)).beyond(sum)
}

// signedRank is the probability of Wilcoxon's test of pairs. Those without a difference tell
// nothing of its sign, and don't count.
func signedRank(differences []float64) float64 {
	var sizes []float64
	var signs []bool
	for _, v := range differences {
		if v != 0 {
			sizes, signs = append(sizes, math.Abs(v)), append(signs, v > 0)
		}
	}
	if len(sizes) == 0 {
		return 1
	}
	ranks, _ := doubledRanks(sizes)
	sum := 0
	for i, r := range ranks {
		if signs[i] {
			sum += r
		}
	}
	return signLaw(ranks).beyond(sum)
}

// subtract gives the differences of pairs.
func subtract(b, a []float64) []float64 {
	differences := make([]float64, len(a))
	for i := range a {
		differences[i] = b[i] - a[i]
	}
	return differences
}

// differences are those of each value of b to each value of a.
func differences(a, b []float64) []float64 {
	all := make([]float64, 0, len(a)*len(b))
	for _, x := range a {
		for _, y := range b {
			all = append(all, y-x)
		}
	}
	return all
}

// walsh gives the means of all pairs of the values, each with itself too.
func walsh(values []float64) []float64 {
	means := make([]float64, 0, len(values)*(len(values)+1)/2)
	for i, x := range values {
		for _, y := range values[i:] {
			means = append(means, (x+y)/2)
		}
	}
	return means
}

// invert finds the estimate and its interval among the differences, each of which is a shift at
// which the sum of ranks changes by one rank; least is the smallest sum.
func (s *Shift) invert(level float64, differences []float64, law sumLaw, least int) {
	slices.Sort(differences)
	s.Estimate = Quantile(differences, 0.5)
	s.Low, s.High = math.Inf(-1), math.Inf(1)
	// The test rejects shifts beyond the k-th difference from either end.
	within := func(level float64) int {
		k := 0
		for k < len(differences)/2 && law.atMost(least+2*k) <= level/2 {
			k++
		}
		return k
	}
	if k := within(level); k > 0 {
		s.Low, s.High = differences[k-1], differences[len(differences)-k]
	}
	// The width of an interval, and how likely it misses, give the error; of few values, those of
	// the widest that there is.
	k := max(within(Level), 1)
	tail := law.atMost(least + 2*(k-1))
	half := (differences[len(differences)-k] - differences[k-1]) / 2
	s.Error = half / -distuv.UnitNormal.Quantile(min(tail, 0.25))
}

// Holm adjusts the probabilities of tests that are made together, so that each may be held
// against the same level: the probability that any of them finds what is not there stays below
// it.
func Holm(ps []float64) []float64 {
	order := make([]int, len(ps))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(ps[a], ps[b]) })
	adjusted := make([]float64, len(ps))
	highest := 0.0
	for done, i := range order {
		highest = max(highest, min(ps[i]*float64(len(ps)-done), 1))
		adjusted[i] = highest
	}
	return adjusted
}
