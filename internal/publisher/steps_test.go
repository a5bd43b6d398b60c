package publisher

import (
	"slices"
	"testing"

	"downbeat/internal/experiment"
	"downbeat/internal/message"
	"downbeat/internal/outcome"
	"downbeat/internal/streams"
	"downbeat/internal/testkit"
	"downbeat/internal/testkit/fakeworker"
)

// stepOn is a command of a setup or teardown.
func stepOn(host string, phase message.Phase, index int) experiment.Command {
	return experiment.Command{Host: host, Command: message.Command{
		Name: message.ProcessName(string(phase), index), Phase: phase, Argv: []string{"./" + string(phase)}, OKExit: []int{0}, TimeoutMS: 1000,
	}}
}

func TestStepsAreRecordedApartFromProcesses(t *testing.T) {
	t.Parallel()
	l := newHarness(t, nil)
	alpha, bravo := l.worker("alpha"), l.worker("bravo")
	dp := l.datapoint(proc("bravo", "p", 0), proc("alpha", "p", 1))
	dp.Setup = []experiment.Command{stepOn("alpha", message.PhaseSetup, 0), stepOn("bravo", message.PhaseSetup, 0), stepOn("bravo", message.PhaseSetup, 1)}
	dp.Teardown = []experiment.Command{stepOn("alpha", message.PhaseTeardown, 0)}
	run := l.start(dp)

	if got := alpha.Take(); got.Count(message.PhaseSetup) != 1 || got.Count(message.PhaseTeardown) != 1 || got.Commands[1].Name != "setup.0" {
		t.Errorf("alpha is asked for %+v", got.Commands)
	}
	if got := bravo.Take(); got.Count(message.PhaseSetup) != 2 || got.Has(message.PhaseTeardown) {
		t.Errorf("bravo is asked for %+v", got.Commands)
	}
	alpha.Event(message.Event{Kind: message.SettingUp})
	l.seen("alpha", SettingUp)
	alpha.Output(1, streams.Stdout, "made\n", 1)
	alpha.Step(1, 0)
	alpha.Ready()
	bravo.Event(message.Event{Kind: message.SettingUp})
	bravo.Step(1, 0)
	bravo.Step(2, 0)
	bravo.Ready()
	for _, s := range []*fakeworker.Worker{alpha, bravo} {
		s.Expect(message.Commit)
		s.Committed()
	}
	for _, s := range []*fakeworker.Worker{alpha, bravo} {
		s.Started(s.Expect(message.Start).At)
		s.Output(0, streams.Stdout, "x\n", 1)
		s.Exit(0, 0)
	}
	bravo.Done(message.HostDone)
	alpha.Event(message.Event{Kind: message.TearingDown})
	l.seen("alpha", TearingDown)
	alpha.Output(2, streams.Stderr, "oh", 1)
	alpha.Step(2, 1)
	alpha.Done(message.HostDone)

	got := run.wait()
	testkit.Check(t, run.err)
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
