package results

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"downbeat/internal/streams"
)

func newTestRun(t *testing.T, processes int) *Run {
	t.Helper()
	e, err := Create(t.TempDir(), Meta{Name: "x"})
	if err != nil {
		t.Fatal(err)
	}
	list := make([]Process, processes)
	for i := range list {
		list[i] = Process{Host: "alpha", Name: fmt.Sprint(i)}
	}
	r, err := e.NewRun("0001", list)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Abandon() })
	return r
}

// A disk is a run's view of a file system in which things go wrong.
type disk struct {
	real    func(string) (io.WriteCloser, error)
	room    int // bytes that still fit; negative: no end
	most    int // files that may be open; 0: no end
	open    int
	peak    int
	closing error // what close says
}

type diskFile struct {
	io.WriteCloser
	d *disk
}

func install(r *Run, d *disk) *disk {
	d.real = r.files.open
	r.files.open = func(path string) (io.WriteCloser, error) {
		if d.most > 0 && d.open >= d.most {
			return nil, &os.PathError{Op: "openat", Path: path, Err: syscall.EMFILE}
		}
		f, err := d.real(path)
		d.open++
		d.peak = max(d.peak, d.open)
		return &diskFile{f, d}, err
	}
	return d
}

func (f *diskFile) Write(p []byte) (int, error) {
	if f.d.room >= 0 && len(p) > f.d.room {
		n, _ := f.WriteCloser.Write(p[:f.d.room])
		f.d.room = 0
		return n, &os.PathError{Op: "write", Path: "relative", Err: syscall.ENOSPC}
	}
	f.d.room -= len(p)
	return f.WriteCloser.Write(p)
}

func (f *diskFile) Close() error {
	f.d.open--
	return errors.Join(f.WriteCloser.Close(), f.d.closing)
}

// A full disk is an error that names the file and what to do; it stays, and the
// run never becomes complete.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	r := newTestRun(t, 1)
	install(r, &disk{room: 10})
	if err := r.Output(0, streams.Stderr, time.Now(), []byte("more than ten bytes\n")); err != nil {
		t.Fatalf("buffered output: %v", err)
	}
	first := r.Flush()
	path := filepath.Join(r.Dir(), "alpha", "0.err")
	if !errors.Is(first, syscall.ENOSPC) || !strings.Contains(first.Error(), path) || !strings.Contains(first.Error(), "make room") {
		t.Fatalf("got %v, want one that names %s and what to do", first, path)
	}
	if err := r.Output(0, streams.Stdout, time.Now(), []byte("x\n")); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("Output afterwards: got %v", err)
	}
	if err := r.Flush(); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("Flush afterwards: got %v", err)
	}
	if err := r.Finish(Record{}); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("Finish afterwards: got %v", err)
	}
	if _, err := ReadRecord(r.Dir()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("record: got error %v, want none to be there", err)
	}
	if _, err := os.Stat(filepath.Join(r.experiment.Dir(), DatapointsFile)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the run is in the table: %v", err)
	}
}

// Writing more than a buffer holds reports a full disk at once.
func TestDiskFullAtOnce(t *testing.T) {
	t.Parallel()
	r := newTestRun(t, 1)
	install(r, &disk{room: 1000})
	if err := r.Output(0, streams.Stdout, time.Now(), make([]byte, writeSize)); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("got %v, want ENOSPC", err)
	}
}

// A disk quota that is noticed only on close, as on network file systems, is
// reported too.
func TestErrorOnClose(t *testing.T) {
	t.Parallel()
	r := newTestRun(t, 1)
	install(r, &disk{room: -1, closing: syscall.EDQUOT})
	if err := r.Output(0, streams.Stdout, time.Now(), []byte("line\n")); err != nil {
		t.Fatal(err)
	}
	if err := r.Finish(Record{}); !errors.Is(err, syscall.EDQUOT) {
		t.Errorf("got %v, want EDQUOT", err)
	}
	if _, err := ReadRecord(r.Dir()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("record: got error %v, want none to be there", err)
	}
}

