package queuetest

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"downbeat/internal/queue"
)

func deliveredPublishedBefore(s *subject) {
	q := s.queue()
	s.publish(q, "hello")
	c := s.consume(q, 10)
	if d := s.take(c, "hello"); d.Redelivered {
		s.Error("Redelivered is set at the first delivery")
	}
	s.nothing(q, c)
}

func deliveredPublishedWhile(s *subject) {
	q := s.queue()
	c := s.consume(q, 10)
	s.publish(q, "hello")
	s.take(c, "hello")
	s.nothing(q, c)
}

func crossesConnections(s *subject) {
	q := s.queue()
	c, err := s.a.Consume(s.context, q, 1)
	s.must(err)
	s.must(s.b.Publish(s.context, q, queue.Message{Body: []byte("over")}))
	s.take(c, "over")
}

func bodyPreserved(s *subject) {
	q := s.queue()
	c := s.consume(q, 1)
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	large := make([]byte, min(4<<20, s.a.Limits().MaxBody))
	_, _ = rand.Read(large)
	for _, body := range [][]byte{nil, {0}, every, []byte("\xff\xfe no UTF-8 \x1b[31m"), large} {
		s.must(s.a.Publish(s.context, q, queue.Message{Body: body}))
		d := s.receive(c)
		if !bytes.Equal(d.Body, body) {
			s.Fatalf("a body of %d bytes came as %d other bytes", len(body), len(d.Body))
		}
		s.must(d.Ack(s.context))
	}
}

func headersPreserved(s *subject) {
	q := s.queue()
	c := s.consume(q, 2)
	want := map[string]string{"reason": "Grüße, \"quoted\"\n", "empty": "", "long": strings.Repeat("x", 5000)}
	s.must(s.a.Publish(s.context, q, queue.Message{Header: want}))
	if d := s.receive(c); !maps.Equal(d.Header, want) {
		s.Errorf("got %v, want %v", d.Header, want)
	}
	s.must(s.a.Publish(s.context, q, queue.Message{}))
	if d := s.receive(c); len(d.Header) != 0 {
		s.Errorf("a message without header came with %v", d.Header)
	}
}

func persistenceTold(s *subject) {
	q := s.queue()
	c := s.consume(q, 2)
	for _, want := range []bool{true, false} {
		s.must(s.a.Publish(s.context, q, queue.Message{Persistent: want}))
		if d := s.receive(c); d.Persistent != want {
			s.Errorf("Persistent is %v, want %v", d.Persistent, want)
		}
	}
}

func bodyCopied(s *subject) {
	q := s.queue()
	body, header := []byte("original"), map[string]string{"k": "original"}
	s.must(s.a.Publish(s.context, q, queue.Message{Body: body, Header: header}))
	copy(body, "changed!")
	header["k"] = "changed!"
	if d := s.take(s.consume(q, 1), "original"); d.Header["k"] != "original" {
		s.Errorf("header is %q", d.Header["k"])
	}
}

func receivedAt(s *subject) {
	q := s.queue()
	c := s.consume(q, 1)
	before := time.Now()
	s.publish(q, "x")
	d := s.receive(c)
	if after := time.Now(); d.ReceivedAt.Before(before) || d.ReceivedAt.After(after) {
		s.Errorf("received at %v, which is not from %v to %v", d.ReceivedAt, before, after)
	}
	if !strings.Contains(d.ReceivedAt.String(), " m=") {
		s.Error("the time has no monotonic reading")
	}
}

func publishNoQueue(s *subject) {
	err := s.a.Publish(s.context, s.name(), queue.Message{Body: []byte("x")})
	if !errors.Is(err, queue.ErrNoQueue) {
		s.Errorf("got %v, want ErrNoQueue", err)
	}
}

func publishNoQueueAmongOthers(s *subject) {
	q, none := s.queue(), s.name()
	const n = 400
	results := make([]error, n)
	each(n, 50, func(i int) {
		name := q
		if i%4 == 0 {
			name = none
		}
		results[i] = s.a.Publish(s.context, name, queue.Message{Body: []byte("x"), Persistent: i%2 == 0})
	})
	for i, err := range results {
		if wrong := i%4 == 0; errors.Is(err, queue.ErrNoQueue) != wrong || (err != nil) != wrong {
			s.Errorf("message %d: got %v", i, err)
		}
	}
	s.eventually("the routable three quarters wait", s.is(q, n/4*3, 0))
}

func publishTooLarge(s *subject) {
	q := s.queue()
	body := make([]byte, s.a.Limits().MaxBody+1)
	if err := s.a.Publish(s.context, q, queue.Message{Body: body}); !errors.Is(err, queue.ErrTooLarge) {
		s.Errorf("got %v, want ErrTooLarge", err)
	}
	if err := s.a.Broadcast(s.context, q, queue.Message{Body: body}); !errors.Is(err, queue.ErrTooLarge) {
		s.Errorf("broadcast: got %v, want ErrTooLarge", err)
	}
	s.empty(q)
}

