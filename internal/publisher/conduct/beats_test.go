package conduct

import (
	"slices"
	"strings"
	"testing"
	"time"

	"downbeat/internal/message"
	"downbeat/internal/outcome"
	"downbeat/internal/streams"
)

// on puts a process on a beat.
func on(beat int, c message.Command) message.Command {
	c.Beat = beat
	return c
}

// listens has a process become ready.
func listens(c message.Command) message.Command {
	c.Ready = &message.Readiness{Port: 7000, WithinMS: 30_000}
	return c
}

// after is a beat with these conditions.
func after(conditions ...Condition) Beat { return Beat{After: conditions} }

// takes waits for the start of a beat, and says that it is known.
func (w *worker) takes(beat int) message.Control {
	w.t.Helper()
	start := w.expect(message.Start)
	if start.Beat != beat {
		w.t.Fatalf("%s gets the start of beat %d, want %d", w.host, start.Beat, beat)
	}
	w.arms(beat, start.At)
	return start
}

func (w *worker) arms(beat int, at time.Time) {
	w.t.Helper()
	w.event(message.Event{Kind: message.Armed, Armed: &message.ArmedInfo{Beat: beat, At: at}})
}

// life reports that a life of a process began now.
func (w *worker) life(command, life int) {
	w.t.Helper()
	w.event(message.Event{Kind: message.Started, Started: []message.StartedInfo{{Command: command, Life: life, PID: 100 + life, StartedAt: w.clock()}}})
}

// isReady reports that a process can be used or, with a reason, that it can't.
func (w *worker) isReady(command int, reason string) {
	w.t.Helper()
	w.event(message.Event{Kind: message.ProcessReady, ProcessReady: &message.ProcessReadyInfo{Command: command, Reason: reason}})
}

// staged begins a run of two beats: server.0 on alpha, which becomes ready, and client.0 on
// bravo after it. The first beat is released.
func staged(t *testing.T, change ...func(*Spec)) (l *harness, alpha, bravo *worker) {
	t.Helper()
	l = newHarness(t)
	l.spec.Beats = []Beat{{}, after(Condition{Group: "server"})}
	for _, c := range change {
		c(&l.spec)
	}
	alpha, bravo = l.worker("alpha", listens(proc("server", 0))), l.worker("bravo", on(1, proc("client", 0)))
	l.start()
	hold(alpha, bravo)
	alpha.expect(message.Start)
	bravo.takes(0)
	alpha.started(alpha.clock())
	return l, alpha, bravo
}

// A beat is released when all that it waits for is so, and its delays are over; what it
// waits for counts from when it was so, not from when that was heard of.
func TestBeatIsReleasedWhenItsConditionsHold(t *testing.T) {
	t.Parallel()
	ready, ended := Condition{Group: "server"}, Condition{Group: "server", Ended: true}
	for name, test := range map[string]struct {
		after []Condition
		say   func(l *harness, w *worker)
		want  time.Duration // from what was said last to the release; 0: as soon as can be
	}{
		"ready":             {[]Condition{ready}, func(_ *harness, w *worker) { w.isReady(0, "") }, 0},
		"ready, with delay": {[]Condition{{Group: "server", Delay: 3 * time.Second}}, func(_ *harness, w *worker) { w.isReady(0, "") }, 3 * time.Second},
		"long delay":        {[]Condition{{Group: "server", Delay: time.Minute}}, func(_ *harness, w *worker) { w.isReady(0, "") }, time.Minute},
		"ended":             {[]Condition{ended}, func(_ *harness, w *worker) { w.isReady(0, ""); w.exit(0, 0) }, 0},
		"both": {[]Condition{{Group: "server", Delay: 10 * time.Second}, {Group: "server", Ended: true, Delay: time.Second}}, func(l *harness, w *worker) {
			w.isReady(0, "")
			l.advance(2 * time.Second)
			w.exit(0, 0)
		}, 8 * time.Second},
		"it stays so": {[]Condition{{Group: "server", Delay: 4 * time.Second}}, func(l *harness, w *worker) {
			w.isReady(0, "")
			l.advance(time.Second)
			w.exit(0, 0)
		}, 3 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, alpha, bravo := staged(t, func(s *Spec) { s.Beats[1].After = test.after })
			l.advance(time.Second)
			if len(bravo.controls) > 0 {
				t.Fatalf("bravo gets a %s before anything is so", bravo.controls[0].Kind)
			}
			test.say(l, alpha)
			said := l.now
			start := bravo.takes(1)
			at := start.At.Add(-hostSkew).Sub(said)
			if test.want == 0 {
				test.want = minStopMargin + oneWay // three round trips
			}
			if off := (at - test.want).Abs(); off > oneWay { // what the clocks are known to
				t.Errorf("released %s after that, want %s", at, test.want)
			}
			if ahead := start.At.Add(-hostSkew).Sub(l.now); ahead > beatAhead {
				t.Errorf("it is told %s ahead", ahead)
			}
		})
	}
}

