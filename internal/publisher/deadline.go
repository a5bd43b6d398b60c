package publisher

import (
	"fmt"
	"slices"
	"time"

	"downbeat/internal/message"
	"downbeat/internal/results"
)

// watch looks after one host: its keepalive, and every deadline it can miss.
func (r *run) watch(h *host, now time.Time) {
	if !now.Before(h.keepaliveAt) {
		r.keepalive(h, now)
	}
	switch unmet := r.unmet(h, now); {
	case unmet != "":
		r.lose(h, unmet)
	case (h.phase == Asked || h.phase == Fetching) && !h.readyBy.IsZero() && now.After(h.readyBy):
		r.decline(h, results.HostNotReady, fmt.Sprintf("%s was not ready within %s: %s", h.name, r.p.config.ReadyTimeout, r.p.absent(h.name)))
	case h.phase == SettingUp && r.stage != stopping && now.After(h.readyBy):
		r.slow(h)
	case h.phase == Asked && !h.asked && now.Sub(r.clock.Local(r.enqueuedAt)) > inquireAfter:
		h.asked = true
		r.inquire(h)
	case h.phase != Asked && now.Sub(h.heard) > r.p.config.Lease:
		r.lose(h, fmt.Sprintf("no word from %s for %s: the host, its worker or its network is gone", h.name, r.p.config.Lease))
	case h.phase == Ended && now.Sub(h.moved) > r.p.completeWithin:
		r.lose(h, fmt.Sprintf("nothing has come of the files of %s for %s", h.name, r.p.completeWithin))
	case r.stage == stopping && r.overdue(h, now):
		r.lose(h, fmt.Sprintf("%s did not complete within %s after it was told to stop", h.name, r.patience(h)))
	}
}

// inquireAfter is how long a host may take to answer before a person is told
// what the broker knows of it.
const inquireAfter = time.Second

// inquire finds out why a host doesn't answer, without holding up the run.
func (r *run) inquire(h *host) {
	name := h.name
	go func() {
		why := r.p.absent(name)
		select {
		case r.faults <- fault{name, notice(why)}:
		case <-r.over:
		}
	}()
}

// A notice is what a person is told while waiting; it is no fault.
type notice string

func (n notice) Error() string { return string(n) }

// patience is that, with the time that the host's teardown may take.
func (r *run) patience(h *host) time.Duration {
	return r.p.completeWithin + bound(h.job.Teardown, h.job.Grace())
}

func (r *run) overdue(h *host, now time.Time) bool {
	limit := r.clock.Local(r.stopAt).Add(r.dp.Stop.Grace + r.patience(h))
	return now.After(limit) && now.Sub(h.moved) > r.patience(h)
}

// applyRule stops a run that has been released when the file says so. Once every
// process has ended there is nothing to stop: teardowns have their own time.
func (r *run) applyRule(now time.Time) {
	if !slices.ContainsFunc(r.processes, func(p process) bool { return !p.ended }) {
		return
	}
	since := r.clock.At(now).Sub(r.releaseAt)
	rule := r.dp.Stop
	switch {
	case r.dp.Timeout > 0 && since > r.dp.Timeout:
		r.halt(message.StopTimeout, results.RunTimedOut, fmt.Sprintf("it was not over within %s; still running: %s", r.dp.Timeout, r.stillRunning()))
	case rule.After > 0 && since > rule.After:
		r.halt(message.StopRule, "", fmt.Sprintf("%s are over", rule.After))
	case len(rule.When) > 0 && r.stage == running && r.ended(rule.When):
		r.halt(message.StopRule, "", "every process of "+joinNames(rule.When)+" has ended")
	}
}

// halt stops the run on every host, at one instant. Only the first call decides
// how the run ends; the outcome is empty where a stop is no failure.
func (r *run) halt(cause message.StopCause, outcome results.RunOutcome, reason string) {
	if r.verdict == "" && outcome != "" {
		r.verdict, r.reason = outcome, reason
	}
	if r.stage == stopping {
		return
	}
	now := time.Now()
	released := r.stage >= starting
	r.stage, r.repeatAt = stopping, time.Time{}
	r.stop = message.Control{Kind: message.Stop, Cause: cause, Reason: reason, GraceMS: r.dp.Stop.Grace.Milliseconds()}
	r.stopAt = r.clock.At(now)
	if released {
		r.stopAt = r.clock.At(now.Add(r.stopMargin()))
	}
	r.spec.Observer.Stopping(cause, reason)
	r.repeat(now)
	for _, h := range r.hosts {
		if h.phase == Asked { // nobody there has answered; whoever comes yet will find the stop, or no publisher
			h.outcome, h.reason = results.HostStopped, "it had not answered yet"
			r.close(h)
		}
	}
}

