package publisher

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"downbeat/internal/message"
	"downbeat/internal/results"
)

func TestRunGoesFromJobToRecord(t *testing.T) {
	t.Parallel()
	l := newLab(t, nil)
	alpha, bravo := l.worker("alpha"), l.worker("bravo")
	dp := l.datapoint(proc("alpha", "server", 0), proc("bravo", "client", 0), proc("alpha", "client", 1))
	run := l.start(dp)

	start := release(alpha, bravo)
	ended := start.At.Add(3 * time.Second)
	alpha.output(0, message.Stdout, "one\ntwo", 2)
	alpha.output(1, message.Stderr, "oh\n", 1)
	bravo.output(0, message.Stdout, "\xff\x00\n", 1)
	for process := range 2 {
		alpha.exited(message.ExitedInfo{Process: process, StartedAt: start.At, EndedAt: ended, UserUS: 5, SystemUS: 6, MaxRSSBytes: 7})
	}
	bravo.exited(message.ExitedInfo{StartedAt: start.At, EndedAt: ended})
	alpha.done(message.HostDone)
	bravo.done(message.HostDone)

	got := run.wait()
	check(t, run.err)
	clockError := time.Duration(got.ClockErrorUS+1000) * time.Microsecond
	for i := range got.Processes {
		p := &got.Processes[i]
		near(t, p.Process+" started", p.StartedAt, start.At.Add(-hostSkew), clockError)
		near(t, p.Process+" ended", p.EndedAt, ended.Add(-hostSkew), clockError)
		p.StartedAt, p.EndedAt = time.Time{}, time.Time{}
	}
	near(t, "released", got.ReleasedAt, start.At.Add(-hostSkew), clockError)
	for i := range got.Hosts {
		h := &got.Hosts[i]
		if wrong := (time.Duration(h.ClockOffsetUS)*time.Microsecond - hostSkew).Abs(); wrong > clockError {
			t.Errorf("the clock of %s was taken for %d µs ahead, want %s", h.Host, h.ClockOffsetUS, hostSkew)
		}
		h.ClockOffsetUS, h.ClockErrorUS = 0, 0
	}
	if !got.EnqueuedAt.Before(got.ReleasedAt) || got.EndedAt.Before(got.EnqueuedAt) {
		t.Errorf("enqueued at %s, released at %s, ended at %s", got.EnqueuedAt, got.ReleasedAt, got.EndedAt)
	}
	want := results.Record{
		Run: dp.Run, Experiment: "locks", Datapoint: 3, Repetition: 1, Attempt: 2, Outcome: results.RunSucceeded,
		EnqueuedAt: got.EnqueuedAt, ReleasedAt: got.ReleasedAt, EndedAt: got.EndedAt,
		StartSkewUS: got.StartSkewUS, ClockErrorUS: got.ClockErrorUS,
		Hosts: []results.HostRecord{
			{Host: "alpha", Outcome: results.HostSucceeded, Hold: "ptrace", Lines: 3, Bytes: 10},
			{Host: "bravo", Outcome: results.HostSucceeded, Hold: "ptrace", Lines: 1, Bytes: 3},
		},
		Processes: []results.ProcessRecord{
			{
				Host: "alpha", Process: "server.0", Group: "server", Rank: 0, PID: 100, Argv: []string{"./server", "-v"}, Outcome: results.ProcessSucceeded,
				UserUS: 5, SystemUS: 6, MaxRSSBytes: 7, StdoutLines: 2, StdoutBytes: 7,
			},
			{
				Host: "bravo", Process: "client.0", Group: "client", Rank: 1, PID: 100, Argv: []string{"./client", "-v"}, Outcome: results.ProcessSucceeded,
				StdoutLines: 1, StdoutBytes: 3,
			},
			{
				Host: "alpha", Process: "client.1", Group: "client", Index: 1, Rank: 2, PID: 101, Argv: []string{"./client", "-v"}, Outcome: results.ProcessSucceeded,
				UserUS: 5, SystemUS: 6, MaxRSSBytes: 7, StderrLines: 1, StderrBytes: 3,
			},
		},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("record:\n%+v, want\n%+v", got, want)
	}
	for path, want := range map[string]string{
		"alpha/server.0.out": "one\ntwo", "alpha/client.1.err": "oh\n", "bravo/client.0.out": "\xff\x00\n",
	} {
		if got := l.contents(path); got != want {
			t.Errorf("%s contains %q, want %q", path, got, want)
		}
	}
	if _, err := results.ReadRecord(l.results.Dir()); err != nil {
		t.Errorf("the record is not on the disk: %v", err)
	}
}