// All hosts that know of a beat by their jobs get its start, at one instant; those that
// know nothing of it, and those that are over, get none.
func TestStartOfABeatGoesToThoseWhoKnowOfIt(t *testing.T) {
	t.Parallel()
	l := newHarness(t)
	l.spec.Beats = []Beat{{}, after(Condition{Group: "a", Ended: true}), after(Condition{Group: "b"})}
	l.spec.Stop.OnFailure = false
	alpha, bravo, charlie, delta := l.worker("alpha", proc("a", 0)), l.worker("bravo", on(1, proc("b", 0))),
		l.worker("charlie", on(2, proc("c", 0))), l.worker("delta", proc("d", 0), on(1, proc("d", 1)))
	all := []*worker{alpha, bravo, charlie, delta}
	l.start()
	hold(all...)
	alpha.expect(message.Start)
	for _, w := range all[1:] {
		w.takes(0)
	}
	l.advance(100 * time.Millisecond)
	alpha.started(alpha.clock())
	alpha.exit(0, 0)
	alpha.done(message.HostDone)
	at := bravo.takes(1).At
	if other := charlie.takes(1).At; !other.Equal(at) {
		t.Errorf("bravo is to begin at %s and charlie at %s", at, other)
	}
	delta.takes(1)
	l.advance(100 * time.Millisecond)
	bravo.life(0, 0)
	delta.started(delta.clock())
	if start := charlie.takes(2); !start.At.After(at) {
		t.Errorf("beat 2 is to begin at %s, and beat 1 at %s", start.At, at)
	}
	l.advance(100 * time.Millisecond)
	charlie.life(0, 0)
	for _, w := range all {
		w.expectNothing()
	}
}

// No beat begins before every host knows of the first, whatever its conditions are.
func TestNoBeatBeforeTheFirst(t *testing.T) {
	t.Parallel()
	l := newHarness(t)
	l.spec.Beats = []Beat{{}, after(Condition{Group: "server"})}
	alpha, bravo := l.worker("alpha", proc("server", 0)), l.worker("bravo", on(1, proc("client", 0)))
	l.start()
	hold(alpha, bravo)
	alpha.expect(message.Start)
	alpha.started(alpha.clock())
	first := bravo.expect(message.Start)
	l.advance(2500 * time.Millisecond)
	for _, c := range bravo.controls {
		if c.Beat != 0 {
			t.Fatalf("bravo gets the start of beat %d, and has not said that it knows the first", c.Beat)
		}
	}
	bravo.controls = nil
	bravo.arms(0, first.At)
	bravo.takes(1)
}

// A beat whose instant was agreed on, and that is stopped before it, is not said to begin.
func TestBeatThatIsStoppedBeforeItsInstant(t *testing.T) {
	t.Parallel()
	l, alpha, bravo := staged(t, func(s *Spec) { s.Beats[1].After[0].Delay = time.Second })
	alpha.isReady(0, "")
	bravo.takes(1)
	l.input(Interrupted{Reason: "interrupted"})
	l.advance(3 * time.Second)
	for _, e := range l.effects {
		if b, ok := e.(BeatBegins); ok && b.Beat == 1 {
			t.Error("the beat is said to begin after the stop")
		}
	}
}

