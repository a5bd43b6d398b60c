package runner

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"
)

// A look is one search through the process table. A process that can't be read is not
// necessarily gone: there may be no descriptor or memory left for a moment. So if a look could
// not see everything, err says why, and nothing can be concluded from what it did not find.
type look struct {
	sys *system
	err error // the first; nil: what wasn't found does not exist
}

func newLook(sys *system) *look { return &look{sys: sys} }

// missed notes why something was not read. That a process is gone, or is another user's, does
// not count.
func (l *look) missed(err error) {
	if l.err == nil && !isGone(err) && !errors.Is(err, fs.ErrPermission) {
		l.err = err
	}
}

// errEnding is why it can't be told whose a process is.
var errEnding = errors.New("it is about to end, and its environment can't be read any more")

// isGone reports whether an error from /proc or a cgroup means that the process or the cgroup
// is gone.
func isGone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH) || errors.Is(err, unix.ENODEV)
}

func statOf(pid int) string { return fmt.Sprintf("/proc/%d/stat", pid) }

// proc looks a process up.
func (l *look) proc(pid int) (proc, bool) {
	data, err := l.sys.read(statOf(pid))
	if err != nil {
		l.missed(err)
		return proc{}, false
	}
	d, ok := parseStat(pid, data)
	if !ok {
		l.missed(fmt.Errorf("%s has an unknown format: %.100q", statOf(pid), data))
	}
	return d, ok
}

// related looks up a process that is known to be a relative of ours. It exists even if the
// system hides it from this user (hidepid).
func (l *look) related(pid, parent int) (proc, bool) {
	d, ok := l.proc(pid)
	if !ok && l.err == nil && errors.Is(l.sys.kill(pid, 0), unix.EPERM) {
		return proc{pid: pid, parent: parent, name: "hidden from this user"}, true
	}
	return d, ok && d.parent == parent
}

// parseStat parses /proc/PID/stat, whose second field, the name in parentheses, may contain
// anything. The state is that of the first thread; the process is a zombie only if no other
// thread is left. Before that, there is a while in which it has no memory any more, so that its
// environment can't be read, but still has its children.
func parseStat(pid int, data []byte) (proc, bool) {
	end := bytes.LastIndexByte(data, ')')
	fields := bytes.Fields(data[end+1:])
	if len(fields) < 21 {
		return proc{}, false
	}
	parent, err1 := strconv.Atoi(string(fields[1]))
	group, err2 := strconv.Atoi(string(fields[2]))
	threads, err3 := strconv.Atoi(string(fields[17]))
	start, err4 := strconv.ParseUint(string(fields[19]), 10, 64)
	if errors.Join(err1, err2, err3, err4) != nil {
		return proc{}, false
	}
	_, name, _ := bytes.Cut(data[:max(end, 0)], []byte{'('})
	ended := fields[0][0] == 'Z' || fields[0][0] == 'X'
	zombie := ended && threads <= 1
	return proc{
		pid: pid, parent: parent, group: group, start: start, name: string(name),
		zombie: zombie, ending: !zombie && string(fields[20]) == "0",
	}, true
}

// descendants are all processes below d.
func (l *look) descendants(d proc) []proc {
	below := l.childrenOf(d)
	for _, child := range below {
		below = append(below, l.descendants(child)...)
	}
	return below
}

// childrenOf are the children of a process, zombies included. Everything is looked up twice,
// because a pid may be given to another process between two looks.
func (l *look) childrenOf(parent proc) []proc {
	var children []proc
	for _, pid := range l.childPIDs(parent.pid) {
		if d, ok := l.related(pid, parent.pid); ok {
			children = append(children, d)
		}
	}
	if len(children) == 0 {
		return nil
	}
	if now, ok := l.proc(parent.pid); !ok || now.start != parent.start {
		return nil
	}
	return children
}

// childPIDs are the children of a process. Of this program, which others may be reaping children of
// at the same time, none is missed: the kernel skips a child if one that it has listed before is
// reaped before the list is complete, so a list that comes twice is complete.
func (l *look) childPIDs(pid int) []int {
	pids := l.listChildren(pid)
	if pid != selfPID {
		return pids
	}
	const most = 20
	for range most {
		again := l.listChildren(pid)
		if slices.Equal(pids, again) {
			break
		}
		pids = again
	}
	return pids
}

// listChildren are the children of a process, in order.
func (l *look) listChildren(pid int) []int {
	threads, err := l.sys.list(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		l.missed(err)
		return nil
	}
	var pids []int
	for _, thread := range threads {
		data, err := l.sys.read(fmt.Sprintf("/proc/%d/task/%s/children", pid, thread))
		if errors.Is(err, fs.ErrNotExist) && !childrenListed() {
			return l.allPIDs() // childrenOf selects from them
		}
		if err != nil {
			l.missed(err)
		}
		for field := range bytes.FieldsSeq(data) {
			if child, err := strconv.Atoi(string(field)); err == nil {
				pids = append(pids, child)
			}
		}
	}
	slices.Sort(pids)
	return pids
}

// childrenListed reports whether this kernel lists children (CONFIG_PROC_CHILDREN).
func childrenListed() bool {
	return !errors.Is(unix.Access("/proc/thread-self/children", unix.F_OK), unix.ENOENT)
}

// allPIDs are the processes of this machine, or of this container.
func (l *look) allPIDs() []int {
	names, err := l.sys.list("/proc")
	if err != nil {
		l.missed(err)
		return nil
	}
	pids := make([]int, 0, len(names))
	for _, name := range names {
		if pid, err := strconv.Atoi(name); err == nil && pid > 0 {
			pids = append(pids, pid)
		}
	}
	return pids
}

// carries reports whether the environment that the process was started with has every entry of
// mark. Without a mark it is false.
func (l *look) carries(pid int, mark []string) bool {
	if len(mark) == 0 {
		return false
	}
	data, err := l.sys.read(fmt.Sprintf("/proc/%d/environ", pid))
	if err != nil {
		l.missed(err)
		return false
	}
	missing := slices.Clone(mark)
	for entry := range bytes.SplitSeq(data, []byte{0}) {
		missing = slices.DeleteFunc(missing, func(m string) bool { return m == string(entry) })
	}
	return len(missing) == 0
}

// carriers are the processes that carry mark, except for this one.
func (l *look) carriers(mark []string) []proc {
	var found []proc
	for _, pid := range l.allPIDs() {
		if pid == selfPID {
			continue
		}
		d, ok := l.proc(pid)
		switch {
		case ok && d.zombie && d.parent == selfPID:
			// Its environment is gone; even if it was one of these, it does no
			// harm.
		case ok && l.carries(pid, mark):
			found = append(found, d)
		}
	}
	return found
}

// cgroup are the live processes in the cgroup and below; nil if there are none.
func (l *look) cgroup(c *cgroup) []int {
	if c == nil {
		return nil
	}
	populated, err := c.populated(l.sys)
	if err != nil {
		l.missed(err)
	}
	if !populated {
		return nil
	}
	pids, err := c.pids(l.sys)
	if err != nil {
		l.missed(err)
	}
	return pids
}

// inCgroup reports whether the process is in the cgroup or below.
func (l *look) inCgroup(c *cgroup, pid int) bool {
	data, err := l.sys.read(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		l.missed(err)
		return false
	}
	return c.isIn(data)
}
