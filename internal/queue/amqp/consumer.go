package amqp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	amqp091 "github.com/rabbitmq/amqp091-go"

	"downbeat/internal/queue"
	"downbeat/internal/queue/retry"
)

// A consumer takes deliveries from one queue, over one subscription after the other. It
// implements [queue.Consumer].
type consumer struct {
	broker   *Broker
	name     string
	prefetch int
	alone    bool // no other consumer is allowed

	ctx    context.Context // ends when the consumer or the broker is closed
	cancel context.CancelFunc
	done   chan struct{} // closed when run has ended

	// deliveries has room for the whole prefetch, so that each is taken off the connection, and
	// its time noted, at once.
	deliveries chan *arrival
}

// An arrival is a delivery with the subscription that it came over.
type arrival struct {
	sub     *subscription
	content amqp091.Delivery
	at      time.Time
	settled atomic.Bool
}

// A subscription is a consumer on one channel of one session. When it ends, its unanswered
// deliveries go back to the queue.
type subscription struct {
	session *session
	channel *amqp091.Channel
	stream  <-chan amqp091.Delivery
	closes  <-chan *amqp091.Error
	over    atomic.Bool
	// turn is held while an answer is written.
	turn sync.Mutex
}

// Consume implements [queue.Broker].
func (b *Broker) Consume(ctx context.Context, name string, prefetch int) (queue.Consumer, error) {
	c, err := b.newConsumer(ctx, name, prefetch, false)
	if err != nil {
		return nil, fmt.Errorf("consume from %s: %w", name, err)
	}
	return c, nil
}

// ConsumeAlone implements [queue.Broker], with RabbitMQ's exclusive consumers. The broker
// doesn't say which consumer has the queue.
func (b *Broker) ConsumeAlone(ctx context.Context, name string, prefetch int, _ queue.Claim) (queue.Consumer, error) {
	c, err := b.newConsumer(ctx, name, prefetch, true)
	if err != nil {
		return nil, fmt.Errorf("consume from %s: %w", name, err)
	}
	return c, nil
}

func (b *Broker) newConsumer(ctx context.Context, name string, prefetch int, alone bool) (*consumer, error) {
	if err := queue.CheckName(name); err != nil {
		return nil, err
	}
	if prefetch < 1 || prefetch > queue.MaxPrefetch {
		return nil, fmt.Errorf("prefetch is %d, but must be 1 to %d", prefetch, queue.MaxPrefetch)
	}
	c := &consumer{
		broker: b, name: name, prefetch: prefetch, alone: alone,
		done: make(chan struct{}), deliveries: make(chan *arrival, prefetch),
	}
	c.ctx, c.cancel = context.WithCancel(b.ctx)
	ctx, stop := b.until(ctx)
	defer stop()
	sub, err := c.first(ctx)
	if err == nil {
		err = b.begin(func() { c.run(sub) })
	}
	if err != nil {
		c.cancel()
		return nil, err
	}
	return c, nil
}

// first subscribes for the first time. It keeps trying if the connection is lost, but not after
// a refusal.
func (c *consumer) first(ctx context.Context) (*subscription, error) {
	var last error
	attempts := retry.New()
	for ctx.Err() == nil {
		s, err := c.broker.consume.session(ctx)
		if err != nil {
			return nil, err
		}
		sub, err := c.subscribe(ctx, s)
		if err == nil {
			return sub, nil
		}
		if ctx.Err() != nil {
			break
		}
		if refusal := mapped(err); refusal != nil && s.alive() {
			return nil, refusal
		}
		last = err
		if s.alive() {
			attempts.Wait(ctx, nil)
		}
	}
	return nil, ended(ctx, last)
}

func (c *consumer) subscribe(ctx context.Context, s *session) (*subscription, error) {
	open := func() (*subscription, error) {
		channel, err := s.conn.Channel()
		if err != nil {
			return nil, err
		}
		sub := &subscription{session: s, channel: channel}
		sub.closes = channel.NotifyClose(make(chan *amqp091.Error, 1))
		if err = channel.Qos(c.prefetch, 0, false); err == nil {
			sub.stream, err = channel.Consume(c.name, "", false, c.alone, false, false, nil)
		}
		if err != nil {
			_ = channel.Close()
		}
		return sub, err
	}
	return call(ctx, s, open, func(sub *subscription) { _ = sub.channel.Close() })
}

// run is the consumer's goroutine: it keeps the consumer subscribed until that is closed.
func (c *consumer) run(sub *subscription) {
	defer close(c.done)
	attempts := retry.New()
	for sub != nil {
		began := time.Now()
		c.pump(sub)
		sub.end(c.broker.ctx)
		c.dropStale()
		if time.Since(began) > retry.Longest {
			attempts.Reset()
		}
		sub = c.resubscribe(attempts)
	}
}

