package publisher

import (
	"slices"
	"strings"
	"testing"
	"time"

	"downbeat/internal/experiment"
	"downbeat/internal/message"
	"downbeat/internal/outcome"
	"downbeat/internal/testkit"
)

// stepOn is a command of a setup or teardown.
func stepOn(host string, phase message.Phase, index int) experiment.Command {
	return experiment.Command{Host: host, Command: message.Command{
		Name: message.ProcessName(string(phase), index), Phase: phase, Argv: []string{"./" + string(phase)}, OKExit: []int{0}, TimeoutMS: 1000,
	}}
}

// stepped reports the start and the end of a command of a setup or teardown.
func (s *scripted) stepped(command, code int) {
	s.t.Helper()
	at := s.clock.Now()
	s.event(message.Event{Kind: message.Started, Started: []message.StartedInfo{{Command: command, PID: 7, StartedAt: at}}})
	s.exited(message.ExitedInfo{Command: command, ExitCode: code, StartedAt: at, EndedAt: at.Add(3 * time.Millisecond), UserUS: 3})
}

func (s *scripted) settingUp() {
	s.t.Helper()
	s.event(message.Event{Kind: message.SettingUp})
}

func (s *scripted) tearingDown() {
	s.t.Helper()
	s.event(message.Event{Kind: message.TearingDown})
}

// refusing says that the host takes no part, with what it has written so far.
func (s *scripted) refusing(reason string) {
	s.t.Helper()
	s.event(message.Event{Kind: message.Refused, Refused: &message.RefusedInfo{Reason: reason, Totals: s.totals}})
}

func TestStepsAreRecordedApartFromProcesses(t *testing.T) {
	t.Parallel()
	l := newLab(t, nil)
	alpha, bravo := l.worker("alpha"), l.worker("bravo")
	dp := l.datapoint(proc("bravo", "p", 0), proc("alpha", "p", 1))
	dp.Setup = []experiment.Command{stepOn("alpha", message.PhaseSetup, 0), stepOn("bravo", message.PhaseSetup, 0), stepOn("bravo", message.PhaseSetup, 1)}
	dp.Teardown = []experiment.Command{stepOn("alpha", message.PhaseTeardown, 0)}
	run := l.start(dp)

	if got := alpha.take(); got.Count(message.PhaseSetup) != 1 || got.Count(message.PhaseTeardown) != 1 || got.Commands[1].Name != "setup.0" {
		t.Errorf("alpha is asked for %+v", got.Commands)
	}
	if got := bravo.take(); got.Count(message.PhaseSetup) != 2 || got.Has(message.PhaseTeardown) {
		t.Errorf("bravo is asked for %+v", got.Commands)
	}
	alpha.settingUp()
	l.seen("alpha", SettingUp)
	alpha.output(1, message.Stdout, "made\n", 1)
	alpha.stepped(1, 0)
	alpha.ready()
	bravo.settingUp()
	bravo.stepped(1, 0)
	bravo.stepped(2, 0)
	bravo.ready()
	for _, s := range []*scripted{alpha, bravo} {
		s.expect(message.Commit)
		s.committed()
	}
	for _, s := range []*scripted{alpha, bravo} {
		s.started(s.expect(message.Start).At)
		s.output(0, message.Stdout, "x\n", 1)
		s.exit(0, 0)
	}
	bravo.done(message.HostDone)
	alpha.tearingDown()
	l.seen("alpha", TearingDown)
	alpha.output(2, message.Stderr, "oh", 1)
	alpha.stepped(2, 1)
	alpha.done(message.HostDone)

	got := run.wait()
	check(t, run.err)
	if got.Outcome != outcome.RunSucceeded {
		t.Errorf("the run %s: %s; a failed teardown does not count", got.Outcome, got.Reason)
	}
	h := hostOf(t, got, "alpha")
	if h.Lines != 1 || h.Bytes != 2 {
		t.Errorf("%d lines, %d bytes of alpha, want those of its process", h.Lines, h.Bytes)
	}
	if len(h.Setup) != 1 || h.Setup[0].Outcome != outcome.CommandSucceeded || h.Setup[0].StdoutBytes != 5 || h.Setup[0].StdoutLines != 1 || h.Setup[0].UserUS != 3 {
		t.Errorf("setup of alpha: %+v", h.Setup)
	}
	if len(h.Teardown) != 1 || h.Teardown[0].Outcome != outcome.CommandFailed || h.Teardown[0].Reason != "exited with status 1 after 3ms" || h.Teardown[0].StderrBytes != 2 {
		t.Errorf("teardown of alpha: %+v", h.Teardown)
	}
	if len(got.Processes) != 2 {
		t.Errorf("%d processes in the record, want 2", len(got.Processes))
	}
	for path, want := range map[string]string{"alpha/setup.0.out": "made\n", "alpha/p.1.out": "x\n", "alpha/teardown.0.err": "oh"} {
		if got := l.contents(path); got != want {
			t.Errorf("%s contains %q, want %q", path, got, want)
		}
	}
	if want := []int{2, 3, 4, 5}; !slices.Equal(l.watcher.steps, want) {
		t.Errorf("steps %v were told of, want %v", l.watcher.steps, want)
	}
}

