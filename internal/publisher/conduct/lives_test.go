package conduct

import (
	"strings"
	"testing"
	"time"

	"downbeat/internal/message"
	"downbeat/internal/outcome"
	"downbeat/internal/streams"
)

// restarts has a process begin anew when it fails.
func restarts(c message.Command) message.Command {
	c.Restart = &message.Restart{On: message.RestartOnFailure, AtMost: 2, WaitMS: 1000}
	return c
}

// dies reports that a life of process 0 has failed; again: another is to come.
func (w *worker) dies(life int, again bool) {
	w.t.Helper()
	w.exited(message.ExitedInfo{Life: life, Again: again, ExitCode: 1, StartedAt: w.clock(), EndedAt: w.clock()})
}

// reborn takes a run of one process that begins anew to where it runs.
func reborn(t *testing.T, change ...func(*message.Command)) (*harness, *worker) {
	t.Helper()
	l := newHarness(t)
	c := restarts(proc("a", 0))
	for _, f := range change {
		f(&c)
	}
	l.spec.Stop.When = []string{"a"}
	alpha := l.worker("alpha", c)
	l.start()
	release(alpha)
	return l, alpha
}

// A process that begins anew is not over, and has not failed: what counts is its last life.
func TestProcessThatBeginsAnewIsNotOver(t *testing.T) {
	t.Parallel()
	l, alpha := reborn(t)
	for life := range 2 {
		alpha.dies(life, true)
		alpha.expectNothing()
		alpha.life(0, life+1)
	}
	alpha.exited(message.ExitedInfo{Life: 2, StartedAt: alpha.clock(), EndedAt: alpha.clock()})
	alpha.done(message.HostDone)
	res := l.end()
	l.wants(res, outcome.RunSucceeded, "")
	p := res.Processes[0]
	if p.Outcome != outcome.CommandSucceeded || p.PID != 102 || len(p.Earlier) != 2 || len(p.Lives()) != 3 {
		t.Fatalf("%+v", p)
	}
	for life, was := range p.Lives()[:2] {
		if was.Outcome != outcome.CommandFailed || was.Exit.Life != life || was.PID != 100+life {
			t.Errorf("life %d: %+v", life, was)
		}
	}
	if !p.Began().Time.Equal(p.Earlier[0].StartedAt.Time) || !p.Began().Time.Before(p.StartedAt.Time) {
		t.Errorf("it began at %s, and its last life at %s", p.Began().Time, p.StartedAt.Time)
	}
	if l.exited != 3 {
		t.Errorf("%d ends are told, want 3", l.exited)
	}
}

// A process that has failed for good fails the run with how its last life ended, and which it was.
func TestProcessFailsWithItsLastLife(t *testing.T) {
	t.Parallel()
	l, alpha := reborn(t)
	alpha.dies(0, true)
	alpha.life(0, 1)
	alpha.dies(1, false)
	alpha.obey()
	res := l.end()
	l.wants(res, outcome.RunFailed, "a.0 on alpha exited with status 1")
	if want := " (life 2, restarted at most 2 times)"; !strings.HasSuffix(res.Reason, want) {
		t.Errorf("the reason is %q, want it to end with %q", res.Reason, want)
	}
}

// A life that could not be started is one.
func TestLifeThatCouldNotBeStarted(t *testing.T) {
	t.Parallel()
	l, alpha := reborn(t)
	alpha.dies(0, true)
	alpha.exited(message.ExitedInfo{Life: 1, ExitCode: -1, Reason: "no such program"})
	alpha.obey()
	res := l.end()
	l.wants(res, outcome.RunFailed, "a.0 on alpha could not be started: no such program")
	if n := len(res.Processes[0].Earlier); n != 1 {
		t.Errorf("%d lives before, want 1", n)
	}
}

// A process between two lives when the run is stopped was stopped.
func TestProcessBetweenTwoLivesIsStopped(t *testing.T) {
	t.Parallel()
	l, alpha := reborn(t)
	alpha.dies(0, true)
	l.input(Interrupted{Reason: "by hand"})
	alpha.obey()
	res := l.end()
	l.wants(res, outcome.RunAborted, "by hand")
	if p := res.Processes[0]; p.Outcome != outcome.CommandStopped || !strings.HasPrefix(p.Reason, "the run was over before it began anew; before, it exited with status 1") {
		t.Errorf("%s (%s)", p.Outcome, p.Reason)
	}
}

// One that was ready once stays so for what waits for it; a restart that never gets ready
// fails the run.
func TestReadinessOfLives(t *testing.T) {
	t.Parallel()
	for _, ready := range []bool{true, false} {
		l, alpha := reborn(t, func(c *message.Command) { c.Ready = &message.Readiness{Port: 7000, WithinMS: 1000} })
		if ready {
			alpha.isReady(0, "")
		}
		alpha.dies(0, true)
		alpha.life(0, 1)
		alpha.event(message.Event{Kind: message.ProcessReady, ProcessReady: &message.ProcessReadyInfo{Life: 1, Reason: "nothing is there"}})
		if !ready {
			stop := alpha.expect(message.Stop)
			alpha.exited(message.ExitedInfo{Life: 1, ExitCode: -1, Signal: "SIGTERM", Stopped: true, StartedAt: stop.At, EndedAt: stop.At})
			alpha.done(message.HostDone)
			l.wants(l.end(), outcome.RunFailed, "a.0 on alpha did not become ready (port 7000): nothing is there (life 2, restarted at most 2 times)")
			continue
		}
		alpha.expectNothing()
	}
}

