package clock

import (
	"math"
	"slices"
	"time"
)

// A Sample is one exchange with another machine: sent and received on our
// clock, taken and answered on the other's.
type Sample struct {
	Sent, Taken, Answered, Received time.Time
}

// RoundTrip is the time that the exchange spent in transit.
func (s Sample) RoundTrip() time.Duration {
	return s.Received.Sub(s.Sent) - s.Answered.Sub(s.Taken)
}

// bounds are what the sample proves about the other clock minus ours: nothing arrives before it
// was sent, so the offset was at most high when the message was sent, and at least low when the
// answer was received.
func (s Sample) bounds() (low, high time.Duration) {
	return s.Answered.Sub(s.Received), s.Taken.Sub(s.Sent)
}

// possible reports whether the sample is plausible: the answer must not have taken longer than
// the whole exchange, and the offset must fit into a Duration.
func (s Sample) possible() bool {
	low, high := s.bounds()
	return low <= high && low > math.MinInt64 && high < math.MaxInt64 && !s.Received.Before(s.Sent)
}

// An Offset estimates another machine's clock minus ours, with a bound of the error that holds
// as long as the two clocks behave as assumed: see [worstDrift] and [steadyWander]. It assumes
// nothing about the network: delays may be asymmetric, and may vary arbitrarily. The zero value
// knows nothing.
//
// Each exchange confines the offset at two instants. The clocks drift meanwhile,
// so an estimate for an instant consists of the offset and of the rate at which
// it changes, and each exchange is two half-planes of these two: see [region].
type Offset struct {
	trips  []time.Duration // of the newest samples
	memory memory
	origin time.Time     // where the times in memory count from
	base   time.Duration // where the offsets in memory count from
	wander float64       // what is allowed for now, in ns/s²
	newest interval      // what is known of the instant of the newest exchange
	curve  curve
}

// Add adds a sample. One that contradicts itself is ignored. If one contradicts the earlier
// ones by more than drift explains, a clock was stepped, and those are forgotten.
func (o *Offset) Add(s Sample) {
	if !s.possible() {
		return
	}
	if len(o.trips) == freshest {
		o.trips = slices.Delete(o.trips, 0, 1)
	}
	if len(o.memory.known) == 0 {
		o.origin = s.Sent
	}
	o.trips = append(o.trips, s.RoundTrip())
	o.rebase(s)
	o.memory.add(o.evidence(s))
	o.settle(s)
}

// rebase moves the base to the offset of a new sample, so that the numbers stay small and no
// precision is lost however far apart the clocks are.
func (o *Offset) rebase(s Sample) {
	low, _ := s.bounds()
	o.memory.shift(apart(o.base, low))
	o.base = low
}

// evidence is the sample in numbers.
func (o *Offset) evidence(s Sample) evidence {
	low, high := s.bounds()
	return evidence{
		upper: point{o.seconds(s.Sent), apart(high, o.base) + rounding},
		lower: point{o.seconds(s.Received), apart(low, o.base) - rounding},
	}
}

// apart is a-b, also where a Duration can't hold that.
func apart(a, b time.Duration) float64 {
	if d := a - b; (d < 0) == (a < b) {
		return float64(d)
	}
	return float64(a) - float64(b)
}

// rounding, in ns, is added to both sides, because each time was rounded to 1 ns.
const rounding = 1

func (o *Offset) seconds(t time.Time) float64 { return t.Sub(o.origin).Seconds() }

// settle forgets what contradicts the newest sample, and estimates again.
func (o *Offset) settle(newest Sample) {
	wander, ok := o.memory.wander()
	if !ok {
		o.memory.forgetContradictions()
		if n := len(o.memory.known); o.memory.thin == 0 && len(o.trips) > n {
			o.trips = o.trips[len(o.trips)-n:]
		}
		wander, _ = o.memory.wander()
	}
	o.wander = wander
	o.newest = o.memory.at(o.seconds(newest.Received), o.wander)
	o.newest.grow(worstDrift * newest.RoundTrip().Seconds()) // so that it holds for the whole of the exchange
	o.memory.slope = o.newest.slope
	o.curve = curve{}
}

// Samples is how many samples the estimate is based on, up to the number that is kept.
func (o *Offset) Samples() int { return len(o.trips) }

// Value is the other clock minus ours when the newest sample was received.
func (o *Offset) Value() time.Duration { return o.base + o.newest.middle() }

// Error is by how much Value may be wrong in either direction. Without a sample nothing is
// known, and it is the longest Duration.
func (o *Offset) Error() time.Duration {
	if len(o.trips) == 0 {
		return math.MaxInt64
	}
	return o.newest.half()
}

// Instant translates a time on the other clock to ours, with the error bound for that time,
// which may be long before the newest sample, or after it. Without a sample it is the zero
// Instant.
func (o *Offset) Instant(theirs time.Time) Instant {
	if len(o.trips) == 0 {
		return Instant{Theirs: theirs}
	}
	about := o.at(theirs.Add(-o.Value()))
	i := o.at(theirs.Add(-o.base - about.middle()))
	off := max(i.high-about.low, about.high-i.low)
	i.grow(worstDrift * off / 1e9) // by so much it may have been another instant
	return Instant{Time: theirs.Add(-o.base - i.middle()), Error: i.half(), Theirs: theirs}
}

// Ours translates a time on the other clock to ours; without a sample it returns the time as it
// is.
func (o *Offset) Ours(theirs time.Time) time.Time {
	if len(o.trips) == 0 {
		return theirs
	}
	return o.Instant(theirs).Time
}

// Theirs translates a time on our clock to the other.
func (o *Offset) Theirs(ours time.Time) time.Time {
	if len(o.trips) == 0 {
		return ours
	}
	i := o.at(ours)
	return ours.Add(o.base + i.middle())
}

// at is what is known about the offset at a time on our clock.
func (o *Offset) at(ours time.Time) interval {
	at := o.seconds(ours)
	i, plain := o.curve.at(at, o.wander, &o.memory), o.newest
	plain.grow(worstDrift * math.Abs(at-o.memory.newest()))
	if both := i.and(plain); both.low <= both.high {
		return both
	}
	return i
}

// RoundTrip is a quantile of the samples' round trips: 0 the shortest, 0.5 the median, 1 the
// longest. Without samples it is 0.
func (o *Offset) RoundTrip(quantile float64) time.Duration {
	if len(o.trips) == 0 {
		return 0
	}
	trips := slices.Sorted(slices.Values(o.trips))
	return trips[int(quantile*float64(len(trips)-1))]
}

// Clone gives another estimate of the same evidence, that goes its own way from here.
func (o *Offset) Clone() Offset {
	c := *o
	c.trips = slices.Clone(o.trips)
	c.memory.known = slices.Clone(o.memory.known)
	c.memory.upper, c.memory.lower = nil, nil
	return c
}
