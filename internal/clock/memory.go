package clock

import (
	"cmp"
	"math"
	"slices"
	"sort"
)

// The assumptions about two clocks, in ns/s and ns/s². Quartz clocks are off by up to 100 ppm
// each, so one may gain 200 µs a second on the other. How fast that changes is a matter of
// temperature, and of corrections by NTP: steadyWander (3 ppm a second) is always allowed for,
// and more where the exchanges show that it is needed, or are too few to show that it is not.
const (
	worstDrift   = 200e3
	steadyWander = 3e3
	worstWander  = 8e3
)

// caution is the factor by which more wander is allowed than was observed.
const caution = 8

// Evidence is what one exchange proves: the offset is below one point and above another. Older
// evidence is thinned: it combines the best of several exchanges.
type evidence struct {
	upper, lower point
	since        float64 // of thinned evidence, when its first exchange was sent
}

// A memory is what is known about the offset: the newest exchanges, and thinned evidence of
// older ones, the oldest first.
type memory struct {
	known []evidence
	thin  int     // how many of known are thinned
	slope float64 // about how fast the offset changes, in ns/s

	upper, lower []line // room for a region
}

const (
	freshest = 12  // exchanges that are not thinned
	oldest   = 64  // pieces of evidence that are
	thinning = 3.0 // seconds that one such covers
)

func (m *memory) add(e evidence) {
	e.since = e.upper.at
	m.known = append(m.known, e)
	if len(m.known)-m.thin <= freshest {
		return
	}
	if m.thin > 0 && m.known[m.thin].since-m.known[m.thin-1].since < thinning {
		m.merge(&m.known[m.thin-1], m.known[m.thin])
		m.known = append(m.known[:m.thin], m.known[m.thin+1:]...)
	} else {
		m.thin++
	}
	if m.thin > oldest {
		m.forget(1)
	}
}

// merge keeps the better of each, as far as they can be compared: both hold.
func (m *memory) merge(into *evidence, e evidence) {
	if e.upper.bound-into.upper.bound < m.slope*(e.upper.at-into.upper.at) {
		into.upper = e.upper
	}
	if e.lower.bound-into.lower.bound > m.slope*(e.lower.at-into.lower.at) {
		into.lower = e.lower
	}
}

// forget drops the oldest n.
func (m *memory) forget(n int) {
	m.known = append(m.known[:0], m.known[n:]...)
	m.thin = max(m.thin-n, 0)
}

// shift adds to all offsets.
func (m *memory) shift(by float64) {
	for i := range m.known {
		m.known[i].upper.bound += by
		m.known[i].lower.bound += by
	}
}

// newest is the instant at which the newest exchange was over.
func (m *memory) newest() float64 { return m.known[len(m.known)-1].lower.at }

// forgetContradictions forgets evidence that contradicts the newest exchange, whatever the
// drift, and everything older.
func (m *memory) forgetContradictions() {
	known := m.known
	n := sort.Search(len(known)-1, func(n int) bool {
		m.known = known[n:]
		return m.possible(worstWander)
	})
	m.known = known
	m.forget(n)
}

// possible reports whether all evidence is consistent with that wander.
func (m *memory) possible(wander float64) bool {
	_, ok := m.region(m.newest(), wander).nearest(m.slope) // as that mostly is itself
	return ok
}

// wander is how fast the rate may change, as far as is known: a multiple of what makes the
// evidence consistent, and at least what could have gone unnoticed, which is most while there
// is little evidence. ok is false if not even worstWander explains the evidence.
func (m *memory) wander() (wander float64, ok bool) {
	for wander = steadyWander; wander < worstWander; wander *= 2 {
		if m.possible(wander / caution) {
			return min(max(wander, m.hidden()), worstWander), true
		}
	}
	return worstWander, m.possible(worstWander)
}

// hidden is the wander that could have gone unnoticed, with caution: it takes three
// exchanges to see one, and the two on the outside far enough from the third that
// the line between them would miss it. Between an exchange at an instant, one at
// the start and one at the end of what is remembered a wander up to 4·width over
// the product of the times between them stays within the bounds.
func (m *memory) hidden() float64 {
	first, last := m.known[0].upper.at, m.newest()
	width, apart := 0.0, 0.0
	for i, e := range m.known {
		apart = max(apart, (e.upper.at-first)*(last-e.upper.at))
		if i >= m.thin {
			width += (e.upper.bound - e.lower.bound) / 2 / float64(len(m.known)-m.thin)
		}
	}
	if len(m.known) < 3 || apart <= 0 {
		return worstWander
	}
	return caution / 2 * 4 * width / apart
}

// region is the offsets and rates that are possible at an instant by the evidence, if the rate
// changes by no more than wander. It is valid until the next call.
func (m *memory) region(at, wander float64) region {
	m.upper, m.lower = m.upper[:0], m.lower[:0]
	for i := range m.known {
		e := &m.known[i]
		u, l := e.upper.at-at, e.lower.at-at
		m.upper = append(m.upper, line{e.upper.bound + bend(u, wander), u})
		m.lower = append(m.lower, line{bend(l, wander) - e.lower.bound, -l})
	}
	return region{m.upper, m.lower}
}

// bend is how far the offset can deviate from a straight line within that time.
func bend(time, wander float64) float64 {
	time = math.Abs(time)
	return min(wander*time*time/2, 2*worstDrift*time)
}

// at is what is known of the offset at an instant. There must be evidence. What
// is possible at the newest exchange need not be at another instant, as bends
// count from there: then more wander is allowed for, and at last only the nearest
// evidence counts.
func (m *memory) at(at, wander float64) interval {
	for ; wander < 1000*worstWander; wander *= 2 {
		if i, ok := m.region(at, wander).offsets(); ok {
			return i
		}
	}
	return m.nearest(at)
}

// nearest is what the evidence nearest to an instant proves by itself.
func (m *memory) nearest(at float64) interval {
	e := slices.MinFunc(m.known, func(a, b evidence) int {
		return cmp.Compare(math.Abs(a.since-at), math.Abs(b.since-at))
	})
	high := e.upper.bound + float64(worstDrift*math.Abs(e.upper.at-at))
	low := e.lower.bound - float64(worstDrift*math.Abs(e.lower.at-at))
	return interval{low: min(low, high), high: max(low, high), slope: m.slope}
}

// A curve is what is known about the offset over time. It is computed at both ends of a piece
// and reused for the times between, since lines come by the thousand.
type curve struct {
	begin       float64
	left, right interval
	known       bool
}

// piece is the length of a piece in seconds.
const piece = 0.25

func (c *curve) at(at, wander float64, m *memory) interval {
	if !c.known || at < c.begin || at > c.begin+piece {
		c.begin = at - piece/2
		c.left, c.right, c.known = m.at(c.begin, wander), m.at(c.begin+piece, wander), true
	}
	part := (at - c.begin) / piece
	i := interval{low: c.left.low + float64(part*(c.right.low-c.left.low)), high: c.left.high + float64(part*(c.right.high-c.left.high))}
	i.grow(wander * piece * piece / 8) // by how much it can bulge between the ends
	return i
}
