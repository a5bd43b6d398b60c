package worker

import (
	"fmt"
	"testing"
	"time"

	"downbeat/internal/clock"
	"downbeat/internal/runner"
	"downbeat/internal/testkit"
	"downbeat/internal/worker/course"
)

// A stop that comes right behind the start, as after the worker was suspended, ends what
// has begun at its own instant: it does not kill what is not released yet.
func TestStopBehindTheStartDoesNotOvertakeIt(t *testing.T) {
	t.Parallel()
	set, err := testRunner.Prepare(t.Context(), runner.Spec{Commands: []runner.Command{{Name: "p", Argv: []string{"/bin/sleep", "1000"}, Dir: t.TempDir()}}})
	testkit.Check(t, err)
	mail, c := newMailbox(), clock.New(0)
	p := processes{runner: testRunner, set: set, mail: mail, clock: c}

	p.release(0, c.Now())
	p.set.Stop(time.Now().Add(time.Hour), 0, 0)

	testkit.Receive(t, mail.ready, "the processes are released")
	if _, ok := mail.take()[0].(course.Released); !ok || p.set.StoppedAt(0) != (time.Time{}) {
		t.Errorf("the processes were stopped at %s, an hour too early", p.set.StoppedAt(0))
	}
	p.set.Stop(time.Now(), 0, 0)
	testkit.Receive(t, p.set.Done(), "the processes have ended")
	p.watchers.Wait()
}

// An action that comes too late is told in the words of a run, whatever the runner calls it.
func TestWhyAnActionWasNotCarriedOut(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err  error
		want string
	}{
		{runner.ErrOver, "the run ended before"},
		{fmt.Errorf("start: %w", runner.ErrStopped), "the run ended before"},
		{runner.ErrRunning, "it is running"},
		{runner.ErrEnded, "it has ended"},
	} {
		if got := whyNot(c.err); got != c.want {
			t.Errorf("%v: got %q, want %q", c.err, got, c.want)
		}
	}
}
