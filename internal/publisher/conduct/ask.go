package conduct

import (
	"time"

	"downbeat/internal/message"
)

// An ask is what the run's stage asks of a host that has not shown yet that it did it.
type ask uint8

const (
	askNothing ask = iota
	askUncommit
	askCommit
	askStart
	askStop
)

// askNames continue a sentence that begins with "it did not".
var askNames = [...]string{
	askUncommit: "let go of its processes again",
	askCommit:   "say that it keeps its processes for the run",
	askStart:    "start its processes",
}

// askOf says what a host is to be asked.
func askOf(r *Run, h *host) ask {
	switch s, from := r.stage, r.ending.control.FromBeat; {
	case h.phase >= Ended:
	case s == Gathering && h.phase == Committed:
		return askUncommit
	case s == Committing && h.phase == Ready:
		return askCommit
	case s == Starting && h.phase == Committed:
		return askStart
	case s == Stopping && from > 0 && from < h.stopShown && h.aliveFrom(from) > 0, s == Stopping && from == 0 && h.stoppedAt.IsZero():
		return askStop
	}
	return askNothing
}

// A request is what a host is being asked, at once when that begins, and then again and
// again until it has shown that it did it: controls may get lost.
type request struct {
	ask      ask
	stop     int       // which stop it is asked for: how many were before
	dueAt    time.Time // when it could do it at the earliest
	since    time.Time // from when on it owes that
	repeatAt time.Time
}

// repeatEvery is how long a control may take to show its effect before it is sent again.
const repeatEvery = time.Second

// owe has the host owe what it is asked from that time on, or from when it can do it.
func (q *request) owe(since time.Time) {
	q.since = since
	if q.dueAt.After(since) {
		q.since = q.dueAt
	}
}

// askAll has each host asked at once what it has not been asked yet.
func (r *Run) askAll() {
	for i := range r.hosts {
		h := &r.hosts[i]
		if !h.touched {
			continue
		}
		if a, stop := askOf(r, h), len(r.ending.earlier); a != h.request.ask || stop != h.request.stop {
			h.request = request{ask: a, stop: stop}
			h.touch()
			if a == askStart {
				h.request.dueAt = r.releaseAt.Add(h.firstDelay())
			}
			h.request.owe(r.now)
			r.repeat(h)
		}
	}
}

// repeat asks a host.
func (r *Run) repeat(h *host) {
	h.request.repeatAt = r.now.Add(repeatEvery)
	c := new(message.Control)
	switch h.request.ask {
	case askNothing:
		return
	case askUncommit:
		c.Kind = message.Uncommit
	case askCommit:
		c = probing(message.Commit)
	case askStart:
		c.Kind, c.At = message.Start, h.contact.clock.Theirs(r.releaseAt)
	case askStop:
		*c = r.ending.control
		c.At = h.contact.clock.Theirs(r.ending.at)
	}
	r.out.hurry(Send{Host: h.index, Control: c})
}

// leastAsking is how long a host that answers is asked for what is missing, or asked to do
// something, however short the lease: often enough that chance alone does not lose it.
const leastAsking = 5 * time.Second

func (s *Spec) asking() time.Duration { return max(s.Lease, leastAsking) }
