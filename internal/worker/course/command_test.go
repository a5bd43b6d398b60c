package course

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"downbeat/internal/message"
	"downbeat/internal/streams"
)

func TestSetupAndTeardownAreAroundTheProcesses(t *testing.T) {
	t.Parallel()
	s := newSite(t, step(message.PhaseTeardown, "teardown.0"), step(message.PhaseSetup, "setup.0", "setup.1"), step(message.PhaseTeardown, "teardown.1"))
	s.in(Granted{}).want(SettingUp, "make dir and owe")
	s.in(DirMade{}).want(SettingUp, "log setting_up, run 3")
	s.in(s.ended(3, 0)).want(SettingUp, "log exited, run 4")
	s.in(s.ended(4, 0)).want(Preparing, "log exited, prepare")
	s.in(Prepared{}).reach(Running)
	s.in(setDone()).want(TearingDown, "log tearing_down, begin teardown, run 2")
	s.in(s.ended(2, 4)).want(TearingDown, "log exited, remark command failed, run 5") // each is run
	s.in(s.ended(5, 0)).want(Clearing, "log exited, end teardown, clear")
	s.in(Cleared{})
	done := s.last(message.Done).Done
	if done.Outcome != message.HostDone {
		t.Errorf("done: %+v; a failed teardown must not change that", done)
	}
	want := []streams.Total{{StdoutBytes: 5}, {StdoutBytes: 6}, {StdoutLines: 1}, {StdoutLines: 1}, {StdoutLines: 1}, {StdoutLines: 1}}
	if fmt.Sprint(done.Totals) != fmt.Sprint(want) {
		t.Errorf("totals %v, want %v", done.Totals, want)
	}
}

func TestTeardownIsOwedAlsoWithoutASetup(t *testing.T) {
	t.Parallel()
	s := newSite(t, step(message.PhaseTeardown, "teardown.0"))
	s.in(Granted{}, DirMade{}).want(Preparing, "make dir and owe, log setting_up, prepare")
	s.in(Prepared{}).ask(message.Commit).skip()
	s.stop().want(TearingDown, "discard, log tearing_down, begin teardown, run 2")
}

func TestSetupThatDoesNotSucceedIsTornDownAndRefused(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 100)
	for name, test := range map[string]struct {
		end    func(*site) CommandEnded
		reason string
	}{
		"status":     {func(s *site) CommandEnded { return s.ended(2, 3) }, "setup.0 (./setup.0 -v) exited with status 3 after 1s"},
		"words":      {func(s *site) CommandEnded { e := s.ended(2, 3); e.Words = "no such\tdatabase"; return e }, `exited with status 3 after 1s; its last words: "no such\tdatabase"`},
		"many words": {func(s *site) CommandEnded { e := s.ended(2, 3); e.Words = long + long + long; return e }, `"` + long + long + `"`},
		"signal":     {func(s *site) CommandEnded { e := s.ended(2, -1); e.Exit.Signal = "SIGKILL"; return e }, "was ended by SIGKILL after 1s"},
		"not there": {func(*site) CommandEnded {
			return CommandEnded{Exit: &message.ExitedInfo{Command: 2, ExitCode: -1, Reason: "no such file"}}
		}, "can't be run: no such file"},
		"can't end": {func(*site) CommandEnded {
			return CommandEnded{Exit: &message.ExitedInfo{Command: 2, ExitCode: -1, Reason: "it hangs", Left: true}}
		}, "could not be ended: it hangs"},
		"too long": {func(s *site) CommandEnded { s.pass(10 * time.Second); return s.interrupted(2) }, "was not over within 10s"},
		"deaf": {func(s *site) CommandEnded {
			s.pass(12 * time.Second)
			e := s.interrupted(2)
			e.Exit.Killed = true
			return e
		}, "was not over within 10s, ignored TERM for 2s and was killed"},
		"never began": {func(s *site) CommandEnded {
			s.pass(10 * time.Second)
			return CommandEnded{Exit: &message.ExitedInfo{Command: 2, ExitCode: -1, Stopped: true}}
		}, "was not over within 10s"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, steps, step(message.PhaseSetup, "setup.1")).reach(SettingUp)
			s.in(test.end(s)).tornDown()
			s.in(Cleared{})
			info := s.last(message.Refused).Refused
			if !strings.Contains(info.Reason, test.reason) || !strings.HasPrefix(info.Reason, "setup.0 (./setup.0 -v) ") {
				t.Errorf("refused for %q, want %q", info.Reason, test.reason)
			}
			if len(info.Totals) != 6 || info.Totals[4].StdoutLines != 1 {
				t.Errorf("totals %+v, want those of the teardown in them", info.Totals)
			}
			if got := s.count(message.Exited); got != 3 {
				t.Errorf("%d commands have ended, want the first of the setup and two of the teardown", got)
			}
		})
	}
}

