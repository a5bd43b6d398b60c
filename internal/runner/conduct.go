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

// awaitCommands returns when every command has ended, was dropped, or was given up; it sends
// KILL when that is due.
func (s *Set) awaitCommands(family *family) {
	termed := s.stopped
	for waiting := len(s.procs); waiting > 0; {
		timer, act := s.nextDeadline()
		select {
		case <-s.ended:
			waiting--
		case <-termed:
			termed = nil
			family.askEscapees()
		case <-s.changed:
		case <-timer.C:
			act()
		}
		timer.Stop()
	}
}

// nextDeadline returns a timer for the next deadline, and what to do then.
func (s *Set) nextDeadline() (*time.Timer, func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.state == stateKilling:
		return time.NewTimer(time.Until(s.killAt.Add(s.runner.killTimeout))), s.abandon
	case s.state == stateTerminating:
		return time.NewTimer(time.Until(s.killAt)), s.kill
	case s.stopping:
		return time.NewTimer(time.Until(s.termAt.Add(late))), s.terminate
	default:
		return time.NewTimer(time.Hour), func() {}
	}
}

// abandon gives up the commands that don't end though they got KILL.
func (s *Set) abandon() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.procs {
		if !p.ended {
			p.left = true
			p.abandon()
		}
	}
	// Don't come back here soon: the commands that were given up now report their end.
	s.killAt = s.killAt.Add(time.Hour)
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
	for _, p := range s.procs {
		for _, o := range p.outputs {
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
	s.result.Totals = make([]streams.Total, len(s.procs))
	for i, p := range s.procs {
		passed := streams.Tally{p.outputs[streams.Stdout].passed, p.outputs[streams.Stderr].passed}
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
