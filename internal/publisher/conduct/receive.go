package conduct

import (
	"fmt"
	"strconv"
	"time"

	"downbeat/internal/message"
)

// A told event is one whose turn has come, with when it had come.
type told struct {
	*message.Event
	at time.Time
}

// receive takes in what has come from a host, and applies it if it is its turn.
func (r *Run) receive(h *host, a Received) {
	h.touch()
	if h.over() {
		r.afterword(h, a)
		return
	}
	if f, ok := a.Content.(Foreign); ok {
		foreign(r, h, f.Version)
		return
	}
	if h.contact.hear(a.At, r.spec.asking()/2) { // it is given time anew for what it owes: it could not know
		h.inbox.progress = a.At
		h.request.owe(a.At)
		h.owesAnew(a.At)
	}
	switch {
	case a.Seq == 0:
		r.takeUnnumbered(h, a)
	case h.inbox.isNext(&a):
		h.inbox.pass(&a, r.now)
		r.takeTurn(h, a)
	case h.inbox.put(a, r.now):
		r.contradicted(h, fmt.Sprintf("event %d has come twice, and not alike: the end of its log was lost, or two workers answer for the host", a.Seq))
	default:
		r.takeNext(h)
	}
}

// takePending applies the next event of a host that has one.
func (r *Run) takePending() {
	for i := range r.hosts {
		if h := &r.hosts[i]; h.pending {
			h.touch()
			r.takeNext(h)
			return
		}
	}
}

// takeNext applies the next event of a host, if it is here.
func (r *Run) takeNext(h *host) {
	a, ok := h.inbox.take(r.now)
	if !ok {
		return
	}
	if h.pending {
		h.pending = false
		r.pending--
	}
	r.takeTurn(h, a)
	if !h.over() && h.inbox.has() {
		h.pending = true
		r.pending++
	}
}

// takeTurn applies an event whose turn has come.
func (r *Run) takeTurn(h *host, a Received) {
	switch c := a.Content.(type) {
	case Event:
		r.apply(h, told{c.Event, a.At})
	case Output:
		r.takeOutput(h, c)
	case Files:
		r.takeFiles(h, c)
	case Samples:
		r.takeSamples(h, c)
	case Foreign: // it has no number
	case Unknown:
		passOver(r, h, c.Kind)
	}
	// Out of turn, so that the worker's stream never stops for want of it.
	if !h.over() && h.inbox.unacked >= h.inbox.window/4 {
		r.keepalive(h)
	}
}

// takeUnnumbered takes an event that is of the moment.
func (r *Run) takeUnnumbered(h *host, a Received) {
	c, ok := a.Content.(Event)
	if !ok {
		r.out.put(Warn{Host: h.index, What: Unnumbered, Detail: "a batch"})
		return
	}
	e := told{c.Event, a.At}
	switch e.Kind {
	case message.Heartbeat:
		r.takeHeartbeat(h, e)
	case message.Asked:
		r.asksAgain(h, e.Asked)
	case message.Want:
		if t := phaseTransitionOf(r, h, e); t != nil {
			r.follow(h, e, t)
		}
	case message.Refused:
		if h.inbox.next > 1 {
			r.contradicted(h, "it is said not to have taken the job, of which it has reported: "+e.Refused.Reason)
			return
		}
		refuses(r, h, e)
	case message.Done:
		r.finish(h, e.Done, false)
	case message.Waiting, message.SettingUp, message.Ready, message.Committed, message.Started, message.Exited, message.Stopping,
		message.TearingDown, message.Ended: // these have to be in the log
		r.out.put(Warn{Host: h.index, What: Unnumbered, Detail: string(e.Kind)})
	case message.Here, message.Cancelled: // it is not about a run
	default:
		passOver(r, h, string(e.Kind))
	}
}

// takeHeartbeat takes the answer to a keepalive.
func (r *Run) takeHeartbeat(h *host, e told) {
	info := e.Heartbeat
	if info.Last < info.Ack {
		r.contradicted(h, fmt.Sprintf("its log is said to end with event %d, and event %d has come from it: the log was cut off, or another worker answers for the host", info.Last, info.Ack))
		return
	}
	h.inbox.knows(info.Last, r.now)
	h.contact.answered(info.Probe, e.at)
	h.contact.probed(e.at)
}

// apply takes the next event in order.
func (r *Run) apply(h *host, e told) {
	t := phaseTransitionOf(r, h, e)
	if t == nil || !t.anyhow {
		if what := h.account.take(e.Event, r.orders(h)); what != "" {
			r.contradicted(h, what)
			return
		}
	}
	switch {
	case t != nil:
		r.follow(h, e, t)
	case e.Known():
		r.contradicted(h, fmt.Sprintf("%q comes from a host that is %s", e.Kind, h.phase))
	default:
		passOver(r, h, string(e.Kind))
	}
}

// follow makes a transition. What ends the host's part has moved it itself.
func (r *Run) follow(h *host, e told, t *phaseTransition) {
	detail := t.do(r, h, e)
	if !t.stay && !h.over() {
		r.move(h, t.to, detail)
	}
}

// orders are what the host has been asked for, and when the run is.
func (r *Run) orders(h *host) *orders {
	first := r.ending.first()
	return &orders{
		clock: &h.contact.clock, start: r.releaseAt, beats: r.beats, stop: first.at, sent: first.sentAt,
		rule: r.ending.stopped() && !r.ending.failing(), began: r.enqueuedAt, now: r.now,
	}
}

// foreign takes word from a host whose worker speaks another version of the protocol.
// Once it has been heard in ours, that can't be it.
func foreign(r *Run, h *host, version int) {
	if h.phase != Asked {
		r.out.put(Warn{Host: h.index, What: VersionIgnored, Detail: strconv.Itoa(version)})
		return
	}
	turnAway(r, h, fmt.Sprintf("the worker on %s speaks version %d of the protocol, and this publish version %d: use the same build on both", h.name, version, message.Version))
}

// passOver leaves a message alone whose kind this build doesn't know: a newer worker tells
// something that doesn't concern us. It has had its number.
func passOver(r *Run, h *host, kind string) {
	if !h.passedOver {
		h.passedOver = true
		r.out.put(Warn{Host: h.index, What: KindUnknown, Detail: kind})
	}
}
