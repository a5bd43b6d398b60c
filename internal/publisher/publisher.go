// Package publisher runs datapoints: it enqueues a job for each host, agrees
// with the hosts on the instant of the release, gathers everything they report
// until each has completed, and hands it to the results.
//
// A [Publisher] is one process's end of that: an events queue and the goroutine
// that takes from it. [Publisher.Run] is one run; one goroutine owns its state
// (see run), and each host has one that sends what the run has to say to it.
package publisher

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"sync"
	"time"

	"downbeat/internal/message"
	"downbeat/internal/queue"
)

// Config is what a publisher needs.
type Config struct {
	Broker    queue.Broker
	Namespace string
	// Key signs jobs and controls; nil: they are not signed.
	Key ed25519.PrivateKey
	// ReadyTimeout is how long a host may take to become ready.
	ReadyTimeout time.Duration
	// Lease is how long workers go on without a word from us, and how long
	// we wait for a word from them.
	Lease time.Duration
	Log   *slog.Logger
}

// A Publisher owns an events queue. Its methods may be called concurrently.
type Publisher struct {
	config Config
	slog   *slog.Logger
	id     string
	events string
	// completeWithin is how long, after TERM and grace, a host may take to report
	// the rest without any progress.
	completeWithin time.Duration

	mu     sync.Mutex
	runs   map[string]*run
	asking map[chan<- *answer]bool
	stop   context.CancelFunc
	taking sync.WaitGroup
}

// abandoned is how long the events queue of a publisher that was killed stays.
const abandoned = 10 * time.Minute

// New declares the events queue and begins to take from it.
func New(ctx context.Context, config Config) (*Publisher, error) {
	if config.Log == nil {
		config.Log = slog.New(slog.DiscardHandler)
	}
	if err := message.CheckNamespace(config.Namespace); err != nil {
		return nil, err
	}
	id := message.NewPublisher()
	p := &Publisher{
		config: config, slog: config.Log, id: id, events: message.EventsQueue(config.Namespace, id), completeWithin: time.Minute,
		runs: make(map[string]*run), asking: make(map[chan<- *answer]bool),
	}
	spec := queue.Spec{Name: p.events, Expires: max(abandoned, 2*config.Lease)}
	if err := config.Broker.Declare(ctx, spec); err != nil {
		return nil, fmt.Errorf("declare queue %s: %w", p.events, err)
	}
	consumer, err := config.Broker.Consume(ctx, p.events, 64)
	if err != nil {
		return nil, fmt.Errorf("take events from %s: %w", p.events, err)
	}
	ctx, p.stop = context.WithCancel(context.WithoutCancel(ctx))
	p.taking.Go(func() { p.take(ctx, consumer) })
	return p, nil
}

// Close deletes the events queue. Runs must have returned.
func (p *Publisher) Close(ctx context.Context) error {
	p.stop()
	p.taking.Wait()
	if err := p.config.Broker.Delete(ctx, p.events); err != nil {
		return fmt.Errorf("delete queue %s: %w", p.events, err)
	}
	return nil
}

// NewRun makes the id of a run of this publisher.
func (p *Publisher) NewRun() string { return message.NewRun(p.id) }

// take hands out what arrives. What can't be understood is dropped with a word
// in the log: what is missing because of it is noticed by its number.
func (p *Publisher) take(ctx context.Context, consumer queue.Consumer) {
	defer func() { _ = consumer.Close() }() // what it held goes with the queue
	for {
		d, err := consumer.Receive(ctx)
		if err != nil {
			if ctx.Err() == nil {
				p.slog.Error("no more events can be taken", "error", err)
			}
			return
		}
		if err := p.route(ctx, d); err != nil {
			p.slog.Warn("event ignored", "error", err)
		}
		if err := d.Ack(ctx); err != nil && ctx.Err() == nil {
			p.slog.Debug("event not acknowledged", "error", err)
		}
	}
}

