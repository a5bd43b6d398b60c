package runner

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// How descendants are found This program is the sub-reaper of all its descendants: whatever
// they do (setsid, double fork), they stay in the tree below it, as children of their parents
// or, orphaned, as its own. So the tree is walked from the top. Everything below a command's
// process belongs to the set. An orphan belongs to the set if it is in the set's process groups
// or cgroup, or carries its marks in the environment; or, in a program that starts nothing else
// (Options.Exclusive), if no other set could have started it. A process is signalled by pidfd
// after a second check, so an unrelated process that was given the pid meanwhile is never hit.

var selfPID = os.Getpid()

// adoptOrphans makes this program the parent of orphaned descendants.
func adoptOrphans() error {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("become sub-reaper: %w", err)
	}
	return nil
}

// members are all descendants that are known to belong to the set, except for the commands' own
// processes. After an error there may be more of them.
//
// A process may be orphaned while the tree is walked: it is missed below its parent, and
// becomes a new child of this program. In that case the tree is walked again. So when every
// process that was found is a zombie, there is no other.
func (f *family) members() ([]proc, error) {
	f.enterGroups()
	l := newLook(f.set.runner.sys)
	found := map[int]proc{}
	top := f.set.runner.directChildren(l)
	for {
		f.walk(l, top, found)
		again := f.set.runner.directChildren(l)
		if !hasNew(again, top) {
			break
		}
		top = again
	}
	f.addCgroup(l, found)
	members := make([]proc, 0, len(found))
	for _, d := range found {
		f.known[d.pid] = d.start
		members = append(members, d)
	}
	return members, l.err
}

// walk adds to found what belongs to the set, from this program's children down.
func (f *family) walk(l *look, top map[int]*child, found map[int]proc) {
	for pid, c := range top {
		if c.started && (c.set != f.set || f.set.hasEnded(pid)) {
			continue
		}
		d, ok := l.related(pid, selfPID)
		if !ok {
			continue
		}
		if !c.started {
			if !f.owns(l, d) {
				continue
			}
			found[pid] = d
		}
		for _, below := range l.descendants(d) {
			found[below.pid] = below
		}
	}
}

// addCgroup adds to found what is in the set's cgroup.
func (f *family) addCgroup(l *look, found map[int]proc) {
	for _, pid := range l.cgroup(f.set.cgroup) {
		if d, ok := l.proc(pid); ok && f.groups[pid] == nil && !f.set.runner.started(pid) && l.inCgroup(f.set.cgroup, pid) {
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

// owns reports whether the orphan d belongs to the set. A process that is known to be left of
// another set does not, even if no other set is active. If that can't be told, the look has missed
// it: its children may belong to the set, and are not this program's yet.
func (f *family) owns(l *look, d proc) bool {
	if f.known[d.pid] == d.start || f.groups[d.group] != nil || l.carries(d.pid, f.set.spec.Mark) {
		return true
	}
	r := f.set.runner
	if r.options.Exclusive && r.alone(f.set) && !r.isLeft(d) {
		return true
	}
	if d.ending {
		l.missed(fmt.Errorf("process %d (%s): %w", d.pid, d.name, errEnding))
	}
	return false
}

// A child is one of this program's children: an orphan, or a process that the runner started
// for a set or for itself.
type child struct {
	started bool
	set     *Set
}

// directChildren are this program's children, zombies included, by pid.
func (r *Runner) directChildren(l *look) map[int]*child {
	r.forking.Lock()
	defer r.forking.Unlock()
	direct := map[int]*child{}
	for _, pid := range l.childPIDs(selfPID) {
		s, started := r.children[pid]
		direct[pid] = &child{started, s}
	}
	return direct
}

// started reports whether the runner started that child.
func (r *Runner) started(pid int) bool {
	r.forking.Lock()
	defer r.forking.Unlock()
	_, ok := r.children[pid]
	return ok
}

// orphans are this program's children that the runner did not start.
func (r *Runner) orphans() []proc {
	var orphans []proc
	l := newLook(r.sys) // errors don't matter: the next look comes soon
	for pid, c := range r.directChildren(l) {
		if d, ok := l.proc(pid); ok && !c.started && d.parent == selfPID {
			orphans = append(orphans, d)
		}
	}
	return orphans
}
