package amqp_test

import (
	"context"
	"crypto/rand"
	"slices"
	"sync"
	"testing"
	"time"

	"downbeat/internal/queue"
	"downbeat/internal/queue/amqp/rabbittest"
)

// benchQueue declares a queue that is deleted at the benchmark's end.
func benchQueue(b *testing.B, broker queue.Broker) string {
	b.Helper()
	name := "bench." + rand.Text()
	if err := broker.Declare(b.Context(), queue.Spec{Name: name}); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := broker.Delete(context.Background(), name); err != nil {
			b.Error(err)
		}
		_ = broker.Close()
	})
	return name
}

// The throughput of four publishing processes to one consumer, each with a window of
// eight unconfirmed messages.
func BenchmarkThroughput(b *testing.B) {
	for name, size := range map[string]int{"1KiB": 1 << 10, "256KiB": 256 << 10} {
		b.Run(name, func(b *testing.B) {
			const workers, window = 4, 8
			url := rabbittest.URL(b)
			consuming := open(b, url)
			q := benchQueue(b, consuming)
			c, err := consuming.Consume(b.Context(), q, 100)
			if err != nil {
				b.Fatal(err)
			}
			var all sync.WaitGroup
			turns := make(chan struct{})
			body := make([]byte, size)
			for range workers {
				publishing := open(b, url)
				b.Cleanup(func() { _ = publishing.Close() })
				for range window {
					all.Go(func() {
						for range turns {
							if err := publishing.Publish(b.Context(), q, queue.Message{Body: body}); err != nil {
								b.Error(err)
							}
						}
					})
				}
			}
			b.SetBytes(int64(size))
			b.ResetTimer()
			all.Go(func() {
				defer close(turns)
				for range b.N {
					turns <- struct{}{}
				}
			})
			for range b.N {
				d, err := c.Receive(b.Context())
				if err != nil {
					b.Fatal(err)
				}
				if err := d.Ack(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
			all.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
		})
	}
}

// How long a publish takes until it is confirmed, and until the message is
// there at a consumer on another connection.
func BenchmarkLatency(b *testing.B) {
	for name, persistent := range map[string]bool{"transient": false, "persistent": true} {
		b.Run(name, func(b *testing.B) {
			url := rabbittest.URL(b)
			consuming, publishing := open(b, url), open(b, url)
			b.Cleanup(func() { _ = publishing.Close() })
			q := benchQueue(b, consuming)
			c, err := consuming.Consume(b.Context(), q, 10)
			if err != nil {
				b.Fatal(err)
			}
			var confirmed, received []time.Duration
			for b.Loop() {
				begin := time.Now()
				if err := publishing.Publish(b.Context(), q, queue.Message{Body: []byte("x"), Persistent: persistent}); err != nil {
					b.Fatal(err)
				}
				confirmed = append(confirmed, time.Since(begin))
				d, err := c.Receive(b.Context())
				if err != nil {
					b.Fatal(err)
				}
				received = append(received, d.ReceivedAt.Sub(begin))
				if err := d.Ack(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
			report := func(all []time.Duration, what string) {
				slices.Sort(all)
				b.ReportMetric(float64(all[len(all)/2].Microseconds()), what+"-median-µs")
				b.ReportMetric(float64(all[len(all)*99/100].Microseconds()), what+"-p99-µs")
			}
			report(confirmed, "confirm")
			report(received, "arrive")
		})
	}
}
