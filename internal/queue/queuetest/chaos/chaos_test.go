package chaos_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"downbeat/internal/queue"
	"downbeat/internal/queue/mem"
	"downbeat/internal/queue/queuetest/chaos"
)

// received is what a consumer is handed of a hundred messages.
func received(t *testing.T, seed uint64, odds chaos.Odds) []string {
	t.Helper()
	var got []string
	synctest.Test(t, func(t *testing.T) {
		b := chaos.New(mem.New(queue.Options{}), seed, odds)
		if err := b.Declare(t.Context(), queue.Spec{Name: "q"}); err != nil {
			t.Fatal(err)
		}
		c, err := b.Consume(t.Context(), "q", 1000)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 100 {
			if err := b.Publish(t.Context(), "q", queue.Message{Body: fmt.Append(nil, i)}); err != nil {
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
		if info, err := b.Inspect(t.Context(), "q"); err != nil || info.Messages != 0 {
			t.Errorf("%+v, %v: messages are left", info, err)
		}
		if err := errors.Join(c.Close(), b.Close()); err != nil {
			t.Error(err)
		}
	})
	return got
}

// Everything comes, some of it twice and out of order, the same for the same seed.
func TestEverythingComesButNotAsItWasSent(t *testing.T) {
	t.Parallel()
	odds := chaos.Odds{Twice: 0.3, Late: 0.3, LateBy: time.Second}
	got := received(t, 1, odds)
	kinds := make(map[string]int)
	for _, body := range got {
		kinds[body]++
	}
	if len(kinds) != 100 || len(got) < 115 || slices.Max(slices.Collect(maps.Values(kinds))) != 2 {
		t.Errorf("%d deliveries of %d messages, want 100 messages, some of them twice", len(got), len(kinds))
	}
	if slices.IsSortedFunc(got, func(a, b string) int { return len(a) - len(b) }) {
		t.Error("all has come in order")
	}
	if again := received(t, 1, odds); !slices.Equal(again, got) {
		t.Errorf("the same seed gave %v, then %v", got, again)
	}
	if other := received(t, 2, odds); slices.Equal(other, got) {
		t.Error("another seed gave the same")
	}
}

func TestSparedQueuesLoseNothing(t *testing.T) {
	t.Parallel()
	if got := len(received(t, 1, chaos.Odds{Lost: 0.5})); got < 25 || got > 75 {
		t.Errorf("%d of 100 have come, want about half", got)
	}
	if got := len(received(t, 1, chaos.Odds{Lost: 0.5, Spared: []string{"q"}})); got != 100 {
		t.Errorf("%d of 100 have come, want all", got)
	}
}
