package sim

import (
	"fmt"
	"time"

	"downbeat/internal/message"
	"downbeat/internal/outcome"
	"downbeat/internal/publisher/conduct"
	"downbeat/internal/streams"
)

// A ledger is what truly happened, whatever the machines know of it, and the
// promises that are looked at while it happens. See judge.go for those that are
// looked at when all is over.
type ledger struct {
	w          *world
	runs       []*ledgerRun
	byID       map[string]*ledgerRun
	violations []string
}

// A ledgerRun is what truly happened of one run.
type ledgerRun struct {
	id    string
	plan  *RunPlan
	hosts []ledgerHost // as the plan's parts
	// executed counts the processes that have begun, anywhere.
	executed int
	// ready is when the last host had prepared its processes.
	ready  instant
	gated  bool            // its gate is closed
	result *conduct.Result // nil: it is not over
	// questions are what its processes have asked for, and lines those that actions wait for.
	questions []*question
	lines     []line
}

// A ledgerHost is a run on one host.
type ledgerHost struct {
	run      *ledgerRun
	host     *host
	part     *Part
	commands []ledgerCommand
	// prepared: every process was prepared, and the host has not been given to
	// another run since.
	prepared bool
	// taken counts how often its job was journaled, yields how often it gave the host
	// back, and deaths how often its worker died meanwhile.
	taken, yields, deaths int
	sampled, samples      int    // that were logged, and stored
	forgot                bool   // its power failed, and what was noted beside its log was lost
	stopped               bool   // its stop has come to a worker that is still there
	ended                 bool   // nothing is left of it, its worker says
	releases              []told // when the host releases each beat
	stops                 []told // when it stops from each beat on
	// starts are how far, at most, the instant of each beat may be off that the host was
	// told, and blur how far anything may be that was agreed with it: what was known of
	// its clock then.
	starts []time.Duration
	blur   time.Duration
}

// A ledgerCommand is what truly became of one command.
type ledgerCommand struct {
	script  *Command
	lives   int
	streams [2]stream
	stored  [2]uint64 // bytes of it that the results have
	exit    exit      // of its last life
	exited  bool
	start   instant // of its last life
	first   instant
	deeds   []deed     // what was done to it in the course of the run
	starts  int        // how often actions may have it begin, at most
	past    []pastLife // those before its last
	readyAt instant    // when it could be used first, where its script says when that is
	wellAt  instant    // when it first ended well
	gone    bool       // it ended with nobody there to see how
	left    bool       // it can't be ended
}

func newLedger(w *world) *ledger { return &ledger{w: w, byID: make(map[string]*ledgerRun)} }

// violate notes that a promise was broken.
func (l *ledger) violate(format string, args ...any) {
	what := fmt.Sprintf(format, args...)
	if l.w.notes != nil {
		l.w.note("!! %s", what)
	}
	if len(l.violations) < 20 {
		l.violations = append(l.violations, what)
	}
}

// open enters a run.
func (l *ledger) open(id string, plan *RunPlan) *ledgerRun {
	r := &ledgerRun{id: id, plan: plan, hosts: make([]ledgerHost, len(plan.Parts))}
	for i := range plan.Parts {
		part := &plan.Parts[i]
		h := &r.hosts[i]
		*h = ledgerHost{run: r, host: l.w.hosts[part.Host], part: part, commands: make([]ledgerCommand, len(part.Commands))}
		beats := max(len(plan.Beats), 1)
		h.releases, h.stops, h.starts = make([]told, beats), make([]told, beats), make([]time.Duration, beats)
		for k := range part.Commands {
			c := &h.commands[k]
			c.script = &part.Commands[k]
			c.streams[0].base = mix(uint64(len(l.runs))<<32 + uint64(i)<<16 + uint64(k)<<1)
			c.streams[1].base = mix(c.streams[0].base)
			c.starts = plan.starts(i, k)
		}
	}
	l.runs = append(l.runs, r)
	l.byID[id] = r
	return r
}

// on finds a run on a host.
func (l *ledger) on(run string, h *host) *ledgerHost {
	r := l.byID[run]
	for i := range r.hosts {
		if r.hosts[i].host == h {
			return &r.hosts[i]
		}
	}
	return nil
}

