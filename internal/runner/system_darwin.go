package runner

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// A system is how a runner signals processes. Tests put something else in the
// place of its functions.
type system struct {
	kill func(pid int, sig syscall.Signal) error // as kill(2): a group has its id negated
}

func newSystem() *system { return &system{kill: unix.Kill} }

func (*system) close() {}

// signal signals the process d, if that is still the one that has its pid.
func (s *system) signal(d proc, sig syscall.Signal) {
	if now, ok := newLook(s).proc(d.pid); ok && now.start == d.start {
		s.kill(d.pid, sig) //nolint:errcheck // gone, or not ours to signal: it is looked at again
	}
}
