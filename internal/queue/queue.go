// Package queue defines what Downbeat needs from a message broker. Package amqp implements it
// on RabbitMQ, sqs on Amazon SQS, mem inside one process; queuetest is the conformance suite
// that each implementation passes, and dial opens one by its URL.
//
// The guarantee is weak on purpose, so that every broker can give it: a message whose
// publishing returned nil arrives at least once as long as its queue exists; it may arrive
// twice, late, or out of order. Exactly-once delivery is achieved above this package, by
// counting and acknowledging end to end.
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
	// ErrBadURL: the queue URL is malformed; trying again is useless.
	ErrBadURL = errors.New("bad queue URL")
	// ErrUnreachable: no connection could be made.
	ErrUnreachable = errors.New("queue unreachable")
	// ErrHungUp, which comes with ErrUnreachable: the broker accepted the connection and closed
	// it without a reason before it could be used. A broker that is still starting does that,
	// so it is worth trying again for a while.
	ErrHungUp = errors.New("the broker hung up")
	// ErrDenied: the broker was reached, but refuses these credentials or the operation.
	ErrDenied = errors.New("access denied by the broker")
	// ErrNoQueue: there is no queue of that name, so no consumer has ever declared it.
	ErrNoQueue = errors.New("no such queue")
	// ErrHeld: another consumer has the queue for itself. See [HeldError].
	ErrHeld = errors.New("another consumer has the queue for itself")
	// ErrTooLarge: the body is over Limits.MaxBody.
	ErrTooLarge = errors.New("message too large for the broker")
	// ErrClosed: the broker or consumer was closed by this program.
	ErrClosed = errors.New("queue closed")
)

// A Broker is a connection to a message broker. All methods may be called concurrently. A lost
// connection is made again, without limit, with back-off and a line in the log. Meanwhile every
// method blocks until the connection is back or its context ends, in which case it returns the
// context's error together with the last problem.
type Broker interface {
	// Declare makes sure that the queue exists. It is idempotent, and the implementation
	// repeats it if a broker has lost the queue. Declaring a name again with a different Spec
	// is an error; a broker may be unable to notice that another connection declared it with a
	// different Group.
	Declare(ctx context.Context, spec Spec) error

	// Delete removes a queue with its messages, also from its group. It is not an error if the
	// queue doesn't exist. Consumers of the queue stay, and go on if it is declared again.
	Delete(ctx context.Context, name string) error

	// Inspect describes a queue, or returns ErrNoQueue.
	Inspect(ctx context.Context, name string) (Info, error)

	// Publish puts a message on the queue and returns once the broker has
	// taken responsibility for it. It tries again through reconnects until
	// ctx ends; so after an error, and after a reconnect, the message may
	// have arrived nevertheless, or twice. Concurrent calls are pipelined;
	// the order of messages is kept only between calls that follow on each
	// other; see Enqueue. It returns ErrNoQueue or ErrTooLarge at once. The message is the
	// caller's again when Publish has returned.
	Publish(ctx context.Context, name string, m Message) error

	// Enqueue is Publish in two steps, for a sender that has several unconfirmed messages and
	// wants them to arrive in order. It returns as soon as the message is queued after those of
	// earlier calls. The Confirm that it returns waits for the broker, and returns what Publish
	// would. Until then ctx must not end, and the message must not be changed. The order is
	// kept if the broker keeps one, as long as no connection is lost.
	Enqueue(ctx context.Context, name string, m Message) Confirm

	// Broadcast publishes to every queue that was declared with the group. It is not an error
	// if the group has no queues.
	Broadcast(ctx context.Context, group string, m Message) error

	// Consume starts taking deliveries from a queue, at most prefetch (1 to MaxPrefetch) of
	// them unacknowledged at a time. It goes on across reconnects. If there is no such queue,
	// it returns ErrNoQueue at once. ctx bounds only the call itself.
	Consume(ctx context.Context, name string, prefetch int) (Consumer, error)

	// ConsumeAlone is Consume for a queue that may have only one consumer at a time, on
	// whatever connection. While another one has it, ConsumeAlone returns a [HeldError] at
	// once. A broker may also return that for a while after the other's connection was lost,
	// until it notices.
	//
	// A consumer that has lost its connection gets the queue back as soon as the broker allows
	// it; if another one has got it meanwhile, Receive waits until that one has gone. Consume
	// and ConsumeAlone must not be mixed on one queue: a broker may refuse either with ErrHeld,
	// or allow both.
	ConsumeAlone(ctx context.Context, name string, prefetch int, claim Claim) (Consumer, error)

	// ConnectedAt is when the current connection was made, or made again: since then the broker
	// may be a different one, or may have come back empty. Without lasting connections it is
	// when the Broker was opened.
	ConnectedAt() time.Time

	// Limits tells how large messages can be.
	Limits() Limits

	// Close ends the connection and waits until none of its goroutines is left. Blocked methods
	// return ErrClosed. It is idempotent.
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

	// Close stops the deliveries. Those that are neither acknowledged nor dead-lettered go back
	// to the queue; acknowledging them later does nothing. It is idempotent.
	Close() error
}

