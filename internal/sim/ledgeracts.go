package sim

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"downbeat/internal/message"
	"downbeat/internal/worker/course"
)

// What is done to commands in the course of a run, and what processes ask for.

// A deed is something that was done to a command: by an action or, as a start, by its restart.
type deed struct {
	do     message.ActionKind
	signal string
	at     instant
	due    instant
	pause  time.Duration
	late   bool // the host was told too late to do it when it was due
	// timeout: it is the end of a command of an action that has had its time.
	timeout bool
}

// A line was written that actions wait for.
type line struct {
	who Target
	at  instant
}

// isStopped reports whether a command has been stopped on the host, as far as its worker knows.
func (h *ledgerHost) isStopped(c *Command) bool {
	for from := range h.stops {
		if h.stops[from].at != 0 && (from == 0 || c.Phase == message.PhaseRun && c.Beat >= from) {
			return true
		}
	}
	return false
}

// said enters that a process has written a line that actions wait for.
func (l *ledger) said(s *set, m *member) {
	h := l.on(s.run, s.host)
	for i := range h.run.hosts {
		if &h.run.hosts[i] == h {
			h.run.lines = append(h.run.lines, line{Target{i, m.command}, l.w.e.now})
		}
	}
	if l.w.notes != nil {
		l.w.note("%s: %s of %s says something", s.host.name, m.script.Name, l.w.short(s.run))
	}
}

// A question is something that a process has asked for.
type question struct {
	host     *ledgerHost
	command  *ledgerCommand
	life     int // of the process, from 1
	number   int // in the run
	asked    *Asking
	at       instant
	answered bool
	told     instant // when the answer came
	goes     instant // when the process goes on with it
	late     bool    // which is too late, as the answer came so
	good     bool
	got      string // of a get
	recorded bool   // of a mark
}

// asked enters that a process asks for something.
func (l *ledger) asked(h *ledgerHost, command int, a *Asking) *question {
	q := &question{host: h, command: &h.commands[command], life: h.commands[command].lives, number: len(h.run.questions), asked: a, at: l.w.e.now}
	h.run.questions = append(h.run.questions, q)
	if l.w.notes != nil {
		l.w.note("%s: %s of %s asks for %s %s", h.host.name, q.command.script.Name, l.w.short(h.run.id), a.What, a.Name)
	}
	return q
}

// value is what is put: each time something else.
func (q *question) value() []byte {
	if q.asked.What != message.AskPut {
		return nil
	}
	return fmt.Appendf(nil, "value %d", q.number)
}

// waits reports whether the process is still there to be answered.
func (q *question) waits() bool {
	c := q.command
	return c.lives == q.life && !c.exited && !c.gone && !q.host.ended
}

// answered enters what a process gets, and checks that it may.
func (l *ledger) answered(q *question, at instant, e *course.Answered) {
	name := fmt.Sprintf("%s of %s on %s", q.command.script.Name, l.w.short(q.host.run.id), q.host.host.name)
	if l.w.notes != nil {
		l.w.note("%s: %s gets %q for %s %s", q.host.host.name, name, cmp.Or(e.Error, string(e.Value), "ok"), q.asked.What, q.asked.Name)
	}
	if q.answered {
		l.violate("answers: %s gets one twice", name)
		return
	}
	q.answered, q.told, q.goes, q.late = true, l.w.e.now, max(at, l.w.e.now), at <= l.w.e.now
	q.good, q.got = e.Error == "", string(e.Value)
	wrong := ""
	switch {
	case e.TimedOut && l.w.e.now.add(l.slackOf(q.host)) < q.at.add(q.asked.Within):
		wrong = fmt.Sprintf("is said to have waited for too long after %s: %s", time.Duration(l.w.e.now-q.at), e.Error)
	case e.TimedOut:
		wrong = l.waitedInVain(q)
	case !q.good:
		wrong = l.refused(q, e.Error)
	case q.asked.What == message.AskBarrier && e.At.IsZero():
		wrong = "is told no instant at which to go on"
	case q.asked.What == message.AskBarrier:
		wrong = q.wentOn()
	case q.asked.What == message.AskGet:
		wrong = q.read()
	}
	if wrong != "" {
		l.violate("answers: %s, that asks for %s %s, %s", name, q.asked.What, q.asked.Name, wrong)
	}
}