// The start of a beat is sent again until the host has said that it knows it, and a host
// that answers and never does is lost.
func TestStartOfABeatIsRepeatedUntilItIsKnown(t *testing.T) {
	t.Parallel()
	l, alpha, bravo := staged(t)
	alpha.isReady(0, "")
	first := bravo.expect(message.Start)
	l.advance(3500 * time.Millisecond)
	if n := len(bravo.controls); n != 3 {
		t.Errorf("in 3.5 s it comes %d times again, want 3", n)
	}
	for _, c := range bravo.controls {
		if c.Kind != message.Start || c.Beat != 1 || c.At.Sub(first.At).Abs() > 100*time.Microsecond {
			t.Errorf("then comes %+v, and first came %+v", c, first)
		}
	}
	bravo.controls = nil
	l.wants(l.end(), outcome.RunLost, "bravo did not take the start of beat 1 (client) within 10s, though it answers")
}

// A host that knows when a beat begins, and whose processes don't begin then, is lost.
func TestBeatThatDoesNotBeginOnAHost(t *testing.T) {
	t.Parallel()
	l, alpha, bravo := staged(t)
	alpha.isReady(0, "")
	bravo.takes(1)
	bravo.expectNothing()
	l.wants(l.end(), outcome.RunLost, "bravo did not start its processes of beat 1 (client) within 10s, though it answers")
}

// If a condition of a beat can't hold any more, the run fails with the name of the process.
func TestBeatThatCanNeverBegin(t *testing.T) {
	t.Parallel()
	ready, ended := Condition{Group: "server"}, Condition{Group: "server", Ended: true}
	for name, test := range map[string]struct {
		after Condition
		say   func(*worker)
		want  string
	}{
		"failed":            {ended, func(w *worker) { w.isReady(0, ""); w.exit(0, 3) }, "server.0 on alpha exited with status 3 after 0s; so beat 1 (client) can't begin"},
		"not ready":         {ready, func(w *worker) { w.isReady(0, "nothing accepts a connection") }, "server.0 on alpha did not become ready (port 7000): nothing accepts a connection"},
		"ended, not failed": {ready, func(w *worker) { w.exit(0, 0); w.isReady(0, "it has ended") }, "server.0 on alpha did not become ready (port 7000): it has ended"},
	} {
		for _, onFailure := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				l, alpha, bravo := staged(t, func(s *Spec) { s.Beats[1].After, s.Stop.OnFailure = []Condition{test.after}, onFailure })
				test.say(alpha)
				if alpha.seq > 4 && l.run.hosts[0].left == 0 {
					alpha.obey()
				} else {
					alpha.obey(0)
				}
				bravo.obey()
				res := l.end()
				want := test.want
				if onFailure {
					want, _, _ = strings.Cut(want, "; so")
				}
				l.wants(res, outcome.RunFailed, want)
				if p := res.Processes[0]; p.Outcome != outcome.CommandFailed {
					t.Errorf("server.0 %s (%s), want failed", p.Outcome, p.Reason)
				}
				if p := res.Processes[1]; p.Outcome != outcome.CommandNotStarted {
					t.Errorf("client.0 %s, want not_started", p.Outcome)
				}
			})
		}
	}
}

// A process that did not become ready fails the run with what it had said last, though
// that comes later; one that nothing waits for does so at the end, if failures don't stop
// the run.
func TestProcessThatDoesNotBecomeReady(t *testing.T) {
	t.Parallel()
	for _, onFailure := range []bool{true, false} {
		l := newHarness(t)
		l.spec.Stop.OnFailure, l.spec.Stop.When = onFailure, []string{"a"}
		alpha := l.worker("alpha", listens(proc("server", 0)), proc("a", 0))
		l.start()
		release(alpha)
		alpha.output(0, streams.Stdout, "one\ntwo\n\nthree\n")
		alpha.isReady(0, "nothing accepts a connection")
		alpha.output(0, streams.Stderr, "bind: \x1b[1maddress in use\n")
		if !onFailure {
			alpha.expectNothing()
			alpha.exit(1, 0)
			alpha.obey(0)
		} else {
			alpha.obey(0, 1)
		}
		res := l.end()
		want := `server.0 on alpha did not become ready (port 7000): nothing accepts a connection; its last lines: "two", "three", "bind: \x1b[1maddress in use"`
		l.wants(res, outcome.RunFailed, want)
		if p := res.Processes[0]; p.Outcome != outcome.CommandFailed || !strings.HasPrefix(p.Reason, "did not become ready (port 7000)") {
			t.Errorf("server.0 %s (%s)", p.Outcome, p.Reason)
		}
		if h := res.Hosts[0]; h.Outcome != outcome.HostFailed {
			t.Errorf("alpha %s (%s), want failed", h.Outcome, h.Reason)
		}
	}
}

