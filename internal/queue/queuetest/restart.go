package queuetest

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"downbeat/internal/queue"
)

// RunRestart tests the behaviours around a restart of the broker; h.Restart must be set. All of
// them share one restart: each starts before it and returns a check to run after it.
func RunRestart(t *testing.T, h Harness) {
	after := make(map[string]func(*subject))
	subjects := make(map[string]*subject)
	for name, behaviour := range restartBehaviours {
		s := newSubject(t, h)
		s.context = t.Context() // a restart takes its time
		subjects[name], after[name] = s, behaviour(s)
	}
	h.Restart(t)
	for name, see := range after {
		t.Run(name, func(t *testing.T) {
			s := subjects[name]
			ctx, cancel := context.WithTimeout(t.Context(), waitLimit)
			defer cancel()
			see(&subject{T: t, h: h, a: s.a, b: s.b, context: ctx, queues: s.queues})
		})
	}
}

var restartBehaviours = map[string]func(*subject) func(*subject){
	"persistent messages that were confirmed arrive":        restartKeepsPersistent,
	"publisher and consumer go on, and nothing is lost":     restartMidStream,
	"unacknowledged deliveries come again":                  restartRedelivers,
	"an answer from before the restart does nothing":        restartLateAnswer,
	"a consumer that waits goes on waiting":                 restartWaitingConsumer,
	"an exclusive consumer gets its queue back":             restartKeepsAlone,
	"a broadcast still reaches the group":                   restartBroadcast,
	"a publish that has to wait keeps to its context's end": restartPublishContext,
}

func (s *subject) publishPersistent(q string, bodies ...string) {
	s.Helper()
	for _, body := range bodies {
		s.must(s.a.Publish(s.context, q, queue.Message{Body: []byte(body), Persistent: true}))
	}
}

func restartKeepsPersistent(s *subject) func(*subject) {
	q := s.queue()
	bodies := numbered(300)
	s.publishPersistent(q, bodies...)
	return func(s *subject) {
		c := s.consume(q, len(bodies))
		for _, body := range bodies {
			s.take(c, body)
		}
		s.must(c.Close())
		s.empty(q)
	}
}

func restartRedelivers(s *subject) func(*subject) {
	q := s.queue()
	s.publishPersistent(q, "held", "waiting")
	c := s.consume(q, 1)
	s.receive(c)
	return func(s *subject) {
		if d := s.take(c, "held"); !d.Redelivered {
			s.Error("Redelivered is not set")
		}
		s.take(c, "waiting")
		s.nothing(q, c)
	}
}

func restartLateAnswer(s *subject) func(*subject) {
	q := s.queue()
	s.publishPersistent(q, "one", "two")
	c := s.consume(q, 2)
	late, later := s.receive(c), s.receive(c)
	return func(s *subject) {
		s.receive(c) // both are out again, under the tags of before
		s.receive(c)
		s.must(late.Ack(s.context))
		s.must(later.Nack(s.context))
		s.must(c.Close())
		s.returned(q, []string{"one", "two"})
	}
}

func restartWaitingConsumer(s *subject) func(*subject) {
	q := s.queue()
	c := s.consume(q, 1)
	type result struct {
		d   *queue.Delivery
		err error
	}
	results := make(chan result, 1)
	go func() {
		d, err := c.Receive(s.context)
		results <- result{d, err}
	}()
	return func(s *subject) {
		s.publish(q, "at last")
		r := <-results
		s.must(r.err)
		if string(r.d.Body) != "at last" {
			s.Errorf("received %q", r.d.Body)
		}
		s.must(r.d.Ack(s.context))
	}
}

func restartBroadcast(s *subject) func(*subject) {
	group := s.name()
	queues := []string{s.declare(queue.Spec{Group: group}), s.declare(queue.Spec{Group: group})}
	return func(s *subject) {
		s.must(s.b.Broadcast(s.context, group, queue.Message{Body: []byte("all")}))
		for _, q := range queues {
			s.take(s.consume(q, 1), "all")
		}
	}
}

// meanwhile runs f until the restart's other side, or the test, is over; end
// stops it and waits.
func (s *subject) meanwhile(f func(ctx context.Context)) (end func()) {
	ctx, cancel := context.WithCancel(s.context)
	done := make(chan struct{})
	go func() {
		defer close(done)
		f(ctx)
	}()
	end = func() {
		cancel()
		<-done
	}
	s.Cleanup(end)
	return end
}

// restartPublishContext publishes with short contexts throughout. Each call
// has to return soon after, confirmed or with the context's error.
func restartPublishContext(s *subject) func(*subject) {
	q := s.declare(queue.Spec{MaxMessages: 1})
	var failed atomic.Int64
	end := s.meanwhile(func(ctx context.Context) {
		for ctx.Err() == nil {
			short, stop := context.WithTimeout(ctx, 50*time.Millisecond)
			if err := s.a.Publish(short, q, queue.Message{}); err != nil {
				if short.Err() == nil {
					s.Errorf("an error before the context's end: %v", err)
				}
				failed.Add(1)
			}
			stop()
		}
	})
	return func(s *subject) {
		end()
		if failed.Load() == 0 {
			s.Error("no publish noticed the restart")
		}
	}
}

// A stream is what one side of a test publishes and the other receives.
type stream struct {
	confirmed atomic.Int64 // messages 0 to confirmed-1 are

	mu   sync.Mutex
	seen map[string]bool
}

// arrived tells whether the first n messages have.
func (st *stream) arrived(n int64) bool {
	st.mu.Lock()
	defer st.mu.Unlock()
	for i := range n {
		if !st.seen[fmt.Sprintf("message %d", i)] {
			return false
		}
	}
	return true
}

func (st *stream) publish(ctx context.Context, s *subject, q string) {
	for i := 0; ctx.Err() == nil; i++ {
		m := queue.Message{Body: fmt.Appendf(nil, "message %d", i), Persistent: true}
		switch err := s.a.Publish(ctx, q, m); {
		case err == nil:
			st.confirmed.Add(1)
		case ctx.Err() == nil:
			s.Error(err)
		}
	}
}

func (st *stream) receive(ctx context.Context, s *subject, c queue.Consumer) {
	for {
		d, err := c.Receive(ctx)
		if err != nil {
			return
		}
		st.mu.Lock()
		st.seen[string(d.Body)] = true
		st.mu.Unlock()
		s.check(d.Ack(ctx))
	}
}

// restartMidStream has one side publish and the other consume all the while.
func restartMidStream(s *subject) func(*subject) {
	const enough = 200 // before the restart, and again after it
	q := s.queue()
	c := s.consume(q, 20)
	st := &stream{seen: make(map[string]bool)}
	endPublishing := s.meanwhile(func(ctx context.Context) { st.publish(ctx, s, q) })
	endReceiving := s.meanwhile(func(ctx context.Context) { st.receive(ctx, s, c) })
	s.eventually("messages flow", func() bool { return st.arrived(enough) })
	return func(s *subject) {
		before := st.confirmed.Load()
		s.eventually("messages flow again", func() bool { return st.confirmed.Load() > before+enough })
		endPublishing()
		s.eventually("every confirmed message has arrived", func() bool { return st.arrived(st.confirmed.Load()) })
		endReceiving()
	}
}
