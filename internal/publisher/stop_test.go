package publisher

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"downbeat/internal/message"
	"downbeat/internal/outcome"
	"downbeat/internal/results"
	"downbeat/internal/testkit"
)

func TestFailingProcessStopsTheRun(t *testing.T) {
	t.Parallel()
	l := newLab(t, nil)
	alpha, bravo := l.worker("alpha"), l.worker("bravo")
	run := l.start(l.datapoint(proc("alpha", "a", 0), proc("bravo", "b", 0)))
	release(alpha, bravo)
	alpha.exit(0, 3)
	if stop := bravo.obey(0); stop.Cause != message.StopFailure || stop.GraceMS != 7000 {
		t.Errorf("stopped for %s with a grace of %d ms, want failure and the file's 7000", stop.Cause, stop.GraceMS)
	}
	alpha.obey()
	got := run.wait()
	if want := "a.0 on alpha exited with status 3"; got.Outcome != outcome.RunFailed || !strings.HasPrefix(got.Reason, want) {
		t.Errorf("outcome %s (%s), want failed (%s...)", got.Outcome, got.Reason, want)
	}
	if h := hostOf(t, got, "alpha"); h.Outcome != outcome.HostFailed {
		t.Errorf("alpha %s, want failed", h.Outcome)
	}
	if h := hostOf(t, got, "bravo"); h.Outcome != outcome.HostStopped {
		t.Errorf("bravo %s, want stopped", h.Outcome)
	}
}

func TestFailingProcessStopsNothingWithoutOnFailure(t *testing.T) {
	t.Parallel()
	l := newLab(t, nil)
	alpha, bravo := l.worker("alpha"), l.worker("bravo")
	dp := l.datapoint(proc("alpha", "a", 0), proc("bravo", "b", 0))
	dp.Stop.OnFailure = false
	run := l.start(dp)
	release(alpha, bravo)
	alpha.exited(message.ExitedInfo{ExitCode: -1, Signal: "SIGSEGV", StartedAt: alpha.clock.Now(), EndedAt: alpha.clock.Now()})
	alpha.done(message.HostDone)
	l.seen("alpha", Completed)
	bravo.exit(0, 0)
	bravo.done(message.HostDone)
	got := run.wait()
	alpha.expectNothingAfter(run)
	bravo.expectNothingAfter(run)
	if want := "a.0 on alpha was ended by SIGSEGV"; got.Outcome != outcome.RunFailed || !strings.HasPrefix(got.Reason, want) {
		t.Errorf("outcome %s (%s), want failed (%s...)", got.Outcome, got.Reason, want)
	}
	if p := processOf(t, got, "bravo", "b.0"); p.Outcome != outcome.CommandSucceeded {
		t.Errorf("b.0 %s, want succeeded", p.Outcome)
	}
}

func TestStopRuleEndsARunThatSucceeds(t *testing.T) {
	t.Parallel()
	l := newLab(t, nil)
	alpha, bravo := l.worker("alpha"), l.worker("bravo")
	dp := l.datapoint(proc("alpha", "server", 0), proc("bravo", "client", 0), proc("bravo", "client", 1))
	dp.Stop.When = []string{"client"}
	run := l.start(dp)
	release(alpha, bravo)
	bravo.exit(0, 0)
	testkit.WaitFor(t, "the first exit is noted", func() bool { return l.watcher.exits() == 1 })
	alpha.expectNothing()
	bravo.exit(1, 0)
	stops := []*message.Control{alpha.obey(0), bravo.obey()}
	for _, stop := range stops {
		if stop.Cause != message.StopRule {
			t.Errorf("stopped for %s, want rule", stop.Cause)
		}
	}
	got := run.wait()
	if got.Outcome != outcome.RunSucceeded || got.Reason != "" {
		t.Errorf("outcome %s (%s), want succeeded", got.Outcome, got.Reason)
	}
	if p := processOf(t, got, "alpha", "server.0"); p.Outcome != outcome.CommandStopped || p.Reason != "" {
		t.Errorf("server.0 %s (%s), want stopped", p.Outcome, p.Reason)
	}
	if first := min(got.Hosts[0].StoppedAt.UnixNano(), got.Hosts[1].StoppedAt.UnixNano()); got.StopExitUS != max(got.Processes[0].EndedAt.UnixNano()-first, 0)/1000 {
		t.Errorf("the last exit is told to be %d µs after the first TERM, which was at %d; it was at %s", got.StopExitUS, first, got.Processes[0].EndedAt)
	}
	if limit := 2*got.ClockErrorUS + 2000; got.StopSkewUS > limit {
		t.Errorf("stop skew %d µs though both stopped as told, want at most %d", got.StopSkewUS, limit)
	}
}

