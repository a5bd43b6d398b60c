package terminal

import "time"

// Bounded gives a duration that was measured, and is wrong by up to its bound. One
// below the bound can't be told from none: it reads as "< 290 µs", and never as
// "0 µs".
func Bounded(d, bound time.Duration) string {
	if d < bound {
		return "< " + UpTo(bound)
	}
	return Duration(d)
}

// UpTo gives a bound, rounded up: it doesn't claim more than what was proved.
func UpTo(bound time.Duration) string { return Duration(roundUp(bound)) }

// roundUp gives a duration as [Duration] can show it, and never less.
func roundUp(d time.Duration) time.Duration {
	unit := 100 * time.Millisecond
	switch {
	case d <= 999*time.Microsecond:
		unit = time.Microsecond
	case d <= 9900*time.Microsecond:
		unit = 100 * time.Microsecond
	case d <= 999*time.Millisecond:
		unit = time.Millisecond
	}
	return (d + unit - 1).Truncate(unit)
}
