package sim

import "time"

// A set in the course of a run: its members become ready, and are stopped by beats.

// becomeReady has a member that has begun become ready, as its script says.
func (s *set) becomeReady(m *member) {
	ready, began := &m.script.Ready, m.started
	if ready.Within == 0 || ready.Never {
		return
	}
	s.inLife(m, ready.After, func() {
		if !m.alive || m.started != began {
			return
		}
		m.ready = true
		s.w.ledger.ready(s, m)
		if s.sink != nil && ready.Line {
			s.sink.lined(m.command, s.w.e.now)
		}
	})
}

// stopBeats has TERM sent to the members of a beat and of those after it, and KILL after the
// grace. Those of them that have not begun never will.
func (s *set) stopBeats(from int, at instant, grace time.Duration) {
	if s.state == setOver {
		return
	}
	at = max(at, s.w.e.now)
	s.w.e.at(at, func() { s.terminateFrom(from) })
	s.killOwn(from, at)
	s.w.e.at(at.add(grace), func() {
		if s.state == setRunning {
			s.killFrom(from)
		}
	})
}

func (s *set) terminateFrom(from int) {
	if s.state != setArmed && s.state != setRunning {
		return
	}
	for i := range s.members {
		switch m := &s.members[i]; {
		case m.script.Beat < from || m.over || m.termed:
		case m.alive:
			m.termed, m.paused = true, 0
			s.term(i)
		default:
			m.over = true
			s.open--
		}
	}
	if s.stops&(1<<from) == 0 {
		s.stops |= 1 << from
		s.stoppedAt = s.w.e.now
		s.tellStopped(from)
	}
	s.look()
}

// dropHeld is the end of the members that are held when the worker dies.
func (s *set) dropHeld() {
	for i := range s.members {
		if m := &s.members[i]; !m.over && !m.alive && m.started == 0 && m.script.Beat > 0 {
			m.over = true
			s.open--
		}
	}
}
