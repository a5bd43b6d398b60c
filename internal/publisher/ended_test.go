package publisher

import (
	"testing"

	"downbeat/internal/message"
	"downbeat/internal/outcome"
)

// A host that has not heard that its last event is safe sends it again. It is told so though
// its run is over and another one may be under way.
func TestLastEventOfARunThatIsOverIsAcknowledgedAgain(t *testing.T) {
	t.Parallel()
	l, alpha, run := alone(t, nil)
	alpha.Exit(0, 0)
	alpha.Done(message.HostDone)
	if got := run.wait().Outcome; got != outcome.RunSucceeded {
		t.Fatalf("outcome %s", got)
	}
	for range 3 {
		alpha.Repeat()
		alpha.ExpectNothingAfter()
	}
	bravo := l.worker("bravo")
	l.start(l.datapoint(proc("bravo", "a", 0)))
	bravo.Take()
	alpha.Repeat()
	alpha.ExpectNothingAfter()
}

// Runs that are over are forgotten once no worker waits for their acknowledgement any more.
func TestEndedRunsAreForgottenAfterTheLease(t *testing.T) {
	t.Parallel()
	l, alpha, run := alone(t, nil)
	alpha.Exit(0, 0)
	alpha.Done(message.HostDone)
	first := run.wait().Run
	l.p.mu.Lock()
	l.p.ended[first].until = l.p.began
	l.p.mu.Unlock()
	second := l.start(l.datapoint(proc("alpha", "a", 0)))
	alpha.Take()
	second.cancel(nil)
	second.wait()
	l.p.mu.Lock()
	defer l.p.mu.Unlock()
	if l.p.ended[first] != nil || len(l.p.ended) != 1 {
		t.Errorf("%d runs are remembered, want the latest", len(l.p.ended))
	}
}
