package conduct

import (
	"time"

	"downbeat/internal/clock"
	"downbeat/internal/message"
)

// A contact is how a host is kept in touch with: it is heard of, its clock is measured,
// and it gets keepalives.
type contact struct {
	heard       time.Time // when anything last came from it
	clock       clock.Offset
	apart       *clock.Offset // the same by what went through the broker alone, where not all does
	since       time.Time     // when the jobs were sent
	probing     int           // quick probes that have not been answered
	keepaliveAt time.Time     // when the next is due
}

// quickProbes is how many exchanges measure each host's clock, one after the other, as
// soon as it has its job. They are few, as the hosts have other things to do then, and
// only cover for the two that follow when the host is quiet: when it is ready, and with
// the commit. No host is asked to commit before these have come.
const quickProbes = 2

// hear notes that something has come, and reports whether it was silent before for longer
// than that.
func (c *contact) hear(at time.Time, limit time.Duration) (wasSilent bool) {
	wasSilent = at.Sub(c.heard) > limit
	c.heard = at
	return wasSilent
}

// answered takes in what an answer that came at that time tells of the host's clock.
func (c *contact) answered(p *message.Probe, at time.Time) {
	if p != nil {
		sample := clock.Sample{Sent: p.SentAt, Taken: p.TakenAt, Answered: p.AnswerAt, Received: at}
		c.clock.Add(sample)
		if c.apart != nil {
			c.apart.Add(sample)
		}
	}
}

// broker is what is known of the clock by what went through the broker, as controls do.
func (c *contact) broker() *clock.Offset {
	if c.apart != nil {
		return c.apart
	}
	return &c.clock
}

// direct takes in exchanges that did not go through the broker.
func (c *contact) direct(samples []clock.Sample) {
	if c.apart == nil && len(samples) > 0 {
		apart := c.clock.Clone()
		c.apart = &apart
	}
	for _, s := range samples {
		c.clock.Add(s)
	}
}

// probed notes that one of the quick probes was answered: the next can go out.
func (c *contact) probed(at time.Time) {
	if c.probing > 0 {
		c.probing--
		c.keepaliveAt = at
	}
}

// instant translates a host's time, with the bound that holds now. Of what is reported
// before its clock is known no more is sure than that it was after the jobs were sent.
func (c *contact) instant(theirs, now time.Time) clock.Instant {
	if c.clock.Samples() == 0 {
		return clock.Between(c.since, now)
	}
	return c.clock.Instant(theirs)
}

const (
	slowestKeepalive = 3 * time.Second
	quickestProbes   = 250 * time.Millisecond
)

// every is the time between two keepalives: a tenth of the lease, or less as long as the
// host's clock has to be measured or something else is urgent.
func (c *contact) every(lease time.Duration, urgent bool) time.Duration {
	every := min(lease/10, slowestKeepalive)
	if c.probing > 0 || urgent {
		return min(every, quickestProbes)
	}
	return every
}

// keepalive renews the lease, acknowledges what is on the disk, measures the clock, and
// asks again for what is missing.
func (r *Run) keepalive(h *host) { r.renew(h, h.inbox.lacks(r.now, missing)) }

// renew sends a keepalive, which asks again for what is missing or does not.
func (r *Run) renew(h *host, resend bool) {
	if h.inbox.acked != h.inbox.next-1 {
		r.out.put(Flush{})
	}
	h.inbox.acknowledge()
	c := probing(message.Keepalive)
	c.Ack = h.inbox.acked
	if resend {
		c.Resend, h.inbox.askedAt = true, r.now
	}
	r.out.put(Send{Host: h.index, Control: c})
	h.contact.keepaliveAt = r.now.Add(h.contact.every(r.spec.Lease, h.inbox.gap() || r.stage == Stopping))
}

// probing makes a control with a probe: most are keepalives, of which a run sends many.
func probing(kind message.ControlKind) *message.Control {
	c := new(struct {
		message.Control
		probe message.Probe
	})
	c.Kind, c.Probe = kind, &c.probe
	return &c.Control
}

// missing is how long an event may be overdue before the host is asked for it.
const missing = time.Second

// probeAll compares all hosts' clocks once more, just before something that is to be
// translated: the answers come while the hosts wait for the instant. They go out before
// what was received with this Step is on the disk.
func (r *Run) probeAll() {
	for i := range r.hosts {
		if h := &r.hosts[i]; !h.over() {
			c := probing(message.Keepalive)
			c.Ack = h.inbox.safe
			r.out.hurry(Send{Host: i, Control: c})
			r.measure(h, manyExchanges)
		}
	}
}

// sendJobsAgain has the jobs sent again that a broker may have lost.
func sendJobsAgain(r *Run) {
	for i := range r.hosts {
		if r.hosts[i].phase == Asked {
			r.out.put(SendJob{Host: i})
		}
	}
}
