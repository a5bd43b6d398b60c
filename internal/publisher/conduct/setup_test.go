package conduct

import (
	"slices"
	"testing"
	"time"

	"downbeat/internal/message"
	"downbeat/internal/outcome"
	"downbeat/internal/streams"
)

func TestSetupAndTeardownAreRecordedApartFromProcesses(t *testing.T) {
	t.Parallel()
	l := newHarness(t)
	bravo := l.worker("bravo", proc("p", 0), step(message.PhaseSetup, 0), step(message.PhaseSetup, 1))
	alpha := l.worker("alpha", proc("p", 1), step(message.PhaseSetup, 0), step(message.PhaseTeardown, 0))
	l.start()
	alpha.settingUp()
	alpha.begins(1)
	alpha.output(1, streams.Stdout, "made\n")
	alpha.exited(message.ExitedInfo{Command: 1, StartedAt: alpha.clock(), EndedAt: alpha.clock(), UserUS: 3})
	alpha.ready()
	bravo.settingUp()
	bravo.step(1, 0)
	bravo.step(2, 0)
	bravo.ready()
	for _, w := range []*worker{alpha, bravo} {
		w.expect(message.Commit)
		w.committed()
	}
	for _, w := range []*worker{alpha, bravo} {
		w.started(w.expect(message.Start).At)
		w.output(0, streams.Stdout, "x\n")
		w.exit(0, 0)
	}
	bravo.done(message.HostDone)
	alpha.tearingDown()
	alpha.begins(2)
	alpha.output(2, streams.Stderr, "oh")
	alpha.totals[2].StderrLines++
	alpha.exited(message.ExitedInfo{Command: 2, ExitCode: 1, StartedAt: alpha.clock(), EndedAt: alpha.clock()})
	alpha.done(message.HostDone)

	res := l.end()
	l.wants(res, outcome.RunSucceeded, "") // a failed teardown does not count
	h := l.hostOf(res, "alpha")
	if len(h.Setup) != 1 || h.Setup[0].Outcome != outcome.CommandSucceeded || h.Setup[0].Total != (streams.Total{StdoutLines: 1, StdoutBytes: 5}) || h.Setup[0].Exit.UserUS != 3 {
		t.Errorf("setup of alpha: %+v", h.Setup)
	}
	if len(h.Teardown) != 1 || h.Teardown[0].Outcome != outcome.CommandFailed || h.Teardown[0].Reason != "exited with status 1 after 0s" || h.Teardown[0].Total.StderrBytes != 2 {
		t.Errorf("teardown of alpha: %+v", h.Teardown)
	}
	if len(res.Processes) != 2 || res.Processes[0].Total.StdoutBytes != 2 {
		t.Errorf("processes: %+v", res.Processes)
	}
	for path, want := range map[string]string{"alpha/setup.0.stdout": "made\n", "alpha/p.1.stdout": "x\n", "alpha/teardown.0.stderr": "oh"} {
		if got := l.stored[path]; got != want {
			t.Errorf("%s contains %q, want %q", path, got, want)
		}
	}
	if want := []int{4, 2, 3, 5}; !slices.Equal(l.steps, want) { // in the order of the jobs here
		t.Errorf("ends of %v were told, want %v", l.steps, want)
	}
}

func TestSetupThatFailsRefusesTheRunEverywhere(t *testing.T) {
	t.Parallel()
	l := newHarness(t)
	both := []message.Command{proc("p", 0), step(message.PhaseSetup, 0), step(message.PhaseTeardown, 0)}
	alpha, bravo := l.worker("alpha", both...), l.worker("bravo", both...)
	l.start()
	bravo.settingUp()
	bravo.begins(1)
	alpha.settingUp()
	alpha.begins(1)
	alpha.output(1, streams.Stderr, "no disk\n")
	alpha.exited(message.ExitedInfo{Command: 1, ExitCode: 3, StartedAt: alpha.clock(), EndedAt: alpha.clock()})
	alpha.tearingDown()
	if got := l.run.hosts[alpha.index].phase; got != Withdrawing {
		t.Errorf("alpha is %s", got)
	}
	alpha.begins(2)
	alpha.output(2, streams.Stdout, "bye\n")
	alpha.exited(message.ExitedInfo{Command: 2, StartedAt: alpha.clock(), EndedAt: alpha.clock()})
	alpha.refusing("setup.0 (./setup) exited with status 3")
	bravo.expect(message.Stop)
	bravo.exited(message.ExitedInfo{Command: 1, ExitCode: -1, Signal: "SIGTERM", Stopped: true, StartedAt: bravo.clock(), EndedAt: bravo.clock()})
	bravo.tearingDown()
	bravo.step(2, 0)
	bravo.done(message.HostDone)
	res := l.end()
	if res.Outcome != outcome.RunRefused || res.Reason != "alpha refused: setup.0 (./setup) exited with status 3" {
		t.Errorf("the run %s: %q", res.Outcome, res.Reason)
	}
	if h := res.Hosts[0]; h.Outcome != outcome.HostRefused || len(h.Setup) != 1 || len(h.Teardown) != 1 {
		t.Errorf("alpha: %+v", h)
	}
	if h := res.Hosts[1]; h.Outcome != outcome.HostStopped || len(h.Setup) != 1 || h.Setup[0].Outcome != outcome.CommandStopped {
		t.Errorf("bravo: %+v", h)
	}
}

