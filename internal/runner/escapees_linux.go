package runner

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// How descendants are found
//
// This program is the sub-reaper of all its descendants: whatever they do
// (setsid, double fork), they stay in the tree below it, as children of their
// parents or, orphaned, as its own. So the tree is walked from the top. What
// hangs below a command's process is the set's. An orphan is the set's if it is
// in the set's process groups or cgroup, or carries its marks in the
// environment, or, in a program that starts nothing else (Options.Exclusive),
// if no other set could have started it. What is found is signalled by pidfd
// after a second look, so never a stranger that was given the pid meanwhile.

var selfPID = os.Getpid()

// adoptOrphans makes this program the parent of orphaned descendants.
func adoptOrphans() error {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("become sub-reaper: %w", err)
	}
	return nil
}

// members are all descendants that can be told to belong to the set, except for
// the commands' own processes.
//
// A process may be orphaned while the tree is walked: it is missed below its
// parent, and becomes a child of this program that wasn't there before. Then
// the tree is walked again. So when every process that was found is a zombie,
// there is no other.
func (f *family) members() []proc {
	f.enterGroups()
	found := map[int]proc{}
	top := f.set.runner.directChildren()
	for {
		f.walk(top, found)
		again := f.set.runner.directChildren()
		if !hasNew(again, top) {
			break
		}
		top = again
	}
	f.addCgroup(found)
	members := make([]proc, 0, len(found))
	for _, d := range found {
		f.known[d.pid] = d.start
		members = append(members, d)
	}
	return members
}

// walk adds to found what belongs to the set, from this program's children down.
func (f *family) walk(top map[int]*child, found map[int]proc) {
	for pid, c := range top {
		if c.started && (c.set != f.set || f.set.hasEnded(pid)) {
			continue
		}
		d, ok := readProc(pid)
		if !ok || d.parent != selfPID {
			continue
		}
		if !c.started {
			if !f.owns(d) {
				continue
			}
			found[pid] = d
		}
		for _, below := range descendants(d) {
			found[below.pid] = below
		}
	}
}

// addCgroup adds to found what is in the set's cgroup.
func (f *family) addCgroup(found map[int]proc) {
	dir := f.set.cgroup
	if !dir.populated() {
		return
	}
	for _, pid := range dir.pids() {
		if d, ok := readProc(pid); ok && !f.groups[pid] && dir.contains(pid) {
			found[pid] = d
		}
	}
}

// hasNew reports whether a key of after is not in before.
func hasNew(after, before map[int]*child) bool {
	for pid := range after {
		if _, there := before[pid]; !there {
			return true
		}
	}
	return false
}

// descendants are all processes below d.
func descendants(d proc) []proc {
	below := childrenOf(d)
	for _, child := range below {
		below = append(below, descendants(child)...)
	}
	return below
}

// owns reports whether the orphan d belongs to the set.
func (f *family) owns(d proc) bool {
	return f.known[d.pid] == d.start || f.groups[d.group] || carries(d.pid, f.set.spec.Mark) ||
		f.set.runner.options.Exclusive && f.set.runner.alone(f.set)
}

// A child is one of this program's children: started by the runner, for a set
// or for itself, or an orphan.
type child struct {
	started bool
	set     *Set
}

// directChildren are this program's children, zombies included, by pid.
func (r *Runner) directChildren() map[int]*child {
	r.forking.Lock()
	defer r.forking.Unlock()
	direct := map[int]*child{}
	for _, pid := range childPIDs(selfPID) {
		s, started := r.children[pid]
		direct[pid] = &child{started, s}
	}
	return direct
}

// orphans are this program's children that the runner did not start.
func (r *Runner) orphans() []proc {
	var orphans []proc
	for pid, c := range r.directChildren() {
		if d, ok := readProc(pid); ok && !c.started && d.parent == selfPID {
			orphans = append(orphans, d)
		}
	}
	return orphans
}

