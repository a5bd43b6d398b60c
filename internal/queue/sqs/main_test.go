package sqs_test

import (
	"context"
	"crypto/rand"
	"log/slog"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"go.uber.org/goleak"

	"downbeat/internal/queue"
	"downbeat/internal/queue/queuetest"
	"downbeat/internal/queue/sqs"
	"downbeat/internal/queue/sqs/sqstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// open opens a broker at the endpoint, with the log going to the test's.
func open(t testing.TB, endpoint string) *sqs.Broker {
	t.Helper()
	// Without cancellation, because tests also clean up over new brokers.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
	defer cancel()
	b, err := sqs.OpenConfig(ctx, configuration(endpoint), queue.Options{Log: logger(t)})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func configuration(endpoint string) aws.Config {
	return aws.Config{
		Region: "eu-central-1", BaseEndpoint: aws.String(endpoint),
		Credentials: aws.NewCredentialsCache(credentials.NewStaticCredentialsProvider("test", "test", "")),
	}
}

func logger(t testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// A message that nobody acknowledges goes to the dead-letter queue in the end.
func TestRedrive(t *testing.T) {
	t.Parallel()
	b := open(t, sqstest.URL(t))
	t.Cleanup(func() { _ = b.Close() })
	dead := queue.Spec{Name: "redrive" + rand.Text() + ".dead", MaxMessages: 10}
	jobs := queue.Spec{Name: "redrive" + rand.Text() + ".jobs.alpha", DeadLetter: dead.Name}
	for _, spec := range []queue.Spec{dead, jobs} {
		if err := b.Declare(t.Context(), spec); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = b.Delete(context.WithoutCancel(t.Context()), spec.Name) })
	}
	poison := queue.Message{Body: []byte("poison"), Header: map[string]string{"k": "v"}}
	if err := b.Publish(t.Context(), jobs.Name, poison); err != nil {
		t.Fatal(err)
	}
	c, err := b.Consume(t.Context(), jobs.Name, 1)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			d, err := c.Receive(context.WithoutCancel(t.Context()))
			if err != nil {
				return // the broker is closed
			}
			_ = d.Nack(t.Context())
		}
	}()
	end, err := b.Consume(t.Context(), dead.Name, 1)
	if err != nil {
		t.Fatal(err)
	}
	if d := receive(t, end); string(d.Body) != "poison" || d.Header["k"] != "v" {
		t.Errorf("got %q with %v", d.Body, d.Header)
	} else {
		ack(t, d)
	}
}

// It keeps every promise of the interface on the emulator.
func TestConformance(t *testing.T) {
	t.Parallel()
	url := sqstest.URL(t)
	queuetest.Run(t, queuetest.Harness{
		Open: func(t *testing.T) queue.Broker { return open(t, url) },
		// Standard queues are so by their nature; see docs/adr/009-sqs.md.
		Unordered: true, Lazy: true,
	})
}
