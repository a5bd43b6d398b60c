package publisher

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"downbeat/internal/message"
	"downbeat/internal/outcome"
)

// watch looks after one host: its keepalive, and every deadline it can miss.
func (r *run) watch(h *host, now time.Time) {
	if !now.Before(h.keepaliveAt) {
		r.keepalive(h, now)
	}
	if h.phase == Waiting && !h.tellAt.IsZero() && now.After(h.tellAt) {
		h.tellAt = time.Time{}
		r.observe(h, h.behind)
	}
	switch unmet := r.unmet(h, now); {
	case unmet != "":
		r.lose(h, unmet)
	case (h.phase == Asked || h.phase == Fetching) && !h.readyBy.IsZero() && now.After(h.readyBy):
		h.readyBy = now.Add(inquireAfter) // of what is asked now
		r.late(h)
	case h.phase == SettingUp && r.stage != stopping && now.After(h.readyBy):
		r.slow(h)
	case h.phase == Asked && !h.asked && now.Sub(r.clock.Local(r.enqueuedAt)) > inquireAfter:
		h.asked = true
		r.inquire(h, func(why string) error { return notice(why) })
	case h.phase != Asked && now.Sub(h.heard) > r.p.config.Lease:
		r.lose(h, fmt.Sprintf("no word from %s for %s: the host, its worker or its network is gone", h.name, r.p.config.Lease))
	case h.phase == Ended && now.Sub(h.moved) > r.p.completeWithin:
		r.lose(h, fmt.Sprintf("nothing has come of the files of %s for %s", h.name, r.p.completeWithin))
	case r.stage == stopping && r.overdue(h, now):
		r.lose(h, fmt.Sprintf("%s did not complete within %s after it was told to stop", h.name, r.patience(h)))
	}
}

// reconnected has the jobs sent again that a broker may have lost which has come
// back since they were sent.
func (r *run) reconnected() {
	at := r.p.config.Broker.ConnectedAt()
	if !at.After(r.jobsSentAt) {
		return
	}
	r.jobsSentAt = at
	for _, h := range r.hosts {
		if h.phase == Asked {
			h.outbox.repeatJob()
		}
	}
}

// inquireAfter is how long a host may take to answer before a person is told
// what the broker knows of it.
const inquireAfter = time.Second

// late declines a host that is not ready in time, with what is known of it.
func (r *run) late(h *host) {
	switch {
	case h.phase == Fetching:
		r.tooLate(h, "it was still being sent files")
	case h.clock.Samples() > 0:
		r.tooLate(h, "its worker has the job and answers, and has not prepared the processes yet")
	default:
		r.inquire(h, func(why string) error { return overdue(why) })
	}
}

func (r *run) tooLate(h *host, why string) {
	r.decline(h, outcome.HostNotReady, fmt.Sprintf("%s was not ready within %s: %s", h.name, r.p.config.ReadyTimeout, why))
}

// inquire finds out what the broker knows of a host that doesn't answer, without
// holding up the run; as says what is to be done with it.
func (r *run) inquire(h *host, as func(why string) error) {
	name := h.name
	go func() {
		why := r.p.absent(r.sending, name)
		select {
		case r.faults <- fault{name, as(why)}:
		case <-r.over:
		}
	}()
}

// What an inquiry gives, which is no fault: a notice is told to whoever waits,
// overdue is why a host was not ready in time.
type (
	notice  string
	overdue string
)

func (n notice) Error() string  { return string(n) }
func (o overdue) Error() string { return string(o) }

// mostNotices is of how many hosts that don't answer a person is told one by one.
const mostNotices = 6

// tell passes on what is known of a host that doesn't answer, and how many do: a
// worker among many may just not have come to it.
func (r *run) tell(h *host, n notice) {
	r.notices++
	if h.phase != Asked || h.clock.Samples() > 0 || r.notices > mostNotices {
		return
	}
	detail := string(n)
	if answered := r.answered(); answered > 0 {
		detail += fmt.Sprintf("; %d of %d hosts have", answered, len(r.hosts))
	}
	r.observe(h, detail)
}

// answered counts the hosts that something has come from.
func (r *run) answered() (n int) {
	for _, h := range r.hosts {
		if h.phase != Asked || h.clock.Samples() > 0 {
			n++
		}
	}
	return n
}