// started enters that a command begins to execute.
func (l *ledger) started(s *set, m *member) {
	h := l.on(s.run, s.host)
	c := m.ledger
	c.keepPast()
	c.lives++
	c.start, c.exited, c.gone = l.w.e.now, false, false
	if c.lives == 1 {
		c.first = c.start
	}
	if l.w.notes != nil {
		l.w.note("%s: %s of %s begins, pid %d", s.host.name, c.script.Name, l.w.short(s.run), m.pid)
	}
	switch most := 1; c.script.Phase {
	case message.PhaseSetup, message.PhaseTeardown:
		most += h.yields
		if c.script.Phase == message.PhaseTeardown {
			most += h.deaths
		}
		if c.lives > most {
			l.violate("at most once: %s of %s begins on %s for the %dth time", c.script.Name, l.w.short(s.run), s.host.name, c.lives)
		}
	case message.PhaseRun:
		h.run.executed++
		l.promptly(h.run, c)
		if c.lives == 1 {
			l.inTurn(h, c)
		}
		if h.run.gated {
			l.violate("the gate: %s of %s begins on %s, and its gate is closed", c.script.Name, l.w.short(s.run), s.host.name)
		}
		if res := h.run.result; res != nil && res.Outcome == outcome.RunRefused {
			l.violate("all or nothing: %s of %s begins on %s, and the run was refused", c.script.Name, l.w.short(s.run), s.host.name)
		}
		if c.lives > most+c.script.Restart.AtMost+c.starts {
			l.violate("at most once: %s of %s begins on %s again", c.script.Name, l.w.short(s.run), s.host.name)
		}
		for i := range h.run.hosts {
			if o := &h.run.hosts[i]; !o.prepared {
				l.violate("all or nothing: %s of %s begins on %s, and %s is not prepared", c.script.Name, l.w.short(s.run), s.host.name, o.host.name)
			}
		}
	case message.PhaseAction:
		if c.lives > c.starts {
			l.violate("at most once: %s of %s is run on %s for the %dth time", c.script.Name, l.w.short(s.run), s.host.name, c.lives)
		}
	}
	for _, o := range s.host.sets {
		if o.run != s.run && o.living() > 0 {
			l.violate("one run at a time: %s of %s begins on %s, where %s still has processes", c.script.Name, l.w.short(s.run), s.host.name, l.w.short(o.run))
		}
	}
}

// promptly checks that a run is released soon after all are ready, where nothing
// gets lost that would have to be sent again.
func (l *ledger) promptly(r *ledgerRun, c *ledgerCommand) {
	n := &l.w.plan.Network
	if r.executed > 1 || !l.w.calm() || !l.w.plan.alone() || n.LossPercent > 0 {
		return
	}
	if took, most := time.Duration(l.w.e.now-r.ready)-c.script.Delay, 100*time.Millisecond+20*(n.Delay+n.Jitter); took > most {
		l.violate("promptly: %s is released %s after all were ready", l.w.short(r.id), took)
	}
}

// givenUp enters that a worker keeps what it has reported no longer, as the publisher
// is silent. Where nothing gets lost it has been told that all is safe; unless the run
// was stopped before its release, and for some hosts before they had reported anything.
func (l *ledger) givenUp(h *ledgerHost) {
	if l.w.calm() && l.w.plan.Network.LossPercent == 0 && h.run.executed > 0 {
		l.violate("promptly: %s keeps what it has reported of %s until it gives that up", h.host.name, l.w.short(h.run.id))
	}
}

// unstarted enters that a command could not be started.
func (l *ledger) unstarted(s *set, m *member) {
	if l.w.notes != nil {
		l.w.note("%s: %s of %s can't be started", s.host.name, m.script.Name, l.w.short(s.run))
	}
	m.ledger.exit, m.ledger.exited = exit{code: -1, reason: "exec format error"}, true
}

// wrote enters that a command writes, and returns what.
func (l *ledger) wrote(m *member, piece *Written) []byte {
	return m.ledger.streams[piece.Stream].write(piece.Bytes)
}

