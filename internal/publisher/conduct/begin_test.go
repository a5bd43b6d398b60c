package conduct

import (
	"testing"
	"time"

	"downbeat/internal/message"
	"downbeat/internal/outcome"
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

// A host of which the first word of a process is that it could not be started has released its
// processes: it is not asked again to start them, and the next one may have a delay that is
// longer than it would be waited for.
func TestProcessThatCannotBeStartedShowsTheRelease(t *testing.T) {
	t.Parallel()
	cannot := func(w *worker) {
		w.end(func(e *message.ExitedInfo) { *e = message.ExitedInfo{Reason: "exec format error"} })
	}
	for name, test := range map[string]struct {
		first  func(*worker)
		phase  Phase
		word   outcome.Run
		reason string
	}{
		"one that can't be started": {cannot, Released, outcome.RunFailed, "a.0 on alpha could not be started: exec format error"},
		"nothing":                   {func(*worker) {}, Committed, outcome.RunLost, "alpha did not start its processes within"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newHarness(t)
			l.spec.Stop.OnFailure = false
			late := proc("a", 1)
			late.DelayMS = 4 * l.spec.asking().Milliseconds()
			alpha, bravo := l.worker("alpha", proc("a", 0), late), l.worker("bravo", proc("b", 0))
			l.start()
			hold(alpha, bravo)
			at := alpha.expect(message.Start).At
			bravo.started(bravo.expect(message.Start).At)
			l.advance(time.Second)
			test.first(alpha)
			if phase := l.run.hosts[0].phase; phase != test.phase {
				t.Errorf("alpha is %s, want %s", phase, test.phase)
			}
			l.advance(at.Add(late.Delay()).Sub(alpha.clock()))
			if l.run.Stage() == Running {
				alpha.begins(1)
				alpha.ends(1)
				alpha.done(message.HostDone)
			}
			bravo.ends(0)
			bravo.done(message.HostDone)
			l.wants(l.end(), test.word, test.reason)
		})
	}
}
