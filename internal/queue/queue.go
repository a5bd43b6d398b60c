// Package queue is what Downbeat asks of a message broker. Package amqp
// implements it on RabbitMQ, sqs on Amazon SQS, mem inside one process;
// queuetest is the conformance suite that each implementation passes, and dial opens one by URL.
//
// The promise is weak on purpose, so that every broker can keep it: a message
// whose publishing returned nil arrives at least once as long as its queue
// lives; it may arrive twice, late, or out of order. What has to arrive exactly
// once is counted and acknowledged end to end, above this package.
package queue

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// Errors that implementations wrap; branch on them with errors.Is.
var (
	// ErrBadURL: the queue URL can't be understood; trying again is useless.
	ErrBadURL = errors.New("bad queue URL")
	// ErrUnreachable: no connection could be made.
	ErrUnreachable = errors.New("queue unreachable")
	// ErrHungUp, which comes with ErrUnreachable: the broker took the
	// connection and closed it without a word before it could be used. One that
	// is still starting does so: trying again for a while is worth it.
	ErrHungUp = errors.New("the broker hung up")
	// ErrDenied: the broker was reached and refuses these credentials, or
	// what was asked for with them.
	ErrDenied = errors.New("access denied by the broker")
	// ErrNoQueue: there is no queue of that name, so nobody ever listened.
	ErrNoQueue = errors.New("no such queue")
	// ErrHeld: another consumer has the queue for itself. See [HeldError].
	ErrHeld = errors.New("another consumer has the queue for itself")
	// ErrTooLarge: the body is over Limits.MaxBody.
	ErrTooLarge = errors.New("message too large for the broker")
	// ErrClosed: the broker or consumer was closed by this program.
	ErrClosed = errors.New("queue closed")
)

// A Broker is a connection to a message broker. All methods may be called
// concurrently. A lost connection is made again for ever, with back-off and a
// line in the log; meanwhile every method blocks until the connection is back
// or its context ends, and then returns the context's error wrapped with what
// went wrong last.
type Broker interface {
	// Declare makes sure that the queue exists. It is idempotent, and done
	// again by the implementation where a broker lost the queue. Declaring a
	// name again with a different Spec is an error; a broker may be unable to
	// notice that another connection declared it with a different Group.
	Declare(ctx context.Context, spec Spec) error

	// Delete removes a queue with all that is in it, from its group too. A
	// queue that isn't there is no error. Consumers of the queue stay, and go
	// on if it is declared again.
	Delete(ctx context.Context, name string) error

	// Inspect tells of a queue, or ErrNoQueue.
	Inspect(ctx context.Context, name string) (Info, error)

	// Publish puts a message on the queue and returns once the broker has
	// taken responsibility for it. It tries again through reconnects until
	// ctx ends; so after an error, and after a reconnect, the message may
	// have arrived nevertheless, or twice. Concurrent calls are pipelined;
	// the order of messages is kept only between calls that follow on each
	// other; see Enqueue. It returns ErrNoQueue or ErrTooLarge at once. The message is the
	// caller's again when Publish has returned.
	Publish(ctx context.Context, name string, m Message) error

	// Enqueue is Publish in two steps, for a sender that keeps several messages
	// under way and wants them to arrive in order. It returns as soon as the message
	// has its place behind those of earlier calls; the Confirm it returns waits
	// for the broker, and returns what Publish would. Until then ctx has to live
	// and the message belongs to the broker. The order is kept where the broker keeps
	// one, as long as no connection is lost.
	Enqueue(ctx context.Context, name string, m Message) Confirm

	// Broadcast publishes to every queue that was declared with the group.
	// A group with no queues is no error.
	Broadcast(ctx context.Context, group string, m Message) error

	// Consume begins to take deliveries from a queue, at most prefetch (1 to
	// MaxPrefetch) of them unacknowledged at a time. It goes on across
	// reconnects. Where there is no such queue it returns ErrNoQueue at once.
	// ctx bounds only the call itself.
	Consume(ctx context.Context, name string, prefetch int) (Consumer, error)

	// ConsumeAlone is Consume for a queue that one consumer at a time is to
	// have, whatever the connection. While another one has it, ConsumeAlone
	// returns a [HeldError] at once. A broker may also return that for a while
	// after the other's connection was lost, until it notices.
	//
	// A consumer that has lost its connection has the queue back as soon as the
	// broker lets it; should another one have got it meanwhile, Receive waits
	// until that has gone. Consume and ConsumeAlone of one queue don't go
	// together: a broker may refuse either with ErrHeld, or let both be.
	ConsumeAlone(ctx context.Context, name string, prefetch int, claim Claim) (Consumer, error)

	// ConnectedAt is when the present connection was made, or made again: from
	// then on the broker may be another one than before, which has come back empty. A
	// broker without lasting connections tells when it was opened.
	ConnectedAt() time.Time

	// Limits tells what the broker carries.
	Limits() Limits

	// Close ends the connection and waits until nothing of it is left
	// running here. Blocked methods return ErrClosed. It is idempotent.
	Close() error
}

