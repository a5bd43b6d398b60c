package publisher

import (
	"context"
	"time"

	"downbeat/internal/clock"
	"downbeat/internal/message"
	"downbeat/internal/publisher/conduct"
	"downbeat/internal/queue"
)

// An endedRun is what is remembered of a run that is over, for hosts that have not heard that
// all they have reported is safe. The publisher's lock guards it.
type endedRun struct {
	acknowledged conduct.Acknowledged
	index        map[string]int // of the hosts
	serials      []uint64       // of the latest control to each
	clock        *clock.Clock
	until        time.Time // after that no worker waits any more
}

// remember keeps of a run that is over what its hosts may still ask for, and forgets the runs
// that none asks for any more. Its outboxes have ended.
func (p *Publisher) remember(r *run) {
	e := &endedRun{acknowledged: r.conduct.Acknowledged(), index: r.index, clock: r.clock}
	for _, h := range r.hosts {
		e.serials = append(e.serials, h.outbox.serial)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	e.until = now.Add(2 * p.config.Lease)
	for run, other := range p.ended {
		if now.After(other.until) {
			delete(p.ended, run)
		}
	}
	p.ended[r.dp.Run] = e
}

// afterwards takes an event of a run that is over. A host that sends its last event again is
// told again that it is safe, from a goroutine of its own, as a broker that is away blocks it.
func (p *Publisher) afterwards(ctx context.Context, head message.Header) {
	p.mu.Lock()
	defer p.mu.Unlock()
	e := p.ended[head.Run]
	if e == nil || head.Version != message.Version {
		return // it was none of ours, or is long over
	}
	host, known := e.index[head.Host]
	if !known {
		return
	}
	c := e.acknowledged.Again(host, head.Seq)
	if c == nil {
		return
	}
	e.serials[host]++
	serial := e.serials[host]
	p.taking.Go(func() {
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		if err := p.tell(ctx, e.clock, head.Run, head.Host, serial, c); err != nil {
			p.slog.Debug("a host is not told again that its run is safe", "host", head.Host, "error", err)
		}
	})
}

// tell seals a control of a run, and sends it.
func (p *Publisher) tell(ctx context.Context, clock *clock.Clock, run, host string, serial uint64, c *message.Control) error {
	address := message.Address{
		Purpose: message.PurposeControl, Namespace: p.config.Namespace, Host: host, Run: run,
		Serial: serial, Expires: clock.Now().Add(controlExpiry), // a step of the wall clock must not age it
	}
	body, err := message.Seal(address, c, p.config.Key)
	if err != nil {
		return err
	}
	return p.config.Broker.Publish(ctx, message.ControlQueue(p.config.Namespace, host), queue.Message{Body: body, TTL: p.config.Lease})
}
