package sim

import (
	"slices"
	"strings"
	"time"

	"downbeat/internal/message"
	"downbeat/internal/streams"
)

// A set is commands that were prepared together on a host, as its operating
// system and the runner see them. It outlives a worker that is killed.
type set struct {
	w       *world
	run     string
	host    *host
	members []member
	sink    sink // the worker's; nil when that has died
	state   setState
	termAt  instant // when TERM is due; never: it is not
	killAt  instant
	// stoppedAt is when TERM was sent, or what was held was killed.
	stoppedAt  instant
	releasedAt instant
	swept      int    // that were found outside of their groups at the end
	left       int    // that could not be ended
	open       int    // members that have not ended
	armed      uint64 // the beats that know their instant, a bit for each
	again      bool   // more may begin, until it is closed or stopped
	stops      uint64 // those from which on TERM was sent, beside a stop of all
	scheduled  []*scheduled
}

type setState uint8

const (
	setHeld setState = iota
	setArmed
	setRunning
	setTerming
	setKilling
	setOver
)

// A member is one command of a set.
type member struct {
	command int // its number in the job
	script  *Command
	ledger  *ledgerCommand
	alive   bool
	over    bool // it has ended, or will never begin
	termed  bool
	killed  bool
	started instant
	pid     int
	life    int
	acted   bool     // an action has told this life to end
	softly  []string // signals that actions have sent it, which need not be for that
	paused  instant  // until when it stands still
	ready   bool     // it can be used
	forks   int      // of its, still there
	ending  uint32   // counts what was planned for its end: only the last counts
}

// A sink is told what becomes of a set, from the world's one goroutine.
type sink interface {
	begun(command, life, pid int, at instant)
	wrote(command int, stream streams.Stream, data []byte)
	exited(s *set, command, life int, e exit)
	lined(command int, at instant) // it has written the line by which it is seen to be ready
	said(command int)              // it has written the line that actions wait for
	asked(command int, a *Asking)
	released(s *set, beat int) // what has no delay has begun, or never will
	stopped(s *set, from int)  // TERM was sent, from that beat on
	finished(s *set)
}

// An exit is how a command ended, in true time.
type exit struct {
	code            int
	signal          string
	started, ended  instant
	stopped, killed bool
	reason          string
	left            bool
	acted           bool // an action had told it to end
	timedOut        bool // its time was over
}

// killTimeout is how long what was killed may take to end before it is given up.
const killTimeout = 5 * time.Second

// release has the members of a beat begin at an instant.
func (s *set) release(beat int, at instant) {
	if s.state > setRunning || s.armed&(1<<beat) != 0 {
		return
	}
	s.armed |= 1 << beat
	if s.state == setHeld {
		s.state = setArmed
		s.releasedAt = at
	}
	s.w.e.at(at, func() {
		if s.state != setArmed && s.state != setRunning {
			return
		}
		s.state = setRunning
		for i := range s.members {
			if d := s.members[i].script.Delay; d > 0 && s.members[i].script.Beat == beat {
				s.w.e.after(d, func() { s.begin(i) })
			}
		}
		for i := range s.members {
			if s.members[i].script.Delay <= 0 && s.members[i].script.Beat == beat {
				s.begin(i)
			}
		}
		s.tellReleased(beat)
	})
}

func (s *set) tellReleased(beat int) {
	if s.sink != nil {
		s.sink.released(s, beat)
	}
}

