package course

import (
	"time"

	"downbeat/internal/message"
)

// The publisher: what it asks for, how long it may be silent, and what it is told.

// drainTime is how long a worker that shuts down goes on sending what a run
// reported at its end; what is not acknowledged by then is sent at its next start.
const drainTime = 5 * time.Second

const leavingReason = "the worker on this host is shutting down"

func isLeaving(r *Run) bool           { return r.leaving }
func isFreeAndStays(r *Run) bool      { return r.free && !r.leaving }
func isForSilence(r *Run) bool        { return r.asked.cause == message.StopLease }
func isFreeAndForSilence(r *Run) bool { return r.free && isForSilence(r) }

// control does what the publisher asks for. Each control is idempotent, since a
// publisher that hears nothing asks again.
func (r *Run) control(in ControlTaken) {
	if !r.leaving || !r.free {
		r.deadlines.lease = r.now.Add(r.lease())
	}
	r.hears()
	c := in.Control
	switch c.Kind {
	case message.Keepalive:
		r.keepalive(in)
	case message.Commit:
		r.probe = r.answer(c.Probe, in.Taken)
		r.fire(onCommit)
	case message.Uncommit:
		r.fire(onUncommit)
	case message.Start:
		r.starting = *c
		r.fire(onStart)
	case message.Stop:
		r.asked = stop{cause: c.Cause, reason: c.Reason, at: c.At, grace: c.Grace(), from: c.FromBeat}
		if c.At.IsZero() {
			r.asked.at = r.now
		}
		if c.FromBeat > 0 {
			r.fire(onPartStop)
		} else {
			r.fire(onStop)
		}
	case message.Act:
		r.call = *c
		r.fire(onAct)
	case message.Respond:
		r.takeAnswers(c.Answers)
	case message.Hello, message.Cancel: // not for a run
	}
}

func (r *Run) keepalive(in ControlTaken) {
	if r.recovered && in.Control.Ack > in.Last && r.fire(onAhead) {
		return
	}
	r.reply(r.heartbeat(in))
	// After the answer, whose time is taken: what is acknowledged is deleted, which may last.
	r.emit(Ack{Seq: in.Control.Ack, Resend: in.Control.Resend})
}

// heartbeat answers a keepalive. A run sends many: what it is made of is made at once.
func (r *Run) heartbeat(in ControlTaken) *message.Event {
	beat := new(struct {
		message.Event
		info  message.HeartbeatInfo
		probe message.Probe
	})
	beat.Kind, beat.Heartbeat = message.Heartbeat, &beat.info
	beat.info.Last, beat.info.Ack = in.Last, in.Control.Ack
	if asked := in.Control.Probe; asked != nil {
		beat.probe, beat.info.Probe = r.answered(*asked, in.Taken), &beat.probe
	}
	return &beat.Event
}

// answer is a control's probe with the host's times, if it has one.
func (r *Run) answer(asked *message.Probe, taken time.Time) *message.Probe {
	if asked == nil {
		return nil
	}
	probe := r.answered(*asked, taken)
	return &probe
}

func (r *Run) answered(probe message.Probe, taken time.Time) message.Probe {
	probe.TakenAt, probe.AnswerAt = taken, r.now
	return probe
}

// lease is how long the publisher may be silent.
func (r *Run) lease() time.Duration { return min(r.job.Lease(), r.config.Lease) }

// drain gives the publisher time for what is left, from now on.
func (r *Run) drain() {
	if r.leaving {
		r.deadlines.lease = r.now.Add(drainTime)
		return
	}
	r.deadlines.lease = r.now.Add(r.lease())
}

// hears gives the publisher time, once this host has nothing more to report, until it is sent
// again what it has not acknowledged.
func (r *Run) hears() {
	if r.state == Finished {
		r.deadlines.again = r.now.Add(stall)
	}
}

// sendAgain sends what the publisher has not acknowledged though it has all of it, perhaps: it
// acknowledges the end of a host once, and again only if it hears that end again.
func (r *Run) sendAgain() {
	r.emit(Ack{Resend: true})
	r.hears()
}

// silent is called when the publisher has been silent for the lease, or the time to
// drain is over.
func (r *Run) silent() {
	r.silence = "no word from the publisher for " + r.lease().String()
	if r.free {
		r.fire(onSilence)
		return
	}
	r.stopOwn(message.StopLease, r.silence)
}

func giveUp(r *Run) {
	if !r.leaving { // else the next start sends it
		r.emit(Log{What: PublisherSilent, Reason: r.silence})
	}
}

// leave ends the run because the worker is told to shut down.
func (r *Run) leave() {
	r.leaving = true
	if r.free {
		r.drain()
		return
	}
	r.stopOwn(message.StopAbort, leavingReason)
}

// replyMissing tells the publisher outside the log that something is missing, and why.
func replyMissing(r *Run) {
	done := new(message.DoneInfo)
	if r.end != nil && r.end.Done != nil {
		*done = *r.end.Done
	}
	why := r.unlogged
	if why == "" {
		why = r.mute
	}
	done.Outcome, done.Reason = message.HostLost, "output is missing: "+why
	r.reply(&message.Event{Kind: message.Done, Done: done})
}

// replyCutOff ends a run whose publisher has more than the log that was found at the
// worker's start: the machine went down with it, and the log's end was not on the
// disk. Its numbers would be taken for old ones now.
func replyCutOff(r *Run) {
	r.emit(Log{What: LogEndLost})
	r.reply(&message.Event{Kind: message.Done, Done: &message.DoneInfo{
		Outcome: message.HostLost, Reason: r.job.Host + " went down in mid-run, and the end of its run log with it",
	}})
}

// journal has an event logged.
func (r *Run) journal(e *message.Event) { r.emit(Journal{Event: r.named(e)}) }

// reply has an event sent outside the log.
func (r *Run) reply(e *message.Event) { r.emit(Reply{Event: r.named(e)}) }

// named puts into an event whose it is, and when it happened, if that isn't known.
func (r *Run) named(e *message.Event) *message.Event {
	e.Run, e.Host = r.job.Run, r.job.Host
	if e.Time.IsZero() {
		e.Time = r.now
	}
	return e
}
