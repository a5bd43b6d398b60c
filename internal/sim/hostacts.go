package sim

import (
	"slices"
	"time"

	"downbeat/internal/message"
	"downbeat/internal/worker/course"
)

// What a host does to commands in the course of a run, and what these ask for.

// act has something done to a command.
func (t *hostRun) act(e course.Act) {
	at := t.clock.local(e.At)
	script := &t.ledger.part.Commands[e.Command]
	d := deed{do: e.Do, signal: e.Signal, pause: e.For, due: at, late: at <= t.w.e.now, timeout: e.Do == message.ActStop && script.Phase == message.PhaseAction}
	told := func(life int, why string) {
		t.post(course.Acted{Token: e.Token, Life: life, At: t.now(), Err: why})
	}
	if want := script.Stop.grace(t.dir.job.Grace()); e.Do == message.ActStop && e.Grace != want {
		t.w.ledger.violate("actions: %s of %s is stopped on %s with a grace of %s, and has %s", script.Name, t.w.short(t.dir.job.Run), t.worker.h.name, e.Grace, want)
	}
	if e.Do != message.ActStart && e.Do != message.ActRun {
		t.set.act(e.Command, d, e.For, e.Grace, told)
		return
	}
	if t.ledger.isStopped(script) {
		t.w.ledger.violate("no life after a stop: %s of %s is to begin anew on %s", script.Name, t.w.short(t.dir.job.Run), t.worker.h.name)
	}
	t.set.startAgain(e.Command, d, told)
}

// said tells that a process has written the line that actions wait for.
func (t *hostRun) said(command int) {
	for i := range t.dir.job.Watches {
		if w := &t.dir.job.Watches[i]; slices.Contains(w.Commands, command) && t.told(i) < w.Most {
			t.watched[i]++
			t.post(course.Seen{Watch: i, Command: command, At: t.now()})
		}
	}
}

// told is how many lines of a watch were told of.
func (t *hostRun) told(watch int) int {
	for len(t.watched) <= watch {
		t.watched = append(t.watched, 0)
	}
	return t.watched[watch]
}

// asked hands on what a process asks for.
func (t *hostRun) asked(command int, a *Asking) {
	q := t.w.ledger.asked(t.ledger, command, a)
	t.questions = append(t.questions, q)
	t.post(course.Asked{Token: uint64(len(t.questions)), At: t.now(), Info: message.AskedInfo{
		What: a.What, Name: a.Name, Process: q.command.script.Name, Count: a.Count, WithinMS: a.Within.Milliseconds(), Value: q.value(),
	}})
	t.after(a.Within+answerLate+t.w.ledger.slack(), func() {
		if !q.answered && q.waits() && !t.worker.h.stalls() {
			t.w.ledger.violate("every wait ends: %s of %s on %s has no answer after %s", q.command.script.Name, t.w.short(t.dir.job.Run), t.worker.h.name, time.Duration(t.w.e.now-q.at))
		}
	})
}

// answerLate is how long after its own time a process waits for an answer at most.
const answerLate = 12 * time.Second

// answered gives a process what it has asked for.
func (t *hostRun) answered(e course.Answered) {
	q, at := t.questions[e.Token-1], t.w.e.now
	if !e.At.IsZero() {
		at = t.clock.local(e.At)
	}
	t.w.ledger.answered(q, at, &e)
}

// stalls reports whether the machine stands still at some time.
func (h *host) stalls() bool {
	return slices.ContainsFunc(h.w.plan.Faults, func(f Fault) bool { return f.Kind == Stalled && f.Who == h.number })
}
