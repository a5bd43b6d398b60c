package amqp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	amqp091 "github.com/rabbitmq/amqp091-go"

	"downbeat/internal/queue"
	"downbeat/internal/queue/retry"
)

// A topology is the queues that were declared here, which have to exist again after a
// reconnect, even if the broker has lost everything.
type topology struct {
	mu       sync.Mutex
	specs    map[string]queue.Spec
	declared chan struct{} // closed and replaced at each declaration
}

func newTopology() *topology {
	return &topology{specs: make(map[string]queue.Spec), declared: make(chan struct{})}
}

// check reports a Spec that contradicts one declared before.
func (t *topology) check(spec queue.Spec) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if old, ok := t.specs[spec.Name]; ok && old != spec {
		return fmt.Errorf("it was declared before as %+v, not as %+v", old, spec)
	}
	return nil
}

func (t *topology) remember(spec queue.Spec) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.specs[spec.Name] = spec
	close(t.declared)
	t.declared = make(chan struct{})
}

func (t *topology) forget(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.specs, name)
}

func (t *topology) get(name string) (queue.Spec, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	spec, ok := t.specs[name]
	return spec, ok
}

// next is closed at the next declaration.
func (t *topology) next() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.declared
}

// restore declares everything again on a new connection. If the broker refuses a queue, that is
// logged; the others are still declared.
func (t *topology) restore(ctx context.Context, s *session, log *slog.Logger) error {
	t.mu.Lock()
	specs := slices.Collect(maps.Values(t.specs))
	t.mu.Unlock()
	for _, spec := range specs {
		err := declareAsItIs(spec, func(spec queue.Spec) error {
			return onChannel(ctx, s, func(ch *amqp091.Channel) error { return declare(ch, spec) })
		})
		if refusal := mapped(err); refusal != nil && s.alive() {
			log.Warn("a queue can't be declared again", "queue", spec.Name, "error", refusal)
			continue
		}
		if err != nil {
			return fmt.Errorf("declare queue %s again: %w", spec.Name, err)
		}
	}
	return nil
}

// onChannel runs an operation on a channel of its own, because the broker closes the channel
// when it refuses an operation.
func onChannel(ctx context.Context, s *session, op func(*amqp091.Channel) error) error {
	_, err := call(ctx, s, func() (struct{}, error) {
		ch, err := s.conn.Channel()
		if err != nil {
			return struct{}{}, err
		}
		err = op(ch)
		_ = ch.Close()
		return struct{}{}, err
	}, nil)
	return err
}

// declare declares the queue and puts it into its group, which is a fanout exchange that is
// deleted with its last queue.
func declare(ch *amqp091.Channel, spec queue.Spec) error {
	if _, err := ch.QueueDeclare(spec.Name, true, false, false, false, arguments(spec)); err != nil {
		return err
	}
	if spec.Group == "" {
		return nil
	}
	if err := ch.ExchangeDeclare(spec.Group, amqp091.ExchangeFanout, true, true, false, false, nil); err != nil {
		return err
	}
	return ch.QueueBind(spec.Name, "", spec.Group, false, nil)
}

// declareAsItIs declares a queue that is bounded in bytes. If it already exists without that
// bound, it is declared as it is: RabbitMQ can't change queues, and an older program may still
// use it.
func declareAsItIs(spec queue.Spec, declare func(queue.Spec) error) error {
	err := declare(spec)
	if spec.MaxBytes > 0 && isOther(err) {
		spec.MaxBytes = 0
		return declare(spec)
	}
	return err
}

// arguments are the queue's properties for RabbitMQ. They include the type, because a virtual
// host can have another default.
func arguments(spec queue.Spec) amqp091.Table {
	args := amqp091.Table{amqp091.QueueTypeArg: amqp091.QueueTypeClassic}
	if spec.Expires > 0 {
		args[amqp091.QueueTTLArg] = milliseconds(spec.Expires)
	}
	if spec.MaxMessages > 0 {
		args[amqp091.QueueMaxLenArg] = int64(spec.MaxMessages)
	}
	if spec.MaxBytes > 0 {
		args[amqp091.QueueMaxLenBytesArg] = int64(spec.MaxBytes)
	}
	return args
}

// milliseconds rounds up: zero would mean "at once", or be refused.
func milliseconds(d time.Duration) int64 {
	return int64((d + time.Millisecond - 1) / time.Millisecond)
}

// bindAttempts bounds the race of a declaration with the end of the group's last queue, with
// which the exchange is deleted.
const bindAttempts = 10

// Declare implements [queue.Broker].
func (b *Broker) Declare(ctx context.Context, spec queue.Spec) error {
	spec.DeadLetter = "" // classic queues don't count deliveries
	if err := spec.Check(); err != nil {
		return fmt.Errorf("declare queue: %w", err)
	}
	err := b.topology.check(spec)
	for attempt := 1; err == nil; attempt++ {
		err = declareAsItIs(spec, func(spec queue.Spec) error {
			return b.administer(ctx, func(ch *amqp091.Channel) error { return declare(ch, spec) })
		})
		if err == nil {
			b.topology.remember(spec)
			return nil
		}
		if errors.Is(err, queue.ErrNoQueue) && attempt < bindAttempts {
			err = nil
		}
	}
	return fmt.Errorf("declare queue %s: %w", spec.Name, err)
}

// Delete implements [queue.Broker].
func (b *Broker) Delete(ctx context.Context, name string) error {
	b.topology.forget(name)
	err := b.administer(ctx, func(ch *amqp091.Channel) error {
		_, err := ch.QueueDelete(name, false, false, false)
		return err
	})
	if err != nil && !errors.Is(err, queue.ErrNoQueue) {
		return fmt.Errorf("delete queue %s: %w", name, err)
	}
	return nil
}

// Inspect implements [queue.Broker].
func (b *Broker) Inspect(ctx context.Context, name string) (queue.Info, error) {
	var info queue.Info
	err := queue.CheckName(name)
	if err == nil {
		err = b.administer(ctx, func(ch *amqp091.Channel) error {
			q, err := ch.QueueDeclarePassive(name, true, false, false, false, nil)
			info = queue.Info{Messages: q.Messages, Consumers: q.Consumers}
			return err
		})
	}
	if err != nil {
		return queue.Info{}, fmt.Errorf("inspect queue %s: %w", name, err)
	}
	return info, nil
}

// administer runs an operation on the consuming connection, which the broker never blocks, and
// repeats it until the broker has answered.
func (b *Broker) administer(ctx context.Context, op func(*amqp091.Channel) error) error {
	ctx, cancel := b.until(ctx)
	defer cancel()
	var last error
	attempts := retry.New()
	for ctx.Err() == nil {
		s, err := b.consume.session(ctx)
		if err != nil {
			return err
		}
		err = onChannel(ctx, s, op)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			break
		}
		if refusal := mapped(err); refusal != nil && s.alive() {
			return refusal
		}
		last = err
		if s.alive() { // neither refused nor lost: for example, no channel was free
			attempts.Wait(ctx, nil)
		}
	}
	return ended(ctx, last)
}
