package runner

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"downbeat/internal/streams"
	"downbeat/internal/testkit"
)

// again kills a command and starts it again, and returns when the next life has begun.
func (tr *trial) again(t *testing.T, token, command int) Act {
	t.Helper()
	tr.recorder.mu.Lock()
	before := len(tr.starts[command])
	tr.recorder.mu.Unlock()
	do(t, tr.Signal(Action{Token: token, Command: command}, syscall.SIGKILL))
	tr.await(t, "its end", func() bool { return len(tr.ends[command]) == before })
	do(t, tr.Start(Action{Token: token + 1, Command: command}))
	act := tr.awaitAct(t, token+1)
	tr.await(t, "its start", func() bool { return len(tr.starts[command]) == before+1 || act.Err != nil })
	return act
}

func TestACommandIsStartedAgainAsItWas(t *testing.T) {
	t.Parallel()
	for name, options := range ways {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := shell(t, `pwd; echo "$WHO" >&2; echo ready $$; exec sleep 1000`)
			c.Env = append(c.Env, "WHO=me")
			tr := open(t, newRunner(t, options), c, role(t, "sleep"))
			tr.release(t)
			first := tr.awaitReady(t, 0, 1)[0]
			act := tr.again(t, 1, 0)
			pids := tr.awaitReady(t, 0, 2)
			if act.Err != nil || act.Life != 1 || pids[1] == first {
				t.Errorf("got %+v, pids %v", act, pids)
			}
			tr.Stop(time.Now(), forever, 0)
			result := tr.end(t)
			if got, want := tr.text(0, streams.Stdout), fmt.Sprintf("%[1]s\nready %[2]d\n%[1]s\nready %[3]d\n", c.Dir, pids[0], pids[1]); got != want {
				t.Errorf("got output %q, want %q", got, want)
			}
			if got := result.Totals[0]; got.StdoutLines != 4 || got.StderrLines != 2 || got.StderrBytes != 6 {
				t.Errorf("got %+v, want the lines of both lives", got)
			}
			ends := tr.ends[0]
			if ends[0].Signal != "SIGKILL" || ends[0].Stopped || ends[1].Signal != "SIGTERM" || !ends[1].Stopped {
				t.Errorf("got ends %+v", ends)
			}
			if !ends[1].Started.Equal(act.At) || ends[1].Started.Before(ends[0].Ended) || ends[0].User+ends[0].System <= 0 {
				t.Errorf("times: %+v, and %+v of the action", ends, act)
			}
			if !tr.closed["0/stdout"] || len(tr.starts[1]) != 1 {
				t.Errorf("streams that ended: %v; starts: %v", tr.closed, tr.starts)
			}
		})
	}
}

// kill kills a process, and not its group.
func kill(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}

// early has other lives loaded long before their instant.
func early(r *Runner) { r.lead = 2 * forever }

func TestALifeIsHeldUntilItsInstant(t *testing.T) {
	t.Parallel()
	r := newRunner(t, Options{})
	early(r)
	trace := traces{t.TempDir()}
	c := shell(t, "echo >"+filepath.Join(trace.dir, "$$"))
	tr := open(t, r, c)
	tr.release(t)
	tr.await(t, "its end", func() bool { return len(tr.ends[0]) == 1 })
	do(t, tr.Start(Action{Token: 1, At: time.Now().Add(forever)}))
	held := tr.awaitLoaded(t)
	if got := stateOf(t, held); got != 't' {
		t.Errorf("got state %c, want t (tracing stop)", got)
	}
	do(t, tr.Start(Action{Token: 2}))
	if act := tr.awaitAct(t, 2); !errors.Is(act.Err, ErrRunning) {
		t.Errorf("a second start at the same time: got %+v, want %v", act, ErrRunning)
	}
	tr.Stop(time.Now(), forever, 0)
	tr.end(t)
	if act := tr.acts[1]; act.Err == nil {
		t.Errorf("got %+v, want that it was stopped", act)
	}
	if left := trace.left(t); len(left) != 1 || len(tr.starts[0]) != 1 {
		t.Errorf("executed: %v, starts: %v, want one", left, tr.starts)
	}
	gone(t, held)
}