// begin starts a member, unless it was stopped before.
func (s *set) begin(i int) {
	m := &s.members[i]
	if s.state != setRunning || m.over || m.alive {
		return
	}
	now := s.w.e.now
	if m.script.Life.Unstarted {
		m.over = true
		s.open--
		s.w.ledger.unstarted(s, m)
		if s.sink != nil {
			s.sink.exited(s, m.command, m.life, exit{code: -1, reason: "exec format error"})
		}
		s.look()
		return
	}
	s.w.pids++
	m.alive, m.started, m.pid, m.forks = true, now, s.w.pids, m.forks+m.script.Life.Forks
	m.ready, m.termed, m.killed, m.acted, m.softly, m.paused = false, false, false, false, nil, 0
	s.w.ledger.started(s, m)
	if s.sink != nil {
		s.sink.begun(m.command, m.life, m.pid, now)
	}
	s.becomeReady(m)
	life := &m.script.Life
	for k := range life.Output {
		s.w.e.plan(now.add(life.Output[k].After), &writing{s, i, now, &life.Output[k]})
	}
	s.speak(m)
	if life.Runs > 0 {
		code, signal := m.endsWith()
		s.endAfter(i, life.Runs, code, signal)
	}
}

// endAfter plans a member's end, in place of what was planned before.
func (s *set) endAfter(i int, d time.Duration, code int, signal string) {
	m := &s.members[i]
	m.ending++
	s.w.e.plan(s.w.e.now.add(d), &plannedEnd{s, i, m.ending, code, signal})
}

// A plannedEnd is a member's end that is to come, if no other is planned before.
type plannedEnd struct {
	set    *set
	member int
	number uint32
	code   int
	signal string
}

func (p *plannedEnd) happen() {
	switch m, e := &p.set.members[p.member], &p.set.w.e; {
	case m.ending != p.number:
	case e.now < m.paused && p.signal != "SIGKILL":
		e.plan(m.paused, p)
	default:
		p.set.end(p.member, p.code, p.signal)
	}
}

// A writing is a piece of output that is to come from a life of a member.
type writing struct {
	set    *set
	member int
	began  instant // the life
	piece  *Written
}

func (p *writing) happen() {
	switch m, e := &p.set.members[p.member], &p.set.w.e; {
	case m.started != p.began:
	case e.now < m.paused:
		e.plan(m.paused, p)
	default:
		p.set.write(p.member, p.piece)
	}
}

func (s *set) write(i int, piece *Written) {
	m := &s.members[i]
	if !m.alive || m.over { // nobody reads what one writes that was given up
		return
	}
	data := s.w.ledger.wrote(m, piece)
	if s.sink != nil {
		s.sink.wrote(m.command, piece.Stream, data)
	}
}

// end is a member's end.
func (s *set) end(i int, code int, signal string) {
	m := &s.members[i]
	if !m.alive {
		return
	}
	m.alive = false
	if m.over { // it was given up before
		return
	}
	m.over = true
	s.open--
	e := exit{timedOut: m.acted && m.script.Phase == message.PhaseAction, acted: m.acted || slices.Contains(m.softly, strings.TrimPrefix(signal, "SIG")), code: code, signal: signal, started: m.started, ended: s.w.e.now, stopped: m.termed, killed: m.killed}
	s.w.ledger.ended(s, m, &e)
	if s.sink != nil {
		s.sink.exited(s, m.command, m.life, e)
	}
	s.look()
}

// stop has TERM sent at an instant and KILL after the grace. The earlier of two
// deadlines wins.
func (s *set) stop(at instant, grace time.Duration) {
	if s.state == setOver {
		return
	}
	now := s.w.e.now
	if at < now || s.state == setHeld {
		at = now
	}
	s.termAt = min(s.termAt, at)
	s.killOwn(0, at)
	if kill := at.add(max(grace, 0)); kill < s.killAt {
		s.killAt = kill
		s.w.e.at(kill, s.kill)
	}
	if at == now {
		s.terminate()
		return
	}
	s.w.e.at(at, s.terminate)
}

func (s *set) terminate() {
	if s.w.e.now < s.termAt || s.state >= setTerming {
		return
	}
	released, wasArmed := s.state == setRunning, s.state == setArmed
	s.state = setTerming
	s.stoppedAt = s.w.e.now
	for i := range s.members {
		m := &s.members[i]
		switch {
		case m.alive && m.termed:
		case m.alive && released:
			m.termed, m.paused = true, 0
			s.term(i)
		case !m.over && !m.alive:
			m.over = true
			s.open--
		}
	}
	s.tellStopped(0)
	if wasArmed {
		s.tellReleased(0)
	}
	s.look()
}

