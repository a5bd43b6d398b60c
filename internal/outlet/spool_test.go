package outlet

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A reader takes what is written to it only while it is not paused.
type reader struct {
	mu    sync.Mutex // held: it is paused
	taken bytes.Buffer
}

func (r *reader) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.taken.Write(p)
}

// numbered gives lines from one number to before another.
func numbered(from, to int) []byte {
	var b []byte
	for i := from; i < to; i++ {
		b = append(strconv.AppendInt(append(b, "line "...), int64(i), 10), '\n')
	}
	return b
}

func write(t *testing.T, w io.Writer, p []byte) {
	t.Helper()
	if n, err := w.Write(p); n != len(p) || err != nil {
		t.Fatalf("got %d, %v, want %d", n, err, len(p))
	}
}

func finish(t *testing.T, s *Spool) {
	t.Helper()
	s.Close()
	<-s.Done()
}

// While its reader takes nothing, a spool takes everything, keeps most of it out
// of memory, and gives it in order later; then nothing of it is left.
func TestWhatAPausedReaderDoesNotTakeIsKept(t *testing.T) {
	t.Parallel()
	var r reader
	dir := t.TempDir()
	s := NewSpool(&r, Options{Memory: 1 << 20, Dirs: []string{dir}})
	r.mu.Lock()
	var want bytes.Buffer
	const pieces, lines = 100, 10_000
	for i := range pieces {
		piece := numbered(i*lines, (i+1)*lines)
		want.Write(piece)
		write(t, s, piece)
		s.mu.Lock()
		memory := s.held + len(s.tail)
		s.mu.Unlock()
		if memory > 1<<20+blockSize+2*len(piece) {
			t.Fatalf("%d bytes are in memory", memory)
		}
	}
	if left, taken := s.Behind(); left != uint64(want.Len()) || taken != 0 {
		t.Errorf("%d bytes wait, and %d were taken, want %d and none", left, taken, want.Len())
	}
	if names, err := filepath.Glob(filepath.Join(dir, "*")); err != nil || len(names) > 0 {
		t.Errorf("the files have names: %q, %v", names, err)
	}
	r.mu.Unlock()
	finish(t, s)
	if !bytes.Equal(r.taken.Bytes(), want.Bytes()) {
		t.Errorf("got %d bytes, want %d, the same", r.taken.Len(), want.Len())
	}
	if left, taken := s.Behind(); left != 0 || taken != uint64(want.Len()) || s.Err() != nil {
		t.Errorf("%d bytes wait, and %d were taken, of %d; %v", left, taken, want.Len(), s.Err())
	}
}

// A reader that pauses again and again gets everything, in order, and once.
func TestAReaderThatPausesAndGoesOn(t *testing.T) {
	t.Parallel()
	var r reader
	s := NewSpool(&r, Options{Memory: 64 << 10, Dirs: []string{t.TempDir()}})
	next := 0
	for range 10 {
		r.mu.Lock()
		for range 40 { // 40 times 13 kB: memory, a file, and behind it
			write(t, s, numbered(next, next+1000))
			next += 1000
		}
		r.mu.Unlock()
		for next%3 == 0 { // sometimes the spool comes to its end
			if left, _ := s.Behind(); left == 0 {
				break
			}
			<-time.After(time.Millisecond)
		}
		write(t, s, numbered(next, next+1))
		next++
	}
	finish(t, s)
	if !bytes.Equal(r.taken.Bytes(), numbered(0, next)) {
		t.Error("what was taken is not what was written")
	}
}

// Many write at a time: what each writes stays together.
func TestWritesStayTogether(t *testing.T) {
	t.Parallel()
	var r reader
	s := NewSpool(&r, Options{Memory: 4 << 10, Dirs: []string{t.TempDir()}})
	var writers sync.WaitGroup
	for w := range 8 {
		writers.Go(func() {
			for i := range 500 {
				_, _ = fmt.Fprintf(s, "%d begins %d and ends %d\n", w, i, w)
			}
		})
	}
	writers.Wait()
	finish(t, s)
	next := make([]int, 8)
	for line := range strings.Lines(r.taken.String()) {
		var w, i, end int
		if n, err := fmt.Sscanf(line, "%d begins %d and ends %d\n", &w, &i, &end); n != 3 || err != nil || w != end || i != next[w] {
			t.Fatalf("torn, or out of order: %q", line)
		}
		next[w]++
	}
	for w, n := range next {
		if n != 500 {
			t.Errorf("%d of 500 lines of %d", n, w)
		}
	}
}

