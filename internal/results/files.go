package results

import (
	"container/list"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
)

const (
	// writeSize is how full a buffer gets before it is written to its file.
	writeSize = 64 << 10
	// maxBuffered bounds the memory of all buffers of a run, in bytes.
	maxBuffered = 8 << 20
	// keepBuffer is the largest buffer that an empty file keeps when memory is short.
	keepBuffer = 4 << 10
	// maxOpen bounds the files that a run holds open. Hundreds of processes have three files
	// each, and opening one again takes microseconds; but opening one for each write would be
	// slow on network file systems.
	maxOpen = 256
)

// files are the files that a run appends to, with their buffers. At most maxOpen of them are
// open; the least recently written one is closed first.
type files struct {
	open     func(path string) (io.WriteCloser, error)
	dir      string
	recent   *list.List // of *file, most recently written first
	buffered int        // capacity of all buffers in bytes
}

// A file is one of them. It is created with its first bytes.
type file struct {
	path    string
	buf     []byte
	counted int           // of buf's capacity, in files.buffered
	place   *list.Element // in files.recent while it is open
	w       io.WriteCloser
}

func newFiles(root *os.Root) *files {
	open := func(path string) (io.WriteCloser, error) {
		return root.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o666)
	}
	return &files{open: open, dir: root.Name(), recent: list.New()}
}

func (fs *files) add(path string) *file { return &file{path: path} }

// append takes data for f, to be written now or later.
func (fs *files) append(f *file, data []byte) error {
	if len(f.buf)+len(data) < writeSize {
		f.buf = append(f.buf, data...)
		fs.account(f)
		return nil
	}
	if err := fs.flush(f); err != nil {
		return err
	}
	if len(data) >= writeSize {
		return fs.write(f, data)
	}
	f.buf = append(f.buf, data...)
	fs.account(f)
	return nil
}

// account notes the capacity of f's buffer and returns how many bytes it holds.
func (fs *files) account(f *file) int {
	fs.buffered += cap(f.buf) - f.counted
	f.counted = cap(f.buf)
	return len(f.buf)
}

// flush writes what f's buffer holds.
func (fs *files) flush(f *file) error {
	if len(f.buf) == 0 {
		return nil
	}
	if err := fs.write(f, f.buf); err != nil {
		return err
	}
	f.buf = f.buf[:0]
	if cap(f.buf) > keepBuffer && fs.buffered > maxBuffered/2 {
		f.buf = nil
	}
	fs.account(f)
	return nil
}

func (fs *files) write(f *file, data []byte) error {
	if err := fs.ensureOpen(f); err != nil {
		return err
	}
	if _, err := f.w.Write(data); err != nil {
		return fs.explain("write", f, err)
	}
	return nil
}

// ensureOpen opens f and closes others as needed, also where this program is
// allowed fewer than maxOpen.
func (fs *files) ensureOpen(f *file) error {
	if f.w != nil {
		fs.recent.MoveToFront(f.place)
		return nil
	}
	for fs.recent.Len() >= maxOpen {
		if err := fs.closeOldest(); err != nil {
			return err
		}
	}
	for {
		w, err := fs.open(f.path)
		if err == nil {
			f.w, f.place = w, fs.recent.PushFront(f)
			return nil
		}
		if !tooManyOpen(err) || fs.recent.Len() == 0 {
			return fs.explain("open", f, err)
		}
		if err := fs.closeOldest(); err != nil {
			return err
		}
	}
}

func tooManyOpen(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)
}

// closeOldest closes one file. Network file systems report a full disk only then.
func (fs *files) closeOldest() error {
	f := fs.recent.Remove(fs.recent.Back()).(*file)
	err := f.w.Close()
	f.w, f.place = nil, nil
	if err != nil {
		return fs.explain("close", f, err)
	}
	return nil
}

// close closes all, and returns the first error.
func (fs *files) close() error {
	var first error
	for fs.recent.Len() > 0 {
		if err := fs.closeOldest(); err != nil && first == nil {
			first = err
		}
	}
	return first
}

// explain says which file it was and, if the user can do something about the error, what.
func (fs *files) explain(op string, f *file, err error) error {
	if pathErr, ok := errors.AsType[*os.PathError](err); ok {
		err = pathErr.Err
	}
	return advise(fmt.Errorf("%s %s: %w", op, filepath.Join(fs.dir, f.path), err))
}

// advise adds to an error what to do about it, if that is known.
func advise(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("%w; make room, or choose another place with --results", err)
	case tooManyOpen(err):
		return fmt.Errorf("%w; allow more with ulimit -n", err)
	}
	return err
}
