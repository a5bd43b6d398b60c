package course

import (
	"slices"
	"time"

	"downbeat/internal/message"
)

// A Delivered control is one that has come, with the serial number of its envelope.
type Delivered struct {
	Control *message.Control
	Taken   time.Time // when it came, by whatever clock the worker goes by
	Serial  uint64
	Size    int // of the envelope, in bytes
}

// Limits on the controls that are kept until their job comes. Most are of runs that are
// over, whose last controls were sent twice.
const (
	maxEarlyRuns     = 256
	maxEarlyControls = 16
	maxEarlyBytes    = 4 << 20
)

// An earlyList keeps controls that came before the job of their run: the two
// travel on different queues, and either may be first. A run whose stop is among
// them is not begun, as nobody waits for it any more; others get them with
// their job, or else the publisher would miss them and wait before it sends
// them again.
type earlyList struct {
	runs []early // oldest first
	size int     // of all controls, in bytes
}

type early struct {
	run      string
	stopped  bool
	controls []Delivered
	size     int
}

func (l *earlyList) find(run string) int {
	return slices.IndexFunc(l.runs, func(e early) bool { return e.run == run })
}

func (l *earlyList) add(run string, c Delivered) {
	i := l.find(run)
	if i < 0 {
		if len(l.runs) == maxEarlyRuns {
			l.drop(0)
		}
		i = len(l.runs)
		l.runs = append(l.runs, early{run: run})
	}
	e := &l.runs[i]
	e.stopped = e.stopped || c.Control.Kind == message.Stop && c.Control.FromBeat == 0
	if len(e.controls) < maxEarlyControls {
		e.controls = append(e.controls, c)
		e.size += c.Size
		l.size += c.Size
	}
	for l.size > maxEarlyBytes {
		l.drop(0)
	}
}

// drop forgets a run.
func (l *earlyList) drop(i int) {
	l.size -= l.runs[i].size
	l.runs = slices.Delete(l.runs, i, i+1)
}

func (l *earlyList) stopped(run string) bool {
	i := l.find(run)
	return i >= 0 && l.runs[i].stopped
}

// take gives the controls for a run, in the order in which they came.
func (l *earlyList) take(run string) []Delivered {
	i := l.find(run)
	if i < 0 {
		return nil
	}
	controls := l.runs[i].controls
	l.drop(i)
	return controls
}