// Where writers are to wait once a file is full, they do, and nothing is lost; a
// few words of the program's own don't wait.
func TestWritersWaitWhenNoMoreIsToBeKept(t *testing.T) {
	t.Parallel()
	var r reader
	s := NewSpool(&r, Options{Memory: 64 << 10, Disk: 1 << 20, Wait: true, Dirs: []string{t.TempDir()}})
	r.mu.Lock()
	written := make(chan int)
	go func() {
		defer close(written)
		for i := range 1000 {
			_, _ = s.Write(numbered(i*1000, (i+1)*1000))
			written <- i
		}
	}()
	last := 0
	for waits := false; !waits; {
		select {
		case last = <-written:
		case <-time.After(100 * time.Millisecond):
			s.mu.Lock()
			waits = s.waiting > 0
			s.mu.Unlock()
		}
	}
	left, _ := s.Behind()
	if left > 1<<20+4*blockSize || left < 1<<20 {
		t.Errorf("%d bytes are kept, want about 1 MB", left)
	}
	if last > 500 {
		t.Errorf("%d writes did not wait", last)
	}
	if _, err := s.Put([]byte("a word\n")); err != nil {
		t.Error(err)
	}
	r.mu.Unlock()
	for range written { // until all is
	}
	finish(t, s)
	got := bytes.Replace(r.taken.Bytes(), []byte("a word\n"), nil, 1)
	if !bytes.Equal(got, numbered(0, 1_000_000)) {
		t.Error("what was taken is not what was written")
	}
}

// When all that still comes is little, nobody waits any more.
func TestUnboundNobodyWaits(t *testing.T) {
	t.Parallel()
	var r reader
	s := NewSpool(&r, Options{Memory: 1, Disk: 1, Wait: true, Dirs: []string{t.TempDir()}})
	r.mu.Lock()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range 100 {
			_, _ = s.Write(numbered(i*10_000, (i+1)*10_000))
		}
	}()
	<-time.After(10 * time.Millisecond) // it may wait, or not yet
	s.Unbind()
	<-done
	r.mu.Unlock()
	finish(t, s)
	if !bytes.Equal(r.taken.Bytes(), numbered(0, 1_000_000)) {
		t.Error("what was taken is not what was written")
	}
}

// When no more can be kept and nobody is to wait, that is told once; what was kept
// is written, and nothing after it.
func TestWhatCannotBeKeptIsTold(t *testing.T) {
	t.Setenv("TMPDIR", filepath.Join(t.TempDir(), "not there"))
	var r reader
	told := make(chan error, 10)
	s := NewSpool(&r, Options{Memory: 1 << 10, Failed: func(err error) { told <- err }})
	r.mu.Lock()
	i := 0
	for ; ; i++ {
		if _, err := s.Write(numbered(i*100, (i+1)*100)); err != nil {
			break
		}
	}
	if err := <-told; !errors.Is(err, os.ErrNotExist) {
		t.Errorf("told %v", err)
	}
	if _, err := s.Write([]byte("more")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("another write: %v", err)
	}
	if _, err := s.Put([]byte("a word")); err != nil {
		t.Errorf("a word about it: %v", err)
	}
	r.mu.Unlock()
	finish(t, s)
	if !bytes.Equal(r.taken.Bytes(), append(numbered(0, i*100), "a word"...)) {
		t.Errorf("what was kept is not what was taken")
	}
	if len(told) > 0 || s.Err() == nil {
		t.Errorf("told %d times more; %v", len(told), s.Err())
	}
}

// A reader that is gone is told of once, and whoever waits goes on.
func TestAReaderThatIsGone(t *testing.T) {
	t.Parallel()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	told := make(chan error, 10)
	s := NewSpool(w, Options{Memory: 1, Disk: 1, Wait: true, Dirs: []string{t.TempDir()}, Failed: func(err error) { told <- err }})
	gone := make(chan error)
	go func() {
		for {
			if _, err := s.Write(numbered(0, 10_000)); err != nil {
				gone <- err
				return
			}
		}
	}()
	if _, err := io.ReadFull(r, make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
	r.Close()
	if err := <-gone; !errors.Is(err, syscall.EPIPE) {
		t.Errorf("got %v, want EPIPE", err)
	}
	if err := <-told; !errors.Is(err, syscall.EPIPE) || len(told) > 0 {
		t.Errorf("told %v, and %d more", err, len(told))
	}
	finish(t, s)
	if err := s.Err(); !errors.Is(err, syscall.EPIPE) {
		t.Errorf("got %v, want EPIPE", err)
	}
}

// A pipe that somebody has made non-blocking is waited for.
func TestAWriterThatWouldBlockIsTriedAgain(t *testing.T) {
	t.Parallel()
	var got bytes.Buffer
	calls := 0
	s := NewSpool(writerFunc(func(p []byte) (int, error) {
		if calls++; calls%2 == 1 {
			n, _ := got.Write(p[:len(p)/2])
			return n, syscall.EAGAIN
		}
		return got.Write(p)
	}), Options{})
	write(t, s, numbered(0, 1000))
	finish(t, s)
	if !bytes.Equal(got.Bytes(), numbered(0, 1000)) {
		t.Error("what was taken is not what was written")
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func BenchmarkSpool(b *testing.B) {
	piece := bytes.Repeat(append(bytes.Repeat([]byte("x"), 99), '\n'), 640)
	s := NewSpool(io.Discard, Options{Timeout: 20 * time.Millisecond})
	b.SetBytes(int64(len(piece)))
	for b.Loop() {
		_, _ = s.Write(piece)
	}
	s.Close()
	<-s.Done()
}