func (p *Publisher) route(ctx context.Context, d *queue.Delivery) error {
	if message.IsOutput(d.Body) {
		o, err := message.DecodeOutput(d.Body)
		if err != nil {
			return err
		}
		p.deliver(ctx, o.Run, arrival{host: o.Host, seq: o.Seq, output: o, size: len(d.Body), sum: sum(d.Body), at: d.ReceivedAt})
		return nil
	}
	if message.IsArtifact(d.Body) {
		a, err := message.DecodeArtifact(d.Body)
		if err != nil {
			return err
		}
		p.deliver(ctx, a.Run, arrival{host: a.Host, seq: a.Seq, artifact: a, size: len(d.Body), sum: sum(d.Body), at: d.ReceivedAt})
		return nil
	}
	var kind struct {
		Purpose message.Purpose `json:"purpose"`
	}
	if err := json.Unmarshal(d.Body, &kind); err == nil && kind.Purpose != "" {
		return p.cancelled(ctx, d.Body)
	}
	e, err := message.DecodeEvent(d.Body)
	if err != nil {
		return err
	}
	switch e.Kind {
	case message.Here, message.Cancelled:
		p.answer(&answer{event: e, at: d.ReceivedAt})
	default:
		p.deliver(ctx, e.Run, arrival{host: e.Host, seq: e.Seq, event: e, size: len(d.Body), sum: sum(d.Body), at: d.ReceivedAt})
	}
	return nil
}

// sum tells messages apart within this process.
func sum(body []byte) uint64 { return maphash.Bytes(sumSeed, body) }

var sumSeed = maphash.MakeSeed()

// deliver hands an arrival to its run. It waits for the run to take it: so a
// run that is slow to write its results holds the broker back, not the memory.
func (p *Publisher) deliver(ctx context.Context, id string, a arrival) {
	p.mu.Lock()
	r := p.runs[id]
	p.mu.Unlock()
	if r == nil {
		return // it is over; the worker will notice by the lease
	}
	select {
	case r.arrivals <- a:
	case <-r.over:
	case <-ctx.Done():
	}
}

// cancelled takes somebody's wish to cancel a run.
func (p *Publisher) cancelled(ctx context.Context, body []byte) error {
	envelope, err := message.OpenEnvelope(body, p.trust(), time.Now())
	info := &message.CancelledInfo{}
	if envelope == nil {
		return err
	}
	c, controlErr := envelope.Control()
	if controlErr != nil || c.Kind != message.Cancel {
		return errors.Join(fmt.Errorf("%w: only a cancel may come to a publisher", message.ErrMalformed), controlErr)
	}
	p.mu.Lock()
	r := p.runs[envelope.Run]
	p.mu.Unlock()
	switch {
	case err != nil:
		info.Reason = err.Error()
	case envelope.Namespace != p.config.Namespace:
		info.Reason = fmt.Sprintf("the run's namespace is %s, not %s", p.config.Namespace, envelope.Namespace)
	case r == nil:
		info.Reason = "the run is over already"
	default:
		info.Accepted = true
		r.cancel(c.Reason)
	}
	p.send(ctx, c.ReplyTo, message.Event{Kind: message.Cancelled, Run: envelope.Run, Time: time.Now(), Cancelled: info})
	return nil
}

// trust: who may cancel our runs is who has the key that we sign with.
func (p *Publisher) trust() message.Trust {
	if p.config.Key == nil {
		return message.Trust{Unsigned: true}
	}
	return message.Trust{Keys: []ed25519.PublicKey{p.config.Key.Public().(ed25519.PublicKey)}}
}

func (p *Publisher) send(ctx context.Context, to string, e message.Event) {
	data, err := e.Encode()
	if err == nil {
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		err = p.config.Broker.Publish(ctx, to, queue.Message{Body: data, TTL: time.Minute})
	}
	if err != nil {
		p.slog.Warn("an answer could not be sent", "to", to, "error", err)
	}
}
