package runner

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// awaitEnd returns when the process has ended, or ErrNotEnded once it was abandoned. On this
// system the resource usage of a process is known only by reaping it; after that, its pid is
// not used any more to signal its group.
func (p *process) awaitEnd() (ending, error) {
	return p.awaitBlocking(func() (ending, error) {
		var (
			status unix.WaitStatus
			usage  unix.Rusage
		)
		for {
			_, err := unix.Wait4(p.pid, &status, 0, &usage)
			if err == nil {
				break
			}
			if !errors.Is(err, unix.EINTR) {
				return ending{}, fmt.Errorf("wait for process %d: %w", p.pid, err)
			}
		}
		p.set.mu.Lock()
		p.reaped = true
		p.set.mu.Unlock()
		end := ending{
			code:   status.ExitStatus(),
			user:   time.Duration(usage.Utime.Nano()),
			system: time.Duration(usage.Stime.Nano()),
			maxRSS: usage.Maxrss,
		}
		if status.Signaled() {
			end.code, end.signal = -1, signalName(status.Signal())
		}
		return end, nil
	})
}

// gone reports whether the process has ended; here its watcher knows that as soon as anyone.
func (p *process) gone() bool { return p.ended }

func reap(pid int) {
	unix.Wait4(pid, nil, 0, nil) //nolint:errcheck // gone is gone
}

func reapEnded(pid int) {
	unix.Wait4(pid, nil, unix.WNOHANG, nil) //nolint:errcheck // it is tried again
}
