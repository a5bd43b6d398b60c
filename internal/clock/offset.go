package clock

import (
	"slices"
	"time"
)

// A Sample is one exchange with another machine: sent and received on our
// clock, taken and answered on the other's.
type Sample struct {
	Sent, Taken, Answered, Received time.Time
}

// RoundTrip is the time that the exchange spent on its way.
func (s Sample) RoundTrip() time.Duration {
	return s.Received.Sub(s.Sent) - s.Answered.Sub(s.Taken)
}

// bounds are what the sample proves of the other clock minus ours: a message is
// never taken before it was sent.
func (s Sample) bounds() interval {
	return interval{low: s.Answered.Sub(s.Received), high: s.Taken.Sub(s.Sent)}
}

type interval struct{ low, high time.Duration }

func (i interval) empty() bool { return i.low > i.high }

func (i interval) and(o interval) interval {
	return interval{max(i.low, o.low), min(i.high, o.high)}
}

// remembered is how many samples an Offset rests on: enough to meet a quick
// exchange in each direction, few enough that the clocks hardly drift meanwhile.
const remembered = 16

// An Offset estimates another machine's clock minus ours. Each sample confines
// it to an interval, with certainty as long as the clocks don't drift; the
// estimate is the middle of what all recent samples have in common, and half
// its width is the error bound. The zero value knows nothing.
type Offset struct {
	samples []Sample
	known   interval
}

// Add takes a sample in. One that contradicts itself is passed over.
func (o *Offset) Add(s Sample) {
	if s.bounds().empty() {
		return
	}
	o.samples = append(o.samples, s)
	if len(o.samples) > remembered {
		o.samples = o.samples[1:]
	}
	o.settle()
}

// settle intersects the samples, newest first, and forgets those older ones
// that contradict the newer: a clock has drifted or been stepped.
func (o *Offset) settle() {
	last := len(o.samples) - 1
	o.known = o.samples[last].bounds()
	for i := last; i >= 0; i-- {
		common := o.known.and(o.samples[i].bounds())
		if common.empty() {
			o.samples = o.samples[i+1:]
			return
		}
		o.known = common
	}
}

// Samples is how many samples the estimate rests on.
func (o *Offset) Samples() int { return len(o.samples) }

// Value is the other clock minus ours, and Error by how much that may be wrong
// in either direction.
func (o *Offset) Value() time.Duration { return o.known.low + (o.known.high-o.known.low)/2 }

// Error is the error bound of Value.
func (o *Offset) Error() time.Duration { return (o.known.high - o.known.low + 1) / 2 }

// Instant translates a time on the other clock to ours, with its error bound.
func (o *Offset) Instant(theirs time.Time) Instant {
	return Instant{Time: o.Ours(theirs), Error: o.Error(), Theirs: theirs}
}

// Ours translates a time on the other clock to ours, Theirs the other way.
func (o *Offset) Ours(theirs time.Time) time.Time { return theirs.Add(-o.Value()) }

// Theirs translates a time on our clock to the other.
func (o *Offset) Theirs(ours time.Time) time.Time { return ours.Add(o.Value()) }

// RoundTrip gives a quantile of the samples' round trips: 0 the shortest, 0.5
// the median, 1 the longest; 0 where there are no samples.
func (o *Offset) RoundTrip(quantile float64) time.Duration {
	if len(o.samples) == 0 {
		return 0
	}
	trips := make([]time.Duration, len(o.samples))
	for i, s := range o.samples {
		trips[i] = s.RoundTrip()
	}
	slices.Sort(trips)
	return trips[int(quantile*float64(len(trips)-1))]
}
