package course

import (
	"fmt"
	"testing"
	"time"

	"downbeat/internal/message"
	"downbeat/internal/streams"
)

var (
	killAt20 = message.Action{Number: 4, Do: message.ActSignal, Signal: "KILL", AfterMS: 20_000, Commands: []int{0, 1}}
	startAt5 = message.Action{Number: 5, Do: message.ActStart, AfterMS: 5000, Commands: []int{0}}
	called   = message.Action{Number: 7, Do: message.ActStop, Called: true}
	called8  = message.Action{Number: 8, Do: message.ActStop, Called: true}
)

// An action with a time is planned with its beat, for the exact instant, and told of for
// each command.
func TestTimedActions(t *testing.T) {
	t.Parallel()
	pause := message.Action{Number: 2, Do: message.ActPause, Beat: 1, AfterMS: 500, ForMS: 5000, Commands: []int{1}}
	s := newSite(t, onBeat(1, 1), acting(killAt20, pause)).reach(Committed)
	s.tell(start(0, time.Second)).want(Armed, "release at 1s, log armed, signal 0 at 21s as #1 by KILL, signal 1 at 21s as #2 by KILL")
	s.in(Released{}, s.life(0, 0)).tell(start(1, 3*time.Second)).want(Running, "release beat 1 at 3s, log armed, pause 1 at 3.5s as #3 for 5s")
	s.in(Acted{Token: 1, At: epoch.Add(21001 * time.Millisecond)}).want(Running, "log started, log acted").saying(message.Acted, "4/0 on 0.0 due 21s at 21.001s")
	s.in(Acted{Token: 2, At: epoch.Add(21 * time.Second), Err: "it has not begun"}).saying(message.Acted, "4/0 on 1.0 due 21s at 21s: it has not begun")
	s.skip().in(Acted{Token: 2}).want(Running, "") // it was told of
}

// A process that an action ends has not failed, and is not begun again where only a failure
// is a reason to.
func TestEndByAnAction(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		signal string // empty: a stop
		end    func(*site) Exited
		want   string
	}{
		"killed":               {"KILL", func(s *site) Exited { return s.by("SIGKILL", 0, 0) }, "0.0 by action 4"},
		"as its signal asks":   {"INT", func(s *site) Exited { return s.end(0, 0, 3) }, "0.0 by action 4"},
		"by a signal":          {"USR1", func(s *site) Exited { return s.by("SIGUSR1", 0, 0) }, "0.0 by action 4"},
		"a shell's status":     {"ABRT", func(s *site) Exited { return s.end(0, 0, 134) }, "0.0 by action 4"},
		"for another reason":   {"USR1", func(s *site) Exited { return s.end(0, 0, 1) }, "0.0 again"},
		"by another signal":    {"HUP", func(s *site) Exited { return s.by("SIGSEGV", 0, 0) }, "0.0 again"},
		"stopped, by whatever": {"", func(s *site) Exited { return s.end(0, 0, 1) }, "0.0 by action 4"},
	} {
		a := message.Action{Number: 4, Do: message.ActSignal, Signal: test.signal, Commands: []int{0}}
		if test.signal == "" {
			a.Do = message.ActStop
		}
		s := newSite(t, acting(a), restarting(0, message.RestartOnFailure, 1, 0)).released()
		s.in(Acted{Token: 1}, test.end(s))
		if got := s.tells(message.Exited); got != test.want {
			t.Errorf("%s: %s, want %s", name, got, test.want)
		}
	}
	s := newSite(t, acting(killAt20), restarting(0, message.RestartAlways, 1, 0)).released()
	s.in(Acted{Token: 1}, s.by("SIGKILL", 0, 0)).saying(message.Exited, "0.0 again by action 4")
	s.pass(0).in(s.life(0, 1), Acted{Token: 3, Life: 1}, s.by("SIGKILL", 0, 1)).saying(message.Exited, "0.1") // that was another life
	s = newSite(t, acting(killAt20), restarting(0, message.RestartOnFailure, 1, 0)).released()
	s.in(Acted{Token: 1, Err: "it has ended"}, s.by("SIGKILL", 0, 0)).saying(message.Exited, "0.0 again") // it was not carried out
}

