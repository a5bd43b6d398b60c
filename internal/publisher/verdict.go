package publisher

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"downbeat/internal/clock"
	"downbeat/internal/message"
	"downbeat/internal/outcome"
	"downbeat/internal/results"
)

// orders are what the host has been asked for, and when the run is, by its clock.
func (r *run) orders(h *host) orders {
	var o orders
	if !r.releaseAt.IsZero() {
		o.start = h.clock.Theirs(r.releaseAt)
	}
	if r.stage == stopping {
		o.stop, o.rule = h.clock.Theirs(r.stopAt), r.stop.Cause == message.StopRule
	}
	if h.clock.Samples() > 0 {
		o.from = h.clock.Theirs(r.enqueuedAt).Add(-h.clock.Error())
		o.until = h.clock.Theirs(r.clock.Now()).Add(h.clock.Error())
	}
	return o
}

// judge says how a process ended. A host's word that it has stopped a process counts
// only where it was asked to.
func (r *run) judge(p *process, e *message.ExitedInfo) (outcome.Command, string) {
	known := p.host.job.Circumstances(&p.Command.Command)
	p.unasked = (e.Stopped || e.Killed) && !r.afterStop(p.endedAt, stopSlack)
	switch own := p.host.account.ownStop; {
	case p.unasked && own != nil:
		known.Stop, known.StopReason = outcome.StopWorker, own.Reason
	case !p.unasked && r.stage == stopping:
		known.Stop, known.StopReason = r.stop.Cause.Outcome(), r.stop.Reason
		known.AfterStop = r.afterStop(p.endedAt, 0)
	}
	return outcome.Judge(e.Exit(), known)
}

// stopSlack is by how much a process may have ended before the stop's instant
// that its host says it stopped: for what the estimate of its clock has changed since.
const stopSlack = 100 * time.Millisecond

// ended reports whether every process of these groups has ended.
func (r *run) ended(groups []string) bool {
	for i := range r.processes {
		if p := &r.processes[i]; !p.ended && slices.Contains(groups, p.Group) {
			return false
		}
	}
	return true
}

// joinNames lists a few names, and how many more there are.
func joinNames(names []string) string { return joinFew(names, 6) }

// joinFew lists so many names, or one more, and how many more there are.
func joinFew(names []string, most int) string {
	if len(names) > most+1 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	if len(names) > 1 {
		return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
	}
	return strings.Join(names, "")
}

// describeRefusal says in one line which host refused, and why.
func describeRefusal(h *host) string {
	problems := h.refused.Problems
	switch len(problems) {
	case 0:
		return fmt.Sprintf("%s refused: %s", h.name, cmp.Or(h.refused.Reason, "its worker gives no reason"))
	case 1:
		return fmt.Sprintf("%s refused: %s: %s", h.name, problems[0].Process, problems[0].Reason)
	}
	return fmt.Sprintf("%s refused: %s, the first: %s: %s", h.name, h.refused.Reason, problems[0].Process, problems[0].Reason)
}

// record sums the run up once every host has completed.
func (r *run) record() results.Record {
	rec := results.Record{
		Run: r.dp.Run, Experiment: r.dp.Name, Datapoint: r.dp.Index, Repetition: max(r.dp.Repetition, 1), Attempt: max(r.spec.Attempt, 1),
		Definition: r.spec.Definition, Source: r.spec.Source,
		EnqueuedAt: r.enqueuedAt, EndedAt: r.clock.Now(),
	}
	for _, v := range r.dp.Parameters {
		if rec.Parameters == nil {
			rec.Parameters = make(map[string]any, len(r.dp.Parameters))
		}
		rec.Parameters[v.Name] = v.Value
	}
	var starts, stops spread
	for i := range r.processes {
		p := &r.processes[i]
		r.complete(p)
		if !p.startedAt.IsZero() {
			starts.add(p.host.name, p.startedAt, -p.Delay())
		}
		rec.Processes = append(rec.Processes, p.record)
	}
	rec.Outcome, rec.Reason = r.outcome()
	for _, h := range r.hosts {
		if !h.stoppedAt.IsZero() {
			stops.add(h.name, h.stoppedAt, 0)
		}
		hr := r.hostRecord(h, rec.Outcome)
		rec.ClockErrorUS = max(rec.ClockErrorUS, hr.ClockErrorUS)
		rec.Hosts = append(rec.Hosts, hr)
	}
	rec.ReleasedAt = starts.first
	rec.StartSkewUS, rec.StartErrorUS = starts.width().Microseconds(), starts.errorUS()
	rec.StopSkewUS, rec.StopErrorUS = stops.width().Microseconds(), stops.errorUS()
	rec.StopExitUS = stopExit(stops.first, rec.Processes).Microseconds()
	if rec.StopExitUS > 0 {
		rec.StopExitErrorUS = r.untilExit(stops.first).errorUS()
	}
	if !rec.ReleasedAt.IsZero() {
		rec.Unmatched = r.unmatched(rec.Hosts)
	}
	return rec
}

