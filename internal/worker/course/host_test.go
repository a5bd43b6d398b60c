package course

import (
	"testing"
	"time"

	"downbeat/internal/message"
)

func TestRunGoesFromTheHostToTheLastAcknowledgement(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.in(Granted{}).want(Preparing, "make dir")
	s.in(DirMade{}).want(Preparing, "prepare")
	s.in(Prepared{Hold: "ptrace", Unheld: []string{"p.1"}}).want(Ready, "log ready")
	if e := s.last(message.Ready).Ready; e.Hold != "ptrace" || e.Unheld[0] != "p.1" || e.Version != "v9" || len(e.Features) != 1 {
		t.Errorf("ready: %+v", e)
	}
	s.ask(message.Commit).want(Committed, "log committed")
	s.tell(message.Control{Kind: message.Start, At: epoch.Add(time.Second)}).want(Armed, "release at 1s")
	s.pass(time.Second).in(Released{}).want(Running, "")
	s.in(s.exit(0), s.exit(1)).want(Running, "log exited, log exited")
	s.in(setDone()).want(Clearing, "clear")
	s.in(Cleared{}).want(Finished, "leave host, log last done")
	done := s.last(message.Done)
	if done.Done.Outcome != message.HostDone || done.Done.Reason != "" || done.Done.Totals[1].StdoutBytes != 6 || done.Run != "01RUN" || done.Host != "alpha" || !done.Time.Equal(s.now) {
		t.Errorf("done: %+v %+v", done, done.Done)
	}
	s.in(AllAcked{}).want(Over, "end")
}

func TestFilesAreSuppliedBeforeThePreparation(t *testing.T) {
	t.Parallel()
	s := newSite(t, shipping)
	s.in(Granted{}, DirMade{}).want(Preparing, "make dir, supply")
	s.in(Supplied{}).want(Preparing, "prepare")
}

func TestHostThatCannotTakePartSaysWhy(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		in     []Input
		reason string
	}{
		"directory": {[]Input{DirMade{Err: "no space"}}, "no space"},
		"files":     {[]Input{DirMade{}, Supplied{Err: "file data: gone"}}, "file data: gone"},
		"processes": {[]Input{DirMade{}, Supplied{}, Prepared{Err: "p.1: nothing there", Problems: []message.Problem{{Process: "p.1"}}}}, "1 of 2 commands can't be run"},
		"machine":   {[]Input{DirMade{}, Supplied{}, Prepared{Err: "too many open files"}}, "too many open files"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, shipping)
			s.in(Granted{}).in(test.in...).skip()
			s.in(Cleared{Note: "left it behind"}).want(Finished, "leave host, log last refused")
			info := s.last(message.Refused).Refused
			if info.Reason != test.reason || info.Version != "v9" || info.Notes[0] != "left it behind" || info.Totals != nil {
				t.Errorf("refused: %+v", info)
			}
		})
	}
}

// The worker's own log names what the refusal is about, as the publisher is told.
func TestRefusalIsRemarkedWithItsProblems(t *testing.T) {
	t.Parallel()
	s := newSite(t).reach(Preparing)
	effects := s.run.Step(s.now, Prepared{Err: "p.0: nothing there; p.1: is a directory", Problems: []message.Problem{
		{Process: "p.0", Reason: "nothing there"}, {Process: "p.1", Reason: "is a directory"},
	}})
	want := Log{What: RunRefused, Reason: "2 of 2 commands can't be run: p.0: nothing there; p.1: is a directory"}
	if effects[0] != want {
		t.Errorf("remark %+v, want %+v", effects[0], want)
	}
}

// A directory that can't be made leaves no teardown to be run.
func TestNothingIsOwedWithoutADirectory(t *testing.T) {
	t.Parallel()
	s := newSite(t, steps)
	s.in(Granted{}, DirMade{Err: "no space"}).want(Clearing, "make dir and owe, remark refused, clear")
}

