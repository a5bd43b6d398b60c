// Package amqp implements [queue.Broker] on RabbitMQ over AMQP 0-9-1. A [Broker] keeps two
// connections, one to publish, the other to consume and to declare, because RabbitMQ stops
// reading from publishing connections when it runs short of memory or disk. Each is a link,
// whose goroutine makes the connection again when it is lost. One AMQP connection is a session;
// everything that belongs to it (channels, subscriptions, unanswered deliveries) ends with it
// and is made again on the next. So an acknowledgement can never reach a connection other than
// that of its delivery.
//
// Queues are durable classic queues. A group is a durable fanout exchange of
// the group's name, which RabbitMQ deletes with the group's last queue.
package amqp

import (
	"context"
	"log/slog"
	"sync"
	"time"

	amqp091 "github.com/rabbitmq/amqp091-go"
	"golang.org/x/sync/errgroup"

	"downbeat/internal/queue"
)

// maxBody is the default limit of RabbitMQ 4; that of 3 is larger.
const maxBody = 16 << 20

// A Broker is a connection to RabbitMQ; it implements [queue.Broker].
type Broker struct {
	target   *target
	name     string
	log      *slog.Logger
	topology *topology

	publish   *link
	consume   *link
	publisher *publisher

	ctx   context.Context // ends when the broker is closed
	stop  context.CancelCauseFunc
	links sync.WaitGroup
	tasks sync.WaitGroup // consumers

	mu     sync.Mutex // guards the links' state and what follows
	closed bool
	down   int // links without a connection
	downAt time.Time
	upAt   time.Time // when the newest connection was made
}

// Open connects to the broker at the URL, amqp:// or amqps://, in the form that
// RabbitMQ documents:
//
//	amqps://USER:PASSWORD@HOST:PORT/VHOST?cacertfile=ca.pem&certfile=me.pem&keyfile=me.key
//
// Parameters are cacertfile (PEM; default: the system's), certfile and keyfile (the client
// certificate), server_name_indication, auth_mechanism (plain, amqplain, external), heartbeat
// (seconds, default 10), connection_timeout (milliseconds, default 5000) and channel_max. User,
// password and vhost default to guest, guest and /. A method returns within a tenth of a second
// after its context has ended, even if the broker has stopped reading in the middle of a
// message; the connection is then given up. A request that the broker doesn't answer within 30
// seconds is repeated.
//
// Open tries once: its error wraps [queue.ErrBadURL], [queue.ErrUnreachable] or
// [queue.ErrDenied]. After that a lost connection is made again, without limit.
func Open(ctx context.Context, url string, opts queue.Options) (queue.Broker, error) {
	target, err := parseTarget(url)
	if err != nil {
		return nil, err
	}
	b := newBroker(target, opts)
	links := []*link{b.publish, b.consume}
	sessions := make([]*session, len(links))
	group, connecting := errgroup.WithContext(ctx)
	for i, l := range links {
		group.Go(func() (err error) {
			sessions[i], err = l.open(connecting)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		for _, s := range sessions {
			if s != nil {
				s.close()
			}
		}
		b.stop(queue.ErrClosed)
		return nil, err
	}
	for i, l := range links {
		l.set(sessions[i], nil)
		b.links.Go(func() { l.keep(b.ctx, sessions[i]) })
	}
	return b, nil
}

func newBroker(t *target, opts queue.Options) *Broker {
	b := &Broker{target: t, name: opts.ClientName, log: opts.Log, topology: newTopology()}
	if b.name == "" {
		b.name = "downbeat"
	}
	if b.log == nil {
		b.log = slog.New(slog.DiscardHandler)
	}
	b.log = b.log.With("broker", t.String())
	b.ctx, b.stop = context.WithCancelCause(context.Background())
	b.publish = &link{role: "publish", broker: b, changed: make(chan struct{})}
	b.consume = &link{role: "consume", broker: b, changed: make(chan struct{})}
	b.publisher = newPublisher(b)
	return b
}

// ConnectedAt implements [queue.Broker].
func (b *Broker) ConnectedAt() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.upAt
}

// Limits implements [queue.Broker].
func (b *Broker) Limits() queue.Limits { return queue.Limits{MaxBody: maxBody} }

// Close implements [queue.Broker].
func (b *Broker) Close() error {
	b.mu.Lock()
	b.closed = true // no consumer starts from now on
	b.mu.Unlock()
	b.stop(queue.ErrClosed)
	b.tasks.Wait() // consumers and pipes end by themselves; then the connections
	b.links.Wait()
	return nil
}

// until returns a context that ends with ctx or, with the cause ErrClosed, when
// the broker is closed.
func (b *Broker) until(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(b.ctx, func() { cancel(queue.ErrClosed) })
	return ctx, func() { stop(); cancel(nil) }
}

// begin runs a task that Close waits for.
func (b *Broker) begin(task func()) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return queue.ErrClosed
	}
	b.tasks.Go(task)
	return nil
}

// reportLost logs the loss once, though both links notice it.
func (b *Broker) reportLost(l *link, err error) {
	b.mu.Lock()
	first := b.down == 0
	b.down++
	if first {
		b.downAt = time.Now()
	}
	b.mu.Unlock()
	if first && b.ctx.Err() == nil {
		b.log.Warn("connection lost, reconnecting", "connection", l.role, "error", err)
	}
}

// reportBack logs that the connection is back, once both links are.
func (b *Broker) reportBack() {
	b.mu.Lock()
	b.down--
	all, since := b.down == 0, time.Since(b.downAt)
	b.mu.Unlock()
	if all {
		b.log.Info("connected again", "after", since.Round(time.Millisecond))
	}
}

// reportBlocking logs that the broker accepts no messages, or accepts them again.
func (b *Broker) reportBlocking(now amqp091.Blocking) {
	if now.Active {
		b.log.Warn("the broker takes no messages at the moment, publishing waits", "reason", now.Reason)
	} else {
		b.log.Info("the broker takes messages again")
	}
}

var _ queue.Broker = (*Broker)(nil)
