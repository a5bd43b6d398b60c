package sqs

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"downbeat/internal/queue"
	"downbeat/internal/queue/retry"
)

// pollTime is how long SQS waits for a message before it answers that there is none: the
// maximum, because every answer costs money.
const pollTime = 20 * time.Second

// A consumer polls one queue; it implements [queue.Consumer]. A poll that is abandoned can
// still receive a message, which then stays hidden for the visibility timeout. So polls are
// never abandoned: Close sends the queue a message that ends the current one, and waits for it.
type consumer struct {
	broker   *Broker
	remote   *remote
	prefetch int
	expires  time.Duration // of the queue; 0: none
	id       string        // names this consumer in wake messages

	ctx    context.Context // ends when the consumer or the broker is closed
	cancel context.CancelFunc
	once   sync.Once
	closed chan struct{} // closed when the wake message was sent, if one was needed
	ended  chan struct{} // closed when all is over

	deliveries chan *arrival
	room       chan struct{} // has an element when something was answered
	keeping    sync.WaitGroup
	settler    *settler
	claim      *claim // nil: others may consume as well

	mu      sync.Mutex
	polling bool
	waking  bool // a wake message was sent
	over    bool // answers have no effect any more
	held    map[*arrival]struct{}
	sets    map[string]*set
}

// An arrival is a message that was received and not answered.
type arrival struct {
	message     queue.Message
	receipts    []string // one for each piece
	redelivered bool
	at          time.Time
	until       time.Time // when it becomes visible to others again
}

// Consume implements [queue.Broker].
func (b *Broker) Consume(ctx context.Context, name string, prefetch int) (queue.Consumer, error) {
	c, err := b.consume(ctx, name, prefetch, nil)
	if err != nil {
		return nil, fmt.Errorf("consume from %s: %w", name, err)
	}
	return c, nil
}

// ConsumeAlone implements [queue.Broker]. Consume doesn't look at claims.
func (b *Broker) ConsumeAlone(ctx context.Context, name string, prefetch int, claim queue.Claim) (queue.Consumer, error) {
	var whose *queue.Claim
	if claim.Holder != "" {
		whose = &claim
	}
	c, err := b.consume(ctx, name, prefetch, whose)
	if err != nil {
		return nil, fmt.Errorf("consume from %s: %w", name, err)
	}
	return c, nil
}

func (b *Broker) consume(ctx context.Context, name string, prefetch int, whose *queue.Claim) (*consumer, error) {
	if err := b.check(ctx, name); err != nil {
		return nil, err
	}
	if prefetch < 1 || prefetch > queue.MaxPrefetch {
		return nil, fmt.Errorf("prefetch is %d, but must be 1 to %d", prefetch, queue.MaxPrefetch)
	}
	within, stop := b.until(ctx)
	defer stop()
	r := b.remote(name)
	expires, err := b.term(within, r)
	if err != nil {
		return nil, err
	}
	c := &consumer{
		broker: b, remote: r, prefetch: prefetch, expires: expires, id: rand.Text(),
		closed: make(chan struct{}), ended: make(chan struct{}),
		deliveries: make(chan *arrival, prefetch+batchSize), room: make(chan struct{}, 1),
		held: make(map[*arrival]struct{}), sets: make(map[string]*set),
	}
	if whose != nil {
		c.claim = b.newClaim(r, *whose)
		if err := c.claim.take(within); err != nil {
			return nil, err
		}
	}
	c.settler = newSettler(b, r)
	c.ctx, c.cancel = context.WithCancel(b.ctx)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		c.cancel()
		return nil, queue.ErrClosed
	}
	b.consumers[c] = struct{}{}
	b.tasks.Go(c.run)
	return c, nil
}

// term finds the queue, and how long it may be without a consumer.
func (b *Broker) term(ctx context.Context, r *remote) (time.Duration, error) {
	b.mu.Lock()
	spec, ok := b.specs[r.name]
	b.mu.Unlock()
	if ok {
		return spec.Expires, nil
	}
	url, err := b.find(ctx, r)
	if err != nil {
		return 0, err
	}
	tags, err := b.tags(ctx, url)
	if errors.Is(err, queue.ErrDenied) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	expires, _ := time.ParseDuration(tags[tagExpires] + "ms") // no tag, no term
	return expires, nil
}

// run is the consumer's goroutine: it polls until the consumer is closed.
func (c *consumer) run() {
	defer close(c.ended)
	c.keeping.Go(c.keep)
	attempts := retry.New()
	woken := false
	for c.ctx.Err() == nil {
		n := c.awaitRoom()
		if n == 0 {
			break
		}
		if c.claim != nil {
			c.claim.keep(c.ctx, attempts)
		}
		received, err := c.poll(n)
		if err != nil {
			c.recover(err, attempts)
			continue
		}
		attempts.Reset()
		woken = c.accept(received) || woken
	}
	<-c.closed
	c.collectWake(woken)
	c.keeping.Wait()
	c.end()
}

// awaitRoom waits until there is room for more deliveries, and returns how many to ask for; 0
// if the consumer is closed.
func (c *consumer) awaitRoom() int {
	for c.ctx.Err() == nil {
		c.mu.Lock()
		n, parts := c.prefetch-len(c.held), len(c.sets)
		c.mu.Unlock()
		if n <= 0 && parts > 0 && n > -batchSize { // the rest of a set may be all that there is room for
			n = 1
		}
		if n > 0 {
			return min(n, batchSize)
		}
		select {
		case <-c.room:
		case <-c.ctx.Done():
		}
	}
	return 0
}

// A received is the result of one poll.
type received struct {
	messages []types.Message
	at       time.Time // when the answer came, by our clock
	server   time.Time // when it was given, by SQS's, at most a second before
}