// A run whose stop comes before a process was ready has not failed by that.
func TestStopBeforeReadinessIsNoFailure(t *testing.T) {
	t.Parallel()
	l := newHarness(t)
	l.spec.Stop.When = []string{"a"}
	alpha := l.worker("alpha", listens(proc("server", 0)), proc("a", 0))
	l.start()
	release(alpha)
	alpha.exit(1, 0)
	stop := alpha.expect(message.Stop)
	l.advance(time.Second)
	alpha.event(message.Event{Kind: message.Stopping, Time: stop.At, Stopping: &message.StoppingInfo{Cause: stop.Cause}})
	alpha.exited(message.ExitedInfo{ExitCode: -1, Signal: "SIGTERM", Stopped: true, StartedAt: stop.At, EndedAt: alpha.clock()})
	alpha.isReady(0, "it has ended")
	alpha.done(message.HostDone)
	l.wants(l.end(), outcome.RunSucceeded, "")
}

// When a process became ready is known, with its bound.
func TestReadinessIsRecorded(t *testing.T) {
	t.Parallel()
	l, alpha, bravo := staged(t)
	l.advance(time.Second)
	at := l.now
	alpha.isReady(0, "")
	bravo.takes(1)
	l.advance(100 * time.Millisecond)
	bravo.life(0, 0)
	bravo.exit(0, 0)
	bravo.done(message.HostDone)
	alpha.exit(0, 0)
	alpha.done(message.HostDone)
	res := l.end()
	l.wants(res, outcome.RunSucceeded, "")
	if got := res.Processes[0].ReadyAt; got.Time.Sub(at).Abs() > got.Error || got.Error > oneWay {
		t.Errorf("ready at %s ±%s, want %s", got.Time, got.Error, at)
	}
	if n := count[ProcessReady](l.effects); n != 1 {
		t.Errorf("told %d times that it is ready, want once", n)
	}
	if n := count[BeatBegins](l.effects); n != 2 {
		t.Errorf("told of %d beats, want 2", n)
	}
}

// count counts the effects of a kind.
func count[E Effect](effects []Effect) int {
	n := 0
	for _, e := range effects {
		if _, ok := e.(E); ok {
			n++
		}
	}
	return n
}

// The time that the rule gives a run counts from the release of the last beat.
func TestStopAfterCountsFromTheLastBeat(t *testing.T) {
	t.Parallel()
	l, alpha, bravo := staged(t, func(s *Spec) { s.Stop.After = 20 * time.Second })
	l.advance(30 * time.Second)
	alpha.isReady(0, "")
	at := bravo.takes(1).At
	bravo.life(0, 0)
	stop := alpha.expect(message.Stop)
	if after := stop.At.Sub(at); after < 20*time.Second || after > 20*time.Second+2*minStopMargin {
		t.Errorf("stopped %s after the last beat", after)
	}
}