func near(t *testing.T, what string, got, want time.Time, within time.Duration) {
	t.Helper()
	if off := got.Sub(want).Abs(); off > within {
		t.Errorf("%s at %s, want %s, at most %s off", what, got, want, within)
	}
}

func TestJobCarriesWhatTheHostNeeds(t *testing.T) {
	t.Parallel()
	l := newLab(t, nil)
	alpha := l.worker("alpha")
	l.worker("bravo")
	dp := l.datapoint(proc("alpha", "a", 0), proc("bravo", "b", 0))
	l.start(dp)
	got := alpha.take()
	want := &message.Job{
		Run: dp.Run, Host: "alpha", ReplyTo: l.p.events, Since: dp.Run, Experiment: "locks", Datapoint: 3,
		LeaseMS: got.LeaseMS, WindowBytes: got.WindowBytes, GraceMS: 7000, Processes: []message.Process{dp.Processes[0].Process},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("job %+v, want %+v", got, want)
	}
	if got.Lease() != l.p.config.Lease || got.WindowBytes <= 0 {
		t.Errorf("lease %s and window %d, want the publisher's %s and a window", got.Lease(), got.WindowBytes, l.p.config.Lease)
	}
}

func TestEverythingIsAcknowledgedAtTheEnd(t *testing.T) {
	t.Parallel()
	l := newLab(t, nil)
	alpha := l.worker("alpha")
	run := l.start(l.datapoint(proc("alpha", "a", 0)))
	release(alpha)
	alpha.exit(0, 0)
	alpha.done(message.HostDone)
	alpha.expectNothingAfter(run)
}

func TestNoCommitBeforeEveryHostIsReady(t *testing.T) {
	t.Parallel()
	l := newLab(t, nil)
	alpha, bravo := l.worker("alpha"), l.worker("bravo")
	l.start(l.datapoint(proc("alpha", "a", 0), proc("bravo", "b", 0)))
	alpha.take()
	bravo.take()
	alpha.ready()
	l.seen("alpha", Ready)
	alpha.expectNothing()
	bravo.ready()
	alpha.expect(message.Commit)
	bravo.expect(message.Commit)
}

func TestNoStartBeforeEveryHostHasCommitted(t *testing.T) {
	t.Parallel()
	l := newLab(t, nil)
	alpha, bravo := l.worker("alpha"), l.worker("bravo")
	l.start(l.datapoint(proc("alpha", "a", 0), proc("bravo", "b", 0)))
	offer(alpha, bravo)
	alpha.committed()
	l.seen("alpha", Committed)
	alpha.expectNothing()
	bravo.committed()
	alpha.expect(message.Start)
	bravo.expect(message.Start)
}

func TestHostsStartAtOneInstantOnTheirOwnClocks(t *testing.T) {
	t.Parallel()
	l := newLab(t, nil)
	alpha, bravo := l.worker("alpha"), l.worker("bravo")
	l.start(l.datapoint(proc("alpha", "a", 0), proc("bravo", "b", 0)))
	hold(alpha, bravo)
	a, b := alpha.expect(message.Start), bravo.expect(message.Start)
	if apart := a.At.Sub(b.At).Abs(); apart > 100*time.Millisecond { // the error bounds of both clocks, on a busy machine
		t.Errorf("they are to start %s apart", apart)
	}
	if early := time.Until(a.At.Add(-hostSkew)); early < -patience {
		t.Errorf("the start is set on the publisher's clock, not the host's: %s", early)
	}
}

