package amqp_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"downbeat/internal/queue"
	"downbeat/internal/queue/amqp"
	"downbeat/internal/queue/amqp/rabbittest"
	"downbeat/internal/queue/queuetest/proxy"
	"downbeat/internal/testkit"
)

// While connections are cut again and again, publisher and consumer go on, no
// confirmed message is lost, and nothing but the loss is logged.
func TestCutConnections(t *testing.T) {
	t.Parallel()
	direct := rabbittest.URL(t)
	p, url := proxy.New(t, direct)
	b := closing(t, open(t, url))
	q := declared(t, b, direct, queue.Spec{})
	c, err := b.Consume(t.Context(), q, 10)
	must(t, err)

	const n = 2000
	var confirmed atomic.Int64
	var publishing sync.WaitGroup
	for w := range 4 {
		publishing.Go(func() {
			for i := w; i < n; i += 4 {
				if err := b.Publish(t.Context(), q, queue.Message{Body: fmt.Append(nil, i)}); err != nil {
					t.Error(err)
				}
				confirmed.Add(1)
			}
		})
	}
	done := make(chan struct{})
	var cutting sync.WaitGroup
	cutting.Go(func() {
		for cuts := 1; cuts <= 4; {
			select {
			case <-done:
				return
			case <-time.After(time.Millisecond):
				if confirmed.Load() > int64(cuts*n/5) {
					p.Cut()
					cuts++
				}
			}
		}
	})
	seen := make(map[string]bool)
	for ctx := testkit.Context(t); len(seen) < n; {
		d, err := c.Receive(ctx)
		if err != nil {
			t.Fatalf("after %d of %d messages: %v", len(seen), n, err)
		}
		seen[string(d.Body)] = true
		must(t, d.Ack(ctx))
	}
	close(done)
	publishing.Wait()
	cutting.Wait()
	if p.Connections() < 4 {
		t.Errorf("only %d connections were made: nothing was cut", p.Connections())
	}
}

// A lost connection is logged once and so is its return, though there are two
// connections; the password is not.
func TestLossIsLogged(t *testing.T) {
	t.Parallel()
	p, url := proxy.New(t, rabbittest.URL(t))
	log := newJournal(t)
	b, err := amqp.Open(t.Context(), url, queue.Options{Log: slog.New(log)})
	must(t, err)
	closing(t, b)
	p.Down()
	testkit.WaitFor(t, "it is logged", func() bool { return log.count("connection lost, reconnecting") > 0 })
	testkit.WaitFor(t, "it is tried again", func() bool { return log.count("reconnecting failed") >= 3 })
	p.Up()
	testkit.WaitFor(t, "the return is logged", func() bool { return log.count("connected again") > 0 })
	if lost, back := log.count("connection lost, reconnecting"), log.count("connected again"); lost != 1 || back != 1 {
		t.Errorf("loss was logged %d times, return %d times, want 1 and 1", lost, back)
	}
}

// An acknowledgement from before a reconnect does not reach the message that has
// the same tag now.
func TestAckAfterReconnect(t *testing.T) {
	t.Parallel()
	direct := rabbittest.URL(t)
	p, url := proxy.New(t, direct)
	b := closing(t, open(t, url))
	q := declared(t, b, direct, queue.Spec{})
	ctx := testkit.Context(t)
	for _, body := range []string{"one", "two"} {
		must(t, b.Publish(ctx, q, queue.Message{Body: []byte(body)}))
	}
	c, err := b.Consume(ctx, q, 1)
	must(t, err)
	one, err := c.Receive(ctx)
	must(t, err)
	p.Cut()
	again, err := c.Receive(ctx)
	must(t, err)
	if !again.Redelivered || string(again.Body) != "one" {
		t.Fatalf("got %q, redelivered %v", again.Body, again.Redelivered)
	}
	must(t, one.Ack(ctx)) // has the tag 1, as again has
	must(t, c.Close())
	// The consumer's messages come back a moment after it is closed.
	testkit.WaitFor(t, "both messages are left", func() bool {
		info, err := b.Inspect(ctx, q)
		must(t, err)
		return info.Messages == 2
	})
}

