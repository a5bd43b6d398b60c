package runner

import (
	"errors"
	"slices"
	"syscall"
	"testing"
	"time"

	"downbeat/internal/streams"
)

// onBeat is the command on another beat.
func onBeat(beat int, c Command) Command {
	c.Beat = beat
	return c
}

func TestABeatBeginsAtItsOwnInstant(t *testing.T) {
	t.Parallel()
	for name, options := range ways {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			trace := traces{t.TempDir()}
			tr := prepare(t, newRunner(t, options),
				onBeat(1, trace.touch(t, "second")), role(t, "sleep"), onBeat(1, trace.touch(t, "second too")), role(t, "sleep"))
			tr.release(t)
			tr.awaitReady(t, 1, 1)
			tr.awaitReady(t, 3, 1)
			if left := trace.left(t); len(left) > 0 {
				t.Errorf("executed before their beat: %v", left)
			}
			at := time.Now().Add(10 * time.Millisecond)
			if err := tr.Arm(1, at); err != nil {
				t.Fatal(err)
			}
			<-tr.Released(1)
			tr.await(t, "their ends", func() bool { return len(tr.exits) == 2 })
			for _, i := range []int{0, 2} {
				if began := tr.started[i]; began.Before(at) {
					t.Errorf("command %d began %v before its beat", i, at.Sub(began))
				}
			}
			if got, want := trace.left(t), []string{"second", "second too"}; !slices.Equal(got, want) {
				t.Errorf("executed: got %v, want %v", got, want)
			}
			tr.Stop(time.Now(), forever, 0)
			tr.end(t)
		})
	}
}

func TestBeatsMayComeInAnyOrderEachOnce(t *testing.T) {
	t.Parallel()
	tr := prepare(t, newRunner(t, Options{}), role(t, "end"), onBeat(3, role(t, "end")))
	for _, beat := range []int{3, 2, 0} { // there is nothing on beat 2
		if err := tr.Arm(beat, time.Now()); err != nil {
			t.Errorf("beat %d: %v", beat, err)
		}
		<-tr.Released(beat)
		if err := tr.Arm(beat, time.Now()); !errors.Is(err, ErrReleased) {
			t.Errorf("beat %d again: got %v, want %v", beat, err, ErrReleased)
		}
	}
	tr.end(t)
	if len(tr.exits) != 2 {
		t.Errorf("got exits %v, want two", tr.exits)
	}
}

func TestADelayCountsFromTheBeatOfItsCommand(t *testing.T) {
	t.Parallel()
	late := onBeat(1, role(t, "end"))
	late.Delay = 20 * time.Millisecond
	tr := prepare(t, newRunner(t, Options{}), role(t, "end"), late)
	tr.release(t)
	at := time.Now().Add(10 * time.Millisecond)
	if err := tr.Arm(1, at); err != nil {
		t.Fatal(err)
	}
	tr.end(t)
	if began := tr.started[1]; began.Before(at.Add(late.Delay)) {
		t.Errorf("it began %v after its beat, want at least %v", began.Sub(at), late.Delay)
	}
}

func TestAStopDropsTheBeatsThatHaveNotCome(t *testing.T) {
	t.Parallel()
	for name, options := range ways {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			trace := traces{t.TempDir()}
			tr := prepare(t, newRunner(t, options),
				role(t, "sleep"), onBeat(1, trace.touch(t, "armed")), onBeat(2, trace.touch(t, "not armed")), onBeat(NoBeat, trace.touch(t, "none")))
			tr.release(t)
			tr.awaitReady(t, 0, 1)
			if err := tr.Arm(1, time.Now().Add(forever)); err != nil {
				t.Fatal(err)
			}
			tr.Stop(time.Now(), forever, 0)
			tr.end(t)
			for beat := range 3 {
				<-tr.Released(beat)
				<-tr.Stopped(beat)
			}
			if err := tr.Arm(2, time.Now()); err != nil {
				t.Errorf("after the stop: got %v, want nothing", err)
			}
			if left := trace.left(t); len(left) > 0 || len(tr.exits) != 1 {
				t.Errorf("executed: %v; heard of: %v", left, tr.exits)
			}
		})
	}
}

func TestAStopFromABeatOnLeavesTheEarlierOnes(t *testing.T) {
	t.Parallel()
	for name, options := range ways {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			trace := traces{t.TempDir()}
			tr := prepare(t, newRunner(t, options),
				role(t, "sleep"), onBeat(1, role(t, "polite")), onBeat(1, role(t, "deaf")), onBeat(2, trace.touch(t, "held")))
			for beat, commands := range [][]int{{0}, {1, 2}} {
				if err := tr.Arm(beat, time.Now()); err != nil {
					t.Fatal(err)
				}
				for _, i := range commands {
					tr.awaitReady(t, i, 1)
				}
			}
			tr.Stop(time.Now(), 50*time.Millisecond, 1)
			<-tr.Stopped(1)
			<-tr.Stopped(2)
			tr.await(t, "the ends of beat 1", func() bool { return len(tr.exits) == 2 })
			if tr.exits[1].Code != 7 || !tr.exits[1].Stopped || !tr.exits[2].Killed {
				t.Errorf("beat 1: %+v", tr.exits)
			}
			select {
			case <-tr.Stopped(0):
				t.Error("beat 0 was stopped too")
			default:
			}
			if d, ok := lookNow().proc(tr.pids[0]); !ok || d.zombie {
				t.Error("the process on beat 0 has ended")
			}
			tr.Stop(time.Now(), forever, 0)
			tr.end(t)
			if e := tr.exits[0]; e.Signal != "SIGTERM" || e.Killed || len(trace.left(t)) > 0 {
				t.Errorf("beat 0: %+v; executed: %v", e, trace.left(t))
			}
		})
	}
}

