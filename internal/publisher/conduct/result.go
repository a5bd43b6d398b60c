package conduct

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"downbeat/internal/clock"
	"downbeat/internal/message"
	"downbeat/internal/outcome"
)

// A Result is what a run came to.
type Result struct {
	Outcome outcome.Run
	Reason  string // for people; empty where the run succeeded
	// EnqueuedAt is when the jobs were sent, ReleaseAt the agreed instant of the release;
	// zero: it never came to that.
	EnqueuedAt, ReleaseAt time.Time
	// Beats are all of the run's, in their order.
	Beats []BeatResult
	// Acts are what was done to the run, or was to be.
	Acts []Act
	// Marks are the instants that processes have named, Barriers those that have opened.
	Marks    []Mark
	Barriers []Barrier
	// Processes are by their numbers, which are those of the first commands.
	Processes []Ran
	Hosts     []HostResult
}

// A BeatResult is what one beat of a run came to.
type BeatResult struct {
	Groups []string  // whose processes begin on it
	At     time.Time // the agreed instant; zero: it never came to that
	CutOff bool      // its processes were stopped before that
}

// A HostResult is what a run came to on one host.
type HostResult struct {
	Outcome outcome.Host
	Reason  string
	// Hold is how its processes were held until the release; empty where it never came to
	// that.
	Hold string
	// Clock is what is known of its clock, Brokered what went through the broker tells of it
	// alone, and Direct is how many exchanges did not. Stops are those that it carried out, in their order.
	// Waited: it stayed for the stop, even if its processes had ended before.
	Clock, Brokered *clock.Offset
	Direct          int
	Stops           []HostStop
	Waited          bool
	// Setup and Teardown are the commands that were run, in their order.
	Setup, Teardown []Ran
	Acted           []Ran // that actions have run
	Swept           int   // processes that had to be killed outside of their groups
	// Left are processes that can't be ended, Unseen is why it isn't known whether there are
	// any, and Notes are what else it told.
	Left   []message.Leftover
	Unseen string
	Notes  []string
	// Facts are what is true of the host; nil if it has not told.
	Facts *message.FactsInfo
	// FilesTold: it has told of all its files.
	FilesTold bool
}

// A HostStop is a stop that a host has carried out: of all its processes, or of those of a beat and
// later ones. It may have had none left by then.
type HostStop struct {
	FromBeat int
	At       clock.Instant
}

// Result sums the run up once it is over.
func (r *Run) Result() Result {
	res := Result{
		EnqueuedAt: r.enqueuedAt, ReleaseAt: r.releaseAt, Beats: make([]BeatResult, len(r.beats)),
		Processes: make([]Ran, 0, len(r.commands)), Hosts: make([]HostResult, len(r.hosts)),
	}
	for k := range r.beats {
		b := &r.beats[k]
		res.Beats[k] = BeatResult{Groups: b.groups, At: b.at, CutOff: r.isCutOff(b)}
	}
	for i := range r.commands {
		if c := &r.commands[i]; c.Phase == message.PhaseRun {
			c.complete(!r.releaseAt.IsZero())
			res.Processes = append(res.Processes, c.Ran)
		}
	}
	res.Acts, res.Marks, res.Barriers = r.allActs(), r.hub.marks, r.hub.opened
	res.Outcome, res.Reason = r.outcome()
	for i := range r.hosts {
		res.Hosts[i] = hostResult(r, &r.hosts[i], res.Outcome)
	}
	return res
}

// complete adds what the end of its host tells of a process; released says whether the run
// was.
func (c *command) complete(released bool) {
	c.Total = c.tally.Total()
	switch h := c.host; {
	case c.unasked && h.outcome == outcome.HostAborted:
		c.Outcome, c.Reason = outcome.CommandStopped, "its worker stopped the run by itself: "+h.reason
	case c.unready != "" && c.ended():
		c.Outcome, c.Reason = outcome.CommandFailed, describeUnready(c)
	case c.ended() && !c.Exit.Again:
	case c.ended() && h.outcome != outcome.HostLost:
		c.cutOff()
	case !c.StartedAt.IsZero(), h.outcome == outcome.HostLost && released:
		c.Outcome, c.Reason = outcome.CommandLost, h.reason
	default:
		c.Outcome = outcome.CommandNotStarted
	}
}

