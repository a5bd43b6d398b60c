// Package publisher runs datapoints: it enqueues a job for each host, agrees
// with the hosts on the instant of the release, gathers everything they report
// until each has completed, and hands it to the results.
//
// A [Publisher] is one process's end of that: an events queue and the goroutine
// that takes from it. [Publisher.Run] is one run: what it does next is decided by a
// [conduct.Run]; the goroutine that called Run carries that out, and each host has one
// that sends what the run has to say to it.
package publisher

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"sync"
	"time"

	"downbeat/internal/message"
	"downbeat/internal/publisher/conduct"
	"downbeat/internal/queue"
	"downbeat/internal/udpclock"
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
	// Version is this build's, for those who are asked.
	Version string
	Log     *slog.Logger
	// Clocks asks hosts for their clocks directly, where they answer; nil: clocks are measured
	// through the broker alone.
	Clocks *udpclock.Prober
	// Starting: the broker was still starting when the connection was made, so
	// workers may be on their way back to it.
	Starting bool
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
	began          time.Time

	mu     sync.Mutex
	runs   map[string]*run
	ended  map[string]*endedRun
	asking map[chan<- *answer]bool
	served map[string]bool // hosts that have answered in a run
	stop   context.CancelFunc
	// inspecting bounds how many questions the broker is asked at a time.
	inspecting chan struct{}
	taking     sync.WaitGroup
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
		config: config, slog: config.Log, id: id, events: message.EventsQueue(config.Namespace, id), completeWithin: time.Minute, began: time.Now(),
		served: make(map[string]bool),
		runs:   make(map[string]*run), ended: make(map[string]*endedRun), asking: make(map[chan<- *answer]bool), inspecting: make(chan struct{}, 4),
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

// route hands a message to whom it is for. That is found out from its header: what
// is for nobody here is not decoded.
func (p *Publisher) route(ctx context.Context, d *queue.Delivery) error {
	head, err := message.HeaderOf(d.Body)
	if err != nil {
		return err
	}
	switch {
	case head.Envelope:
		return p.cancelled(ctx, head.Version, d.Body)
	case head.Kind == message.Here, head.Kind == message.Cancelled, head.Kind == message.Refused && head.Run == "":
		return p.answered(d)
	}
	p.mu.Lock()
	r := p.runs[head.Run]
	p.mu.Unlock()
	if r == nil {
		p.afterwards(ctx, head)
		return nil
	}
	host, known := r.index[head.Host]
	if !known {
		return nil
	}
	p.mu.Lock()
	p.served[head.Host] = true
	p.mu.Unlock()
	a := conduct.Received{Host: host, Seq: head.Seq, Size: len(d.Body), Sum: sum(d.Body), At: r.clock.At(d.ReceivedAt)}
	if a.Content, err = open(head, d.Body); err != nil {
		return err
	}
	if _, foreign := a.Content.(conduct.Foreign); foreign {
		a.Seq = 0
	}
	r.post(ctx, a)
	return nil
}

// enter has events of a run handed to it; leave ends that.
func (p *Publisher) enter(r *run) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.runs[r.dp.Run] = r
}

func (p *Publisher) leave(r *run) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.runs, r.dp.Run)
}

// open decodes what arrived, but for the pieces of files: what waits for its turn takes no
// more memory than the window allows.
func open(head message.Header, body []byte) (conduct.Content, error) {
	switch head.Frame {
	case message.FrameOutput:
		o, err := message.DecodeOutput(body)
		if err != nil {
			return nil, err
		}
		return conduct.Output{Segments: o.Segments()}, nil
	case message.FrameFiles:
		f, err := message.DecodeFiles(body)
		if err != nil {
			return nil, err
		}
		return conduct.Files{Unpack: f.Pieces}, nil
	case message.FrameSamples:
		s, err := message.DecodeSamples(body)
		if err != nil {
			return nil, err
		}
		return conduct.Samples{Block: s.Block}, nil
	case 0:
		e, err := message.DecodeEvent(body)
		if errors.Is(err, message.ErrVersion) {
			return conduct.Foreign{Version: head.Version}, nil
		}
		return conduct.Event{Event: e}, err
	}
	return conduct.Unknown{Kind: "frame of " + head.Frame.String()}, message.CheckFrame(body)
}

// maxAnswer is the largest event that is no run's, in bytes.
const maxAnswer = 64 << 10

// answered takes an event that is no run's.
func (p *Publisher) answered(d *queue.Delivery) error {
	if len(d.Body) > maxAnswer {
		return fmt.Errorf("%w: an answer of %d bytes, at most %d are accepted", message.ErrTooLarge, len(d.Body), maxAnswer)
	}
	e, err := message.DecodeEvent(d.Body)
	if err != nil {
		return err
	}
	p.answer(&answer{event: e, at: d.ReceivedAt})
	return nil
}

// sum tells messages apart within this process.
func sum(body []byte) uint64 { return maphash.Bytes(sumSeed, body) }

var sumSeed = maphash.MakeSeed()

// cancelled takes somebody's wish to cancel a run.
func (p *Publisher) cancelled(ctx context.Context, version int, body []byte) error {
	if len(body) > 4*message.MaxControl { // room for its quoting
		return fmt.Errorf("%w: a cancel of %d bytes", message.ErrTooLarge, len(body))
	}
	envelope, err := message.OpenEnvelope(body, p.trust(), time.Now())
	info := &message.CancelledInfo{}
	if errors.Is(err, message.ErrVersion) {
		p.foreignCancel(ctx, version, body, err)
		return err
	}
	if envelope == nil {
		return err
	}
	c, controlErr := envelope.Control()
	if controlErr != nil || c.Kind != message.Cancel {
		return fmt.Errorf("%w: only a cancel may come to a publisher: %w", message.ErrMalformed, errors.Join(err, controlErr))
	}
	if envelope.Namespace != p.config.Namespace || envelope.Host != "" { // then it was not meant for here, nor is the queue to answer on ours
		return fmt.Errorf("%w: a cancel for namespace %s, host %q", message.ErrMisdirect, envelope.Namespace, envelope.Host)
	}
	p.mu.Lock()
	r := p.runs[envelope.Run]
	p.mu.Unlock()
	switch {
	case err != nil:
		info.Reason = err.Error()
	case r == nil:
		info.Reason = "the run is over already"
	default:
		info.Accepted = true
		r.cancel(ctx, c.Reason)
	}
	p.send(ctx, c.ReplyTo, message.Event{Kind: message.Cancelled, Run: envelope.Run, Time: time.Now(), Cancelled: info})
	return nil
}

// foreignCancel tells who cancels in another version of the protocol that it is
// another, in that one: the answer has been the same in all.
func (p *Publisher) foreignCancel(ctx context.Context, version int, body []byte, reason error) {
	run, replyTo := message.ReplyAddress(body, p.config.Namespace)
	if replyTo == "" {
		return
	}
	e := message.Event{Version: version, Kind: message.Cancelled, Run: run, Time: time.Now(), Cancelled: &message.CancelledInfo{
		Reason: reason.Error() + ": cancel with the build that runs it",
	}}
	p.send(ctx, replyTo, e)
}

// mayReturn reports whether a host's queue that isn't there may come back: the
// broker is younger than this publisher, or has lost what it had, and workers are
// on their way back to it.
func (p *Publisher) mayReturn(host string) bool {
	if p.config.Starting || p.config.Broker.ConnectedAt().After(p.began) {
		return true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.served[host]
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
