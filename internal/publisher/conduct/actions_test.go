package conduct

import (
	"slices"
	"strings"
	"testing"
	"time"

	"downbeat/internal/message"
	"downbeat/internal/outcome"
)

// acted reports that an action was carried out on a command or, with a reason, can't be.
func (w *worker) acted(info message.ActedInfo) {
	w.t.Helper()
	if info.DueAt.IsZero() {
		info.DueAt = w.clock()
	}
	w.event(message.Event{Kind: message.Acted, Acted: &info})
}

func (w *worker) seen(command int) {
	w.t.Helper()
	w.event(message.Event{Kind: message.Seen, Seen: &message.SeenInfo{Command: command}})
}

// asked reports that a process asks for something.
func (w *worker) asked(info message.AskedInfo) {
	w.t.Helper()
	w.event(message.Event{Kind: message.Asked, Asked: &info})
}

// kill is an action that kills a.0, on alpha.
func kill(trigger Trigger, optional bool) Action {
	return Action{Do: message.ActSignal, Text: "signal KILL to a.0", Trigger: trigger, Optional: optional, Targets: []int{0}}
}

// acting begins a run of a.0 on alpha and b.0 on bravo, with an action on a.0.
func acting(t *testing.T, a Action, change ...func(*Spec)) (l *harness, alpha, bravo *worker) {
	t.Helper()
	l = newHarness(t)
	l.spec.Actions = []Action{a}
	for _, c := range change {
		c(&l.spec)
	}
	alpha, bravo = l.worker("alpha", proc("a", 0)), l.worker("bravo", proc("b", 0))
	on := message.Action{Number: a.Number, Do: a.Do, Signal: "KILL", Called: !a.Trigger.timed()}
	if a.Trigger.timed() {
		on.AfterMS, on.Commands = a.Trigger.After.Milliseconds(), []int{0}
	}
	alpha.job.Actions, alpha.job.Sync, bravo.job.Sync = []message.Action{on}, true, true
	if a.Trigger.Line {
		bravo.job.Watches = []message.Watch{{Action: a.Number, Line: "x", Commands: []int{0}, Most: max(a.Trigger.Times, 1)}}
	}
	l.start()
	release(alpha, bravo)
	return l, alpha, bravo
}

// killed reports that process 0 was ended by a signal, as the host says by an action.
func (w *worker) killed(action int) {
	w.t.Helper()
	w.exited(message.ExitedInfo{ExitCode: -1, Signal: "SIGKILL", Action: &action, StartedAt: w.clock().Add(-time.Second), EndedAt: w.clock()})
}

// A timed action is carried out by the host's own clock. The process that it ends has not
// failed, and how late it was is known.
func TestTimedActionIsRecorded(t *testing.T) {
	t.Parallel()
	l, alpha, bravo := acting(t, kill(Trigger{After: 2 * time.Second}, false))
	l.advance(2500 * time.Millisecond)
	alpha.acted(message.ActedInfo{})
	alpha.killed(0)
	alpha.done(message.HostDone)
	bravo.exit(0, 0)
	bravo.done(message.HostDone)
	if n := slices.IndexFunc(alpha.controls, func(c message.Control) bool { return c.Kind == message.Act }); n >= 0 {
		t.Error("the host is told to do what it does by itself")
	}
	res := l.end()
	l.wants(res, outcome.RunSucceeded, "")
	if p := res.Processes[0]; p.Outcome != outcome.CommandStopped || p.Reason != "was ended by an action of the file, signal KILL to a.0" {
		t.Errorf("a.0 %s (%s)", p.Outcome, p.Reason)
	}
	act := res.Acts[0]
	late := act.At.Time.Sub(act.DueAt)
	if len(res.Acts) != 1 || !act.Reported || act.DueAt.Sub(res.ReleaseAt) != 2*time.Second || (late-500*time.Millisecond).Abs() > 20*time.Millisecond || act.At.Error == 0 {
		t.Errorf("%+v", res.Acts)
	}
	if n := count[Acted](l.effects); n != 1 {
		t.Errorf("told %d times, want once", n)
	}
}

