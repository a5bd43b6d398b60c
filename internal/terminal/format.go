package terminal

import (
	"fmt"
	"math"
	"time"
)

// Duration formats a duration for people, to two or three significant digits: "812 µs", "4.2
// ms", "45 ms", "3.2 s", "1m05s", "2h03m".
func Duration(d time.Duration) string {
	switch {
	case d <= -500*time.Nanosecond: // what is closer to zero is shown as zero
		// The most negative duration has no counterpart.
		return "-" + Duration(max(-d, -(d+1)))
	case d < 999500*time.Nanosecond:
		return fmt.Sprintf("%d µs", d.Round(time.Microsecond).Microseconds())
	case d < 9950*time.Microsecond:
		return fmt.Sprintf("%.1f ms", d.Seconds()*1e3)
	case d < 999500*time.Microsecond:
		return fmt.Sprintf("%d ms", d.Round(time.Millisecond).Milliseconds())
	}
	return Elapsed(d)
}

// Elapsed formats a growing duration, so it doesn't change its unit in the first minute: "0.4
// s", "59.9 s", "1m05s", "2h03m".
func Elapsed(d time.Duration) string {
	d = max(d, 0)
	switch {
	case d < 59950*time.Millisecond:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < time.Hour-500*time.Millisecond:
		s := int64(d.Round(time.Second) / time.Second)
		return fmt.Sprintf("%dm%02ds", s/60, s%60)
	}
	m := int64(d.Round(time.Minute) / time.Minute)
	return fmt.Sprintf("%dh%02dm", m/60, m%60)
}

// Size formats a number of bytes, in powers of 1000: "812 B", "9.4 kB", "180 MB".
func Size(bytes uint64) string {
	if bytes < 1000 {
		return fmt.Sprintf("%d B", bytes)
	}
	const units = "kMGTPE"
	value, unit := float64(bytes)/1000, 0
	for value >= 999.5 && unit < len(units)-1 {
		value /= 1000
		unit++
	}
	if value < 9.95 {
		return fmt.Sprintf("%.1f %cB", value, units[unit])
	}
	return fmt.Sprintf("%.0f %cB", value, units[unit])
}

// Count formats a number with its noun: "1 line", "2 lines"; the plural is the noun with an s.
func Count(n uint64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// Share formats the size of a share as a percentage with two digits: "12 %", "2.1 %", "0.43 %"; empty
// where it is not known or infinite.
func Share(v float64) string {
	switch percent := 100 * math.Abs(v); {
	case math.IsNaN(v) || math.IsInf(v, 0):
		return ""
	case percent >= 9.95:
		return fmt.Sprintf("%.0f %%", percent)
	case percent >= 0.995 || percent == 0:
		return fmt.Sprintf("%.1f %%", percent)
	case percent >= 0.01:
		return fmt.Sprintf("%.2f %%", percent)
	}
	return "<0.01 %"
}
