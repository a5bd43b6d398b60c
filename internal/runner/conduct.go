package runner

import (
	"strings"
	"time"

	"downbeat/internal/streams"
)

// conduct takes the set to its end: it waits for the commands, then ends everything that they
// started, then waits for the rest of the output.
func (s *Set) conduct() {
	family := newFamily(s)
	ended := make(chan struct{})
	s.tasks.Go(func() { s.samplePeaks(ended) })
	s.awaitCommands(family)
	s.endActions()
	close(ended)
	left, err := family.clear()
	s.drain()
	s.account(family, left, err)
	s.finish(family.swept)
}

// account lets go of the processes or, if some could not be ended, has the runner keep trying.
// unseen is why it isn't known whether there are more.
func (s *Set) account(f *family, left []proc, unseen error) {
	abandoned := s.abandoned()
	if len(left) == 0 && len(abandoned) == 0 && unseen == nil {
		s.runner.guard.forget(s)
		s.reap()
		s.closeCgroup()
		return
	}
	all := &LeftError{Left: leftovers(left), Unseen: unseen}
	groups := make([]int, 0, len(left)+len(abandoned))
	for _, d := range left {
		groups = append(groups, d.group)
	}
	for _, p := range abandoned {
		all.Left = append(all.Left, Leftover{p.pid, strings.Join(p.command.Argv, " ")})
		groups = append(groups, p.pid)
	}
	s.runner.guard.narrow(s, groups)
	s.reap()
	s.runner.log.Error("processes of a set are left; trying again every second", "mark", s.spec.Mark, "error", all)
	s.mu.Lock()
	s.result.Left = all
	s.mu.Unlock()
	s.runner.pursue(&remnant{look: f.remaining, over: s.letGo, left: all, pids: startsOf(left)})
}

// letGo takes the set's processes off all lists once none is left.
func (s *Set) letGo() {
	s.runner.guard.forget(s)
	for _, p := range s.abandoned() {
		reapEnded(p.pid)
		s.runner.forget(p.pid)
	}
	s.closeCgroup()
}

func (s *Set) closeCgroup() {
	if s.cgroup == nil {
		return
	}
	if err := s.cgroup.close(); err != nil {
		s.runner.log.Warn("cgroup not removed", "error", err)
	}
}

// awaitCommands returns when every command has ended, was dropped, or was given up, and no other
// life may begin. It meets the deadlines until then, and goes on errands.
func (s *Set) awaitCommands(family *family) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		wait, over := s.meetDeadlines(time.Now())
		for _, errand := range s.takeErrands() {
			errand(family)
		}
		if over {
			return
		}
		timer.Reset(wait)
		select {
		case <-s.changed:
		case <-timer.C:
		}
	}
}

// errand has conduct do something to descendants; under the mutex.
func (s *Set) errand(do func(*family)) {
	s.errands = append(s.errands, do)
	s.wake()
}

// takeErrands returns what is to be done to descendants, and is not to be done again.
func (s *Set) takeErrands() []func(*family) {
	s.mu.Lock()
	defer s.mu.Unlock()
	errands := s.errands
	s.errands = nil
	return errands
}

// meetDeadlines does what is due, and returns how long it is until more is, and whether all
// commands are over.
func (s *Set) meetDeadlines(now time.Time) (wait time.Duration, over bool) {
	for _, st := range s.overdue(now) {
		s.carryOut(st)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	next := now.Add(time.Hour)
	for _, st := range s.stops {
		if st.sentAt.IsZero() {
			next = earlier(next, st.deadline())
		}
	}
	if s.state == stateTerminating {
		if !s.killAt.After(now) {
			s.kill(now)
		} else {
			next = earlier(next, s.killAt)
		}
	}
	for _, p := range s.procs {
		if at := p.meetDeadlines(now); !at.IsZero() {
			next = earlier(next, at)
		}
	}
	return next.Sub(now), s.sealed && s.pending == 0
}

// overdue are the stops whose instant is long over: the thread hangs.
func (s *Set) overdue(now time.Time) []*stop {
	s.mu.Lock()
	defer s.mu.Unlock()
	var overdue []*stop
	for _, st := range s.stops {
		if st.sentAt.IsZero() && !st.deadline().After(now) {
			overdue = append(overdue, st)
		}
	}
	return overdue
}

// meetDeadlines kills the process if its grace is over, and gives it up if it doesn't end though
// it got KILL; it returns the next deadline, zero if there is none. Under the set's mutex.
func (p *process) meetDeadlines(now time.Time) time.Time {
	if p.killedAt.IsZero() && !p.killAt.IsZero() {
		if p.killAt.After(now) {
			return p.killAt
		}
		p.kill(now)
		p.set.errand(func(f *family) { f.killAsked(p) })
	}
	if p.ended || p.left || p.killedAt.IsZero() {
		return time.Time{}
	}
	giveUp := p.killedAt.Add(p.set.runner.killTimeout)
	if giveUp.After(now) {
		return giveUp
	}
	p.left = true
	p.abandon() // it reports its end now
	return time.Time{}
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// drain waits until all output has been passed on. No process of the set is left to write; but
// a process outside the set may have been given the pipe, and hold it open.
func (s *Set) drain() {
	drained := make(chan struct{})
	go func() {
		s.tasks.Wait()
		close(drained)
	}()
	select {
	case <-drained:
		return
	case <-time.After(DrainTimeout):
	}
	for _, sl := range s.slots {
		for _, o := range sl.outputs {
			o.cutOff()
		}
	}
	<-drained
}

// reap takes the zombies out of the process table: from now on, their pids may be reused.
func (s *Set) reap() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.procs {
		if p.pid == 0 || p.reaped || p.left {
			continue
		}
		reapEnded(p.pid)
		p.reaped = true
		s.runner.forget(p.pid)
	}
}

// finish declares the set over.
func (s *Set) finish(swept int) {
	s.mu.Lock()
	s.move(eventGone)
	s.result.Swept = swept
	s.result.Totals = make([]streams.Total, len(s.slots))
	for i, sl := range s.slots {
		passed := streams.Tally{sl.outputs[streams.Stdout].passed, sl.outputs[streams.Stderr].passed}
		s.result.Totals[i] = passed.Total()
	}
	s.mu.Unlock()
	s.leave()
	close(s.done)
}

// leave takes the set off those that Close waits for.
func (s *Set) leave() {
	s.runner.mu.Lock()
	defer s.runner.mu.Unlock()
	delete(s.runner.sets, s)
}
