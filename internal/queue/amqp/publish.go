package amqp

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	amqp091 "github.com/rabbitmq/amqp091-go"

	"downbeat/internal/queue"
	"downbeat/internal/queue/retry"
)

// errNacked: the broker could not take responsibility for a message.
var errNacked = errors.New("the broker refused the message because of an internal error")

// A publisher sends messages over one channel, the pipe, in confirm mode: calls
// take turns at writing and then wait for their confirmations side by side.
type publisher struct {
	broker *Broker
	// turn is held while writing to the pipe or replacing it.
	turn chan struct{}
	pipe *pipe
	// alone is held by a message that has the pipe to itself; see finish.
	alone chan struct{}
}

// A posting is one message on its way to an exchange.
type posting struct {
	exchange, key string
	// mandatory makes it an error if the message reaches no queue.
	mandatory bool
	content   amqp091.Publishing
}

func newPublisher(b *Broker) *publisher {
	return &publisher{broker: b, turn: make(chan struct{}, 1), alone: make(chan struct{}, 1)}
}

// Publish implements [queue.Broker].
func (b *Broker) Publish(ctx context.Context, name string, m queue.Message) error {
	return b.Enqueue(ctx, name, m)()
}

// Enqueue implements [queue.Broker].
func (b *Broker) Enqueue(ctx context.Context, name string, m queue.Message) queue.Confirm {
	err := m.Check(b.Limits())
	if err == nil {
		err = queue.CheckName(name)
	}
	var confirm queue.Confirm
	if err == nil {
		confirm = b.publisher.begin(ctx, &posting{key: name, mandatory: true, content: content(m)})
	}
	return func() error {
		if err == nil {
			err = confirm()
		}
		if err != nil {
			return fmt.Errorf("publish to %s: %w", name, err)
		}
		return nil
	}
}

// Broadcast implements [queue.Broker].
func (b *Broker) Broadcast(ctx context.Context, group string, m queue.Message) error {
	err := m.Check(b.Limits())
	if err == nil {
		err = queue.CheckName(group)
	}
	if err == nil {
		err = b.publisher.begin(ctx, &posting{exchange: group, content: content(m)})()
	}
	if err != nil && !errors.Is(err, queue.ErrNoQueue) { // without an exchange the group has no queues
		return fmt.Errorf("broadcast to %s: %w", group, err)
	}
	return nil
}

// content is the message in AMQP's form.
func content(m queue.Message) amqp091.Publishing {
	p := amqp091.Publishing{Body: m.Body, DeliveryMode: amqp091.Transient}
	if m.Persistent {
		p.DeliveryMode = amqp091.Persistent
	}
	if m.TTL > 0 {
		p.Expiration = strconv.FormatInt(milliseconds(m.TTL), 10)
	}
	if len(m.Header) > 0 {
		p.Headers = make(amqp091.Table, len(m.Header))
		for k, v := range m.Header {
			p.Headers[k] = v
		}
	}
	return p
}

// begin writes the message, if there is a connection, and returns a function that waits for the
// broker's answer, and tries again until there is one.
func (p *publisher) begin(ctx context.Context, m *posting) queue.Confirm {
	ctx, cancel := p.broker.until(ctx)
	first := p.write(ctx, m)
	return func() error {
		defer cancel()
		return p.finish(ctx, m, first)
	}
}

// finish tries until the broker has taken or refused the message. RabbitMQ refuses a message by
// closing the channel. That fails all other messages on it too, and doesn't say which one was
// the cause. So every message that a refusal hits is sent once more on a channel of its own; if
// it is refused there too, it was the cause.
func (p *publisher) finish(ctx context.Context, m *posting, w written) error {
	attempts := retry.New()
	var last error
	for w.session != nil {
		s := w.session
		err := w.await(ctx, m)
		if mapped(err) != nil && s.alive() {
			if err = p.isolate(ctx, s, m); mapped(err) != nil && s.alive() {
				return refused(err)
			}
		}
		if err == nil || errors.Is(err, queue.ErrNoQueue) {
			return err
		}
		if ctx.Err() != nil {
			if blocked := s.blockedBecause(); blocked != nil {
				last = blocked
			}
			return ended(ctx, last)
		}
		last = err
		if s.alive() {
			attempts.Wait(ctx, nil)
		}
		if ctx.Err() != nil {
			return ended(ctx, last)
		}
		w = p.write(ctx, m)
	}
	return w.err
}

// refused maps the refusal of a message.
func refused(err error) error {
	var refusal *amqp091.Error
	if errors.As(err, &refusal) && (refusal.Code == amqp091.PreconditionFailed || refusal.Code == amqp091.ContentTooLarge) {
		return fmt.Errorf("%w: %s", queue.ErrTooLarge, refusal.Reason)
	}
	return mapped(err)
}

// A written message waits for the broker's answer. Without a session there was no connection to
// write to, and there will be none; err says why.
type written struct {
	session      *session
	pipe         *pipe
	id           string
	confirmation *amqp091.DeferredConfirmation
	err          error
}

// await waits for the broker's answer to the message.
func (w *written) await(ctx context.Context, m *posting) error {
	if w.err != nil {
		return w.err
	}
	return w.pipe.await(ctx, m, w.id, w.confirmation)
}

// write writes the message to the common pipe, and makes that if there is no working one.
func (p *publisher) write(ctx context.Context, m *posting) (w written) {
	if ctx.Err() != nil { // don't send a message that nothing waits for any more
		return written{err: ended(ctx, nil)}
	}
	if w.session, w.err = p.broker.publish.session(ctx); w.err != nil {
		return written{err: w.err}
	}
	if w.err = p.takeTurn(ctx, w.session); w.err != nil {
		return w
	}
	defer func() { <-p.turn }()
	if on := p.pipe; on == nil || on.session != w.session || on.channel.IsClosed() {
		if on, w.err = openPipe(ctx, w.session); w.err != nil {
			return w
		}
		p.pipe = on
	}
	w.pipe = p.pipe
	w.id, w.confirmation, w.err = w.pipe.post(ctx, m)
	return w
}

// takeTurn waits until it is this call's turn to write and the broker takes
// messages.
func (p *publisher) takeTurn(ctx context.Context, s *session) error {
	for {
		if err := s.awaitFree(ctx); err != nil {
			return err
		}
		select {
		case p.turn <- struct{}{}:
		case <-s.done:
			return errLost
		case <-ctx.Done():
			return ended(ctx, nil)
		}
		if s.blockedBecause() == nil {
			return nil
		}
		<-p.turn
	}
}

// isolate sends the message over a pipe that no other message is using.
func (p *publisher) isolate(ctx context.Context, s *session, m *posting) error {
	select {
	case p.alone <- struct{}{}:
		defer func() { <-p.alone }()
	case <-ctx.Done():
		return ended(ctx, nil)
	}
	on, err := openPipe(ctx, s)
	if err != nil {
		return err
	}
	defer on.close(ctx)
	id, confirmation, err := on.post(ctx, m)
	if err != nil {
		return err
	}
	return on.await(ctx, m, id, confirmation)
}
