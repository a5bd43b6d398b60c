package publisher

import (
	"errors"
	"os"
	"testing"
	"time"

	"downbeat/internal/message"
	"downbeat/internal/outcome"
	"downbeat/internal/testkit/fakeworker"
)

func TestNoStartWhileTheGateIsClosed(t *testing.T) {
	t.Parallel()
	l := newHarness(t, func(c *Config) { c.Lease = 3 * time.Second })
	alpha := l.worker("alpha")
	gate := make(chan struct{})
	l.start(l.datapoint(proc("alpha", "a", 0)), func(s *Spec) { s.Gate = gate })
	fakeworker.Hold(alpha)
	l.seen("alpha", Committed)
	alpha.ExpectNothing()
	close(gate)
	alpha.Expect(message.Start)
}

func TestRunGivenUpBehindTheGateLeavesNothing(t *testing.T) {
	t.Parallel()
	l := newHarness(t, nil)
	alpha := l.worker("alpha")
	run := l.start(l.datapoint(proc("alpha", "a", 0)), func(s *Spec) { s.Gate = make(chan struct{}) })
	fakeworker.Hold(alpha)
	l.seen("alpha", Committed)
	run.cancel(errors.New("another comes first"))
	alpha.Obey()
	run.wait()
	if !errors.Is(run.err, ErrUnwanted) {
		t.Errorf("got %v, want %v", run.err, ErrUnwanted)
	}
	if _, err := os.Stat(l.results.Dir()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("its directory is still there: %v", err)
	}
}

func TestEndIsToldOnceWhenNoHostHasAProcessLeft(t *testing.T) {
	t.Parallel()
	l := newHarness(t, nil)
	alpha, bravo := l.worker("alpha"), l.worker("bravo")
	ended := make(chan outcome.Run, 2)
	dp := l.datapoint(proc("alpha", "a", 0), proc("bravo", "b", 0))
	dp.Stop.OnFailure = false
	run := l.start(dp, func(s *Spec) { s.Ended = func(o outcome.Run) { ended <- o } })
	fakeworker.Release(alpha, bravo)
	alpha.Exit(0, 0)
	alpha.Done(message.HostDone)
	l.seen("alpha", Completed)
	bravo.Exit(0, 7)
	select {
	case <-ended:
		t.Fatal("told while a host was not done")
	default:
	}
	bravo.Done(message.HostDone)
	run.wait()
	if got := <-ended; got != outcome.RunFailed || len(ended) > 0 {
		t.Errorf("told %s, and %d times more, want failed and once", got, len(ended))
	}
}
