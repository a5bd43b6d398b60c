package runner

import (
	"errors"
	"syscall"
	"testing"
	"time"
)

func TestASignalIsSentAtItsInstantAndReported(t *testing.T) {
	t.Parallel()
	for name, options := range ways {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tr := prepare(t, newRunner(t, options), role(t, "sleep"), role(t, "spawn", "sleep", "sleep"))
			tr.release(t)
			tr.awaitReady(t, 0, 1)
			group := tr.awaitReady(t, 1, 2)
			at := time.Now().Add(20 * time.Millisecond)
			do(t, tr.Signal(Action{Token: 7, Command: 1, At: at}, syscall.SIGUSR2)) // which is ignored
			do(t, tr.Signal(Action{Token: 8, Command: 1, At: at.Add(time.Millisecond)}, syscall.SIGKILL))
			tr.await(t, "its end", func() bool { return len(tr.exits) == 1 })
			if e := tr.exits[1]; e.Signal != "SIGKILL" || e.Killed || e.Stopped || e.Ended.Before(at) {
				t.Errorf("got %+v, want it ended by the action", e)
			}
			if act, ok := tr.acts[8]; !ok || act.Err != nil || act.Command != 1 || act.Life != 0 || act.At.Before(at) {
				t.Errorf("when it had ended, this was told of the action: %+v, %v", act, ok)
			}
			if act := tr.awaitAct(t, 7); act.Err != nil || act.At.Before(at) {
				t.Errorf("the signal before: %+v", act)
			}
			for _, pid := range group {
				awaitGone(t, pid)
			}
			tr.Stop(time.Now(), forever, 0)
			tr.end(t)
		})
	}
}

// do fails the test if the set does not take an action.
func do(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestAnActionOnACommandThatIsNotRunningSaysWhy(t *testing.T) {
	t.Parallel()
	for name, options := range ways {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tr := prepare(t, newRunner(t, options), role(t, "end"), onBeat(1, role(t, "sleep")))
			tr.release(t)
			tr.await(t, "its end", func() bool { return len(tr.exits) == 1 })
			do(t, tr.Signal(Action{Token: 1, Command: 0}, syscall.SIGKILL))
			do(t, tr.StopCommand(Action{Token: 2, Command: 0}, forever))
			do(t, tr.Signal(Action{Token: 3, Command: 1}, syscall.SIGKILL))
			do(t, tr.Signal(Action{Token: 4, Command: 0, Life: new(1)}, syscall.SIGKILL))
			do(t, tr.Signal(Action{Token: 5, Command: 1, At: time.Now().Add(forever)}, syscall.SIGKILL))
			for token, want := range map[int]error{1: ErrEnded, 2: ErrEnded, 3: ErrNotBegun, 4: ErrNotBegun} {
				if act := tr.awaitAct(t, token); !errors.Is(act.Err, want) || act.At.IsZero() {
					t.Errorf("action %d: got %+v, want %v", token, act, want)
				}
			}
			tr.Stop(time.Now(), 0, 0)
			tr.end(t)
			if act, ok := tr.acts[5]; !ok || !errors.Is(act.Err, ErrOver) {
				t.Errorf("the one that had not come when all was over: got %+v, want %v", act, ErrOver)
			}
			if err := tr.Signal(Action{Token: 6}, syscall.SIGKILL); !errors.Is(err, ErrOver) {
				t.Errorf("after the end: got %v, want %v", err, ErrOver)
			}
		})
	}
}

func TestACommandIsStoppedAloneWithItsGroupAndItsDaemons(t *testing.T) {
	t.Parallel()
	for name, options := range ways {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			deaf := role(t, "daemon", "deaf", "sleep")
			deaf.Stop = Stop{Signal: syscall.SIGINT}
			deaf.Mark = []string{"RUNNER_TEST_COMMAND=deaf"}
			tr := prepare(t, newRunner(t, options), role(t, "sleep"), deaf, role(t, "deaf"))
			tr.release(t)
			tr.awaitReady(t, 0, 1)
			pids := tr.awaitReady(t, 1, 2)
			tr.awaitReady(t, 2, 1)
			do(t, tr.StopCommand(Action{Token: 1, Command: 1}, forever))
			do(t, tr.StopCommand(Action{Token: 2, Command: 2}, 20*time.Millisecond))
			tr.await(t, "their ends", func() bool { return len(tr.exits) == 2 })
			if e := tr.exits[1]; e.Signal != "SIGINT" || !e.Stopped || e.Killed {
				t.Errorf("the one that its stop signal ends: %+v", e)
			}
			if e := tr.exits[2]; e.Signal != "SIGKILL" || !e.Stopped || !e.Killed {
				t.Errorf("the deaf one: %+v", e)
			}
			for _, pid := range pids {
				awaitGone(t, pid)
			}
			if d, ok := lookNow().proc(tr.pids[0]); !ok || d.zombie {
				t.Error("the other has ended too")
			}
			tr.Stop(time.Now(), forever, 0)
			tr.end(t)
		})
	}
}
