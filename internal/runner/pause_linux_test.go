package runner

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"downbeat/internal/testkit"
)

// awaitState waits until each of the processes is suspended, or isn't.
func awaitState(t *testing.T, suspended bool, pids ...int) {
	t.Helper()
	for _, pid := range pids {
		testkit.WaitFor(t, fmt.Sprintf("process %d is suspended: %t", pid, suspended), func() bool { return (stateOf(t, pid) == 'T') == suspended })
	}
}

func TestAPauseIsForAllDescendantsAndEnds(t *testing.T) {
	t.Parallel()
	for name, options := range ways {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			paused, other := role(t, "daemon", "sleep", "sleep"), role(t, "daemon", "sleep", "sleep")
			paused.Mark, other.Mark = []string{"RUNNER_TEST_COMMAND=paused"}, []string{"RUNNER_TEST_COMMAND=other"}
			group := role(t, "spawn", "sleep", "sleep")
			tr := prepare(t, newRunner(t, options), paused, group, other)
			tr.release(t)
			var pids []int
			for i := range 2 {
				pids = append(pids, tr.awaitReady(t, i, 2)...)
			}
			others := tr.awaitReady(t, 2, 2)
			do(t, tr.Pause(Action{Token: 1, Command: 0}, forever))
			do(t, tr.Pause(Action{Token: 2, Command: 1}, forever))
			awaitState(t, true, pids...)
			awaitState(t, false, others...)
			if act := tr.awaitAct(t, 1); act.Err != nil || act.At.IsZero() {
				t.Errorf("got %+v", act)
			}
			tr.Set.mu.Lock()
			for _, p := range tr.procs[:2] {
				p.resume() // as at the end of the time
			}
			tr.Set.mu.Unlock()
			awaitState(t, false, pids...)
			tr.Stop(time.Now(), forever, 0)
			tr.end(t)
		})
	}
}

func TestAPauseEndsAfterItsTime(t *testing.T) {
	t.Parallel()
	tr := prepare(t, newRunner(t, Options{}), shell(t, "echo ready $$; while :; do :; done"))
	tr.release(t)
	pid := tr.awaitReady(t, 0, 1)[0]
	do(t, tr.Pause(Action{Token: 1}, 300*time.Millisecond))
	do(t, tr.Pause(Action{Token: 2}, 400*time.Millisecond)) // the later end counts
	tr.awaitAct(t, 1)
	tr.awaitAct(t, 2)
	testkit.WaitFor(t, "both pauses are over", func() bool { return !tr.procs[0].paused() })
	if pause := time.Since(tr.acts[2].At); pause < 400*time.Millisecond {
		t.Errorf("it ended after %v", pause)
	}
	awaitState(t, false, pid)
	tr.Stop(time.Now(), forever, 0)
	tr.end(t)
}

func TestAStopDuringAPauseContinuesFirst(t *testing.T) {
	t.Parallel()
	for name, options := range ways {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			all, one := role(t, "daemon", "polite", "polite"), role(t, "daemon", "polite", "polite")
			all.Mark, one.Mark = []string{"RUNNER_TEST_COMMAND=all"}, []string{"RUNNER_TEST_COMMAND=one"}
			tr := prepare(t, newRunner(t, options), all, one)
			tr.release(t)
			var pids []int
			for i := range 2 {
				pids = append(pids, tr.awaitReady(t, i, 2)...)
				do(t, tr.Pause(Action{Token: i, Command: i}, forever))
			}
			awaitState(t, true, pids...)
			do(t, tr.StopCommand(Action{Token: 3, Command: 1}, forever))
			tr.await(t, "the end of one", func() bool { return len(tr.ends) == 1 })
			awaitState(t, true, pids[:2]...)
			tr.Stop(time.Now(), forever, 0)
			tr.end(t)
			for i := range 2 {
				if e := tr.exits[i]; e.Code != 7 || !e.Stopped || e.Killed {
					t.Errorf("command %d: got %+v, want status 7", i, e)
				}
			}
		})
	}
}

// A process that ends during a pause leaves descendants that are suspended: the end of the set
// doesn't wait for that of the pause.
func TestTheEndOfTheSetDuringAPauseContinuesFirst(t *testing.T) {
	t.Parallel()
	c := role(t, "spawn", "polite", "sleep")
	tr := prepare(t, newRunner(t, Options{}), c)
	tr.release(t)
	pids := tr.awaitReady(t, 0, 2)
	do(t, tr.Pause(Action{Token: 1}, forever))
	awaitState(t, true, pids...)
	kill(t, tr.pids[0])
	tr.end(t)
	if got := tr.text(0, 0); got[len(got)-len("asked\n"):] != "asked\n" {
		t.Errorf("got %q: what was suspended was killed without being asked", got)
	}
}

func TestAPauseOfACommandThatHasEndedSaysSo(t *testing.T) {
	t.Parallel()
	tr := prepare(t, newRunner(t, Options{}), role(t, "end"), role(t, "sleep"))
	tr.release(t)
	tr.await(t, "its end", func() bool { return len(tr.ends[0]) == 1 })
	do(t, tr.Pause(Action{Token: 1}, forever))
	if act := tr.awaitAct(t, 1); !errors.Is(act.Err, ErrEnded) {
		t.Errorf("got %+v, want %v", act, ErrEnded)
	}
	tr.Stop(time.Now(), forever, 0)
	tr.end(t)
}
