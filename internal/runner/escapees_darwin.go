package runner

import (
	"bytes"
	"encoding/binary"
	"os"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

// How descendants are found
//
// There is neither cgroup nor sub-reaper here. What is in a command's process
// group, or carries the set's marks in its environment, is the set's. (The
// system hides the environment of its own programs: one of those that has left
// its group is not found.) A process is looked at again right before it is
// signalled, as there is no handle that would outlive its pid.

var selfPID = os.Getpid()

func adoptOrphans() error { return nil }

func (r *Runner) orphans() []proc { return nil }

// members are all processes that can be told to belong to the set, except for
// the commands' own.
func (f *family) members() []proc {
	f.enterGroups()
	return slices.DeleteFunc(ownProcs(), func(d proc) bool {
		return f.groups[d.pid] || !f.groups[d.group] && !carries(d.pid, f.set.spec.Mark)
	})
}

// ownProcs are the processes of this user.
func ownProcs() []proc {
	infos, err := unix.SysctlKinfoProcSlice("kern.proc.uid", os.Getuid())
	if err != nil {
		return nil
	}
	procs := make([]proc, 0, len(infos))
	for _, info := range infos {
		procs = append(procs, procOf(info))
	}
	return procs
}

func procOf(info unix.KinfoProc) proc {
	const zombie = 5 // SZOMB
	return proc{
		pid:    int(info.Proc.P_pid),
		parent: int(info.Eproc.Ppid),
		group:  int(info.Eproc.Pgid),
		zombie: info.Proc.P_stat == zombie,
		start:  uint64(info.Proc.P_starttime.Nano()),
	}
}

// carries reports whether the environment that the process was started with has
// every entry of mark. No mark is carried by nobody.
func carries(pid int, mark []string) bool {
	if len(mark) == 0 {
		return false
	}
	// The number of arguments, the program's path, the arguments, the environment.
	data, err := unix.SysctlRaw("kern.procargs2", pid)
	if err != nil || len(data) < 4 {
		return false
	}
	args := int(binary.NativeEndian.Uint32(data))
	_, rest, _ := bytes.Cut(data[4:], []byte{0})
	fields := bytes.Split(bytes.TrimLeft(rest, "\x00"), []byte{0})
	if args > len(fields) {
		return false
	}
	missing := slices.Clone(mark)
	for _, entry := range fields[args:] {
		missing = slices.DeleteFunc(missing, func(m string) bool { return m == string(entry) })
	}
	return len(missing) == 0
}

// readProc looks a process up.
func readProc(pid int) (proc, bool) {
	info, err := unix.SysctlKinfoProc("kern.proc.pid", pid)
	if err != nil || int(info.Proc.P_pid) != pid {
		return proc{}, false
	}
	return procOf(*info), true
}

// signalProc signals the process d, if that is still the one that has its pid.
func signalProc(d proc, sig syscall.Signal) {
	if now, ok := readProc(d.pid); ok && now.start == d.start {
		unix.Kill(d.pid, sig) //nolint:errcheck // gone, or not ours to signal: it is looked at again
	}
}

// carriers are the processes that carry mark, but for this one.
func carriers(mark []string) []proc {
	return slices.DeleteFunc(ownProcs(), func(d proc) bool {
		return d.pid == selfPID || d.zombie || !carries(d.pid, mark)
	})
}