func TestOlderRunTakesTheHost(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change  []func(*message.Job)
		state   State
		feed    func(*site)
		effects string // after which the run waits
	}{
		"preparing":  {nil, Preparing, func(s *site) { s.in(Wounded{}, Prepared{}) }, "interrupt, discard, remark yielded, yield"},
		"ready":      {nil, Ready, func(s *site) { s.in(Wounded{}) }, "discard, remark yielded, yield"},
		"setting up": {[]func(*message.Job){steps}, SettingUp, func(s *site) { s.in(Wounded{}, s.interrupted(2)).tornDown() }, "interrupt, log exited, remark command failed, log tearing_down, begin teardown, run 3, log exited, run 4, log exited, end teardown, remark yielded, yield"},
		"set up":     {[]func(*message.Job){steps}, Ready, func(s *site) { s.in(Wounded{}).tornDown() }, "discard, log tearing_down, begin teardown, run 3, log exited, run 4, log exited, end teardown, remark yielded, yield"},
		"setup alone": {
			[]func(*message.Job){step(message.PhaseSetup, "setup.0")},
			Ready,
			func(s *site) { s.in(Wounded{}) }, "discard, end teardown, remark yielded, yield",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, test.change...).reach(test.state)
			test.feed(s)
			s.want(Waiting, test.effects)
			s.in(Queued{Behind: "01OLD"}).want(Waiting, "log waiting")
			if got := s.last(message.Waiting).Waiting.Behind; got != "01OLD" {
				t.Errorf("it waits behind %q", got)
			}
			s.reach(Ready) // all of it again
			if want := len(test.change); s.count(message.Refused) > 0 || s.run.owed != (want > 0) {
				t.Errorf("refused %d times, owed: %t", s.count(message.Refused), s.run.owed)
			}
		})
	}
}

func TestCommittedRunKeepsTheHostUntilItIsUncommitted(t *testing.T) {
	t.Parallel()
	s := newSite(t).reach(Committed)
	s.in(Wounded{}).want(Committed, "")
	s.ask(message.Uncommit).want(Waiting, "discard, remark yielded, yield")

	s = newSite(t).reach(Committed)
	s.ask(message.Uncommit).want(Ready, "log ready") // nobody wants it yet
	s.ask(message.Uncommit).want(Ready, "")
	s.ask(message.Commit).want(Committed, "log committed")

	s = newSite(t).reach(Committed)
	s.in(Wounded{}).reach(Armed) // it may still be released
	s.ask(message.Uncommit).want(Armed, "")
}

// The older run may have gone by the time that the host is the run's again.
func TestOldWoundDoesNotCostTheHostAgain(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.in(Wounded{}).want(Waiting, "") // when it had already yielded
	s.in(Granted{}, DirMade{}, Prepared{}).want(Ready, "make dir, prepare, log ready")
}

// A run that is stopped while it waits may be given the host before it has left.
func TestHostThatIsGivenTooLateIsGivenBack(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.stop().want(Clearing, "clear")
	s.in(Granted{}).want(Clearing, "leave host")
	s.in(Cleared{}).want(Finished, "log last done")
	s.in(Queued{Behind: "01OTHER"}).want(Finished, "")
}

func TestStopWhileGivingWayEndsTheRun(t *testing.T) {
	t.Parallel()
	s := newSite(t, steps).reach(Ready)
	s.in(Wounded{}).skip()
	s.stop().want(TearingDown, "")
	s.tornDown().want(Clearing, "log exited, run 4, log exited, end teardown, clear")
	s.in(Cleared{}).want(Finished, "leave host, log last done")
}

func TestFirstStopCounts(t *testing.T) {
	t.Parallel()
	s := newSite(t).reach(Preparing)
	s.stop().in(Leaving{}, Prepared{}, Cleared{})
	if done := s.last(message.Done).Done; done.Outcome != message.HostDone {
		t.Errorf("done: %+v, want it as the publisher asked", done)
	}
	s = newSite(t).reach(Preparing)
	s.in(Leaving{}).stop().in(Prepared{}, Cleared{})
	if done := s.last(message.Done).Done; done.Outcome != message.HostStopped {
		t.Errorf("done: %+v, want it stopped by the worker", done)
	}
}

