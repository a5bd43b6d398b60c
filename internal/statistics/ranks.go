package statistics

import (
	"cmp"
	"math"
	"slices"
	"sync"

	"gonum.org/v1/gonum/stat/distuv"
)

// The distributions of the two rank statistics, if nothing differs: exact for samples of up to
// mostExact values, with ties too, and by the normal distribution beyond that.
const mostExact = 60

// doubledRanks gives twice the rank of each value, and whether any are equal: those share the mean
// of theirs, so twice that is a whole number.
func doubledRanks(values []float64) (ranks []int, tied bool) {
	order := make([]int, len(values))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(values[a], values[b]) })
	ranks = make([]int, len(values))
	for from := 0; from < len(order); {
		to := from + 1
		for to < len(order) && values[order[to]] == values[order[from]] {
			to++
		}
		tied = tied || to-from > 1
		for _, i := range order[from:to] {
			ranks[i] = from + to + 1 // twice the mean of the places they take
		}
		from = to
	}
	return ranks, tied
}

// plainRanks are the doubled ranks of n values without ties.
func plainRanks(n int) []int {
	ranks := make([]int, n)
	for i := range ranks {
		ranks[i] = 2 * (i + 1)
	}
	return ranks
}

// plainLaws keeps those of plain ranks, which most samples have, by how many there are.
var plainLaws sync.Map // of sumLaw, by the numbers of ranks and of those summed; -1: by their signs

// plainLaw is the law of the sum of k of n ranks without ties; -1: of those with a positive sign.
func plainLaw(n, k int) sumLaw {
	key := [2]int{n, k}
	if law, ok := plainLaws.Load(key); ok {
		return law.(sumLaw)
	}
	law := signLaw
	if k >= 0 {
		law = func(ranks []int) sumLaw { return subsetLaw(ranks, k) }
	}
	made := law(plainRanks(n))
	plainLaws.Store(key, made)
	return made
}

// bySign stands for k in [plainLaw].
const bySign = -1

// A sumLaw is how likely each sum of ranks is, if nothing differs.
type sumLaw struct {
	exact    []float64 // cumulative, by sum; nil: it is normal
	mean, sd float64
}

// atMost is the probability of that sum or less.
func (l sumLaw) atMost(sum int) float64 {
	if l.exact == nil {
		return distuv.UnitNormal.CDF((float64(sum) + 1 - l.mean) / l.sd) // sums are two apart
	}
	switch {
	case sum < 0:
		return 0
	case sum >= len(l.exact):
		return 1
	}
	return l.exact[sum]
}

// beyond is the probability of a sum at least as far from the mean, on either side.
func (l sumLaw) beyond(sum int) float64 {
	low, high := sum, int(math.Round(2*l.mean))-sum
	if low > high {
		low, high = high, low
	}
	p := l.atMost(low)
	if l.exact == nil {
		return min(2*p, 1)
	}
	return min(p+1-l.atMost(high-1), 1)
}

// subsetLaw is the law of the sum of k of the ranks.
func subsetLaw(ranks []int, k int) sumLaw {
	n, total, squares := float64(len(ranks)), 0, 0.0
	for _, r := range ranks {
		total += r
	}
	mean := float64(total) / n
	for _, r := range ranks {
		squares += (float64(r) - mean) * (float64(r) - mean)
	}
	share := float64(k) / n
	law := sumLaw{mean: float64(k) * mean, sd: math.Sqrt(float64(k) * (1 - share) * squares / max(n-1, 1))}
	if len(ranks) > mostExact {
		return law
	}
	// ways[j][s] counts the subsets of j ranks with the sum s.
	ways := make([][]float64, k+1)
	for j := range ways {
		ways[j] = make([]float64, total+1)
	}
	ways[0][0] = 1
	sorted := slices.Sorted(slices.Values(ranks))
	highest := make([]int, k+1) // sum of j ranks so far
	for i, r := range sorted {
		for j := min(k, i+1); j > 0; j-- {
			highest[j] = highest[j-1] + r // the latest are the highest
			for s := highest[j]; s >= r; s-- {
				ways[j][s] += ways[j-1][s-r]
			}
		}
	}
	law.exact = cumulative(ways[k])
	return law
}

// signLaw is the law of the sum of those ranks whose difference is positive.
func signLaw(ranks []int) sumLaw {
	total, squares := 0, 0.0
	for _, r := range ranks {
		total += r
		squares += float64(r) * float64(r)
	}
	law := sumLaw{mean: float64(total) / 2, sd: math.Sqrt(squares) / 2}
	if len(ranks) > mostExact {
		return law
	}
	ways := make([]float64, total+1)
	ways[0] = 1
	for _, r := range ranks {
		for s := total; s >= r; s-- {
			ways[s] += ways[s-r]
		}
	}
	law.exact = cumulative(ways)
	return law
}

func cumulative(ways []float64) []float64 {
	sum := 0.0
	for i, w := range ways {
		sum += w
		ways[i] = sum
	}
	for i := range ways {
		ways[i] /= sum
	}
	return ways
}
