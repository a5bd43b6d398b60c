package runner

import (
	"syscall"
	"time"
)

// late is how long after the instant of a stop TERM is sent without the thread, in case a start
// hangs there.
const late = time.Second

// Stop sends TERM to every process group (and to descendants known to have left them) at the
// instant at, and KILL to all that is left after the grace. It returns at once.
//
// If Release was not called, or is to happen after at, held commands are killed without having
// executed anything; in the first case at once. Commands that are still held for a delay when
// TERM is sent are killed in the same way. On a set that is over Stop does nothing. It may be
// called again: the earlier deadline wins.
func (s *Set) Stop(at time.Time, grace time.Duration) {
	s.mu.Lock()
	now := time.Now()
	if at.Before(now) || s.state == stateHeld {
		at = now
	}
	s.deadlines(at, at.Add(max(grace, 0)))
	s.mu.Unlock()
	s.runner.thread.at(at, s.terminate)
	select {
	case s.changed <- struct{}{}:
	default: // conduct has not seen the last change yet
	}
}

// deadlines sets when TERM and KILL are due, unless they are due earlier already; under the
// mutex.
func (s *Set) deadlines(term, kill time.Time) {
	if !s.stopping || term.Before(s.termAt) {
		s.termAt = term
	}
	s.stopping = true
	s.killBy(kill)
}

// killBy makes KILL due at the time at, or earlier if it already was; under the mutex.
func (s *Set) killBy(at time.Time) {
	if s.killAt.IsZero() || at.Before(s.killAt) {
		s.killAt = at
	}
}

// Stopped is closed when a Stop has sent TERM, or has killed what was held; StoppedAt tells
// when. It stays open if the set is over before that.
func (s *Set) Stopped() <-chan struct{} { return s.stopped }

// StoppedAt is when TERM was sent, or what was held was killed; zero until then.
func (s *Set) StoppedAt() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stoppedAt
}

// terminate carries out a Stop whose instant has come; on the thread, unless that hangs.
func (s *Set) terminate() {
	s.mu.Lock()
	defer s.mu.Unlock()
	released := s.state == stateRunning
	if !s.move(eventStop) {
		return
	}
	s.stoppedAt = time.Now()
	if released {
		s.ask()
	} else {
		close(s.released)
	}
	for _, p := range s.procs {
		p.drop()
	}
	close(s.stopped)
}

// ask sends TERM to every group that began, as fast as possible, and then continues stopped
// processes, which otherwise couldn't act on it.
func (s *Set) ask() {
	for _, p := range s.procs {
		p.signalGroup(syscall.SIGTERM)
	}
	for _, p := range s.procs {
		p.signalGroup(syscall.SIGCONT)
		p.termed = p.phase == phaseBegun && !p.ended
	}
}

// drop makes sure that a process that hasn't begun never does; under the mutex.
func (p *process) drop() {
	if p.phase != phaseWaiting {
		return
	}
	p.phase = phaseDropped
	p.closeOutputs()
	if !p.holds {
		p.ended = true
		p.set.ended <- p
		return
	}
	p.signalGroup(syscall.SIGKILL)
	p.set.tasks.Go(func() { p.set.watch(p) })
}

// kill sends KILL to every group.
func (s *Set) kill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.move(eventGrace)
	if s.killedAt.IsZero() {
		s.killedAt = time.Now()
	}
	for _, p := range s.procs {
		p.drop()
		p.signalGroup(syscall.SIGKILL)
		p.killed = p.killed || p.phase == phaseBegun && !p.ended
	}
}
