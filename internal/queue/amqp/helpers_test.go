package amqp_test

import (
	"context"
	"crypto/rand"
	"log/slog"
	"sync"
	"testing"
	"time"

	"downbeat/internal/queue"
	"downbeat/internal/testkit"
)

func within(t testing.TB, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// declared declares a queue over b and deletes it in the end over a connection
// of its own to url.
func declared(t testing.TB, b queue.Broker, url string, spec queue.Spec) string {
	t.Helper()
	if spec.Name == "" {
		spec.Name = "amqptest." + rand.Text()
	}
	must(t, b.Declare(testkit.Context(t), spec))
	t.Cleanup(func() {
		janitor := open(t, url)
		if err := janitor.Delete(context.Background(), spec.Name); err != nil {
			t.Error(err)
		}
		_ = janitor.Close()
	})
	return spec.Name
}

func closing(t testing.TB, b queue.Broker) queue.Broker {
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

// A journal is a log handler that counts messages by their text.
type journal struct {
	slog.Handler
	*counts
}

type counts struct {
	mu sync.Mutex
	of map[string]int
}

func newJournal(t testing.TB) *journal {
	text := slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug})
	return &journal{text, &counts{of: make(map[string]int)}}
}

func (j *journal) Handle(ctx context.Context, r slog.Record) error {
	j.mu.Lock()
	j.of[r.Message]++
	j.mu.Unlock()
	return j.Handler.Handle(ctx, r)
}

func (j *journal) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &journal{j.Handler.WithAttrs(attrs), j.counts}
}

func (j *journal) count(message string) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.of[message]
}
