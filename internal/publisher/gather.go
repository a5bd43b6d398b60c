package publisher

import (
	"fmt"
	"time"

	"downbeat/internal/clock"
	"downbeat/internal/message"
	"downbeat/internal/outcome"
)

// arrive takes one arrival in, and applies whatever is in order now.
func (r *run) arrive(a arrival) {
	h := r.byName[a.host]
	if h == nil {
		return
	}
	if h.over() {
		r.afterword(h, a)
		return
	}
	if a.foreign != 0 {
		r.foreign(h, a.foreign)
		return
	}
	r.hear(h, a.at)
	if a.seq == 0 {
		r.unlogged(h, a)
		return
	}
	if h.put(a) {
		r.contradicted(h, fmt.Sprintf("event %d has come twice, and not alike: the end of its log was lost, or two workers answer for the host", a.seq))
		return
	}
	for {
		a, ok := h.take(time.Now())
		if !ok || h.over() {
			break
		}
		switch {
		case a.output != nil:
			r.output(h, a.output)
		case a.files != nil:
			r.files(h, a.files)
		default:
			r.apply(h, a.event, a.at)
		}
	}
	// Out of turn, so that the worker's stream never stops for want of it.
	if h.unacked >= int(h.job.WindowBytes/4) && !h.over() {
		r.keepalive(h, time.Now())
	}
}

// unlogged takes an event that is of the moment.
func (r *run) unlogged(h *host, a arrival) {
	e := a.event
	if e == nil {
		r.p.slog.Warn("output without a number is ignored", "host", h.name)
		return
	}
	switch e.Kind {
	case message.Heartbeat:
		r.heartbeat(h, e, a.at)
	case message.Want:
		r.want(h, e)
	case message.Refused:
		if h.next > 1 {
			r.contradicted(h, "it is said not to have taken the job, of which it has reported: "+e.Refused.Reason)
			return
		}
		h.refused = e.Refused
		r.refuse(h)
	case message.Done:
		r.finish(h, e.Done, false)
	}
}

// afterword takes what still comes of a host that has closed its account itself:
// nothing new may be in it.
func (r *run) afterword(h *host, a arrival) {
	last := a.seq
	if a.seq == 0 && a.event != nil && a.event.Kind == message.Heartbeat {
		last = a.event.Heartbeat.Last
	}
	if h.outcome == "" && last >= h.next {
		r.giveUp(h, h.contradiction(fmt.Sprintf("event %d was to be its last, and it has logged event %d", h.next-1, last)))
	}
}

func (r *run) heartbeat(h *host, e *message.Event, at time.Time) {
	info := e.Heartbeat
	if what := h.account.last(info); what != "" {
		r.contradicted(h, what)
		return
	}
	h.newest = max(h.newest, info.Last)
	r.measure(h, info.Probe, at)
	if h.probing > 0 {
		h.probing--
		h.keepaliveAt = at
	}
}

// measure takes in what an answer that came at that time tells of the host's clock.
func (r *run) measure(h *host, p *message.Probe, at time.Time) {
	if p != nil {
		h.clock.Add(clock.Sample{Sent: p.SentAt, Taken: p.TakenAt, Answered: p.AnswerAt, Received: r.clock.At(at)})
	}
}

// instant translates a host's time, with the bound that holds now. Of what is
// reported before its clock is known no more is sure than that it was after the
// jobs were sent.
func (r *run) instant(h *host, t time.Time) clock.Instant {
	if h.clock.Samples() == 0 {
		return clock.Between(r.enqueuedAt, r.clock.Now())
	}
	return h.clock.Instant(t)
}

// apply takes the next event in order, which came at that time.
func (r *run) apply(h *host, e *message.Event, at time.Time) {
	if e.Kind == message.Ready && !r.able(h, e.Ready) {
		return
	}
	if what := h.account.take(e, r.orders(h)); what != "" {
		r.contradicted(h, what)
		return
	}
	switch e.Kind {
	case message.Waiting:
		r.waiting(h, e.Waiting, e.Time)
	case message.Ready:
		h.ready, h.readyAt = e.Ready, time.Now()
		r.advance(h, Ready, e.Ready.Hold)
		r.keepalive(h, h.readyAt) // its clock can be read while it has nothing else to do
	case message.Committed:
		if e.Committed != nil {
			r.measure(h, e.Committed.Probe, at)
		}
		r.committedAt = time.Now()
		if r.stage == gathering { // another host had to let go meanwhile
			r.repeatAt = time.Time{}
		}
		r.advance(h, Committed, "")
	case message.Started:
		if r.started(h, e.Started) {
			r.advance(h, Started, "")
		}
	case message.Exited:
		r.exited(h, e)
	case message.Stopping:
		h.stoppedAt = r.instant(h, e.Time)
	case message.SettingUp:
		r.setUp(h)
	case message.TearingDown:
		r.tearDown(h)
	case message.Refused:
		h.refused = e.Refused
		r.refuse(h)
	case message.Ended:
		r.advance(h, Ended, "")
	case message.Done:
		r.finish(h, e.Done, true)
	default:
		r.passOver(h, e)
	}
}

func (r *run) advance(h *host, phase Phase, detail string) {
	h.phase = phase
	r.observe(h, detail)
}

