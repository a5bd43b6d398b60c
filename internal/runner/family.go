package runner

import (
	"slices"
	"syscall"
	"time"
)

// A family is what the commands of a set have started. Processes are known by
// pid and start time.
type family struct {
	set       *Set
	groups    map[int]*slot             // the process groups of the commands' lives
	known     map[int]uint64            // descendants that were seen
	asked     map[int]uint64            // those that were sent TERM
	escaped   map[int]uint64            // those outside the groups that were told to end
	askedWith map[*process][]proc       // those of a command that were asked when its life was
	stopped   map[*process]map[int]proc // those outside the groups that are stopped while a life is paused
	owned     map[int]ownedBy           // whose they are, of those where that was found out
	swept     int                       // how many escaped

	cgroupWarned bool
}

// ownedBy says whose the descendant is that started at that time.
type ownedBy struct {
	start uint64
	slot  *slot
}

func newFamily(s *Set) *family {
	return &family{
		set: s, groups: map[int]*slot{}, owned: map[int]ownedBy{}, askedWith: map[*process][]proc{}, stopped: map[*process]map[int]proc{},
		known: map[int]uint64{}, asked: map[int]uint64{}, escaped: map[int]uint64{},
	}
}

// A proc is a process in the process table. Its start time, in the system's unit, tells it from
// others that have had the same pid.
type proc struct {
	pid, parent, group int
	zombie             bool
	ending             bool // its environment can't be read any more
	start              uint64
	name               string // the system's, for messages
}

// askEscapees asks the descendants of processes outside the groups to end, which what was sent to
// the groups has not reached; with all, those of which it isn't known whose they are too.
func (f *family) askEscapees(of []*process, all bool) {
	left := f.seen()
	owners := f.owners(left)
	for _, d := range left {
		if f.groups[d.group] != nil || f.asked[d.pid] == d.start {
			continue
		}
		owner := owners[d.pid]
		i := slices.IndexFunc(of, func(p *process) bool { return p.slot == owner && p.life.Load() == p })
		if i >= 0 {
			f.askedWith[of[i]] = append(f.askedWith[of[i]], d)
		}
		if i >= 0 || all {
			f.ask(d, owner)
		}
	}
}

// killAsked kills the descendants that were asked to end together with a process, the grace of
// which is over, and all others of its command, unless they may be another life's.
func (f *family) killAsked(p *process) {
	for _, d := range f.askedWith[p] {
		f.send(d, syscall.SIGKILL)
	}
	delete(f.askedWith, p)
	if p.life.Load() != p {
		return
	}
	left := f.seen()
	owners := f.owners(left)
	for _, d := range left {
		if owners[d.pid] == p.slot {
			f.send(d, syscall.SIGKILL)
		}
	}
}

// seen is alive for those that don't need all of them: what is missed is found when the commands
// have ended. It takes a few looks to see those the parents of which are about to end.
func (f *family) seen() []proc {
	for tries := 1; ; tries++ {
		left, err := f.alive()
		if err == nil || tries == 10 {
			return left
		}
		<-time.After(time.Millisecond)
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
		for _, st := range s.overdue(now) {
			s.carryOut(st)
		}
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
		if !giveUp.IsZero() && now.After(giveUp) && (err == nil || now.After(giveUp.Add(unclearFor))) {
			return left, err
		}
		select {
		case <-time.After(pause):
		case <-s.changed:
		}
	}
}

// unclearFor is how much longer than a process that does not react to KILL may take is waited
// until a look sees everything: one that is about to end is in the way for a moment only.
const unclearFor = time.Second

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

// askAll asks those of left to end that have not been asked yet.
func (f *family) askAll(left []proc) {
	grouped := f.set.groupsAsked()
	owners := f.owners(left)
	for _, d := range left {
		if f.asked[d.pid] == d.start || grouped && f.groups[d.group] != nil {
			continue
		}
		f.ask(d, owners[d.pid])
	}
}

// groupsAsked reports whether the groups have been sent their stop signals.
func (s *Set) groupsAsked() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state == stateTerminating
}

// killAll kills the groups, the cgroup, and each of left.
func (f *family) killAll(left []proc) {
	f.set.killAll(time.Now())
	if err := f.set.cgroup.kill(f.set.runner.sys); err != nil && !f.cgroupWarned {
		f.cgroupWarned = true
		f.set.runner.log.Warn("cgroup not killed; its processes are, one by one", "error", err)
	}
	for _, d := range left {
		f.send(d, syscall.SIGKILL)
	}
}

// ask sends a descendant the stop signal of the command that it comes from. A stopped process is
// continued, so that it can act on it.
func (f *family) ask(d proc, owner *slot) {
	sig := syscall.SIGTERM
	if owner != nil {
		sig = owner.stopSignal()
	}
	f.asked[d.pid] = d.start
	f.send(d, sig)
	f.set.runner.sys.signal(d, syscall.SIGCONT)
}

// send signals a descendant that is to end, unless its pid belongs to another process by now.
func (f *family) send(d proc, sig syscall.Signal) {
	if f.groups[d.group] == nil && f.escaped[d.pid] != d.start {
		f.escaped[d.pid] = d.start
		f.swept++
	}
	f.set.runner.sys.signal(d, sig)
}

// owners tells which command's descendants members are, by pid, as far as that is known: they are
// in the group of one of its lives, below it, carry its mark, or were known before.
func (f *family) owners(members []proc) map[int]*slot {
	owners := map[int]*slot{}
	l := newLook(f.set.runner.sys) // what it can't read now is told by a later one
	for _, d := range members {
		if owner := f.owner(l, d); owner != nil {
			owners[d.pid] = owner
		}
	}
	for found := true; found; { // from parents to children
		found = false
		for _, d := range members {
			if owner := owners[d.parent]; owner != nil && owners[d.pid] == nil {
				owners[d.pid], found = owner, true
			}
		}
	}
	for _, d := range members {
		if owner := owners[d.pid]; owner != nil {
			f.owned[d.pid] = ownedBy{d.start, owner}
		}
	}
	return owners
}

// owner is whose descendant d is, without regard to other descendants; nil if that is not known.
func (f *family) owner(l *look, d proc) *slot {
	if known := f.owned[d.pid]; known.start == d.start && known.slot != nil {
		return known.slot
	}
	if sl := f.groups[d.group]; sl != nil {
		return sl
	}
	if sl := f.groups[d.parent]; sl != nil {
		return sl
	}
	for _, sl := range f.set.slots {
		if l.carries(d.pid, sl.command.Mark) {
			return sl
		}
	}
	return nil
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
			f.groups[p.pid] = p.slot
		}
	}
}
