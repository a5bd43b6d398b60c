package course

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// fill sends events of 100 bytes as long as there is room, and returns the last.
func fill(w *Window, last uint64, now time.Time) uint64 {
	for w.Room() && w.Next() <= last {
		w.Send(w.Next(), 100, now)
	}
	return w.Next() - 1
}

func TestWindowBoundsWhatIsNotAcknowledged(t *testing.T) {
	t.Parallel()
	w := NewWindow(1000, 0, epoch)
	if got := fill(w, 30, epoch); got != 10 {
		t.Errorf("events up to %d are on their way, want 10", got)
	}
	if !w.Ack(4, 30, false, epoch) {
		t.Error("an acknowledgement is no news")
	}
	if got := fill(w, 30, epoch); got != 14 || w.Acked() != 4 {
		t.Errorf("events up to %d are on their way, want 14; up to %d acknowledged, want 4", got, w.Acked())
	}
}

func TestResendGoesBackToWhatIsNotAcknowledged(t *testing.T) {
	t.Parallel()
	w := NewWindow(1000, 0, epoch)
	fill(w, 6, epoch)
	w.Ack(2, 6, false, epoch)
	if got := w.Next(); got != 7 {
		t.Errorf("next is %d, want 7", got)
	}
	w.Ack(3, 6, true, epoch)
	if got := w.Next(); got != 4 {
		t.Errorf("next is %d, want 4", got)
	}
	if w.Send(7, 100, epoch) || !w.Send(4, 100, epoch) {
		t.Error("not exactly the next is to be sent")
	}
	w.Ack(6, 6, true, epoch) // nothing is left to send again
	if got := w.Next(); got != 7 || w.Acked() != 6 {
		t.Errorf("next is %d, want 7", got)
	}
}

func TestAcknowledgementOfWhatNeverWasIsIgnored(t *testing.T) {
	t.Parallel()
	w := NewWindow(1000, 0, epoch)
	fill(w, 3, epoch)
	if w.Ack(99, 3, false, epoch) || w.Acked() != 0 {
		t.Error("more than the log holds is taken as acknowledged")
	}
	w.Ack(3, 3, false, epoch)
	if w.Ack(1, 3, true, epoch) || w.Acked() != 3 {
		t.Error("an old acknowledgement has taken a newer one back")
	}
}

// Without progress for long everything is sent again, with the next keepalive.
func TestStalledWindowGoesBack(t *testing.T) {
	t.Parallel()
	w := NewWindow(1000, 0, epoch)
	w.Ack(0, 0, false, epoch.Add(time.Hour)) // nothing is on its way
	begin := epoch.Add(2 * time.Hour)
	fill(w, 5, begin)
	for _, after := range []time.Duration{time.Second, stall} {
		w.Ack(0, 5, false, begin.Add(after))
		if got := w.Next(); got != 6 {
			t.Errorf("after %s next is %d, want 6", after, got)
		}
	}
	w.Ack(2, 5, false, begin.Add(stall)) // which is progress
	w.Ack(2, 5, false, begin.Add(2*stall))
	if got := w.Next(); got != 6 {
		t.Errorf("after progress next is %d, want 6", got)
	}
	w.Ack(2, 5, false, begin.Add(2*stall+1))
	if got := w.Next(); got != 3 {
		t.Errorf("after the stall next is %d, want 3", got)
	}
	fill(w, 5, begin.Add(2*stall+1))
	w.Ack(2, 5, false, begin.Add(2*stall+2)) // it has just been sent
	if got := w.Next(); got != 6 {
		t.Errorf("next is %d, want 6", got)
	}
}

// An event that is acknowledged before it is sent again is passed over.
func TestWindowGoesOnFromALogThatWasFound(t *testing.T) {
	t.Parallel()
	w := NewWindow(1000, 4, epoch)
	if got := w.Next(); got != 5 {
		t.Errorf("next is %d, want 5", got)
	}
	w.Ack(9, 10, false, epoch)
	if w.Send(5, 100, epoch) || w.Next() != 10 {
		t.Errorf("next is %d, want 10", w.Next())
	}
}

// Through losses, repetitions and delays no more is on its way than the window and one
// event, nothing that isn't acknowledged is forgotten, and everything arrives.
func TestWindowLosesNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		const limit, most = 500, 300
		w := NewWindow(limit, 0, epoch)
		now := epoch
		var last, have uint64 // in the log; with the publisher
		pass := func(lossy bool) {
			for w.Room() && w.Next() <= last {
				seq := w.Next()
				if !w.Send(seq, int(seq%most)+1, now) {
					t.Fatalf("%d is next, and is not to be sent", seq)
				}
				if (!lossy || rapid.Bool().Draw(t, "arrives")) && seq == have+1 {
					have = seq
				}
			}
			if w.unacked >= limit+most || w.Next() > last+1 {
				t.Fatalf("%d bytes are on their way, next is %d of %d", w.unacked, w.Next(), last)
			}
		}
		for range rapid.IntRange(1, 40).Draw(t, "rounds") {
			last += uint64(rapid.IntRange(0, 5).Draw(t, "appended"))
			pass(true)
			now = now.Add(time.Duration(rapid.IntRange(0, 4000).Draw(t, "ms")) * time.Millisecond)
			if rapid.Bool().Draw(t, "acknowledges") {
				w.Ack(rapid.Uint64Range(0, have).Draw(t, "ack"), last, rapid.Bool().Draw(t, "resend"), now)
			}
			if w.Acked() > have {
				t.Fatalf("%d is acknowledged, and the publisher has %d", w.Acked(), have)
			}
		}
		for range last + 1 { // the rest goes well
			w.Ack(have, last, true, now)
			pass(false)
		}
		if have != last {
			t.Fatalf("the publisher has %d of %d", have, last)
		}
	})
}
