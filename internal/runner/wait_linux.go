package runner

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// siginfo is what waitid fills for a child.
type siginfo struct {
	signo, errno, code int32
	_                  int32
	pid, uid, status   int32
	_                  [100]byte
}

// si_code of a child that was ended by a signal.
const (
	childKilled = 2 // CLD_KILLED
	childDumped = 3 // CLD_DUMPED
)

// watchEnd makes a file of a pidfd, for which the runtime can wait without a thread for each
// process; nil if there are no pidfds (before Linux 5.3).
func watchEnd(pidfd int) *os.File {
	if pidfd < 0 {
		return nil
	}
	if unix.SetNonblock(pidfd, true) != nil {
		unix.Close(pidfd) //nolint:errcheck // a pidfd has nothing to lose
		return nil
	}
	return os.NewFile(uintptr(pidfd), "pidfd")
}

// awaitEnd returns when the process has ended, or ErrNotEnded once it was abandoned.
//
// The process stays a zombie until the set is over. Until then neither its pid nor its process
// group's id is given to another process, so signals to the group never hit an unrelated one.
func (p *process) awaitEnd() (ending, error) {
	if p.pidFile == nil {
		return p.awaitBlocking(func() (ending, error) {
			_, end, err := pollEnd(p.pid, 0)
			return end, err
		})
	}
	conn, err := p.pidFile.SyscallConn()
	if err != nil {
		return ending{}, fmt.Errorf("wait for process %d: %w", p.pid, err)
	}
	var (
		end     ending
		ended   bool
		waitErr error
	)
	if conn.Read(func(uintptr) bool {
		ended, end, waitErr = pollEnd(p.pid, unix.WNOHANG)
		return ended || waitErr != nil
	}) != nil {
		return ending{}, ErrNotEnded
	}
	return end, waitErr
}

// gone reports whether the process has ended, even if its watcher has not noticed it yet.
func (p *process) gone() bool {
	ended, _, err := pollEnd(p.pid, unix.WNOHANG)
	return ended || err != nil
}

// pollEnd waits for the end of a child without reaping it; with WNOHANG in options it only
// asks.
func pollEnd(pid, options int) (bool, ending, error) {
	var (
		info  siginfo
		usage unix.Rusage
	)
	for {
		_, _, errno := unix.Syscall6(unix.SYS_WAITID, unix.P_PID, uintptr(pid), uintptr(unsafe.Pointer(&info)),
			uintptr(unix.WEXITED|unix.WNOWAIT|options), uintptr(unsafe.Pointer(&usage)), 0)
		if errno == 0 {
			break
		}
		if errno != unix.EINTR {
			return false, ending{}, fmt.Errorf("wait for process %d: %w", pid, errno)
		}
	}
	if info.pid == 0 {
		return false, ending{}, nil
	}
	end := ending{
		code:   int(info.status),
		user:   time.Duration(usage.Utime.Nano()),
		system: time.Duration(usage.Stime.Nano()),
		maxRSS: usage.Maxrss << 10,
	}
	if info.code == childKilled || info.code == childDumped {
		end.code, end.signal = -1, signalName(syscall.Signal(info.status))
	}
	return true, end, nil
}

// reap takes a child that has ended, or is about to, out of the process table.
func reap(pid int) {
	for {
		_, err := unix.Wait4(pid, nil, unix.WALL, nil)
		if !errors.Is(err, unix.EINTR) {
			return
		}
	}
}

// reapEnded reaps a child if it has ended already.
func reapEnded(pid int) {
	unix.Wait4(pid, nil, unix.WALL|unix.WNOHANG, nil) //nolint:errcheck // it is tried again
}