func TestAStopFromABeatOnEndsItsDaemonsToo(t *testing.T) {
	t.Parallel()
	for name, options := range ways {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			first, second := role(t, "daemon", "sleep", "sleep"), onBeat(1, role(t, "daemon", "deaf", "sleep"))
			first.Mark, second.Mark = []string{"RUNNER_TEST_COMMAND=first"}, []string{"RUNNER_TEST_COMMAND=second"}
			tr := prepare(t, newRunner(t, options), first, second)
			tr.release(t)
			if err := tr.Arm(1, time.Now()); err != nil {
				t.Fatal(err)
			}
			stay, end := tr.awaitReady(t, 0, 2), tr.awaitReady(t, 1, 2)
			tr.Stop(time.Now(), 50*time.Millisecond, 1)
			for _, pid := range end {
				awaitGone(t, pid)
			}
			for _, pid := range stay {
				if d, ok := lookNow().proc(pid); !ok || d.zombie {
					t.Errorf("process %d of beat 0 has ended", pid)
				}
			}
			tr.Stop(time.Now(), forever, 0)
			tr.end(t)
		})
	}
}

func TestEachCommandIsAskedByItsOwnSignal(t *testing.T) {
	t.Parallel()
	for name, options := range ways {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			own, own2 := role(t, "sleep"), role(t, "daemon", "sleep", "sleep")
			own.Stop.Signal, own2.Stop.Signal = syscall.SIGINT, syscall.SIGHUP
			own2.Mark = []string{"RUNNER_TEST_COMMAND=own2"}
			tr := prepare(t, newRunner(t, options), own, own2, role(t, "sleep"))
			tr.release(t)
			for i, n := range []int{1, 2, 1} {
				tr.awaitReady(t, i, n)
			}
			tr.Stop(time.Now(), forever, 0)
			tr.end(t)
			for i, want := range []string{"SIGINT", "SIGHUP", "SIGTERM"} {
				if e := tr.exits[i]; e.Signal != want || !e.Stopped || e.Killed {
					t.Errorf("command %d: got %+v, want it ended by %s", i, e, want)
				}
			}
		})
	}
}

func TestEachCommandHasItsOwnGrace(t *testing.T) {
	t.Parallel()
	short, long := role(t, "deaf"), role(t, "deaf")
	short.Stop.Grace, long.Stop.Grace = time.Millisecond, forever
	tr := prepare(t, newRunner(t, Options{}), short, long, role(t, "deaf"))
	tr.release(t)
	for i := range 3 {
		tr.awaitReady(t, i, 1)
	}
	tr.Stop(time.Now(), 200*time.Millisecond, 0)
	tr.await(t, "the ends of two", func() bool { return len(tr.exits) == 2 })
	if _, ended := tr.exits[1]; ended || !tr.exits[0].Killed || !tr.exits[2].Killed {
		t.Errorf("got %+v, want 0 and 2 killed", tr.exits)
	}
	if first, last := tr.exits[0].Ended, tr.exits[2].Ended; !first.Before(last) {
		t.Errorf("the one with the short grace was killed %v after the other", first.Sub(last))
	}
	tr.Stop(time.Now(), 0, 0) // no grace for anyone
	tr.end(t)
	if !tr.exits[1].Killed {
		t.Errorf("got %+v, want it killed", tr.exits[1])
	}
}

func TestCloseEndsAnOpenSetOnceItsCommandsHaveEnded(t *testing.T) {
	t.Parallel()
	trace := traces{t.TempDir()}
	tr := open(t, newRunner(t, Options{}), role(t, "print", "all"), onBeat(NoBeat, trace.touch(t, "never")))
	tr.release(t)
	tr.await(t, "its end", func() bool { return len(tr.exits) == 1 })
	select {
	case <-tr.Done():
		t.Error("the set is over though it is open")
	default:
	}
	tr.Close()
	tr.Close()
	tr.end(t)
	if !tr.closed["0/stdout"] || tr.text(0, streams.Stdout) != "all" || len(trace.left(t)) > 0 {
		t.Errorf("streams that ended: %v, output: %q, executed: %v", tr.closed, tr.text(0, streams.Stdout), trace.left(t))
	}
}