// A start at a known time is another life to come, and keeps the set open until then.
func TestTimedStart(t *testing.T) {
	t.Parallel()
	s := newSite(t, acting(startAt5)).released()
	s.in(s.end(0, 0, 0)).saying(message.Exited, "0.0 again")
	s.in(s.end(1, 0, 0)).skip()
	s.in(Acted{Token: 1, Life: 1, At: s.now}, s.life(0, 1)).want(Running, "log acted").saying(message.Acted, "5/0 on 0.1 due 6s at 1s")
	s.in(s.end(0, 1, 0)).want(Running, "log started, log exited, close set").saying(message.Exited, "0.1")
}

// A start whose beat may still be released keeps the set open; that a process of it has
// ended is told as it is meanwhile.
func TestStartOfALaterBeat(t *testing.T) {
	t.Parallel()
	late := startAt5
	late.Beat = 1
	s := newSite(t, acting(late)).released()
	s.in(s.end(0, 0, 0), s.end(1, 0, 0)).saying(message.Exited, "1.0").skip()
	s.tell(start(1, 2*time.Second)).want(Running, "release beat 1 at 2s, log armed, start 0 at 7s as #1")
	s.in(Acted{Token: 1, Life: 1}, s.life(0, 1), s.end(0, 1, 0)).want(Running, "log acted, log started, log exited, close set")
}

// A start that can't be carried out where one was to come is the end of the process.
func TestTimedStartThatFails(t *testing.T) {
	t.Parallel()
	s := newSite(t, acting(startAt5)).released()
	s.in(s.end(0, 0, 0), s.end(1, 0, 0)).skip()
	s.in(Acted{Token: 1, Err: "no such file"}).want(Running, "log acted, log exited, close set").saying(message.Exited, "0.1: no such file")
	s = newSite(t, acting(startAt5)).released().skip()
	s.in(Acted{Token: 1, Err: "it is running"}).want(Running, "log started, log acted")
}

// A called action is carried out once for each turn, on what it can be done to; the set
// stays open until the publisher stops the run.
func TestCalledActions(t *testing.T) {
	t.Parallel()
	grace := int64(300)
	s := newSite(t, acting(called, killAt20), step(message.PhaseTeardown, "teardown.0"), with(1, func(c *message.Command) { c.Stop = &message.CommandStop{GraceMS: &grace} }))
	act := message.Control{Kind: message.Act, Action: 7, At: epoch.Add(5 * time.Second), Commands: []int{1, 2, 0, 1, -1, 9}}
	s.reach(Committed).tell(act).want(Committed, "") // nothing has begun
	s.tell(start(0, time.Second)).in(Released{}, s.life(0, 0), s.life(1, 0)).skip()
	s.tell(act).want(Running, "stop 1 at 5s as #3 with 300ms, stop 0 at 5s as #4 with 2s")
	s.tell(act).want(Running, "")
	act.Turn, act.Commands = 1, []int{0}
	s.tell(act).want(Running, "stop 0 at 5s as #5 with 2s")
	s.tell(message.Control{Kind: message.Act, Action: 4, At: s.now, Commands: []int{0}}).want(Running, "") // it is not called
	s.tell(message.Control{Kind: message.Act, Action: 5, At: s.now, Commands: []int{0}}).want(Running, "") // there is none
	s.in(Acted{Token: 5, At: s.now}).saying(message.Acted, "7/1 on 0.0 due 5s at 0s")
	s.skip().in(s.end(0, 0, 0), s.end(1, 0, 0)).want(Running, "log exited, log exited")
	act.Turn = 2
	s.stop().skip().tell(act).want(Stopping, "")
}

// A process whose beat is being stopped is not started again by an action that is called then; another
// one is, and may be acted on otherwise.
func TestCalledStartAfterAStopOfItsBeat(t *testing.T) {
	t.Parallel()
	again := message.Action{Number: 7, Do: message.ActStart, Called: true}
	s := newSite(t, acting(again, called8), with(1, func(c *message.Command) { c.Beat = 1 })).released()
	s.tell(start(1, time.Second)).in(s.life(0, 0), s.life(1, 0), s.end(0, 0, 0), s.end(1, 0, 0)).skip()
	s.tell(message.Control{Kind: message.Stop, Cause: message.StopRule, FromBeat: 1, At: s.now.Add(time.Second)}).skip()
	s.tell(message.Control{Kind: message.Act, Action: 7, At: s.now, Commands: []int{1, 0}}).want(Running, "log acted, start 0 at 1s as #1")
	s.saying(message.Acted, "7/0 on 1.0 due 1s at 1s: it is being stopped")
	s.tell(message.Control{Kind: message.Act, Action: 8, At: s.now, Commands: []int{1}}).want(Running, "stop 1 at 1s as #2 with 2s")
}

