package terminal

import "time"

// Bounded formats a measured duration with the bound of its error, if it has one: "812 µs ± 290
// µs". One below the bound can't be told from 0, so it reads "< 290 µs", and never "0 µs".
func Bounded(d, bound time.Duration) string {
	if d < bound {
		return "< " + UpTo(bound)
	}
	if bound == 0 {
		return Duration(d)
	}
	return Duration(d) + " ± " + UpTo(bound)
}

// UpTo formats a bound, rounded up, so that it doesn't claim more than was proved.
func UpTo(bound time.Duration) string { return Duration(roundUp(bound)) }

// roundUp rounds a duration up to the precision of [Duration].
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