// That an action has ended a process is believed only where it was carried out on it before.
func TestEndByAnActionThatWasNotCarriedOut(t *testing.T) {
	t.Parallel()
	l, alpha, bravo := acting(t, kill(Trigger{After: 2 * time.Second}, true))
	l.advance(2500 * time.Millisecond)
	alpha.killed(0)
	alpha.obey()
	bravo.obey(0)
	l.wants(l.end(), outcome.RunFailed, "a.0 on alpha was ended by SIGKILL after 1s")
}

// An action after a mark is called once, on the hosts that it concerns, at its time on the
// common clock, and again until something has come of it.
func TestActionAfterAMarkIsCalled(t *testing.T) {
	t.Parallel()
	for _, after := range []time.Duration{0, 10 * time.Second} {
		l, alpha, bravo := acting(t, kill(Trigger{Mark: "loaded", After: after}, false))
		l.advance(time.Second)
		marked := l.now
		bravo.asked(message.AskedInfo{ID: 1, What: message.AskMark, Name: "loaded", Process: "b.0"})
		bravo.asked(message.AskedInfo{ID: 2, What: message.AskMark, Name: "loaded", Process: "b.0"})
		bravo.asked(message.AskedInfo{ID: 3, What: message.AskMark, Name: "other", Process: "b.0"})
		act := alpha.expect(message.Act)
		if ahead := act.At.Sub(alpha.clock()); ahead > callAhead || ahead < 0 {
			t.Errorf("it is told %s ahead", ahead)
		}
		want := max(after, minStopMargin+oneWay)
		if off := act.At.Add(-hostSkew).Sub(marked) - want; off.Abs() > oneWay || act.Action != 0 || act.Turn != 0 || !slices.Equal(act.Commands, []int{0}) {
			t.Errorf("%+v, %s off", act, off)
		}
		alpha.controls = nil
		l.advance(2500 * time.Millisecond)
		if n := len(alpha.controls); n != 2 {
			t.Errorf("in 2.5 s it comes %d times again, want 2", n)
		}
		alpha.controls = nil
		alpha.acted(message.ActedInfo{DueAt: act.At})
		alpha.expectNothing()
		for _, c := range bravo.controls {
			if c.Kind != message.Respond {
				t.Errorf("bravo gets a %s", c.Kind)
			}
		}
		alpha.killed(0)
		bravo.exit(0, 0)
		bravo.done(message.HostDone)
		alpha.obey() // it stays until it is stopped
		res := l.end()
		l.wants(res, outcome.RunSucceeded, "")
		if len(res.Marks) != 3 || res.Marks[2].Name != "other" || res.Marks[0].Process != "b.0" || res.Marks[0].Host != 1 || res.Marks[0].At.Error == 0 {
			t.Errorf("marks %+v", res.Marks)
		}
	}
}

// An action after a mark is done to the process that made it, if it says so: to the first that
// is known.
func TestActionIsDoneToWhoMadeTheMark(t *testing.T) {
	t.Parallel()
	l := newHarness(t)
	l.spec.Actions = []Action{{Number: 0, Do: message.ActStop, Text: "stop the process that made the mark", Trigger: Trigger{Mark: "leader"}, Targets: []int{0, 1}, ThatOne: true}}
	alpha := l.worker("alpha", proc("a", 0), proc("a", 1))
	alpha.job.Actions, alpha.job.Sync = []message.Action{{Do: message.ActStop, Called: true}}, true
	l.start()
	release(alpha)
	alpha.asked(message.AskedInfo{ID: 1, What: message.AskMark, Name: "leader"})
	alpha.asked(message.AskedInfo{ID: 2, What: message.AskMark, Name: "leader", Process: "stranger.1"})
	alpha.asked(message.AskedInfo{ID: 3, What: message.AskMark, Name: "leader", Process: "a.1"})
	alpha.asked(message.AskedInfo{ID: 4, What: message.AskMark, Name: "leader", Process: "a.0"})
	l.advance(100 * time.Millisecond)
	alpha.controls = slices.DeleteFunc(alpha.controls, func(c message.Control) bool { return c.Kind == message.Respond })
	act := alpha.expect(message.Act)
	if act.Turn != 0 || !slices.Equal(act.Commands, []int{1}) {
		t.Errorf("%+v", act)
	}
	alpha.acted(message.ActedInfo{Command: 1})
	alpha.expectNothing()
	alpha.ends(0, 1)
	alpha.obey()
	l.wants(l.end(), outcome.RunSucceeded, "")
}

