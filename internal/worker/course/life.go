package course

import (
	"slices"
	"time"

	"downbeat/internal/message"
	"downbeat/internal/outcome"
)

// The lives of the commands that are held together: processes, and commands of
// [message.PhaseAction]. Each begins by its beat or by an action, and a process again as
// its restart or an action says.

// A stand is where one of them stands.
type stand uint8

const (
	heldBack stand = iota // it has not begun
	alive                 // a life of it has begun, and has not ended
	between               // its life has ended, and another is known to come
	gone                  // it has ended for good, as far as is known: an action may start it again
)

// A life is what is known of one of them, and of its latest life.
type life struct {
	command   int
	stand     stand
	number    int // of the life
	startedAt time.Time
	restarts  int       // how often its policy has had it begin again
	starts    int       // that have been planned, and whose time is known
	coming    int       // the life that has begun, as what came of a start tells
	unborn    int       // lives that could not begin, and that the runner does not count
	wasOver   bool      // between: its end was told as that for good, before an action was to start it again
	late      bool      // its time is over: of PhaseAction alone
	ready     readiness // whether it can be used
	lineAt    time.Time
	lastWay   string // how it ended, while a line of it may still come
	// News that came before that of its start.
	earlyActed []Acted
	earlySeen  []Seen
	deeds      []deed // done to this life, that may end it
}

// A deed is a stop or a signal that an action has sent to a life.
type deed struct {
	action int
	signal string // empty: it was a stop
}

// newLives makes those of a job, each at its command's number; nil where a command is not
// held.
func newLives(job *message.Job) []*life {
	lives := make([]*life, len(job.Commands))
	for n := range job.Commands {
		if isHeld(&job.Commands[n]) {
			lives[n] = &life{command: n}
		}
	}
	return lives
}

// isHeld reports whether a command is prepared and held with the processes.
func isHeld(c *message.Command) bool {
	return c.Phase == message.PhaseRun || c.Phase == message.PhaseAction
}

// canBeginAgain reports whether the job is one in which something may begin that no beat
// has begun.
func canBeginAgain(job *message.Job) bool {
	for i := range job.Commands {
		if c := &job.Commands[i]; c.Restart != nil || c.Phase == message.PhaseAction {
			return true
		}
	}
	for i := range job.Actions {
		if a := &job.Actions[i]; a.Called || a.Do == message.ActStart {
			return true
		}
	}
	return false
}

// isInTime reports whether the job asks for more than a beginning and an end.
func isInTime(job *message.Job) bool {
	if job.Beats() > 1 || job.Sync || len(job.Actions) > 0 || len(job.Watches) > 0 || canBeginAgain(job) {
		return true
	}
	return slices.ContainsFunc(job.Commands, func(c message.Command) bool { return c.Ready != nil })
}

// begun takes down that a command has begun. Starts are reported in one event with those
// that come together with them.
func (r *Run) hasBegun(s message.StartedInfo) {
	if len(r.started) == 0 {
		r.deadlines.starts = r.now.Add(startsWait)
	}
	l := r.lives[s.Command]
	if l != nil {
		s.Life += l.unborn
	}
	r.started = append(r.started, s)
	if l == nil { // of the setup or the teardown
		return
	}
	r.stands(l, alive)
	l.number, l.startedAt, l.late, l.deeds, l.wasOver = s.Life, s.StartedAt, false, nil, false
	if c := r.commandOf(l); c.Phase == message.PhaseAction {
		r.timers.set(r.now.Add(c.Timeout()), timeIsOver, l)
	} else {
		r.seekReady(l)
	}
	r.takeEarly(l)
}

// takeEarly takes down what came before the news of a start.
func (r *Run) takeEarly(l *life) {
	acted, seen := l.earlyActed, l.earlySeen
	l.earlyActed, l.earlySeen = nil, nil
	for _, in := range acted {
		r.acted(in)
	}
	for _, in := range seen {
		r.sawLine(in)
	}
}

// knows reports whether that life is known to have begun.
func (l *life) knows(number int) bool { return l.stand != heldBack && number <= l.number }

// exited takes down the end of a life, or that one could not begin.
func (r *Run) exited(exit *message.ExitedInfo) {
	l := r.lives[exit.Command]
	exit.Life += l.unborn
	r.endLife(l, exit)
}

// endLife is for a life that has ended, or ends before it has begun.
func (r *Run) endLife(l *life, exit *message.ExitedInfo) {
	l.number = exit.Life
	exit.TimedOut = l.late && (exit.Stopped || exit.Killed)
	exit.Action = l.endedBy(exit)
	exit.Again = r.beginsAgain(l, exit)
	if exit.Again {
		r.stands(l, between)
	} else {
		r.stands(l, gone)
	}
	r.report(&message.Event{Kind: message.Exited, Exited: exit})
	r.endSearch(l, exit)
	if c := r.commandOf(l); c.Phase == message.PhaseAction {
		if word, reason := outcome.Judge(exit.Exit(), r.job.Circumstances(c)); word != outcome.CommandSucceeded {
			r.emit(Log{What: CommandFailed, Command: l.command, Reason: reason})
		}
	}
	r.fire(onGone)
}