func TestOutputOfARefusedSetupThatIsMissingIsALoss(t *testing.T) {
	t.Parallel()
	l := newHarness(t)
	alpha := l.worker("alpha", proc("p", 0), step(message.PhaseSetup, 0))
	l.start()
	alpha.settingUp()
	alpha.totals[1].StdoutBytes = 7
	alpha.refusing("it failed")
	l.wants(l.end(), outcome.RunLost, "alpha: output of setup.0 is missing: 0 of 7 bytes")
}

func TestSetupLiftsTheReadyDeadline(t *testing.T) {
	t.Parallel()
	l := newHarness(t)
	l.spec.ReadyTimeout = 2 * time.Second
	alpha := l.worker("alpha", proc("p", 0), step(message.PhaseSetup, 0))
	l.start()
	alpha.settingUp()
	alpha.expectNothing()
	alpha.step(1, 0)
	alpha.ready()
	alpha.expect(message.Commit)
	alpha.committed()
	alpha.started(alpha.expect(message.Start).At)
	alpha.exit(0, 0)
	alpha.done(message.HostDone)
	l.wants(l.end(), outcome.RunSucceeded, "")
}

func TestSetupThatNeverEndsIsGivenUp(t *testing.T) {
	t.Parallel()
	l := newHarness(t)
	alpha := l.worker("alpha", proc("p", 0), step(message.PhaseSetup, 0))
	l.start()
	alpha.settingUp()
	// A command of 1 s, the grace, what may be left behind; and then 20 s as for all.
	l.advance(43*time.Second - 1)
	if l.run.Stage() != Gathering {
		t.Fatalf("given up before its time: %s", l.run.ending.decided.reason)
	}
	l.advance(1)
	if stop := alpha.obey(); stop.Cause != message.StopFailure {
		t.Errorf("it is told to stop because of %q", stop.Cause)
	}
	res := l.end()
	l.wants(res, outcome.RunRefused, "alpha was not ready within 43s after its setup had begun")
	if h := res.Hosts[0]; h.Outcome != outcome.HostNotReady {
		t.Errorf("alpha %s, want not_ready", h.Outcome)
	}
}

// Another host that is ready must not be released while one has given way.
func TestHostThatTearsDownBeforeTheReleaseIsWaitedFor(t *testing.T) {
	t.Parallel()
	l := newHarness(t)
	alpha, bravo := l.worker("alpha", proc("p", 0), step(message.PhaseTeardown, 0)), l.worker("bravo", proc("p", 1))
	l.start()
	offer(alpha, bravo)
	bravo.committed()
	alpha.tearingDown() // its commit came too late
	bravo.expect(message.Uncommit)
	bravo.ready()
	alpha.step(1, 0)
	alpha.waiting(otherRun)
	bravo.expectNothing()
	alpha.settingUp()
	alpha.ready()
	for _, w := range []*worker{alpha, bravo} {
		w.expect(message.Commit)
		w.committed()
	}
	for _, w := range []*worker{alpha, bravo} {
		w.started(w.expect(message.Start).At)
		w.exit(0, 0)
	}
	alpha.tearingDown()
	alpha.step(1, 0)
	alpha.done(message.HostDone)
	bravo.done(message.HostDone)
	res := l.end()
	l.wants(res, outcome.RunSucceeded, "")
	if h := l.hostOf(res, "alpha"); len(h.Teardown) != 2 {
		t.Errorf("teardown of alpha: %+v, want it twice", h.Teardown)
	}
}

// The records of a host that sets up again and again are bounded.
func TestRecordsOfSetupsAreBounded(t *testing.T) {
	t.Parallel()
	var w work
	c := step(message.PhaseSetup, 0)
	for range mostRecords {
		if !w.record(Ran{Command: &c}) {
			t.Fatalf("%d are kept", len(w.setup))
		}
	}
	if w.record(Ran{Command: &c}) || len(w.setup) != mostRecords {
		t.Errorf("%d are kept, want %d", len(w.setup), mostRecords)
	}
}
