// Package sqs implements [queue.Broker] on Amazon SQS, with standard queues. SQS keeps less
// order than RabbitMQ and has no subscriptions, so a [Broker] has no connection to lose: it
// makes requests, and repeats those that fail. Each consumer polls, 20 s at a time; each queue
// that is published to has an outbox, which sends what has gathered while the last batch was
// being sent. Features that SQS lacks are built from what it has: groups, expiry and bounds are
// tags of the queues; a message's header and time to live are in its first line; bodies are
// compressed, encoded in characters that SQS accepts, and cut into pieces if they are too large
// for one message.
package sqs

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"downbeat/internal/queue"
	"downbeat/internal/queue/retry"
)

const (
	// maxBody is that of RabbitMQ, so that the same messages work over both.
	maxBody = 16 << 20
	// maxBatch is how many bytes SQS takes in one request.
	maxBatch = 1 << 20
	// batchSize is how many messages it takes or gives in one.
	batchSize = 10

	// callTimeout is how long a request waits for an answer before it is repeated.
	callTimeout = 30 * time.Second
	// closeGrace bounds the last requests when something is closed.
	closeGrace = 5 * time.Second
	// settleTime is how long a new queue may not work reliably.
	settleTime = time.Second
)

// A Broker is an access to SQS in one region; it implements [queue.Broker].
type Broker struct {
	client    *sqs.Client
	transport *http.Transport
	clock     *serverClock
	codec     *codec
	log       *slog.Logger
	settle    time.Duration // of new queues
	terms     terms         // of claims
	since     time.Time

	ctx   context.Context // ends when the broker is closed
	stop  context.CancelCauseFunc
	tasks sync.WaitGroup

	mu        sync.Mutex // guards what follows
	closed    bool
	specs     map[string]queue.Spec // of the queues declared here
	declared  chan struct{}         // closed and replaced at each declaration
	remotes   map[string]*remote
	consumers map[*consumer]struct{}
	sweeping  bool
	skip      map[string]time.Time // queues that can't be abandoned before then, by URL
	lostAt    time.Time            // when SQS stopped answering; zero: it answers
}

// Open makes an access to SQS in the region of the URL, sqs://REGION, or, with sqs:// alone, in
// that which the AWS SDK's own configuration names. Credentials and, if it is not AWS's own,
// the endpoint come from that configuration: environment (AWS_PROFILE, AWS_ENDPOINT_URL_SQS and
// others), files, roles. Open tries once: its error wraps [queue.ErrBadURL],
// [queue.ErrUnreachable] or [queue.ErrDenied]. After that, failed requests are repeated without
// limit.
func Open(ctx context.Context, url string, opts queue.Options) (queue.Broker, error) {
	cfg, err := load(ctx, url)
	if err != nil {
		return nil, err
	}
	return open(ctx, cfg, opts)
}

func open(ctx context.Context, cfg aws.Config, opts queue.Options) (*Broker, error) {
	clock := new(serverClock)
	client, transport, err := connect(ctx, cfg, clock)
	if err != nil {
		return nil, err
	}
	where := "region " + client.Options().Region
	endpoint := aws.ToString(client.Options().BaseEndpoint)
	if endpoint != "" {
		where = endpoint
	}
	codec, err := newCodec()
	if err == nil {
		err = probe(ctx, client, where)
	}
	if err != nil {
		transport.CloseIdleConnections()
		return nil, err
	}
	b := &Broker{
		client: client, transport: transport, clock: clock, codec: codec, log: opts.Log,
		specs: make(map[string]queue.Spec), declared: make(chan struct{}), remotes: make(map[string]*remote),
		consumers: make(map[*consumer]struct{}), skip: make(map[string]time.Time), terms: termsOfEmulator, since: time.Now(),
	}
	if !IsLoopback(endpoint) { // an emulator's queues can be used at once
		b.settle, b.terms = settleTime, termsOfAWS
	}
	if b.log == nil {
		b.log = slog.New(slog.DiscardHandler)
	}
	b.log = b.log.With("broker", "SQS in "+where)
	b.ctx, b.stop = context.WithCancelCause(context.Background())
	return b, nil
}

// ConnectedAt implements [queue.Broker].
func (b *Broker) ConnectedAt() time.Time { return b.since }

// Limits implements [queue.Broker].
func (b *Broker) Limits() queue.Limits { return queue.Limits{MaxBody: maxBody} }

// Close implements [queue.Broker]. It ends the consumers' long polls with a message to each,
// and waits for them; where it can't send one, that takes up to 20 s.
func (b *Broker) Close() error {
	b.mu.Lock()
	b.closed = true // no task starts from now on
	consumers := make([]*consumer, 0, len(b.consumers))
	for c := range b.consumers {
		consumers = append(consumers, c)
	}
	b.mu.Unlock()
	b.stop(queue.ErrClosed)
	var closing sync.WaitGroup
	for _, c := range consumers {
		closing.Go(func() { _ = c.Close() })
	}
	closing.Wait()
	b.tasks.Wait()
	b.transport.CloseIdleConnections()
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

// try makes a request until SQS has carried it out or refused it, or ctx ends.
func (b *Broker) try(ctx context.Context, request func(context.Context) error) error {
	var last error
	for attempts := retry.New(); ctx.Err() == nil; attempts.Wait(ctx, nil) {
		err := b.once(ctx, request)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			break
		}
		if refused := mapped(err); refused != nil {
			return refused
		}
		last = err
	}
	return ended(ctx, last)
}

// once makes a request with a bound, and notes whether SQS answered.
func (b *Broker) once(ctx context.Context, request func(context.Context) error) error {
	bounded, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	err := request(bounded)
	if ctx.Err() == nil {
		b.report(err)
	}
	return err
}

// report logs once that requests fail for a temporary reason, and once that they work again.
func (b *Broker) report(err error) {
	failing := err != nil && mapped(err) == nil
	b.mu.Lock()
	since := b.lostAt
	switch {
	case failing && since.IsZero():
		b.lostAt = time.Now()
	case !failing:
		b.lostAt = time.Time{}
	}
	b.mu.Unlock()
	switch {
	case failing && since.IsZero():
		b.log.Warn("requests to SQS fail, trying again", "error", err)
	case !failing && !since.IsZero():
		b.log.Info("SQS answers again", "after", time.Since(since).Round(time.Millisecond))
	}
}

// check reports why a method can't go on: the broker is closed, the context has ended, or the
// name is invalid.
func (b *Broker) check(ctx context.Context, name string) error {
	if b.ctx.Err() != nil {
		return queue.ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return queue.CheckName(name)
}

// wrap puts the operation before an error.
func wrap(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf(format+": %w", append(args, err)...)
}

var _ queue.Broker = (*Broker)(nil)