// The last words of a life can be told before its start: they are in the reason all the same.
func TestLastWordsToldBeforeTheStartOfTheirLife(t *testing.T) {
	t.Parallel()
	l, alpha := reborn(t, func(c *message.Command) { c.Ready = &message.Readiness{Port: 7000, WithinMS: 1000} })
	alpha.dies(0, true)
	alpha.output(0, streams.Stdout, "no space left\n")
	alpha.life(0, 1)
	alpha.dies(1, false)
	alpha.event(message.Event{Kind: message.ProcessReady, ProcessReady: &message.ProcessReadyInfo{Life: 1, Reason: "it exited"}})
	alpha.obey()
	res := l.end()
	if want := `; its last lines: "no space left"`; !strings.HasSuffix(res.Reason, want) {
		t.Errorf("the reason is %q, want it to end with %q", res.Reason, want)
	}
}

// Lives that can't be contradict the host.
func TestLivesThatCannotBe(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		say  func(*worker)
		want string
	}{
		"a second start":         {func(w *worker) { w.life(0, 0) }, "a.0 is said to have started twice"},
		"before the end":         {func(w *worker) { w.life(0, 1) }, "a.0 is said to begin anew, and has not ended"},
		"one is left out":        {func(w *worker) { w.dies(0, true); w.life(0, 2) }, "a.0 is said to begin life 2 after life 0"},
		"after its end for good": {func(w *worker) { w.exit(0, 0); w.life(0, 1) }, "a.0 is said to have begun anew, which nothing asks for"},
		"the end of another":     {func(w *worker) { w.dies(1, true) }, "the end of life 1 of a.0 is told, which is in life 0"},
		"b has no restart": {func(w *worker) {
			w.exited(message.ExitedInfo{Command: 1, Again: true, StartedAt: w.clock(), EndedAt: w.clock()})
		}, "b.0 is said to begin anew, which nothing asks for"},
		"ready, unasked": {func(w *worker) { w.isReady(1, "") }, "b.0 is said to be ready or not, which nothing asks for"},
		"ready, no such": {func(w *worker) { w.isReady(9, "") }, "command 9 is said to have become ready"},
		"ready, later life": {func(w *worker) {
			w.event(message.Event{Kind: message.ProcessReady, ProcessReady: &message.ProcessReadyInfo{Life: 3}})
		}, "a.0 is said to be ready or not before it has started"},
		"a beat, of one": {func(w *worker) { w.arms(0, w.clock()) }, "a beat is said to be known, and its processes begin all together"},
	} {
		l := newHarness(t)
		alpha := l.worker("alpha", listens(restarts(proc("a", 0))), proc("b", 0))
		l.start()
		release(alpha)
		test.say(alpha)
		if res := l.end(); res.Outcome != outcome.RunLost || !strings.Contains(res.Reason, test.want) {
			t.Errorf("%s: %s (%s), want %s", name, res.Outcome, res.Reason, test.want)
		}
	}
}

// Beats that can't be contradict the host.
func TestBeatsThatCannotBe(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		say  func(*worker)
		want string
	}{
		"armed twice":     {func(w *worker) { w.arms(0, w.clock()) }, "it is said twice to know when beat 0 is released"},
		"armed too early": {func(w *worker) { w.arms(1, w.clock()) }, "it is said to know when beat 1 is released, which it was not told"},
		"no such beat":    {func(w *worker) { w.arms(7, w.clock()) }, "it is said to know when beat 7 is released, which it was not told"},
		"started early":   {func(w *worker) { w.life(0, 0) }, "processes are said to have started before it was told to start them"},
	} {
		l, _, bravo := staged(t)
		test.say(bravo)
		if res := l.end(); res.Outcome != outcome.RunLost || !strings.Contains(res.Reason, test.want) {
			t.Errorf("%s: %s (%s), want %s", name, res.Outcome, res.Reason, test.want)
		}
	}
}

// A process that ignores its own signal for its own grace is waited for that long.
func TestGraceOfAProcessIsItsOwn(t *testing.T) {
	t.Parallel()
	l := newHarness(t)
	l.spec.CompleteWithin = 5 * time.Second
	grace := int64(40_000)
	c := proc("a", 0)
	c.Stop = &message.CommandStop{Signal: "INT", GraceMS: &grace}
	alpha := l.worker("alpha", c)
	l.start()
	release(alpha)
	l.input(Interrupted{Reason: "by hand"})
	stop := alpha.expect(message.Stop)
	alpha.event(message.Event{Kind: message.Stopping, Time: stop.At, Stopping: &message.StoppingInfo{Cause: stop.Cause}})
	l.advance(40 * time.Second)
	alpha.exited(message.ExitedInfo{ExitCode: -1, Signal: "SIGKILL", Stopped: true, Killed: true, StartedAt: stop.At, EndedAt: alpha.clock()})
	alpha.done(message.HostDone)
	res := l.end()
	if p := res.Processes[0]; res.Outcome != outcome.RunAborted || p.Outcome != outcome.CommandKilled || p.Reason != "ignored INT for 40s and was killed" {
		t.Errorf("%s; %s (%s)", res.Outcome, p.Outcome, p.Reason)
	}
}
