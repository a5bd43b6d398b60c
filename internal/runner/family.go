package runner

import (
	"slices"
	"syscall"
	"time"
)

// A family is what the commands of a set have started. Processes are known by
// pid and start time.
type family struct {
	set     *Set
	groups  map[int]bool   // the commands' process groups
	known   map[int]uint64 // descendants that were seen
	asked   map[int]uint64 // those that have had TERM
	escaped map[int]uint64 // those outside the groups that have had a signal
	swept   int            // how many these were
}

func newFamily(s *Set) *family {
	return &family{
		set: s, groups: map[int]bool{},
		known: map[int]uint64{}, asked: map[int]uint64{}, escaped: map[int]uint64{},
	}
}

// A proc is a process in the process table. Its start time, in whatever unit,
// tells it from an earlier or later one of the same pid.
type proc struct {
	pid, parent, group int
	zombie             bool
	start              uint64
}

// askEscapees sends TERM to the descendants that no group's TERM has reached.
func (f *family) askEscapees() {
	for _, d := range f.alive() {
		if !f.groups[d.group] {
			f.send(d, syscall.SIGTERM)
			f.asked[d.pid] = d.start
		}
	}
}

// clear ends the descendants that are left when the commands have ended, and
// returns how many it could not end.
func (f *family) clear() int {
	s := f.set
	var giveUp time.Time
	confirmed := false
	for pause := 500 * time.Microsecond; ; pause = min(2*pause, 20*time.Millisecond) {
		left := f.alive()
		if len(left) == 0 {
			// The kernel's lists may miss one while others end; so where others
			// were, a second look is needed.
			if confirmed || len(f.known) == 0 {
				return 0
			}
			confirmed = true
			continue
		}
		confirmed = false
		now := time.Now()
		switch killAt := s.graceEnd(now); {
		case now.Before(killAt):
			f.askAll(left)
		default:
			if giveUp.IsZero() {
				giveUp = now.Add(KillTimeout)
			}
			f.killAll(left)
			pause = min(pause, 2*time.Millisecond) // what forks must be outrun
		}
		if !giveUp.IsZero() && now.After(giveUp) {
			for _, d := range left {
				s.runner.log.Error("a descendant can't be ended", "pid", d.pid)
			}
			return len(left)
		}
		select {
		case <-time.After(pause):
		case <-s.changed:
		}
	}
}

// graceEnd is when those that are left get KILL; they have LeftoverGrace if no
// stop has begun.
func (s *Set) graceEnd(now time.Time) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state == stateRunning {
		s.killBy(now.Add(LeftoverGrace)) // counted from the first time that this is asked
	}
	return s.killAt
}

// askAll sends TERM to those of left that have not had it.
func (f *family) askAll(left []proc) {
	grouped := f.set.groupsAsked()
	for _, d := range left {
		if f.asked[d.pid] == d.start || grouped && f.groups[d.group] {
			continue
		}
		f.send(d, syscall.SIGTERM)
		f.asked[d.pid] = d.start
	}
}

// groupsAsked reports whether the groups have had a TERM.
func (s *Set) groupsAsked() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state == stateTerminating
}

// killAll kills the groups, the cgroup, and each of left.
func (f *family) killAll(left []proc) {
	f.set.kill()
	if err := f.set.cgroup.kill(); err != nil {
		f.set.runner.log.Warn("cgroup not killed; its processes are, one by one", "error", err)
	}
	for _, d := range left {
		f.send(d, syscall.SIGKILL)
	}
}

// send signals a descendant, unless it isn't the same process any more. A
// stopped one is continued so that it can act on a TERM.
func (f *family) send(d proc, sig syscall.Signal) {
	if !f.groups[d.group] && f.escaped[d.pid] != d.start {
		f.escaped[d.pid] = d.start
		f.swept++
	}
	signalProc(d, sig)
	if sig == syscall.SIGTERM {
		signalProc(d, syscall.SIGCONT)
	}
}

// alive are the descendants that still execute; those that have ended, and are
// this program's to reap, are reaped.
func (f *family) alive() []proc {
	var left []proc
	for _, d := range f.members() {
		switch {
		case !d.zombie:
			left = append(left, d)
		case d.parent == selfPID:
			reapEnded(d.pid)
		}
	}
	return slices.Clip(left)
}

// enterGroups notes the process groups of the commands that were started by now.
func (f *family) enterGroups() {
	f.set.mu.Lock()
	defer f.set.mu.Unlock()
	for _, p := range f.set.procs {
		if p.pid > 0 {
			f.groups[p.pid] = true
		}
	}
}
