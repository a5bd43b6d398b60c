// Package retry spaces out the attempts of the transports to repeat what has failed.
package retry

import (
	"context"
	"time"

	"github.com/cenkalti/backoff/v5"
)

const (
	least = 100 * time.Millisecond
	// Longest is the longest time between two attempts.
	Longest = 5 * time.Second
	jitter  = 0.5 // of the interval, to either side
)

// A Retry spaces attempts out: 100 ms, doubling, but never more than [Longest], each with
// jitter, so that the workers of many hosts don't come back at the same time.
type Retry struct{ backoff.ExponentialBackOff }

// New makes a Retry that begins with the shortest interval, as after Reset.
func New() *Retry {
	r := &Retry{backoff.ExponentialBackOff{
		InitialInterval:     least,
		Multiplier:          2,
		MaxInterval:         Longest * 2 / 3, // and the jitter comes on top
		RandomizationFactor: jitter,
	}}
	r.Reset()
	return r
}

// Wait waits for the next interval, or until early is ready; it returns false if ctx has ended.
func (r *Retry) Wait(ctx context.Context, early <-chan struct{}) bool {
	timer := time.NewTimer(r.NextBackOff())
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-early:
	case <-ctx.Done():
	}
	return ctx.Err() == nil
}
