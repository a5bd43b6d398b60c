package sqs

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"

	"downbeat/internal/queue"
)

// OpenConfig opens a broker with a configuration other than the environment's.
func OpenConfig(ctx context.Context, cfg aws.Config, opts queue.Options) (*Broker, error) {
	return open(ctx, cfg, opts)
}
