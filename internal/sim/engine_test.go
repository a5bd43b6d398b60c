package sim

import (
	"slices"
	"testing"
	"time"
)

// Events come in the order of their time, and those of one time in that of their asking.
func TestEngineKeepsTheOrder(t *testing.T) {
	t.Parallel()
	var e engine
	r := random{state: 1}
	type asked struct {
		at instant
		n  int
	}
	var got []asked
	for n := range 1000 {
		at := instant(r.below(50))
		e.at(at, func() {
			got = append(got, asked{at, n})
			if n%10 == 0 { // and some are asked for only then
				e.at(at-1, func() { got = append(got, asked{at, 1000 + n}) })
			}
		})
	}
	for e.next(never) {
	}
	if len(got) != 1100 || !slices.IsSortedFunc(got, func(a, b asked) int {
		if a.at != b.at {
			return int(a.at - b.at)
		}
		return a.n - b.n
	}) {
		t.Errorf("%d events, in another order", len(got))
	}
}

// Events after the limit stay.
func TestEngineStopsAtTheLimit(t *testing.T) {
	t.Parallel()
	var e engine
	came := 0
	e.at(5, func() { came++ })
	e.at(6, func() { came++ })
	for e.next(5) {
	}
	if came != 1 || e.now != 5 {
		t.Errorf("%d events by %d, want one by 5", came, e.now)
	}
}

// A run's clock goes on evenly whatever becomes of the wall clock, and local finds the
// instant at which it shows a time, or a little later.
func TestRunClockIgnoresSteps(t *testing.T) {
	t.Parallel()
	for _, drift := range []int64{-100, 0, 7, 100} {
		m := &machineClock{drift: drift, offset: time.Hour}
		c := m.forRun()
		m.offset -= 24 * time.Hour
		for _, at := range []instant{0, 1, 999, 1_000_001, instant(time.Minute), instant(20 * time.Minute)} {
			shown := c.at(at)
			if want := epoch.Add(time.Hour).Add(time.Duration(at)); shown.Sub(want).Abs() > time.Duration(at)/9000 {
				t.Errorf("%d ppm: at %d it shows %s, want about %s", drift, at, shown, want)
			}
			back := c.local(shown)
			if c.at(back).Before(shown) || back-at > 100*instant(time.Microsecond) || at-back > 100*instant(time.Microsecond) {
				t.Errorf("%d ppm: it shows that of %d at %d", drift, at, back)
			}
		}
	}
}
