package queuetest

import (
	"errors"
	"time"

	"downbeat/internal/queue"
)

// lazySlack is how long after its time a message may still be delivered by a
// lazy broker, and some more.
const lazySlack = 2 * time.Second

func ttlDrops(s *subject) {
	q := s.queue()
	s.must(s.a.Publish(s.context, q, queue.Message{Body: []byte("mortal"), TTL: 20 * time.Millisecond}))
	s.publish(q, "lasting")
	began := time.Now()
	s.eventually("the time is over", func() bool { return !s.h.Lazy && s.is(q, 1, 0)() || time.Since(began) > lazySlack && s.h.Lazy })
	c := s.consume(q, 1)
	s.take(c, "lasting")
	s.nothing(q, c)
}

func ttlKeeps(s *subject) {
	q := s.queue()
	s.must(s.a.Publish(s.context, q, queue.Message{Body: []byte("x"), TTL: 2 * waitLimit}))
	s.take(s.consume(q, 1), "x")
}

func expires(s *subject) {
	q := s.declare(queue.Spec{Expires: 50 * time.Millisecond})
	s.eventually("the queue is gone", s.gone(q))
}

// gone tells whether a queue is not there any more, without using it: Inspect
// may count as use. A lazy broker has to be given an occasion to look.
func (s *subject) gone(q string) func() bool {
	occasion := queue.Spec{Name: s.name(), Expires: time.Hour}
	if s.h.Lazy {
		s.declare(occasion)
	}
	return func() bool {
		if s.h.Lazy {
			s.must(s.a.Declare(s.context, occasion))
		}
		err := s.a.Publish(s.context, q, queue.Message{})
		if err != nil && !errors.Is(err, queue.ErrNoQueue) {
			s.Fatal(err)
		}
		return err != nil
	}
}

func expiresNotConsumed(s *subject) {
	spec := queue.Spec{Expires: 50 * time.Millisecond}
	// The queue may be gone before the consumer comes: then it is late, and
	// we try again.
	var q string
	var c queue.Consumer
	s.eventually("the consumer is in time", func() bool {
		q = s.declare(spec)
		var err error
		c, err = s.b.Consume(s.context, q, 1)
		if err != nil && !errors.Is(err, queue.ErrNoQueue) {
			s.Fatal(err)
		}
		return err == nil
	})
	// A queue declared later with the same term is gone, and this one isn't.
	s.eventually("the queue without consumer is gone", s.gone(s.declare(spec)))
	s.publish(q, "still there")
	s.take(c, "still there")
}

func maxMessages(s *subject) {
	q := s.declare(queue.Spec{MaxMessages: 3})
	s.publish(q, numbered(8)...)
	s.eventually("three are left", s.is(q, 3, 0))
	c := s.consume(q, 5)
	for _, want := range numbered(8)[5:] {
		s.take(c, want)
	}
	s.nothing(q, c)
}

func maxBytes(s *subject) {
	q := s.declare(queue.Spec{MaxMessages: 100, MaxBytes: 25})
	s.publish(q, "1234567890", "abcdefghij", "ABCDEFGHIJ", "x", "y")
	s.eventually("four are left", s.is(q, 4, 0))
	c := s.consume(q, 5)
	for _, want := range []string{"abcdefghij", "ABCDEFGHIJ", "x", "y"} {
		s.take(c, want)
	}
	s.nothing(q, c)
}

func broadcastReaches(s *subject) {
	group, otherGroup := s.name(), s.name()
	in := []string{s.declare(queue.Spec{Group: group}), s.declare(queue.Spec{Group: group}), s.declare(queue.Spec{Group: group})}
	out := []string{s.declare(queue.Spec{Group: otherGroup}), s.queue()}
	s.must(s.b.Broadcast(s.context, group, queue.Message{Body: []byte("all"), Header: map[string]string{"k": "v"}}))
	for _, q := range in {
		c := s.consume(q, 2)
		if d := s.take(c, "all"); d.Header["k"] != "v" {
			s.Errorf("header is %v", d.Header)
		}
		s.nothing(q, c)
	}
	for _, q := range out {
		s.empty(q)
	}
}

func broadcastNobody(s *subject) {
	s.must(s.a.Broadcast(s.context, s.name(), queue.Message{Body: []byte("anybody?")}))
	q := s.queue()
	s.publish(q, "the connection is as good as before")
	s.take(s.consume(q, 1), "the connection is as good as before")
}

