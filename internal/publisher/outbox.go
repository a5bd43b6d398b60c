package publisher

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"downbeat/internal/message"
	"downbeat/internal/publisher/conduct"
	"downbeat/internal/queue"
)

// An outbox sends what a run has to say to one host, from a goroutine of its own, since a
// broker that is away blocks the sender. What can't be sent in time is dropped: every
// control is repeated until it shows its effect.
type outbox struct {
	r        *run // what of it may be used by all
	n        int  // of the host
	host     string
	job      []byte
	started  bool // the run's own
	controls chan *message.Control
	again    chan struct{} // the job is to be sent again
	closed   chan struct{}
	serial   uint64 // the outbox's own
	ended    sync.WaitGroup
}

const outboxLen = 64

func (r *run) newOutbox(n int, host string, job []byte) *outbox {
	return &outbox{
		r: r, n: n, host: host, job: job,
		controls: make(chan *message.Control, outboxLen), again: make(chan struct{}, 1), closed: make(chan struct{}),
	}
}

// sendJob sends the job, and what is put from then on after it, until ctx ends. If it was
// sent before, it is sent again: a broker that has come back empty has lost it. A worker
// that has it takes no notice.
func (o *outbox) sendJob(ctx context.Context) {
	if o.started {
		select {
		case o.again <- struct{}{}:
		default: // it is about to be
		}
		return
	}
	o.started = true
	o.ended.Go(func() { o.run(ctx) })
}

func (o *outbox) run(ctx context.Context) {
	if !o.publishJob(ctx) {
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
			if !o.publishJob(ctx) {
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

// askAgain is how often a queue that may come back is tried.
const askAgain = 250 * time.Millisecond

// publishJob sends the job; it waits for the host's queue where that may come back. It
// is false where there is nobody to send anything to.
func (o *outbox) publishJob(ctx context.Context) bool {
	p := o.r.p
	to := message.JobsQueue(p.config.Namespace, o.host)
	for told := false; ; told = true {
		err := p.config.Broker.Publish(ctx, to, queue.Message{Body: o.job, Persistent: true, TTL: p.jobValid()})
		if err == nil {
			return true
		}
		if !errors.Is(err, queue.ErrNoQueue) || !p.mayReturn(o.host) {
			o.fault(ctx, err)
			return !errors.Is(err, queue.ErrNoQueue) && !errors.Is(err, queue.ErrDenied)
		}
		if !told {
			o.r.post(ctx, conduct.Inquired{Host: o.n, Why: cameBackEmpty})
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

// close lets the goroutine end once it has sent what is queued; put must not be
// called any more.
func (o *outbox) close() {
	close(o.closed)
	close(o.controls)
}

// wait returns once the goroutine has ended.
func (o *outbox) wait() { o.ended.Wait() }

// put queues a control; one that finds the outbox full is dropped.
func (o *outbox) put(c *message.Control) {
	select {
	case o.controls <- c:
	default:
	}
}

// send seals a control as late as can be, so that its probe and its expiry
// are of the moment.
func (o *outbox) send(ctx context.Context, c *message.Control) {
	p, clock := o.r.p, o.r.clock
	o.serial++
	if c.Probe != nil {
		c.Probe.SentAt = clock.Now()
	}
	c.Reason = message.Clean(c.Reason) // a control is small
	if err := p.tell(ctx, clock, o.r.dp.Run, o.host, o.serial, c); err != nil {
		o.fault(ctx, err)
	}
}

// fault tells the run that something could not be sent.
func (o *outbox) fault(ctx context.Context, err error) {
	p := o.r.p
	var reason string
	switch {
	case ctx.Err() != nil:
		return
	case errors.Is(err, queue.ErrNoQueue):
		reason = fmt.Sprintf("no worker has ever served host %s in namespace %s: start one there, with DOWNBEAT_HOST=%s and the same queue and namespace",
			o.host, p.config.Namespace, o.host)
	case errors.Is(err, queue.ErrDenied):
		reason = fmt.Sprintf("the broker does not let publish send host %s its job: %v", o.host, err)
	default:
		p.slog.Warn("a host can't be told something", "host", o.host, "error", err)
		return
	}
	o.r.post(ctx, conduct.Unsendable{Host: o.n, Reason: reason, Why: err.Error()})
}

// controlExpiry is how long a control stays valid. It allows for hosts whose
// clock is wrong by minutes; what is stale for another reason does no harm, as
// its run is over or its number was seen.
const controlExpiry = 10 * time.Minute