func TestDeadlinesEndARun(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name           string
		after, timeout time.Duration
		cause          message.StopCause
		run            outcome.Run
		process        outcome.Command
		reason         string
	}{
		{"after", 50 * time.Millisecond, time.Hour, message.StopRule, outcome.RunSucceeded, outcome.CommandStopped, ""},
		{
			"timeout", 0, 50 * time.Millisecond, message.StopTimeout, outcome.RunTimedOut, outcome.CommandTimedOut,
			"it was not over within 50ms; still running: alpha/a.0",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, nil)
			alpha := l.worker("alpha")
			dp := l.datapoint(proc("alpha", "a", 0))
			dp.Stop.After, dp.Timeout = test.after, test.timeout
			run := l.start(dp)
			release(alpha)
			if stop := alpha.obey(0); stop.Cause != test.cause {
				t.Errorf("stopped for %s, want %s", stop.Cause, test.cause)
			}
			got := run.wait()
			if p := got.Processes[0].Outcome; got.Outcome != test.run || got.Reason != test.reason || p != test.process {
				t.Errorf("outcome %s (%s), process %s, want %s (%s), %s", got.Outcome, got.Reason, p, test.run, test.reason, test.process)
			}
		})
	}
}

func TestProcessThatIgnoredTermIsKilled(t *testing.T) {
	t.Parallel()
	l := newLab(t, nil)
	alpha := l.worker("alpha")
	dp := l.datapoint(proc("alpha", "a", 0))
	dp.Stop.After = time.Millisecond
	run := l.start(dp)
	release(alpha)
	stop := alpha.expect(message.Stop)
	alpha.exited(message.ExitedInfo{ExitCode: -1, Signal: "SIGKILL", StartedAt: stop.At, EndedAt: stop.At, Stopped: true, Killed: true})
	alpha.done(message.HostDone)
	if p := run.wait().Processes[0]; p.Outcome != outcome.CommandKilled || p.Reason != "ignored TERM for 7s and was killed" {
		t.Errorf("process %s (%s), want killed", p.Outcome, p.Reason)
	}
}

// stages take the workers alpha and bravo to each stage of a run. They return
// which processes run on each host then, for obey.
var stages = map[string]func(l *lab, alpha, bravo *scripted) []int{
	"gathering": func(l *lab, alpha, bravo *scripted) []int {
		for _, s := range []*scripted{alpha, bravo} {
			s.take()
			s.waiting(message.NewRun(message.NewPublisher()))
			l.seen(s.host, Waiting)
		}
		return nil
	},
	"committing": func(l *lab, alpha, bravo *scripted) []int {
		offer(alpha, bravo)
		alpha.committed()
		l.seen("alpha", Committed)
		return nil
	},
	"starting": func(_ *lab, alpha, bravo *scripted) []int {
		hold(alpha, bravo)
		for _, s := range []*scripted{alpha, bravo} {
			s.hushed = s.expect(message.Start)
		}
		return []int{0}
	},
	"running": func(l *lab, alpha, bravo *scripted) []int {
		release(alpha, bravo)
		l.seen("alpha", Started)
		l.seen("bravo", Started)
		return []int{0}
	},
}

