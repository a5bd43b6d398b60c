package course

import (
	"testing"
	"time"

	"downbeat/internal/message"
)

func TestRestartOnFailure(t *testing.T) {
	t.Parallel()
	s := newSite(t, restarting(0, message.RestartOnFailure, 2, 500*time.Millisecond))
	s.in(Granted{}, DirMade{}).want(Preparing, "make dir, prepare open")
	s.in(Prepared{}).released().pass(time.Second).skip()
	s.in(s.end(0, 0, 1)).want(Running, "log exited").saying(message.Exited, "0.0 again")
	s.pass(499*time.Millisecond).want(Running, "")
	s.pass(time.Millisecond).want(Running, "start 0 at 2.5s as #1")
	s.in(Acted{Token: 1, Life: 1, At: s.now}, s.life(0, 1), s.by("SIGSEGV", 0, 1)).want(Running, "log started, log exited").saying(message.Exited, "0.1 again")
	s.pass(500*time.Millisecond).want(Running, "start 0 at 3s as #2")
	s.in(s.life(0, 2), Acted{Token: 2, Life: 2}, s.end(0, 2, 1)).want(Running, "log started, log exited").saying(message.Exited, "0.2") // at_most
	s.in(s.end(1, 0, 0)).want(Running, "log exited, close set")
	s.pass(time.Hour).skip()
	if s.count(message.Acted) > 0 {
		t.Error("a restart is told as if it were an action")
	}
}

func TestSuccessIsNoReasonToRestart(t *testing.T) {
	t.Parallel()
	s := newSite(t, restarting(0, message.RestartOnFailure, 2, 0)).released()
	s.in(s.end(0, 0, 0)).saying(message.Exited, "0.0")
	s = newSite(t, restarting(0, message.RestartAlways, 2, 0)).released().skip()
	s.in(s.end(0, 0, 0)).saying(message.Exited, "0.0 again").pass(0).want(Running, "log started, log exited, start 0 at 1s as #1")
}

// Nothing begins again after a stop, after the lease, or when the worker leaves.
func TestNoLifeAfterAStop(t *testing.T) {
	t.Parallel()
	for name, stop := range map[string]func(*site){
		"stop":  func(s *site) { s.stop() },
		"lease": func(s *site) { s.pass(testLease) },
		"leave": func(s *site) { s.in(Leaving{}) },
	} {
		s := newSite(t, restarting(0, message.RestartAlways, 99, 40*time.Second), restarting(1, message.RestartAlways, 99, 0)).released()
		s.in(s.end(0, 0, 1)).saying(message.Exited, "0.0 again")
		stop(s)
		s.in(s.end(1, 0, 1)).saying(message.Exited, "1.0").skip() // not again
		s.pass(time.Minute)
		for _, did := range s.did {
			if did[:3] == "sta" {
				t.Errorf("%s: %s", name, did)
			}
		}
	}
}

// A process that can't be ended does not begin again.
func TestNoLifeBesideOneThatIsLeft(t *testing.T) {
	t.Parallel()
	s := newSite(t, restarting(0, message.RestartAlways, 2, 0)).released()
	e := s.end(0, 0, -1)
	e.Exit.Left, e.Exit.Reason = true, "it hangs"
	s.in(e).saying(message.Exited, "0.0: it hangs")
}

// A life that can't begin ends before it has begun, and its policy applies to that too.
func TestLifeThatCannotBegin(t *testing.T) {
	t.Parallel()
	s := newSite(t, restarting(0, message.RestartOnFailure, 2, 0)).released()
	s.in(s.end(0, 0, 1)).pass(0).skip()
	s.in(Acted{Token: 1, Err: "no such file"}).saying(message.Exited, "0.1 again: no such file").pass(0).want(Running, "log exited, start 0 at 1s as #2")
	s.in(Acted{Token: 2, Err: "no such file"}).want(Running, "log exited").saying(message.Exited, "0.2: no such file")

	// The runner does not count it.
	s = newSite(t, restarting(0, message.RestartOnFailure, 2, 0)).released()
	s.in(s.end(0, 0, 1)).pass(0).in(Acted{Token: 1, Err: "no such file"}).pass(0)
	s.in(Acted{Token: 2, Life: 1}, s.life(0, 1), s.end(0, 1, 1)).saying(message.Exited, "0.2")
	if got := s.last(message.Started).Started[0].Life; got != 2 {
		t.Errorf("life %d has begun, want 2", got)
	}
}

// An action that can't start a process again that is over has failed; the process has not.
func TestStartThatCannotBeLeavesTheProcessOver(t *testing.T) {
	t.Parallel()
	s := newSite(t, acting(message.Action{Number: 3, Do: message.ActStart, Called: true})).released()
	call := func(turn int) message.Control {
		return message.Control{Kind: message.Act, Action: 3, Turn: turn, At: s.now, Commands: []int{0}}
	}
	s.in(s.end(0, 0, 0)).tell(call(0)).skip()
	s.in(Acted{Token: 1, Err: "no such file"}).want(Running, "log acted")
	s.tell(call(1)).in(Acted{Token: 2, Life: 1, At: s.now}, s.life(0, 1)).pass(time.Second).skip()
	s.in(s.end(0, 1, 0)).saying(message.Exited, "0.1")
}

// An action may be quicker than the restart that is waited for.
func TestActionIsQuickerThanARestart(t *testing.T) {
	t.Parallel()
	s := newSite(t, restarting(0, message.RestartOnFailure, 1, time.Second), acting(message.Action{Number: 3, Do: message.ActStart, Called: true})).released()
	s.in(s.end(0, 0, 1)).tell(message.Control{Kind: message.Act, Action: 3, At: s.now, Commands: []int{0}}).skip()
	s.in(Acted{Token: 1, Life: 1, At: s.now}, s.life(0, 1)).pass(20*time.Second).want(Running, "log acted, log started")
}

// The wait for a restart may end in the moment in which an action has it begin.
func TestRestartMeetsAProcessThatRuns(t *testing.T) {
	t.Parallel()
	s := newSite(t, restarting(0, message.RestartOnFailure, 1, time.Second), acting(message.Action{Number: 3, Do: message.ActStart, Called: true})).released()
	s.in(s.end(0, 0, 1)).pass(time.Second).tell(message.Control{Kind: message.Act, Action: 3, At: s.now, Commands: []int{0}}).skip()
	s.in(Acted{Token: 2, Life: 1, At: s.now}, Acted{Token: 1, Err: "it is running"}).want(Running, "log acted")
	s.in(s.life(0, 1)).pass(time.Second).want(Running, "log started")
}