func TestHostThatGivesWayAfterTheCommitTakesTheOthersBack(t *testing.T) {
	t.Parallel()
	l := newLab(t, nil)
	alpha, bravo := l.worker("alpha"), l.worker("bravo")
	run := l.start(l.datapoint(proc("alpha", "a", 0), proc("bravo", "b", 0)))
	offer(alpha, bravo)
	alpha.committed()
	l.seen("alpha", Committed)
	bravo.waiting(message.NewRun(message.NewPublisher()))
	alpha.expect(message.Uncommit)
	alpha.ready()
	alpha.expectNothing()

	bravo.ready()
	for _, s := range []*scripted{alpha, bravo} {
		s.expect(message.Commit)
		s.committed()
	}
	for _, s := range []*scripted{alpha, bravo} {
		s.started(s.expect(message.Start).At)
		s.exit(0, 0)
		s.done(message.HostDone)
	}
	if got := run.wait(); got.Outcome != results.RunSucceeded {
		t.Errorf("outcome %s (%s), want succeeded", got.Outcome, got.Reason)
	}
}

// A host that was asked twice to commit has answered twice; the second answer,
// still on its way, is none to the commit that comes after an uncommit.
func TestCommitThatWasTakenBackDoesNotCount(t *testing.T) {
	t.Parallel()
	l := newLab(t, nil)
	alpha, bravo := l.worker("alpha"), l.worker("bravo")
	l.start(l.datapoint(proc("alpha", "a", 0), proc("bravo", "b", 0)))
	offer(alpha, bravo)
	alpha.committed()
	l.seen("alpha", Committed)
	bravo.waiting(message.NewRun(message.NewPublisher()))
	alpha.expect(message.Uncommit)
	alpha.committed() // of before it took the uncommit
	bravo.ready()
	bravo.expectNothing()

	alpha.ready() // now it has
	bravo.expect(message.Commit)
	alpha.expect(message.Commit)
	alpha.committed()
	bravo.committed()
	alpha.expect(message.Start)
	bravo.expect(message.Start)
}

func TestRefusalByOneHostStopsTheOthers(t *testing.T) {
	t.Parallel()
	l := newLab(t, nil)
	alpha, bravo := l.worker("alpha"), l.worker("bravo")
	run := l.start(l.datapoint(proc("alpha", "a", 0), proc("bravo", "b", 0), proc("bravo", "b", 1)))
	alpha.take()
	alpha.ready()
	l.seen("alpha", Ready)
	bravo.take()
	bravo.event(message.Event{Kind: message.Refused, Refused: &message.RefusedInfo{
		Reason: "1 of 2 commands can't be run", Problems: []message.Problem{{Process: "b.1", Reason: "no such program"}},
	}})
	if stop := alpha.expect(message.Stop); stop.Cause != message.StopFailure {
		t.Errorf("stopped for %s, want failure", stop.Cause)
	}
	alpha.done(message.HostDone)

	got := run.wait()
	if want := "bravo refused: b.1: no such program"; got.Outcome != results.RunRefused || got.Reason != want {
		t.Errorf("outcome %s (%s), want refused (%s)", got.Outcome, got.Reason, want)
	}
	if h := hostOf(t, got, "alpha"); h.Outcome != results.HostStopped {
		t.Errorf("alpha %s, want stopped", h.Outcome)
	}
	if h := hostOf(t, got, "bravo"); h.Outcome != results.HostRefused {
		t.Errorf("bravo %s, want refused", h.Outcome)
	}
	reasons := map[string]string{"a.0": "", "b.0": "", "b.1": "no such program"}
	for _, p := range got.Processes {
		if p.Outcome != results.ProcessNotStarted || p.Reason != reasons[p.Process] {
			t.Errorf("%s %s (%q), want not_started (%q)", p.Process, p.Outcome, p.Reason, reasons[p.Process])
		}
	}
}

