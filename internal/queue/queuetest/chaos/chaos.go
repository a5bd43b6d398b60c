// Package chaos stands between a broker and its users and does to deliveries
// everything that the contract of [queue.Broker] allows: it hands them out
// twice, late, and out of order. Where asked to, it also loses some, which
// brokers may do with what is not persistent.
package chaos

import (
	"context"
	"hash/fnv"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"downbeat/internal/queue"
)

// Odds say what happens to deliveries, each with a probability of 0 to 1.
type Odds struct {
	Twice float64
	Late  float64
	// LateBy is the longest that a late delivery is held back; what comes
	// meanwhile overtakes it.
	LateBy time.Duration
	Lost   float64
	// Spared are parts of the names of queues that lose nothing.
	Spared []string
}

// A Broker is a connection whose consumers meet with chaos. What happens is
// drawn from the seed, for each consumer in the order in which its deliveries
// come.
type Broker struct {
	queue.Broker
	seed uint64
	odds Odds
}

// New wraps a broker.
func New(b queue.Broker, seed uint64, odds Odds) *Broker {
	return &Broker{Broker: b, seed: seed, odds: odds}
}

// Consume implements [queue.Broker].
func (b *Broker) Consume(ctx context.Context, name string, prefetch int) (queue.Consumer, error) {
	inner, err := b.Broker.Consume(ctx, name, prefetch)
	if err != nil {
		return nil, err
	}
	return b.consumer(inner, name), nil
}

// ConsumeAlone implements [queue.Broker].
func (b *Broker) ConsumeAlone(ctx context.Context, name string, prefetch int, claim queue.Claim) (queue.Consumer, error) {
	inner, err := b.Broker.ConsumeAlone(ctx, name, prefetch, claim)
	if err != nil {
		return nil, err
	}
	return b.consumer(inner, name), nil
}

// consumer has what an inner consumer takes meet with chaos.
func (b *Broker) consumer(inner queue.Consumer, name string) *consumer {
	sum := fnv.New64a()
	sum.Write([]byte(name))
	c := &consumer{
		inner: inner, odds: b.odds, random: rand.New(rand.NewPCG(b.seed, sum.Sum64())),
		ready: make(chan struct{}, 1), done: make(chan struct{}),
	}
	for _, spared := range b.odds.Spared {
		if strings.Contains(name, spared) {
			c.odds.Lost = 0
		}
	}
	ctx, stop := context.WithCancel(context.Background())
	c.stop = stop
	c.pumping.Go(func() { c.pump(ctx) })
	return c
}

// A consumer implements [queue.Consumer].
type consumer struct {
	inner   queue.Consumer
	odds    Odds
	random  *rand.Rand // of the goroutine in pump
	stop    context.CancelFunc
	pumping sync.WaitGroup
	once    sync.Once
	done    chan struct{} // closed when nothing more comes

	mu     sync.Mutex
	out    []*queue.Delivery
	ready  chan struct{} // signalled when there is something in out
	closed bool
}

// pump takes deliveries in and lets chance decide on each.
func (c *consumer) pump(ctx context.Context) {
	defer close(c.done)
	for {
		d, err := c.inner.Receive(ctx)
		if err != nil {
			return
		}
		if c.random.Float64() < c.odds.Lost {
			_ = d.Ack(ctx) // as if it had never come
			continue
		}
		c.deliver(d)
		if c.random.Float64() < c.odds.Twice {
			again := *d
			again.Redelivered = true
			again.Ack = func(context.Context) error { return nil }
			again.Nack = again.Ack
			c.deliver(&again)
		}
	}
}

// deliver hands a delivery out, now or later.
func (c *consumer) deliver(d *queue.Delivery) {
	if c.random.Float64() >= c.odds.Late {
		c.put(d)
		return
	}
	late := *d
	time.AfterFunc(time.Duration(c.random.Int64N(int64(c.odds.LateBy))+1), func() {
		late.ReceivedAt = time.Now()
		c.put(&late)
	})
}

func (c *consumer) put(d *queue.Delivery) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return // it went back with the others
	}
	c.out = append(c.out, d)
	c.signal()
}

func (c *consumer) signal() {
	select {
	case c.ready <- struct{}{}:
	default:
	}
}

// Receive implements [queue.Consumer].
func (c *consumer) Receive(ctx context.Context) (*queue.Delivery, error) {
	for {
		if d := c.take(); d != nil {
			return d, nil
		}
		select {
		case <-c.ready:
		case <-c.done:
			return nil, queue.ErrClosed
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (c *consumer) take() *queue.Delivery {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.out) == 0 || c.closed {
		return nil
	}
	d := c.out[0]
	c.out = c.out[1:]
	if len(c.out) > 0 {
		c.signal()
	}
	return d
}

// Close implements [queue.Consumer].
func (c *consumer) Close() error {
	var err error
	c.once.Do(func() {
		c.stop()
		c.pumping.Wait()
		c.mu.Lock()
		c.closed = true
		c.mu.Unlock()
		err = c.inner.Close()
	})
	return err
}
