package course

import (
	"fmt"

	"downbeat/internal/message"
)

// A fakeSet is the commands that a fakeHost holds, and checks what it is asked to do with them.
type fakeSet struct {
	h       *fakeHost
	open    bool
	procs   map[int]*fakeProc
	acts    []Act   // asked for, and not carried out
	news    []Input // not told yet
	stopped bool    // all of it
	from    int     // the first beat that was stopped; 0: none was
}

type fakeProc struct {
	command *message.Command
	alive   bool
	held    bool
	life    int
}

func newFakeSet(h *fakeHost, open bool) *fakeSet {
	s := &fakeSet{h: h, open: open, procs: make(map[int]*fakeProc)}
	for n := range h.job.Commands {
		if c := &h.job.Commands[n]; isHeld(c) {
			s.procs[n] = &fakeProc{command: c, held: true, life: -1}
		}
	}
	return s
}

func (s *fakeSet) release(beat int) {
	for n, c := range s.h.job.In(message.PhaseRun) {
		if p := s.procs[n]; c.Beat == beat && p.held && !s.isStopped(p) {
			s.begin(n)
		}
	}
	s.news = append(s.news, Released{Beat: beat})
}

func (s *fakeSet) begin(n int) {
	p := s.procs[n]
	p.held, p.alive = false, true
	p.life++
	s.news = append(s.news, Begun{message.StartedInfo{Command: n, Life: p.life, StartedAt: s.h.now}})
}

func (s *fakeSet) isStopped(p *fakeProc) bool {
	return s.stopped || s.from > 0 && p.command.Beat >= s.from
}

func (s *fakeSet) stop(from int) {
	if from == 0 {
		s.stopped, s.open = true, false
	} else {
		s.from = from
		s.news = append(s.news, TermSent{At: s.h.now, FromBeat: from})
	}
	for _, p := range s.procs {
		p.held = p.held && !s.isStopped(p)
	}
}

func (s *fakeSet) act(a Act) {
	if a.Do == message.ActStart || a.Do == message.ActRun {
		s.h.must(!s.stopped, "something is started after the stop")
		s.h.must(s.open, "something is started in a set that is closed")
	}
	s.acts = append(s.acts, a)
}

func (s *fakeSet) close() {
	s.h.must(s.open, "what is closed was not open")
	for _, p := range s.procs {
		s.h.must(!p.alive, "what is closed goes on")
	}
	for _, a := range s.acts {
		s.h.must(a.Do != message.ActStart || s.isStopped(s.procs[a.Command]), "a start is to come, and the set is closed")
	}
	s.open = false
}

// goOn does the next thing that is due, and reports whether nothing is left to do.
func (s *fakeSet) goOn(well bool) (over bool) {
	switch {
	case len(s.news) > 0:
		in := s.news[0]
		s.news = s.news[1:]
		s.h.feed(in)
	case len(s.acts) > 0 && (well || !s.anyAlive() || s.stopped):
		a := s.acts[0]
		s.acts = s.acts[1:]
		s.carryOut(a, well)
	case s.anyAlive() && (s.stopped || !well || s.h.now.Nanosecond()%3 == 0):
		s.end(well)
	case s.anyAlive():
	default:
		return s.stopped || !s.open && !s.anyHeld()
	}
	return false
}

func (s *fakeSet) anyAlive() bool {
	for _, p := range s.procs {
		if p.alive {
			return true
		}
	}
	return false
}

func (s *fakeSet) anyHeld() bool {
	for _, p := range s.procs {
		if p.held && p.command.Phase == message.PhaseRun {
			return true
		}
	}
	return false
}

func (s *fakeSet) carryOut(a Act, well bool) {
	p := s.procs[a.Command]
	told := Acted{Token: a.Token, Life: max(p.life, 0), At: s.h.now}
	begins := a.Do == message.ActStart || a.Do == message.ActRun
	switch {
	case begins && (p.alive || s.isStopped(p) || !well):
		told.Err = "it can't"
	case begins:
		s.begin(a.Command)
		told.Life = p.life
	case !p.alive:
		told.Err = "it has ended"
	}
	s.h.feed(told)
}

