package mem_test

import (
	"sync"
	"testing"

	"go.uber.org/goleak"

	"downbeat/internal/queue"
	"downbeat/internal/queue/mem"
	"downbeat/internal/queue/queuetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// It keeps every promise of the interface.
func TestConformance(t *testing.T) {
	t.Parallel()
	broker := mem.New(queue.Options{})
	queuetest.Run(t, queuetest.Harness{
		Open: func(*testing.T) queue.Broker { return broker.Connect() },
	})
}

// Two brokers have nothing in common.
func TestBrokersAreSeparate(t *testing.T) {
	t.Parallel()
	one, two := mem.New(queue.Options{}), mem.New(queue.Options{})
	if err := one.Declare(t.Context(), queue.Spec{Name: "q"}); err != nil {
		t.Fatal(err)
	}
	if _, err := two.Inspect(t.Context(), "q"); err == nil {
		t.Error("the second broker has the first one's queue")
	}
}

// Deleting a queue under a consumer that has its whole prefetch out leaves room
// for the queue's successor.
func TestDeleteUnderFullConsumer(t *testing.T) {
	t.Parallel()
	b := mem.New(queue.Options{})
	declare := func() {
		if err := b.Declare(t.Context(), queue.Spec{Name: "q"}); err != nil {
			t.Fatal(err)
		}
	}
	publish := func(n int) {
		for range n {
			if err := b.Publish(t.Context(), "q", queue.Message{}); err != nil {
				t.Fatal(err)
			}
		}
	}
	declare()
	c, err := b.Consume(t.Context(), "q", 3)
	if err != nil {
		t.Fatal(err)
	}
	publish(5)
	if err := b.Delete(t.Context(), "q"); err != nil {
		t.Fatal(err)
	}
	declare()
	publish(3)
	for range 3 {
		if _, err := c.Receive(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

func BenchmarkPublishReceive(b *testing.B) {
	for name, size := range map[string]int{"small": 100, "256KiB": 256 << 10} {
		b.Run(name, func(b *testing.B) {
			broker := mem.New(queue.Options{})
			if err := broker.Declare(b.Context(), queue.Spec{Name: "q"}); err != nil {
				b.Fatal(err)
			}
			c, err := broker.Consume(b.Context(), "q", 100)
			if err != nil {
				b.Fatal(err)
			}
			body := make([]byte, size)
			b.SetBytes(int64(size))
			var wg sync.WaitGroup
			wg.Go(func() {
				for d, err := c.Receive(b.Context()); err == nil; d, err = c.Receive(b.Context()) {
					_ = d.Ack(b.Context())
				}
			})
			for b.Loop() {
				if err := broker.Publish(b.Context(), "q", queue.Message{Body: body}); err != nil {
					b.Fatal(err)
				}
			}
			_ = broker.Close()
			wg.Wait()
		})
	}
}
