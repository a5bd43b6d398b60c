package conduct

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"downbeat/internal/message"
	"downbeat/internal/outcome"
)

// A rule is the file's stop rule, with what is to be known of the processes for it.
type rule struct {
	StopRule
	left   int // processes that have not ended
	waited int // of those, the ones that When waits for
}

// waits reports whether the rule waits for the processes of that group.
func (s *StopRule) waits(group string) bool { return slices.Contains(s.When, group) }

// count adds a process to those that have not ended, or takes it away.
func (u *rule) count(c *message.Command, by int) {
	if c.Phase != message.PhaseRun {
		return
	}
	u.left += by
	if u.waits(c.Group) {
		u.waited += by
	}
}

// holds reports whether every process that the rule waits for has ended.
func (u *rule) holds() bool { return len(u.When) > 0 && u.waited == 0 }

// A StopOrder says in which order the processes are stopped by the rule. Any other stop is
// for all at once.
type StopOrder uint8

// The orders.
const (
	Together      StopOrder = iota
	LastBeatFirst           // those of a beat once those of all later beats have ended
)

// A stopStep is one stop, at one agreed instant on all hosts.
type stopStep struct {
	control message.Control // what was sent; without a cause, nothing was
	at      time.Time       // the agreed instant, on the run's clock
	sentAt  time.Time       // when it was sent first
}

// An ending is why a run is stopped, and what else it came to its end for.
type ending struct {
	stopStep            // the latest
	earlier  []stopStep // those of later beats
	grace    time.Duration
	released bool     // the run had been released before
	decided  decision // beside what the hosts report
	lost     []*host  // those that the run is lost by, in the order in which that became known
}

// A decision is what a run came to for another reason than what its processes did: it took
// too long, was aborted, refused, or its results can't be written.
type decision struct {
	word   outcome.Run
	reason string
	at     time.Time
}

// first is the first of the stops.
func (e *ending) first() *stopStep {
	if len(e.earlier) > 0 {
		return &e.earlier[0]
	}
	return &e.stopStep
}

// of is the stop of the processes of a beat; one without a cause where they have not been
// stopped.
func (e *ending) of(beat int) *stopStep {
	for i := range e.earlier {
		if s := &e.earlier[i]; s.control.FromBeat <= beat {
			return s
		}
	}
	if e.control.FromBeat <= beat {
		return &e.stopStep
	}
	return &stopStep{}
}

// stopped reports whether the run is being stopped, or is to be.
func (e *stopStep) stopped() bool { return e.control.Cause != "" }

// failing reports whether it is for another reason than the file's own rule.
func (e *ending) failing() bool { return e.stopped() && e.control.Cause != message.StopRule }

// wasSent reports whether the stop had been sent at that time.
func (e *stopStep) wasSent(t time.Time) bool { return e.stopped() && t.After(e.sentAt) }

// before reports whether the stop's instant was, as far as the clocks can tell, before
// that time, or not longer than by after it.
func (e *stopStep) before(t time.Time, by time.Duration) bool {
	return e.stopped() && t.After(e.at.Add(-by))
}

// conclude decides how a run ends, and stops it. Only the first decision counts.
func (r *Run) conclude(cause message.StopCause, d decision) {
	if r.ending.decided.word == "" {
		d.at = r.now
		r.ending.decided = d
	}
	r.halt(cause, d.reason)
}

// halt stops the run on every host, at one instant: it goes to Stopping with this Step.
// How the run ended is settled later, when all is known; see outcome.
func (r *Run) halt(cause message.StopCause, reason string) {
	e := &r.ending
	if e.stopped() && e.control.FromBeat == 0 || r.stage == Over {
		return
	}
	if !e.stopped() {
		e.released = !r.releaseAt.IsZero()
	}
	from := 0
	if cause == message.StopRule && r.spec.Stop.Order == LastBeatFirst {
		from = r.liveliest(len(r.beats))
	}
	r.stopFrom(from, cause, reason)
}

