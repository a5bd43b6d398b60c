package chaos_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"downbeat/internal/queue"
	"downbeat/internal/queue/mem"
	"downbeat/internal/queue/queuetest/chaos"
)

// sent is what arrives of a hundred messages that go through chance when they are sent.
func sent(t *testing.T, seed uint64, odds chaos.Odds) (got []string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := chaos.Sending(mem.New(queue.Options{}), seed, odds)
		if err := b.Declare(t.Context(), queue.Spec{Name: "q"}); err != nil {
			t.Fatal(err)
		}
		c, err := b.Consume(t.Context(), "q", 1000)
		if err != nil {
			t.Fatal(err)
		}
		body := make([]byte, 0, 8)
		for i := range 100 {
			body = fmt.Append(body[:0], i) // it is the sender's again when Publish has returned
			if err := b.Publish(t.Context(), "q", queue.Message{Body: slices.Clone(body)}); err != nil {
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		for {
			d, err := c.Receive(ctx)
			if err != nil {
				break
			}
			got = append(got, string(d.Body))
			if err := d.Ack(ctx); err != nil {
				t.Error(err)
			}
		}
		if err := errors.Join(c.Close(), b.Close()); err != nil {
			t.Error(err)
		}
	})
	return got
}

// Everything that is sent comes, some of it twice and out of order, the same for the
// same seed.
func TestWhatIsSentComesButNotAsItWasSent(t *testing.T) {
	t.Parallel()
	odds := chaos.Odds{Twice: 0.3, Late: 0.3, LateBy: time.Second}
	got := sent(t, 1, odds)
	kinds := make(map[string]int)
	for _, body := range got {
		kinds[body]++
	}
	if len(kinds) != 100 || len(got) < 115 {
		t.Errorf("%d deliveries of %d messages, want 100 messages, some of them twice", len(got), len(kinds))
	}
	if slices.IsSortedFunc(got, func(a, b string) int { return len(a) - len(b) }) {
		t.Error("all has come in order")
	}
	count := func(seed uint64) int { return len(sent(t, seed, chaos.Odds{Lost: 0.3})) }
	if one, again := count(1), count(1); one != again || one > 85 || one < 55 {
		t.Errorf("%d and %d of 100 have come for one seed, want about 70, twice the same", one, again)
	}
	if got := len(sent(t, 1, chaos.Odds{Lost: 0.5, Spared: []string{"q"}})); got != 100 {
		t.Errorf("%d of 100 have come on a queue that is spared, want all", got)
	}
}

// A message to a queue that there is not is told of, unless it is held back or lost.
func TestASenderIsToldOfAQueueThatThereIsNot(t *testing.T) {
	t.Parallel()
	b := chaos.Sending(mem.New(queue.Options{}), 1, chaos.Odds{Twice: 1})
	if err := b.Publish(t.Context(), "nowhere", queue.Message{}); !errors.Is(err, queue.ErrNoQueue) {
		t.Errorf("got %v, want ErrNoQueue", err)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
}
