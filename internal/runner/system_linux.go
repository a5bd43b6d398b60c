package runner

import (
	"errors"
	"io"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// A system reads and signals processes for a runner. Tests replace its functions.
type system struct {
	open func(name string) (*os.File, error)
	kill func(pid int, sig syscall.Signal) error // like kill(2): a group's id is negative
	send func(pidfd int, sig syscall.Signal) error

	// reserve holds descriptors that are freed for a moment when this program has no other
	// left: the end of a run must not depend on a free one.
	mu      sync.Mutex
	reserve []*os.File
}

// reserved is how many descriptors are held back: one to signal a process, and one to read its
// state.
const reserved = 2

func newSystem() *system {
	s := &system{
		open: os.Open,
		kill: unix.Kill,
		send: func(pidfd int, sig syscall.Signal) error { return unix.PidfdSendSignal(pidfd, sig, nil, 0) },
	}
	s.refill()
	return s
}

// close closes the reserve.
func (s *system) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.release()
}

func (s *system) release() {
	for _, f := range s.reserve {
		f.Close()
	}
	s.reserve = nil
}

func (s *system) refill() {
	for len(s.reserve) < reserved {
		f, err := os.Open(os.DevNull)
		if err != nil {
			return // there may be enough next time
		}
		s.reserve = append(s.reserve, f)
	}
}

// lend calls do, which needs descriptors, and if there were none calls it again with the
// reserve. It must not be called within itself.
func (s *system) lend(do func() error) error {
	err := do()
	if !errors.Is(err, unix.EMFILE) && !errors.Is(err, unix.ENFILE) {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.release()
	defer s.refill()
	return do()
}

// read reads a whole file.
func (s *system) read(name string) (data []byte, err error) {
	err = s.lend(func() error {
		data, err = s.readNow(name)
		return err
	})
	return data, err
}

// readNow is read without the reserve.
func (s *system) readNow(name string) ([]byte, error) {
	f, err := s.open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(f)
}

// list are the names in a directory.
func (s *system) list(name string) (names []string, err error) {
	err = s.lend(func() error {
		dir, err := s.open(name)
		if err != nil {
			return err
		}
		defer dir.Close()
		names, err = dir.Readdirnames(-1)
		return err
	})
	return names, err
}

// signal signals the process d, if that is still the one that has its pid.
func (s *system) signal(d proc, sig syscall.Signal) {
	//nolint:errcheck // it is gone, not ours to signal, or can't be checked now: it will be checked again
	s.lend(func() error {
		fd, err := unix.PidfdOpen(d.pid, 0)
		if err != nil && !errors.Is(err, unix.ENOSYS) {
			return err
		}
		if err == nil {
			defer unix.Close(fd) //nolint:errcheck // a pidfd has nothing to lose
		}
		data, readErr := s.readNow(statOf(d.pid))
		if readErr != nil {
			return readErr
		}
		if now, ok := parseStat(d.pid, data); !ok || now.start != d.start {
			return nil
		}
		if err != nil {
			return s.kill(d.pid, sig) // before Linux 5.3 there are no pidfds
		}
		return s.send(fd, sig)
	})
}
