package runner

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// A system signals processes for a runner. Tests replace its functions.
type system struct {
	kill func(pid int, sig syscall.Signal) error // like kill(2): a group's id is negative
}

func newSystem() *system { return &system{kill: unix.Kill} }

func (*system) close() {}

// signal signals the process d, if that is still the one that has its pid.
func (s *system) signal(d proc, sig syscall.Signal) {
	if now, ok := newLook(s).proc(d.pid); ok && now.start == d.start {
		s.kill(d.pid, sig) //nolint:errcheck // it is gone, or not ours to signal: it will be checked again
	}
}
