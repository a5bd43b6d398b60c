package conduct

import (
	"time"

	"downbeat/internal/clock"
	"downbeat/internal/message"
	"downbeat/internal/outcome"
)

// A host is one host's part in a run. What it consists of does not know the run.
type host struct {
	index int
	name  string
	phase Phase

	contact     contact     // whether it is there, and its clock
	direct      direct      // how that is measured without the broker
	inbox       inbox       // its events in order
	account     account     // whether they can be true
	preparation preparation // its way to being ready
	work                    // its commands
	files       files       // that it sends
	request     request     // what it is asked for
	beats       []hostBeat  // of its job
	calls       []*call     // actions that it is to carry out
	questions   questions   // of its processes
	waits       bool        // for the stop, when its processes have ended

	stops      []HostStop    // as it carried them out, in their order
	stoppedAt  clock.Instant // the stop of all among them
	stopShown  int           // from which beat on it has said that it has stopped its processes
	refused    *message.RefusedInfo
	done       *message.DoneInfo
	facts      *message.FactsInfo
	outcome    outcome.Host // set early where the publisher decides: lost, not ready
	reason     string
	lostAs     string // the run's reason, if the host is what it was lost by
	passedOver bool   // an event of an unknown kind; that was told

	due     time.Time // its next deadline
	stale   bool      // which may not hold any more
	touched bool      // something of it has changed with this Step
	pending bool      // the next event in order is here
}

// newHost makes the part of the host with that index.
func newHost(index int, spec *Spec, commands []command, now time.Time) host {
	s := &spec.Hosts[index]
	var ownGrace time.Duration
	for _, c := range s.Job.In(message.PhaseRun) {
		if c.Stop != nil {
			ownGrace = max(ownGrace, c.Grace(0))
		}
	}
	h := host{
		index: index, name: s.Job.Host, touched: true, stale: true, stopShown: message.MaxBeats,
		contact:     contact{heard: now, since: now, probing: quickProbes, keepaliveAt: now},
		inbox:       inbox{next: 1, window: int(s.Job.WindowBytes), progress: now},
		account:     newAccount(s.Job),
		preparation: preparation{by: now.Add(spec.ReadyTimeout)},
		beats:       newHostBeats(s.Job),
		work:        work{job: s.Job, numbers: s.Numbers, commands: commands, left: s.Job.Count(message.PhaseRun), ownGrace: ownGrace},
	}
	h.waits = h.stays()
	return h
}

// touch notes that something of the host has changed.
func (h *host) touch() { h.touched, h.stale = true, true }

// over reports whether nothing more is expected of the host.
func (h *host) over() bool { return h.phase == Completed }

// answers reports whether something has come from the host.
func (h *host) answers() bool { return h.phase != Asked || h.contact.clock.Samples() > 0 }

// measuredAt is from when on the host's clock is known well enough, or has been tried for
// long enough: never, as long as nothing is known of it.
func (h *host) measuredAt() time.Time {
	switch n := h.contact.broker().Samples(); {
	case n == 0:
		return never
	case n < quickProbes:
		return h.preparation.readyAt.Add(measuredFor)
	}
	return time.Time{}
}

// measuredFor is how long a host that is ready is waited for until its clock is known well.
const measuredFor = time.Second

// never is later than all that can be.
var never = time.Unix(1<<40, 0)

// contradiction is the reason of a host whose events can't all be true.
func (h *host) contradiction(what string) string {
	return "what " + h.name + " reports is contradictory: " + what
}