// An action may be told of before the start of the life that it was carried out on: that
// is told first, and the end is by the action all the same.
func TestActionOnAStartThatIsNotKnownYet(t *testing.T) {
	t.Parallel()
	s := newSite(t, acting(killAt20)).reach(Armed)
	s.in(Acted{Token: 1, At: s.now}).want(Armed, "")
	s.in(s.life(0, 0)).want(Armed, "log started, log acted")
	s.in(s.by("SIGKILL", 0, 0)).saying(message.Exited, "0.0 by action 4")
}

// actionCommand gives a job a command of PhaseAction, with number 2, and the action that
// runs it.
func actionCommand(j *message.Job) {
	step(message.PhaseAction, "compact")(j)
	j.Actions = []message.Action{{Number: 1, Do: message.ActRun, AfterMS: 40, Commands: []int{2}}}
}

// A command of an action has its own time. However it ends, the publisher decides what that means.
func TestCommandsOfActions(t *testing.T) {
	t.Parallel()
	s := newSite(t, actionCommand)
	s.in(Granted{}, DirMade{}).want(Preparing, "make dir, prepare open")
	s.in(Prepared{}).released().want(Running, "release at 1s, run 2 at 1.04s as #1")
	s.in(Acted{Token: 1, At: s.now}, s.life(2, 0)).pass(9999*time.Millisecond).want(Running, "log started, log acted, log started")
	s.pass(time.Millisecond).want(Running, "stop 2 at 11s as #2 with 2s")
	e := s.by("SIGTERM", 2, 0)
	e.Exit.Stopped = true
	s.in(Acted{Token: 2}, e).want(Running, "log exited, remark command failed").saying(message.Exited, "2.0 timed out")
	s.in(s.end(0, 0, 0), s.end(1, 0, 0)).want(Running, "log exited, log exited") // it stays open
	s.tell(message.Control{Kind: message.Stop, Cause: message.StopRule}).in(SetDone{Totals: []streams.Total{{}, {}, {StdoutBytes: 9}}}, Cleared{})
	if got := s.last(message.Done).Done.Totals[2].StdoutBytes; got != 9 {
		t.Errorf("it has written %d bytes, want 9", got)
	}

	s = newSite(t, actionCommand).released()
	s.in(s.life(2, 0)).skip()
	s.in(s.end(2, 0, 0)).pass(20*time.Second).want(Running, "log started, log exited") // its time is not counted any more

	s = newSite(t, actionCommand).released() // nor once the run is stopped: that ends it
	s.in(s.life(2, 0)).pass(9 * time.Second).tell(message.Control{Kind: message.Stop, Cause: message.StopRule}).skip()
	s.pass(5*time.Second).want(Stopping, "")
	e = s.by("SIGTERM", 2, 0)
	e.Exit.Stopped = true
	s.in(e).want(Stopping, "log exited, remark command failed").saying(message.Exited, "2.0")
}

// Lines are told as often as is asked for, each with its life.
func TestWatches(t *testing.T) {
	t.Parallel()
	s := newSite(t, restarting(0, message.RestartAlways, 1, 0), func(j *message.Job) {
		j.Watches = []message.Watch{{Action: 6, Line: "x", Commands: []int{0, 1}, Most: 3}}
	}).reach(Armed)
	s.in(Seen{0, 1, epoch}).want(Armed, "") // it is not known to have begun
	s.in(s.life(1, 0)).want(Armed, "log started, log seen").saying(message.Seen, "6 by 1.0 at 0s")
	s.in(s.life(0, 0), s.end(0, 0, 0)).pass(time.Second).in(s.life(0, 1))
	s.in(Seen{0, 0, epoch}).saying(message.Seen, "6 by 0.0 at 0s")
	s.in(Seen{0, 0, s.now}).saying(message.Seen, "6 by 0.1 at 1s").skip()
	s.in(Seen{0, 1, s.now}).want(Running, "")
}

// Requests to the runner are forgotten with the set, and no number of commands is believed.
func TestNothingIsPlannedOnceTheSetIsOver(t *testing.T) {
	t.Parallel()
	s := newSite(t, acting(killAt20)).released()
	s.in(setDone()).skip()
	s.in(Acted{Token: 1}).want(Clearing, "")
	if len(s.run.planned) > 0 {
		t.Error(fmt.Sprint(s.run.planned))
	}
}
