package runner

import (
	"syscall"
	"time"
)

// late is how long after the instant of a stop TERM is sent without the thread,
// should a start hang there.
const late = time.Second

// Stop sends TERM to every process group (and what is known to have escaped) at
// the instant at, and after grace KILL to all that is left. It returns at once.
//
// On a set whose Release was not called, or is to happen after at, what is held
// is killed without having executed anything; in the first case at once. When
// TERM is sent, what is still held for a delay is killed in the same way. On a
// set that is over it does nothing. It may be called again: the earlier
// deadline wins.
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
	default: // conduct has not looked yet since the last time
	}
}

// deadlines sets when TERM and KILL are due, unless they are earlier already;
// under the mutex.
func (s *Set) deadlines(term, kill time.Time) {
	if !s.stopping || term.Before(s.termAt) {
		s.termAt = term
	}
	s.stopping = true
	s.killBy(kill)
}

// killBy has KILL due at the latest at the time at; under the mutex.
func (s *Set) killBy(at time.Time) {
	if s.killAt.IsZero() || at.Before(s.killAt) {
		s.killAt = at
	}
}

// Stopped is closed when TERM has been sent for a Stop, or what was held has
// been killed for it; StoppedAt tells when. It stays open if the set is over
// before that.
func (s *Set) Stopped() <-chan struct{} { return s.stopped }

// StoppedAt is when TERM was sent, or what was held was killed; zero until then.
func (s *Set) StoppedAt() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stoppedAt
}

// terminate carries out a Stop whose instant has come; on the thread if that
// is not held up.
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

// ask sends TERM to every group that began, in as short a time as possible, and
// then has those continue that are stopped, as they couldn't act on it.
func (s *Set) ask() {
	for _, p := range s.procs {
		p.signalGroup(syscall.SIGTERM)
	}
	for _, p := range s.procs {
		p.signalGroup(syscall.SIGCONT)
		p.termed = p.phase == phaseBegun && !p.ended
	}
}

// drop makes sure that a process that hasn't begun never will; under the mutex.
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
