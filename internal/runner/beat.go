package runner

import (
	"errors"
	"time"
)

// ErrReleased is what Arm and Release return for a beat that was armed before.
var ErrReleased = errors.New("it has been released already")

// A beat is the commands of a set that begin together. It is guarded by the set's mutex.
type beat struct {
	state     beatState
	released  chan struct{} // closed when all of it that is not delayed has begun, or never will
	stopped   chan struct{} // closed when what it began has been told to end
	stoppedAt time.Time
}

// move changes the state as e asks for, and reports whether it did.
func (b *beat) move(e event) bool {
	before := b.state
	next, ok := before.next(e)
	b.state = next
	switch {
	case !ok:
	case next == beatBegun, next == beatStopped && before != beatBegun:
		close(b.released)
	}
	return ok
}

// beat is the beat of that number; under the mutex. There need not be a command on it.
func (s *Set) beat(number int) *beat {
	b := s.beats[number]
	if b != nil {
		return b
	}
	b = &beat{released: make(chan struct{}), stopped: make(chan struct{})}
	s.beats[number] = b
	if st := s.carriedOut(number); st != nil {
		b.stop(st.sentAt)
	}
	return b
}

// stop notes that what is on the beat has been told to end.
func (b *beat) stop(at time.Time) {
	if b.move(eventStop) {
		b.stoppedAt = at
		close(b.stopped)
	}
}

// Release arms beat 0, and returns once every command on it without delay has begun, or a stop
// came first.
func (s *Set) Release(at time.Time) error {
	if err := s.Arm(0, at); err != nil {
		return err
	}
	<-s.Released(0)
	return nil
}

// Released is closed when every command on the beat without delay has begun, or a stop came
// first.
func (s *Set) Released(number int) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.beat(number).released
}

// Arm starts all commands of a beat at the instant at (by its monotonic reading, if it has one),
// or now if that is in the past. It returns at once. A command that could not be started after
// all is reported by its Exit. Beats may be armed in any order, each once; there need not be a
// command on it. After a stop of the beat Arm does nothing.
func (s *Set) Arm(number int, at time.Time) error {
	s.mu.Lock()
	b := s.beat(number)
	late := b.state == beatStopped || s.state == stateOver
	moved := b.move(eventRelease)
	if moved {
		s.move(eventRelease)
	}
	s.mu.Unlock()
	switch {
	case moved:
		if now := time.Now(); at.Before(now) {
			at = now
		}
		s.runner.thread.at(at, func() { s.begin(number, at) })
	case !late:
		return ErrReleased
	}
	return nil
}

// begin releases all commands of a beat without delay and plans the release of the others; on the
// thread.
func (s *Set) begin(number int, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.beat(number)
	if next, ok := b.state.next(eventInstant); !ok || next != beatBegun {
		return
	}
	s.move(eventInstant)
	// Held commands come first: a detach takes microseconds, a start a thousand times as
	// long.
	for _, p := range s.procs {
		if p.firstOf(number) && p.holds && p.command.Delay <= 0 {
			p.begin()
		}
	}
	var first []*process
	for _, p := range s.procs {
		switch {
		case !p.firstOf(number):
			continue
		case p.command.Delay > 0:
			s.runner.thread.plan(moment{at.Add(p.command.Delay), func() { s.beginLate(p) }})
			continue
		case !p.holds:
			p.begin()
		}
		first = append(first, p)
	}
	b.move(eventInstant)
	s.sample()
	s.tasks.Go(func() { s.announce(first) })
}

// beginLate releases a command that has a delay; on the thread.
func (s *Set) beginLate(p *process) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != stateRunning || p.phase != phaseWaiting {
		return
	}
	p.begin()
	s.sample()
	s.tasks.Go(func() { s.announce([]*process{p}) })
}
