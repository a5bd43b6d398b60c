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
	asked   map[int]uint64 // those that were sent TERM
	escaped map[int]uint64 // those outside the groups that were sent a signal
	swept   int            // how many escaped

	cgroupWarned bool
}

func newFamily(s *Set) *family {
	return &family{
		set: s, groups: map[int]bool{},
		known: map[int]uint64{}, asked: map[int]uint64{}, escaped: map[int]uint64{},
	}
}

// A proc is a process in the process table. Its start time, in the system's unit, tells it from
// others that have had the same pid.
type proc struct {
	pid, parent, group int
	zombie             bool
	start              uint64
	name               string // the system's, for messages
}

// askEscapees sends TERM to the descendants outside the groups, which the groups' TERM has not
// reached.
func (f *family) askEscapees() {
	all, _ := f.alive() // those that are missed now are asked or killed when the commands have ended
	for _, d := range all {
		if !f.groups[d.group] {
			f.send(d, syscall.SIGTERM)
			f.asked[d.pid] = d.start
		}
	}
}

// clear ends the descendants that are left when the commands have ended, and returns those that
// it could not end. The error says why there may be more.
func (f *family) clear() ([]proc, error) {
	s := f.set
	var giveUp time.Time
	confirmed, doubted := false, false
	for pause := 500 * time.Microsecond; ; pause = min(2*pause, 20*time.Millisecond) {
		left, err := f.alive()
		if len(left) == 0 && err == nil {
			// The kernel's lists may miss a process while others end, so if there were others,
			// a second look is needed.
			if confirmed || len(f.known) == 0 && !doubted {
				return nil, nil
			}
			confirmed = true
			continue
		}
		confirmed, doubted = false, doubted || err != nil
		now := time.Now()
		switch killAt := s.graceEnd(now); {
		case now.Before(killAt):
			f.askAll(left)
		default:
			if giveUp.IsZero() {
				giveUp = s.giveUpAt(now)
			}
			f.killAll(left)
			if err == nil {
				pause = min(pause, 2*time.Millisecond) // be faster than processes that keep forking
			}
		}
		if !giveUp.IsZero() && now.After(giveUp) {
			return left, err
		}
		select {
		case <-time.After(pause):
		case <-s.changed:
		}
	}
}

// giveUpAt is when descendants that do not react to KILL are given up: as long after the KILL
// as commands are, or a little later if the commands took all of that time.
func (s *Set) giveUpAt(now time.Time) time.Time {
	const little = time.Second
	s.mu.Lock()
	defer s.mu.Unlock()
	kill := now
	if !s.killedAt.IsZero() {
		kill = s.killedAt
	}
	at := kill.Add(s.runner.killTimeout)
	if late := now.Add(min(little, s.runner.killTimeout)); at.Before(late) {
		return late
	}
	return at
}

// graceEnd is when the remaining descendants get KILL: after LeftoverGrace, if no stop has
// begun.
func (s *Set) graceEnd(now time.Time) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state == stateRunning {
		s.killBy(now.Add(LeftoverGrace)) // counted from the first call
	}
	return s.killAt
}

// askAll sends TERM to those of left that have not got it yet.
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

// groupsAsked reports whether the groups have been sent TERM.
func (s *Set) groupsAsked() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state == stateTerminating
}

// killAll kills the groups, the cgroup, and each of left.
func (f *family) killAll(left []proc) {
	f.set.kill()
	if err := f.set.cgroup.kill(f.set.runner.sys); err != nil && !f.cgroupWarned {
		f.cgroupWarned = true
		f.set.runner.log.Warn("cgroup not killed; its processes are, one by one", "error", err)
	}
	for _, d := range left {
		f.send(d, syscall.SIGKILL)
	}
}

// send signals a descendant, unless its pid belongs to another process by now. A stopped
// process is continued, so that it can act on TERM.
func (f *family) send(d proc, sig syscall.Signal) {
	if !f.groups[d.group] && f.escaped[d.pid] != d.start {
		f.escaped[d.pid] = d.start
		f.swept++
	}
	f.set.runner.sys.signal(d, sig)
	if sig == syscall.SIGTERM {
		f.set.runner.sys.signal(d, syscall.SIGCONT)
	}
}

// alive are the descendants that are still running. Those that have ended are reaped, if that
// is up to this program. After an error there may be more.
func (f *family) alive() ([]proc, error) {
	var left []proc
	members, err := f.members()
	for _, d := range members {
		switch {
		case !d.zombie:
			left = append(left, d)
		case d.parent == selfPID:
			reapEnded(d.pid)
		}
	}
	return slices.Clip(left), err
}

// remaining are the descendants and the commands that are still running after the set has been
// given up.
func (f *family) remaining() ([]proc, error) {
	left, err := f.alive()
	l := newLook(f.set.runner.sys)
	for _, p := range f.set.abandoned() {
		if d, ok := l.proc(p.pid); ok && !d.zombie {
			left = append(left, d)
		}
	}
	if err == nil {
		err = l.err
	}
	return left, err
}

// abandoned are the commands that were given up.
func (s *Set) abandoned() []*process {
	s.mu.Lock()
	defer s.mu.Unlock()
	var given []*process
	for _, p := range s.procs {
		if p.left {
			given = append(given, p)
		}
	}
	return given
}

// enterGroups notes the process groups of the commands that have been started.
func (f *family) enterGroups() {
	f.set.mu.Lock()
	defer f.set.mu.Unlock()
	for _, p := range f.set.procs {
		if p.pid > 0 {
			f.groups[p.pid] = true
		}
	}
}
