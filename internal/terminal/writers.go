package terminal

import (
	"io"
	"os"
	"time"

	"golang.org/x/term"
)

// Writer returns a writer for w, such as standard output, that does not disturb the live line.
// If w is the live line's own terminal, whole lines appear above it, perhaps a moment later,
// and the error of one write may be returned by the next; while a line is unfinished, the live
// line is hidden. Before a write to anything else (such as a pipe to a program that prints to
// the same terminal) the live line is hidden until nothing was written for a moment. A file on
// disk is returned as it is.
func (l *Live) Writer(w io.Writer) io.Writer {
	if l.file == nil {
		return w
	}
	f, ok := w.(*os.File)
	if !ok {
		return &beside{live: l, w: w}
	}
	info, err := f.Stat()
	if err == nil && (info.Mode().IsRegular() || isNull(info)) {
		return w
	}
	if term.IsTerminal(int(f.Fd())) && sameFile(info, l.file) {
		return &above{live: l, file: f}
	}
	return &beside{live: l, w: w}
}

// isNull reports whether the file is one that discards everything, such as /dev/null.
func isNull(info os.FileInfo) bool {
	null, err := os.Stat(os.DevNull)
	return err == nil && os.SameFile(info, null)
}

func sameFile(info os.FileInfo, other *os.File) bool {
	i, err := other.Stat()
	return err == nil && info != nil && os.SameFile(info, i)
}

// above writes to the live line's terminal.
type above struct {
	live *Live
	file *os.File
}

// Write gathers lines that come in quick succession until the next refresh; a
// single one is on the terminal when it returns.
func (a *above) Write(p []byte) (int, error) {
	l := a.live
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.err; err != nil {
		return 0, err
	}
	if l.closed {
		return a.file.Write(p)
	}
	l.lines = append(l.lines, p...)
	if len(l.lines) >= maxGathered || time.Since(l.written) >= gather {
		l.draw()
	}
	if l.err != nil {
		return 0, l.err
	}
	return len(p), nil
}

// beside writes to something that may end up on the live line's terminal.
type beside struct {
	live *Live
	w    io.Writer
}

func (b *beside) Write(p []byte) (int, error) {
	b.begin()
	defer b.end()
	return b.w.Write(p)
}

// begin hides the live line. The lock is not held during the write, whose reader may be slow.
func (b *beside) begin() {
	l := b.live
	l.mu.Lock()
	defer l.mu.Unlock()
	l.others++
	l.line = ""
	if l.shown {
		l.draw()
	}
}

func (b *beside) end() {
	l := b.live
	l.mu.Lock()
	defer l.mu.Unlock()
	l.others--
	l.quiet = time.Now().Add(refresh)
}
