package conduct

import (
	"cmp"
	"fmt"
	"time"

	"downbeat/internal/message"
	"downbeat/internal/outcome"
)

// A host's part in a run ends in one of four ways: it declines before anything was
// started; it finishes, which closes its account; it is lost, as it is silent, owes
// something, or contradicts itself; or the run was stopped before it had answered.

// decline notes that a host can't take part, before anything was started. The run is over
// for that, but not before the others have had a chance to answer.
func (r *Run) decline(h *host, word outcome.Host, reason string) {
	h.outcome, h.reason = word, reason
	r.close(h)
	if r.declinedAt.IsZero() {
		r.declinedAt = r.now
	}
}

// finish closes a host's account. Where that is not whole, the host is lost: it has not
// proved that all went well.
func (r *Run) finish(h *host, done *message.DoneInfo, logged bool) {
	h.done = done
	wrong := h.account.done(done, logged, r.orders(h))
	if wrong == "" && done.Outcome == message.HostDone && h.inbox.gap() {
		wrong = fmt.Sprintf("event %d is said to be its last, and it has logged event %d", h.inbox.next-1, h.inbox.newest)
	}
	if wrong != "" {
		r.lose(h, fmt.Sprintf("%s does not account for its part of the run: %s", h.name, wrong))
		return
	}
	switch done.Outcome {
	case message.HostLost:
		h.outcome, h.reason = outcome.HostLost, cmp.Or(done.Reason, "its worker lost the run, and gives no reason")
	case message.HostStopped:
		h.outcome, h.reason = outcome.HostAborted, cmp.Or(done.Reason, "its worker ended the run by itself, and gives no reason")
	default:
		if lacking := h.lacking(done.Totals); lacking != "" {
			h.outcome, h.reason = outcome.HostLost, lacking
		}
	}
	r.close(h)
	if h.outcome == outcome.HostLost || h.outcome == outcome.HostAborted {
		r.lostBy(h, fmt.Sprintf("%s: %s", h.name, h.reason))
	}
}

// close ends one host's part. What it has reported is acknowledged, so that it need not
// keep that until the other hosts are over too.
func (r *Run) close(h *host) {
	if len(h.job.Collect) > 0 && h.phase >= Released {
		end := h.files.end(h.name, h.done, h.reason)
		if end.lacking != "" && h.outcome == "" {
			h.outcome, h.reason = outcome.HostLost, end.lacking
		}
		r.out.put(CloseFiles{Host: h.index, Missing: end.missing, Unfinished: end.unfinished})
	}
	if h.pending {
		h.pending = false
		r.pending--
	}
	if h.inbox.next > 1 {
		h.inbox.acknowledge()
		r.out.put(Flush{})
		r.out.put(Send{Host: h.index, Control: &message.Control{Kind: message.Keepalive, Ack: h.inbox.acked}})
	}
	r.move(h, Completed, h.reason)
}

// lose gives a host up, and with it the run. The host is told to stop all the same: it may
// hear us though we don't hear it.
func (r *Run) lose(h *host, reason string) {
	h.reason = reason // of what is missing of its files, too
	r.close(h)
	h.outcome, h.reason = outcome.HostLost, reason
	r.lostBy(h, reason)
	stop := r.ending.control
	r.out.hurry(Send{Host: h.index, Control: &stop})
}

// lostBy ends a run that is lost by that host.
func (r *Run) lostBy(h *host, reason string) {
	h.lostAs = reason
	r.ending.lost = append(r.ending.lost, h)
	r.halt(message.StopFailure, reason)
}

// contradicted gives up a host whose events can't all be true: nothing of what it reports
// can be believed.
func (r *Run) contradicted(h *host, what string) { r.lose(h, h.contradiction(what)) }

// afterword takes what still comes of a host whose part has ended. Nothing new may be in it
// if the host has closed its account itself. Its last event comes again if it has not heard
// that all it has reported is safe.
func (r *Run) afterword(h *host, a Received) {
	last := a.Seq
	if e, ok := a.Content.(Event); ok && a.Seq == 0 && e.Kind == message.Heartbeat {
		last = e.Heartbeat.Last
	}
	if h.outcome == "" && last >= h.inbox.next {
		what := fmt.Sprintf("event %d was to be its last, and it has logged event %d", h.inbox.next-1, last)
		h.outcome, h.reason = outcome.HostLost, h.contradiction(what)
		r.lostBy(h, h.reason)
		return
	}
	if c := acknowledgeAgain(h.inbox.acked, a.Seq); c != nil {
		r.out.put(Send{Host: h.index, Control: c})
	}
}

// silent gives up a host that nothing has come from for the lease.
func silent(r *Run, h *host) {
	r.lose(h, fmt.Sprintf("no word from %s for %s: the host, its worker or its network is gone", h.name, r.spec.Lease))
}

// idle gives up a host that answers and still does not do what it was asked for again and
// again. Without this a run would wait for it for ever.
func idle(r *Run, h *host) {
	r.lose(h, fmt.Sprintf("%s did not %s within %s, though it answers", h.name, askNames[h.request.ask], r.spec.asking()))
}

// starved gives up a host that answers, and of which events are missing that it was asked
// for again and again. It says which and, as far as what came after them tells, which
// lines of which command were in them.
func starved(r *Run, h *host) {
	which, have, them := h.inbox.describe(h.name)
	with := "what was in " + them + " is not known"
	if lost := h.linesBefore(h.inbox.waiting()); len(lost) > 0 {
		with = "with " + them + " " + joinNames(lost)
	}
	r.lose(h, fmt.Sprintf("%s missing, and %s: %s not come within %s, though the host answers and was asked again and again",
		which, with, have, r.spec.asking()))
}

// stalled gives up a host whose files don't come any further.
func stalled(r *Run, h *host) {
	r.lose(h, fmt.Sprintf("nothing has come of the files of %s for %s", h.name, r.spec.CompleteWithin))
}

// stuck gives up a host that has nothing left to run but its teardown, and doesn't come to
// its end.
func stuck(r *Run, h *host) {
	what := "teardown"
	if h.phase == Released {
		what = "end"
	}
	r.lose(h, fmt.Sprintf("nothing has come of the %s of %s for %s", what, h.name, completeWithin(r, h)))
}

// overdue gives up a host that doesn't come to its end.
func overdue(r *Run, h *host) {
	r.lose(h, fmt.Sprintf("%s did not complete within %s after it was told to stop", h.name, completeWithin(r, h)))
}

// completeWithin is how long a host may take to complete, after TERM and grace where it is
// stopped, with the time that its teardown may take.
func completeWithin(r *Run, h *host) time.Duration {
	return r.spec.CompleteWithin + h.limit(message.PhaseTeardown)
}
