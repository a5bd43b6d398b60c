package sqs

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"downbeat/internal/queue"
)

// OpenConfig opens a broker with a configuration other than the environment's.
func OpenConfig(ctx context.Context, cfg aws.Config, opts queue.Options) (*Broker, error) {
	return open(ctx, cfg, opts)
}

// SetTerms makes the claims of consumers that begin later hold for that long.
func (b *Broker) SetTerms(lease, renew time.Duration) {
	b.terms.lease, b.terms.renew = lease, renew
}
