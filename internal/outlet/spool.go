// Package outlet stands between a program and the reader of its output, such as a pager that
// pauses, a stopped terminal, or a pipe that is not read. The program never waits for them.
//
// A [Spool] loses nothing: what its reader has not taken is kept, in memory and then in files.
// A [Log] is for the log of a daemon, and drops lines instead of waiting.
package outlet

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Options say how much a [Spool] keeps.
type Options struct {
	// Memory is how many bytes are kept in memory before files are made; 0 means 4 MiB.
	Memory int
	// Disk is how many bytes may be kept in files; 0 means as many as there is room for.
	Disk int64
	// Timeout is how long a write waits for a reader that takes nothing, once memory is full,
	// before a file is made. As long as a reader keeps taking something, no file is made.
	Timeout time.Duration
	// Wait makes writers wait for the reader when no more can be kept. Otherwise the spool
	// fails then: what was kept is still written, and nothing after it.
	Wait bool
	// Dirs are the directories for the files: the first that works is used. The files have no
	// names. Without any, it is the directory for temporary files.
	Dirs []string
	// Failed, if not nil, is called once, from a goroutine of the spool, when something can't
	// be written or kept.
	Failed func(error)
}

const (
	// blockSize is how much is written at a time, and so the resolution at which the reader's
	// progress is seen.
	blockSize     = 256 << 10
	defaultMemory = 4 << 20
)

// ErrClosed is what a write to a closed spool returns.
var ErrClosed = errors.New("the output is closed already")

// A Spool is a writer in front of another one that may be slow, or block. A goroutine writes
// everything there, in order. Its methods may be called concurrently; the bytes of one Write
// stay together.
//
// Waiting bytes are in head, then in the files, then in tail. As long as there are files, new
// bytes go behind them.
type Spool struct {
	w       io.Writer
	options Options
	work    chan struct{} // has an element when there may be something to do
	done    chan struct{}

	mu      sync.Mutex
	head    [][]byte // blocks; the last may grow
	held    int      // bytes in head, and in the block that is being written
	files   files
	tail    []byte
	spare   [][]byte      // blocks to be used again
	moved   chan struct{} // closed and replaced when the reader has taken something
	waiting int           // writers that wait for moved
	taken   uint64
	unbound bool
	closed  bool
	kept    error // why no more can be kept
	failed  error // why no more can be written
}

// NewSpool makes a spool in front of w. It must be closed.
func NewSpool(w io.Writer, o Options) *Spool {
	if o.Memory == 0 {
		o.Memory = defaultMemory
	}
	s := &Spool{
		w: w, options: o, work: make(chan struct{}, 1), done: make(chan struct{}), moved: make(chan struct{}),
		files: files{dirs: o.Dirs, most: o.Disk},
	}
	go s.run()
	return s
}

// Write takes p. An error is that of an earlier write: once one has failed, all do.
func (s *Spool) Write(p []byte) (int, error) {
	s.mu.Lock()
	err := s.admit()
	if err == nil {
		if err = s.add(p); s.options.Wait || s.unbound {
			err = nil // the next writer waits
		}
		err = s.lose(err)
	}
	s.mu.Unlock()
	return s.report(len(p), err)
}

// Put takes p at once, however much is kept already: for the program's own messages, which must
// not wait.
func (s *Spool) Put(p []byte) (int, error) {
	s.mu.Lock()
	err := s.failed
	if err == nil && s.closed {
		err = ErrClosed
	}
	if err == nil {
		_ = s.add(p) // what no file takes stays in memory
	}
	s.mu.Unlock()
	return s.report(len(p), err)
}

// report completes a write, and calls Failed for the first error.
func (s *Spool) report(n int, err error) (int, error) {
	if lost, ok := errors.AsType[*keepError](err); ok && lost.first {
		s.tell(err)
	}
	if err != nil {
		return 0, err
	}
	s.wake()
	return n, nil
}