func TestSetupThatFailsRefusesTheRunEverywhere(t *testing.T) {
	t.Parallel()
	l := newLab(t, nil)
	alpha, bravo := l.worker("alpha"), l.worker("bravo")
	dp := l.datapoint(proc("alpha", "p", 0), proc("bravo", "p", 1))
	dp.Setup = []experiment.Command{stepOn("alpha", message.PhaseSetup, 0), stepOn("bravo", message.PhaseSetup, 0)}
	dp.Teardown = []experiment.Command{stepOn("alpha", message.PhaseTeardown, 0), stepOn("bravo", message.PhaseTeardown, 0)}
	run := l.start(dp)
	alpha.take()
	bravo.take()
	bravo.settingUp()
	alpha.settingUp()
	alpha.output(1, message.Stderr, "no disk\n", 1)
	alpha.stepped(1, 3)
	alpha.tearingDown()
	l.seen("alpha", Withdrawing)
	alpha.output(2, message.Stdout, "bye\n", 1)
	alpha.stepped(2, 0)
	alpha.refusing("setup.0 (./setup) exited with status 3")
	bravo.expect(message.Stop)
	bravo.exited(message.ExitedInfo{Command: 1, ExitCode: -1, Stopped: true})
	bravo.tearingDown()
	bravo.stepped(2, 0)
	bravo.done(message.HostDone)
	got := run.wait()
	if got.Outcome != outcome.RunRefused || got.Reason != "alpha refused: setup.0 (./setup) exited with status 3" {
		t.Errorf("the run %s: %q", got.Outcome, got.Reason)
	}
	if h := hostOf(t, got, "alpha"); h.Outcome != outcome.HostRefused || len(h.Setup) != 1 || len(h.Teardown) != 1 {
		t.Errorf("alpha: %+v", h)
	}
	if h := hostOf(t, got, "bravo"); h.Outcome != outcome.HostStopped || len(h.Setup) != 1 || h.Setup[0].Outcome != outcome.CommandStopped {
		t.Errorf("bravo: %+v", h)
	}
	if p := processOf(t, got, "bravo", "p.1"); p.Outcome != outcome.CommandNotStarted {
		t.Errorf("p.1: %+v, want it not started", p)
	}
}

func TestOutputOfARefusedSetupThatIsMissingIsALoss(t *testing.T) {
	t.Parallel()
	l := newLab(t, nil)
	alpha := l.worker("alpha")
	dp := l.datapoint(proc("alpha", "p", 0))
	dp.Setup = []experiment.Command{stepOn("alpha", message.PhaseSetup, 0)}
	run := l.start(dp)
	alpha.take()
	alpha.settingUp()
	alpha.totals[1].StdoutBytes = 7
	alpha.refusing("it failed")
	got := run.wait()
	if got.Outcome != outcome.RunLost || !strings.Contains(got.Reason, "output of setup.0 is missing: 0 of 7 bytes") {
		t.Errorf("the run %s: %q", got.Outcome, got.Reason)
	}
}

func TestSetupLiftsTheReadyDeadline(t *testing.T) {
	t.Parallel()
	l := newLab(t, func(c *Config) { c.ReadyTimeout, c.Lease = 2*time.Second, patience/2 })
	alpha := l.worker("alpha")
	dp := l.datapoint(proc("alpha", "p", 0))
	dp.Setup = []experiment.Command{stepOn("alpha", message.PhaseSetup, 0)}
	run := l.start(dp)
	began := time.Now()
	alpha.take()
	alpha.settingUp()
	testkit.WaitFor(t, "the deadline has passed", func() bool { return time.Since(began) > 2500*time.Millisecond })
	alpha.expectNothing()
	alpha.stepped(1, 0)
	alpha.ready()
	alpha.expect(message.Commit)
	alpha.committed()
	alpha.started(alpha.expect(message.Start).At)
	alpha.exit(0, 0)
	alpha.done(message.HostDone)
	if got := run.wait(); got.Outcome != outcome.RunSucceeded {
		t.Errorf("the run %s: %s", got.Outcome, got.Reason)
	}
}