func (s *set) tellStopped(from int) {
	if s.sink != nil {
		s.sink.stopped(s, from)
	}
}

// term is what TERM does to a member.
func (s *set) term(i int) {
	switch life := &s.members[i].script.Life; {
	case life.IgnoresTerm, life.Unkillable:
	case life.TermCode >= 0 && life.TermTakes >= 0:
		s.endAfter(i, life.TermTakes, life.TermCode, "")
	default:
		s.endAfter(i, 0, -1, s.members[i].script.Stop.signal())
	}
}

func (s *set) kill() {
	s.terminate() // where there is no grace
	if s.w.e.now < s.killAt || s.state == setOver || s.state == setKilling {
		return
	}
	s.state = setKilling
	s.killFrom(0)
}

// killFrom kills the members of a beat and of those after it.
func (s *set) killFrom(beat int) {
	for i := range s.members {
		m := &s.members[i]
		if m.script.Beat >= beat && !m.script.Stop.Own {
			s.killOne(i)
		}
	}
	s.w.e.after(killTimeout, s.abandon)
}

// killOne kills a member.
func (s *set) killOne(i int) {
	m := &s.members[i]
	if !m.alive || m.over || m.killed {
		return
	}
	m.killed = true
	if !m.script.Life.Unkillable {
		s.endAfter(i, 0, -1, "SIGKILL")
	}
}

// killOwn has the members of a beat and of those after it killed that have a grace of their own
// in a stop at that instant.
func (s *set) killOwn(from int, at instant) {
	for i := range s.members {
		m := &s.members[i]
		if began := m.started; m.script.Stop.Own && m.script.Beat >= from {
			s.w.e.at(at.add(m.script.Stop.Grace), func() {
				if m.termed && (began == 0 || m.started == began) {
					s.killOne(i)
					s.w.e.after(killTimeout, s.abandon)
				}
			})
		}
	}
}

// abandon gives up the members that don't end though they were killed.
func (s *set) abandon() {
	if s.state == setOver {
		return
	}
	for i := range s.members {
		m := &s.members[i]
		if !m.alive || m.over || !m.killed {
			continue
		}
		m.over = true
		s.open--
		s.left++
		s.w.ledger.abandoned(s, m)
		if s.sink != nil {
			s.sink.exited(s, m.command, m.life, exit{code: -1, started: m.started, ended: s.w.e.now, stopped: m.termed, killed: true, reason: "it hangs in the kernel", left: true})
		}
	}
	s.look()
}

// look ends the set when nothing of it is left to wait for.
func (s *set) look() {
	if s.open > 0 || s.state == setOver || s.again && s.state < setTerming {
		return
	}
	asked := s.state >= setTerming
	s.state = setOver
	for i := range s.members {
		s.swept += s.members[i].forks
		s.members[i].forks = 0
	}
	if s.sink != nil {
		s.dropScheduled()
	}
	if s.swept > 0 && !asked {
		s.stoppedAt = s.w.e.now
		s.tellStopped(0)
	}
	s.w.e.after(time.Millisecond, func() { // its descendants take a moment
		if s.sink != nil {
			s.sink.finished(s)
		}
	})
}

// perish ends everything of the set at once, as a guard, a sweep or a power
// failure does; it returns how many processes that were.
func (s *set) perish(power bool) (swept int) {
	for i := range s.members {
		m := &s.members[i]
		if m.alive && (power || !m.script.Life.Unkillable) {
			m.alive = false
			swept++
			s.w.ledger.ended(s, m, nil)
		}
		m.over = true
		swept += m.forks
		m.forks = 0
		m.ending++
	}
	s.open, s.state = 0, setOver
	return swept
}

// living counts what of the set executes still.
func (s *set) living() (n int) {
	for i := range s.members {
		if m := &s.members[i]; m.alive && !m.script.Life.Unkillable {
			n++
		}
		n += s.members[i].forks
	}
	return n
}