// ended enters the end of a command; e is nil where nobody is there to see it.
func (l *ledger) ended(s *set, m *member, e *exit) {
	c := m.ledger
	if e == nil {
		c.gone = true
		if l.w.notes != nil {
			l.w.note("%s: %s of %s is gone", s.host.name, c.script.Name, l.w.short(s.run))
		}
		return
	}
	c.exit, c.exited = *e, true
	if c.wellAt == 0 && !c.failed() {
		c.wellAt = e.ended
	}
	if e.signal != "" {
		if l.w.notes != nil {
			l.w.note("%s: %s of %s is ended by %s", s.host.name, c.script.Name, l.w.short(s.run), e.signal)
		}
	} else {
		if l.w.notes != nil {
			l.w.note("%s: %s of %s exits with %d", s.host.name, c.script.Name, l.w.short(s.run), e.code)
		}
	}
}

// abandoned enters that a command can't be ended.
func (l *ledger) abandoned(s *set, m *member) {
	m.ledger.left = true
	if l.w.notes != nil {
		l.w.note("%s: %s of %s can't be ended", s.host.name, m.script.Name, l.w.short(s.run))
	}
}

// prepared enters that a host holds a run's processes.
func (l *ledger) prepared(s *set) {
	h := l.on(s.run, s.host)
	h.prepared, h.run.ready = true, l.w.e.now
	for _, o := range s.host.sets {
		if o != s && o.state < setOver {
			l.violate("one run at a time: %s is prepared on %s, where %s is", l.w.short(s.run), s.host.name, l.w.short(o.run))
		}
	}
}

// journaled enters that a host's worker has taken a job.
func (l *ledger) journaled(run string, h *host) {
	lh := l.on(run, h)
	lh.taken++
	if lh.stopped {
		l.violate("not begun: %s takes the job of %s, whose stop had come before", h.name, l.w.short(run))
	}
	if lh.taken > 1 {
		l.violate("at most once: %s takes the job of %s again", h.name, l.w.short(run))
	}
}

// over enters that a worker says that nothing of a run is left on its host.
func (l *ledger) over(run string, h *host) {
	lh := l.on(run, h)
	lh.ended = true
	if what := lh.untidy(); what != "" {
		l.violate("the teardown: %s of %s was not run on %s", what, l.w.short(run), h.name)
	}
	for _, s := range h.sets {
		if s.run == run && s.living() > 0 {
			l.violate("nothing left: %s says that %s is over, and it has processes", h.name, l.w.short(run))
		}
	}
}

// untidy names a command of the teardown that should have been run, and was not. A host
// whose power failed may not know that it owed that.
func (h *ledgerHost) untidy() string {
	began := false
	for i := range h.commands {
		began = began || h.commands[i].lives > 0
	}
	for i := range h.commands {
		c := &h.commands[i]
		tried := c.lives > 0 || c.script.Life.Unprepared || c.script.Life.Unstarted || c.script.Life.PrepareTakes >= c.script.Timeout
		if c.script.Phase == message.PhaseTeardown && began && !tried && !h.forgot {
			return c.script.Name
		}
	}
	return ""
}

// stored enters a piece of output that was put into the results.
func (l *ledger) stored(h *ledgerHost, command int, stream streams.Stream, data []byte) {
	if command < 0 || command >= len(h.commands) {
		l.violate("nothing invented: output of command %d of %s is stored", command, h.host.name)
		return
	}
	c := &h.commands[command]
	s := &c.streams[stream]
	at := c.stored[stream]
	c.stored[stream] += uint64(len(data))
	if c.stored[stream] > s.bytes {
		l.violate("nothing invented: %d bytes of %s on %s are stored, and it wrote %d", c.stored[stream], c.script.Name, h.host.name, s.bytes)
		return
	}
	if h.deaths > 0 { // what was on its way to the log has died with the worker
		return
	}
	for len(data) > 0 {
		n := min(len(data), textPeriod)
		if string(data[:n]) != string(s.at(at, n)) {
			l.violate("byte for byte: what is stored of %s on %s from byte %d on is not what it wrote", c.script.Name, h.host.name, at)
			return
		}
		data, at = data[n:], at+uint64(n)
	}
}
