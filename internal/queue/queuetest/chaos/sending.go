package chaos

import (
	"bytes"
	"context"
	"hash/fnv"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"downbeat/internal/queue"
)

// A Sender is a connection on which chance decides about what is published, as a
// [Broker] has it decide about deliveries: for users whose consumers are in another
// program. What happens is drawn from the seed, for each queue in the order in which
// messages are published to it. Broadcasts are left alone.
type Sender struct {
	queue.Broker
	seed uint64
	odds Odds

	mu      sync.Mutex
	random  map[string]*rand.Rand // by queue
	closed  chan struct{}
	once    sync.Once
	delayed sync.WaitGroup
}

// Sending wraps a broker.
func Sending(b queue.Broker, seed uint64, odds Odds) *Sender {
	return &Sender{Broker: b, seed: seed, odds: odds, random: make(map[string]*rand.Rand), closed: make(chan struct{})}
}

// A fate is what becomes of one message.
type fate struct {
	lost, twice bool
	late        time.Duration
}

func (s *Sender) draw(name string) fate {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.random[name]
	if r == nil {
		sum := fnv.New64a()
		sum.Write([]byte(name))
		r = rand.New(rand.NewPCG(s.seed, sum.Sum64()))
		s.random[name] = r
	}
	f := fate{lost: r.Float64() < s.odds.Lost, twice: r.Float64() < s.odds.Twice}
	if r.Float64() < s.odds.Late {
		f.late = time.Duration(r.Int64N(int64(s.odds.LateBy)) + 1)
	}
	for _, spared := range s.odds.Spared {
		if strings.Contains(name, spared) {
			f.lost = false
		}
	}
	return f
}

// Publish implements [queue.Broker]. A message that is lost or late counts as taken.
func (s *Sender) Publish(ctx context.Context, name string, m queue.Message) error {
	return s.Enqueue(ctx, name, m)()
}

// Enqueue implements [queue.Broker]. A message that is lost or late counts as taken.
func (s *Sender) Enqueue(ctx context.Context, name string, m queue.Message) queue.Confirm {
	f := s.draw(name)
	taken := func() error { return nil }
	switch {
	case f.lost:
		return taken
	case f.late > 0:
		s.later(ctx, name, m, f)
		return taken
	case f.twice:
		first, second := s.Broker.Enqueue(ctx, name, m), s.Broker.Enqueue(ctx, name, m)
		return func() error {
			_ = second() // there may be no queue any more
			return first()
		}
	}
	return s.Broker.Enqueue(ctx, name, m)
}

// later publishes a message after a while, if the connection is still open then.
func (s *Sender) later(ctx context.Context, name string, m queue.Message, f fate) {
	m.Body = bytes.Clone(m.Body)
	ctx = context.WithoutCancel(ctx)
	s.delayed.Go(func() {
		select {
		case <-time.After(f.late):
		case <-s.closed:
			return
		}
		ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		_ = s.Broker.Publish(ctx, name, m) // its sender has been told that it is taken
		if f.twice {
			_ = s.Broker.Publish(ctx, name, m)
		}
	})
}

// Close implements [queue.Broker]. What is still held back is lost.
func (s *Sender) Close() error {
	s.once.Do(func() { close(s.closed) })
	err := s.Broker.Close()
	s.delayed.Wait()
	return err
}
