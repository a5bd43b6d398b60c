package udpclock

import "time"

// A span is an instant that is known to lie between two, which have monotonic readings.
type span struct{ earliest, latest time.Time }

// A wall knows by how much the wall clock, with which the kernel stamps, is ahead of the
// monotonic one, by which a run's clock goes. The two go at the same rate, so each reading
// of both confines that further, until the wall clock is stepped, which a reading shows.
type wall struct {
	base      time.Time // from here on the monotonic clock is counted
	low, high int64     // wall clock less monotonic one, in ns
	steps     int       // how often it was stepped
	now       func() time.Time
}

func newWall() *wall {
	w := &wall{base: time.Now(), now: time.Now}
	w.low, w.high = w.read()
	return w
}

// read reads the wall clock between two readings of the monotonic one.
func (w *wall) read() (low, high int64) {
	before, between, after := w.now(), w.now(), w.now()
	wall := between.UnixNano()
	return wall - after.Sub(w.base).Nanoseconds(), wall - before.Sub(w.base).Nanoseconds()
}

// check reads both clocks, and reports whether the wall clock was stepped since the last time.
func (w *wall) check() (stepped bool) {
	low, high := w.read()
	if low > w.high || high < w.low {
		w.low, w.high = low, high
		w.steps++
		return true
	}
	w.low, w.high = max(w.low, low), min(w.high, high)
	return false
}

// at is when the wall clock showed t, if it has not been stepped between t and the last
// check.
func (w *wall) at(t time.Time) span {
	ns := t.UnixNano()
	return span{w.base.Add(time.Duration(ns - w.high)), w.base.Add(time.Duration(ns - w.low))}
}