// A keepError is why no more can be kept. The first writer to see it reports it.
type keepError struct {
	err   error
	first bool
}

func (e *keepError) Error() string { return e.err.Error() }
func (e *keepError) Unwrap() error { return e.err }

func (s *Spool) tell(err error) {
	if s.options.Failed != nil {
		s.options.Failed(err)
	}
}

func (s *Spool) wake() {
	select {
	case s.work <- struct{}{}:
	default:
	}
}

// Unbind lifts the bound of what is kept, so that writers never wait again: for the end, when
// little more can come.
func (s *Spool) Unbind() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unbound = true
	s.move()
}

// Close says that nothing more comes. It doesn't wait; see Done.
func (s *Spool) Close() {
	s.mu.Lock()
	s.closed = true
	s.move()
	s.mu.Unlock()
	s.wake()
}

// Done is closed when, after Close, everything has been written or can't be.
func (s *Spool) Done() <-chan struct{} { return s.done }

// Err is why something could not be written or kept; nil if all was.
func (s *Spool) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return errors.Join(s.failed, s.kept)
}

// Behind returns how many bytes the reader has not taken yet, and how many it has.
func (s *Spool) Behind() (left, taken uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return uint64(s.held) + uint64(s.files.size) + uint64(len(s.tail)), s.taken // sizes are never negative
}

func (s *Spool) usable() error {
	switch {
	case s.failed != nil:
		return s.failed
	case s.kept != nil:
		return s.kept
	case s.closed:
		return ErrClosed
	}
	return nil
}

// admit waits until there is room, or a file is due; under the mutex, which it releases while
// it waits.
func (s *Spool) admit() error {
	for {
		if err := s.usable(); err != nil {
			return err
		}
		switch {
		case s.unbound:
			return nil
		case s.files.any():
			if len(s.tail) < blockSize {
				return nil
			}
			if err := s.flush(); err == nil || !s.options.Wait {
				return s.lose(err)
			}
			s.await(time.Hour)
		case s.held < s.options.Memory:
			return nil
		case !s.await(s.options.Timeout):
			// From now on new bytes go behind a file. If that can't be made, writers wait, if
			// they should.
			if err := s.files.begin(); err == nil || !s.options.Wait {
				return s.lose(err)
			}
			s.await(time.Hour)
		}
	}
}

// await waits for the reader to take something, and reports whether it did in that time.
func (s *Spool) await(within time.Duration) bool {
	moved := s.moved
	s.waiting++
	s.mu.Unlock()
	timer := time.NewTimer(within)
	defer timer.Stop()
	ok := true
	select {
	case <-moved:
	case <-timer.C:
		ok = false
	}
	s.mu.Lock()
	s.waiting--
	return ok
}

// move wakes the writers that wait; under the mutex.
func (s *Spool) move() {
	if s.waiting > 0 {
		close(s.moved)
		s.moved = make(chan struct{})
	}
}

// add keeps p; under the mutex. The error is that no file takes it.
func (s *Spool) add(p []byte) error {
	if s.files.any() {
		s.tail = append(s.tail, p...)
		if len(s.tail) < blockSize {
			return nil
		}
		return s.flush()
	}
	s.held += len(p)
	for len(p) > 0 {
		last := len(s.head) - 1
		if last < 0 || len(s.head[last]) >= blockSize {
			s.head = append(s.head, s.block())
			last++
		}
		n := min(len(p), blockSize-len(s.head[last]))
		s.head[last] = append(s.head[last], p[:n]...)
		p = p[n:]
	}
	return nil
}

// block returns an empty block; under the mutex.
func (s *Spool) block() []byte {
	if n := len(s.spare); n > 0 {
		b := s.spare[n-1]
		s.spare = s.spare[:n-1]
		return b
	}
	return nil
}

// flush puts the tail into a file; under the mutex.
func (s *Spool) flush() error {
	n, err := s.files.write(s.tail)
	s.tail = s.tail[:copy(s.tail, s.tail[n:])]
	return err
}

