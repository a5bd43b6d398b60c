package metric

import (
	"cmp"
	"math"
	"math/bits"
	"slices"

	"github.com/HdrHistogram/hdrhistogram-go"

	"downbeat/internal/experiment"
)

// A bar of a histogram says how many of its values lie between two, both included.
type bar struct{ low, high, count int64 }

// barsOf are the bars of a histogram that are not empty, in order.
func barsOf(h *hdrhistogram.PackedHistogram) []bar {
	bars := make([]bar, 0, h.Populated())
	width := widthOf(h.LowestTrackableValue(), h.SignificantFigures())
	for low, count := range h.ForEachBucket {
		high := low + width(low) - 1
		if high < low { // it ends where numbers do
			high = math.MaxInt64
		}
		bars = append(bars, bar{low, high, count})
	}
	return bars
}

// widthOf gives how many values, from one on, a histogram of so many decimal digits takes for the
// same, if its smallest unit is lowest.
func widthOf(lowest, digits int64) func(v int64) int64 {
	unit := bits.Len64(uint64(max(lowest, 1))) - 1             //nolint:gosec // positive
	exact := bits.Len64(uint64(2*math.Pow10(int(digits))) - 1) // values of so many bits are told apart
	return func(v int64) int64 {
		return 1 << max(unit, bits.Len64(uint64(v))-exact) //nolint:gosec // never negative
	}
}

// A histogram is several of them, merged. Their bars may differ in width.
type histogram struct {
	bars  []bar // by their upper ends, and then by their lower ones
	spare []bar
}

func (b bar) compare(other bar) int {
	return cmp.Or(cmp.Compare(b.high, other.high), cmp.Compare(b.low, other.low))
}

// merge adds the bars of another one, which are in order.
func (h *histogram) merge(bars []bar) {
	merged := slices.Grow(h.spare[:0], len(h.bars)+len(bars))
	mine := h.bars
	for len(mine) > 0 || len(bars) > 0 {
		switch {
		case len(bars) == 0 || len(mine) > 0 && mine[0].compare(bars[0]) < 0:
			merged, mine = append(merged, mine[0]), mine[1:]
		case len(mine) == 0 || mine[0].compare(bars[0]) > 0:
			merged, bars = append(merged, bars[0]), bars[1:]
		default:
			both := mine[0]
			both.count = plus(both.count, bars[0].count)
			merged, mine, bars = append(merged, both), mine[1:], bars[1:]
		}
	}
	h.bars, h.spare = merged, h.bars
}

// plus adds counts, as far as they can be counted.
func plus(a, b int64) int64 {
	if b > math.MaxInt64-a {
		return math.MaxInt64
	}
	return a + b
}

// reduce gives what a reduction makes of all values: as HdrHistogram has it, the end of a bar for
// its smallest, its largest and percentiles, and its middle for the mean.
func (h *histogram) reduce(r experiment.Reduction) float64 {
	percent, _ := r.Percent()
	switch r {
	case experiment.Mean:
		return h.mean()
	case experiment.Min:
		return float64(slices.MinFunc(h.bars, func(a, b bar) int { return cmp.Compare(a.low, b.low) }).low)
	case experiment.Max:
		return float64(h.bars[len(h.bars)-1].high)
	}
	return float64(h.percentile(percent))
}

func (h *histogram) total() (n int64) {
	for _, b := range h.bars {
		n = plus(n, b.count)
	}
	return n
}

func (h *histogram) mean() float64 {
	sum, n := 0.0, 0.0
	for _, b := range h.bars {
		middle := b.low + (b.high-b.low)/2 + (b.high-b.low)%2
		sum += float64(middle) * float64(b.count)
		n += float64(b.count)
	}
	return sum / n
}

// percentile is the largest value of the bar in which the value is that has so many percent of
// all, and no more, at or below it.
func (h *histogram) percentile(percent float64) int64 {
	rank := math.Ceil(math.Nextafter(percent, 0) / 100 * float64(h.total()))
	seen := 0.0
	for _, b := range h.bars {
		if seen += float64(b.count); seen >= max(rank, 1) {
			return b.high
		}
	}
	return h.bars[len(h.bars)-1].high
}
