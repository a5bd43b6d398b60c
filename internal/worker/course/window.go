package course

import "time"

// stall is how long the oldest unacknowledged event may stay so, while the
// publisher is heard, before everything since is sent again.
const stall = 3 * time.Second

// A Window decides what of a run's log is on its way to the publisher: in order, no
// more than what fits unacknowledged, and again from what was acknowledged when
// something got lost (go-back-N).
type Window struct {
	limit    int    // bytes that may be unacknowledged when another event is sent
	acked    uint64 // everything up to this number is with the publisher
	sizes    []int  // of the events from acked+1 on that were sent
	unacked  int    // their sum
	progress time.Time
}

// NewWindow makes a window of so many bytes, over a log of which everything up to
// acked is with the publisher.
func NewWindow(limit int, acked uint64, now time.Time) *Window {
	return &Window{limit: limit, acked: acked, progress: now}
}

// Next is the number of the event to send next: after all that were sent, or, when
// something is to be sent again, after all that were acknowledged.
func (w *Window) Next() uint64 { return w.acked + uint64(len(w.sizes)) + 1 }

// Room reports whether another event may be sent.
func (w *Window) Room() bool { return w.unacked < w.limit }

// Acked is the number up to which the publisher has everything.
func (w *Window) Acked() uint64 { return w.acked }

// Send enters an event as sent. It reports false where it is not the next one any
// more, as the publisher has acknowledged it meanwhile: then it is not to be sent.
func (w *Window) Send(seq uint64, size int, now time.Time) bool {
	if seq != w.Next() {
		return false
	}
	if len(w.sizes) == 0 {
		w.progress = now
	}
	w.sizes = append(w.sizes, size)
	w.unacked += size
	return true
}

// Ack takes the publisher's word that it has everything up to seq, of a log whose
// newest event is last, and reports whether that is news. With resend, or after no
// progress for long, everything that follows is sent again.
func (w *Window) Ack(seq, last uint64, resend bool, now time.Time) bool {
	moved := seq > w.acked && seq <= last
	if moved {
		done := int(min(seq-w.acked, uint64(len(w.sizes))))
		for _, size := range w.sizes[:done] {
			w.unacked -= size
		}
		w.sizes = w.sizes[:copy(w.sizes, w.sizes[done:])]
		w.acked = seq
		w.progress = now
	}
	if len(w.sizes) > 0 && (resend || now.Sub(w.progress) > stall) {
		w.sizes, w.unacked = w.sizes[:0], 0
		w.progress = now
	}
	return moved
}