func publishHeaderTooLarge(s *subject) {
	q := s.queue()
	m := queue.Message{Header: map[string]string{"reason": strings.Repeat("x", queue.MaxHeader)}}
	if err := s.a.Publish(s.context, q, m); !errors.Is(err, queue.ErrTooLarge) {
		s.Errorf("got %v, want ErrTooLarge", err)
	}
	m.Header["reason"] = m.Header["reason"][len("reason"):]
	s.must(s.a.Publish(s.context, q, m))
	if d := s.receive(s.consume(q, 1)); !maps.Equal(d.Header, m.Header) {
		s.Error("the largest header did not arrive whole")
	}
}

func publishEndedContext(s *subject) {
	q := s.queue()
	ctx, cancel := context.WithCancel(s.context)
	cancel()
	if err := s.a.Publish(ctx, q, queue.Message{}); !errors.Is(err, context.Canceled) {
		s.Errorf("got %v, want the context's error", err)
	}
	s.empty(q)
}

func badNames(s *subject) {
	for _, name := range []string{"", strings.Repeat("n", 256)} {
		_, consume := s.a.Consume(s.context, name, 1)
		_, inspect := s.a.Inspect(s.context, name)
		for what, err := range map[string]error{
			"declare":   s.a.Declare(s.context, queue.Spec{Name: name}),
			"publish":   s.a.Publish(s.context, name, queue.Message{}),
			"broadcast": s.a.Broadcast(s.context, name, queue.Message{}),
			"consume":   consume,
			"inspect":   inspect,
		} {
			if err == nil {
				s.Errorf("%s takes the name %.10q", what, name)
			}
		}
	}
	s.declare(queue.Spec{Name: s.name() + strings.Repeat("n", 255-len(s.name()))})
}

func inOrder(s *subject) {
	q := s.queue()
	c := s.consume(q, 7)
	want := numbered(200)
	s.publish(q, want...)
	s.takeAll(c, want...)
}

func inOrderPipelined(s *subject) {
	q := s.queue()
	c := s.consume(q, 7)
	want := numbered(200)
	confirms := make([]queue.Confirm, len(want))
	for i, body := range want {
		confirms[i] = s.a.Enqueue(s.context, q, queue.Message{Body: []byte(body)})
	}
	for _, confirm := range confirms {
		s.must(confirm())
	}
	s.takeAll(c, want...)
}

func outcomesPipelined(s *subject) {
	q, none := s.queue(), s.name()
	good := s.a.Enqueue(s.context, q, queue.Message{Body: []byte("x")})
	lost := s.a.Enqueue(s.context, none, queue.Message{Body: []byte("x")})
	large := s.a.Enqueue(s.context, q, queue.Message{Body: make([]byte, s.a.Limits().MaxBody+1)})
	if err := large(); !errors.Is(err, queue.ErrTooLarge) {
		s.Errorf("over the limit: got %v, want ErrTooLarge", err)
	}
	if err := lost(); !errors.Is(err, queue.ErrNoQueue) {
		s.Errorf("no such queue: got %v, want ErrNoQueue", err)
	}
	s.must(good())
}

func enqueueEndedContext(s *subject) {
	q := s.queue()
	ctx, cancel := context.WithCancel(s.context)
	cancel()
	if err := s.a.Enqueue(ctx, q, queue.Message{})(); !errors.Is(err, context.Canceled) {
		s.Errorf("got %v, want the context's error", err)
	}
	s.empty(q)
}

func prefetchBounds(s *subject) {
	q := s.queue()
	s.publish(q, numbered(10)...)
	c := s.consume(q, 3)
	held := make([]*queue.Delivery, 3)
	rest := numbered(10)
	for i := range held {
		held[i] = s.receive(c)
		rest = without(rest, string(held[i].Body))
	}
	s.eventually("the other seven wait", s.is(q, 7, 1))
	// Another consumer gets the rest, so the first one has no more of them.
	other := s.consume(q, 10)
	s.takeAll(other, rest...)
	s.must(other.Close())
	s.publish(q, "next")
	s.eventually("the next one waits too", s.is(q, 1, 1))
	s.must(held[1].Ack(s.context))
	s.take(c, "next")
}

func prefetchRange(s *subject) {
	q := s.queue()
	for _, n := range []int{-1, 0, queue.MaxPrefetch + 1} {
		if c, err := s.a.Consume(s.context, q, n); err == nil {
			s.Errorf("a prefetch of %d is taken", n)
			_ = c.Close()
		}
	}
	s.must(s.consume(q, queue.MaxPrefetch).Close())
}

func nackRedelivers(s *subject) {
	q := s.queue()
	c := s.consume(q, 1)
	s.publish(q, "again")
	s.must(s.receive(c).Nack(s.context))
	if d := s.take(c, "again"); !d.Redelivered {
		s.Error("Redelivered is not set")
	}
	s.nothing(q, c)
}

