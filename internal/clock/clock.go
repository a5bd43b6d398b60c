// Package clock gives a run its time on each machine and compares the clocks of
// two: the publisher's, which is the common clock of a run, and a host's.
package clock

import "time"

// A Clock reads the wall clock once, when it is made, and goes on by the monotonic clock alone:
// a step of the wall clock in mid-run affects neither the release nor the timeline.
type Clock struct {
	base time.Time // with monotonic reading
	wall time.Time // the same instant, as the wall clock told it
}

// New starts a clock. skew is added to the wall clock: it is zero except in tests, where it
// simulates a machine whose clock is wrong.
func New(skew time.Duration) *Clock {
	now := time.Now()
	return &Clock{base: now, wall: now.Round(0).Add(skew).UTC()}
}

// At is what the clock shows at t, which must come from time.Now in this process.
func (c *Clock) At(t time.Time) time.Time { return c.wall.Add(t.Sub(c.base)) }

// Now is what the clock shows now.
func (c *Clock) Now() time.Time { return c.At(time.Now()) }

// Local is the inverse of At: the instant, with a monotonic reading, at which
// the clock shows t.
func (c *Clock) Local(t time.Time) time.Time { return c.base.Add(t.Sub(c.wall)) }
