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
// are put into its directory. What is not in the cache is asked for part by part:
// what and when is [course.Part]'s to say.

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
		s.chunks = make(chan *message.Chunk, 2*course.PartBytes/message.MaxChunk)
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
	for offset := int64(0); offset < f.Bytes; offset += course.PartBytes {
		if err := s.fetchPart(ctx, out, f, course.NewPart(f, offset)); err != nil {
			return err
		}
	}
	return nil
}

// fetchPart asks for a part as long as the part says so, and writes its chunks to the file.
func (s *supply) fetchPart(ctx context.Context, out io.WriterAt, f *message.File, p *course.Part) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for !p.Complete() {
		want, err := p.Ask(time.Now())
		if err != nil {
			return err
		}
		if want != nil {
			s.ask(message.Event{Kind: message.Want, Want: want})
		}
		timer.Reset(time.Until(p.Due()))
		select {
		case c := <-s.chunks:
			if hex.EncodeToString(c.Sum[:]) != f.SHA256 || !p.Lacks(c.Offset, len(c.Data)) {
				continue // of a file before, or here already
			}
			if _, err := out.WriteAt(c.Data, c.Offset); err != nil {
				return err
			}
			p.Took(c.Offset, time.Now())
		case <-timer.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}