// Stops by the rule are for the last beat first, each step once the one before is done; any
// other is for all at once.
func TestStopsInSteps(t *testing.T) {
	t.Parallel()
	l, alpha, bravo := staged(t, func(s *Spec) { s.Stop.After, s.Stop.Order = 20*time.Second, LastBeatFirst })
	alpha.isReady(0, "")
	bravo.takes(1)
	l.advance(100 * time.Millisecond)
	bravo.life(0, 0)
	first := bravo.expect(message.Stop)
	if first.FromBeat != 1 || first.Cause != message.StopRule || first.GraceMS != 7000 {
		t.Errorf("bravo gets %+v", first)
	}
	l.advance(2500 * time.Millisecond)
	if n := len(bravo.controls); n != 2 {
		t.Errorf("in 2.5 s the stop comes %d times again, want 2", n)
	}
	bravo.controls = nil
	alpha.expectNothing()
	bravo.controls = nil
	bravo.exited(message.ExitedInfo{ExitCode: -1, Signal: "SIGTERM", Stopped: true, StartedAt: first.At, EndedAt: bravo.clock()})
	all := alpha.expect(message.Stop)
	if all.FromBeat != 0 || all.At.Sub(alpha.clock()) < 0 {
		t.Errorf("alpha gets %+v", all)
	}
	alpha.event(message.Event{Kind: message.Stopping, Time: all.At, Stopping: &message.StoppingInfo{Cause: all.Cause}})
	alpha.exited(message.ExitedInfo{ExitCode: -1, Signal: "SIGTERM", Stopped: true, StartedAt: all.At, EndedAt: all.At})
	alpha.done(message.HostDone)
	bravo.obey()
	res := l.end()
	l.wants(res, outcome.RunSucceeded, "")
	for _, p := range res.Processes {
		if p.Outcome != outcome.CommandStopped || p.Reason != "" {
			t.Errorf("%s %s (%s), want stopped", p.Name, p.Outcome, p.Reason)
		}
	}
	if !slices.Equal(l.causes, []message.StopCause{message.StopRule}) {
		t.Errorf("stops told: %v", l.causes)
	}
}

// Whatever comes while a run is being stopped in steps, and would have stopped it, stops all
// that is left at once.
func TestStopInStepsIsCutShort(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		do   func(l *harness, alpha *worker)
		word outcome.Run
		why  string
	}{
		"interrupted": {func(l *harness, _ *worker) { l.input(Interrupted{Reason: "by hand"}) }, outcome.RunAborted, "by hand"},
		"a failure":   {func(_ *harness, alpha *worker) { alpha.exit(0, 1) }, outcome.RunFailed, "server.0 on alpha exited with status 1"},
		"timeout":     {func(l *harness, _ *worker) { l.advance(20 * time.Second) }, outcome.RunLost, "bravo did not complete"}, // bravo's grace is over, and nothing comes
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, alpha, bravo := staged(t, func(s *Spec) {
				s.Stop.After, s.Stop.Order, s.CompleteWithin = 20*time.Second, LastBeatFirst, 5*time.Second
			})
			alpha.isReady(0, "")
			bravo.takes(1)
			l.advance(100 * time.Millisecond)
			bravo.life(0, 0)
			bravo.expect(message.Stop)
			test.do(l, alpha)
			stop := alpha.expect(message.Stop)
			if stop.FromBeat != 0 {
				t.Errorf("alpha gets %+v", stop)
			}
			if test.word != outcome.RunLost {
				end := message.ExitedInfo{ExitCode: -1, Signal: "SIGTERM", Stopped: true, StartedAt: stop.At, EndedAt: stop.At}
				if name == "interrupted" {
					alpha.exited(end)
				}
				alpha.done(message.HostDone)
				bravo.exited(end)
				bravo.done(message.HostDone)
			}
			res := l.end()
			l.wants(res, test.word, test.why)
			if p := res.Processes[0]; name == "interrupted" && p.Reason != "the run was stopped: by hand" {
				t.Errorf("server.0 %s (%s), and its beat had not been stopped before", p.Outcome, p.Reason)
			}
		})
	}
}

// A process that its worker has stopped by itself has not ended well: no beat begins for that.
func TestBeatDoesNotBeginAfterAProcessThatItsWorkerStopped(t *testing.T) {
	t.Parallel()
	l, alpha, bravo := staged(t, func(s *Spec) { s.Beats[1].After[0].Ended = true })
	l.advance(time.Second)
	alpha.event(message.Event{Kind: message.Stopping, Stopping: &message.StoppingInfo{Cause: message.StopAbort, Reason: "the worker is shutting down"}})
	alpha.exited(message.ExitedInfo{ExitCode: -1, Signal: "SIGTERM", Stopped: true, StartedAt: alpha.clock().Add(-time.Second), EndedAt: alpha.clock()})
	l.advance(time.Second)
	for _, c := range bravo.controls {
		if c.Kind == message.Start {
			t.Errorf("bravo gets the start of beat %d", c.Beat)
		}
	}
}