// An action after a line is done to the process that wrote it, if it says so, as many times as
// it may be.
func TestActionAfterALine(t *testing.T) {
	t.Parallel()
	l := newHarness(t)
	l.spec.Actions = []Action{{Number: 0, Do: message.ActSignal, Text: "signal USR1 to the process that wrote it", Trigger: Trigger{Line: true, Times: 2}, Targets: []int{0, 1}, ThatOne: true}}
	alpha := l.worker("alpha", proc("a", 0), proc("a", 1))
	alpha.job.Actions = []message.Action{{Do: message.ActSignal, Signal: "USR1", Called: true}}
	alpha.job.Watches = []message.Watch{{Line: "leader", Commands: []int{0, 1}, Most: 2}}
	l.start()
	release(alpha)
	for turn := range 3 {
		alpha.seen(1)
		if turn == 2 {
			alpha.expectNothing()
			break
		}
		act := alpha.expect(message.Act)
		if act.Turn != turn || !slices.Equal(act.Commands, []int{1}) {
			t.Errorf("turn %d: %+v", turn, act)
		}
		alpha.acted(message.ActedInfo{Turn: turn, Command: 1})
	}
	alpha.ends(0, 1)
	alpha.obey()
	res := l.end()
	l.wants(res, outcome.RunSucceeded, "")
	if len(res.Acts) != 2 || res.Acts[1].Turn != 1 || res.Acts[1].Command != 1 {
		t.Errorf("%+v", res.Acts)
	}
}

// An action that could not be done fails the run in the end, unless it is optional.
func TestActionThatIsNotCarriedOut(t *testing.T) {
	t.Parallel()
	timed, mark, line := Trigger{After: 2 * time.Second}, Trigger{Mark: "loaded"}, Trigger{Line: true}
	for name, test := range map[string]struct {
		trigger Trigger
		say     func(l *harness, alpha, bravo *worker)
		want    string
	}{
		"refused": {timed, func(l *harness, alpha, _ *worker) {
			l.advance(3 * time.Second)
			alpha.acted(message.ActedInfo{Reason: "it has ended"})
		}, "action 0 (signal KILL to a.0) was not carried out on a.0 on alpha: it has ended"},
		"not reached": {timed, func(*harness, *worker, *worker) {}, "action 0 (signal KILL to a.0) was not carried out: the run ended before"},
		"no mark":     {mark, func(*harness, *worker, *worker) {}, "no process has set the mark loaded before the run ended"},
		"no line":     {line, func(*harness, *worker, *worker) {}, "no such line came before the run ended"},
		"too late": {mark, func(l *harness, alpha, bravo *worker) {
			alpha.exit(0, 0)
			alpha.tearingDown()
			bravo.asked(message.AskedInfo{ID: 1, What: message.AskMark, Name: "loaded"})
		}, "nothing of the run is left there"},
	} {
		for _, optional := range []bool{false, true} {
			l, alpha, bravo := acting(t, kill(test.trigger, optional))
			test.say(l, alpha, bravo)
			bravo.exit(0, 0)
			bravo.done(message.HostDone)
			if l.run.hosts[0].left > 0 {
				alpha.exit(0, 0)
			}
			if !test.trigger.timed() && l.run.hosts[0].phase == Released {
				alpha.obey()
			} else {
				alpha.done(message.HostDone)
			}
			if res := l.end(); optional {
				l.wants(res, outcome.RunSucceeded, "")
			} else if res.Outcome != outcome.RunFailed || !strings.Contains(res.Reason, test.want) {
				t.Errorf("%s: %s (%s), want %s", name, res.Outcome, res.Reason, test.want)
			}
		}
	}
}

