package terminal

import (
	"math"
	"testing"
	"time"
)

// Durations have the digits that matter, and never 1000 of a unit or 60 s.
func TestDuration(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		0:                                "0 µs",
		812 * time.Microsecond:           "812 µs",
		999499 * time.Nanosecond:         "999 µs",
		999500 * time.Nanosecond:         "1.0 ms",
		4200 * time.Microsecond:          "4.2 ms",
		9949 * time.Microsecond:          "9.9 ms",
		9950 * time.Microsecond:          "10 ms",
		45 * time.Millisecond:            "45 ms",
		999499 * time.Microsecond:        "999 ms",
		999500 * time.Microsecond:        "1.0 s",
		3200 * time.Millisecond:          "3.2 s",
		59949 * time.Millisecond:         "59.9 s",
		59950 * time.Millisecond:         "1m00s",
		65 * time.Second:                 "1m05s",
		time.Hour - 501*time.Millisecond: "59m59s",
		time.Hour - 500*time.Millisecond: "1h00m",
		2*time.Hour + 3*time.Minute:      "2h03m",
		100 * time.Hour:                  "100h00m",
		-3200 * time.Millisecond:         "-3.2 s",
		math.MinInt64:                    "-2562047h47m",
	} {
		if got := Duration(d); got != want {
			t.Errorf("%d ns: got %q, want %q", d, got, want)
		}
	}
}

// A growing duration keeps its unit in the first minute.
func TestElapsed(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		-time.Second:           "0.0 s",
		40 * time.Millisecond:  "0.0 s",
		400 * time.Millisecond: "0.4 s",
		61 * time.Second:       "1m01s",
	} {
		if got := Elapsed(d); got != want {
			t.Errorf("%v: got %q, want %q", d, got, want)
		}
	}
}

// Sizes have two or three digits and the unit.
func TestSize(t *testing.T) {
	t.Parallel()
	for n, want := range map[uint64]string{
		0: "0 B", 999: "999 B", 1000: "1.0 kB", 9949: "9.9 kB", 9950: "10 kB", 999499: "999 kB",
		999500: "1.0 MB", 9437184: "9.4 MB", 180e6: "180 MB", 1e12: "1.0 TB", math.MaxUint64: "18 EB",
	} {
		if got := Size(n); got != want {
			t.Errorf("%d: got %q, want %q", n, got, want)
		}
	}
}

// A number goes with the right form of its noun.
func TestCount(t *testing.T) {
	t.Parallel()
	for n, want := range map[uint64]string{0: "0 lines", 1: "1 line", 2: "2 lines"} {
		if got := Count(n, "line"); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// Text is coloured on a terminal that can, unless the person asked for none.
func TestStyle(t *testing.T) {
	t.Parallel()
	s := newScreen(t, 80)
	const red = "\x1b[31mlost\x1b[0m"
	for _, c := range []struct {
		style Style
		want  string
	}{
		{NewStyle(s.tty, "xterm", ""), red},
		{NewStyle(s.tty, "xterm", "1"), "lost"},
		{NewStyle(s.tty, "dumb", ""), "lost"},
		{NewStyle(s.tty, "", ""), "lost"},
		{NewStyle(nil, "xterm", ""), "lost"},
		{Style{}, "lost"},
	} {
		if got := c.style.Bad("lost"); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
	if got := NewStyle(s.tty, "xterm", "").Good(""); got != "" {
		t.Errorf("nothing in colour: got %q", got)
	}
}

func TestShare(t *testing.T) {
	t.Parallel()
	for v, want := range map[float64]string{
		1.5: "150 %", 0.1: "10 %", 0.0994: "9.9 %", -0.021: "2.1 %", 0.01: "1.0 %", 0.0043: "0.43 %", 0.00001: "<0.01 %", 0: "0.0 %", math.Inf(1): "",
	} {
		if got := Share(v); got != want {
			t.Errorf("%v: %q, want %q", v, got, want)
		}
	}
	if got := Share(math.NaN()); got != "" {
		t.Errorf("of no number: %q", got)
	}
}
