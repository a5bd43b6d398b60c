// Package testwait waits in tests for what no event tells of.
package testwait

import (
	"testing"
	"time"
)

const (
	// patience is far beyond what anything here takes, on a machine that is
	// loaded and with the race detector.
	patience = 2 * time.Minute
	interval = 5 * time.Millisecond
)

// For polls until it holds. The test fails, and ends, if that has not come after
// two minutes; what says what was waited for, as a sentence.
func For(t testing.TB, what string, holds func() bool) {
	t.Helper()
	limit := time.NewTimer(patience)
	defer limit.Stop()
	poll := time.NewTicker(interval)
	defer poll.Stop()
	for !holds() {
		select {
		case <-poll.C:
		case <-limit.C:
			t.Fatalf("still not so after %s: %s", patience, what)
		}
	}
}
