package worker

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"time"

	"downbeat/internal/message"
	"downbeat/internal/worker/course"
)

// Supplying: before a run's processes are prepared, the files that its job names
// are put into its directory. What is not in the cache is asked for part by part.

const (
	// partBytes is how much is asked for at a time.
	partBytes = 16 * message.MaxChunk
	// askAgain is how long a chunk may take to come.
	askAgain = 3 * time.Second
	// maxAsks is how often a part is asked for without any of it coming.
	maxAsks = 10
)

// A supply puts the files of one run's job into its directory. run is for the goroutine of
// the task; offer may be called by any. What isn't a channel doesn't change.
type supply struct {
	job    *message.Job
	dir    string // where the files go
	cache  cache
	ask    func(message.Event)
	slog   *slog.Logger
	chunks chan *message.Chunk // of files that were asked for
}

func newSupply(job *message.Job, dir string, c cache, ask func(message.Event), logger *slog.Logger) *supply {
	s := &supply{job: job, dir: dir, cache: c, ask: ask, slog: logger}
	if len(job.Files) > 0 {
		s.chunks = make(chan *message.Chunk, 2*partBytes/message.MaxChunk)
	}
	return s
}

// offer hands over a part of a file. One that finds no room is asked for again; one that
// nobody asked for is nothing.
func (s *supply) offer(c *message.Chunk) {
	select {
	case s.chunks <- c:
	default:
	}
}

// run puts the job's files into the run's directory.
func (s *supply) run(ctx context.Context) course.Input {
	if err := s.all(ctx); err != nil {
		return course.Supplied{Err: err.Error()}
	}
	return course.Supplied{}
}

func (s *supply) all(ctx context.Context) error {
	root, err := os.OpenRoot(s.dir)
	if err != nil {
		return fmt.Errorf("open the run's directory: %w", err)
	}
	defer func() { _ = root.Close() }() // its files are closed
	for i := range s.job.Files {
		f := &s.job.Files[i]
		if err := s.file(ctx, root, f); err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return fileProblem(f.Path, err)
		}
	}
	return nil
}

// file puts one file in its place. An entry of the cache that is damaged is
// as good as none.
func (s *supply) file(ctx context.Context, root *os.Root, f *message.File) error {
	if dir, ok := f.Directory(); ok {
		return placeDirectory(root, dir, fs.FileMode(f.Mode))
	}
	if f.SHA256 == "" {
		return place(root, f, func(w io.Writer) error {
			_, err := io.WriteString(w, f.Text)
			return err
		})
	}
	c := s.cache
	if c.has(f.SHA256) {
		err := place(root, f, func(w io.Writer) error { return c.copyTo(w, f.SHA256) })
		if !errors.Is(err, errNotCached) {
			return err
		}
		if err := root.Remove(f.Path); err != nil {
			return err
		}
	}
	content, err := s.fetch(ctx, f)
	if err != nil {
		return err
	}
	// Placed from what was fetched: the cache may be deleted at any time.
	err = place(root, f, func(w io.Writer) error {
		_, err := io.Copy(w, io.NewSectionReader(content, 0, f.Bytes))
		return err
	})
	if keepErr := c.keep(content, f.SHA256); keepErr != nil {
		s.slog.Warn("a shipped file is not kept for the next run", "file", f.Path, "error", keepErr)
	}
	return err
}

// place makes the file, which must not be there, and the directories above it.
func place(root *os.Root, f *message.File, write func(io.Writer) error) error {
	if dir := path.Dir(f.Path); dir != "." {
		if err := root.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	out, err := root.OpenFile(f.Path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	err = write(out)
	if err == nil {
		err = out.Chmod(fs.FileMode(f.Mode))
	}
	return errors.Join(err, out.Close())
}

// placeDirectory makes a directory that may be there already, since a file in it
// has come before.
func placeDirectory(root *os.Root, dir string, mode fs.FileMode) error {
	if err := root.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return root.Chmod(dir, mode)
}

// fetch asks the publisher for a file's content, and returns it in a file that is
// to be kept in the cache.
func (s *supply) fetch(ctx context.Context, f *message.File) (*os.File, error) {
	out, err := s.cache.create()
	if err != nil {
		return nil, err
	}
	if err = s.fetchTo(ctx, out, f); err == nil {
		err = verify(out, f.SHA256)
	}
	if err != nil {
		_ = os.Remove(out.Name()) // somebody may have been quicker
		return nil, errors.Join(err, out.Close())
	}
	return out, nil
}

func (s *supply) fetchTo(ctx context.Context, out io.WriterAt, f *message.File) error {
	for offset := int64(0); offset < f.Bytes; offset += partBytes {
		p := part{offset: offset, size: min(partBytes, f.Bytes-offset), have: make(map[int64]bool)}
		if err := s.fetchPart(ctx, out, f, &p); err != nil {
			return err
		}
	}
	return nil
}

// A part is what is asked for at once, in chunks that come in any order.
type part struct {
	offset, size int64
	have         map[int64]bool // by offset
}

// first is the first chunk that lacks; the part's end where none does.
func (p *part) first() int64 {
	at := p.offset
	for at < p.offset+p.size && p.have[at] {
		at += message.MaxChunk
	}
	return min(at, p.offset+p.size)
}

// take writes a chunk of the part, and reports whether it is one that lacked.
func (p *part) take(out io.WriterAt, c *message.Chunk) (bool, error) {
	end := p.offset + p.size
	if c.Offset < p.offset || c.Offset >= end || (c.Offset-p.offset)%message.MaxChunk != 0 || p.have[c.Offset] ||
		int64(len(c.Data)) != min(message.MaxChunk, end-c.Offset) {
		return false, nil
	}
	p.have[c.Offset] = true
	_, err := out.WriteAt(c.Data, c.Offset)
	return true, err
}

func (s *supply) fetchPart(ctx context.Context, out io.WriterAt, f *message.File, p *part) error {
	end := p.offset + p.size
	for asks := 0; asks < maxAsks; asks++ {
		at := p.first()
		s.ask(message.Event{Kind: message.Want, Want: &message.WantInfo{
			SHA256: f.SHA256, Offset: at, Bytes: end - at, Path: f.Path, Done: at, Total: f.Bytes,
		}})
		limit := time.NewTimer(askAgain)
		for waiting := true; waiting && p.first() < end; {
			select {
			case c := <-s.chunks:
				if hex.EncodeToString(c.Sum[:]) != f.SHA256 {
					continue // of a file before
				}
				took, err := p.take(out, c)
				if err != nil {
					return err
				}
				if took {
					asks = 0
					limit.Reset(askAgain)
				}
			case <-limit.C:
				waiting = false
			case <-ctx.Done():
				limit.Stop()
				return context.Cause(ctx)
			}
		}
		limit.Stop()
		if p.first() == end {
			return nil
		}
	}
	return fmt.Errorf("the publisher does not send it: nothing has come for %s", maxAsks*askAgain)
}