// While the broker is away every method waits for as long as its context allows,
// and then tells both.
func TestDown(t *testing.T) {
	t.Parallel()
	direct := rabbittest.URL(t)
	p, url := proxy.New(t, direct)
	b := closing(t, open(t, url))
	q := declared(t, b, direct, queue.Spec{})
	p.Down()
	for what, method := range map[string]func(context.Context) error{
		"publish":   func(ctx context.Context) error { return b.Publish(ctx, q, queue.Message{}) },
		"broadcast": func(ctx context.Context) error { return b.Broadcast(ctx, q, queue.Message{}) },
		"declare":   func(ctx context.Context) error { return b.Declare(ctx, queue.Spec{Name: q}) },
		"delete":    func(ctx context.Context) error { return b.Delete(ctx, "another") },
		"inspect":   func(ctx context.Context) error { _, err := b.Inspect(ctx, q); return err },
		"consume":   func(ctx context.Context) error { _, err := b.Consume(ctx, q, 1); return err },
	} {
		testkit.WaitFor(t, what+" tells what is wrong", func() bool { // the loss may not have been noticed at first
			err := method(within(t, 30*time.Millisecond))
			if err == nil || !errors.Is(err, context.DeadlineExceeded) {
				t.Fatalf("%s: got %v, want the context's error", what, err)
			}
			return errors.Is(err, queue.ErrUnreachable)
		})
	}
	result := make(chan error, 1)
	go func() { result <- b.Publish(t.Context(), q, queue.Message{Body: []byte("waited")}) }()
	p.Up()
	must(t, <-result)
}

// Close returns while the broker is away, and ends whoever waits with ErrClosed.
func TestCloseWhileDown(t *testing.T) {
	t.Parallel()
	p, url := proxy.New(t, rabbittest.URL(t))
	b := open(t, url)
	p.Down()
	result := make(chan error, 1)
	go func() { result <- b.Publish(t.Context(), "any", queue.Message{}) }()
	must(t, b.Close())
	if err := <-result; !errors.Is(err, queue.ErrClosed) {
		t.Errorf("publish: got %v, want ErrClosed", err)
	}
}

// fill publishes large messages side by side until none is confirmed any more:
// then one of them is stuck in the write.
func fill(ctx context.Context, b queue.Broker, q string) <-chan error {
	const n, size = 8, 4 << 20
	results := make(chan error, n)
	for range n {
		go func() { results <- b.Publish(ctx, q, queue.Message{Body: make([]byte, size)}) }()
	}
	return results
}

// A write that is stuck past its context's end is given up, and the connection
// with it.
func TestPublishStalled(t *testing.T) {
	t.Parallel()
	direct := rabbittest.URL(t)
	p, url := proxy.New(t, direct)
	b := closing(t, open(t, url))
	q := declared(t, b, direct, queue.Spec{})
	must(t, b.Publish(t.Context(), q, queue.Message{})) // so that the next one only has to write
	p.Stall()
	results := fill(within(t, 300*time.Millisecond), b, q)
	soon := within(t, 10*time.Second) // before the heartbeat would do it, too
	for range cap(results) {
		select {
		case err := <-results:
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v, want the context's error", err)
			}
		case <-soon.Done():
			t.Fatal("a publish goes on after its context's end")
		}
	}
	// The stalled connection is not used again.
	must(t, b.Publish(soon, q, queue.Message{Body: []byte("small")}))
}

