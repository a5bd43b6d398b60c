package terminal

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
)

const (
	// batchSize is how many bytes of whole lines are gathered for one write.
	batchSize = 256 << 10
	// maxPartial is how much of an unfinished line is kept in memory.
	maxPartial = 1 << 20
)

// Lines writes the lines of many sources to two writers, such as standard output and standard
// error: each line whole, as soon as it is complete.
type Lines struct {
	mu       sync.Mutex // one for both, as they may end up on one terminal
	out, err sink
	buffers  sync.Pool
}

// A sink is a writer and its error; under the mutex of its Lines.
type sink struct {
	w      io.Writer
	failed error
	shown  *Display // how it is shown, where w is a terminal; nil: bytes pass as they are
}

// NewLines makes Lines that write to out and err.
func NewLines(out, err io.Writer) *Lines {
	l := &Lines{out: sink{w: out}, err: sink{w: err}}
	l.buffers.New = func() any { return new(bytes.Buffer) }
	return l
}

// Shown sets how lines are shown on those of the writers that are terminals (see [Display]);
// nil is for a writer that isn't a terminal, to which bytes pass unchanged. It must be called
// before the first Source.
func (l *Lines) Shown(out, err *Display) { l.out.shown, l.err.shown = out, err }

// Source adds a source whose lines go to the first or the second writer, each
// with tag before it. Different sources may be written to concurrently.
func (l *Lines) Source(tag string, second bool) *Source {
	s := &Source{lines: l, to: &l.out, tag: []byte(tag)}
	if second {
		s.to = &l.err
	}
	if shown := s.to.shown; shown != nil {
		s.display = &Display{Plain: shown.Plain}
	}
	return s
}

// A Source assembles lines from pieces, which may begin and end anywhere. Most of a very long
// unfinished line waits in a temporary file.
type Source struct {
	lines   *Lines
	to      *sink
	tag     []byte
	display *Display // nil: not on a terminal
	cleaned []byte   // room for what it makes of a piece
	partial []byte   // the end of the unfinished line
	spill   *os.File // what comes before it; nil: nothing. It has no name any more
}

// Write takes a piece. The whole lines that it completes have been written when
// it returns, several of them in one write. Once a write has failed, this and
// every other source that goes to the same writer returns the error at once.
func (s *Source) Write(data []byte) error {
	if err := s.failure(); err != nil {
		return err
	}
	if s.display != nil {
		s.cleaned = s.display.Append(s.cleaned[:0], data)
		data = s.cleaned
	}
	return s.take(data)
}

func (s *Source) take(data []byte) error {
	end := bytes.LastIndexByte(data, '\n') + 1
	if end > 0 {
		if err := s.complete(data[:end]); err != nil {
			return err
		}
	}
	return s.keep(data[end:])
}

// Close writes the unfinished line, if there is one, with a newline.
func (s *Source) Close() error {
	defer s.dropSpill()
	if err := s.failure(); err != nil {
		return err
	}
	if s.display != nil {
		if err := s.take(s.display.End(nil)); err != nil {
			return err
		}
	}
	if s.spill == nil && len(s.partial) == 0 {
		return nil
	}
	return s.complete([]byte{'\n'})
}

func (s *Source) failure() error {
	s.lines.mu.Lock()
	defer s.lines.mu.Unlock()
	return s.to.failed
}

// complete writes data, which ends in a newline, and what was kept before it.
func (s *Source) complete(data []byte) error {
	if s.spill != nil {
		end := bytes.IndexByte(data, '\n') + 1
		if err := s.completeLong(data[:end]); err != nil {
			return err
		}
		data = data[end:]
	}
	if len(s.tag) == 0 && len(s.partial) == 0 {
		return s.writeLines(data)
	}
	batch := s.lines.buffers.Get().(*bytes.Buffer)
	defer func() {
		if batch.Cap() <= 2*batchSize { // one that a very long line has grown isn't kept
			s.lines.buffers.Put(batch)
		}
	}()
	batch.Reset()
	for len(data) > 0 {
		end := bytes.IndexByte(data, '\n') + 1
		if batch.Len() > 0 && batch.Len()+len(s.tag)+end > batchSize {
			if err := s.writeLines(batch.Bytes()); err != nil {
				return err
			}
			batch.Reset()
		}
		batch.Write(s.tag)
		batch.Write(s.partial)
		batch.Write(data[:end])
		s.partial = s.partial[:0]
		data = data[end:]
	}
	return s.writeLines(batch.Bytes())
}

// writeLines writes whole lines at once.
func (s *Source) writeLines(data []byte) error {
	if len(data) == 0 {
		return nil
	}
	s.lines.mu.Lock()
	defer s.lines.mu.Unlock()
	return s.to.write(data)
}

// completeLong writes a line most of which is in the temporary file; nothing
// comes between its parts. end is its end.
func (s *Source) completeLong(end []byte) error {
	defer s.dropSpill()
	if _, err := s.spill.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("read back a long line: %w", err)
	}
	s.lines.mu.Lock()
	defer s.lines.mu.Unlock()
	if err := s.to.write(s.tag); err != nil {
		return err
	}
	buf := make([]byte, batchSize)
	for {
		n, err := s.spill.Read(buf)
		if n > 0 {
			if err := s.to.write(buf[:n]); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("read back a long line: %w", err)
		}
	}
	err := s.to.write(append(s.partial, end...))
	s.partial = nil
	return err
}

// keep keeps the beginning of a line, or what follows on it.
func (s *Source) keep(data []byte) error {
	if len(s.partial)+len(data) <= maxPartial {
		s.partial = append(s.partial, data...)
		return nil
	}
	if s.spill == nil {
		file, err := os.CreateTemp("", "downbeat-line-")
		if err != nil {
			return fmt.Errorf("keep a long line: %w", err)
		}
		s.spill = file
		if err := os.Remove(file.Name()); err != nil {
			return fmt.Errorf("keep a long line: %w", err)
		}
	}
	for _, part := range [][]byte{s.partial, data} {
		if _, err := s.spill.Write(part); err != nil {
			return fmt.Errorf("keep a long line: %w", err)
		}
	}
	s.partial = s.partial[:0]
	return nil
}

func (s *Source) dropSpill() {
	if s.spill != nil {
		s.spill.Close()
		s.spill = nil
	}
}

// write writes data, and remembers the error.
func (k *sink) write(data []byte) error {
	if k.failed == nil && len(data) > 0 {
		_, k.failed = k.w.Write(data)
	}
	return k.failed
}