func TestJobThatAWorkerWouldNotTakeIsRefused(t *testing.T) {
	t.Parallel()
	l := newLab(t, nil)
	alpha := l.worker("alpha")
	run := l.start(l.datapoint(proc("alpha", "a", 0)))
	job := alpha.take()
	alpha.send(job.ReplyTo, message.Event{Kind: message.Refused, Run: job.Run, Refused: &message.RefusedInfo{Reason: "not signed"}})
	if got, want := run.wait(), "alpha refused: not signed"; got.Outcome != results.RunRefused || got.Reason != want {
		t.Errorf("outcome %s (%s), want refused (%s)", got.Outcome, got.Reason, want)
	}
}

func TestHostThatFallsSilentIsLost(t *testing.T) {
	t.Parallel()
	l := newLab(t, func(c *Config) { c.Lease = 2 * time.Second })
	alpha, bravo := l.worker("alpha"), l.worker("bravo")
	run := l.start(l.datapoint(proc("alpha", "a", 0), proc("bravo", "b", 0)))
	release(alpha, bravo)
	bravo.mute()
	alpha.obey(0)
	got := run.wait()
	if want := "no word from bravo for 2s"; got.Outcome != results.RunLost || !strings.Contains(got.Reason, want) {
		t.Errorf("outcome %s (%s), want lost (%s...)", got.Outcome, got.Reason, want)
	}
	if h := hostOf(t, got, "bravo"); h.Outcome != results.HostLost {
		t.Errorf("bravo %s, want lost", h.Outcome)
	}
	if p := processOf(t, got, "bravo", "b.0"); p.Outcome != results.ProcessLost || p.PID != 100 {
		t.Errorf("b.0 %s (pid %d), want lost, with its pid", p.Outcome, p.PID)
	}
	if p := processOf(t, got, "alpha", "a.0"); p.Outcome != results.ProcessStopped {
		t.Errorf("a.0 %s, want stopped", p.Outcome)
	}
}

func TestWorkerThatDiedInMidRunIsLost(t *testing.T) {
	t.Parallel()
	l := newLab(t, nil)
	alpha := l.worker("alpha")
	run := l.start(l.datapoint(proc("alpha", "a", 0)))
	release(alpha)
	alpha.event(message.Event{Kind: message.Done, Done: &message.DoneInfo{
		Outcome: message.HostLost, Reason: "the worker on alpha died", Swept: 2, Totals: alpha.totals,
	}})
	got := run.wait()
	if h := hostOf(t, got, "alpha"); got.Outcome != results.RunLost || h.Outcome != results.HostLost || h.Reason != "the worker on alpha died" || h.Swept != 2 {
		t.Errorf("outcome %s, alpha %+v, want lost with the worker's reason and 2 swept", got.Outcome, h)
	}
}

func TestWorkerToldToLeaveAbortsItsPart(t *testing.T) {
	t.Parallel()
	l := newLab(t, nil)
	alpha := l.worker("alpha")
	run := l.start(l.datapoint(proc("alpha", "a", 0)))
	release(alpha)
	alpha.event(message.Event{Kind: message.Done, Done: &message.DoneInfo{
		Outcome: message.HostStopped, Reason: "shutting down", Totals: alpha.totals,
	}})
	got := run.wait()
	if h := hostOf(t, got, "alpha"); got.Outcome != results.RunLost || h.Outcome != results.HostAborted || !strings.Contains(got.Reason, "shutting down") {
		t.Errorf("outcome %s (%s), alpha %s, want lost with the worker's reason, and aborted", got.Outcome, got.Reason, h.Outcome)
	}
}

