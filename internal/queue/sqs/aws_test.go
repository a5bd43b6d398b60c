//go:build aws

package sqs_test

import (
	"context"
	"os"
	"testing"
	"time"

	"downbeat/internal/queue"
	"downbeat/internal/queue/queuetest"
	"downbeat/internal/queue/sqs"
)

// It keeps every promise on Amazon SQS itself. It costs some cents, takes some
// minutes, and needs credentials that may do everything with queues whose names
// begin with queuetest-:
//
//	DOWNBEAT_TEST_AWS_URL=sqs://eu-central-1 go test -tags aws -run AWS -timeout 1h ./internal/queue/sqs
func TestConformanceOnAWS(t *testing.T) {
	t.Parallel()
	url := os.Getenv("DOWNBEAT_TEST_AWS_URL")
	if url == "" {
		t.Skip("needs an AWS account: DOWNBEAT_TEST_AWS_URL is not set")
	}
	queuetest.Run(t, queuetest.Harness{
		Open: func(t *testing.T) queue.Broker {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
			defer cancel()
			b, err := sqs.Open(ctx, url, queue.Options{Log: logger(t)})
			if err != nil {
				t.Fatal(err)
			}
			return b
		},
		Unordered: true, Lazy: true,
	})
}
