package terminal

import (
	"testing"
	"time"
)

// A duration below its bound reads as the bound, which is never rounded down.
func TestWhatIsBelowItsBoundReadsAsTheBound(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		d, bound time.Duration
		want     string
	}{
		{0, 290 * time.Microsecond, "< 290 µs"},
		{289 * time.Microsecond, 290 * time.Microsecond, "< 290 µs"},
		{290 * time.Microsecond, 290 * time.Microsecond, "290 µs ± 290 µs"},
		{812 * time.Microsecond, 290 * time.Microsecond, "812 µs ± 290 µs"},
		{2100 * time.Microsecond, 1210 * time.Nanosecond, "2.1 ms ± 2 µs"},
		{812 * time.Microsecond, 0, "812 µs"},
		{0, time.Nanosecond, "< 1 µs"},
		{0, 999100 * time.Nanosecond, "< 1.0 ms"},
		{0, 1210 * time.Microsecond, "< 1.3 ms"},
		{0, 9910 * time.Microsecond, "< 10 ms"},
		{0, 12100 * time.Microsecond, "< 13 ms"},
		{0, 1210 * time.Millisecond, "< 1.3 s"},
		{0, 0, "0 µs"},
	} {
		if got := Bounded(test.d, test.bound); got != test.want {
			t.Errorf("Bounded(%s, %s) = %q, want %q", test.d, test.bound, got, test.want)
		}
	}
}
