package course

import (
	"fmt"
	"time"

	"downbeat/internal/message"
	"downbeat/internal/outcome"
)

// Whether a process can be used: the worker looks for what its [message.Readiness] names,
// from the start of each life until it is seen, the life has ended, or its time is over.

// A readiness is how far that has come for a life.
type readiness uint8

const (
	notSought readiness = iota // nothing is looked for, or no longer
	sought                     // it is being looked for
	tooLate                    // its time is over, and it is not known yet what the last look has found
	owesLine                   // the life has ended, and what it wrote may still be on its way
)

// lineGrace is how long after a process's end a line of it may still come.
const lineGrace = 250 * time.Millisecond

// seekReady begins to look, where the process says what for.
func (r *Run) seekReady(l *life) {
	ready := r.commandOf(l).Ready
	l.ready = notSought
	if ready == nil || r.isStopped(l) {
		return
	}
	l.ready = sought
	r.timers.set(l.startedAt.Add(ready.Within()), withinOver, l)
	if ready.Line == "" {
		r.emit(Probe{Command: l.command, Life: l.number})
	} else if !l.lineAt.IsZero() && !l.lineAt.Before(l.startedAt) {
		r.isReady(l, l.lineAt, "")
	}
}

// probed takes down what a probe has come to.
func (r *Run) probed(in Probed) {
	l := r.lives[in.Command]
	switch {
	case l == nil || l.number != in.Life:
	case l.ready == tooLate && in.Err != "":
		r.isReady(l, r.now, r.notWithin(l)+": "+in.Err)
	case l.ready == tooLate, l.ready == sought:
		r.isReady(l, in.At, in.Err)
	case l.ready == notSought, l.ready == owesLine: // that is settled, or not for a probe
	}
}

// lined takes down that a process has written the line that is looked for. It may have
// come before the news of the start.
func (r *Run) lined(in Lined) {
	l := r.lives[in.Command]
	switch {
	case (l.ready == sought || l.ready == owesLine) && !in.At.Before(l.startedAt):
		r.isReady(l, in.At, "")
	case l.stand != alive:
		l.lineAt = in.At
	}
}

// isReady tells that a process can be used or, with a reason, that it did not become
// ready.
func (r *Run) isReady(l *life, at time.Time, reason string) {
	l.ready = notSought
	if reason != "" && r.isStopped(l) {
		return
	}
	r.report(&message.Event{
		Kind: message.ProcessReady, Time: at, ProcessReady: &message.ProcessReadyInfo{Command: l.command, Life: l.number, Reason: reason},
	})
}

// endSearch is for the end of a life. Where another follows, that is to become ready, and
// where the process was stopped, nobody waits for it any more.
func (r *Run) endSearch(l *life, exit *message.ExitedInfo) {
	if l.ready == notSought {
		return
	}
	line := r.commandOf(l).Ready.Line != ""
	if !line && l.ready == sought {
		r.emit(EndProbe{Command: l.command})
	}
	switch {
	case exit.Again || r.isStopped(l):
		l.ready = notSought
	case line:
		l.ready = owesLine
		l.lastWay = way(exit)
		r.timers.set(r.now.Add(lineGrace), lineOver, l)
	default:
		r.isReady(l, r.now, way(exit))
	}
}

// way says how a life ended that had not become ready.
func way(exit *message.ExitedInfo) string {
	e := exit.Exit()
	if word, reason := outcome.Judge(e, outcome.Circumstances{OKExit: []int{0}}); word == outcome.CommandFailed && exit.Action == nil {
		return "it " + reason + ", before it was ready"
	}
	return fmt.Sprintf("it ended with status %d, before it was ready", e.Status())
}

// searchIsOver is called when a process has had its time to become ready, or when a line
// of one that has ended has not come.
func (r *Run) searchIsOver(l *life, kind timerKind) {
	switch {
	case kind == lineOver && l.ready == owesLine:
		r.isReady(l, r.now, l.lastWay)
	case kind == withinOver && l.ready == sought && r.commandOf(l).Ready.Line == "":
		l.ready = tooLate
		r.emit(EndProbe{Command: l.command})
	case kind == withinOver && l.ready == sought:
		r.isReady(l, r.now, r.notWithin(l))
	}
}

func (r *Run) notWithin(l *life) string {
	return "it was not ready within " + r.commandOf(l).Ready.Within().String()
}

// endSearches is for when no process is left: what they wrote has come.
func (r *Run) endSearches() {
	for _, l := range r.lives {
		if l != nil && l.ready == owesLine {
			r.searchIsOver(l, lineOver)
		}
	}
}
