package runner

import (
	"errors"
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"
)

// start starts p's program. If held is set, it is stopped at its exec when start returns,
// traced by the calling thread, and dies with this program.
func (p *process) start(null int, held bool) error {
	pidfd := -1
	attr := &syscall.ProcAttr{
		Dir:   p.command.Dir,
		Env:   p.env,
		Files: p.files(null),
		Sys: &syscall.SysProcAttr{
			Setpgid:   !p.command.Pty,
			Setsid:    p.command.Pty,
			Pdeathsig: syscall.SIGKILL, // allowed, because the thread lives as long as the runner
			Ptrace:    held,
			PidFD:     &pidfd,
		},
	}
	if dir := p.set.cgroup; dir != nil {
		attr.Sys.UseCgroupFD, attr.Sys.CgroupFD = true, dir.fd
	}
	pid, err := syscall.ForkExec(p.path, p.command.Argv, attr)
	if err != nil {
		return err
	}
	p.pid, p.pidFile = pid, watchEnd(pidfd)
	if !held {
		return nil
	}
	err = holdAtExec(pid)
	if errors.Is(err, errGone) {
		p.pid = 0 // it has been reaped
	}
	return err
}

// holdAtExec waits until the child has reached the stop after its exec. From then on, until it
// is detached, it dies with this program.
func holdAtExec(pid int) error {
	var early []syscall.Signal
	for {
		var status unix.WaitStatus
		_, err := unix.Wait4(pid, &status, 0, nil)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return fmt.Errorf("wait for its exec: %w", err)
		case !status.Stopped():
			return fmt.Errorf("it was ended from outside while it was loaded: %w", errGone)
		}
		if status.StopSignal() == syscall.SIGTRAP {
			break
		}
		// Someone sent it a signal before the exec. It has to be delivered afterwards.
		early = append(early, status.StopSignal())
		if err := unix.PtraceCont(pid, 0); err != nil {
			return fmt.Errorf("continue to its exec: %w", err)
		}
	}
	if err := unix.PtraceSetOptions(pid, unix.PTRACE_O_EXITKILL); err != nil {
		return fmt.Errorf("hold it: %w", err)
	}
	for _, sig := range early {
		unix.Kill(pid, sig) //nolint:errcheck // delivered at the detach, if it still matters
	}
	return nil
}

// letGo releases a held process. An error means that it is gone, which its watcher will notice.
func (p *process) letGo() {
	unix.RawSyscall6(unix.SYS_PTRACE, unix.PTRACE_DETACH, uintptr(p.pid), 0, 0, 0, 0) //nolint:errcheck // see above
}

// canHold reports whether a program can be traced from its exec on, and whether it can be
// started in a cgroup of its own. It tries that with a copy of this program, which is killed
// before its first instruction.
func canHold(null int, dir *cgroup) bool {
	attr := &syscall.ProcAttr{
		Files: []uintptr{uintptr(null), uintptr(null), uintptr(null)},
		Sys:   &syscall.SysProcAttr{Ptrace: true, Setpgid: true, Pdeathsig: syscall.SIGKILL},
	}
	if dir != nil {
		attr.Sys.UseCgroupFD, attr.Sys.CgroupFD = true, dir.fd
	}
	pid, err := syscall.ForkExec("/proc/self/exe", []string{"probe"}, attr)
	if err != nil {
		return false
	}
	held := holdAtExec(pid)
	unix.Kill(pid, unix.SIGKILL) //nolint:errcheck // our own child, not waited for: it's there
	reap(pid)
	return held == nil
}

// privileged reports whether the program at path has set-uid bits or file capabilities, which
// the exec of a traced process ignores.
func privileged(path string) bool {
	var st unix.Stat_t
	if unix.Stat(path, &st) != nil {
		return false
	}
	if st.Mode&(unix.S_ISUID|unix.S_ISGID) != 0 {
		return true
	}
	n, err := unix.Getxattr(path, "security.capability", nil)
	return err == nil && n > 0
}
