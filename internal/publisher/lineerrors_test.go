package publisher

import (
	"reflect"
	"testing"
	"time"

	"downbeat/internal/clock"
	"downbeat/internal/results"
)

// The bound of a line's time is never less than what held when it was translated,
// in whatever order the lines came, and a steady one is told once.
func TestLineErrorsCoverEachLine(t *testing.T) {
	t.Parallel()
	zero := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	lines := []struct{ at, us int64 }{{1, 300}, {12, 280}, {8, 320}, {25, 200}, {31, 100}, {33, 110}, {45, 900}}
	var l lineErrors
	for _, line := range lines {
		l.note(clock.Instant{Time: zero.Add(time.Duration(line.at) * time.Second), Error: time.Duration(line.us) * time.Microsecond})
	}
	want := []results.LineError{{From: zero, ErrorUS: 320}, {From: zero.Add(30 * time.Second), ErrorUS: 110}, {From: zero.Add(40 * time.Second), ErrorUS: 900}}
	if got := l.list(); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	h := results.HostRecord{LineErrors: l.list()}
	for _, line := range lines {
		if got := h.LineErrorUS(zero.Add(time.Duration(line.at) * time.Second)); got < line.us {
			t.Errorf("the line at %d s has a bound of %d µs, and %d µs held", line.at, got, line.us)
		}
	}
	if got := h.LineErrorUS(zero.Add(-time.Hour)); got != 0 {
		t.Errorf("a line before all others has a bound of %d µs", got)
	}
}
