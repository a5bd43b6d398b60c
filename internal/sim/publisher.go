package sim

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
	"time"

	"downbeat/internal/message"
	"downbeat/internal/publisher/conduct"
)

// A publisher is one publish: the shell around the rules of its runs, as the
// publisher package is.
type publisher struct {
	w       *world
	number  int
	name    string
	id      string // its part of its runs' ids
	plan    *Publisher
	clock   machineClock
	station *station
	runs    []*publisherRun // those that have begun
	effects int
	dead    bool
	idle    random
	// datagrams is how those fare by which clocks are compared.
	datagrams random
	label     string // of the next run, for people; empty: its number
}

func newPublisher(w *world, number int, plan *Publisher) *publisher {
	p := &publisher{w: w, number: number, plan: plan, name: fmt.Sprintf("publisher%d", number+1), id: crockford(uint64(number)+77, 10)}
	p.idle.state = mix(w.plan.Seed + uint64(number) + 9)
	p.datagrams.state = mix(w.plan.Seed + uint64(number) + 13)
	p.station = w.net.add(p.name)
	p.station.deliver = p.take
	if plan != nil {
		p.clock = machineClock{drift: int64(plan.Drift), offset: plan.Offset}
		w.e.after(plan.Begins, func() { p.begin(0) })
	}
	return p
}

// begin makes the run of that number.
func (p *publisher) begin(number int) {
	if p.dead || number >= len(p.plan.Runs) || len(p.runs) > number {
		return
	}
	plan := &p.plan.Runs[number]
	now := p.w.e.now
	id := crockford(uint64(p.clock.wall(now).UnixMilli()), 10) + p.id + crockford(uint64(number+1), 6)
	c := &publisherRun{p: p, w: p.w, number: number, plan: plan, id: id, clock: p.clock.forRun(), wakeAt: never, began: now}
	c.waking = c.wake
	p.runs = append(p.runs, c)
	p.w.names[id] = cmp.Or(p.label, fmt.Sprintf("run%d.%d", p.number+1, number+1))
	c.ledger = p.w.ledger.open(id, plan)
	since := id
	if plan.Retry && number > 0 {
		since = p.runs[number-1].since()
	}
	spec := c.spec(since)
	c.files = make([]fileTake, len(c.hosts))
	c.heldBack = plan.Overlaps && number > 0 && !p.runs[number-1].over
	spec.Gated, c.ledger.gated = c.heldBack, c.heldBack
	if p.w.notes != nil {
		p.w.note("%s: begins %s", p.name, p.w.short(id))
	}
	c.core = conduct.New(spec, c.now())
	c.step(nil)
}

// leave ends a publisher that has made all its runs: its queue is deleted.
func (p *publisher) leave() {
	for _, c := range p.runs {
		if !c.over {
			return
		}
	}
	if !p.dead && len(p.runs) == len(p.plan.Runs) {
		p.station.gone = true
	}
}

// take takes a message from the publisher's queue.
func (p *publisher) take(parcel *parcel) {
	if parcel.kind == cancelParcel {
		p.cancel(parcel)
		return
	}
	i := slices.IndexFunc(p.runs, func(c *publisherRun) bool { return c.id == parcel.run })
	if i < 0 {
		return
	}
	c := p.runs[i]
	host := slices.IndexFunc(c.hosts, func(o outbox) bool { return o.host.name == parcel.host })
	if c.over {
		if again := c.core.Acknowledged().Again(host, parcel.seq); again != nil {
			c.send(host, again)
		}
		return
	}
	r := parcel.record
	in := conduct.Received{Host: host, Seq: parcel.seq, At: c.now(), Size: r.size, Sum: r.sum}
	switch {
	case r.event != nil:
		in.Content = conduct.Event{Event: r.event}
		if len(c.plan.Beats) > 0 && len(c.w.plan.Faults) > 0 {
			c.ledger.hosts[host].heard(r.event, c.core.Clock(host))
		}
	case r.output != nil:
		in.Content = conduct.Output{Segments: slices.Values(r.output)}
	case r.samples != nil:
		in.Content = conduct.Samples{Block: r.samples}
	default:
		in.Content = conduct.Files{Unpack: func(buf []byte) (iter.Seq[message.Piece], []byte, error) { return slices.Values(r.files), buf, nil }}
	}
	c.step(in)
}

// cancel takes a cancel from another machine, and answers it.
func (p *publisher) cancel(asked *parcel) {
	info := &message.CancelledInfo{}
	i := slices.IndexFunc(p.runs, func(c *publisherRun) bool { return c.id == asked.run && !c.over })
	if i < 0 {
		info.Reason = "the run is over already"
	} else {
		info.Accepted = true
		p.strike(&Fault{Kind: Cancelled, Run: i})
	}
	e := &message.Event{Kind: message.Cancelled, Run: asked.run, Time: p.clock.wall(p.w.e.now), Cancelled: info}
	p.w.net.send(&parcel{kind: eventParcel, from: p.station, to: asked.from, run: asked.run, record: &record{event: e, size: 200}})
}

// reconnected tells the runs that the broker was away.
func (p *publisher) reconnected() {
	for _, c := range p.runs {
		c.post(conduct.Reconnected{})
	}
}

// freed begins the next run behind its gate, if it is one that may overlap.
func (p *publisher) freed(number int) {
	if next := number + 1; next < len(p.plan.Runs) && p.plan.Runs[next].Overlaps {
		p.w.e.after(time.Millisecond, func() { p.begin(next) })
	}
}

// struck lets the faults happen that strike after the effect just carried out.
func (p *publisher) struck() {
	for i := range p.w.plan.Faults {
		f := &p.w.plan.Faults[i]
		if f.Effect == p.effects && f.Kind.ofPublisher() && f.Who == p.number {
			p.w.strike(f)
		}
	}
}

func (p *publisher) strike(f *Fault) {
	switch f.Kind {
	case PublisherKilled:
		p.dead = true
		p.w.net.crash(p.station)
	case PublisherCutOff:
		p.w.net.cutOff(p.station, true, true, f.Lasts)
	case Interrupted, Cancelled:
		if f.Run >= len(p.runs) {
			return
		}
		c := p.runs[f.Run]
		c.aborted = c.aborted || !c.over && c.core.Stage() < conduct.Stopping
		if f.Kind == Interrupted {
			p.runs[f.Run].post(conduct.Interrupted{Reason: "interrupted"})
		} else {
			p.runs[f.Run].post(conduct.Cancelled{Reason: "by a colleague"})
		}
	default:
	}
}
