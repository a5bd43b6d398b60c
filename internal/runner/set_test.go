package runner

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"downbeat/internal/streams"
)

func TestEachProcessIsReported(t *testing.T) {
	t.Parallel()
	for name, options := range ways {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tr := prepare(t, newRunner(t, options),
				role(t, "print", "one\ntwo\nthree", "!error\n"),
				role(t, "exit", "3"),
				shell(t, "kill -USR1 $$"))
			tr.release(t)
			result := tr.end(t)

			if got, want := result.Totals[0], (streams.Total{StdoutLines: 3, StdoutBytes: 13, StderrLines: 1, StderrBytes: 6}); got != want {
				t.Errorf("got totals %+v, want %+v", got, want)
			}
			if got, want := tr.text(0, streams.Stdout)+tr.text(0, streams.Stderr), "one\ntwo\nthreeerror\n"; got != want {
				t.Errorf("got output %q, want %q", got, want)
			}
			for i, want := range []Exit{{Code: 0}, {Code: 3}, {Code: -1, Signal: "SIGUSR1"}} {
				got := tr.exits[i]
				if got.Code != want.Code || got.Signal != want.Signal || got.Stopped || got.Killed || got.Err != nil {
					t.Errorf("command %d: got %+v, want %+v", i, got, want)
				}
				if !got.Started.Equal(tr.started[i]) || got.Ended.Before(got.Started) {
					t.Errorf("command %d: times are wrong: %+v", i, got)
				}
			}
			if tr.exits[0].User+tr.exits[0].System <= 0 {
				t.Errorf("no CPU time: %+v", tr.exits[0])
			}
			if !tr.closed["0/stdout"] || !tr.closed["2/stderr"] {
				t.Errorf("the sink wasn't told of the streams' ends: %v", tr.closed)
			}
		})
	}
}

func TestProcessesThatEndAtOnceAreAllReported(t *testing.T) {
	t.Parallel()
	r := newRunner(t, Options{})
	for range 5 {
		var commands []Command
		for i := range 20 {
			commands = append(commands, Command{Name: fmt.Sprint(i), Argv: []string{"true"}, Env: []string{"PATH=/usr/bin:/bin"}})
		}
		tr := prepare(t, r, commands...)
		tr.release(t)
		tr.end(t)
		if len(tr.exits) != len(commands) {
			t.Errorf("got %d exits, want %d", len(tr.exits), len(commands))
		}
		for i, e := range tr.exits {
			if e.Code != 0 {
				t.Errorf("command %d: %+v", i, e)
			}
		}
	}
}

func TestADelayedCommandBeginsAfterItsDelay(t *testing.T) {
	t.Parallel()
	for name, options := range ways {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			now, late := role(t, "end"), role(t, "print", "late")
			late.Delay = 30 * time.Millisecond
			tr := prepare(t, newRunner(t, options), late, now)
			at := time.Now().Add(10 * time.Millisecond)
			if err := tr.Release(at); err != nil {
				t.Fatal(err)
			}
			tr.end(t)
			if began := tr.started[0]; began.Before(at.Add(late.Delay)) {
				t.Errorf("it began %v after the release, want at least %v", began.Sub(at), late.Delay)
			}
			if tr.text(0, streams.Stdout) != "late" {
				t.Errorf("it did not run: %+v", tr.exits[0])
			}
		})
	}
}

func TestASetIsReleasedOnce(t *testing.T) {
	t.Parallel()
	tr := prepare(t, newRunner(t, Options{}), role(t, "sleep"))
	tr.release(t)
	if err := tr.Release(time.Now()); !errors.Is(err, ErrReleased) {
		t.Errorf("got %v, want %v", err, ErrReleased)
	}
	tr.Stop(time.Now(), time.Minute, 0)
	tr.end(t)
	if err := tr.Release(time.Now()); err != nil {
		t.Errorf("after the end: got %v, want nothing", err)
	}
}

func TestSeveralSetsAtOnceDontMix(t *testing.T) {
	t.Parallel()
	for name, options := range ways {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRunner(t, options)
			at := time.Now().Add(200 * time.Millisecond)
			var wg sync.WaitGroup
			var trials []*trial
			for i := range 4 {
				tr := prepare(t, r, role(t, "print", fmt.Sprintf("%d\n", i)), role(t, "daemon", "sleep", "polite"))
				trials = append(trials, tr)
				wg.Go(func() {
					if err := tr.Release(at); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			for i, tr := range trials {
				tr.awaitReady(t, 1, 2)
				tr.await(t, "its line", func() bool { return tr.text(0, streams.Stdout) != "" })
				tr.Stop(time.Now(), time.Minute, 0)
				tr.end(t)
				if got, want := tr.text(0, streams.Stdout), fmt.Sprintf("%d\n", i); got != want {
					t.Errorf("set %d: got %q, want %q", i, got, want)
				}
				if tr.exits[1].Code != 7 || tr.started[0].Before(at) {
					t.Errorf("set %d: %+v", i, tr.exits[1])
				}
				for _, other := range trials[i+1:] { // which go on
					for _, pid := range other.awaitReady(t, 1, 2) {
						if d, ok := lookNow().proc(pid); !ok || d.zombie {
							t.Errorf("process %d of another set was ended", pid)
						}
					}
				}
			}
		})
	}
}

func TestACommandThatCannotBeStartedAfterAllSaysSo(t *testing.T) {
	t.Parallel()
	bad := role(t, "end")
	bad.Name, bad.Argv[0] = "bad", script(t, "\x7fELF\x00 and nothing else")
	tr := prepare(t, newRunner(t, Options{NoPtrace: true}), role(t, "end"), bad)
	tr.release(t)
	tr.end(t)
	if e := tr.exits[1]; e.Err == nil || e.Code != -1 {
		t.Errorf("got %+v, want an error", e)
	}
	if _, began := tr.started[1]; began || tr.exits[0].Err != nil {
		t.Errorf("got starts %v", tr.started)
	}
}

func TestASetOfNothingIsOverAtOnce(t *testing.T) {
	t.Parallel()
	tr := prepare(t, newRunner(t, Options{}))
	tr.end(t)
}