// MaxPrefetch is the largest prefetch that every broker takes.
const MaxPrefetch = 65535

// A Confirm waits until the broker has taken responsibility for a message, or
// has refused it. It has to be called exactly once.
type Confirm func() error

// A Consumer takes deliveries from one queue. Receive and Close may be called
// concurrently.
type Consumer interface {
	// Receive waits for the next delivery; it returns ctx's error, or
	// ErrClosed. It never returns an error because of a lost connection.
	Receive(ctx context.Context) (*Delivery, error)

	// Close stops the deliveries. What was delivered and is neither
	// acknowledged nor dead-lettered goes back to the queue; acknowledging it
	// later does nothing. It is idempotent.
	Close() error
}

// A Claim says who consumes a queue alone.
type Claim struct {
	// Holder tells those who claim apart. A claim takes the place of an earlier
	// one with the same Holder, where the broker keeps claims beyond the end of a
	// connection: it is the same consumer's, started again. Empty: the queue
	// belongs to another one that the consumer has alone already, and a broker
	// that can't keep others away by itself need not do so here.
	Holder string
	// About tells a person who it is. Of more than 100 bytes, and of what is not
	// a letter, digit, space or one of _.:/=+-@, not all may be kept.
	About string
}

// A HeldError says that another consumer has the queue for itself. It wraps [ErrHeld].
type HeldError struct {
	// By is the other's [Claim].About; empty where the broker doesn't know it.
	By string
}

// Error implements error.
func (e *HeldError) Error() string {
	if e.By == "" {
		return ErrHeld.Error()
	}
	return ErrHeld.Error() + ": " + e.By
}

// Unwrap gives [ErrHeld].
func (e *HeldError) Unwrap() error { return ErrHeld }

// A Spec describes a queue.
type Spec struct {
	Name string
	// Group, if any, makes the queue a target of Broadcast.
	Group string
	// Expires, if not zero, lets the broker delete the queue once it has been
	// without consumer for so long; declaring it again counts as use, and so
	// may Inspect. A broker that doesn't do so by itself does it when a queue
	// with a term is declared that has all but the last part of the name in
	// common. Zero: it stays.
	Expires time.Duration
	// MaxMessages, if not zero, bounds what waits in the queue: the oldest
	// are dropped. A broker that can't count bounds their age instead.
	MaxMessages int
	// MaxBytes, if not zero, bounds the bodies of what waits in the queue in the
	// same way. A broker that can't count leaves it, and so does a queue that
	// is there already and has no such bound: whoever made it knew of none.
	MaxBytes int
	// DeadLetter, if any, names a queue, declared before, to which a broker
	// that counts deliveries moves what was delivered again and again without
	// being acknowledged. Others don't look at it, not to compare Specs either.
	DeadLetter string
}