// endedBy is the number of the action that has ended a life; nil: none has. A stop has,
// and so has a signal that asks for an end, whatever the end looks like; of any other
// signal it has to be the mark of the end.
func (l *life) endedBy(exit *message.ExitedInfo) *int {
	end := exit.Exit()
	for i := range slices.Backward(l.deeds) {
		d := &l.deeds[i]
		if d.signal == "" || asksForEnd(d.signal) || end.Status() == outcome.Status(-1, "SIG"+d.signal) {
			return &d.action
		}
	}
	return nil
}

func asksForEnd(signal string) bool {
	return signal == "KILL" || signal == "TERM" || signal == "INT" || signal == "QUIT"
}

// beginsAgain reports whether another life is known to come after that end, and has it
// come where the process's own policy says so.
func (r *Run) beginsAgain(l *life, exit *message.ExitedInfo) bool {
	if r.isStopped(l) || exit.Left {
		return false
	}
	if p := r.commandOf(l).Restart; p != nil && l.restarts < p.AtMost && (p.On == message.RestartAlways || r.hasFailed(l, exit)) {
		l.restarts++
		l.starts++
		r.timers.set(r.now.Add(p.Wait()), beginAnew, l)
		return true
	}
	return l.starts > 0
}

// hasFailed reports whether a process has ended by itself, and as it must not.
func (r *Run) hasFailed(l *life, exit *message.ExitedInfo) bool {
	if exit.Action != nil {
		return false
	}
	word, _ := outcome.Judge(exit.Exit(), r.job.Circumstances(r.commandOf(l)))
	return word != outcome.CommandSucceeded
}

// isStopped reports whether a command is being stopped, so that it does not begin again.
func (r *Run) isStopped(l *life) bool {
	c := r.commandOf(l)
	return r.stop != nil || r.stopsFrom > 0 && c.Phase == message.PhaseRun && c.Beat >= r.stopsFrom
}

// restart has a process begin anew whose wait is over, unless an action was quicker.
func (r *Run) restart(l *life) {
	l.starts--
	if l.stand == between && !r.isStopped(l) {
		r.plan(planned{what: aRestart, command: l.command}, r.now)
	}
}

// notBegun is for a life that could not begin, though it was known to come: it ends before
// it has begun, if no other is to come. A process that was told to be over stays so: what
// has failed is the action alone.
func (r *Run) notBegun(l *life, reason string) {
	if l.stand != between || l.starts > 0 || l.coming > l.number || r.isStopped(l) {
		return
	}
	if l.wasOver {
		r.stands(l, gone)
		r.fire(onGone)
		return
	}
	l.unborn++
	r.endLife(l, &message.ExitedInfo{Command: l.command, Life: l.number + 1, ExitCode: -1, Reason: reason})
}

// actionLate is called when the time of a command of PhaseAction is over. One that is being stopped
// already has that time to end.
func (r *Run) actionLate(l *life) {
	if l.stand == alive && !r.isStopped(l) {
		l.late = true
		r.plan(planned{what: aTimeout, command: l.command}, r.now)
	}
}

func (r *Run) commandOf(l *life) *message.Command { return &r.job.Commands[l.command] }

// stands moves a command on, and counts the processes that have not ended for good.
func (r *Run) stands(l *life, to stand) {
	if r.commandOf(l).Phase == message.PhaseRun {
		if l.stand == gone {
			r.left++
		}
		if to == gone {
			r.left--
		}
	}
	l.stand = to
}

// dropHeld takes processes for gone that were stopped before they began, or between two lives.
func (r *Run) dropHeld(from int) {
	for n, c := range r.job.In(message.PhaseRun) {
		if l := r.lives[n]; c.Beat >= from && (l.stand == heldBack || l.stand == between) {
			r.stands(l, gone)
		}
	}
}

// noneLeft reports whether nothing will begin any more of what has to begin, and no action
// that is called can come: the set is closed then.
func noneLeft(r *Run) bool {
	if !r.open || r.left > 0 || r.job.Has(message.PhaseAction) {
		return false
	}
	for i := range r.job.Actions {
		a := &r.job.Actions[i]
		if a.Called || a.Do == message.ActStart && !r.armed[a.Beat] {
			return false
		}
	}
	return true
}

func closeSet(r *Run) {
	r.open = false
	r.emit(CloseSet{})
}
