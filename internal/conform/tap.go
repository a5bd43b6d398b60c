package conform

import (
	"context"
	"errors"

	"downbeat/internal/queue"
)

// A tap stands between a broker and the kit's side of a conversation, and notes in a
// trace all that passes: what is done to messages on purpose is done above it, so
// that a delivery is noted as it came, and a message only if it really was published.
type tap struct {
	queue.Broker
	trace *Trace
}

func (t *tap) sent(name string, m queue.Message) int {
	body := append([]byte(nil), m.Body...) // it is the sender's again later
	return t.trace.add(Message{From: Peer, Queue: name, Header: m.Header, Body: body})
}

// settle notes what has become of a message.
func (t *tap) settle(place int, err error) error {
	if errors.Is(err, queue.ErrNoQueue) {
		t.trace.unroutable(place)
	}
	return err
}

// Publish implements [queue.Broker].
func (t *tap) Publish(ctx context.Context, name string, m queue.Message) error {
	place := t.sent(name, m)
	return t.settle(place, t.Broker.Publish(ctx, name, m))
}

// Enqueue implements [queue.Broker].
func (t *tap) Enqueue(ctx context.Context, name string, m queue.Message) queue.Confirm {
	place := t.sent(name, m)
	confirm := t.Broker.Enqueue(ctx, name, m)
	return func() error { return t.settle(place, confirm()) }
}

// Broadcast implements [queue.Broker].
func (t *tap) Broadcast(ctx context.Context, group string, m queue.Message) error {
	t.sent(group, m)
	return t.Broker.Broadcast(ctx, group, m)
}

// Consume implements [queue.Broker].
func (t *tap) Consume(ctx context.Context, name string, prefetch int) (queue.Consumer, error) {
	c, err := t.Broker.Consume(ctx, name, prefetch)
	if err != nil {
		return nil, err
	}
	return &tapped{c, t.trace, name}, nil
}

// ConsumeAlone implements [queue.Broker].
func (t *tap) ConsumeAlone(ctx context.Context, name string, prefetch int, claim queue.Claim) (queue.Consumer, error) {
	c, err := t.Broker.ConsumeAlone(ctx, name, prefetch, claim)
	if err != nil {
		return nil, err
	}
	return &tapped{c, t.trace, name}, nil
}

// A tapped consumer notes what it hands out.
type tapped struct {
	queue.Consumer
	trace *Trace
	name  string
}

// Receive implements [queue.Consumer].
func (c *tapped) Receive(ctx context.Context) (*queue.Delivery, error) {
	d, err := c.Consumer.Receive(ctx)
	if err == nil {
		c.trace.add(Message{From: Subject, Queue: c.name, Header: d.Header, Body: d.Body})
	}
	return d, err
}
