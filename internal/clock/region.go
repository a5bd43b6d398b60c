package clock

import (
	"math"
	"time"
)

// A point is a bound of the offset at an instant: seconds, and ns.
type point struct{ at, bound float64 }

// A line is a bound of the offset at one instant, which depends on the rate there:
// at most a - b·rate.
type line struct{ a, b float64 }

// at is the bound at a rate. Here and wherever else a product is added, the conversion
// has it rounded first: else some machines would round once and others twice, and
// the same exchanges would not give the same times everywhere.
func (l line) at(rate float64) float64 { return l.a - float64(l.b*rate) }

// A region is what may be true of the offset and its rate at one instant: the
// offset is below the upper lines, what is below it (the offset with the other
// sign) is below the lower ones, and the rate is up to worstDrift.
type region struct{ upper, lower []line }

// An interval is what may be true of the offset at one instant, in ns from the
// base, and about how fast it changes.
type interval struct{ low, high, slope float64 }

func (i interval) and(o interval) interval {
	return interval{low: max(i.low, o.low), high: min(i.high, o.high), slope: i.slope}
}

func (i *interval) grow(by float64) { i.low, i.high = i.low-float64(by), i.high+float64(by) }

func (i *interval) middle() time.Duration { return time.Duration(math.Round((i.low + i.high) / 2)) }

// half is the distance from the middle to the farther end, rounded up.
func (i *interval) half() time.Duration {
	middle := float64(i.middle())
	return time.Duration(math.Ceil(max(i.high-middle, middle-i.low)))
}

// enough is the precision, in ns, to which a linear program is solved. It is added to the
// bound.
const enough = 0.01

// iterations bounds how long that takes; usually a handful is enough.
const iterations = 100

// offsets are the least and the greatest offset in the region, neither closer to
// each other than they are; false where it is empty.
func (g region) offsets() (interval, bool) {
	high, fast := peak(g.upper, -worstDrift, worstDrift)
	low, slow := peak(g.lower, -worstDrift, worstDrift)
	if !g.has(fast) || !g.has(slow) { // a peak lies outside
		left, right, ok := g.rates()
		if !ok {
			return interval{}, false
		}
		high, fast = peak(g.upper, left, right)
		low, slow = peak(g.lower, left, right)
	}
	return interval{low: -low, high: high, slope: (fast + slow) / 2}, -low <= high
}

// has reports whether some offset is possible at that rate.
func (g region) has(rate float64) bool { return g.gap(rate).at(rate) >= 0 }

// peak is the highest point between two rates that is below all lines, or a
// little above that.
func peak(lines []line, left, right float64) (x, rate float64) {
	l, r := lowest(lines, left), lowest(lines, right)
	switch {
	case l.b >= 0: // it only falls from there
		return l.at(left), left
	case r.b <= 0:
		return r.at(right), right
	}
	for range iterations {
		rate = (r.a - l.a) / (r.b - l.b) // where the lines of both ends meet, at or above the peak
		x = l.at(rate)
		next := lowest(lines, rate)
		if next.at(rate) >= x-enough {
			break
		}
		if next.b < 0 {
			l = next
		} else {
			r = next
		}
	}
	return x, rate
}

// rates are the least and the greatest rate in the region; ok is false where it
// is empty. The gap between the upper and the lower lines is concave over the
// rate: so where there is none at an end, its tangent tells from where on there
// may be one.
func (g region) rates() (left, right float64, ok bool) {
	left, right = -worstDrift, worstDrift
	l, r := g.gap(left), g.gap(right)
	for range iterations {
		switch {
		case l.at(left) < -enough:
			if l.b >= 0 {
				return 0, 0, false
			}
			left = l.a / l.b
			l = g.gap(left)
		case r.at(right) < -enough:
			if r.b <= 0 {
				return 0, 0, false
			}
			right = r.a / r.b
			r = g.gap(right)
		default:
			return left, right, true
		}
		if left > right {
			return 0, 0, false
		}
	}
	return left, right, true // more than the region, which is on the safe side
}

// gap is the tangent of the gap at a rate.
func (g region) gap(rate float64) line {
	u, l := lowest(g.upper, rate), lowest(g.lower, rate)
	return line{u.a + l.a, u.b + l.b}
}

// lowest is the line that is lowest at a rate.
func lowest(lines []line, rate float64) line {
	best, at := 0, math.Inf(1)
	for i, l := range lines {
		if v := l.at(rate); v < at {
			best, at = i, v
		}
	}
	return lines[best]
}
