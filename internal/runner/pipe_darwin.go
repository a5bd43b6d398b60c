package runner

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// pipe makes a pipe whose reading end is non-blocking; neither end is inherited.
func pipe() (fds [2]int, err error) {
	syscall.ForkLock.RLock() // no child may be started between the two calls
	defer syscall.ForkLock.RUnlock()
	if err := unix.Pipe(fds[:]); err != nil {
		return fds, err
	}
	unix.CloseOnExec(fds[0])
	unix.CloseOnExec(fds[1])
	return fds, unix.SetNonblock(fds[0], true)
}

// readable is the request for the number of bytes in a pipe.
const readable = 0x4004667f // FIONREAD
