package sqs

import (
	"context"
	"time"

	"github.com/cenkalti/backoff/v5"
)

const (
	minBackOff = 100 * time.Millisecond
	maxBackOff = 5 * time.Second
	jitter     = 0.5 // of the interval, to either side
)

// A retry spaces attempts out: 100 ms, doubling, but never more than 5 s, each
// with jitter, so that the workers of many hosts don't come back in step.
type retry struct{ backoff.ExponentialBackOff }

func newRetry() *retry {
	r := &retry{backoff.ExponentialBackOff{
		InitialInterval:     minBackOff,
		Multiplier:          2,
		MaxInterval:         maxBackOff * 2 / 3, // and the jitter comes on top
		RandomizationFactor: jitter,
	}}
	r.Reset()
	return r
}

// wait lets the next interval pass, cut short when early is ready or ctx ends.
func (r *retry) wait(ctx context.Context, early <-chan struct{}) {
	timer := time.NewTimer(r.NextBackOff())
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-early:
	case <-ctx.Done():
	}
}