// A command that an action runs is recorded, and fails the run if it fails.
func TestCommandOfAnAction(t *testing.T) {
	t.Parallel()
	for code, word := range map[int]outcome.Run{0: outcome.RunSucceeded, 4: outcome.RunFailed} {
		l := newHarness(t)
		l.spec.Actions = []Action{{Do: message.ActRun, Text: "./compact on alpha", Trigger: Trigger{After: time.Second}, Targets: []int{1}}}
		alpha := l.worker("alpha", proc("a", 0), step(message.PhaseAction, 0))
		alpha.job.Actions = []message.Action{{Do: message.ActRun, AfterMS: 1000, Commands: []int{1}}}
		l.start()
		release(alpha)
		l.advance(time.Second)
		alpha.acted(message.ActedInfo{Command: 1})
		alpha.step(1, code)
		alpha.exit(0, 0)
		if stop := alpha.obey(); stop.Reason != "every process has ended" || stop.Cause != message.StopRule {
			t.Errorf("stopped as %s (%s)", stop.Cause, stop.Reason)
		}
		res := l.end()
		want := ""
		if code != 0 {
			want = "action 0 (./compact on alpha) has failed: action.0 on alpha exited with status 4"
		}
		l.wants(res, word, want)
		if acted := res.Hosts[0].Acted; len(acted) != 1 || acted[0].Exit.ExitCode != code {
			t.Errorf("%+v", acted)
		}
	}
}

// A command that is to run a second time while it runs is said to begin anew when it has ended.
func TestCommandOfAnActionRunsAgain(t *testing.T) {
	t.Parallel()
	l := newHarness(t)
	l.spec.Actions = []Action{{Do: message.ActRun, Text: "./compact on alpha", Trigger: Trigger{Line: true, Times: 2}, Targets: []int{1}}}
	alpha := l.worker("alpha", proc("a", 0), step(message.PhaseAction, 0))
	alpha.job.Actions = []message.Action{{Do: message.ActRun, Called: true}}
	alpha.job.Watches = []message.Watch{{Line: "x", Commands: []int{0}, Most: 2}}
	l.start()
	release(alpha)
	for range 2 {
		alpha.seen(0)
		alpha.expect(message.Act)
	}
	alpha.acted(message.ActedInfo{Command: 1})
	alpha.begins(1)
	alpha.exited(message.ExitedInfo{Command: 1, Again: true, StartedAt: alpha.clock(), EndedAt: alpha.clock()})
	alpha.acted(message.ActedInfo{Command: 1, Turn: 1, Life: 1})
	alpha.life(1, 1)
	alpha.exited(message.ExitedInfo{Command: 1, Life: 1, StartedAt: alpha.clock(), EndedAt: alpha.clock()})
	alpha.exit(0, 0)
	alpha.obey()
	res := l.end()
	l.wants(res, outcome.RunSucceeded, "")
	if acted := res.Hosts[0].Acted; len(acted) != 2 {
		t.Errorf("%+v, want two executions", acted)
	}
}

// A process that an action starts again is not over.
func TestProcessThatAnActionStarts(t *testing.T) {
	t.Parallel()
	l := newHarness(t)
	l.spec.Actions = []Action{{Do: message.ActStart, Text: "start a.0", Trigger: Trigger{Mark: "again"}, Targets: []int{0}}}
	alpha := l.worker("alpha", proc("a", 0), proc("b", 0))
	alpha.job.Actions, alpha.job.Sync = []message.Action{{Do: message.ActStart, Called: true}}, true
	l.start()
	release(alpha)
	alpha.exit(0, 0)
	alpha.asked(message.AskedInfo{ID: 1, What: message.AskMark, Name: "again"})
	alpha.expect(message.Act)
	alpha.expect(message.Respond)
	alpha.life(0, 1)
	alpha.acted(message.ActedInfo{Life: 1})
	alpha.exit(1, 0)
	alpha.expectNothing()
	alpha.exited(message.ExitedInfo{Life: 1, StartedAt: alpha.clock(), EndedAt: alpha.clock()})
	alpha.obey()
	res := l.end()
	l.wants(res, outcome.RunSucceeded, "")
	if len(res.Processes[0].Earlier) != 1 {
		t.Errorf("%+v", res.Processes[0])
	}
}

// A host that answers and does not do what it is told is lost.
func TestHostThatDoesNotAct(t *testing.T) {
	t.Parallel()
	l, _, bravo := acting(t, kill(Trigger{Mark: "loaded"}, true))
	bravo.asked(message.AskedInfo{ID: 1, What: message.AskMark, Name: "loaded"})
	l.wants(l.end(), outcome.RunLost, "alpha did not carry out action 0 (signal KILL to a.0) within 10s, though it answers")
}

