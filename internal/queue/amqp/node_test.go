package amqp_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"downbeat/internal/queue"
	"downbeat/internal/queue/amqp"
	"downbeat/internal/queue/amqp/rabbittest"
	"downbeat/internal/queue/queuetest"
	"downbeat/internal/testkit"
)

// maxMessage is the limit of the tests' own node, well below ours.
const maxMessage = 100_000

// Tests that can't use the shared broker: a node of our own is blocked, refuses users and
// messages, and is killed and started again. The tests follow one another, as each has the node
// for itself.
func TestOwnNode(t *testing.T) {
	t.Parallel()
	rabbittest.NeedServer(t)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	node, err := rabbittest.Start(ctx, t.TempDir(), "max_message_size = 100000")
	must(t, err)
	defer func() { must(t, node.Stop()) }()

	//nolint:paralleltest // one after the other on one node
	for _, test := range []struct {
		name string
		run  func(*testing.T, *rabbittest.Node)
	}{
		{"a message over the broker's own limit is ErrTooLarge, and only that one", testBrokersLimit},
		{"what a user may not do is ErrDenied", testPermissions},
		{"while the broker is blocked publishing waits, and all else works", testBlocked},
		{"Close returns while the broker is blocked", testCloseBlocked},
		{"restart", testRestart},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, node) })
	}
}

func testBrokersLimit(t *testing.T, node *rabbittest.Node) {
	b := closing(t, open(t, node.URL()))
	q := declared(t, b, node.URL(), queue.Spec{})
	const n = 60
	results := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			size := 10
			if i%10 == 0 {
				size = maxMessage + 1
			}
			results[i] = b.Publish(testkit.Context(t), q, queue.Message{Body: make([]byte, size)})
		})
	}
	wg.Wait()
	for i, err := range results {
		if large := i%10 == 0; errors.Is(err, queue.ErrTooLarge) != large || (err != nil) != large {
			t.Errorf("message %d: %v", i, err)
		}
	}
}

func testPermissions(t *testing.T, node *rabbittest.Node) {
	ctx := testkit.Context(t)
	must(t, node.Ctl(ctx, "add_user", "reader", "secret"))
	withUser := strings.Replace(node.URL(), "guest:guest", "reader:secret", 1)
	_, err := amqp.Open(ctx, withUser, queue.Options{})
	if !errors.Is(err, queue.ErrDenied) {
		t.Errorf("without any permission: got %v, want ErrDenied", err)
	}
	must(t, node.Ctl(ctx, "set_permissions", "reader", "", "", ".*"))
	guest := closing(t, open(t, node.URL()))
	q := declared(t, guest, node.URL(), queue.Spec{Group: "amqptest.group"})
	b := closing(t, open(t, withUser))
	for what, err := range map[string]error{
		"declare":   b.Declare(ctx, queue.Spec{Name: "other"}),
		"delete":    b.Delete(ctx, q),
		"publish":   b.Publish(ctx, q, queue.Message{}),
		"broadcast": b.Broadcast(ctx, "amqptest.group", queue.Message{}),
	} {
		if !errors.Is(err, queue.ErrDenied) {
			t.Errorf("%s: got %v, want ErrDenied", what, err)
		}
	}
	c, err := b.Consume(ctx, q, 1) // this is allowed, and the refusals have done it no harm
	must(t, err)
	must(t, guest.Publish(ctx, q, queue.Message{}))
	_, err = c.Receive(ctx)
	must(t, err)
}

// block makes the node take no messages until the returned function is called.
func block(t *testing.T, node *rabbittest.Node) (unblock func()) {
	t.Helper()
	must(t, node.Ctl(testkit.Context(t), "set_vm_memory_high_watermark", "0.00001"))
	return func() { must(t, node.Ctl(testkit.Context(t), "set_vm_memory_high_watermark", "0.4")) }
}

func testBlocked(t *testing.T, node *rabbittest.Node) {
	log := newJournal(t)
	b, err := amqp.Open(t.Context(), node.URL(), queue.Options{Log: slog.New(log)})
	must(t, err)
	closing(t, b)
	q := declared(t, b, node.URL(), queue.Spec{})
	must(t, b.Publish(t.Context(), q, queue.Message{Body: []byte("before")}))
	unblock := block(t, node)

	results := make(chan error, 4)
	for range cap(results) {
		go func() { results <- b.Publish(t.Context(), q, queue.Message{Body: []byte("waits")}) }()
	}
	testkit.WaitFor(t, "it is logged", func() bool {
		return log.count("the broker takes no messages at the moment, publishing waits") == 1
	})
	// More than fits into any buffer: nobody gets stuck in a write, which would
	// cost the connection.
	var impatient sync.WaitGroup
	short := within(t, 300*time.Millisecond)
	for range 200 {
		impatient.Go(func() {
			err := b.Publish(short, q, queue.Message{Body: make([]byte, maxMessage)})
			if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "takes no messages") {
				t.Errorf("publish: got %v, want the context's error and why", err)
			}
		})
	}
	impatient.Wait()
	ctx := testkit.Context(t)
	c, err := b.Consume(ctx, q, 1)
	must(t, err)
	d, err := c.Receive(ctx)
	must(t, err)
	must(t, d.Ack(ctx))
	must(t, b.Declare(ctx, queue.Spec{Name: q}))
	select {
	case err := <-results:
		t.Errorf("a publish returned while the broker was blocked: %v", err)
	default:
	}

	unblock()
	for range cap(results) {
		must(t, <-results)
	}
	testkit.WaitFor(t, "that is logged too", func() bool { return log.count("the broker takes messages again") == 1 })
	if lost := log.count("connection lost, reconnecting"); lost != 0 {
		t.Errorf("a connection was lost %d times", lost)
	}
}

func testCloseBlocked(t *testing.T, node *rabbittest.Node) {
	b := open(t, node.URL())
	q := declared(t, b, node.URL(), queue.Spec{})
	must(t, b.Publish(t.Context(), q, queue.Message{}))
	unblock := block(t, node)
	defer unblock()
	results := fill(t.Context(), b, q)
	must(t, b.Close())
	for range cap(results) {
		// The node refuses such bodies, unless Close is faster.
		if err := <-results; !errors.Is(err, queue.ErrClosed) {
			t.Errorf("got %v, want ErrClosed", err)
		}
	}
}

// It keeps what it promises around the death of the broker. The node is killed,
// which is the harder way to restart.
func testRestart(t *testing.T, node *rabbittest.Node) {
	queuetest.RunRestart(t, queuetest.Harness{
		Open: func(t *testing.T) queue.Broker { return open(t, node.URL()) },
		Restart: func(t *testing.T) {
			must(t, node.Kill())
			must(t, node.Restart(t.Context()))
		},
	})
}
