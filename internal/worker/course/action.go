package course

import (
	"slices"
	"time"

	"downbeat/internal/message"
)

// Actions: what is done to commands while the processes run. The runner carries them out
// at their instants, and tells what came of each.

// A planned is something that the runner was asked to do to a command, and has not told
// of.
type planned struct {
	what    plannedKind
	action  *message.Action // of anAction
	turn    int
	command int
	due     time.Time
}

type plannedKind uint8

const (
	anAction plannedKind = iota
	aRestart             // by the process's own policy
	aTimeout             // a command of PhaseAction has had its time
)

// does is what the runner is asked for.
func (p *planned) does() message.ActionKind {
	switch p.what {
	case anAction:
		return p.action.Do
	case aRestart:
		return message.ActStart
	case aTimeout:
	}
	return message.ActStop
}

// begins reports whether a life comes of it, if it can be done.
func (p *planned) begins() bool {
	return p.does() == message.ActStart || p.does() == message.ActRun
}

// plan asks the runner for something.
func (r *Run) plan(p planned, at time.Time) {
	p.due = at
	r.tokens++
	r.planned[r.tokens] = p
	act := Act{Token: r.tokens, Do: p.does(), Command: p.command, At: at, Grace: r.graceOf(p.command)}
	if p.what == anAction {
		act.Signal, act.For = p.action.Signal, p.action.For()
	}
	if p.begins() {
		l := r.lives[p.command]
		l.starts++
		if l.stand == gone {
			r.stands(l, between)
			l.wasOver = true
		}
	}
	r.emit(act)
}

// graceOf is how long a command has between the signal that asks it to end and KILL.
func (r *Run) graceOf(command int) time.Duration {
	if s := r.job.Commands[command].Stop; s != nil && s.GraceMS != nil {
		return time.Duration(*s.GraceMS) * time.Millisecond
	}
	return r.job.Grace()
}

// planTimed has the actions carried out that count from a beat, which was armed.
func (r *Run) planTimed(beat int, at time.Time) {
	for i := range r.job.Actions {
		if a := &r.job.Actions[i]; !a.Called && a.Beat == beat {
			for _, n := range a.Commands {
				r.plan(planned{action: a, command: n}, at.Add(a.After()))
			}
		}
	}
}

// A call is one time that an action was called.
type call struct{ action, turn int }

// callAction has a called action carried out, once for each turn. What it can't be done to
// is passed over.
func callAction(r *Run) {
	c := r.call
	a := r.job.Action(c.Action)
	if a == nil || !a.Called || c.Turn >= message.MaxLives || r.called[call{c.Action, c.Turn}] {
		return
	}
	r.called[call{c.Action, c.Turn}] = true
	phase := message.PhaseRun
	if a.Do == message.ActRun {
		phase = message.PhaseAction
	}
	for i, n := range c.Commands {
		if n >= 0 && n < len(r.job.Commands) && r.job.Commands[n].Phase == phase && !slices.Contains(c.Commands[:i], n) {
			r.callOn(planned{action: a, turn: c.Turn, command: n, due: c.At})
		}
	}
}

// callOn has a called action carried out on a command. What is being stopped does not begin anew.
func (r *Run) callOn(p planned) {
	if l := r.lives[p.command]; p.begins() && r.isStopped(l) {
		r.reportActed(&p, Acted{Life: l.number, At: r.now, Err: "it is being stopped"})
		return
	}
	r.plan(p, p.due)
}

// tellActed takes in what the runner tells, which counts no life that could not begin.
func (r *Run) tellActed(in Acted) {
	if p, ok := r.planned[in.Token]; ok {
		in.Life += r.lives[p.command].unborn
		r.acted(in)
	}
}

// acted takes down what came of something that the runner was asked for.
func (r *Run) acted(in Acted) {
	p := r.planned[in.Token]
	l := r.lives[p.command]
	if in.Err == "" && !p.begins() && !l.knows(in.Life) {
		l.earlyActed = append(l.earlyActed, in)
		return
	}
	delete(r.planned, in.Token)
	if p.begins() {
		l.starts--
		l.coming = max(l.coming, in.Life)
	}
	if p.what == anAction {
		r.reportActed(&p, in)
	}
	if in.Err == "" && p.what == anAction && (p.action.Do == message.ActSignal || p.action.Do == message.ActStop) {
		l.deeds = append(l.deeds, deed{p.action.Number, p.action.Signal})
	}
	if in.Err != "" && p.begins() && r.isProcess(l) {
		r.notBegun(l, in.Err)
	}
}

func (r *Run) reportActed(p *planned, in Acted) {
	r.report(&message.Event{Kind: message.Acted, Time: in.At, Acted: &message.ActedInfo{
		Action: p.action.Number, Turn: p.turn, Command: p.command, Life: in.Life, DueAt: p.due, Reason: in.Err,
	}})
}

func (r *Run) isProcess(l *life) bool { return r.commandOf(l).Phase == message.PhaseRun }

// sawLine takes down that a process has written a line that an action waits for. It may
// have come before the news of the start.
func (r *Run) sawLine(in Seen) {
	l := r.lives[in.Command]
	if l.stand == heldBack {
		if len(l.earlySeen) < message.MaxLives {
			l.earlySeen = append(l.earlySeen, in)
		}
		return
	}
	w := &r.job.Watches[in.Watch]
	if r.told[in.Watch] >= w.Most {
		return
	}
	r.told[in.Watch]++
	number := l.number
	if number > 0 && in.At.Before(l.startedAt) {
		number--
	}
	r.report(&message.Event{Kind: message.Seen, Time: in.At, Seen: &message.SeenInfo{Action: w.Action, Command: l.command, Life: number}})
}