func TestSetupThatNeverEndsIsGivenUp(t *testing.T) {
	t.Parallel()
	l := newLab(t, nil)
	dp := l.datapoint(proc("alpha", "p", 0))
	dp.Setup = []experiment.Command{stepOn("alpha", message.PhaseSetup, 0)}
	r, err := l.p.newRun(Spec{Datapoint: dp, Results: newResults(t, t.TempDir(), dp), Observer: &l.watcher})
	check(t, err)
	h := r.hosts[0]
	h.heard, h.keepaliveAt = time.Now().Add(time.Hour), time.Now().Add(time.Hour)
	r.setUp(h)
	r.watch(h, h.readyBy.Add(-time.Second))
	if r.stage == stopping {
		t.Fatalf("given up before its time: %s", r.decided.reason)
	}
	r.watch(h, h.readyBy.Add(time.Second))
	// A step of 1 s, the grace, what may be left behind; and then 20 s as for all.
	if want := "alpha was not ready within 43s after its setup had begun"; r.stage != stopping || r.decided.outcome != outcome.RunRefused || r.decided.reason != want {
		t.Errorf("%s: %q, want %q", r.decided.outcome, r.decided.reason, want)
	}
	if r.stop.Cause != message.StopFailure {
		t.Errorf("it is told to stop because of %q", r.stop.Cause)
	}
}

// Another host that is ready must not be released while one has given way.
func TestHostThatTearsDownBeforeTheReleaseIsWaitedFor(t *testing.T) {
	t.Parallel()
	l := newLab(t, nil)
	alpha, bravo := l.worker("alpha"), l.worker("bravo")
	dp := l.datapoint(proc("alpha", "p", 0), proc("bravo", "p", 1))
	dp.Teardown = []experiment.Command{stepOn("alpha", message.PhaseTeardown, 0)}
	run := l.start(dp)
	offer(alpha, bravo)
	bravo.committed()
	alpha.tearingDown() // its commit came too late
	bravo.expect(message.Uncommit)
	bravo.ready()
	alpha.stepped(1, 0)
	alpha.waiting("01JD5W9M4QX3T0C9V8Z7Y6R5PK")
	bravo.expectNothing()
	alpha.settingUp()
	alpha.ready()
	for _, s := range []*scripted{alpha, bravo} {
		s.expect(message.Commit)
		s.committed()
	}
	for _, s := range []*scripted{alpha, bravo} {
		s.started(s.expect(message.Start).At)
		s.exit(0, 0)
	}
	alpha.tearingDown()
	alpha.stepped(1, 0)
	alpha.done(message.HostDone)
	bravo.done(message.HostDone)
	got := run.wait()
	if got.Outcome != outcome.RunSucceeded {
		t.Errorf("the run %s: %s", got.Outcome, got.Reason)
	}
	if h := hostOf(t, got, "alpha"); len(h.Teardown) != 2 {
		t.Errorf("teardown of alpha: %+v, want it twice", h.Teardown)
	}
}

func TestTimeoutDoesNotCountTheTeardown(t *testing.T) {
	t.Parallel()
	l := newLab(t, nil)
	alpha := l.worker("alpha")
	dp := l.datapoint(proc("alpha", "p", 0))
	dp.Timeout = 3 * time.Second
	dp.Teardown = []experiment.Command{stepOn("alpha", message.PhaseTeardown, 0)}
	run := l.start(dp)
	hold(alpha)
	start := alpha.expect(message.Start)
	alpha.started(start.At)
	alpha.exit(0, 0)
	alpha.tearingDown()
	l.seen("alpha", TearingDown)
	late := time.Now().Add(3500 * time.Millisecond)
	testkit.WaitFor(t, "the timeout has passed", func() bool { return time.Now().After(late) })
	alpha.expectNothing()
	alpha.stepped(1, 0)
	alpha.done(message.HostDone)
	if got := run.wait(); got.Outcome != outcome.RunSucceeded {
		t.Errorf("the run %s: %s", got.Outcome, got.Reason)
	}
}