// stopFrom stops the processes of that beat and of all later ones; with 0, the run.
func (r *Run) stopFrom(beat int, cause message.StopCause, reason string) {
	e := &r.ending
	if e.stopped() {
		e.earlier = append(e.earlier, e.stopStep)
	}
	e.stopStep = stopStep{
		control: message.Control{Kind: message.Stop, Cause: cause, Reason: reason, GraceMS: e.grace.Milliseconds(), FromBeat: beat},
		at:      r.now, sentAt: r.now,
	}
	if e.released {
		e.at = r.now.Add(stopMargin(r.hosts))
	}
	for i := range r.hosts {
		r.hosts[i].touch()
	}
}

// liveliest is the last beat before that one of which a process is there; 0: none is, or
// those of the first are left alone.
func (r *Run) liveliest(before int) int {
	for k := before - 1; k > 0; k-- {
		if r.beats[k].alive > 0 {
			return k
		}
	}
	return 0
}

// stepDone reports whether the processes that a stop is for have ended, and it was not
// for all.
func stepDone(r *Run) bool {
	from := r.ending.control.FromBeat
	return from > 0 && r.liveliest(len(r.beats)) < from
}

// nextStep stops the beat before.
func nextStep(r *Run) {
	e := &r.ending
	r.stopFrom(r.liveliest(e.control.FromBeat), e.control.Cause, e.control.Reason)
	r.tellStopStep()
}

// aliveFrom counts the processes of a host that are there, of that beat and later ones.
func (h *host) aliveFrom(beat int) int {
	n := 0
	for k := beat; k < len(h.beats); k++ {
		n += h.beats[k].alive
	}
	return n
}

// tellStop begins the stop.
func (r *Run) tellStop() {
	r.tellStopStep()
	r.out.put(StopBegun{Cause: r.ending.control.Cause, Reason: r.ending.control.Reason})
	for i := range r.hosts {
		if h := &r.hosts[i]; h.phase == Asked { // nobody there has answered; whoever comes yet will find the stop, or no publisher
			h.outcome, h.reason = outcome.HostStopped, "it had not answered yet"
			r.close(h)
		}
	}
}

func (r *Run) tellStopStep() {
	r.askAll()
	if r.ending.released {
		r.probeAll()
	}
}

const (
	minStopMargin = 5 * time.Millisecond
	maxMargin     = 2 * time.Second
)

// stopMargin is how far ahead a stop is set: three times what the exchange with the
// farthest host usually takes, both ways. The slowest exchanges don't count: the first of
// a run waits for the worker to look at its controls.
func stopMargin(hosts []host) time.Duration {
	margin := minStopMargin
	for i := range hosts {
		margin = max(margin, 3*hosts[i].contact.broker().RoundTrip(0.75))
	}
	return min(margin, maxMargin)
}

// ruleApplies reports whether the file's rules can stop the run. Once every process has
// ended there is nothing to stop: teardowns have their own time.
func ruleApplies(r *Run) bool {
	return !r.ending.stopped() && (r.stage == Starting || r.stage == Running) && r.rule.left > 0 && !r.all(Ended)
}

// stopByRule ends a run in which every process has ended that the rule waits for.
func stopByRule(r *Run) {
	r.halt(message.StopRule, "every process of "+joinNames(r.rule.When)+" has ended")
	r.tellStop()
}

// stopAfter ends a run that has had the time that the rule gives it.
func stopAfter(r *Run, _ *host) {
	r.halt(message.StopRule, fmt.Sprintf("%s are over", r.rule.After))
}

// timeOut ends a run that took longer than the file allows.
func timeOut(r *Run, _ *host) {
	r.conclude(message.StopTimeout, decision{
		word: outcome.RunTimedOut, reason: fmt.Sprintf("it was not over within %s; still running: %s", r.spec.Timeout, stillRunning(r.commands, &r.rule)),
	})
}

// stopRefused ends a run in which a host can't take part.
func stopRefused(r *Run) {
	r.conclude(message.StopFailure, decision{word: outcome.RunRefused, reason: refusals(r.hosts)})
	r.tellStop()
}

func notStored(why string) decision {
	return decision{word: outcome.RunFailed, reason: "the results can't be written: " + why}
}

func cancelled(reason string) decision {
	return decision{word: outcome.RunAborted, reason: strings.TrimSuffix("cancelled: "+reason, ": ")}
}

func interrupted(reason string) decision {
	return decision{word: outcome.RunAborted, reason: reason}
}