// A host that says something impossible about actions contradicts itself.
func TestActsThatCannotBe(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		trigger Trigger
		say     func(alpha, bravo *worker)
		want    string
	}{
		"no such action":  {Trigger{}, func(a, _ *worker) { a.acted(message.ActedInfo{Action: 9}) }, "action 9 is said to have been carried out, which is not one of its"},
		"not called":      {Trigger{Mark: "x"}, func(a, _ *worker) { a.acted(message.ActedInfo{}) }, "action 0 is said to have been carried out on a.0, which nobody had asked for"},
		"another turn":    {Trigger{}, func(a, _ *worker) { a.acted(message.ActedInfo{Turn: 1}) }, "action 0 is said to have been carried out on a.0, which nobody had asked for"},
		"twice":           {Trigger{}, func(a, _ *worker) { a.acted(message.ActedInfo{}); a.acted(message.ActedInfo{}) }, "action 0 is said to have been carried out on a.0 twice"},
		"no such command": {Trigger{}, func(a, _ *worker) { a.acted(message.ActedInfo{Command: 5}) }, "command 5 is said to have been acted on"},
		"no watch":        {Trigger{}, func(a, _ *worker) { a.seen(0) }, "a line of a.0 is told of for action 0, which does not wait for one"},
		"asked backwards": {Trigger{}, func(a, _ *worker) {
			a.asked(message.AskedInfo{ID: 2, What: message.AskMark, Name: "x"})
			a.asked(message.AskedInfo{ID: 1, What: message.AskMark, Name: "x"})
		}, "request 1 of its processes comes after request 2"},
		"asked where nothing can be": {Trigger{}, func(a, _ *worker) {
			a.job.Sync = false
			a.asked(message.AskedInfo{ID: 1, What: message.AskMark, Name: "x"})
		}, "a process is said to ask for something, and has no place for that"},
	} {
		l, alpha, bravo := acting(t, kill(test.trigger, true))
		test.say(alpha, bravo)
		if res := l.end(); res.Outcome != outcome.RunLost || !strings.Contains(res.Reason, test.want) {
			t.Errorf("%s: %s (%s), want %s", name, res.Outcome, res.Reason, test.want)
		}
	}
}

// An action can come before a host's only process, which is begun later than the others: it is
// not carried out, and the host's word for that is believed.
func TestActionBeforeTheFirstProcessOfAHost(t *testing.T) {
	t.Parallel()
	l := newHarness(t)
	l.spec.Actions = []Action{kill(Trigger{After: time.Second}, false)}
	late := proc("a", 0)
	late.DelayMS = 5000
	alpha, bravo := l.worker("alpha", late), l.worker("bravo", proc("b", 0))
	alpha.job.Actions = []message.Action{{Do: message.ActSignal, Signal: "KILL", AfterMS: 1000, Commands: []int{0}}}
	l.start()
	hold(alpha, bravo)
	alpha.expect(message.Start)
	bravo.expect(message.Start)
	bravo.started(bravo.clock())
	l.advance(1500 * time.Millisecond)
	alpha.acted(message.ActedInfo{Reason: "it has not begun"})
	l.advance(4 * time.Second)
	alpha.started(alpha.clock())
	alpha.exit(0, 0)
	bravo.exit(0, 0)
	alpha.done(message.HostDone)
	bravo.done(message.HostDone)
	l.wants(l.end(), outcome.RunFailed, "it has not begun")
}

// A line may be told before the word of the release has come from the host that an action is
// for: that host is told once it has.
func TestActionWaitsForTheWordOfTheRelease(t *testing.T) {
	t.Parallel()
	l := newHarness(t)
	l.spec.Actions = []Action{{Do: message.ActSignal, Text: "signal USR1 to b.0", Trigger: Trigger{Line: true, Times: 1}, Targets: []int{1}}}
	alpha, bravo := l.worker("alpha", proc("a", 0)), l.worker("bravo", proc("b", 0))
	alpha.job.Actions = []message.Action{{Do: message.ActSignal, Signal: "USR1", Called: true}}
	bravo.job.Actions, alpha.job.Watches = alpha.job.Actions, []message.Watch{{Line: "now", Commands: []int{0}, Most: 1}}
	l.start()
	hold(alpha, bravo)
	alpha.started(alpha.expect(message.Start).At)
	start := bravo.expect(message.Start)
	alpha.seen(0)
	l.advance(100 * time.Millisecond)
	bravo.started(start.At)
	if act := bravo.expect(message.Act); !slices.Equal(act.Commands, []int{0}) {
		t.Errorf("bravo is told %+v", act)
	}
}