// The command's time counts from its own beginning, and once.
func TestCommandsTimeIsItsOwn(t *testing.T) {
	t.Parallel()
	s := newSite(t, steps, step(message.PhaseSetup, "setup.1")).reach(SettingUp)
	s.pass(9*time.Second).in(s.ended(2, 0)).want(SettingUp, "log exited, run 5")
	s.pass(9*time.Second).want(SettingUp, "")
	s.pass(time.Second).want(SettingUp, "interrupt")
	s.pass(5*time.Second).want(SettingUp, "") // it is being ended
	e := s.ended(5, 0)                        // by itself, at the last moment
	s.in(e).want(Preparing, "log exited, prepare")
	if e.Exit.TimedOut {
		t.Error("a command that ended by itself is said to have timed out")
	}
	s.pass(5*time.Second).want(Preparing, "") // the lease is over at 30 s
}

func TestTeardownThatHangsIsEnded(t *testing.T) {
	t.Parallel()
	s := newSite(t, steps).reach(TearingDown)
	s.pass(10*time.Second).want(TearingDown, "interrupt")
	s.in(s.interrupted(3)).want(TearingDown, "log exited, remark command failed, run 4")
	if e := s.last(message.Exited).Exited; !e.TimedOut || !e.Stopped {
		t.Errorf("the command: %+v, want it timed out", e)
	}
}

// A command that is being ended for another reason, and takes so long over it that its
// own time passes, was stopped and did not time out.
func TestCommandThatIsBeingStoppedDoesNotTimeOut(t *testing.T) {
	t.Parallel()
	for name, interrupt := range map[string]func(*site){
		"stop":  func(s *site) { s.stop() },
		"wound": func(s *site) { s.in(Wounded{}) },
	} {
		s := newSite(t, steps).reach(SettingUp)
		s.pass(9 * time.Second)
		interrupt(s)
		s.pass(2*time.Second).want(SettingUp, "interrupt")
		s.in(s.interrupted(2))
		if e := s.last(message.Exited).Exited; e.TimedOut || !e.Stopped {
			t.Errorf("%s: the command: %+v, want it stopped", name, e)
		}
	}

	s := newSite(t, steps).reach(SettingUp)
	s.pass(10 * time.Second).stop().in(s.interrupted(2)) // it had timed out before
	if e := s.last(message.Exited).Exited; !e.TimedOut {
		t.Errorf("the command: %+v, want it timed out", e)
	}
}

func TestStopInSetupEndsItAndTearsDown(t *testing.T) {
	t.Parallel()
	s := newSite(t, steps).reach(SettingUp)
	s.stop().want(SettingUp, "interrupt")
	s.in(s.interrupted(2)).want(TearingDown, "log exited, remark command failed, log tearing_down, begin teardown, run 3")
	s.tornDown().skip()
	s.in(Cleared{})
	if e := s.last(message.Exited); s.last(message.Done).Done.Outcome != message.HostDone || e.Exited.TimedOut {
		t.Errorf("done %+v, the last command %+v", s.last(message.Done).Done, e.Exited)
	}
}

// A command that succeeds although it is interrupted does not let the setup go on.
func TestStopBetweenTwoCommandsEndsTheSetup(t *testing.T) {
	t.Parallel()
	s := newSite(t, steps, step(message.PhaseSetup, "setup.1")).reach(SettingUp)
	s.stop().skip()
	s.in(s.ended(2, 0)).want(TearingDown, "log exited, log tearing_down, begin teardown, run 3")
}

func TestNothingInterruptsATeardown(t *testing.T) {
	t.Parallel()
	s := newSite(t, steps).reach(TearingDown)
	s.stop().in(Wounded{}, Leaving{}, LogFailed{"no space"}, PublisherGone{}, LogUnreadable{"damaged"}).want(TearingDown, "")
	s.tornDown().want(Clearing, "log exited, run 4, log exited, end teardown, clear")
}

// Processes that a command of a setup or teardown has left are told at the end.
func TestWhatACommandLeavesIsTold(t *testing.T) {
	t.Parallel()
	s := newSite(t, steps).reach(SettingUp)
	e := s.ended(2, 3)
	e.Left = &Remains{Left: []message.Leftover{{PID: 7, Command: "hangs"}}, Unseen: "no descriptor"}
	s.in(e).tornDown().skip()
	s.in(Cleared{}).want(Finished, "note left, leave host, log last refused")
	if info := s.last(message.Refused).Refused; info.Left[0].PID != 7 || info.Unseen != "no descriptor" {
		t.Errorf("refused: %+v", info)
	}
}

func TestStartOfACommandIsReportedBeforeItsEnd(t *testing.T) {
	t.Parallel()
	s := newSite(t, steps).reach(SettingUp)
	s.in(Begun{message.StartedInfo{Command: 2, PID: 9}}).want(SettingUp, "")
	s.in(s.ended(2, 0)).want(Preparing, "log started, log exited, prepare")
}
