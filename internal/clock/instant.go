package clock

import "time"

// An Instant is a time on our clock, translated from another's, and the bound
// that held when it was: it is wrong by at most Error in either direction.
type Instant struct {
	Time  time.Time
	Error time.Duration
	// Theirs is the time as the other clock showed it; zero where that is not
	// known to be one of its.
	Theirs time.Time
}

// IsZero reports whether the instant was never reached.
func (i Instant) IsZero() bool { return i.Time.IsZero() }

// Earliest is the earliest time that it can have been, Latest the latest.
func (i Instant) Earliest() time.Time { return i.Time.Add(-i.Error) }

// Latest is the latest time that it can have been.
func (i Instant) Latest() time.Time { return i.Time.Add(i.Error) }

// Between is the instant of which no more is known than that it was not before
// from and not after to.
func Between(from, to time.Time) Instant {
	half := (to.Sub(from) + 1) / 2
	return Instant{Time: from.Add(half), Error: half}
}

// ErrorUS is the bound in whole microseconds, rounded up: of an instant that was
// reached never 0, as no time is known better than to the microsecond.
func (i Instant) ErrorUS() int64 {
	if i.IsZero() {
		return 0
	}
	return Microseconds(i.Error)
}

// Microseconds gives a bound in whole microseconds, rounded up, and at least 1:
// what is written down must not claim more than what was proved.
func Microseconds(bound time.Duration) int64 {
	return max(int64((bound+time.Microsecond-1)/time.Microsecond), 1)
}