// childrenOf are the children of a process, zombies included. The second looks
// are there because any pid may be given to a stranger between two looks.
func childrenOf(parent proc) []proc {
	var children []proc
	for _, pid := range childPIDs(parent.pid) {
		if d, ok := readProc(pid); ok && d.parent == parent.pid {
			children = append(children, d)
		}
	}
	if now, ok := readProc(parent.pid); len(children) > 0 && (!ok || now.start != parent.start) {
		return nil
	}
	return children
}

func childPIDs(pid int) []int {
	threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		return nil
	}
	var pids []int
	for _, thread := range threads {
		data, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/children", pid, thread.Name()))
		if errors.Is(err, os.ErrNotExist) && !childrenListed() {
			return allPIDs() // childrenOf picks
		}
		for field := range bytes.FieldsSeq(data) {
			if child, err := strconv.Atoi(string(field)); err == nil {
				pids = append(pids, child)
			}
		}
	}
	return pids
}

// childrenListed reports whether this kernel lists children (CONFIG_PROC_CHILDREN).
func childrenListed() bool {
	_, err := os.Stat("/proc/thread-self/children")
	return err == nil
}

// allPIDs are the processes of this machine, or of this container.
func allPIDs() []int {
	dirs, err := filepath.Glob("/proc/[1-9]*")
	if err != nil {
		return nil // the pattern is a good one
	}
	pids := make([]int, 0, len(dirs))
	for _, dir := range dirs {
		if pid, err := strconv.Atoi(filepath.Base(dir)); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// readProc reads /proc/PID/stat.
func readProc(pid int) (proc, bool) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return proc{}, false
	}
	return parseStat(pid, data)
}

// parseStat parses /proc/PID/stat, whose second field, the name in
// parentheses, may contain anything. The state there is that of the first
// thread; a process is a zombie when no other is left.
func parseStat(pid int, data []byte) (proc, bool) {
	fields := bytes.Fields(data[bytes.LastIndexByte(data, ')')+1:])
	if len(fields) < 20 {
		return proc{}, false
	}
	parent, err1 := strconv.Atoi(string(fields[1]))
	group, err2 := strconv.Atoi(string(fields[2]))
	threads, err3 := strconv.Atoi(string(fields[17]))
	start, err4 := strconv.ParseUint(string(fields[19]), 10, 64)
	if errors.Join(err1, err2, err3, err4) != nil {
		return proc{}, false
	}
	ended := fields[0][0] == 'Z' || fields[0][0] == 'X'
	return proc{pid: pid, parent: parent, group: group, zombie: ended && threads <= 1, start: start}, true
}

// carries reports whether the environment that the process was started with has
// every entry of mark. No mark is carried by nobody.
func carries(pid int, mark []string) bool {
	if len(mark) == 0 {
		return false
	}
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	if err != nil {
		return false // gone, or of another user
	}
	missing := slices.Clone(mark)
	for entry := range bytes.SplitSeq(data, []byte{0}) {
		missing = slices.DeleteFunc(missing, func(m string) bool { return m == string(entry) })
	}
	return len(missing) == 0
}

// signalProc signals the process d, if that is still the one that has its pid.
func signalProc(d proc, sig syscall.Signal) {
	fd, err := unix.PidfdOpen(d.pid, 0)
	if err != nil && !errors.Is(err, unix.ENOSYS) {
		return // gone
	}
	if err == nil {
		defer unix.Close(fd) //nolint:errcheck // a pidfd has nothing to lose
	}
	if now, ok := readProc(d.pid); !ok || now.start != d.start {
		return
	}
	if err != nil {
		unix.Kill(d.pid, sig) //nolint:errcheck // before Linux 5.3 there is nothing better
		return
	}
	unix.PidfdSendSignal(fd, sig, nil, 0) //nolint:errcheck // gone, or not ours to signal: it is looked at again
}

// carriers are the processes that carry mark, but for this one.
func carriers(mark []string) []proc {
	var found []proc
	for _, pid := range allPIDs() {
		if pid == selfPID {
			continue
		}
		d, ok := readProc(pid)
		switch {
		case ok && d.zombie && d.parent == selfPID:
			// Its environment is gone; if it was one of these it is not in the way.
		case ok && carries(pid, mark):
			found = append(found, d)
		}
	}
	return found
}
