package outlet

import (
	"bytes"
	"io"
	"sync"
	"time"
)

// mostLogged is how many bytes of a log wait for their reader.
const mostLogged = 1 << 20

// A Log is a writer for a daemon's log, which a goroutine passes on. If its reader takes
// nothing, lines that don't fit into memory are dropped and counted; when lines can be written
// again, one says how many were dropped. Its methods may be called concurrently; each Write
// must be one line, or several.
type Log struct {
	w    io.Writer
	tell func(w io.Writer, lines int)
	work chan struct{} // has an element when there may be something to do
	done chan struct{}

	mu      sync.Mutex
	waiting []byte
	dropped int // lines
	closed  bool
}

// NewLog makes a log in front of w. tell writes, in the format of the log, that so many lines
// were dropped. The log must be closed.
func NewLog(w io.Writer, tell func(w io.Writer, lines int)) *Log {
	l := &Log{w: w, tell: tell, work: make(chan struct{}, 1), done: make(chan struct{})}
	go l.run()
	return l
}

// Write takes p, or drops it; it never fails.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	if l.closed || len(l.waiting)+len(p) > mostLogged {
		l.dropped += bytes.Count(p, []byte{'\n'})
	} else {
		l.waiting = append(l.waiting, p...)
	}
	l.mu.Unlock()
	l.wake()
	return len(p), nil
}

func (l *Log) wake() {
	select {
	case l.work <- struct{}{}:
	default:
	}
}

// Close gives the reader so long to take what waits.
func (l *Log) Close(within time.Duration) {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.wake()
	select {
	case <-l.done:
	case <-time.After(within):
	}
}

// run writes until Close, and until there is nothing left.
func (l *Log) run() {
	defer close(l.done)
	var spare []byte
	for {
		lines, dropped, closed := l.take(spare)
		switch {
		case len(lines) > 0:
			if _, err := l.w.Write(lines); err != nil { // it may work again later
				l.lost(bytes.Count(lines, []byte{'\n'}))
			}
		case dropped > 0:
			l.tell(l.w, dropped)
		case closed:
			return
		default:
			<-l.work
		}
		spare = lines[:0]
	}
}

// take takes the waiting lines or, if there are none, the count of those that were dropped
// after them.
func (l *Log) take(spare []byte) (lines []byte, dropped int, closed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	lines, l.waiting = l.waiting, spare
	if len(lines) == 0 {
		dropped, l.dropped = l.dropped, 0
	}
	return lines, dropped, l.closed
}

func (l *Log) lost(lines int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dropped += lines
}