// waiting notes that another run has the host. If the others have been asked to
// keep their processes for this run, they are told to let go again.
func (r *run) waiting(h *host, info *message.WaitingInfo, at time.Time) {
	h.readyBy, h.behind, h.waitsSince = time.Time{}, info.Behind, at
	if r.stage == committing {
		r.stage, r.repeatAt = gathering, time.Time{}
	}
	detail := info.Behind
	if message.SamePublisher(detail, r.dp.Run) {
		// An earlier run of ours, which is over but for its worker's last steps.
		detail, h.tellAt = "", time.Now().Add(inquireAfter)
	}
	r.advance(h, Waiting, detail)
}

// process finds a process by the number that the host knows it by, which the
// account has found to be one.
func (r *run) process(h *host, local int) (int, *process) {
	n := h.processes[local]
	return n, &r.processes[n]
}

// started notes which processes have been released, and reports whether any has.
func (r *run) started(h *host, infos []message.StartedInfo) (some bool) {
	for _, s := range infos {
		if s.Command >= len(h.processes) {
			continue // of a setup or teardown, which is known by its end
		}
		n, p := r.process(h, s.Command)
		p.record.PID = s.PID
		p.start(r.instant(h, s.StartedAt))
		r.spec.Observer.Started(n, s.PID, p.record.StartedAt)
		some = true
	}
	return some
}

func (r *run) output(h *host, o *message.Output) {
	for s := range o.Segments() {
		if what := h.account.output(s.Command); what != "" {
			r.contradicted(h, what)
			return
		}
		n, name, t := r.source(h, s.Command)
		if before := t[s.Stream].Bytes; s.Offset != before {
			r.contradicted(h, fmt.Sprintf("%s of %s goes on after %d bytes, and %d have come", s.Stream.Title(), name, s.Offset, before))
			return
		}
		t.Add(s.Stream, s.Data)
		instant := r.instant(h, s.At)
		h.lineErrors.note(instant)
		at := instant.Time
		if err := r.spec.Results.Output(n, s.Stream == message.Stderr, at, s.Data); err != nil {
			r.broken(err)
		}
		r.spec.Observer.Output(n, s.Stream, at, s.Data)
	}
}

func (r *run) exited(h *host, event *message.Event) {
	e := event.Exited
	if at := e.Command - len(h.processes); at >= 0 {
		r.stepped(h, h.steps[at], e)
		return
	}
	n, p := r.process(h, e.Command)
	p.ended = true
	rec := &p.record
	rec.ExitCode, rec.Signal = e.ExitCode, e.Signal
	if e.Signal != "" {
		rec.ExitCode = -1
	}
	p.endedAt = r.instant(h, event.Time) // for one that could not be started
	if e.Reason == "" {
		if p.startedAt.IsZero() { // else it was told when the clocks were compared last
			p.start(r.instant(h, e.StartedAt))
		}
		p.end(r.instant(h, e.EndedAt))
	}
	rec.UserUS, rec.SystemUS, rec.MaxRSSBytes = e.UserUS, e.SystemUS, e.MaxRSSBytes
	rec.Outcome, rec.Reason = r.judge(p, e)
	p.countInto(rec)
	r.spec.Observer.Exited(n, *rec)
	if rec.Outcome == outcome.CommandFailed && r.dp.Stop.OnFailure {
		r.halt(message.StopFailure, describeFailure(p))
	}
}

// afterStop reports whether that was, as far as the clocks can tell, after the
// instant at which the run was told to stop, or not longer than that before. A
// process that ends then of its own accord does so because its peers are being stopped.
func (r *run) afterStop(ended clock.Instant, before time.Duration) bool {
	return r.stage == stopping && ended.Latest().After(r.stopAt.Add(-before))
}

// keepalive renews the lease, acknowledges what is on the disk, measures the
// clock, and asks again for what is missing.
func (r *run) keepalive(h *host, now time.Time) {
	r.flush()
	h.acked, h.unacked = h.next-1, 0
	c := message.Control{Kind: message.Keepalive, Ack: h.acked, Resend: h.lacks(now, missing)}
	if c.Resend {
		h.askedAt = now
	}
	c.Probe = new(message.Probe)
	h.outbox.put(c)
	h.keepaliveAt = now.Add(r.keepaliveEvery(h))
}

// missing is how long an event may be overdue before the host is asked for it.
const missing = time.Second

const (
	slowestKeepalive = 3 * time.Second
	quickestProbes   = 250 * time.Millisecond
)

// keepaliveEvery is the time between two keepalives: a tenth of the lease, or
// less as long as the host's clock has to be measured or something is missing.
func (r *run) keepaliveEvery(h *host) time.Duration {
	every := min(r.p.config.Lease/10, slowestKeepalive)
	if h.probing > 0 || h.newest >= h.next || r.stage == stopping {
		return min(every, quickestProbes)
	}
	return every
}

// flush puts what was received onto the disk. Once that has failed, the run has
// too, and is only to come to its end: so that is acknowledged all the same.
func (r *run) flush() {
	if r.resultsErr == nil {
		if err := r.spec.Results.Flush(); err != nil {
			r.broken(err)
		}
	}
}

// broken ends a run whose results can't be written.
func (r *run) broken(err error) {
	if r.resultsErr != nil {
		return
	}
	r.resultsErr = err
	r.conclude(message.StopFailure, outcome.RunFailed, "the results can't be written: "+err.Error())
}
