package main

import (
	"testing"
	"time"

	"downbeat/internal/results"
)

// The summary says how far apart the stops were where there were several, and on
// how many hosts there were any.
func TestStopping(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		stopped, hosts int
		want           string
	}{
		{2, 2, " within 400 µs (TERM on every host; the last exit came 6.5 ms after the first TERM)"},
		{2, 3, " within 400 µs (TERM on 2 of 3 hosts; the last exit came 6.5 ms after the first TERM)"},
		{1, 2, " (TERM on 1 of 2 hosts; the last exit came 6.5 ms after the first TERM)"},
		{1, 1, " (TERM on every host; the last exit came 6.5 ms after the first TERM)"},
	} {
		r := results.Record{StopSkewUS: 400, StopErrorUS: 30, StopExitUS: 6500, StopExitErrorUS: 30, Hosts: make([]results.HostRecord, c.hosts)}
		for i := range c.stopped {
			r.Hosts[i].StoppedAt = at
		}
		if got := stopping(r); got != c.want {
			t.Errorf("%d of %d: got %q, want %q", c.stopped, c.hosts, got, c.want)
		}
	}
}
