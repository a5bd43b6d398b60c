package amqp

import (
	"context"
	"errors"
	"fmt"
	"strings"

	amqp091 "github.com/rabbitmq/amqp091-go"

	"downbeat/internal/queue"
)

// errLost: the connection ended during an operation, which is tried again.
var errLost = errors.New("connection lost")

// unreachable is the error of a TCP connection that could not be made.
func (t *target) unreachable(err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%w: broker at %s: %w", queue.ErrUnreachable, t.address(), err)
	}
	return fmt.Errorf("%w: broker at %s: %w; check that RabbitMQ is running there and that host and port are right",
		queue.ErrUnreachable, t.address(), err)
}

// noTLS is the error of a TLS handshake.
func (t *target) noTLS(err error) error {
	return fmt.Errorf("%w: broker at %s: no TLS connection: %w; check that this is the TLS port (usually 5671), and cacertfile, certfile and keyfile in the queue URL",
		queue.ErrUnreachable, t.address(), err)
}

// refused is the error of an AMQP handshake.
func (t *target) refused(err error, conn *greeted) error {
	if refusal, ok := errors.AsType[*amqp091.Error](err); ok && refusal.Server {
		return t.notLetIn(refusal)
	}
	// The library reports anything that happens after the login was sent as a wrong password or
	// virtual host.
	if errors.Is(err, amqp091.ErrCredentials) || errors.Is(err, amqp091.ErrVhost) {
		return t.leftAtLogin(conn)
	}
	check := "that this is RabbitMQ's AMQP port (usually 5672, with TLS 5671)"
	if t.tls != nil { // the other side rejects a client certificate only now
		check += " and that it accepts the client certificate (certfile and keyfile in the queue URL)"
	}
	if conn.hungUp() && !conn.spoke.Load() {
		return fmt.Errorf("%w: %w: broker at %s closed the connection before it had sent any AMQP 0-9-1: it may still be starting; if this persists, check %s",
			queue.ErrUnreachable, queue.ErrHungUp, t.address(), check)
	}
	return fmt.Errorf("%w: broker at %s accepts the connection, but does not speak AMQP 0-9-1 on it: %w; check %s",
		queue.ErrUnreachable, t.address(), err, check)
}

// leftAtLogin is the error of a broker that got our login and did not answer.
func (t *target) leftAtLogin(conn *greeted) error {
	if conn.hungUp() {
		return fmt.Errorf("%w: %w: broker at %s closed the connection while user %q was logging in, without a reason: it may still be starting; "+
			"if this persists, check user name, password and virtual host in the queue URL, and see the broker's log",
			queue.ErrUnreachable, queue.ErrHungUp, t.address(), t.uri.Username)
	}
	err := errors.New("no answer")
	if read := conn.readErr.Load(); read != nil {
		err = *read
	}
	return fmt.Errorf("%w: broker at %s does not finish the login of user %q: %w; see the broker's log",
		queue.ErrUnreachable, t.address(), t.uri.Username, err)
}

// notLetIn is the error of a broker that refuses the login and says why.
func (t *target) notLetIn(refusal *amqp091.Error) error {
	switch {
	case refusal.Code == amqp091.AccessRefused:
		return fmt.Errorf("%w: broker at %s refuses user %q: %s; check user name and password in the queue URL",
			queue.ErrDenied, t.address(), t.uri.Username, refusal.Reason)
		// The same code is used for too many connections, which is temporary.
	case refusal.Code == amqp091.NotAllowed && !strings.Contains(refusal.Reason, "limit ("):
		return fmt.Errorf("%w: broker at %s does not let user %q into virtual host %q: %s; check that it exists and what the user may do there",
			queue.ErrDenied, t.address(), t.uri.Username, t.uri.Vhost, refusal.Reason)
	}
	return fmt.Errorf("%w: broker at %s does not let user %q into virtual host %q at the moment: %s",
		queue.ErrUnreachable, t.address(), t.uri.Username, t.uri.Vhost, refusal.Reason)
}

// mapped turns the broker's refusal of an operation into our errors; nil if err is not a
// refusal.
func mapped(err error) error {
	var refusal *amqp091.Error
	if !errors.As(err, &refusal) || !refusal.Server {
		return nil
	}
	switch refusal.Code {
	case amqp091.AccessRefused:
		// The same code is used for missing permissions, and for a second consumer beside an
		// exclusive one. Only the text tells them apart.
		if strings.Contains(refusal.Reason, "in exclusive use") {
			return &queue.HeldError{}
		}
		return fmt.Errorf("%w: %s", queue.ErrDenied, refusal.Reason)
	case amqp091.NotFound:
		return fmt.Errorf("%w: %s", queue.ErrNoQueue, refusal.Reason)
	case amqp091.NotAllowed:
		return fmt.Errorf("%w: %s", queue.ErrDenied, refusal.Reason)
	case amqp091.PreconditionFailed:
		return otherError(refusal.Reason)
	case amqp091.ContentTooLarge, amqp091.ResourceLocked:
		return errors.New(refusal.Reason)
	}
	return nil
}

// otherError is the broker's refusal to declare a queue that exists with other properties.
type otherError string

func (e otherError) Error() string {
	if !strings.Contains(string(e), "inequivalent arg") {
		return string(e)
	}
	return "it was declared differently before: " + string(e) + "; delete it if its messages are not needed, or use another namespace"
}

// isOther reports whether err is such a refusal, as it came from the broker or as mapped.
func isOther(err error) bool {
	if refusal, ok := errors.AsType[*amqp091.Error](err); ok {
		return refusal.Server && refusal.Code == amqp091.PreconditionFailed
	}
	_, ok := errors.AsType[otherError](err)
	return ok
}

// ended is the error of a method whose context has ended, with the last problem, if any.
func ended(ctx context.Context, last error) error {
	if errors.Is(context.Cause(ctx), queue.ErrClosed) {
		return queue.ErrClosed
	}
	if last == nil {
		return ctx.Err()
	}
	return fmt.Errorf("%w (%w)", ctx.Err(), last)
}
