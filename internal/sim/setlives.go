package sim

import (
	"slices"
	"time"

	"downbeat/internal/message"
)

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

// startAgain has a member that has ended, or a command of an action, begin another life at an
// instant, and told says what came of that, with the number of the life.
func (s *set) startAgain(command int, d deed, told func(life int, why string)) {
	s.schedule(command, d.due, told, func(i int) { s.beginAnew(i, d, told) })
}

// A scheduled deed is one that has not been done.
type scheduled struct {
	member *member
	told   func(life int, why string)
	over   bool
}

// schedule has something done to a member at an instant, or told at the end of the set that it
// was not.
func (s *set) schedule(command int, at instant, told func(life int, why string), do func(i int)) {
	i := s.find(command)
	if i < 0 {
		return
	}
	p := &scheduled{member: &s.members[i], told: told}
	s.scheduled = append(s.scheduled, p)
	if s.state == setOver {
		s.dropScheduled()
		return
	}
	s.w.e.at(max(at, s.w.e.now), func() {
		if s.sink != nil && !p.over {
			p.over = true
			do(i)
		}
	})
}

func (s *set) dropScheduled() {
	for _, p := range s.scheduled {
		if !p.over {
			p.over = true
			p.told(p.member.life, "the commands are over")
		}
	}
	s.scheduled = nil
}

func (s *set) find(command int) int {
	return slices.IndexFunc(s.members, func(m member) bool { return m.command == command })
}

func (s *set) beginAnew(i int, d deed, told func(life int, why string)) {
	m := &s.members[i]
	switch {
	case s.state != setRunning, s.isStopped(m):
		told(m.life, "it is being stopped")
	case m.alive || !m.over:
		told(m.life, "it runs")
	default:
		m.over = false
		m.life++
		s.open++
		d.at = s.w.e.now
		m.ledger.deeds = append(m.ledger.deeds, d)
		told(m.life, "")
		s.begin(i)
	}
}

// act has something done to a member at an instant: a signal is sent, it is stopped, or pauses.
func (s *set) act(command int, d deed, pause, grace time.Duration, told func(life int, why string)) {
	s.schedule(command, d.due, told, func(i int) { s.actOn(i, d, pause, grace, told) })
}

func (s *set) actOn(i int, d deed, pause, grace time.Duration, told func(life int, why string)) {
	m := &s.members[i]
	switch {
	case s.state != setRunning, s.isStopped(m):
		told(m.life, "it is being stopped")
		return
	case !m.alive || m.over:
		told(m.life, "it does not run")
		return
	}
	d.at = s.w.e.now
	m.ledger.deeds = append(m.ledger.deeds, d)
	told(m.life, "")
	switch d.do {
	case message.ActPause:
		m.paused = max(m.paused, s.w.e.now.add(pause))
	case message.ActSignal:
		s.signal(i, d.signal)
	default:
		m.acted, m.termed, m.paused = true, true, 0
		if !m.script.Life.Unkillable {
			s.term(i)
		}
		s.killLater(i, grace)
	}
}

// signal sends a member a signal: some only by their name are for its end.
func (s *set) signal(i int, signal string) {
	m := &s.members[i]
	m.acted = m.acted || asksForEnd(signal)
	m.softly = append(m.softly, signal)
	switch {
	case m.script.Life.Unkillable, signal == "WINCH":
	case signal == "KILL", signal == "USR1":
		s.endAfter(i, 0, -1, "SIG"+signal)
	case m.script.Life.TermCode < 0 && !m.script.Life.IgnoresTerm:
		s.endAfter(i, 0, -1, "SIG"+signal)
	default:
		s.term(i)
	}
}

// killLater kills what an action has stopped, after its grace.
func (s *set) killLater(i int, grace time.Duration) {
	m := &s.members[i]
	began := m.started
	s.w.e.after(grace, func() {
		if m.alive && m.started == began && !m.killed && !m.over {
			s.killOne(i)
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

// inLife has a member do something at a time after its start: later, if it pauses then, and never
// in another life.
func (s *set) inLife(m *member, after time.Duration, do func()) {
	began := m.started
	var try func()
	try = func() {
		switch {
		case m.started != began:
		case s.w.e.now < m.paused:
			s.w.e.at(m.paused, try)
		default:
			do()
		}
	}
	s.w.e.after(after, try)
}

// speak has a member that has begun say and ask what it is to.
func (s *set) speak(m *member) {
	life := &m.script.Life
	for _, at := range life.Says {
		s.inLife(m, at, func() {
			if m.alive && !m.over && s.sink != nil {
				s.w.ledger.said(s, m)
				s.sink.said(m.command)
			}
		})
	}
	for k := range life.Asks {
		s.inLife(m, life.Asks[k].After, func() {
			if m.alive && !m.over && s.sink != nil {
				s.sink.asked(m.command, &life.Asks[k])
			}
		})
	}
}