// awaitLoaded waits until another life is held, and returns its pid.
func (tr *trial) awaitLoaded(t *testing.T) int {
	t.Helper()
	pid := 0
	testkit.WaitFor(t, "another life is held", func() bool {
		tr.Set.mu.Lock()
		defer tr.Set.mu.Unlock()
		last := tr.procs[len(tr.procs)-1]
		pid = last.pid
		return last.previous != nil
	})
	return pid
}

func TestALifeBeginsAtItsInstantThoughTheOneBeforeEndedLate(t *testing.T) {
	t.Parallel()
	for name, options := range ways {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRunner(t, options)
			early(r)
			tr := open(t, r, role(t, "sleep"))
			tr.release(t)
			tr.awaitReady(t, 0, 1)
			at := time.Now().Add(2 * time.Second)
			do(t, tr.Start(Action{Token: 1, At: at}))
			do(t, tr.Signal(Action{Token: 2}, syscall.SIGKILL))
			act := tr.awaitAct(t, 1)
			if act.Err != nil || act.At.Before(at) {
				t.Errorf("got %+v, want a start not before %v", act, at)
			}
			tr.awaitReady(t, 0, 2)
			tr.Stop(time.Now(), forever, 0)
			tr.end(t)
		})
	}
}

func TestAStartThatIsNotPossibleSaysWhy(t *testing.T) {
	t.Parallel()
	for name, options := range ways {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRunner(t, options)
			fleeting := role(t, "end")
			fleeting.Dir = filepath.Join(t.TempDir(), "gone")
			if err := os.Mkdir(fleeting.Dir, 0o700); err != nil {
				t.Fatal(err)
			}
			tr := open(t, r, role(t, "sleep"), onBeat(1, role(t, "end")), fleeting, onBeat(2, role(t, "end")), role(t, "end"))
			do(t, tr.Arm(0, time.Now()))
			do(t, tr.Arm(2, time.Now()))
			tr.awaitReady(t, 0, 1)
			tr.await(t, "their ends", func() bool { return len(tr.ends) == 3 })
			if err := os.Remove(fleeting.Dir); err != nil {
				t.Fatal(err)
			}
			tr.Stop(time.Now(), forever, 2)
			<-tr.Stopped(2)
			wants := []error{ErrRunning, ErrNotBegun, fs.ErrNotExist, ErrStopped}
			for i, want := range wants {
				do(t, tr.Start(Action{Token: i, Command: i}))
				if act := tr.awaitAct(t, i); !errors.Is(act.Err, want) {
					t.Errorf("command %d: got %+v, want %v", i, act, want)
				}
			}
			do(t, tr.Start(Action{Token: 10, Command: 4, Life: new(1)}))
			if act := tr.awaitAct(t, 10); !errors.Is(act.Err, ErrNotBegun) {
				t.Errorf("after a life that has not come: got %+v, want %v", act, ErrNotBegun)
			}
			do(t, tr.Start(Action{Token: 11, Command: 4, Life: new(0)}))
			if act := tr.awaitAct(t, 11); act.Err != nil || act.Life != 1 {
				t.Errorf("after the life that was: got %+v, want life 1", act)
			}
			tr.await(t, "its end", func() bool { return len(tr.ends[4]) == 2 })
			do(t, tr.Start(Action{Token: 12, Command: 4, Life: new(0)}))
			if act := tr.awaitAct(t, 12); !errors.Is(act.Err, ErrOtherLife) {
				t.Errorf("after the life before the last: got %+v, want %v", act, ErrOtherLife)
			}
			tr.Close()
			do(t, tr.Start(Action{Token: 13, Command: 4}))
			if act := tr.awaitAct(t, 13); !errors.Is(act.Err, ErrStopped) {
				t.Errorf("after Close: got %+v, want %v", act, ErrStopped)
			}
			tr.Stop(time.Now(), forever, 0)
			tr.end(t)
		})
	}
}