// Check reports a Spec that not every broker could keep.
func (s Spec) Check() error {
	if err := CheckName(s.Name); err != nil {
		return err
	}
	if s.Group != "" {
		if err := CheckName(s.Group); err != nil {
			return fmt.Errorf("group: %w", err)
		}
	}
	if s.DeadLetter != "" {
		if err := CheckName(s.DeadLetter); err != nil {
			return fmt.Errorf("dead letters: %w", err)
		}
	}
	if s.Expires < 0 || s.MaxMessages < 0 || s.MaxBytes < 0 {
		return fmt.Errorf("queue %s: Expires (%v), MaxMessages (%d) and MaxBytes (%d) can't be negative", s.Name, s.Expires, s.MaxMessages, s.MaxBytes)
	}
	return nil
}

// CheckName reports a name that not every broker takes for a queue or group:
// it has 1 to 255 bytes.
func CheckName(name string) error {
	switch {
	case name == "":
		return errors.New("the queue's name is empty")
	case len(name) > 255:
		return fmt.Errorf("the queue's name has %d bytes, at most 255 are possible; it begins with %.40q", len(name), name)
	}
	return nil
}

// A Message is what Publish takes.
type Message struct {
	Body []byte
	// Persistent messages survive a restart of the broker.
	Persistent bool
	// TTL, if not zero, lets the broker drop the message when it has waited
	// for so long, at the latest on its way to a consumer. Brokers count in
	// milliseconds, and may be a second late. A Delivery doesn't tell it.
	TTL time.Duration
	// Header, if any, travels beside the body; keys are lower-case words.
	Header map[string]string
}

// MaxHeader is how many bytes of keys and values a Header may have.
const MaxHeader = 64 << 10

// Check reports a message that the broker would not take: ErrTooLarge where
// it is over the limits.
func (m *Message) Check(l Limits) error {
	if len(m.Body) > l.MaxBody {
		return fmt.Errorf("%w: %d bytes, at most %d are possible", ErrTooLarge, len(m.Body), l.MaxBody)
	}
	size := 0
	for k, v := range m.Header {
		if err := checkKey(k); err != nil {
			return err
		}
		size += len(k) + len(v)
	}
	if size > MaxHeader {
		return fmt.Errorf("%w: %d bytes of header, at most %d are possible", ErrTooLarge, size, MaxHeader)
	}
	if m.TTL < 0 {
		return fmt.Errorf("message TTL is %v", m.TTL)
	}
	return nil
}

func checkKey(key string) error {
	if key == "" || len(key) > 128 {
		return fmt.Errorf("header key %.40q: it must have 1 to 128 bytes", key)
	}
	return nil
}

// A Delivery is a message on its way to a consumer, which answers each with
// exactly one of Ack and Nack; a second call does nothing. Either may be called
// from any goroutine; a call after the connection was lost in between does
// nothing, as the broker has then put the message back already. Body and Header
// may be kept, but not changed.
type Delivery struct {
	Message
	// Redelivered: the broker has tried to deliver this message before.
	Redelivered bool
	// ReceivedAt is when the message came off the connection, as read from
	// this process's clock, monotonic reading included.
	ReceivedAt time.Time
	// Ack tells the broker to forget the message.
	Ack func(context.Context) error
	// Nack puts the message back for another try.
	Nack func(context.Context) error
}

// Info is what a broker tells of a queue at this moment. Messages is how many
// wait for delivery; Consumers is -1 where the broker doesn't know.
type Info struct {
	Messages  int
	Consumers int
}

// Limits is what a broker carries.
type Limits struct {
	// MaxBody is the largest body in bytes.
	MaxBody int
}

// Options are what every implementation takes.
type Options struct {
	// Log is told of lost and regained connections and of blocked brokers.
	// Nil: nobody is.
	Log *slog.Logger
	// ClientName is shown in the broker's list of connections, if it has one.
	ClientName string
}
