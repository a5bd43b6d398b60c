package clock

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// The bound is right at the ends of what can come: one exchange alone, none that
// takes time, equal ones, clocks that are centuries apart.
func TestBoundHoldsAtTheExtremes(t *testing.T) {
	t.Parallel()
	const century = 100 * 365 * 24 * time.Hour
	for name, test := range map[string]struct {
		offset, there, back time.Duration
		exchanges           int
		most                time.Duration // of the bound
	}{
		"one exchange":             {time.Second, 300e3, 100e3, 1, 201 * time.Microsecond},
		"one of a nanosecond":      {0, 0, 1, 1, 3},
		"none that takes time":     {-time.Second, 0, 0, 3, 3},
		"all the same":             {5, 1000, 0, 50, 510},
		"a century ahead":          {century, 1000, 2000, 5, 1510},
		"a century behind":         {-century, 1000, 2000, 5, 1510},
		"hardly a clock":           {-century / 10 * 29, 1000, 2000, 5, 1510},
		"half an hour on the way":  {0, time.Hour, time.Hour, 2, 61 * time.Minute},
		"all on the way there":     {0, time.Millisecond, 0, 20, 501 * time.Microsecond},
		"all on the way back":      {0, 0, time.Millisecond, 20, 501 * time.Microsecond},
		"as far as a Duration can": {math.MaxInt64 - 10*time.Second, 1000, 1000, 1, 1010},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var o Offset
			for range test.exchanges {
				o.Add(Sample{
					Sent: epoch, Taken: epoch.Add(test.offset).Add(test.there), Answered: epoch.Add(test.offset).Add(test.there),
					Received: epoch.Add(test.there + test.back),
				})
			}
			if wrong := (o.Value() - test.offset).Abs(); wrong > o.Error() {
				t.Errorf("offset %s ± %s, want %s", o.Value(), o.Error(), test.offset)
			}
			if o.Error() <= 0 || o.Error() > test.most {
				t.Errorf("bound %s, want more than 0 and at most %s", o.Error(), test.most)
			}
		})
	}
}

// Of what can't be, nothing is believed.
func TestImpossibleSamplesArePassedOver(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]Sample{
		"answered longer than the exchange took": {epoch, epoch, epoch.Add(time.Second), epoch},
		"received before it was sent":            {epoch, epoch, epoch.Add(-2 * time.Second), epoch.Add(-time.Second)},
		"a clock that no Duration reaches":       {epoch, epoch.AddDate(400, 0, 0), epoch.AddDate(400, 0, 0), epoch.Add(time.Second)},
		"a clock that shows no time":             {Sent: epoch.AddDate(400, 0, 0), Received: epoch.AddDate(400, 0, 0)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var o Offset
			o.Add(s)
			if o.Samples() != 0 || o.Error() != math.MaxInt64 {
				t.Errorf("%d samples, offset %s ± %s", o.Samples(), o.Value(), o.Error())
			}
		})
	}
}

// With any samples, in any order, the bound is positive.
func TestBoundIsNeverNegative(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		moment := rapid.Custom(func(t *rapid.T) time.Time {
			return epoch.Add(time.Duration(rapid.Int64Range(-1e10, 1e10).Draw(t, "ns")))
		})
		var o Offset
		for range rapid.IntRange(1, 100).Draw(t, "samples") {
			o.Add(Sample{moment.Draw(t, "sent"), moment.Draw(t, "taken"), moment.Draw(t, "answered"), moment.Draw(t, "received")})
			if o.Error() <= 0 {
				t.Fatalf("bound %s", o.Error())
			}
			if i := o.Instant(moment.Draw(t, "theirs")); o.Samples() > 0 && i.Error <= 0 {
				t.Fatalf("bound %s of a time that was translated", i.Error)
			}
		}
	})
}

// A step of any size that the exchanges can show makes the past forgotten, however
// much of it there is.
func TestStepForgetsThePast(t *testing.T) {
	t.Parallel()
	for _, step := range []time.Duration{2 * time.Millisecond, -time.Second, 100 * 365 * 24 * time.Hour} {
		var o Offset
		for n := range 150 {
			o.Add(exchange(epoch.Add(time.Duration(n)*3*time.Second), 0, 300*time.Microsecond))
		}
		now := epoch.Add(450 * time.Second)
		o.Add(exchange(now, step, 300*time.Microsecond))
		if got := o.Value(); (got-step).Abs() > o.Error() || o.Samples() != 1 {
			t.Errorf("after a step of %s the offset is %s ± %s from %d samples", step, got, o.Error(), o.Samples())
		}
	}
}

// A time minutes away from the newest exchange has a bound of its own, by the
// exchanges around it.
func TestTimeOfLongAgoHasItsOwnBound(t *testing.T) {
	t.Parallel()
	const rate = 50e-6
	offset := func(at time.Time) time.Duration { return time.Duration(rate * float64(at.Sub(epoch))) }
	var o Offset
	for n := range 50 {
		now := epoch.Add(time.Duration(n) * 3 * time.Second)
		o.Add(exchange(now, offset(now), 300*time.Microsecond))
	}
	for _, test := range []struct{ at, most time.Duration }{
		{147 * time.Second, 320 * time.Microsecond},
		{20 * time.Second, 400 * time.Microsecond},
		{152 * time.Second, 750 * time.Microsecond},
		{500 * time.Second, 80 * time.Millisecond}, // as far as 200 ppm can lead
	} {
		when := epoch.Add(test.at)
		i := o.Instant(when.Add(offset(when)))
		if wrong := i.Time.Sub(when).Abs(); wrong > i.Error {
			t.Errorf("%s: wrong by %s, the bound is %s", test.at, wrong, i.Error)
		}
		if i.Error > test.most {
			t.Errorf("%s: bound %s, want at most %s", test.at, i.Error, test.most)
		}
	}
}

// Ours and Theirs undo each other, to a nanosecond or two.
func TestOursAndTheirsAreInverse(t *testing.T) {
	t.Parallel()
	var o Offset
	for n := range 20 {
		now := epoch.Add(time.Duration(n) * 3 * time.Second)
		o.Add(exchange(now, time.Hour+time.Duration(n)*100*time.Microsecond, 300*time.Microsecond))
	}
	for n := range 100 {
		ours := epoch.Add(time.Duration(n) * time.Second)
		if back := o.Ours(o.Theirs(ours)); back.Sub(ours).Abs() > 50*time.Nanosecond {
			t.Errorf("%s comes back as %s", ours, back)
		}
	}
}

// In this series the truth was outside the bound after 153 of 160 exchanges, at worst by
// 393 µs of "± 46 ns", when drift was not allowed for.
func TestOrdinaryDriftStaysWithinTheBound(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ low, high, rate float64 }{
		"20 ppm over a broker": {340e3, 400e3, 20 * ppm},
		"5 ppm on a LAN":       {60e3, 150e3, 5 * ppm},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(0)
			delay := func() float64 { return test.low + (test.high-test.low)*w.Float64() }
			w.delays = func() (float64, float64) { return delay(), delay() }
			w.offset = func(t float64) float64 { return test.rate * t }
			w.stepAt, w.lost, w.spacing = math.Inf(1), 0, func() float64 { return 3 }
			if wrong := w.run(); wrong != "" {
				t.Error(wrong)
			}
		})
	}
}
