package sampler

import (
	"bytes"
	"errors"
	"iter"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// files reads small files into one buffer, without what a file of Go's costs. What it returns is
// valid until it is called again.
type files struct {
	buf     []byte
	fdSizes bool // the size of /proc/PID/fd is how many descriptors there are
}

// once reads a file that the system gives with one read.
func (f *files) once(path string) ([]byte, error) { return f.read(path, true) }

// all reads a file to its end.
func (f *files) all(path string) ([]byte, error) { return f.read(path, false) }

func (f *files) read(path string, once bool) ([]byte, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd) //nolint:errcheck // it was only read
	if f.buf == nil {
		f.buf = make([]byte, 16<<10)
	}
	n := 0
	for {
		if n == len(f.buf) {
			f.buf = append(f.buf, make([]byte, len(f.buf))...)
		}
		got, err := unix.Read(fd, f.buf[n:])
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return nil, err
		}
		n += got
		if got == 0 || once && n < len(f.buf) {
			return f.buf[:n], nil
		}
	}
}

// size is what the system says of a directory's size, -1 if nothing.
func (f *files) size(path string) int64 {
	var st unix.Stat_t
	if unix.Stat(path, &st) != nil {
		return -1
	}
	return st.Size
}

// links is how many links a directory has, 0 if it is gone.
func (f *files) links(path string) uint64 {
	var st unix.Stat_t
	if unix.Stat(path, &st) != nil {
		return 0
	}
	return uint64(st.Nlink) //nolint:unconvert // it has 32 bits on arm64
}

// entries counts what is in a directory, -1 if that can't be read.
func (f *files) entries(path string) int64 {
	names, err := os.ReadDir(path)
	if err != nil {
		return -1
	}
	return int64(len(names))
}

// pids are the names in a directory that are numbers.
func (f *files) pids(path string) []int {
	d, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer func() { _ = d.Close() }() // it was only read
	names, _ := d.Readdirnames(-1)   // what there is
	pids := make([]int, 0, len(names))
	for _, name := range names {
		if pid, err := strconv.Atoi(name); err == nil && pid > 0 {
			pids = append(pids, pid)
		}
	}
	return pids
}

// dirs are the directories in a directory.
func (f *files) dirs(path string) []string {
	entries, _ := os.ReadDir(path) // what there is
	var names []string
	for _, e := range entries {
		if e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names
}

// fields gives the fields of a line, or of a file, between blanks.
func fields(data []byte) iter.Seq[[]byte] { return bytes.FieldsSeq(data) }

// number reads a number; 0 where there is none.
func number(text []byte) int64 {
	v, _ := strconv.ParseInt(string(text), 10, 64) // the kernel writes numbers
	return v
}

// after reads the number behind a label.
func after(data []byte, label string) (int64, bool) {
	i := bytes.Index(data, []byte(label))
	if i < 0 {
		return 0, false
	}
	for field := range fields(data[i+len(label):]) {
		v, err := strconv.ParseInt(string(field), 10, 64)
		return v, err == nil
	}
	return 0, false
}