// untilExit is what StopExitUS spans: the hosts' TERM, and the exits after the
// first of them.
func (r *run) untilExit(term time.Time) *spread {
	var s spread
	for _, h := range r.hosts {
		if !h.stoppedAt.IsZero() {
			s.add(h.name, h.stoppedAt, 0)
		}
	}
	for i := range r.processes {
		if p := &r.processes[i]; p.endedAt.Time.After(term) {
			s.add(p.host.name, p.endedAt, 0)
		}
	}
	return &s
}

// stopExit is how long after the first TERM the last process ended that was there
// then; zero where none was stopped.
func stopExit(term time.Time, processes []results.ProcessRecord) time.Duration {
	last := term
	if term.IsZero() {
		return 0
	}
	for _, p := range processes {
		if p.EndedAt.After(last) {
			last = p.EndedAt
		}
	}
	return last.Sub(term)
}

// complete adds what the end of its host tells of a process.
func (r *run) complete(p *process) {
	rec := &p.record
	p.countInto(rec)
	switch {
	case p.unasked && p.host.outcome == outcome.HostAborted:
		rec.Outcome, rec.Reason = outcome.CommandStopped, "its worker stopped the run by itself: "+p.host.reason
	case p.ended:
	case !rec.StartedAt.IsZero(), p.host.outcome == outcome.HostLost && r.releaseAt != (time.Time{}):
		rec.Outcome, rec.Reason = outcome.CommandLost, p.host.reason
	default:
		rec.Outcome = outcome.CommandNotStarted
	}
}

// countInto enters what has come of the process's output.
func (p *process) countInto(rec *results.ProcessRecord) {
	got := p.tally.Total()
	rec.StdoutLines, rec.StdoutBytes = got.StdoutLines, got.StdoutBytes
	rec.StderrLines, rec.StderrBytes = got.StderrLines, got.StderrBytes
}

func (r *run) hostRecord(h *host, run outcome.Run) results.HostRecord {
	rec := results.HostRecord{
		Host: h.name, Outcome: h.outcome, Reason: h.reason,
		Setup: h.setup, Teardown: h.teardown,
		StoppedAt: h.stoppedAt.Time, StoppedErrorUS: h.stoppedAt.ErrorUS(), LineErrors: h.lineErrors.list(), Shipped: r.shipped(h),
	}
	if h.clock.Samples() > 0 {
		rec.ClockOffsetUS, rec.ClockErrorUS = h.clock.Value().Microseconds(), clock.Microseconds(h.clock.Error())
	}
	if h.ready != nil {
		rec.Hold = h.ready.Hold
	}
	if h.done != nil {
		rec.Swept = h.done.Swept
	}
	for _, n := range h.processes {
		got := r.processes[n].tally.Total()
		rec.Lines += got.Lines()
		rec.Bytes += got.Bytes()
	}
	r.collected(h, &rec)
	if rec.Outcome == "" {
		rec.Outcome, rec.Reason = r.hostOutcome(h, run)
	}
	h.addRemains(&rec)
	return rec
}

// hostOutcome judges a host that did what it was asked to, in a run that ended so.
func (r *run) hostOutcome(h *host, run outcome.Run) (outcome.Host, string) {
	var failed []string
	var late []*process
	for _, n := range h.processes {
		switch p := &r.processes[n]; p.record.Outcome {
		case outcome.CommandFailed:
			failed = append(failed, p.Name+" "+p.record.Reason)
		case outcome.CommandTimedOut:
			late = append(late, p)
		}
	}
	switch {
	case len(failed) > 0:
		return outcome.HostFailed, joinNames(failed)
	case len(late) > 0:
		return outcome.HostTimedOut, joinNames(r.waitedFirst(late)) + " had not ended"
	case run == outcome.RunAborted:
		return outcome.HostAborted, ""
	case r.stop.Cause != "" && r.stop.Cause != message.StopRule && (!h.stoppedAt.IsZero() || r.releaseAt.IsZero()):
		return outcome.HostStopped, ""
	}
	return outcome.HostSucceeded, ""
}
