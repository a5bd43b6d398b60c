package runner

import (
	"sync"
	"testing"
	"time"

	"downbeat/internal/testkit"
)

// forever is a grace that no test waits for.
const forever = time.Hour

func TestStopAsksAndThenKills(t *testing.T) {
	t.Parallel()
	for name, options := range ways {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tr := prepare(t, newRunner(t, options), role(t, "polite"), role(t, "sleep"), role(t, "deaf"))
			tr.release(t)
			for i := range 3 {
				tr.awaitReady(t, i, 1)
			}
			before := time.Now()
			tr.Stop(before, testkit.Timeout, 0)
			tr.await(t, "the ends of those that TERM ends", func() bool { return len(tr.exits) == 2 })
			tr.Stop(time.Now(), 0, 0)
			tr.end(t)
			<-tr.Stopped(0)
			if at := tr.StoppedAt(0); at.Before(before) {
				t.Errorf("stopped %v before it was asked for", before.Sub(at))
			}
			if e := tr.exits[0]; e.Code != 7 || !e.Stopped || e.Killed {
				t.Errorf("the polite one: %+v", e)
			}
			if e := tr.exits[1]; e.Signal != "SIGTERM" || !e.Stopped || e.Killed {
				t.Errorf("the one that TERM ends: %+v", e)
			}
			if e := tr.exits[2]; e.Signal != "SIGKILL" || !e.Stopped || !e.Killed {
				t.Errorf("the deaf one: %+v", e)
			}
		})
	}
}

func TestStopBeforeTheReleaseExecutesNothing(t *testing.T) {
	t.Parallel()
	for name, options := range ways {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRunner(t, options)
			trace := traces{t.TempDir()}

			held := prepare(t, r, trace.touch(t, "a"), trace.touch(t, "b"))
			held.Stop(time.Now().Add(forever), forever, 0) // nothing to wait for
			held.end(t)
			held.release(t)

			armed := prepare(t, r, trace.touch(t, "c"))
			returned := make(chan error)
			go func() { returned <- armed.Release(time.Now().Add(forever)) }()
			for armedYet := false; !armedYet; {
				armed.Set.mu.Lock()
				armedYet = armed.state == stateArmed
				armed.Set.mu.Unlock()
			}
			armed.Stop(time.Now(), forever, 0)
			armed.end(t)
			if err := <-returned; err != nil {
				t.Error(err)
			}

			for _, tr := range []*trial{held, armed} {
				<-tr.Stopped(0)
				if tr.StoppedAt(0).IsZero() || len(tr.started)+len(tr.exits) > 0 {
					t.Errorf("stopped at %v; the sink heard of %v and %v", tr.StoppedAt(0), tr.started, tr.exits)
				}
			}
			if left := trace.left(t); len(left) > 0 {
				t.Errorf("executed: %v", left)
			}
		})
	}
}

func TestStopThatRacesWithTheReleaseLeavesAWholeSetOrNone(t *testing.T) {
	t.Parallel()
	for name, options := range ways {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRunner(t, options)
			for range 10 {
				tr := prepare(t, r, role(t, "deaf"), role(t, "deaf"), role(t, "deaf"))
				at := time.Now().Add(3 * time.Millisecond)
				var wg sync.WaitGroup
				wg.Go(func() {
					if err := tr.Release(at); err != nil {
						t.Error(err)
					}
				})
				wg.Go(func() { tr.Stop(at, 0, 0) })
				wg.Go(func() { tr.Stop(at, time.Millisecond, 0) })
				wg.Wait()
				tr.end(t)
				if n := len(tr.started); n != 0 && n != 3 || len(tr.exits) != n {
					t.Errorf("%d of 3 began, %d were heard of", n, len(tr.exits))
				}
			}
		})
	}
}

func TestTheEarlierDeadlineOfTwoStopsCounts(t *testing.T) {
	t.Parallel()
	r := newRunner(t, Options{})

	tr := prepare(t, r, role(t, "deaf"))
	tr.release(t)
	tr.awaitReady(t, 0, 1)
	tr.Stop(time.Now().Add(forever), forever, 0)
	tr.Stop(time.Now(), forever, 0) // TERM now ...
	<-tr.Stopped(0)
	tr.Stop(time.Now(), 0, 0) // ... and KILL now
	tr.Stop(time.Now().Add(forever), forever, 0)
	tr.end(t)
	if e := tr.exits[0]; !e.Killed {
		t.Errorf("got %+v, want it killed", e)
	}
}

func TestStopAfterTheEndDoesNothing(t *testing.T) {
	t.Parallel()
	tr := prepare(t, newRunner(t, Options{}), role(t, "end"))
	tr.release(t)
	tr.end(t)
	tr.Stop(time.Now(), 0, 0)
	tr.Stop(time.Now().Add(time.Millisecond), 0, 0)
	select {
	case <-tr.Stopped(0):
		t.Error("a set that was over has been stopped")
	default:
	}
	if !tr.StoppedAt(0).IsZero() || tr.exits[0].Stopped {
		t.Errorf("stopped at %v, %+v", tr.StoppedAt(0), tr.exits[0])
	}
}

func TestADelayedCommandThatIsStoppedNeverBegins(t *testing.T) {
	t.Parallel()
	for name, options := range ways {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			trace := traces{t.TempDir()}
			late := trace.touch(t, "late")
			late.Delay = forever
			tr := prepare(t, newRunner(t, options), role(t, "sleep"), late)
			tr.release(t)
			tr.awaitReady(t, 0, 1)
			tr.Stop(time.Now(), forever, 0)
			tr.end(t)
			if _, heard := tr.exits[1]; heard || len(trace.left(t)) > 0 {
				t.Errorf("it was heard of, or executed: %v", tr.exits)
			}
		})
	}
}
