package amqp

import (
	"context"
	"strconv"

	amqp091 "github.com/rabbitmq/amqp091-go"

	"downbeat/internal/queue"
)

// A pipe is a channel in confirm mode. RabbitMQ returns a message that reached no queue, and
// then confirms it like any other; so each confirmation is compared with the messages that were
// returned before it.
type pipe struct {
	session *session
	channel *amqp091.Channel
	posted  uint64 // numbers the messages; used by one caller at a time

	questions chan question
	gone      chan struct{}       // closed when the channel is
	returned  map[string]struct{} // ids of returned messages that were not asked about yet; serve's until gone
	err       error               // why the channel was closed; valid after gone
}

// A question asks whether the message with that id was returned.
type question struct {
	id     string
	answer chan<- bool
}

// returnBuffer lets the library's reader run a little ahead; serve empties it at once.
const returnBuffer = 256

func openPipe(ctx context.Context, s *session) (*pipe, error) {
	open := func() (*pipe, error) {
		channel, err := s.conn.Channel()
		if err != nil {
			return nil, err
		}
		p := &pipe{
			session: s, channel: channel,
			questions: make(chan question), gone: make(chan struct{}), returned: make(map[string]struct{}),
		}
		returns := channel.NotifyReturn(make(chan amqp091.Return, returnBuffer))
		closes := channel.NotifyClose(make(chan *amqp091.Error, 1))
		if err := channel.Confirm(false); err != nil {
			return nil, err
		}
		return p, s.start(func() { p.serve(returns, closes) })
	}
	return call(ctx, s, open, func(p *pipe) { _ = p.channel.Close() })
}

// close closes the channel.
func (p *pipe) close(ctx context.Context) {
	_, _ = call(ctx, p.session, func() (struct{}, error) { return struct{}{}, p.channel.Close() }, nil)
}

// serve collects returned messages and answers questions, until the channel is closed.
func (p *pipe) serve(returns <-chan amqp091.Return, closes <-chan *amqp091.Error) {
	defer close(p.gone)
	for returns != nil || closes != nil {
		select {
		case r, ok := <-returns:
			if !ok {
				returns = nil
				continue
			}
			p.returned[r.MessageId] = struct{}{}
		case err, ok := <-closes:
			if !ok {
				closes = nil
			} else if err != nil {
				p.err = err
			}
		case q := <-p.questions:
			returns = p.drain(returns)
			_, ok := p.returned[q.id]
			delete(p.returned, q.id)
			q.answer <- ok
		}
	}
}

// drain takes what has been returned already.
func (p *pipe) drain(returns <-chan amqp091.Return) <-chan amqp091.Return {
	for {
		select {
		case r, ok := <-returns:
			if !ok {
				return nil
			}
			p.returned[r.MessageId] = struct{}{}
		default:
			return returns
		}
	}
}

// cameBack tells whether the confirmed message with that id was returned.
func (p *pipe) cameBack(id string) bool {
	answer := make(chan bool, 1)
	select {
	case p.questions <- question{id, answer}:
		return <-answer
	case <-p.gone:
		_, ok := p.returned[id]
		return ok
	}
}

// post writes the message. Callers take turns.
func (p *pipe) post(ctx context.Context, m *posting) (id string, c *amqp091.DeferredConfirmation, err error) {
	p.posted++
	id = strconv.FormatUint(p.posted, 10)
	content := m.content
	content.MessageId = id
	err = p.session.write(ctx, func() error {
		c, err = p.channel.PublishWithDeferredConfirm(m.exchange, m.key, m.mandatory, false, content)
		return err
	})
	if err != nil {
		return id, nil, p.failure(ctx)
	}
	return id, c, nil
}

// await waits for the broker's answer to a message that was written.
func (p *pipe) await(ctx context.Context, m *posting, id string, c *amqp091.DeferredConfirmation) error {
	select {
	case <-c.Done():
	case <-ctx.Done():
		return ended(ctx, nil)
	}
	switch {
	case !c.Acked() && p.channel.IsClosed():
		return p.failure(ctx)
	case !c.Acked():
		return errNacked
	case m.mandatory && p.cameBack(id):
		return queue.ErrNoQueue
	}
	return nil
}

// failure tells why the channel, which is closed or about to be, was closed.
func (p *pipe) failure(ctx context.Context) error {
	select {
	case <-p.gone:
		if p.err != nil {
			return p.err
		}
		return errLost
	case <-ctx.Done():
		return ended(ctx, nil)
	}
}
