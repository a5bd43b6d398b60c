package conduct

import (
	"testing"
	"time"

	"downbeat/internal/message"
)

// offer takes the hosts to where they have been asked to commit.
func offer(workers ...*worker) {
	for _, w := range workers {
		w.t.Helper()
		w.ready()
	}
	for _, w := range workers {
		w.expect(message.Commit)
	}
}

// hold takes the hosts to where they keep their processes for the run.
func hold(workers ...*worker) {
	offer(workers...)
	for _, w := range workers {
		w.t.Helper()
		w.committed()
	}
}

// release takes the hosts to where their processes run, and returns the last start.
func release(workers ...*worker) message.Control {
	hold(workers...)
	var start message.Control
	for _, w := range workers {
		w.t.Helper()
		start = w.expect(message.Start)
		w.started(start.At)
	}
	return start
}

// alone takes a run of one process, a.0 on alpha, to where it runs.
func alone(t *testing.T, change ...func(*Spec)) (*harness, *worker) {
	t.Helper()
	l := newHarness(t)
	for _, c := range change {
		c(&l.spec)
	}
	alpha := l.worker("alpha", proc("a", 0))
	l.start()
	release(alpha)
	return l, alpha
}

// pair begins a run of one process on alpha and one on bravo.
func pair(t *testing.T, change ...func(*Spec)) (l *harness, alpha, bravo *worker) {
	t.Helper()
	l = newHarness(t)
	for _, c := range change {
		c(&l.spec)
	}
	alpha, bravo = l.worker("alpha", proc("a", 0)), l.worker("bravo", proc("b", 0))
	l.start()
	return l, alpha, bravo
}

func lease(d time.Duration) func(*Spec) { return func(s *Spec) { s.Lease = d } }
