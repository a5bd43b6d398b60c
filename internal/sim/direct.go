package sim

import (
	"time"

	"downbeat/internal/clock"
	"downbeat/internal/message"
	"downbeat/internal/publisher/conduct"
	"downbeat/internal/worker/course"
)

// Clocks that are compared without the broker: each exchange is a datagram there and one back,
// which may get lost, and takes longer in one direction than in the other.

// answersAt is where a host says that it answers for a run; nil: it does not.
func (t *hostRun) answersAt() *message.ClockInfo {
	if !t.ledger.run.plan.Direct || t.worker.h.plan.Shut {
		return nil
	}
	return &message.ClockInfo{Addresses: []string{t.worker.h.name + ":1"}}
}

const (
	quickestDatagram = 20 * time.Microsecond
	slowestDatagram  = time.Millisecond
	datagramTimeout  = 20 * time.Millisecond
	roughestStamp    = 50 * time.Microsecond
)

// measure has a host's clock measured by exchanges one after the other.
func (c *publisherRun) measure(e conduct.Measure) {
	o := &c.hosts[e.Host]
	if o.measured {
		c.w.ledger.violate("one at a time: the clock of %s is measured twice at once for %s", o.host.name, c.w.short(c.id))
	}
	if o.measured = true; o.firstAsked == 0 {
		o.firstAsked = c.w.e.now
	}
	c.exchange(e, nil)
}

// directMoment is how long a release waits for the first answers.
const directMoment = 20 * time.Millisecond

// mustWait checks that a release waits a moment for what is measured directly.
func (c *publisherRun) mustWait(o *outbox, control *message.Control) {
	if control.Kind == message.Start && o.firstAsked != 0 && !o.answered && c.w.e.now < o.firstAsked.add(directMoment-time.Millisecond) {
		c.w.ledger.violate("together: %s is released when the clock of %s is about to be known", c.w.short(c.id), o.host.name)
	}
}

// exchange makes the next exchange, and tells the rules once there are as many as they want.
func (c *publisherRun) exchange(e conduct.Measure, had []clock.Sample) {
	r, host := &c.p.datagrams, c.hosts[e.Host].host
	there, back := r.within(quickestDatagram, slowestDatagram), r.within(quickestDatagram, slowestDatagram)
	if r.oneIn(20) { // something else is sent that way
		back += r.within(0, 10*slowestDatagram)
	}
	// Each time may be off to the side on which it may be: where the kernel does not stamp.
	off := func() time.Duration { return c.p.datagrams.within(0, roughestStamp) * time.Duration(c.p.number%2) }
	sent := c.now().Add(-off())
	lost, takes := r.percent(c.w.plan.Network.LossPercent), there+back
	var answer *clock.Sample
	c.w.e.after(there, func() {
		if t := host.answers(c.id); t != nil && !lost {
			answer = &clock.Sample{Sent: sent, Taken: t.now().Add(off()), Answered: t.now().Add(-off())}
		}
	})
	if lost {
		takes = datagramTimeout
	}
	c.w.e.after(takes, func() {
		if answer != nil {
			answer.Received = c.now().Add(off())
			had = append(had, *answer)
		}
		if e.Times--; e.Times > 0 {
			c.exchange(e, had)
			return
		}
		c.hosts[e.Host].measured, c.hosts[e.Host].answered = false, true
		c.step(conduct.Measured{Host: e.Host, Samples: had})
		c.boundHolds(e.Host)
	})
}

// boundHolds checks that an instant on a host is where it is said to be.
func (c *publisherRun) boundHolds(number int) {
	h := c.hosts[number].host
	known := c.core.Clock(number)
	if h.worker == nil || c.over || c.p.dead || known.Samples() == 0 {
		return
	}
	if t := h.worker.find(c.id); t != nil {
		at := known.Instant(t.now())
		if wrong := within("", at.Earliest(), at.Latest(), c.now()); wrong != "" {
			c.w.ledger.violate("the clock's bound holds: an instant on %s is said to be%s", h.name, wrong)
		}
	}
}

// answers finds the run on the host whose clock can be asked for; nil: nobody answers.
func (h *host) answers(run string) *hostRun {
	if h.plan.Shut || h.worker == nil || h.stalled > h.w.e.now {
		return nil
	}
	if t := h.worker.find(run); t != nil && t.core.State() >= course.Ready {
		return t
	}
	return nil
}