func TestASetThatIsNotOpenStartsNothingAgain(t *testing.T) {
	t.Parallel()
	tr := prepare(t, newRunner(t, Options{}), role(t, "end"), role(t, "sleep"))
	tr.release(t)
	tr.await(t, "its end", func() bool { return len(tr.ends[0]) == 1 })
	do(t, tr.Start(Action{Token: 1}))
	if act := tr.awaitAct(t, 1); !errors.Is(act.Err, ErrStopped) {
		t.Errorf("got %+v, want %v", act, ErrStopped)
	}
	tr.Stop(time.Now(), forever, 0)
	tr.end(t)
}

func TestOfStartsAtOnceOneSucceeds(t *testing.T) {
	t.Parallel()
	for name, options := range ways {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tr := open(t, newRunner(t, options), role(t, "sleep"))
			tr.release(t)
			for round := range 5 {
				tr.awaitReady(t, 0, round+1)
				do(t, tr.Signal(Action{Token: 100 * round}, syscall.SIGKILL))
				tr.await(t, "its end", func() bool { return len(tr.ends[0]) == round+1 })
				var wg sync.WaitGroup
				for i := range 4 {
					wg.Go(func() { do(t, tr.Start(Action{Token: 100*round + i + 1})) })
				}
				wg.Wait()
				begun := 0
				for i := range 4 {
					switch act := tr.awaitAct(t, 100*round+i+1); {
					case act.Err == nil:
						begun++
					case !errors.Is(act.Err, ErrRunning):
						t.Errorf("got %+v, want %v", act, ErrRunning)
					}
				}
				if begun != 1 {
					t.Fatalf("round %d: %d begun, want 1", round, begun)
				}
			}
			tr.Stop(time.Now(), forever, 0)
			tr.end(t)
		})
	}
}

func TestACommandOfNoBeatBeginsWhenItIsStarted(t *testing.T) {
	t.Parallel()
	for name, options := range ways {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			trace := traces{t.TempDir()}
			r := newRunner(t, options)
			tr := open(t, r, role(t, "sleep"), onBeat(NoBeat, trace.touch(t, "compact")))
			tr.release(t)
			tr.awaitReady(t, 0, 1)
			if left := trace.left(t); len(left) > 0 {
				t.Errorf("executed before it was started: %v", left)
			}
			at := time.Now().Add(10 * time.Millisecond)
			for life := range 2 {
				do(t, tr.Start(Action{Token: life, Command: 1, At: at}))
				if act := tr.awaitAct(t, life); act.Err != nil || act.Life != life || act.At.Before(at) {
					t.Errorf("got %+v, want life %d not before %v", act, life, at)
				}
				tr.await(t, "its end", func() bool { return len(tr.ends[1]) == life+1 })
			}
			if left := trace.left(t); len(left) != 1 {
				t.Errorf("executed: %v", left)
			}
			tr.Stop(time.Now(), forever, 0)
			tr.end(t)
		})
	}
}

func TestWhatALaterLifeHasStartedIsEndedToo(t *testing.T) {
	t.Parallel()
	for name, options := range ways {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tr := open(t, newRunner(t, options), role(t, "daemon", "deaf", "sleep"))
			tr.release(t)
			tr.awaitReady(t, 0, 2)
			tr.again(t, 1, 0)
			pids := tr.awaitReady(t, 0, 4)
			tr.Stop(time.Now(), 20*time.Millisecond, 0)
			if swept := tr.end(t).Swept; swept < 2 {
				t.Errorf("got %d swept, want the daemons of both lives", swept)
			}
			for _, pid := range pids {
				gone(t, pid)
			}
		})
	}
}

