package results

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"time"
)

// Buffers of a stream that is being read, in bytes. A run has up to a thousand.
const (
	windowSize = 32 << 10
	timesSize  = 2 << 10
)

// A stream iterates over the lines of a source and their times. It holds no file open between
// reads: a run may have more streams than a program may have open files.
type stream struct {
	source
	root  *os.Root
	whole bool // the run is complete, so anything missing is an error

	window []byte // bytes of the file from offset start on
	start  int64
	long   *[]byte // room for lines longer than the window, shared by the run's streams

	// The line that is next: bytes begin to end, and where the one after begins.
	begin, end, after int64

	times *timesDecoder
	known int64 // bytes of this stream that have a time so far
	at    int64 // time of the newest segment, never going back
	entry int64 // its number among all entries of the process
	timed bool  // there was a segment
	over  bool  // no more segments

	problem error // the first problem; more lines may follow
}

func newStream(root *os.Root, s source, whole bool, long *[]byte) *stream {
	times := &pieceReader{root: root, path: TimesPath(s.Host, s.Name)}
	return &stream{source: s, root: root, whole: whole, long: long, times: newTimesDecoder(times, timesSize)}
}

// next moves to the next line, and reports false at the end of the stream.
func (s *stream) next() bool {
	s.begin = s.after
	if s.begin >= s.size {
		s.settle()
		return false
	}
	newline, err := s.findEnd()
	if err != nil {
		// This stream has no more lines; the others go on.
		s.blame(err)
		return false
	}
	s.after = s.end
	if newline {
		s.after++
	}
	s.advance(s.after)
	return true
}

// findEnd looks for the newline that ends the line at begin.
func (s *stream) findEnd() (newline bool, err error) {
	from := s.begin
	for from < s.size {
		if from < s.start || from >= s.start+int64(len(s.window)) {
			if err := s.fill(from); err != nil {
				return false, err
			}
		}
		rest := s.window[from-s.start:]
		if i := bytes.IndexByte(rest, '\n'); i >= 0 {
			s.end = from + int64(i)
			return true, nil
		}
		from += int64(len(rest))
		if s.start < s.begin && from < s.size {
			from = s.begin // have all of the line in the window, if it fits
			s.window = s.window[:0]
		}
	}
	s.end = s.size
	return false, nil
}

// fill reads the window at an offset below the size.
func (s *stream) fill(offset int64) error {
	if cap(s.window) == 0 {
		s.window = make([]byte, min(windowSize, s.size))
	}
	want := min(int64(cap(s.window)), s.size-offset)
	s.window, s.start = s.window[:want], offset
	n, err := readAt(s.root, s.path, s.window, offset)
	s.window = s.window[:n]
	if n == 0 {
		return s.unreadable(offset, err)
	}
	return nil
}

// unreadable is the error for bytes that were there when the run was opened.
func (s *stream) unreadable(offset int64, err error) error {
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("%s became shorter while it was read", s.full(s.path))
	}
	return fmt.Errorf("%s: read at offset %d: %w", s.full(s.path), offset, err)
}

// full is the whole path, for messages.
func (s *stream) full(path string) string { return filepath.Join(s.root.Name(), path) }

// line returns the line that next moved to.
func (s *stream) line(run string) (Line, error) {
	text, err := s.text()
	l := Line{
		Run: run, Host: s.Host, Process: s.Name, Stream: s.stream,
		Text: text, NoNewline: s.after == s.end,
	}
	if s.timed {
		l.Time = time.Unix(0, s.at).UTC()
	}
	return l, err
}

func (s *stream) text() ([]byte, error) {
	if s.begin >= s.start && s.end <= s.start+int64(len(s.window)) {
		return s.window[s.begin-s.start : s.end-s.start], nil
	}
	size := s.end - s.begin
	if int64(cap(*s.long)) < size {
		*s.long = make([]byte, size)
	}
	text := (*s.long)[:size]
	if n, err := readAt(s.root, s.path, text, s.begin); int64(n) < size {
		return nil, s.unreadable(s.begin+int64(n), err)
	}
	return text, nil
}

// advance reads times until the first upTo bytes of the stream have one.
func (s *stream) advance(upTo int64) {
	for !s.over && s.known < upTo {
		seg, err := s.times.read()
		if err != nil {
			s.over = true
			s.judgeTimes(err)
			return
		}
		s.entry++
		if seg.stream != s.stream {
			continue
		}
		if !s.timed || seg.at > s.at {
			s.at = seg.at
		}
		s.timed = true
		if seg.size > math.MaxInt64-s.known {
			s.over = true
			s.judgeTimes(fmt.Errorf("a segment of %d bytes", seg.size))
			return
		}
		s.known += seg.size
	}
}

// judgeTimes decides whether the end of the times is a problem. In an interrupted run they may
// end anywhere.
func (s *stream) judgeTimes(err error) {
	switch {
	case errors.Is(err, os.ErrNotExist):
		if s.whole && s.size > 0 {
			s.blame(fmt.Errorf("%s is missing; the lines have no time", s.full(TimesPath(s.Host, s.Name))))
		}
	case errors.Is(err, io.EOF):
	case errors.Is(err, errTimesCut):
		if s.whole {
			s.blameTimes(err)
		}
	default:
		s.blameTimes(err)
	}
}

// settle compares the sizes at the end of a complete run's stream.
func (s *stream) settle() {
	if !s.whole {
		return
	}
	s.advance(math.MaxInt64)
	if s.problem == nil && s.known != s.size {
		s.blame(fmt.Errorf("%s has %d bytes, and %s accounts for %d", s.full(s.path), s.size, TimesPath(s.Host, s.Name), s.known))
	}
}

func (s *stream) blame(err error) {
	if s.problem == nil {
		s.problem = err
	}
}

func (s *stream) blameTimes(err error) {
	s.blame(fmt.Errorf("%s: damaged at offset %d: %w; the lines from there on have no time of their own",
		s.full(TimesPath(s.Host, s.Name)), s.times.offset, err))
}

// readAt reads a piece of a file, which it opens for that.
func readAt(root *os.Root, path string, b []byte, offset int64) (int, error) {
	f, err := root.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	return f.ReadAt(b, offset)
}

// A pieceReader reads a file from the start on, and has it open only while it does.
type pieceReader struct {
	root   *os.Root
	path   string
	offset int64
}

func (r *pieceReader) Read(b []byte) (int, error) {
	n, err := readAt(r.root, r.path, b, r.offset)
	r.offset += int64(n)
	if n > 0 {
		err = nil
	}
	return n, err
}