// pump passes on the subscription's deliveries until that ends.
func (c *consumer) pump(sub *subscription) {
	for {
		select {
		case d, ok := <-sub.stream:
			if !ok {
				c.reportEnd(sub)
				return
			}
			select {
			case c.deliveries <- &arrival{sub: sub, content: d, at: time.Now()}:
			case <-c.ctx.Done():
				return
			}
		case <-c.ctx.Done():
			return
		}
	}
}

// reportEnd logs why a subscription has ended, unless the whole connection has, which its link
// logs.
func (c *consumer) reportEnd(sub *subscription) {
	if !sub.session.alive() || c.ctx.Err() != nil {
		return
	}
	reason := "the queue was deleted"
	select {
	case err := <-sub.closes:
		if err != nil {
			reason = err.Error()
		}
	default:
	}
	c.broker.log.Warn("the broker ended a subscription, subscribing again", "queue", c.name, "reason", reason)
}

// end marks the subscription's deliveries as void and closes its channel, which puts them back.
// It waits for the broker's answer, so that earlier acknowledgements are not lost, unless ctx
// ends: then the connection, and with it the channel, is closed.
func (sub *subscription) end(ctx context.Context) {
	sub.over.Store(true)
	if ctx.Err() != nil || !sub.session.alive() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, closeGrace)
	defer cancel()
	_, _ = call(ctx, sub.session, func() (struct{}, error) { return struct{}{}, sub.channel.Close() }, nil)
}

// dropStale empties the Go channel of deliveries that the broker has put back.
func (c *consumer) dropStale() {
	for {
		select {
		case <-c.deliveries:
		default:
			return
		}
	}
}

// resubscribe tries until it has a subscription; it returns nil if the consumer is closed. A
// queue that doesn't exist any more is declared again if it was declared here; otherwise it
// waits until another program declares it.
func (c *consumer) resubscribe(attempts *retry.Retry) *subscription {
	held := occupied{name: c.name, log: c.broker.log}
	for {
		s, err := c.broker.consume.session(c.ctx)
		if err != nil {
			return nil
		}
		declared := c.broker.topology.next()
		sub, err := c.subscribe(c.ctx, s)
		if err == nil {
			held.over()
			return sub
		}
		if errors.Is(mapped(err), queue.ErrHeld) && s.alive() {
			held.report()
		}
		if errors.Is(mapped(err), queue.ErrNoQueue) && s.alive() {
			if spec, ok := c.broker.topology.get(c.name); ok {
				_ = c.broker.Declare(c.ctx, spec)
			}
		}
		if c.ctx.Err() != nil {
			return nil
		}
		c.broker.log.Debug("subscribing failed", "queue", c.name, "error", err)
		if s.alive() && !attempts.Wait(c.ctx, declared) {
			return nil
		}
	}
}

// An occupied queue is one that its consumer can't get back for now. That is logged only after
// a while, because the broker may just not have noticed yet that the last connection is gone,
// and then from time to time.
type occupied struct {
	name        string
	log         *slog.Logger
	since, told time.Time
}

const (
	// ghostTime is how long RabbitMQ may keep a dead connection: twice its heartbeat, and a
	// little more.
	ghostTime = 30 * time.Second
	// remindEvery is how often a lasting state is logged again.
	remindEvery = 5 * time.Minute
)

func (o *occupied) report() {
	now := time.Now()
	if o.since.IsZero() {
		o.since = now
	}
	if now.Sub(o.since) < ghostTime || now.Sub(o.told) < remindEvery {
		return
	}
	o.told = now
	o.log.Warn("another consumer has taken the queue while the connection was lost, waiting for it", "queue", o.name, "since", o.since.UTC())
}

func (o *occupied) over() {
	if !o.told.IsZero() {
		o.log.Info("the queue is ours again", "queue", o.name, "after", time.Since(o.since).Round(time.Millisecond))
	}
}

// Receive implements [queue.Consumer].
func (c *consumer) Receive(ctx context.Context) (*queue.Delivery, error) {
	for {
		select {
		case <-c.ctx.Done():
			return nil, queue.ErrClosed
		case <-ctx.Done():
			return nil, ctx.Err()
		case a := <-c.deliveries:
			if c.ctx.Err() == nil && !a.sub.over.Load() {
				return a.delivery(), nil
			}
		}
	}
}

// Close implements [queue.Consumer].
func (c *consumer) Close() error {
	c.cancel()
	<-c.done
	return nil
}