// patience is that, with the time that the host's teardown may take.
func (r *run) patience(h *host) time.Duration {
	return r.p.completeWithin + bound(&h.job, message.PhaseTeardown)
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
		r.conclude(message.StopTimeout, outcome.RunTimedOut, fmt.Sprintf("it was not over within %s; still running: %s", r.dp.Timeout, r.stillRunning()))
	case rule.After > 0 && since > rule.After && r.stage == running:
		r.halt(message.StopRule, fmt.Sprintf("%s are over", rule.After))
	case len(rule.When) > 0 && r.stage == running && r.ended(rule.When):
		r.halt(message.StopRule, "every process of "+joinNames(rule.When)+" has ended")
	}
}

// halt stops the run on every host, at one instant. How the run ended is settled
// later, when all is known; see outcome.
func (r *run) halt(cause message.StopCause, reason string) {
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
	if released {
		r.probeAll()
	}
	for _, h := range r.hosts {
		if h.phase == Asked { // nobody there has answered; whoever comes yet will find the stop, or no publisher
			h.outcome, h.reason = outcome.HostStopped, "it had not answered yet"
			r.close(h)
		}
	}
}

// lose gives a host up, and with it the run. The host is told to stop all the
// same: it may hear us though we don't hear it.
func (r *run) lose(h *host, reason string) {
	h.reason = reason // of what is missing of its files, too
	r.close(h)
	r.giveUp(h, reason)
	stop := r.stop
	stop.At = time.Time{}
	h.outbox.put(stop)
}

// giveUp notes that the run is lost by a host whose part is over.
func (r *run) giveUp(h *host, reason string) {
	h.outcome, h.reason = outcome.HostLost, reason
	r.lostBy(h, reason)
}

// lostBy ends a run that is lost by that host.
func (r *run) lostBy(h *host, reason string) {
	h.lostAs = reason
	r.lost = append(r.lost, h)
	r.halt(message.StopFailure, reason)
}

// contradicted gives up a host whose events can't all be true: nothing of what
// it reports can be believed.
func (r *run) contradicted(h *host, what string) { r.lose(h, h.contradiction(what)) }

func (h *host) contradiction(what string) string {
	return fmt.Sprintf("what %s reports is contradictory: %s", h.name, what)
}

// decline notes that a host can't take part, before anything was started. The
// run is over for that, but not before the others have had a chance to answer:
// who has mistakes on several hosts is to hear of all of them at once.
func (r *run) decline(h *host, word outcome.Host, reason string) {
	h.outcome, h.reason = word, reason
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
	r.conclude(message.StopFailure, outcome.RunRefused, r.refusals())
}

// refuse takes a host's word that it can't take part.
func (r *run) refuse(h *host) {
	if wrong := h.account.refusal(h.refused); wrong != "" {
		r.contradicted(h, wrong)
		return
	}
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
	r.decline(h, outcome.HostRefused, describeRefusal(h))
}

// finish takes a host's last event and closes its account. Where that is not
// whole, the host is lost: it has not proved that all went well.
func (r *run) finish(h *host, done *message.DoneInfo, logged bool) {
	h.done = done
	wrong := h.account.done(done, logged, r.orders(h))
	if wrong == "" && done.Outcome == message.HostDone && h.newest >= h.next {
		wrong = fmt.Sprintf("event %d is said to be its last, and it has logged event %d", h.next-1, h.newest)
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
		if lacking := r.lacking(h, done.Totals); lacking != "" {
			h.outcome, h.reason = outcome.HostLost, lacking
		}
	}
	r.close(h)
	if h.outcome == outcome.HostLost || h.outcome == outcome.HostAborted {
		r.lostBy(h, fmt.Sprintf("%s: %s", h.name, h.reason))
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
		if got := t.Total(); got != total {
			return fmt.Sprintf("output of %s is missing: %d of %d bytes and %d of %d lines on standard output, %d of %d bytes and %d of %d lines on standard error have come",
				name, got.StdoutBytes, total.StdoutBytes, got.StdoutLines, total.StdoutLines,
				got.StderrBytes, total.StderrBytes, got.StderrLines, total.StderrLines)
		}
	}
	return ""
}

// close ends one host's part.
func (r *run) close(h *host) {
	if lacking := r.closeHaul(h); lacking != "" && h.outcome == "" {
		h.outcome, h.reason = outcome.HostLost, lacking
	}
	r.advance(h, Completed, h.reason)
}
