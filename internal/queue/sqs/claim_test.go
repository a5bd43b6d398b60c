package sqs_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"downbeat/internal/queue"
	"downbeat/internal/queue/sqs"
	"downbeat/internal/testkit"
)

// heard counts the records of a log that have a text.
type heard struct {
	slog.Handler
	text  string
	count *atomic.Int32
}

func (h heard) Handle(ctx context.Context, r slog.Record) error {
	if strings.Contains(r.Message, h.text) {
		h.count.Add(1)
	}
	return h.Handler.Handle(ctx, r)
}

func (h heard) WithAttrs(attrs []slog.Attr) slog.Handler {
	return heard{h.Handler.WithAttrs(attrs), h.text, h.count}
}

// hearing opens a broker on the fake, and counts what its log says.
func hearing(t *testing.T, f *fake, text string) (*sqs.Broker, *atomic.Int32) {
	t.Helper()
	count := new(atomic.Int32)
	b, err := sqs.OpenConfig(t.Context(), configuration(f.URL), queue.Options{Log: slog.New(heard{logger(t).Handler(), text, count})})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b, count
}

func alone(t *testing.T, b *sqs.Broker, holder string) (queue.Consumer, error) {
	t.Helper()
	return b.ConsumeAlone(t.Context(), name, 4, queue.Claim{Holder: holder, About: "worker " + holder + " (pid 1)"})
}

// A claim that is not renewed is over after its term, and not before; whoever is
// refused is told who has the queue.
func TestClaimOfOneWhoIsGoneRunsOut(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	gone, next := start(t, f), start(t, f)
	if _, err := alone(t, gone, "one"); err != nil {
		t.Fatal(err)
	}
	for _, later := range []time.Duration{0, 9 * time.Minute} {
		f.set(func() { f.skew = later })
		_, err := alone(t, next, "two")
		var held *queue.HeldError
		if !errors.As(err, &held) || held.By != "worker one _pid 1_" {
			t.Errorf("after %v: got %v, want that one has it", later, err)
		}
	}
	f.set(func() { f.skew = 11 * time.Minute })
	if _, err := alone(t, next, "two"); err != nil {
		t.Errorf("after its term: %v", err)
	}
}

// A worker that was started again has its queue back at once, and its last life,
// should there still be one, lets it have it.
func TestClaimGoesToTheSameHolderStartedAgain(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	last, lost := hearing(t, f, "another consumer has taken the queue")
	last.SetTerms(10*time.Minute, 0)
	if err := last.Declare(t.Context(), queue.Spec{Name: name}); err != nil {
		t.Fatal(err)
	}
	old, err := alone(t, last, "one")
	if err != nil {
		t.Fatal(err)
	}
	next := start(t, f)
	c, err := alone(t, next, "one")
	if err != nil {
		t.Fatalf("the same holder is refused: %v", err)
	}
	taken := make(chan string, 1000)
	go func() {
		for {
			d, err := old.Receive(context.WithoutCancel(t.Context()))
			if err != nil {
				return // the broker is closed
			}
			_ = d.Ack(context.WithoutCancel(t.Context()))
			taken <- string(d.Body)
		}
	}()
	go func() { // whatever comes meanwhile; each message ends a poll
		for lost.Load() == 0 && t.Context().Err() == nil {
			_ = next.Publish(t.Context(), name, queue.Message{Body: []byte("either")})
			<-time.After(10 * time.Millisecond)
		}
	}()
	testkit.WaitFor(t, "the last life sees that it has lost the queue", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		if d, err := c.Receive(ctx); err == nil {
			_ = d.Ack(t.Context())
		}
		return lost.Load() == 1
	})
	publish(t, next, "next", "next", "next", "next", "next")
	for n := 0; n < 5; {
		d := receive(t, c)
		ack(t, d)
		if string(d.Body) == "next" {
			n++
		}
	}
	for len(taken) > 0 {
		if body := <-taken; body == "next" {
			t.Error("the last life took a message after it had lost the queue")
		}
	}
}

// Where tags may not be used, nobody is kept away, and that is said.
func TestClaimWithoutPermissionForTags(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.fault = func(action string, _ int) (int, string) {
		if action == "TagQueue" || action == "ListQueueTags" {
			return http.StatusForbidden, "AccessDenied"
		}
		return 0, ""
	}
	b, warned := hearing(t, f, "whether another consumer has the queue can't be seen")
	if err := b.Declare(t.Context(), queue.Spec{Name: name}); err != nil {
		t.Fatal(err)
	}
	c, err := alone(t, b, "one")
	if err != nil {
		t.Fatal(err)
	}
	publish(t, b, "x")
	ack(t, receive(t, c))
	if warned.Load() != 1 {
		t.Errorf("warned %d times, want once", warned.Load())
	}
}
