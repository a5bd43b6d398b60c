package sim

import "time"

// endsWith is how the member's present life ends by itself.
func (m *member) endsWith() (code int, signal string) {
	life, heals := &m.script.Life, m.script.Restart.Heals
	switch {
	case heals > 0 && m.life >= heals:
		return 0, ""
	case life.Signal != "":
		return -1, life.Signal
	}
	return life.Code, ""
}

// startAgain has a member that has ended begin another life at an instant, and told says what
// came of that, with the number of the life.
func (s *set) startAgain(command int, at instant, told func(life int, why string)) {
	s.w.e.at(max(at, s.w.e.now), func() {
		if s.sink == nil {
			return
		}
		for i := range s.members {
			if m := &s.members[i]; m.command == command {
				s.beginAnew(i, m, told)
				return
			}
		}
	})
}

func (s *set) beginAnew(i int, m *member, told func(life int, why string)) {
	switch {
	case s.state != setRunning, s.isStopped(m):
		told(m.life, "it is being stopped")
	case m.alive || !m.over:
		told(m.life, "it runs")
	default:
		m.over = false
		m.life++
		s.open++
		told(m.life, "")
		s.begin(i)
	}
}

// act has a member told to end at an instant: by a signal or, with none, by a stop.
func (s *set) act(command int, signal string, at instant, grace time.Duration, told func(life int, why string)) {
	s.w.e.at(max(at, s.w.e.now), func() {
		if s.sink == nil || s.state == setOver {
			return
		}
		for i := range s.members {
			if m := &s.members[i]; m.command == command {
				s.tellToEnd(i, m, signal, grace, told)
			}
		}
	})
}

func (s *set) tellToEnd(i int, m *member, signal string, grace time.Duration, told func(life int, why string)) {
	switch {
	case s.state != setRunning, s.isStopped(m):
		told(m.life, "it is being stopped")
		return
	case !m.alive || m.over:
		told(m.life, "it does not run")
		return
	}
	m.acted = true
	m.ledger.deeds = append(m.ledger.deeds, s.w.e.now)
	told(m.life, "")
	switch {
	case m.script.Life.Unkillable:
	case signal == "KILL":
		s.endAfter(i, 0, -1, "SIGKILL")
	default:
		s.term(i)
	}
	if signal != "" {
		return
	}
	m.termed = true
	began := m.started
	s.w.e.after(grace, func() {
		if m.alive && m.started == began && !m.killed && !m.over {
			m.killed = true
			if !m.script.Life.Unkillable {
				s.endAfter(i, 0, -1, "SIGKILL")
			}
			s.w.e.after(killTimeout, s.abandon)
		}
	})
}

// isStopped reports whether the member's beat was stopped.
func (s *set) isStopped(m *member) bool { return s.stops&(1<<(m.script.Beat+1)-1) != 0 }

// close says that nothing begins any more but by a beat.
func (s *set) close() {
	s.again = false
	s.look()
}
