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
	high, fast, ok := g.highest(g.upper)
	if !ok {
		return interval{}, false
	}
	low, slow, ok := g.highest(g.lower)
	return interval{low: -low, high: high, slope: (fast + slow) / 2}, ok && -low <= high
}

// highest is the highest point below all lines of one side at a rate that is possible, or
// a little above that.
func (g region) highest(side []line) (x, rate float64, ok bool) {
	x, rate = peak(side)
	possible, ok := g.nearest(rate)
	if possible != rate {
		x, rate = lowest(side, possible).at(possible), possible
	}
	return x, rate, ok
}

// peak is the highest point that is below all lines, or a little above that.
func peak(lines []line) (x, rate float64) {
	l := lowest(lines, -worstDrift)
	if l.b >= 0 { // it only falls from there
		return l.at(-worstDrift), -worstDrift
	}
	r := lowest(lines, worstDrift)
	if r.b <= 0 {
		return r.at(worstDrift), worstDrift
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

// nearest is the possible rate that is nearest to another one, or a little nearer; ok is
// false where none is possible. The gap between the upper and the lower lines is concave
// over the rate: so where there is none, its tangent tells from where on there may be one.
func (g region) nearest(rate float64) (possible float64, ok bool) {
	tangent := g.gap(rate)
	falls := tangent.b > 0
	for range iterations {
		switch {
		case tangent.at(rate) >= -enough:
			return rate, true
		case tangent.b == 0, tangent.b > 0 != falls: // it has been at its widest
			return 0, false
		}
		rate = tangent.a / tangent.b
		if math.Abs(rate) > worstDrift {
			return 0, false
		}
		tangent = g.gap(rate)
	}
	return rate, true // nearer than it is, which is on the safe side
}

// gap is the tangent of the gap at a rate.
func (g region) gap(rate float64) line {
	u, l := lowest(g.upper, rate), lowest(g.lower, rate)
	return line{u.a + l.a, u.b + l.b}
}

// lowest is the line that is lowest at a rate.
func lowest(lines []line, rate float64) line {
	best, at := lines[0], lines[0].at(rate)
	for _, l := range lines[1:] {
		if v := l.at(rate); v < at {
			best, at = l, v
		}
	}
	return best
}