// lose gives a host up, and with it the run. The host is told to stop all the
// same: it may hear us though we don't hear it.
func (r *run) lose(h *host, reason string) {
	h.outcome, h.reason = results.HostLost, reason
	r.close(h)
	r.halt(message.StopFailure, results.RunLost, reason)
	stop := r.stop
	stop.At = time.Time{}
	h.outbox.put(stop)
}

// decline notes that a host can't take part, before anything was started. The
// run is over for that, but not before the others have had a chance to answer:
// who has mistakes on several hosts is to hear of all of them at once.
func (r *run) decline(h *host, outcome results.HostOutcome, reason string) {
	h.outcome, h.reason = outcome, reason
	r.close(h)
	if r.declinedAt.IsZero() {
		r.declinedAt = time.Now()
	}
}

// othersAnswer is how long, after one host has declined, the others are waited for.
const othersAnswer = 2 * time.Second

// applyDeclined ends a run in which a host can't take part, once all that can be
// said about that is known.
func (r *run) applyDeclined(now time.Time) {
	if r.declinedAt.IsZero() || r.stage == stopping {
		return
	}
	asked := slices.ContainsFunc(r.hosts, func(h *host) bool { return h.phase == Asked })
	if asked && now.Sub(r.declinedAt) < othersAnswer {
		return
	}
	var names []string
	reason := ""
	for _, h := range r.hosts {
		if h.outcome != results.HostRefused && h.outcome != results.HostNotReady {
			continue
		}
		names = append(names, h.name)
		if reason == "" {
			reason = h.reason
		}
	}
	if len(names) > 1 {
		reason = joinNames(names) + " can't take part; " + reason
	}
	r.halt(message.StopFailure, results.RunRefused, reason)
}

// refuse takes a host's word that it can't take part.
func (r *run) refuse(h *host) {
	if lacking := r.lacking(h, h.refused.Totals); lacking != "" {
		r.lose(h, lacking)
		return
	}
	for _, problem := range h.refused.Problems {
		for _, n := range h.processes {
			if r.processes[n].Name == problem.Process {
				r.processes[n].record.Reason = problem.Reason
			}
		}
	}
	r.decline(h, results.HostRefused, describeRefusal(h))
}

// finish takes a host's last event and closes its account.
func (r *run) finish(h *host, done *message.DoneInfo) {
	h.done = done
	if lacking := r.lacking(h, done.Totals); lacking != "" && done.Outcome != message.HostLost {
		h.outcome, h.reason = results.HostLost, lacking
	}
	switch done.Outcome {
	case message.HostLost:
		h.outcome, h.reason = results.HostLost, done.Reason
	case message.HostStopped:
		h.outcome, h.reason = results.HostAborted, done.Reason
	}
	r.close(h)
	if h.outcome != "" {
		r.halt(message.StopFailure, results.RunLost, fmt.Sprintf("%s: %s", h.name, h.reason))
	}
}

// lacking compares what a host says that it sent with what was received. The
// numbers of the events have no gap, so this can only find a fault of ours;
// it is looked for all the same, as silence would be worse.
func (r *run) lacking(h *host, totals []message.Total) string {
	for i, total := range totals {
		_, name, t := r.source(h, i)
		if t == nil {
			continue
		}
		if t.got != total {
			return fmt.Sprintf("output of %s is missing: %d of %d bytes and %d of %d lines on standard output, %d of %d bytes and %d of %d lines on standard error have come",
				name, t.got.StdoutBytes, total.StdoutBytes, t.got.StdoutLines, total.StdoutLines,
				t.got.StderrBytes, total.StderrBytes, t.got.StderrLines, total.StderrLines)
		}
	}
	return ""
}

// close ends one host's part.
func (r *run) close(h *host) {
	if lacking := r.closeHaul(h); lacking != "" && h.outcome == "" {
		h.outcome, h.reason = results.HostLost, lacking
	}
	r.advance(h, Completed, h.reason)
}