// No signal is for a life that has ended: not even one that was planned for it.
func TestAnOldLifeIsNotSignalled(t *testing.T) {
	t.Parallel()
	r := newRunner(t, Options{NoCgroup: true})
	tr := open(t, r, role(t, "sleep"))
	var mu sync.Mutex
	sent := map[int][]syscall.Signal{}
	send := r.sys.kill
	r.sys.kill = func(pid int, sig syscall.Signal) error {
		mu.Lock()
		defer mu.Unlock()
		sent[max(pid, -pid)] = append(sent[max(pid, -pid)], sig)
		return send(pid, sig)
	}
	tr.release(t)
	first := tr.awaitReady(t, 0, 1)[0]
	tr.again(t, 1, 0)
	second := tr.awaitReady(t, 0, 2)[1]
	do(t, tr.Signal(Action{Token: 3, Life: new(0)}, syscall.SIGUSR2))
	if act := tr.awaitAct(t, 3); !errors.Is(act.Err, ErrOtherLife) {
		t.Errorf("got %+v, want %v", act, ErrOtherLife)
	}
	do(t, tr.Signal(Action{Token: 4, Life: new(1)}, syscall.SIGUSR2))
	tr.awaitAct(t, 4)
	mu.Lock()
	if got := fmt.Sprint(sent[first], sent[second]); got != "[killed] [user defined signal 2]" {
		t.Errorf("got signals %s", got)
	}
	mu.Unlock()
	if d, ok := lookNow().proc(first); !ok || !d.zombie {
		t.Error("its pid may belong to another process by now")
	}
	tr.Stop(time.Now(), forever, 0)
	tr.end(t)
}

func TestATerminalIsAsNewForALaterLife(t *testing.T) {
	t.Parallel()
	c := terminal(shell(t, `stty size; stty -a | grep -o -e '[-]*icanon' -e '[-]*echo ' -e '[-]*opost'; stty sane rows 7 cols 7; echo ready $$; exec sleep 1000`))
	tr := open(t, newRunner(t, Options{}), c)
	tr.release(t)
	tr.awaitReady(t, 0, 1)
	tr.again(t, 1, 0)
	tr.await(t, "both", func() bool { return strings.Count(tr.text(0, streams.Stdout), "ready") == 2 })
	tr.Stop(time.Now(), forever, 0)
	tr.end(t)
	lives := strings.SplitN(strings.ReplaceAll(tr.text(0, streams.Stdout), "\r", ""), "ready", 3)
	_, second, _ := strings.Cut(lives[1], "\n")
	if first := lives[0]; first != second || !strings.HasPrefix(first, "24 80\n-opost\n-icanon\n") {
		t.Errorf("the first life saw %q, the second %q", first, second)
	}
}

// Output of a descendant of an earlier life is not lost when a later one writes too.
func TestOutputOfAnEarlierLifesDescendantsGoesOn(t *testing.T) {
	t.Parallel()
	until := filepath.Join(t.TempDir(), "until")
	tr := open(t, newRunner(t, Options{}), shell(t,
		`[ -e `+until+`1 ] || { (trap "" TERM; until [ -e `+until+`2 ]; do sleep 0.01; done; echo old) & }; echo ready $$; touch `+until+`1; exec sleep 1000`))
	tr.release(t)
	pid := tr.awaitReady(t, 0, 1)[0]
	testkit.WaitFor(t, "the mark of the first life", func() bool { _, err := os.Stat(until + "1"); return err == nil })
	kill(t, pid) // it alone
	tr.await(t, "its end", func() bool { return len(tr.ends[0]) == 1 })
	do(t, tr.Start(Action{Token: 1}))
	tr.awaitReady(t, 0, 2)
	if err := os.WriteFile(until+"2", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	tr.await(t, "the old one's line", func() bool { return strings.HasSuffix(tr.text(0, streams.Stdout), "old\n") })
	tr.Stop(time.Now(), forever, 0)
	tr.end(t)
}