func hostResult(r *Run, h *host, run outcome.Run) HostResult {
	res := HostResult{
		Outcome: h.outcome, Reason: h.reason, Clock: &h.contact.clock, Brokered: h.contact.broker(), Direct: h.direct.exchanges, Stops: h.stops, Waited: h.waits,
		Setup: h.setup, Teardown: h.teardown, Acted: h.acted, Facts: h.facts, FilesTold: h.done != nil && h.done.Files != nil,
	}
	if ready := h.preparation.ready; ready != nil {
		res.Hold = ready.Hold
	}
	if h.done != nil {
		res.Swept = h.done.Swept
	}
	if res.Outcome == "" {
		res.Outcome, res.Reason = hostOutcome(r, h, run)
	}
	res.Left, res.Unseen, res.Notes = h.remains()
	if left := h.leftover(); left != "" { // then it is not good
		if res.Outcome == outcome.HostSucceeded || res.Outcome == outcome.HostStopped {
			res.Outcome = outcome.HostFailed
		}
		res.Reason = strings.TrimPrefix(res.Reason+"; "+left, "; ")
	}
	return res
}

// hostOutcome judges a host that did what it was asked to, in a run that ended so.
func hostOutcome(r *Run, h *host, run outcome.Run) (outcome.Host, string) {
	var failed, hung, late []string
	for local := range h.job.In(message.PhaseRun) {
		switch c := h.command(local); {
		case c.failed():
			failed = append(failed, c.Name+" "+c.Reason)
		case c.Outcome != outcome.CommandTimedOut:
		case r.rule.waits(c.Group): // those that the stop rule waits for come first
			hung = append(hung, c.Name)
		default:
			late = append(late, c.Name)
		}
	}
	late = slices.Concat(hung, late)
	switch {
	case len(failed) > 0:
		return outcome.HostFailed, joinNames(failed)
	case len(late) > 0:
		return outcome.HostTimedOut, joinNames(late) + " had not ended"
	case run == outcome.RunAborted:
		return outcome.HostAborted, ""
	case r.ending.failing() && (!h.stoppedAt.IsZero() || r.releaseAt.IsZero()):
		return outcome.HostStopped, ""
	}
	return outcome.HostSucceeded, ""
}

// maxRemains bounds what is taken of a host's word about what is left on it.
const maxRemains = 100

// remains gives what a host has told of what is left on it: processes that can't be ended,
// why it isn't known whether there are any, and whatever else.
func (h *host) remains() (left []message.Leftover, unseen string, notes []string) {
	switch {
	case h.done != nil:
		left, unseen, notes = h.done.Left, h.done.Unseen, h.done.Notes
	case h.refused != nil:
		left, unseen, notes = h.refused.Left, h.refused.Unseen, h.refused.Notes
	}
	return left[:min(len(left), maxRemains)], unseen, notes[:min(len(notes), maxRemains)]
}

// leftover says what of a run could not be ended on the host; empty if all was.
func (h *host) leftover() string {
	left, unseen, _ := h.remains()
	var names []string
	for _, l := range left {
		names = append(names, fmt.Sprintf("%s (pid %d)", l.Command, l.PID))
	}
	switch {
	case len(names) > 0:
		return "could not be ended, and may still be there: " + joinNames(names)
	case unseen != "":
		return "it can't be told whether processes are left: " + unseen
	}
	return ""
}

// leftovers says on which hosts something of the run could not be ended.
func leftovers(hosts []host) string {
	var left []string
	for i := range hosts {
		if h := &hosts[i]; h.leftover() != "" {
			left = append(left, h.name+": "+h.leftover())
		}
	}
	return strings.Join(left, "; ")
}