func TestLostEventIsAskedForAgain(t *testing.T) {
	t.Parallel()
	l := newLab(t, func(c *Config) { c.Lease = 10 * time.Second })
	alpha := l.worker("alpha")
	run := l.start(l.datapoint(proc("alpha", "a", 0)))
	release(alpha)
	before := alpha.seq
	alpha.log(message.Event{Kind: message.Exited, Exited: &message.ExitedInfo{StartedAt: alpha.clock.Now(), EndedAt: alpha.clock.Now()}})
	alpha.done(message.HostDone)
	if got := within(t, alpha.resends, "nothing is asked for again"); got != before {
		t.Errorf("asked for everything after %d, want %d", got, before)
	}
	alpha.resend(before)
	got := run.wait()
	if p := processOf(t, got, "alpha", "a.0"); got.Outcome != results.RunSucceeded || p.Outcome != results.ProcessSucceeded {
		t.Errorf("outcome %s, process %s, want both succeeded", got.Outcome, p.Outcome)
	}
}

func TestTotalsThatDoNotFitAreALoss(t *testing.T) {
	t.Parallel()
	l := newLab(t, nil)
	alpha := l.worker("alpha")
	run := l.start(l.datapoint(proc("alpha", "a", 0)))
	release(alpha)
	alpha.output(0, message.Stdout, "one\n", 1)
	alpha.exit(0, 0)
	alpha.totals[0] = message.Total{StdoutBytes: 9, StdoutLines: 3}
	alpha.done(message.HostDone)
	got := run.wait()
	want := "output of a.0 is missing: 4 of 9 bytes and 1 of 3 lines on standard output, 0 of 0 bytes and 0 of 0 lines on standard error have come"
	if h := hostOf(t, got, "alpha"); got.Outcome != results.RunLost || h.Outcome != results.HostLost || h.Reason != want {
		t.Errorf("outcome %s, alpha %s (%s), want lost (%s)", got.Outcome, h.Outcome, h.Reason, want)
	}
}

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
	if want := "a.0 on alpha exited with status 3"; got.Outcome != results.RunFailed || !strings.HasPrefix(got.Reason, want) {
		t.Errorf("outcome %s (%s), want failed (%s...)", got.Outcome, got.Reason, want)
	}
	if h := hostOf(t, got, "alpha"); h.Outcome != results.HostFailed {
		t.Errorf("alpha %s, want failed", h.Outcome)
	}
	if h := hostOf(t, got, "bravo"); h.Outcome != results.HostStopped {
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
	if want := "a.0 on alpha was ended by SIGSEGV"; got.Outcome != results.RunFailed || !strings.HasPrefix(got.Reason, want) {
		t.Errorf("outcome %s (%s), want failed (%s...)", got.Outcome, got.Reason, want)
	}
	if p := processOf(t, got, "bravo", "b.0"); p.Outcome != results.ProcessSucceeded {
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
	eventually(t, "the first exit is noted", func() bool { return l.watcher.exits() == 1 })
	alpha.expectNothing()
	bravo.exit(1, 0)
	stops := []*message.Control{alpha.obey(0), bravo.obey()}
	for _, stop := range stops {
		if stop.Cause != message.StopRule {
			t.Errorf("stopped for %s, want rule", stop.Cause)
		}
	}
	got := run.wait()
	if got.Outcome != results.RunSucceeded || got.Reason != "" {
		t.Errorf("outcome %s (%s), want succeeded", got.Outcome, got.Reason)
	}
	if p := processOf(t, got, "alpha", "server.0"); p.Outcome != results.ProcessStopped || p.Reason != "" {
		t.Errorf("server.0 %s (%s), want stopped", p.Outcome, p.Reason)
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
		run            results.RunOutcome
		process        results.ProcessOutcome
		reason         string
	}{
		{"after", 50 * time.Millisecond, time.Hour, message.StopRule, results.RunSucceeded, results.ProcessStopped, ""},
		{
			"timeout", 0, 50 * time.Millisecond, message.StopTimeout, results.RunTimedOut, results.ProcessTimedOut,
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
	alpha.expect(message.Stop)
	alpha.exited(message.ExitedInfo{ExitCode: -1, Signal: "SIGKILL", Stopped: true, Killed: true})
	alpha.done(message.HostDone)
	if p := run.wait().Processes[0]; p.Outcome != results.ProcessKilled || p.Reason != "ignored TERM for 7s and was killed" {
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
		alpha.expect(message.Start)
		bravo.expect(message.Start)
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
			if got.Outcome != results.RunAborted || got.Reason != "interrupted" {
				t.Errorf("outcome %s (%s), want aborted (interrupted)", got.Outcome, got.Reason)
			}
			want := results.ProcessNotStarted
			if left != nil {
				want = results.ProcessStopped
			}
			for _, p := range got.Processes {
				if p.Outcome != want || hostOf(t, got, p.Host).Outcome != results.HostAborted {
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
	eventually(t, "it is being stopped", func() bool { return len(l.watcher.causes()) > 0 })
	run.cancel(errors.New("interrupted"))
	// The run itself goes on to its orderly end, which it was coming to anyhow.
	if stop := alpha.obey(0); stop.Cause != message.StopRule {
		t.Errorf("stopped for %s, want rule", stop.Cause)
	}
	if got := run.wait(); !slices.Contains([]results.RunOutcome{results.RunAborted, results.RunSucceeded}, got.Outcome) {
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
	if got := run.wait(); got.Outcome != results.RunAborted || got.Hosts[0].Outcome != results.HostStopped {
		t.Errorf("outcome %s, host %s, want aborted and stopped", got.Outcome, got.Hosts[0].Outcome)
	}
}

func TestHostWithoutQueueIsNotReadyAtOnce(t *testing.T) {
	t.Parallel()
	l := newLab(t, nil)
	run := l.start(l.datapoint(proc("ghost", "a", 0)))
	got := run.wait()
	if want := "no worker has ever served host ghost in namespace test"; got.Outcome != results.RunRefused || !strings.Contains(got.Reason, want) {
		t.Errorf("outcome %s (%s), want refused (%s...)", got.Outcome, got.Reason, want)
	}
	if h := got.Hosts[0]; h.Outcome != results.HostNotReady {
		t.Errorf("ghost %s, want not_ready", h.Outcome)
	}
}

func TestHostThatIsNotReadyInTimeIsNamed(t *testing.T) {
	t.Parallel()
	l := newLab(t, func(c *Config) { c.ReadyTimeout = 300 * time.Millisecond })
	l.worker("alpha") // takes the job and says nothing
	run := l.start(l.datapoint(proc("alpha", "a", 0)))
	got := run.wait()
	want := "alpha was not ready within 300ms: a worker is connected but does not answer"
	if got.Outcome != results.RunRefused || got.Reason != want || got.Hosts[0].Outcome != results.HostNotReady {
		t.Errorf("outcome %s (%s), host %s, want refused (%s), not_ready", got.Outcome, got.Reason, got.Hosts[0].Outcome, want)
	}
}

func TestResultsThatCannotBeWrittenFailTheRun(t *testing.T) {
	t.Parallel()
	l := newLab(t, nil)
	alpha := l.worker("alpha")
	run := l.start(l.datapoint(proc("alpha", "a", 0)))
	release(alpha)
	check(t, os.RemoveAll(filepath.Join(l.results.Dir(), "alpha")))
	alpha.output(0, message.Stdout, "one\n", 1)
	alpha.obey(0)
	got := run.wait()
	if want := "the results can't be written: "; got.Outcome != results.RunFailed || !strings.HasPrefix(got.Reason, want) {
		t.Errorf("outcome %s (%s), want failed (%s...)", got.Outcome, got.Reason, want)
	}
	if !errors.Is(run.err, os.ErrNotExist) {
		t.Errorf("error %v, want the one of writing", run.err)
	}
}
