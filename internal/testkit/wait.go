// Package testkit is what tests of several packages share: how to wait, and how to keep
// what a program prints while it runs. It imports nothing of ours, so every package's
// tests may use it.
package testkit

import (
	"context"
	"testing"
	"time"
)

// Timeout bounds every wait of a test. It is far beyond what anything here takes, on a
// machine that is loaded and with the race detector: a test that reaches it has failed.
const Timeout = 2 * time.Minute

// A condition is looked at soon again at first, and then ever more seldom: some look
// at every process of the machine, or run a program.
const (
	firstInterval = time.Millisecond
	lastInterval  = 50 * time.Millisecond
)

// A Failer ends a test that has failed: a [testing.TB], or a testscript's script.
type Failer interface {
	Fatalf(format string, args ...any)
}

// WaitFor returns once holds returns true. It polls, and is for what no event tells of.
// The test fails, and ends, if that has not come within [Timeout]; what says what was
// waited for, as a sentence.
func WaitFor(t Failer, what string, holds func() bool) {
	if t, ok := t.(testing.TB); ok {
		t.Helper()
	}
	limit := time.NewTimer(Timeout)
	defer limit.Stop()
	for interval := firstInterval; !holds(); interval = min(2*interval, lastInterval) {
		select {
		case <-time.After(interval):
		case <-limit.C:
			t.Fatalf("still not so after %s: %s", Timeout, what)
		}
	}
}

// Receive returns the next value from ch, or the zero value once ch is closed. The test
// fails, and ends, if neither comes within [Timeout]; what says what was waited for, as
// a sentence.
func Receive[T any](t testing.TB, ch <-chan T, what string) T {
	t.Helper()
	limit := time.NewTimer(Timeout)
	defer limit.Stop()
	select {
	case v := <-ch:
		return v
	case <-limit.C:
		t.Fatalf("still not so after %s: %s", Timeout, what)
		panic("unreachable")
	}
}

// Context returns a context that ends with the test, or after [Timeout].
func Context(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), Timeout)
	t.Cleanup(cancel)
	return ctx
}
