package clock

import "time"

// An Instant is a time on our clock that was translated from another clock. It is wrong by at
// most Error in either direction, by what was known when it was translated.
type Instant struct {
	Time  time.Time
	Error time.Duration
	// Theirs is the time on the other clock; zero if it is not known.
	Theirs time.Time
}

// IsZero reports whether the instant was never reached.
func (i Instant) IsZero() bool { return i.Time.IsZero() }

// Earliest is the earliest time that it can have been, Latest the latest.
func (i Instant) Earliest() time.Time { return i.Time.Add(-i.Error) }

// Latest is the latest time that it can have been.
func (i Instant) Latest() time.Time { return i.Time.Add(i.Error) }

// Between is an instant that is only known to be between from and to.
func Between(from, to time.Time) Instant {
	half := (to.Sub(from) + 1) / 2
	return Instant{Time: from.Add(half), Error: half}
}

// ErrorUS is the bound in whole microseconds, rounded up. It is never 0 for an instant that was
// reached, since no time is known more precisely than to the microsecond.
func (i Instant) ErrorUS() int64 {
	if i.IsZero() {
		return 0
	}
	return Microseconds(i.Error)
}

// Microseconds converts a bound to whole microseconds, rounded up, and at least 1: a record
// must not claim more than was proved.
func Microseconds(bound time.Duration) int64 {
	return max(int64((bound+time.Microsecond-1)/time.Microsecond), 1)
}
