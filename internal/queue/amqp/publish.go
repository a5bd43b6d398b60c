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
	// alone is held by a message that has the pipe for itself; see send.
	alone chan struct{}
}

// A posting is one message on its way to an exchange.
type posting struct {
	exchange, key string
	// mandatory: it is an error if it reaches no queue.
	mandatory bool
	content   amqp091.Publishing
}

func newPublisher(b *Broker) *publisher {
	return &publisher{broker: b, turn: make(chan struct{}, 1), alone: make(chan struct{}, 1)}
}

// Publish implements [queue.Broker].
func (b *Broker) Publish(ctx context.Context, name string, m queue.Message) error {
	err := m.Check(b.Limits())
	if err == nil {
		err = queue.CheckName(name)
	}
	if err == nil {
		err = b.publisher.send(ctx, &posting{key: name, mandatory: true, content: content(m)})
	}
	if err != nil {
		return fmt.Errorf("publish to %s: %w", name, err)
	}
	return nil
}

// Broadcast implements [queue.Broker].
func (b *Broker) Broadcast(ctx context.Context, group string, m queue.Message) error {
	err := m.Check(b.Limits())
	if err == nil {
		err = queue.CheckName(group)
	}
	if err == nil {
		err = b.publisher.send(ctx, &posting{exchange: group, content: content(m)})
	}
	if err != nil && !errors.Is(err, queue.ErrNoQueue) { // no exchange: the group has no queues
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

// send tries until the broker has taken or refused the message.
//
// RabbitMQ refuses by closing the channel, which fails whatever else is on its
// way there and doesn't say whose fault it was. So every message that a refusal
// hits is sent once more on a channel of its own; if that is refused too, it
// was meant.
func (p *publisher) send(ctx context.Context, m *posting) error {
	ctx, cancel := p.broker.until(ctx)
	defer cancel()
	attempts := retry.New()
	var last error
	for ctx.Err() == nil {
		s, err := p.broker.publish.session(ctx)
		if err != nil {
			return err
		}
		err = p.share(ctx, s, m)
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
			break
		}
		last = err
		if s.alive() {
			attempts.Wait(ctx, nil)
		}
	}
	return ended(ctx, last)
}

// refused maps the refusal of a message.
func refused(err error) error {
	var refusal *amqp091.Error
	if errors.As(err, &refusal) && (refusal.Code == amqp091.PreconditionFailed || refusal.Code == amqp091.ContentTooLarge) {
		return fmt.Errorf("%w: %s", queue.ErrTooLarge, refusal.Reason)
	}
	return mapped(err)
}

// share sends the message over the common pipe, which is made where there is
// none that works.
func (p *publisher) share(ctx context.Context, s *session, m *posting) error {
	if err := p.takeTurn(ctx, s); err != nil {
		return err
	}
	on := p.pipe
	if on == nil || on.session != s || on.channel.IsClosed() {
		var err error
		if on, err = openPipe(ctx, s); err != nil {
			<-p.turn
			return err
		}
		p.pipe = on
	}
	id, confirmation, err := on.post(ctx, m)
	<-p.turn
	if err != nil {
		return err
	}
	return on.await(ctx, m, id, confirmation)
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

// isolate sends the message over a pipe that nobody else uses, one message at a
// time.
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