// A publish whose context ends while it waits for its confirmation, with nothing
// stuck, leaves the connection alone.
func TestPublishUnconfirmed(t *testing.T) {
	t.Parallel()
	direct := rabbittest.URL(t)
	p, url := proxy.New(t, direct)
	b := closing(t, open(t, url))
	q := declared(t, b, direct, queue.Spec{})
	must(t, b.Publish(t.Context(), q, queue.Message{}))
	before := p.Connections()
	p.Stall()
	if err := b.Publish(within(t, 50*time.Millisecond), q, queue.Message{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want the context's error", err)
	}
	p.Flow()
	must(t, b.Publish(testkit.Context(t), q, queue.Message{}))
	if p.Connections() != before {
		t.Errorf("there were %d connections, now %d", before, p.Connections())
	}
}

// Close returns while the connection is stalled in the middle of a write, and no
// goroutine is left (TestMain sees to that).
func TestCloseStalled(t *testing.T) {
	t.Parallel()
	direct := rabbittest.URL(t)
	p, url := proxy.New(t, direct+"?heartbeat=60") // which is not what frees it
	b := open(t, url)
	q := declared(t, b, direct, queue.Spec{})
	c, err := b.Consume(t.Context(), q, 1)
	must(t, err)
	must(t, b.Publish(t.Context(), q, queue.Message{}))
	d, err := c.Receive(t.Context())
	must(t, err)
	p.StallAll()
	results := fill(t.Context(), b, q)
	must(t, d.Ack(t.Context()))
	closed := make(chan error, 1)
	go func() { closed <- errors.Join(c.Close(), b.Close()) }()
	select {
	case err := <-closed:
		must(t, err)
	case <-testkit.Context(t).Done():
		t.Fatal("Close doesn't return")
	}
	for range cap(results) {
		if err := <-results; !errors.Is(err, queue.ErrClosed) {
			t.Errorf("got %v, want ErrClosed", err)
		}
	}
}

// An exchange that gets no answer is abandoned at its context's end.
func TestStalledExchange(t *testing.T) {
	t.Parallel()
	direct := rabbittest.URL(t)
	p, url := proxy.New(t, direct)
	b := closing(t, open(t, url))
	q := declared(t, b, direct, queue.Spec{})
	p.Stall()
	for what, method := range map[string]func(context.Context) error{
		"declare": func(ctx context.Context) error { return b.Declare(ctx, queue.Spec{Name: q}) },
		"inspect": func(ctx context.Context) error { _, err := b.Inspect(ctx, q); return err },
		"consume": func(ctx context.Context) error { _, err := b.Consume(ctx, q, 1); return err },
	} {
		if err := method(within(t, 50*time.Millisecond)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: got %v, want the context's error", what, err)
		}
	}
	p.Flow()
	ctx := testkit.Context(t)
	must(t, b.Publish(ctx, q, queue.Message{}))
	// The abandoned consumer is gone again, once its subscription has come.
	testkit.WaitFor(t, "the message waits, with no consumer", func() bool {
		info, err := b.Inspect(ctx, q)
		must(t, err)
		return info == queue.Info{Messages: 1}
	})
}

// A connection that has gone silent is given up by its heartbeat, and the work
// goes on over a new one.
func TestHeartbeat(t *testing.T) {
	t.Parallel()
	direct := rabbittest.URL(t)
	p, url := proxy.New(t, direct+"?heartbeat=2")
	b := closing(t, open(t, url))
	q := declared(t, b, direct, queue.Spec{})
	ctx := testkit.Context(t)
	c, err := b.Consume(ctx, q, 1)
	must(t, err)
	must(t, b.Publish(ctx, q, queue.Message{}))
	d, err := c.Receive(ctx)
	must(t, err)
	must(t, d.Ack(ctx))
	p.Stall()
	// One is stuck in the write, which must not keep the loss from being seen.
	results := fill(ctx, b, q)
	for range cap(results) {
		must(t, <-results)
	}
	d, err = c.Receive(ctx)
	must(t, err)
	must(t, d.Ack(ctx))
}

// A connection that falls silent before it was ever used is given up too.
func TestHeartbeatUnused(t *testing.T) {
	t.Parallel()
	direct := rabbittest.URL(t)
	p, url := proxy.New(t, direct+"?heartbeat=2")
	b := closing(t, open(t, url))
	p.Stall()
	ctx := testkit.Context(t)
	if err := b.Publish(ctx, "amqptest.nobody", queue.Message{}); !errors.Is(err, queue.ErrNoQueue) {
		t.Errorf("publish: got %v, want ErrNoQueue", err)
	}
	if _, err := b.Inspect(ctx, "amqptest.nobody"); !errors.Is(err, queue.ErrNoQueue) {
		t.Errorf("inspect: got %v, want ErrNoQueue", err)
	}
}

// Queues that were declared here exist again after a reconnect, even if the broker has lost it
// meanwhile: queue, group and consumer.
func TestLostQueueIsDeclaredAgain(t *testing.T) {
	t.Parallel()
	direct := rabbittest.URL(t)
	p, url := proxy.New(t, direct)
	b := closing(t, open(t, url))
	other := closing(t, open(t, direct))
	group := "amqptest.group." + t.Name()
	q := declared(t, b, direct, queue.Spec{Group: group})
	ctx := testkit.Context(t)
	c, err := b.Consume(ctx, q, 1)
	must(t, err)
	p.Down()
	must(t, other.Delete(ctx, q))
	p.Up()
	must(t, b.Broadcast(ctx, group, queue.Message{Body: []byte("again")}))
	d, err := c.Receive(ctx)
	must(t, err)
	if string(d.Body) != "again" {
		t.Errorf("received %q", d.Body)
	}
}

// A consumer whose queue somebody else deletes declares it again, if it was
// declared here.
func TestQueueDeletedByOther(t *testing.T) {
	t.Parallel()
	url := rabbittest.URL(t)
	b, other := closing(t, open(t, url)), closing(t, open(t, url))
	q := declared(t, b, url, queue.Spec{})
	ctx := testkit.Context(t)
	c, err := b.Consume(ctx, q, 1)
	must(t, err)
	must(t, other.Delete(ctx, q))
	testkit.WaitFor(t, "the queue is there again, with its consumer", func() bool {
		info, err := other.Inspect(ctx, q)
		return err == nil && info.Consumers == 1
	})
	must(t, other.Publish(ctx, q, queue.Message{}))
	_, err = c.Receive(ctx)
	must(t, err)
}
