package mem

import (
	"context"
	"sync"
	"time"

	"downbeat/internal/queue"
)

// A consumer takes deliveries from the queue of its name, whether that is there
// or not. It implements [queue.Consumer].
type consumer struct {
	broker *Broker
	name   string
	alone  bool   // it must be the only consumer of the queue
	about  string // who it is
	done   chan struct{}
	once   sync.Once

	// deliveries has room for the whole prefetch, so that handing one out
	// never waits.
	deliveries chan *handout
	// unsettled are the deliveries that were not answered; guarded by the store's lock.
	unsettled map[*handout]struct{}
}

// A handout is one delivery of an item. The item may have another one later.
type handout struct {
	item        *item
	redelivered bool
	at          time.Time
}

func newConsumer(b *Broker, name string, prefetch int) *consumer {
	return &consumer{
		broker: b, name: name, done: make(chan struct{}),
		deliveries: make(chan *handout, min(max(prefetch, 0), queue.MaxPrefetch)), unsettled: make(map[*handout]struct{}),
	}
}

// Receive implements [queue.Consumer].
func (c *consumer) Receive(ctx context.Context) (*queue.Delivery, error) {
	for {
		select {
		case <-c.done:
			return nil, queue.ErrClosed
		case <-ctx.Done():
			return nil, ctx.Err()
		case h := <-c.deliveries:
			if c.holds(h) {
				return c.delivery(h), nil
			}
		}
	}
}

// holds tells whether the delivery still counts: it does not once its queue was
// deleted or the consumer closed.
func (c *consumer) holds(h *handout) bool {
	c.broker.store.mu.Lock()
	defer c.broker.store.mu.Unlock()
	_, ok := c.unsettled[h]
	return ok
}

func (c *consumer) delivery(h *handout) *queue.Delivery {
	answer := func(back bool) func(context.Context) error {
		return func(context.Context) error {
			c.broker.store.settle(c, h, back)
			return nil
		}
	}
	return &queue.Delivery{
		Message:     h.item.message,
		Redelivered: h.redelivered,
		ReceivedAt:  h.at,
		Ack:         answer(false),
		Nack:        answer(true),
	}
}

// Close implements [queue.Consumer].
func (c *consumer) Close() error {
	c.once.Do(func() {
		close(c.done)
		c.broker.store.detach(c)
		c.broker.mu.Lock()
		delete(c.broker.consumers, c)
		c.broker.mu.Unlock()
	})
	return nil
}

// deliver hands an item out; the store's lock is held and there is room.
func (c *consumer) deliver(it *item) {
	h := &handout{item: it, redelivered: it.redelivered, at: time.Now()}
	c.unsettled[h] = struct{}{}
	c.deliveries <- h
}

// forget empties the account of what was handed out, the channel included, and
// returns the items; the store's lock is held.
func (c *consumer) forget() []*item {
	for len(c.deliveries) > 0 {
		select {
		case <-c.deliveries:
		default: // Receive was faster
		}
	}
	left := make([]*item, 0, len(c.unsettled))
	for h := range c.unsettled {
		left = append(left, h.item)
	}
	clear(c.unsettled)
	return left
}
