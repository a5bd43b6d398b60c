package queuetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"downbeat/internal/queue"
)

// each runs f(0) to f(n-1), so many at a time.
func each(n, width int, f func(i int)) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range width {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
				f(int(i))
			}
		})
	}
	wg.Wait()
}

func receiveContext(s *subject) {
	c := s.consume(s.queue(), 1)
	ctx, cancel := context.WithCancel(s.context)
	result := s.receiving(ctx, c)
	cancel()
	if err := <-result; !errors.Is(err, context.Canceled) {
		s.Errorf("got %v, want the context's error", err)
	}
}

// receiving calls Receive, has it wait, and returns what its error will be.
func (s *subject) receiving(ctx context.Context, c queue.Consumer) <-chan error {
	result := make(chan error, 1)
	entered := make(chan struct{})
	go func() {
		close(entered)
		_, err := c.Receive(ctx)
		result <- err
	}()
	<-entered
	return result
}

func closeEndsReceive(s *subject) {
	c := s.consume(s.queue(), 1)
	result := s.receiving(s.context, c)
	s.must(c.Close())
	if err := <-result; !errors.Is(err, queue.ErrClosed) {
		s.Errorf("got %v, want ErrClosed", err)
	}
	if _, err := c.Receive(s.context); !errors.Is(err, queue.ErrClosed) {
		s.Errorf("a later call: got %v, want ErrClosed", err)
	}
	s.must(c.Close())
}

func brokerCloseEndsReceive(s *subject) {
	c := s.consume(s.queue(), 1)
	result := s.receiving(s.context, c)
	s.must(s.b.Close())
	if err := <-result; !errors.Is(err, queue.ErrClosed) {
		s.Errorf("got %v, want ErrClosed", err)
	}
	s.must(c.Close())
}

func closedBroker(s *subject) {
	q := s.queue()
	s.must(s.a.Close())
	_, inspect := s.a.Inspect(s.context, q)
	_, consume := s.a.Consume(s.context, q, 1)
	for what, err := range map[string]error{
		"declare":   s.a.Declare(s.context, queue.Spec{Name: q}),
		"delete":    s.a.Delete(s.context, q),
		"inspect":   inspect,
		"publish":   s.a.Publish(s.context, q, queue.Message{}),
		"broadcast": s.a.Broadcast(s.context, q, queue.Message{}),
		"consume":   consume,
	} {
		if !errors.Is(err, queue.ErrClosed) {
			s.Errorf("%s: got %v, want ErrClosed", what, err)
		}
	}
}

func closeTwice(s *subject) {
	c := s.consume(s.queue(), 1)
	each(8, 4, func(int) {
		s.check(s.b.Close())
		s.check(c.Close())
	})
}

// check is must for goroutines other than the test's.
func (s *subject) check(err error) {
	s.Helper()
	if err != nil {
		s.Error(err)
	}
}

func closeWhilePublishing(s *subject) {
	q := s.queue()
	const width = 8
	var confirmed, begun atomic.Int64
	var wg sync.WaitGroup
	for range width {
		wg.Go(func() {
			for {
				begun.Add(1)
				err := s.b.Publish(s.context, q, queue.Message{Body: []byte("x")})
				if errors.Is(err, queue.ErrClosed) {
					return
				}
				s.check(err)
				confirmed.Add(1)
			}
		})
	}
	s.eventually("publishing is under way", func() bool { return confirmed.Load() > 50 })
	s.must(s.b.Close())
	wg.Wait()
	s.eventually("what was confirmed is there", func() bool {
		info, err := s.a.Inspect(s.context, q)
		s.must(err)
		return int64(info.Messages) >= confirmed.Load() && int64(info.Messages) <= begun.Load()
	})
}

func concurrentLosesNothing(s *subject) {
	q := s.queue()
	const n, publishers, consumers = 4000, 20, 4
	var mu sync.Mutex
	seen := make(map[string]int, n)
	all := make(chan struct{})
	var receivers sync.WaitGroup
	ctx, cancel := context.WithCancel(s.context)
	defer cancel()
	for range consumers {
		c := s.consume(q, 50)
		receivers.Go(func() {
			for {
				d, err := c.Receive(ctx)
				if err != nil {
					return
				}
				s.check(d.Ack(ctx))
				mu.Lock()
				seen[string(d.Body)]++
				if len(seen) == n && seen[string(d.Body)] == 1 {
					close(all)
				}
				mu.Unlock()
			}
		})
	}
	each(n, publishers, func(i int) {
		b := s.a
		if i%2 == 0 {
			b = s.b
		}
		s.check(b.Publish(s.context, q, queue.Message{Body: fmt.Appendf(nil, "message %d", i)}))
	})
	select {
	case <-all:
	case <-s.context.Done():
	}
	cancel()
	receivers.Wait()
	if len(seen) != n {
		s.Fatalf("%d of %d messages arrived", len(seen), n)
	}
	for body, times := range seen {
		if times != 1 && !s.h.Unordered {
			s.Errorf("%s came %d times without a reconnect", body, times)
		}
	}
}