// without copies the bodies but for one.
func without(bodies []string, one string) []string {
	return slices.DeleteFunc(slices.Clone(bodies), func(body string) bool { return body == one })
}

// returned makes sure that exactly these messages come back to another
// consumer, all but the unseen ones marked as redelivered.
func (s *subject) returned(q string, want []string) {
	s.Helper()
	c := s.consume(q, len(want)+1)
	for range want {
		d := s.receive(c)
		i := slices.Index(want, string(d.Body))
		if i < 0 {
			s.Fatalf("%q came back too, or twice", d.Body)
		}
		want = slices.Delete(slices.Clone(want), i, i+1)
		if !d.Redelivered {
			s.Errorf("%q is not marked as redelivered", d.Body)
		}
		s.must(d.Ack(s.context))
	}
	s.nothing(q, c)
}

func consumerCloseRedelivers(s *subject) {
	q := s.queue()
	s.publish(q, numbered(3)...)
	c := s.consume(q, 2)
	first := s.receive(c)
	s.must(first.Ack(s.context))
	s.receive(c)                               // unanswered
	s.eventually("two are out", s.is(q, 0, 1)) // one of them not received
	s.must(c.Close())
	s.returned(q, without(numbered(3), string(first.Body)))
}

func brokerCloseRedelivers(s *subject) {
	q := s.queue()
	s.publish(q, numbered(2)...)
	other := s.open()
	c, err := other.Consume(s.context, q, 2)
	s.must(err)
	first := s.receive(c)
	s.must(first.Ack(s.context))
	s.receive(c)
	s.must(other.Close())
	s.returned(q, without(numbered(2), string(first.Body)))
}

func ackForgets(s *subject) {
	q := s.queue()
	const n = 20
	s.publish(q, numbered(n)...)
	c := s.consume(q, n)
	for range n {
		s.must(s.receive(c).Ack(s.context))
	}
	s.must(c.Close())
	s.empty(q)
}

func secondAnswer(s *subject) {
	q := s.queue()
	s.publish(q, "one", "two", "three")
	c := s.consume(q, 1)
	d := s.receive(c)
	s.must(d.Nack(s.context))
	again := s.receive(c)
	s.must(d.Ack(s.context)) // late and void: must not answer for the second delivery
	s.must(again.Nack(s.context))
	s.must(again.Nack(s.context))
	if !s.h.Unordered && string(again.Body) != "one" {
		s.Errorf("%q came where the first message had been put back", again.Body)
	}
	for left := []string{"one", "two", "three"}; len(left) > 0; {
		last := s.receive(c)
		s.must(last.Ack(s.context))
		s.must(last.Nack(s.context))
		body := string(last.Body)
		if !slices.Contains(left, body) {
			s.Fatalf("%q came again after it was acknowledged", body)
		}
		if put := body == string(d.Body) || body == string(again.Body); !put && last.Redelivered {
			s.Errorf("the second answer had %q put back", body)
		}
		left = without(left, body)
	}
	s.nothing(q, c)
}

func answerAfterClose(s *subject) {
	q := s.queue()
	s.publish(q, "one", "two")
	c := s.consume(q, 2)
	one, two := s.receive(c), s.receive(c)
	s.must(c.Close())
	s.must(one.Ack(s.context))
	s.must(two.Nack(s.context))
	s.returned(q, []string{"one", "two"})
}

func consumersShare(s *subject) {
	q := s.queue()
	first, second := s.consume(q, 1), s.consume(q, 1)
	s.publish(q, "one", "two")
	one, two := s.receive(first), s.receive(second)
	if got := []string{string(one.Body), string(two.Body)}; !slices.Equal(slices.Sorted(slices.Values(got)), []string{"one", "two"}) {
		s.Errorf("got %q", got)
	}
}

func deadLetter(s *subject) {
	q, dead := s.queue(), s.queue()
	body := "\x00garbage\xff"
	s.must(s.a.Publish(s.context, q, queue.Message{Body: []byte(body), TTL: time.Hour, Header: map[string]string{"kept": "yes"}}))
	c := s.consume(q, 1)
	s.must(queue.DeadLetter(s.context, s.b, s.receive(c), q, dead, "it is garbage"))
	s.nothing(q, c)
	d := s.take(s.consume(dead, 1), body)
	want := map[string]string{"kept": "yes", queue.HeaderReason: "it is garbage", queue.HeaderSource: q}
	if !maps.Equal(d.Header, want) || !d.Persistent {
		s.Errorf("got header %v, persistent %v, want %v, true", d.Header, d.Persistent, want)
	}
}

func deadLetterNoQueue(s *subject) {
	q := s.queue()
	s.publish(q, "bad")
	c := s.consume(q, 1)
	err := queue.DeadLetter(s.context, s.b, s.receive(c), q, s.name(), "no reason")
	if !errors.Is(err, queue.ErrNoQueue) {
		s.Errorf("got %v, want ErrNoQueue", err)
	}
	s.must(c.Close())
	s.returned(q, []string{"bad"})
}