// However many processes there are, few files are open, and fewer where the
// system allows fewer; every byte arrives.
func TestManyProcesses(t *testing.T) {
	t.Parallel()
	for _, most := range []int{0, 3} {
		const processes = 150 // 450 files
		r := newTestRun(t, processes)
		d := install(r, &disk{room: -1, most: most})
		for round := range 3 {
			for p := range processes {
				for _, stream := range streams.Both() {
					if err := r.Output(p, stream, time.Now(), fmt.Appendf(nil, "%d %d\n", p, round)); err != nil {
						t.Fatal(err)
					}
				}
			}
			if err := r.Flush(); err != nil {
				t.Fatal(err)
			}
		}
		if err := r.Finish(Record{}); err != nil {
			t.Fatal(err)
		}
		if want := min(maxOpen, max(most, 1)+maxOpen*(1-min(most, 1))); d.peak > want || d.open != 0 {
			t.Errorf("%d files were open at once and %d are left, want at most %d and none", d.peak, d.open, want)
		}
		for p := range processes {
			want := fmt.Sprintf("%d 0\n%d 1\n%d 2\n", p, p, p)
			for _, ext := range []string{".out", ".err"} {
				got, err := os.ReadFile(filepath.Join(r.Dir(), "alpha", fmt.Sprint(p)+ext))
				if err != nil || string(got) != want {
					t.Fatalf("%d%s: got %q, %v, want %q", p, ext, got, err, want)
				}
			}
		}
	}
}

// Buffers stay within their bound while nothing is flushed.
func TestBufferedMemory(t *testing.T) {
	t.Parallel()
	r := newTestRun(t, 400)
	peak := 0
	for range 300 {
		for p := range 400 {
			if err := r.Output(p, streams.Stdout, time.Now(), make([]byte, 300)); err != nil {
				t.Fatal(err)
			}
			held := 0
			for i := range r.processes {
				held += cap(r.processes[i].out.buf) + cap(r.processes[i].times.buf)
			}
			peak = max(peak, held)
		}
	}
	if peak > maxBuffered+2*writeSize {
		t.Errorf("%d bytes were held, want at most about %d", peak, maxBuffered)
	}
	if err := r.Flush(); err != nil {
		t.Fatal(err)
	}
}

// Output for a process that isn't there is an error, not a panic.
func TestUnknownProcess(t *testing.T) {
	t.Parallel()
	r := newTestRun(t, 1)
	for _, p := range []int{-1, 1} {
		if err := r.Output(p, streams.Stdout, time.Now(), []byte("x")); err == nil {
			t.Errorf("process %d: no error", p)
		}
	}
}

// After a flush the bytes are in the files, and the times never lead them.
func TestFlushIsOnDisk(t *testing.T) {
	t.Parallel()
	r := newTestRun(t, 1)
	size := func(name string) int64 {
		info, err := os.Stat(filepath.Join(r.Dir(), "alpha", name))
		if err != nil {
			return 0
		}
		return info.Size()
	}
	for i := range 20000 { // the times' buffer fills long before the bytes' one
		if err := r.Output(0, streams.Stdout, time.Unix(int64(i), 0), []byte("\n")); err != nil {
			t.Fatal(err)
		}
		if size("0.times") > 0 {
			break
		}
	}
	if size("0.times") == 0 || size("0.out") == 0 {
		t.Errorf("without a flush: %d bytes of times, %d of output", size("0.times"), size("0.out"))
	}
	if err := r.Output(0, streams.Stderr, time.Now(), []byte("error\n")); err != nil {
		t.Fatal(err)
	}
	if size("0.err") != 0 {
		t.Error("6 bytes were not buffered")
	}
	if err := r.Flush(); err != nil {
		t.Fatal(err)
	}
	if size("0.err") != 6 {
		t.Errorf("after the flush: %d bytes, want 6", size("0.err"))
	}
}
