package queuetest

import (
	"errors"

	"downbeat/internal/queue"
)

// claim is the claim of one of several consumers.
func claim(who string) queue.Claim { return queue.Claim{Holder: who, About: "consumer " + who} }

// alone consumes from a queue that no other consumer has.
func (s *subject) alone(b queue.Broker, name string) queue.Consumer {
	s.Helper()
	c, err := b.ConsumeAlone(s.context, name, 10, claim("one"))
	s.must(err)
	return c
}

// refused makes sure that the queue is refused, because the other one has it, and that the
// error names the other one if the broker knows it.
func (s *subject) refused(b queue.Broker, name, who, other string) {
	s.Helper()
	c, err := b.ConsumeAlone(s.context, name, 10, claim(who))
	var held *queue.HeldError
	switch {
	case err == nil:
		_ = c.Close()
		s.Fatalf("%s has the queue beside %s", who, other)
	case !errors.Is(err, queue.ErrHeld) || !errors.As(err, &held):
		s.Fatalf("got %v, want ErrHeld", err)
	case held.By != "" && held.By != claim(other).About:
		s.Errorf("the holder is %q, want %q or nothing", held.By, claim(other).About)
	}
}

// inherit waits until the queue is free, and takes it.
func (s *subject) inherit(b queue.Broker, name, who string) (c queue.Consumer) {
	s.Helper()
	s.eventually(who+" has the queue", func() bool {
		var err error
		c, err = b.ConsumeAlone(s.context, name, 10, claim(who))
		if err != nil && !errors.Is(err, queue.ErrHeld) {
			s.Fatal(err)
		}
		return err == nil
	})
	return c
}

func aloneRefusesOthers(s *subject) {
	q := s.queue()
	c := s.alone(s.a, q)
	s.refused(s.b, q, "two", "one")
	s.refused(s.a, q, "three", "one")
	s.publish(q, numbered(20)...)
	s.takeAll(c, numbered(20)...)
	s.nothing(q, c)
}

func aloneGoesOver(s *subject) {
	q := s.queue()
	c := s.alone(s.a, q)
	s.publish(q, "unanswered")
	s.receive(c)
	s.must(c.Close())
	next := s.inherit(s.b, q, "two")
	s.take(next, "unanswered")
	s.refused(s.a, q, "one", "two")
}

func aloneGoesOverWithBroker(s *subject) {
	q := s.queue()
	leaving := s.open()
	s.alone(leaving, q)
	s.refused(s.b, q, "two", "one")
	s.must(leaving.Close())
	next := s.inherit(s.b, q, "two")
	s.publish(q, "for two")
	s.take(next, "for two")
}

// Of consumers that come at the same time, one gets the queue.
func aloneOneOfMany(s *subject) {
	q := s.queue()
	brokers := []queue.Broker{s.a, s.b, s.open(), s.open()}
	type result struct {
		c   queue.Consumer
		err error
	}
	results := make(chan result, len(brokers))
	for i, b := range brokers {
		go func() {
			c, err := b.ConsumeAlone(s.context, q, 10, claim(string(rune('a'+i))))
			results <- result{c, err}
		}()
	}
	var winners []queue.Consumer
	for range brokers {
		switch r := <-results; {
		case r.err == nil:
			winners = append(winners, r.c)
		case !errors.Is(r.err, queue.ErrHeld):
			s.Errorf("got %v, want ErrHeld", r.err)
		}
	}
	if len(winners) != 1 {
		s.Fatalf("%d have the queue for themselves, want 1", len(winners))
	}
	s.publish(q, "one")
	s.take(winners[0], "one")
}

func aloneNoQueue(s *subject) {
	if _, err := s.a.ConsumeAlone(s.context, s.name(), 1, claim("one")); !errors.Is(err, queue.ErrNoQueue) {
		s.Errorf("got %v, want ErrNoQueue", err)
	}
}

func aloneWithoutHolder(s *subject) {
	q := s.queue()
	c, err := s.a.ConsumeAlone(s.context, q, 1, queue.Claim{})
	s.must(err)
	s.publish(q, "x")
	s.take(c, "x")
}

func restartKeepsAlone(s *subject) func(*subject) {
	q := s.queue()
	c := s.alone(s.a, q)
	return func(s *subject) {
		s.eventually("one has the queue back", func() bool {
			info, err := s.b.Inspect(s.context, q)
			return err == nil && info.Consumers != 0
		})
		s.refused(s.b, q, "two", "one")
		s.publishPersistent(q, "after")
		s.take(c, "after")
	}
}
