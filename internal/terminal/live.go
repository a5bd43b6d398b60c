package terminal

import (
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/term"
)

const (
	// refresh is the time between two looks at the status.
	refresh = 100 * time.Millisecond
	// gather is the time between two writes of lines below which the later
	// waits for the next refresh. Each write draws the live line again, which
	// costs a terminal more than a line of text does.
	gather = 10 * time.Millisecond
	// maxGathered is how many bytes wait at most.
	maxGathered = 64 << 10
)

// Control sequences. The cursor rests at the beginning of the live line: when the window is
// made narrower and the terminal wraps its lines, the cursor stays with the line's first
// character, and erasing from there removes all pieces of the line and nothing else. Wrapping
// is off while the line is drawn, because the window may be narrower by now than when the line
// was cut to its width.
const (
	eraseBelow = "\x1b[J" // from the cursor to the end of the screen
	wrapOff    = "\x1b[?7l"
	wrapOn     = "\x1b[?7h"
	toStart    = "\r"
)

// A Status is what the live line says.
type Status struct {
	// Parts are what it says, in this order; see [Rank] for which are left on a narrow
	// terminal.
	Parts []Part
	// Text comes after them; it is cut where the terminal is too narrow for it.
	Text string
	// Since, if not zero, adds how long ago that is.
	Since time.Time
	// Expected, if not zero, is how long it should take from Since on: a bar shows
	// how much of that has passed.
	Expected time.Duration
	// Until, if not zero, is when everything will probably be over; the remaining time is
	// dropped on a narrow terminal.
	Until time.Time
	// AtMost: it may be over before Until.
	AtMost bool
}

// Live is one line at the bottom of a terminal that shows the progress; everything else is
// written above it. Without a terminal it does nothing. Its methods may be called concurrently;
// Set never waits for the terminal.
type Live struct {
	file   *os.File // nil: silent
	status atomic.Pointer[Status]
	stop   chan struct{}
	done   chan struct{}
	closer sync.Once

	mu      sync.Mutex // guards what follows, and the terminal itself
	line    string     // what draws the line, from its beginning and back to there
	shown   bool       // it is on the terminal now
	partial bool       // the text above ends in mid-line: no place for the live line
	lines   []byte     // text to be written above
	written time.Time  // when lines were written last
	err     error      // what became of that
	others  int        // calls that write elsewhere just now, see beside
	quiet   time.Time  // when what they wrote should have got wherever it goes
	closed  bool
	buf     []byte
}

// NewLive makes a live line on stderr, if that is a terminal and enabled is
// true (see [Movable]). Nothing is shown before the first Set. It must be closed.
func NewLive(stderr *os.File, enabled bool) *Live {
	l := &Live{stop: make(chan struct{}), done: make(chan struct{})}
	if !enabled || stderr == nil || !term.IsTerminal(int(stderr.Fd())) {
		close(l.done)
		return l
	}
	l.file = stderr
	go l.run()
	return l
}

// Set sets what the line shows from the next refresh on. An empty Status removes the line.
func (l *Live) Set(s Status) { l.status.Store(&s) }

// Close writes the waiting lines, removes the live line, and waits until its goroutine has
// ended. Its writers go on working. It is idempotent.
func (l *Live) Close() {
	l.closer.Do(func() {
		close(l.stop)
		<-l.done
		l.mu.Lock()
		defer l.mu.Unlock()
		l.line = ""
		l.draw()
		l.closed = true
	})
}

// run updates the line regularly until Close.
func (l *Live) run() {
	defer close(l.done)
	ticker := time.NewTicker(refresh)
	defer ticker.Stop()
	for {
		select {
		case now := <-ticker.C:
			l.update(now)
		case <-l.stop:
			return
		}
	}
}

// update brings the line up to date with the status, the clock, and the
// terminal's width, and writes the lines that wait.
func (l *Live) update(now time.Time) {
	var line string
	if s := l.status.Load(); s != nil {
		line = s.render(now, l.width())
	}
	if line != "" {
		line = wrapOff + line + wrapOn + eraseBelow + toStart
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.others > 0 || now.Before(l.quiet) {
		line = ""
	}
	if line == l.line && l.shown == l.showable() && len(l.lines) == 0 {
		return
	}
	l.line = line
	l.draw()
}

// draw brings the terminal up to date: the lines that wait, and below them the
// live line. It is one write, so that nobody sees anything in between.
func (l *Live) draw() {
	l.buf = l.buf[:0]
	if l.shown && (len(l.lines) > 0 || l.line == "") {
		l.buf = append(l.buf, eraseBelow...)
		l.shown = false
	}
	if n := len(l.lines); n > 0 {
		l.buf = append(l.buf, l.lines...)
		l.partial = l.lines[n-1] != '\n'
		l.lines = l.lines[:0]
		l.written = time.Now()
	}
	if l.showable() {
		l.buf = append(l.buf, l.line...)
		l.shown = true
	}
	if len(l.buf) == 0 {
		return
	}
	if _, err := l.file.Write(l.buf); err != nil && l.err == nil {
		l.err = err
	}
}

func (l *Live) showable() bool { return l.line != "" && !l.partial }

// width is the number of columns that may be used. The last one is left free, because terminals
// differ in when they wrap.
func (l *Live) width() int {
	columns, _, err := term.GetSize(int(l.file.Fd()))
	if err != nil || columns <= 0 {
		columns = 80
	}
	return columns - 1
}