// end ends the first that runs.
func (s *fakeSet) end(well bool) {
	for n := range s.h.job.Commands {
		p := s.procs[n]
		if p == nil || !p.alive {
			continue
		}
		p.alive = false
		exit := &message.ExitedInfo{Command: n, Life: p.life, StartedAt: s.h.now, EndedAt: s.h.now}
		if !well {
			exit.ExitCode = 1
		}
		s.h.feed(Exited{exit})
		return
	}
}

// Other events that may happen to a fakeHost in time.

func (h *fakeHost) call(turn int) {
	for i := range h.job.Actions {
		if a := &h.job.Actions[i]; a.Called {
			h.feed(ControlTaken{Control: &message.Control{Kind: message.Act, Action: a.Number, Turn: turn, At: h.now, Commands: []int{0, 1}}, Taken: h.now})
		}
	}
}

func (h *fakeHost) ask() {
	if !h.alive || !h.job.Sync {
		return
	}
	token := uint64(len(h.book.lives))<<32 + uint64(h.now.UnixNano()&0xffffff)
	if h.asks[token] {
		return
	}
	h.asks[token] = true
	h.feed(Asked{Token: token, At: h.now, Info: message.AskedInfo{What: message.AskMark, Name: "m"}})
}

func (h *fakeHost) ready(command int) {
	if !h.alive || h.job.Commands[command].Ready == nil {
		return
	}
	h.feed(Probed{Command: command, Life: h.set.procs[command].life, At: h.now})
	h.feed(Lined{Command: command, At: h.now})
}

// A book is what was logged of the lives of a run's commands: each begins before anything
// else is told of it, ends once, and becomes ready at most once, or not.
type book struct {
	lives map[string]*entry
	again map[int]bool // by command: another life was said to come
}

type entry struct{ started, ended, settled bool }

func (b *book) of(command, life int) *entry {
	if b.lives == nil {
		b.lives, b.again = make(map[string]*entry), make(map[int]bool)
	}
	key := fmt.Sprint(command, ".", life)
	if b.lives[key] == nil {
		b.lives[key] = new(entry)
	}
	return b.lives[key]
}

func (b *book) enter(h *fakeHost, e *message.Event) {
	switch e.Kind {
	case message.Started:
		for _, s := range e.Started {
			if isHeld(&h.job.Commands[s.Command]) {
				h.must(!b.of(s.Command, s.Life).started, "a life begins twice")
				b.of(s.Command, s.Life).started = true
				b.again[s.Command] = false
			}
		}
	case message.Exited:
		x := e.Exited
		if !isHeld(&h.job.Commands[x.Command]) {
			return
		}
		of := b.of(x.Command, x.Life)
		h.must(!of.ended, "a life ends twice")
		h.must(of.started != (x.Reason != ""), "a life ends that has not begun")
		h.must(!x.Again || h.run.stop == nil, "another life is said to come after the stop")
		of.ended, b.again[x.Command] = true, x.Again
	case message.ProcessReady:
		of := b.of(e.ProcessReady.Command, e.ProcessReady.Life)
		h.must(of.started && !of.settled, "a process becomes ready twice, or before it has begun")
		of.settled = true
	case message.Acted:
		if e.Acted.Reason == "" && h.job.Action(e.Acted.Action).Do != message.ActStart {
			of := b.of(e.Acted.Command, e.Acted.Life)
			h.must(of.started && !of.ended, "something is done to a life that does not go on")
		}
	case message.Done:
		for n, again := range b.again {
			h.must(!again || h.run.stop != nil || h.set.from > 0, fmt.Sprintf("another life of %d was said to come, and has not", n))
		}
	default:
	}
}