// A Claim says who consumes a queue alone.
type Claim struct {
	// Holder identifies the consumer. If the broker keeps claims beyond the end of a
	// connection, a claim replaces an earlier one with the same Holder: it is the same
	// consumer, started again. If it is empty, the queue belongs to another queue that the
	// consumer already has alone, and a broker that can't keep others away by itself need not
	// do so here.
	Holder string
	// About describes the consumer for people. Bytes after the first 100, and characters other
	// than letters, digits, spaces and _.:/=+-@, may be dropped.
	About string
}

// A HeldError says that another consumer has the queue for itself. It wraps [ErrHeld].
type HeldError struct {
	// By is the other's [Claim].About; empty if the broker doesn't know it.
	By string
}

// Error implements error.
func (e *HeldError) Error() string {
	if e.By == "" {
		return ErrHeld.Error()
	}
	return ErrHeld.Error() + ": " + e.By
}

// Unwrap returns [ErrHeld].
func (e *HeldError) Unwrap() error { return ErrHeld }

// A Spec describes a queue.
type Spec struct {
	Name string
	// Group, if any, makes the queue a target of Broadcast.
	Group string
	// Expires, if not zero, lets the broker delete the queue once it has been without a
	// consumer for this long; declaring it again counts as use, and so may Inspect. A broker
	// that can't do that by itself does it when another expiring queue is declared that has all
	// but the last part of the name in common. Zero: the queue is permanent.
	Expires time.Duration
	// MaxMessages, if not zero, bounds how many messages wait in the queue: the oldest are
	// dropped. A broker that can't count them bounds their age instead.
	MaxMessages int
	// MaxBytes, if not zero, bounds the total size of waiting bodies in the same way. It has no
	// effect on a broker that can't count, or on an existing queue without such a bound, which
	// an older version has made.
	MaxBytes int
	// DeadLetter, if any, names a queue, declared before, to which a broker that counts
	// deliveries moves messages that were delivered again and again without being acknowledged.
	// Other brokers ignore it, even when they compare Specs.
	DeadLetter string
}

// Check reports a Spec that some broker could not implement.
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

// CheckName reports a name that some broker does not accept for a queue or group: it must have
// 1 to 255 bytes.
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
	// TTL, if not zero, lets the broker drop the message when it has waited for this long, at
	// the latest on its way to a consumer. Brokers count in milliseconds, and may be a second
	// late. It is not part of a Delivery.
	TTL time.Duration
	// Header, if any, travels beside the body; keys are lower-case words.
	Header map[string]string
}

// MaxHeader is how many bytes of keys and values a Header may have.
const MaxHeader = 64 << 10

// Check reports a message that the broker would not accept: ErrTooLarge if it is over the
// limits.
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

// A Delivery is a message that a consumer has received. The consumer answers each with exactly
// one of Ack and Nack; a second call does nothing. Either may be called from any goroutine. If
// the connection was lost in between, the call does nothing, because the broker has already put
// the message back. Body and Header may be kept, but not changed.
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

// Info describes a queue at this moment. Messages is how many wait for delivery; Consumers is
// -1 if the broker doesn't know.
type Info struct {
	Messages  int
	Consumers int
}

// Limits says how large messages can be.
type Limits struct {
	// MaxBody is the largest body in bytes.
	MaxBody int
}

// Options are those of every implementation.
type Options struct {
	// Log gets lost and restored connections, and blocked brokers. It may be nil.
	Log *slog.Logger
	// ClientName is shown in the broker's list of connections, if it has one.
	ClientName string
}