// lose notes that no more can be kept, if err is not nil; under the mutex.
func (s *Spool) lose(err error) error {
	if err == nil {
		return nil
	}
	s.kept = fmt.Errorf("keep what its reader has not taken: %w", err)
	return &keepError{s.kept, true}
}

// run writes until Close, and until there is nothing left.
func (s *Spool) run() {
	defer close(s.done)
	defer s.drop()
	var room []byte // for what comes from a file
	for {
		block, piece, more := s.next()
		switch {
		case piece.file != nil:
			if room == nil {
				room = make([]byte, blockSize)
			}
			n, err := piece.read(room)
			if err != nil {
				s.fail(fmt.Errorf("read back what was kept: %w", err))
				return
			}
			block = room[:n]
		case !more:
			return
		case block == nil:
			<-s.work
			continue
		}
		if err := s.pass(block); err != nil {
			s.fail(err)
			return
		}
		s.wrote(block, piece.file)
	}
}

// next is what to write now: a block, or a piece of a file. Without either it
// reports whether there may be more.
func (s *Spool) next() (block []byte, piece piece, more bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.head) > 0 {
		block = s.head[0]
		s.head = s.head[:copy(s.head, s.head[1:])]
		return block, piece, true
	}
	if piece, more = s.files.first(); more {
		return nil, piece, true
	}
	if s.files.any() { // they are at their end, and what came after them is next
		s.files.end()
		block, s.tail = s.tail, nil
		s.held = len(block)
		s.move()
		if len(block) > 0 {
			return block, piece, true
		}
	}
	return nil, piece, !s.closed
}

// pass writes all of the block. If another program has made the descriptor non-blocking, it
// waits.
func (s *Spool) pass(block []byte) error {
	for {
		n, err := s.w.Write(block)
		if err == nil {
			return nil
		}
		if !errors.Is(err, syscall.EAGAIN) {
			return err
		}
		block = block[n:]
		<-time.After(10 * time.Millisecond)
	}
}

// wrote notes what the reader has taken.
func (s *Spool) wrote(block []byte, file *file) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken += uint64(len(block))
	if file != nil {
		s.files.advance(file, len(block))
	} else {
		s.held -= len(block)
		if cap(block) <= 2*blockSize && len(s.spare)*blockSize < s.options.Memory {
			s.spare = append(s.spare, block[:0])
		}
	}
	s.move()
}

// fail ends the spool: nothing can be written any more.
func (s *Spool) fail(err error) {
	s.mu.Lock()
	s.failed = err
	s.move()
	s.mu.Unlock()
	s.tell(err)
}

// drop lets go of what is left.
func (s *Spool) drop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files.end()
	s.head, s.tail, s.spare, s.held = nil, nil, nil, 0
}

// reserve is how much room files leave on a disk: waiting output must not take the space of
// more important files, such as the results.
const reserve = 256 << 20

// create makes a file without a name in the first of the directories that works, or else in
// that for temporary files.
func create(dirs []string) (*os.File, error) {
	var errs []error
	for _, dir := range append(slices.Clip(dirs), os.TempDir()) {
		var disk unix.Statfs_t
		if err := unix.Statfs(dir, &disk); err != nil {
			errs = append(errs, &os.PathError{Op: "statfs", Path: dir, Err: err})
			continue
		}
		if free := disk.Bavail * uint64(disk.Bsize); free < reserve { // sizes are never negative
			errs = append(errs, fmt.Errorf("only %d MB are left on the disk of %s: %w", free/1e6, dir, syscall.ENOSPC))
			continue
		}
		f, err := os.CreateTemp(dir, ".downbeat-output-")
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if err := os.Remove(f.Name()); err != nil {
			errs = append(errs, err, f.Close())
			continue
		}
		return f, nil
	}
	return nil, errors.Join(errs...)
}