// poll asks SQS once. It is not abandoned when the consumer is closed.
func (c *consumer) poll(n int) (received, error) {
	c.mu.Lock()
	if c.ctx.Err() != nil {
		c.mu.Unlock()
		return received{}, c.ctx.Err()
	}
	c.polling = true
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.polling = false
	}()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.ctx), pollTime+callTimeout)
	defer cancel()
	return c.receive(ctx, n, pollTime)
}

func (c *consumer) receive(ctx context.Context, n int, wait time.Duration) (received, error) {
	url, err := c.broker.address(ctx, c.remote)
	if err != nil {
		return received{}, err
	}
	out, err := c.broker.client.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
		QueueUrl: &url, MaxNumberOfMessages: int32(n), WaitTimeSeconds: int32(wait / time.Second), VisibilityTimeout: int32(visibility / time.Second),
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{
			types.MessageSystemAttributeNameApproximateReceiveCount, types.MessageSystemAttributeNameSentTimestamp,
		},
	})
	c.broker.report(err)
	if err != nil {
		if refused := mapped(err); refused != nil {
			err = refused
		}
		return received{}, err
	}
	r := received{messages: out.Messages, at: time.Now()}
	if at, ok := awsmiddleware.GetResponseAt(out.ResultMetadata); ok && at.Before(r.at) {
		r.at = at // before its megabyte was decoded
	}
	r.server, _ = awsmiddleware.GetServerTime(out.ResultMetadata)
	return r, nil
}

// recover deals with a poll that failed: a queue that was declared here is declared again;
// otherwise it waits until another program declares it.
func (c *consumer) recover(err error, attempts *retry.Retry) {
	if c.ctx.Err() != nil {
		return
	}
	b := c.broker
	b.mu.Lock()
	spec, ok := b.specs[c.remote.name]
	declared := b.declared
	b.mu.Unlock()
	if errors.Is(err, queue.ErrNoQueue) {
		c.remote.forget()
		if ok {
			b.log.Warn("the queue is gone, declaring it again", "queue", c.remote.name)
			if err := b.Declare(c.ctx, spec); err == nil {
				return
			}
		}
	}
	b.log.Debug("polling failed", "queue", c.remote.name, "error", err)
	attempts.Wait(c.ctx, declared)
}

// Receive implements [queue.Consumer].
func (c *consumer) Receive(ctx context.Context) (*queue.Delivery, error) {
	for {
		select {
		case <-c.ctx.Done():
			return nil, queue.ErrClosed
		case <-ctx.Done():
			return nil, ctx.Err()
		case a := <-c.deliveries:
			if c.ctx.Err() == nil && c.holds(a) {
				return c.delivery(a), nil
			}
		}
	}
}

// holds tells whether the message is still ours: it is not if it took too long to reach
// Receive, for example because the process was suspended.
func (c *consumer) holds(a *arrival) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.held[a]; !ok {
		return false
	}
	if time.Now().Before(a.until) {
		return true
	}
	delete(c.held, a)
	c.signalRoom()
	return false
}

func (c *consumer) delivery(a *arrival) *queue.Delivery {
	answer := func(back bool) func(context.Context) error {
		return func(context.Context) error {
			c.answer(a, back)
			return nil
		}
	}
	return &queue.Delivery{Message: a.message, Redelivered: a.redelivered, ReceivedAt: a.at, Ack: answer(false), Nack: answer(true)}
}

// answer ends a delivery, once.
func (c *consumer) answer(a *arrival, back bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.held[a]; !ok || c.over {
		return
	}
	delete(c.held, a)
	c.signalRoom()
	c.settler.add(back, a.receipts...)
}

// signalRoom lets awaitRoom look again; the lock is held.
func (c *consumer) signalRoom() {
	select {
	case c.room <- struct{}{}:
	default:
	}
}

// Close implements [queue.Consumer].
func (c *consumer) Close() error {
	c.once.Do(func() {
		c.cancel()
		c.wake()
		close(c.closed)
	})
	<-c.ended
	return nil
}

// wake ends the current long poll, if there is one, by sending a message to the queue.
func (c *consumer) wake() {
	c.mu.Lock()
	polling := c.polling
	c.mu.Unlock()
	if !polling {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.ctx), closeGrace)
	defer cancel()
	url, err := c.broker.address(ctx, c.remote)
	if err == nil {
		_, err = c.broker.client.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String(wakeText(c.id))})
	}
	if err != nil {
		c.broker.log.Debug("the long poll can't be ended early", "queue", c.remote.name, "error", err)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waking = true
}

// wakeCollects bounds the polls for a wake message that came too late for the poll it was meant
// for. If it isn't found, the consumer that gets it drops it.
const wakeCollects = 3

// collectWake removes the wake message, if one was sent and has not been received.
func (c *consumer) collectWake(woken bool) {
	c.mu.Lock()
	sent := c.waking
	c.mu.Unlock()
	if !sent {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.ctx), closeGrace)
	defer cancel()
	for range wakeCollects {
		if woken {
			return
		}
		got, err := c.receive(ctx, batchSize, time.Second)
		if err != nil || len(got.messages) == 0 {
			return
		}
		woken = c.accept(got)
	}
}

// end puts back the messages that were not answered, and waits until SQS has got all answers.
func (c *consumer) end() {
	c.mu.Lock()
	c.over = true
	for a := range c.held {
		c.settler.add(true, a.receipts...)
	}
	for _, s := range c.sets {
		c.settler.add(true, s.receipts()...)
	}
	c.mu.Unlock()
	c.settler.close()
	if c.claim != nil {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(c.ctx), closeGrace)
		defer cancel()
		c.claim.release(ctx)
	}
	c.broker.mu.Lock()
	delete(c.broker.consumers, c)
	c.broker.mu.Unlock()
}