func TestInterruptStopsTheRunInEveryStage(t *testing.T) {
	t.Parallel()
	for name, reach := range stages {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, nil)
			alpha, bravo := l.worker("alpha"), l.worker("bravo")
			run := l.start(l.datapoint(proc("alpha", "a", 0), proc("bravo", "b", 0)))
			left := reach(l, alpha, bravo)
			run.cancel(errors.New("interrupted"))
			for _, s := range []*scripted{alpha, bravo} {
				if stop := s.obey(left...); stop.Cause != message.StopAbort {
					t.Errorf("%s was stopped for %s, want abort", s.host, stop.Cause)
				}
			}
			got := run.wait()
			if got.Outcome != outcome.RunAborted || got.Reason != "interrupted" {
				t.Errorf("outcome %s (%s), want aborted (interrupted)", got.Outcome, got.Reason)
			}
			want := outcome.CommandNotStarted
			if left != nil {
				want = outcome.CommandStopped
			}
			for _, p := range got.Processes {
				if p.Outcome != want || hostOf(t, got, p.Host).Outcome != outcome.HostAborted {
					t.Errorf("%s %s, %s %s, want %s and aborted", p.Process, p.Outcome, p.Host, hostOf(t, got, p.Host).Outcome, want)
				}
			}
		})
	}
}

func TestInterruptDuringAStopByRuleAborts(t *testing.T) {
	t.Parallel()
	l := newLab(t, nil)
	alpha := l.worker("alpha")
	dp := l.datapoint(proc("alpha", "a", 0))
	dp.Stop.After = time.Millisecond
	run := l.start(dp)
	release(alpha)
	testkit.WaitFor(t, "it is being stopped", func() bool { return len(l.watcher.causes()) > 0 })
	run.cancel(errors.New("interrupted"))
	// The run itself goes on to its orderly end, which it was coming to anyhow.
	if stop := alpha.obey(0); stop.Cause != message.StopRule {
		t.Errorf("stopped for %s, want rule", stop.Cause)
	}
	if got := run.wait(); !slices.Contains([]outcome.Run{outcome.RunAborted, outcome.RunSucceeded}, got.Outcome) {
		t.Errorf("outcome %s (%s), want aborted, or succeeded where the interrupt came too late", got.Outcome, got.Reason)
	}
}

func TestHostThatHasNotAnsweredIsNotWaitedForInAStop(t *testing.T) {
	t.Parallel()
	l := newLab(t, nil)
	l.worker("alpha")
	run := l.start(l.datapoint(proc("alpha", "a", 0)))
	l.seen("alpha", Asked)
	run.cancel(errors.New("interrupted"))
	if got := run.wait(); got.Outcome != outcome.RunAborted || got.Hosts[0].Outcome != outcome.HostStopped {
		t.Errorf("outcome %s, host %s, want aborted and stopped", got.Outcome, got.Hosts[0].Outcome)
	}
}

// The last exit is told from the first TERM on, and what had ended before it, or was
// never seen to end, doesn't count.
func TestStopExit(t *testing.T) {
	t.Parallel()
	term := time.Unix(1000, 0)
	ended := func(after time.Duration) results.ProcessRecord {
		return results.ProcessRecord{CommandRecord: results.CommandRecord{EndedAt: term.Add(after)}}
	}
	for _, test := range []struct {
		name      string
		term      time.Time
		processes []results.ProcessRecord
		want      time.Duration
	}{
		{"nobody was stopped", time.Time{}, []results.ProcessRecord{ended(time.Second)}, 0},
		{"all had ended", term, []results.ProcessRecord{ended(-time.Second)}, 0},
		{"the last counts", term, []results.ProcessRecord{ended(-time.Second), ended(3 * time.Second), ended(time.Second), {}}, 3 * time.Second},
	} {
		if got := stopExit(test.term, test.processes); got != test.want {
			t.Errorf("%s: got %s, want %s", test.name, got, test.want)
		}
	}
}
