package amqp_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"go.uber.org/goleak"

	"downbeat/internal/queue"
	"downbeat/internal/queue/amqp"
	"downbeat/internal/queue/amqp/rabbittest"
	"downbeat/internal/queue/queuetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// open connects to the URL, with the log going to the test's.
func open(t testing.TB, url string) queue.Broker {
	t.Helper()
	// Without cancellation, because tests also clean up over new connections.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
	defer cancel()
	b, err := amqp.Open(ctx, url, queue.Options{ClientName: t.Name(), Log: logger(t)})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func logger(t testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), nil))
}

// It keeps every promise of the interface on a real RabbitMQ.
func TestConformance(t *testing.T) {
	t.Parallel()
	url := rabbittest.URL(t)
	queuetest.Run(t, queuetest.Harness{
		Open: func(t *testing.T) queue.Broker { return open(t, url) },
	})
}