// waitedInVain says what is wrong with one who has waited for too long: where nothing goes wrong,
// who puts a value or makes a mark does not wait, there was no value to be got, and not so many
// waited at a barrier as it is for.
func (l *ledger) waitedInVain(q *question) string {
	switch {
	case !l.w.calm() || q.host.stops[0].at != 0:
		return ""
	case q.asked.What == message.AskPut || q.asked.What == message.AskMark:
		return "has no answer"
	case q.asked.What == message.AskGet && l.w.plan.Network.LossPercent == 0:
		for _, o := range q.host.run.questions {
			if o.of(message.AskPut, q.asked.Name) && o.answered && o.good && o.told.add(l.slack()) < q.at.add(q.asked.Within) {
				return fmt.Sprintf("waits in vain, and %s has put one", o.command.script.Name)
			}
		}
	case q.asked.What == message.AskBarrier && l.w.plan.Network.LossPercent == 0:
		wait := 1
		for _, o := range q.host.run.questions {
			if o.of(message.AskBarrier, q.asked.Name) && o.asked.Count == q.asked.Count && !o.answered && o.at.add(2*l.slack()) < l.w.e.now {
				wait++
			}
		}
		if wait >= q.asked.Count {
			return fmt.Sprintf("waits in vain, and so do %d more", wait-1)
		}
	}
	return ""
}

// refused says what is wrong with an answer that is none.
func (l *ledger) refused(q *question, why string) string {
	switch {
	case q.host.stops[0].at != 0 || q.host.run.result != nil || strings.Contains(why, "is being stopped"):
		return ""
	case q.asked.What == message.AskGet && q.asked.Within == 0:
		for _, o := range q.host.run.questions {
			if o.of(message.AskPut, q.asked.Name) && o.answered && o.good && o.told < q.at {
				return fmt.Sprintf("is told that there is none, and %s had put one", o.command.script.Name)
			}
		}
		return ""
	case q.asked.What == message.AskBarrier:
		for _, o := range q.host.run.questions {
			if o.of(message.AskBarrier, q.asked.Name) && o.asked.Count != q.asked.Count {
				return ""
			}
		}
	}
	return "is refused that: " + why
}

func (q *question) of(what message.AskedWhat, name string) bool {
	return q.asked.What == what && q.asked.Name == name
}

// wentOn says what is wrong with a barrier that lets a process go on.
func (q *question) wentOn() string {
	came, went := 0, 0
	for _, o := range q.host.run.questions {
		if o.of(message.AskBarrier, q.asked.Name) && o.asked.Count == q.asked.Count {
			came++
			if o.answered && o.good {
				went++
			}
		}
	}
	if needs := (went + q.asked.Count - 1) / q.asked.Count * q.asked.Count; came < needs {
		return fmt.Sprintf("goes on as the %dth, and of %d that there have to be %d have come", went, needs, came)
	}
	return ""
}

// read says what is wrong with a value: it has to be one that was put, and not one that had
// been put anew before it was asked for. What is put by a process that is not told so may be
// there at any time after.
func (q *question) read() string {
	var from *question
	for _, o := range q.host.run.questions {
		if o.of(message.AskPut, q.asked.Name) && string(o.value()) == q.got {
			from = o
		}
	}
	if from == nil {
		return fmt.Sprintf("gets %q, which nobody has put", q.got)
	}
	for _, o := range q.host.run.questions {
		if o.of(message.AskPut, q.asked.Name) && o.answered && o.good && o.told < q.at && from.good && from.told < o.at {
			return fmt.Sprintf("gets %q of %s, after which %s had put another", q.got, from.command.script.Name, o.command.script.Name)
		}
	}
	return ""
}
