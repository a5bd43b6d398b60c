package metric

import (
	"math"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"downbeat/internal/experiment"
)

// Durations are read as programs write them, in seconds; a number without a unit is none.
func TestDurations(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]float64{
		"1.13ms": 0.00113, "250us": 0.00025, "250.00µs": 0.00025, "3μs": 3e-6, "2m3s": 123, "1.5m": 90, "1h0m2.5s": 3602.5, "2d": 172800,
		"12 ms": 0.012, " 7s ": 7, "300 usec": 0.0003, "5msec": 0.005, "8nsec": 8e-9, "3 min": 180, "1 h 30 m": 5400, "-1.5s": -1.5, "+2s": 2, "0": 0, "0.00us": 0, ".5s": 0.5,
	} {
		if got, _, ok := parse(experiment.NotationDuration, text); !ok || got != want {
			t.Errorf("%q: got %v, %v, want %v", text, got, ok, want)
		}
	}
	for _, text := range []string{"", "12", "ms", "-", "1.2.3s", "1e3s", "5 apples", "1s2", "2m 3", "NaN", "inf", "--1s", "1s-2s", "1,5s", "00:01:02", "0x1s", "s1"} {
		if got, what, ok := parse(experiment.NotationDuration, text); ok {
			t.Errorf("%q is %s: got %v", text, what, got)
		}
	}
}

// Whatever Go prints as a duration is read as that.
func TestDurationsOfGo(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		d := time.Duration(rapid.Int64Range(math.MinInt64/2, math.MaxInt64/2).Draw(t, "d") >> rapid.IntRange(0, 62).Draw(t, "shift"))
		got, ok := seconds(d.String())
		if want := d.Seconds(); !ok || math.Abs(got-want) > 1e-12*math.Abs(want) {
			t.Errorf("%s: got %v, %v, want %v", d, got, ok, want)
		}
	})
}

// Numbers with prefixes are read as SI and IEC have them, whether of bytes or not.
func TestPrefixes(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]float64{
		"9.19k": 9190, "9.19K": 9190, "3Mi": 3 << 20, "12G": 12e9, "250m": 0.25, "5u": 5e-6, "7n": 7e-9, "2µ": 2e-6, "12": 12, "1e6": 1e6, "1.5e3k": 1.5e6, "12E": 12e18, "2Ei": 2 << 60,
		"1.13GiB": 1.13 * (1 << 30), "12.5 MB": 12.5e6, "100B": 100, "5.09KB/s": 5090, "1.2 GB/s": 1.2e9, "-3k": -3000, " 4T ": 4e12, "1e-3": 0.001, "2P": 2e15,
	} {
		if got, _, ok := parse(experiment.NotationSI, text); !ok || math.Abs(got-want) > 1e-15*math.Abs(want) {
			t.Errorf("%q: got %v, %v, want %v", text, got, ok, want)
		}
	}
	for _, text := range []string{"", "k", "12 req", "12kk", "1,234", "NaN", "1e", "5%", "3ki", "1eB", "0x10", "1e999", "9e307k"} {
		if got, what, ok := parse(experiment.NotationSI, text); ok {
			t.Errorf("%q is %s: got %v", text, what, got)
		}
	}
}

// A plain number is the same with and without prefixes, and no text is read as something that is
// not finite.
func FuzzParse(f *testing.F) {
	for _, text := range []string{"12", "1.13ms", "9.19k", "1e6", "2m3s", "12E", "-.5Mi", "1e+", "µs"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, by := range []experiment.Notation{"", experiment.NotationDuration, experiment.NotationSI} {
			if v, _, ok := parse(by, text); ok && (math.IsNaN(v) || math.IsInf(v, 0)) {
				t.Errorf("%q by %q: got %v", text, by, v)
			}
		}
		plain, isPlain := number(text)
		if v, ok := prefixed(text); isPlain && (!ok || v != plain) {
			t.Errorf("%q: got %v, %v, want %v", text, v, ok, strconv.FormatFloat(plain, 'g', -1, 64))
		}
	})
}
