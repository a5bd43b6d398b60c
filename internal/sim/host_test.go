package sim

import (
	"testing"
	"time"

	"downbeat/internal/message"
)

// A worker that is killed in the middle of taking up what the one before has left is gone:
// what comes for it waits for the next.
func TestWorkerCanDieWhileItStarts(t *testing.T) {
	t.Parallel()
	process := Command{Name: "a.0", Phase: message.PhaseRun, OKExit: okZero, Life: Life{Runs: time.Second}}
	run := RunPlan{
		Lease: 10 * time.Second, ReadyTimeout: 10 * time.Second, Timeout: time.Minute, Window: 1 << 20,
		Parts: []Part{{Commands: []Command{process}, Collect: []Collected{{Path: "file", Bytes: 10, Takes: 5 * time.Second}}}},
	}
	plan := &Plan{
		Hosts: []Host{{Name: "alpha"}}, Publishers: []Publisher{{Runs: []RunPlan{run}}}, Network: Network{Delay: time.Millisecond},
		Faults: []Fault{
			{Kind: WorkerKilled, At: 2 * time.Second, Lasts: time.Second}, // it reads the file
			{Kind: WorkerKilled, Effect: 1 << 30, Lasts: 5 * time.Second},
		},
	}
	w := newWorld(plan, nil)
	w.arrange()
	for w.e.next(instant(2500 * time.Millisecond)) {
	}
	alpha := w.hosts[0]
	plan.Faults[1].Effect = alpha.effects + 1
	for w.e.next(instant(3500 * time.Millisecond)) {
	}
	if alpha.starts != 2 || alpha.worker != nil || alpha.station.up {
		t.Errorf("after the second start: %d starts, a worker: %t, it reads its queues: %t", alpha.starts, alpha.worker != nil, alpha.station.up)
	}
	for more := true; more && !w.over(); {
		more = w.e.next(longest)
	}
	if w.ledger.close(); len(w.ledger.violations) > 0 || alpha.starts != 3 {
		t.Errorf("%d starts, %v", alpha.starts, w.ledger.violations)
	}
}
