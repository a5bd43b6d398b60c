// Package clock gives a run its time on each machine and compares the clocks of
// two: the publisher's, which is the common clock of a run, and a host's.
package clock

import "time"

// A Clock takes the wall clock once, when it is made, and goes on by the
// monotonic clock alone: a step of the wall clock in mid-run moves neither the
// release nor the timeline.
type Clock struct {
	base time.Time // with monotonic reading
	wall time.Time // the same instant, as the wall clock told it
}

// New starts a clock. skew is added to the wall clock: zero but in tests, where
// it plays a machine whose clock is wrong.
func New(skew time.Duration) *Clock {
	now := time.Now()
	return &Clock{base: now, wall: now.Round(0).Add(skew).UTC()}
}

// At tells what the clock shows at t, which must have been read from time.Now
// in this process.
func (c *Clock) At(t time.Time) time.Time { return c.wall.Add(t.Sub(c.base)) }

// Now tells what the clock shows.
func (c *Clock) Now() time.Time { return c.At(time.Now()) }

// Local is the inverse of At: the instant, with a monotonic reading, at which
// the clock shows t.
func (c *Clock) Local(t time.Time) time.Time { return c.base.Add(t.Sub(c.wall)) }