func TestStopAndWoundOfOneTaskEndTheRun(t *testing.T) {
	t.Parallel()
	s := newSite(t, steps).reach(SettingUp)
	s.in(Wounded{}).stop()
	s.in(s.interrupted(2)).skip().tornDown()
	if s.run.State() != Clearing {
		t.Errorf("the run is %s, want it clearing", s.run.State())
	}
}

// However a run's part on the host ends, held processes are killed, and the teardown that is
// owed is run; where there is none, the disk is told that none is owed.
func TestWhatIsHeldAndOwedIsGivenUp(t *testing.T) {
	t.Parallel()
	setup := step(message.PhaseSetup, "setup.0")
	tornDown := "log tearing_down, begin teardown, run 3, log exited, run 4, log exited, end teardown"
	for name, test := range map[string]struct {
		change  func(*message.Job)
		state   State
		feed    func(*site)
		after   State
		effects string
	}{
		"prepared, and stopped":       {steps, Preparing, func(s *site) { s.stop().in(Prepared{}).tornDown() }, Clearing, "interrupt, discard, " + tornDown + ", clear"},
		"prepared, and wounded":       {steps, Preparing, func(s *site) { s.in(Wounded{}, Prepared{}).tornDown() }, Waiting, "interrupt, discard, " + tornDown + ", remark yielded, yield"},
		"not prepared":                {steps, Preparing, func(s *site) { s.in(Prepared{Err: "no"}).tornDown() }, Clearing, tornDown + ", remark refused, clear"},
		"wounded, then uncommitted":   {steps, Committed, func(s *site) { s.in(Wounded{}).ask(message.Uncommit).tornDown() }, Waiting, "discard, " + tornDown + ", remark yielded, yield"},
		"stopped in a setup alone":    {setup, SettingUp, func(s *site) { s.stop().in(s.interrupted(2)) }, Clearing, "interrupt, log exited, remark command failed, end teardown, clear"},
		"wounded in a setup alone":    {setup, SettingUp, func(s *site) { s.in(Wounded{}, s.interrupted(2)) }, Waiting, "interrupt, log exited, remark command failed, end teardown, remark yielded, yield"},
		"a setup alone fails":         {setup, SettingUp, func(s *site) { s.in(s.ended(2, 1)) }, Clearing, "log exited, remark command failed, end teardown, remark refused, clear"},
		"stopped after a setup alone": {setup, Ready, func(s *site) { s.stop() }, Clearing, "discard, end teardown, clear"},
		"given back after one":        {setup, Committed, func(s *site) { s.in(Wounded{}).ask(message.Uncommit) }, Waiting, "discard, end teardown, remark yielded, yield"},
		"ended after one":             {setup, Running, func(s *site) { s.in(setDone()) }, Clearing, "end teardown, clear"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, test.change).reach(test.state)
			test.feed(s)
			s.want(test.after, test.effects)
		})
	}
	s := newSite(t, setup, collecting).reach(Running)
	s.in(setDone()).want(Collecting, "end teardown, keep end, leave host, log ended, collect")
}

// A run that once gave way to an older one is refused, or finished, all the same.
func TestFormerYieldIsForgotten(t *testing.T) {
	t.Parallel()
	s := newSite(t, steps).reach(Ready)
	s.in(Wounded{}).tornDown().reach(SettingUp)
	s.in(s.ended(2, 1)).tornDown()
	if s.run.State() != Clearing {
		t.Errorf("the run that failed is %s, want it clearing", s.run.State())
	}
	s = newSite(t, steps).reach(Ready)
	s.in(Wounded{}).tornDown().reach(Running)
	s.in(setDone()).tornDown()
	if s.run.State() != Clearing {
		t.Errorf("the run that ended is %s, want it clearing", s.run.State())
	}
}
