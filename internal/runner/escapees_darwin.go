package runner

import (
	"bytes"
	"encoding/binary"
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// How descendants are found macOS has neither cgroups nor sub-reapers. A process belongs to the
// set if it is in a command's process group, or has the set's marks in its environment. (The
// system hides the environment of its own programs: one of those that has left its group is not
// found.) A process is checked again right before it is signalled, because there are no pidfds.

var selfPID = os.Getpid()

func adoptOrphans() error { return nil }

func (r *Runner) orphans() []proc { return nil }

// members are all processes that are known to belong to the set, except for the commands' own.
func (f *family) members() ([]proc, error) {
	f.enterGroups()
	l := newLook(f.set.runner.sys)
	members := slices.DeleteFunc(l.ownProcs(), func(d proc) bool {
		return f.groups[d.pid] != nil || f.groups[d.group] == nil && !l.carries(d.pid, f.set.spec.Mark)
	})
	return members, l.err
}

// A look is one search through the process table. err says why it did not see all of it.
type look struct{ err error }

func newLook(*system) *look { return new(look) }

// ownProcs are the processes of this user.
func (l *look) ownProcs() []proc {
	infos, err := unix.SysctlKinfoProcSlice("kern.proc.uid", os.Getuid())
	if err != nil {
		l.err = err
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
		name:   unix.ByteSliceToString(info.Proc.P_comm[:]),
	}
}

// carries reports whether the environment that the process was started with has every entry of
// mark. Without a mark it is false.
func (*look) carries(pid int, mark []string) bool {
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

// proc looks a process up.
func (*look) proc(pid int) (proc, bool) {
	info, err := unix.SysctlKinfoProc("kern.proc.pid", pid)
	if err != nil || int(info.Proc.P_pid) != pid {
		return proc{}, false
	}
	return procOf(*info), true
}

// carriers are the processes that carry mark, except for this one.
func (l *look) carriers(mark []string) []proc {
	return slices.DeleteFunc(l.ownProcs(), func(d proc) bool {
		return d.pid == selfPID || d.zombie || !l.carries(d.pid, mark)
	})
}
