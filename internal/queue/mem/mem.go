// Package mem implements [queue.Broker] inside one process, for `publish` without a broker, and
// for tests. Nothing outlives the process. There is no goroutine: messages and queues expire
// when they are next looked at.
package mem

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"downbeat/internal/queue"
)

// maxBody is RabbitMQ's default, so that what works in one process also works
// over a network.
const maxBody = 16 << 20

// A Broker is one connection to an in-process broker; [Broker.Connect] makes
// further ones. It implements [queue.Broker].
type Broker struct {
	store *store
	done  chan struct{} // closed by Close
	since time.Time

	mu        sync.Mutex
	closed    bool
	consumers map[*consumer]struct{}
}

// New makes an in-process broker without queues and returns the first connection to it. The
// options are not used: no connection is ever lost.
func New(queue.Options) *Broker {
	return connect(newStore())
}

// Connect makes another connection to the same broker: it has the same queues and is closed
// separately.
func (b *Broker) Connect() *Broker {
	return connect(b.store)
}

func connect(s *store) *Broker {
	return &Broker{store: s, done: make(chan struct{}), since: time.Now(), consumers: make(map[*consumer]struct{})}
}

// Declare implements [queue.Broker].
func (b *Broker) Declare(ctx context.Context, spec queue.Spec) error {
	if err := b.check(ctx); err != nil {
		return fmt.Errorf("declare queue %s: %w", spec.Name, err)
	}
	if err := spec.Check(); err != nil {
		return fmt.Errorf("declare queue: %w", err)
	}
	return b.store.declare(spec)
}

// Delete implements [queue.Broker].
func (b *Broker) Delete(ctx context.Context, name string) error {
	if err := b.check(ctx); err != nil {
		return fmt.Errorf("delete queue %s: %w", name, err)
	}
	b.store.delete(name)
	return nil
}

// Inspect implements [queue.Broker].
func (b *Broker) Inspect(ctx context.Context, name string) (queue.Info, error) {
	err := b.check(ctx)
	if err == nil {
		var info queue.Info
		if info, err = b.store.inspect(name); err == nil {
			return info, nil
		}
	}
	return queue.Info{}, fmt.Errorf("inspect queue %s: %w", name, err)
}

// Publish implements [queue.Broker]. It never blocks.
func (b *Broker) Publish(ctx context.Context, name string, m queue.Message) error {
	err := b.check(ctx)
	if err == nil {
		err = m.Check(b.Limits())
	}
	if err == nil {
		err = b.store.publish(name, m)
	}
	if err != nil {
		return fmt.Errorf("publish to %s: %w", name, err)
	}
	return nil
}

// Enqueue implements [queue.Broker]. The message is in its queue when it returns.
func (b *Broker) Enqueue(ctx context.Context, name string, m queue.Message) queue.Confirm {
	err := b.Publish(ctx, name, m)
	return func() error { return err }
}

// Broadcast implements [queue.Broker].
func (b *Broker) Broadcast(ctx context.Context, group string, m queue.Message) error {
	err := b.check(ctx)
	if err == nil {
		err = queue.CheckName(group)
	}
	if err == nil {
		err = m.Check(b.Limits())
	}
	if err != nil {
		return fmt.Errorf("broadcast to %s: %w", group, err)
	}
	b.store.broadcast(group, m)
	return nil
}

// Consume implements [queue.Broker].
func (b *Broker) Consume(ctx context.Context, name string, prefetch int) (queue.Consumer, error) {
	return b.consume(ctx, newConsumer(b, name, prefetch), prefetch)
}

// ConsumeAlone implements [queue.Broker].
func (b *Broker) ConsumeAlone(ctx context.Context, name string, prefetch int, claim queue.Claim) (queue.Consumer, error) {
	c := newConsumer(b, name, prefetch)
	c.alone, c.about = true, claim.About
	return b.consume(ctx, c, prefetch)
}

func (b *Broker) consume(ctx context.Context, c *consumer, prefetch int) (queue.Consumer, error) {
	err := b.check(ctx)
	if err == nil && (prefetch < 1 || prefetch > queue.MaxPrefetch) {
		err = fmt.Errorf("prefetch is %d, possible are 1 to %d", prefetch, queue.MaxPrefetch)
	}
	if err == nil {
		err = b.attach(c)
	}
	if err != nil {
		return nil, fmt.Errorf("consume from %s: %w", c.name, err)
	}
	return c, nil
}

func (b *Broker) attach(c *consumer) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return queue.ErrClosed
	}
	if err := b.store.attach(c); err != nil {
		return err
	}
	b.consumers[c] = struct{}{}
	return nil
}

// ConnectedAt implements [queue.Broker].
func (b *Broker) ConnectedAt() time.Time { return b.since }

// Limits implements [queue.Broker].
func (b *Broker) Limits() queue.Limits { return queue.Limits{MaxBody: maxBody} }

// Close implements [queue.Broker]. Queues and what is in them stay for the
// other connections.
func (b *Broker) Close() error {
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return nil
	}
	b.closed = true
	close(b.done)
	open := slices.Collect(maps.Keys(b.consumers))
	b.mu.Unlock()
	for _, c := range open {
		_ = c.Close()
	}
	return nil
}

// check reports why a method can't go on: closed, or its context has ended.
func (b *Broker) check(ctx context.Context) error {
	select {
	case <-b.done:
		return queue.ErrClosed
	default:
		return ctx.Err()
	}
}