func deletedLeavesGroup(s *subject) {
	group := s.name()
	stays, goes := s.declare(queue.Spec{Group: group}), s.declare(queue.Spec{Group: group})
	s.must(s.a.Delete(s.context, goes))
	s.must(s.b.Broadcast(s.context, group, queue.Message{Body: []byte("one left")}))
	s.take(s.consume(stays, 1), "one left")
	s.must(s.a.Delete(s.context, stays))
	s.must(s.b.Broadcast(s.context, group, queue.Message{Body: []byte("none left")}))
}

func declareIdempotent(s *subject) {
	spec := queue.Spec{Name: s.name(), Group: s.name(), Expires: time.Hour, MaxMessages: 100}
	s.declare(spec)
	s.publish(spec.Name, "kept")
	s.must(s.a.Declare(s.context, spec))
	s.must(s.b.Declare(s.context, spec))
	s.must(s.b.Broadcast(s.context, spec.Group, queue.Message{Body: []byte("once")}))
	c := s.consume(spec.Name, 1)
	s.takeAll(c, "kept", "once")
	s.nothing(spec.Name, c)
}

func declareConflict(s *subject) {
	spec := queue.Spec{Name: s.name(), Group: s.name(), Expires: time.Hour, MaxMessages: 100}
	s.declare(spec)
	for what, change := range map[string]func(*queue.Spec){
		"group":       func(s *queue.Spec) { s.Group = "" },
		"expiry":      func(s *queue.Spec) { s.Expires = 2 * time.Hour },
		"no expiry":   func(s *queue.Spec) { s.Expires = 0 },
		"max":         func(s *queue.Spec) { s.MaxMessages = 99 },
		"no max":      func(s *queue.Spec) { s.MaxMessages = 0 },
		"other group": func(s *queue.Spec) { s.Group += "x" },
	} {
		other := spec
		change(&other)
		if s.a.Declare(s.context, other) == nil {
			s.Errorf("another %s is taken", what)
		}
		if other.Group == spec.Group && s.b.Declare(s.context, other) == nil {
			s.Errorf("another %s is taken from another connection", what)
		}
	}
	s.publish(spec.Name, "unharmed")
	s.take(s.consume(spec.Name, 1), "unharmed")
}

func declareNonsense(s *subject) {
	for _, spec := range []queue.Spec{{}, {Name: "x", Expires: -1}, {Name: "x", MaxMessages: -1}} {
		if s.a.Declare(s.context, spec) == nil {
			s.Errorf("%+v is taken", spec)
		}
	}
}

func deleteAbsent(s *subject) { s.must(s.a.Delete(s.context, s.name())) }

func deleteThenPublish(s *subject) {
	q := s.queue()
	s.publish(q, "x")
	s.must(s.b.Delete(s.context, q))
	if err := s.a.Publish(s.context, q, queue.Message{}); !errors.Is(err, queue.ErrNoQueue) {
		s.Errorf("got %v, want ErrNoQueue", err)
	}
}

func deleteDropsMessages(s *subject) {
	q := s.queue()
	s.publish(q, "old")
	s.must(s.a.Delete(s.context, q))
	s.declare(queue.Spec{Name: q})
	s.empty(q)
}

func deleteUnderConsumer(s *subject) {
	q := s.name()
	s.deleteLater(q)
	s.must(s.b.Declare(s.context, queue.Spec{Name: q}))
	c := s.consume(q, 2)
	s.publish(q, "before")
	s.take(c, "before")
	s.publish(q, "lost")
	s.must(s.b.Delete(s.context, q))
	s.must(s.b.Declare(s.context, queue.Spec{Name: q}))
	s.publish(q, "after")
	for {
		d := s.receive(c) // "lost" may have come already
		s.must(d.Ack(s.context))
		if string(d.Body) == "after" {
			return
		}
	}
}

func consumeNoQueue(s *subject) {
	if _, err := s.a.Consume(s.context, s.name(), 1); !errors.Is(err, queue.ErrNoQueue) {
		s.Errorf("got %v, want ErrNoQueue", err)
	}
}

func inspectNoQueue(s *subject) {
	if _, err := s.a.Inspect(s.context, s.name()); !errors.Is(err, queue.ErrNoQueue) {
		s.Errorf("got %v, want ErrNoQueue", err)
	}
}

func inspectCounts(s *subject) {
	q := s.queue()
	if !s.is(q, 0, 0)() {
		s.Error("a new queue isn't empty")
	}
	s.publish(q, numbered(5)...)
	s.eventually("five wait", s.is(q, 5, 0))
	c, other := s.consume(q, 2), s.consume(q, 1)
	s.eventually("two consumers have three of them", s.is(q, 2, 2))
	s.must(other.Close())
	s.eventually("one consumer has two", s.is(q, 3, 1))
	s.must(c.Close())
	s.eventually("five wait again", s.is(q, 5, 0))
}
