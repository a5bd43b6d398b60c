package publisher

import (
	"context"
	"errors"
	"sync"
	"time"

	"downbeat/internal/clock"
	"downbeat/internal/message"
	"downbeat/internal/queue"
)

// An outbox sends what a run has to say to one host, from a goroutine of its
// own, since a broker that is away blocks the sender. What can't be sent in time
// is dropped: every control is repeated until it shows its effect.
type outbox struct {
	p        *Publisher
	run      string
	host     string
	clock    *clock.Clock
	onFault  func(host string, err error)
	controls chan message.Control
	again    chan struct{} // the job is to be sent again
	closed   chan struct{}
	serial   uint64
	ended    sync.WaitGroup
}

const outboxLen = 64

func (p *Publisher) newOutbox(run, host string, c *clock.Clock, onFault func(string, error)) *outbox {
	return &outbox{
		p: p, run: run, host: host, clock: c, onFault: onFault,
		controls: make(chan message.Control, outboxLen), again: make(chan struct{}, 1), closed: make(chan struct{}),
	}
}

// start sends the job and then the controls until ctx ends.
func (o *outbox) start(ctx context.Context, job []byte, ttl time.Duration) {
	o.ended.Go(func() {
		if !o.sendJob(ctx, job, ttl) {
			return
		}
		for {
			select {
			case c, open := <-o.controls:
				if !open {
					return
				}
				o.send(ctx, c)
			case <-o.again:
				if !o.sendJob(ctx, job, ttl) {
					return
				}
			case <-ctx.Done():
				return
			}
		}
	})
}

// askAgain is how often a queue that may come back is tried.
const askAgain = 250 * time.Millisecond

// sendJob sends the job; it waits for the host's queue where that may come back. It
// is false where there is nobody to send anything to.
func (o *outbox) sendJob(ctx context.Context, job []byte, ttl time.Duration) bool {
	to := message.JobsQueue(o.p.config.Namespace, o.host)
	for told := false; ; told = true {
		err := o.p.config.Broker.Publish(ctx, to, queue.Message{Body: job, Persistent: true, TTL: ttl})
		if err == nil {
			return true
		}
		if !errors.Is(err, queue.ErrNoQueue) || !o.p.mayReturn(o.host) {
			o.fault(ctx, err)
			return !errors.Is(err, queue.ErrNoQueue) && !errors.Is(err, queue.ErrDenied)
		}
		if !told {
			o.fault(ctx, notice(cameBackEmpty))
		}
		timer := time.NewTimer(askAgain)
		select {
		case <-timer.C:
		case <-o.closed:
			timer.Stop()
			return false
		case <-ctx.Done():
			timer.Stop()
			return false
		}
	}
}

// repeatJob sends the job again: a broker that has come back empty has lost it. A
// worker that has it takes no notice.
func (o *outbox) repeatJob() {
	select {
	case o.again <- struct{}{}:
	default: // it is about to be
	}
}

// close lets the goroutine end once it has sent what is queued; put must not be
// called any more.
func (o *outbox) close() {
	close(o.closed)
	close(o.controls)
}

// wait returns once the goroutine has ended.
func (o *outbox) wait() { o.ended.Wait() }

// put queues a control; one that finds the outbox full is dropped.
func (o *outbox) put(c message.Control) {
	select {
	case o.controls <- c:
	default:
	}
}

// send seals a control as late as can be, so that its probe and its expiry
// are of the moment.
func (o *outbox) send(ctx context.Context, c message.Control) {
	o.serial++
	address := message.Address{
		Purpose: message.PurposeControl, Namespace: o.p.config.Namespace, Host: o.host, Run: o.run,
		Serial: o.serial, Expires: o.clock.Now().Add(controlExpiry), // a step of the wall clock must not age it
	}
	if c.Probe != nil {
		c.Probe.SentAt = o.clock.Now()
	}
	c.Reason = message.Clean(c.Reason) // a control is small
	body, err := message.Seal(address, c, o.p.config.Key)
	if err == nil {
		err = o.p.config.Broker.Publish(ctx, message.ControlQueue(o.p.config.Namespace, o.host), queue.Message{Body: body, TTL: o.p.config.Lease})
	}
	if err != nil {
		o.fault(ctx, err)
	}
}

func (o *outbox) fault(ctx context.Context, err error) {
	if ctx.Err() == nil {
		o.onFault(o.host, err)
	}
}

// controlExpiry is how long a control stays valid. It allows for hosts whose
// clock is wrong by minutes; what is stale for another reason does no harm, as
// its run is over or its number was seen.
const controlExpiry = 10 * time.Minute
