package clock

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestClockAndLocalAreInverse(t *testing.T) {
	t.Parallel()
	c := New(5 * time.Second)
	at := time.Now().Add(time.Minute)
	if got := c.Local(c.At(at)); got.Sub(at) != 0 {
		t.Errorf("Local(At(t)) is %s off", got.Sub(at))
	}
	if ahead := time.Until(c.Now()); ahead < 4*time.Second {
		t.Errorf("a clock made 5 s ahead is %s ahead", ahead)
	}
}

// Whatever the delays on the way, the true offset is within the error bound.
func TestOffsetIsWithinItsErrorBound(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		delay := rapid.Int64Range(0, int64(50*time.Millisecond))
		truth := time.Duration(rapid.Int64Range(-1e12, 1e12).Draw(t, "offset"))
		now := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
		var o Offset
		for range rapid.IntRange(1, 2*freshest).Draw(t, "samples") {
			var s Sample
			s.Sent = now
			taken := now.Add(time.Duration(delay.Draw(t, "there")))
			answered := taken.Add(time.Duration(delay.Draw(t, "within")))
			s.Taken, s.Answered = taken.Add(truth), answered.Add(truth)
			s.Received = answered.Add(time.Duration(delay.Draw(t, "back")))
			o.Add(s)
			if wrong := (o.Value() - truth).Abs(); wrong > o.Error() {
				t.Fatalf("offset is %s off, and the bound says %s", wrong, o.Error())
			}
			now = s.Received.Add(time.Millisecond)
		}
	})
}

func exchange(at time.Time, offset, delay time.Duration) Sample {
	return Sample{Sent: at, Taken: at.Add(delay + offset), Answered: at.Add(delay + offset), Received: at.Add(2 * delay)}
}

func TestOffsetFollowsAClockThatIsStepped(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	var o Offset
	for range 5 {
		o.Add(exchange(at, time.Second, time.Millisecond))
	}
	o.Add(exchange(at, 9*time.Second, time.Millisecond))
	if got, want := o.Value(), 9*time.Second; (got-want).Abs() > o.Error() || o.Samples() != 1 {
		t.Errorf("offset %s from %d samples, want %s from the one after the step", got, o.Samples(), want)
	}
}

// A bound that is written down in microseconds claims no more than was proved.
func TestBoundInMicrosecondsIsRoundedUp(t *testing.T) {
	t.Parallel()
	for bound, want := range map[time.Duration]int64{0: 1, 1: 1, 999: 1, 1000: 1, 1001: 2, 46 * time.Millisecond: 46000} {
		if got := Microseconds(bound); got != want {
			t.Errorf("Microseconds(%s) = %d, want %d", bound, got, want)
		}
	}
	if got := (Instant{}).ErrorUS(); got != 0 {
		t.Errorf("an instant that was never reached has a bound of %d µs", got)
	}
}

// Between covers both ends.
func TestBetweenCoversBothEnds(t *testing.T) {
	t.Parallel()
	from := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	to := from.Add(333)
	if i := Between(from, to); i.Earliest().After(from) || i.Latest().Before(to) {
		t.Errorf("from %s to %s, want %s to %s", i.Earliest(), i.Latest(), from, to)
	}
}
