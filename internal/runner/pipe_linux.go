package runner

import "golang.org/x/sys/unix"

// pipe makes a pipe whose reading end is non-blocking; neither end is inherited.
func pipe() (fds [2]int, err error) {
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		return fds, err
	}
	return fds, unix.SetNonblock(fds[0], true)
}

// readable is the request for the number of bytes in a pipe.
const readable = unix.TIOCINQ
