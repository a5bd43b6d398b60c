package mem

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"downbeat/internal/queue"
)

// A store is the broker behind the connections. One lock guards it and everything below it:
// every operation is short, and none waits.
type store struct {
	mu     sync.Mutex
	queues map[string]*memQueue
	// orphans are the consumers of queues that are not there at the moment.
	orphans map[string][]*consumer
}

// A memQueue is one queue. Its consumers are served in turn.
type memQueue struct {
	spec      queue.Spec
	ready     []*item // in the order of their sequence numbers
	expiring  int     // how many of ready have a deadline
	consumers []*consumer
	next      int       // whose turn it is
	sequence  uint64    // of the newest item
	unusedAt  time.Time // when the last consumer left
}

// An item is one message in one queue.
type item struct {
	message     queue.Message
	sequence    uint64 // its place in the queue, kept when it is put back
	deadline    time.Time
	redelivered bool
}

func newStore() *store {
	return &store{queues: make(map[string]*memQueue), orphans: make(map[string][]*consumer)}
}

// find returns the queue, or nil; a queue that has expired is deleted here.
func (s *store) find(name string) *memQueue {
	q := s.queues[name]
	if q == nil || q.spec.Expires == 0 || len(q.consumers) > 0 || time.Since(q.unusedAt) < q.spec.Expires {
		return q
	}
	delete(s.queues, name)
	return nil
}

func (s *store) declare(spec queue.Spec) error {
	spec.DeadLetter = "" // deliveries aren't counted here
	s.mu.Lock()
	defer s.mu.Unlock()
	if q := s.find(spec.Name); q != nil {
		if q.spec != spec {
			return fmt.Errorf("declare queue %s: it is there already, as %+v, not as %+v", spec.Name, q.spec, spec)
		}
		q.unusedAt = time.Now()
		return nil
	}
	q := &memQueue{spec: spec, unusedAt: time.Now(), consumers: s.orphans[spec.Name]}
	delete(s.orphans, spec.Name)
	s.queues[spec.Name] = q
	return nil
}

func (s *store) delete(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.find(name)
	if q == nil {
		return
	}
	delete(s.queues, name)
	for _, c := range q.consumers {
		c.forget()
	}
	if len(q.consumers) > 0 {
		s.orphans[name] = q.consumers
	}
}

func (s *store) inspect(name string) (queue.Info, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.find(name)
	if q == nil {
		return queue.Info{}, queue.ErrNoQueue
	}
	q.expire()
	return queue.Info{Messages: len(q.ready), Consumers: len(q.consumers)}, nil
}

func (s *store) publish(name string, m queue.Message) error {
	it := newItem(m) // copies, so not under the lock
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.find(name)
	if q == nil {
		return queue.ErrNoQueue
	}
	q.push(it)
	return nil
}

func (s *store) broadcast(group string, m queue.Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name := range s.queues {
		if q := s.find(name); q != nil && q.spec.Group == group {
			q.push(newItem(m))
		}
	}
}

// newItem copies the message: the caller gets its own back.
func newItem(m queue.Message) *item {
	it := &item{message: m}
	it.message.Body = bytes.Clone(m.Body)
	it.message.Header = maps.Clone(m.Header)
	it.message.TTL = 0
	if m.TTL > 0 {
		it.deadline = time.Now().Add(m.TTL)
	}
	return it
}

// attach makes c a consumer of its queue.
func (s *store) attach(c *consumer) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.find(c.name)
	if q == nil {
		return queue.ErrNoQueue
	}
	if len(q.consumers) > 0 && (c.alone || q.consumers[0].alone) {
		return &queue.HeldError{By: q.consumers[0].about}
	}
	q.consumers = append(q.consumers, c)
	q.dispatch()
	return nil
}

// detach ends c's deliveries and puts back what c has not answered.
func (s *store) detach(c *consumer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	left := c.forget()
	is := func(other *consumer) bool { return other == c }
	if q := s.queues[c.name]; q != nil && slices.Contains(q.consumers, c) {
		q.consumers = slices.DeleteFunc(q.consumers, is)
		q.unusedAt = time.Now()
		q.putBack(left...)
		return
	}
	s.orphans[c.name] = slices.DeleteFunc(s.orphans[c.name], is)
	if len(s.orphans[c.name]) == 0 {
		delete(s.orphans, c.name)
	}
}

// settle ends a delivery; back tells whether its message returns to the queue.
// A delivery that was settled before, or whose queue is gone, is left alone.
func (s *store) settle(c *consumer, h *handout, back bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := c.unsettled[h]; !ok {
		return
	}
	delete(c.unsettled, h)
	q := s.queues[c.name] // not gone: else c had been told to forget
	if back {
		q.putBack(h.item)
		return
	}
	q.dispatch()
}
