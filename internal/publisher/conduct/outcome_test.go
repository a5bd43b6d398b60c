package conduct

import (
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"downbeat/internal/message"
	"downbeat/internal/outcome"
	"downbeat/internal/streams"
)

// A host is known to be lost only when its lease is over. By then processes that talked to
// it have failed, and the run has long been stopped for that; but the host is the cause,
// and is named.
func TestLostHostOutranksAProcessThatFailed(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]func(*worker){
		"silent": func(w *worker) { w.muted = true },
		"died, and was started again": func(w *worker) {
			w.expect(message.Stop)
			w.says(func(d *message.DoneInfo) {
				d.Outcome, d.Reason = message.HostLost, "the worker on charlie died in mid-run"
			})
		},
		"told to leave": func(w *worker) {
			w.expect(message.Stop)
			w.says(func(d *message.DoneInfo) {
				d.Outcome, d.Reason = message.HostStopped, "the worker on this host is shutting down"
			})
		},
		"contradicts itself": func(w *worker) { w.expect(message.Stop); w.done(message.HostDone) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newHarness(t)
			alpha, bravo, charlie := l.worker("alpha", proc("a", 0)), l.worker("bravo", proc("client", 0)), l.worker("charlie", proc("c", 0))
			l.start()
			release(alpha, bravo, charlie)
			l.advance(2 * time.Second)
			bravo.fails(bravo.clock())
			alpha.obey(0) // the stop comes at once
			bravo.obey()
			lose(charlie)
			res := l.end()
			if !strings.Contains(res.Reason, "charlie") || !strings.HasSuffix(res.Reason, "; client.0 on bravo failed meanwhile") {
				t.Errorf("reason %q, want charlie", res.Reason)
			}
			l.wants(res, outcome.RunLost, "charlie")
			if !slices.Equal(l.freed, []outcome.Run{outcome.RunLost}) {
				t.Errorf("whoever goes on as soon as the hosts are free was told %v, want lost", l.freed)
			}
		})
	}
}

// The first to end by the common clock is the cause, not the first that is heard of.
func TestProcessThatEndedFirstIsNamed(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		onFailure bool
		server    time.Duration // when it ended, after its client
		want      string
	}{
		"long before":              {true, -300 * time.Millisecond, "server.0 on alpha exited with status 1 after 1s; then client.0 on bravo failed"},
		"long before, no stop":     {false, -300 * time.Millisecond, "server.0 on alpha exited with status 1 after 1s; then client.0 on bravo failed"},
		"long after, no stop":      {false, 300 * time.Millisecond, "client.0 on bravo exited with status 1 after 1s; then server.0 on alpha failed"},
		"within the clocks' error": {true, 0, " (which was first can't be told: the clocks are known to ±"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newHarness(t)
			l.spec.Stop.OnFailure = test.onFailure
			alpha, bravo := l.worker("alpha", proc("server", 0)), l.worker("bravo", proc("client", 0))
			l.start()
			release(alpha, bravo)
			l.advance(2 * time.Second)
			at := bravo.clock()
			bravo.fails(at)
			alpha.fails(at.Add(test.server))
			alpha.done(message.HostDone)
			bravo.done(message.HostDone)
			res := l.end()
			l.wants(res, outcome.RunFailed, test.want)
			for _, name := range []string{"server.0 on alpha", "client.0 on bravo"} {
				if !strings.Contains(res.Reason, name) {
					t.Errorf("%q does not name %s", res.Reason, name)
				}
			}
		})
	}
}

// A process that had failed before the time was over is the cause, though that was heard
// of later; one that had not, is not.
func TestFailureBeforeTheTimeoutIsTheCause(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		onFailure bool
		ended     time.Duration // before the stop
		word      outcome.Run
		reason    string
	}{
		"before":                    {true, 3 * time.Second, outcome.RunFailed, "a.0 on alpha exited with status 1"},
		"before, and none stops it": {false, 3 * time.Second, outcome.RunTimedOut, "it was not over within 10s"},
		"in the stop":               {true, 0, outcome.RunTimedOut, "it was not over within 10s"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, alpha := alone(t, func(s *Spec) { s.Timeout, s.Stop.OnFailure = 10*time.Second, test.onFailure })
			stop := alpha.expect(message.Stop)
			alpha.fails(stop.At.Add(-test.ended))
			alpha.done(message.HostDone)
			l.wants(l.end(), test.word, test.reason)
		})
	}
}

// A failure before the stop's instant counts, though the stop was for something else, but
// not if the run was aborted.
func TestAbortIsNotOutrankedByWhatComesOfIt(t *testing.T) {
	t.Parallel()
	l, alpha, bravo := pair(t, lease(8*time.Second))
	release(alpha, bravo)
	l.input(Interrupted{Reason: "interrupted"})
	alpha.obey(0)
	bravo.muted = true
	res := l.end()
	l.wants(res, outcome.RunAborted, "interrupted")
	if h := res.Hosts[1]; h.Outcome != outcome.HostLost {
		t.Errorf("bravo %s, want lost", h.Outcome)
	}
}

// A run of which a process could not be ended, or of which nobody knows whether one is
// left, has not succeeded; its reason names what is left. What else the host notes changes
// nothing.
func TestRunThatLeavesProcessesHasNotSucceeded(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		done   message.DoneInfo
		word   outcome.Run
		reason string
	}{
		"left": {
			message.DoneInfo{Left: []message.Leftover{{PID: 42, Command: "dd if=/dev/nfs"}, {PID: 43, Command: "sh"}}},
			outcome.RunFailed, "alpha: could not be ended, and may still be there: dd if=/dev/nfs (pid 42) and sh (pid 43)",
		},
		"unseen": {
			message.DoneInfo{Unseen: "open /proc: too many open files"},
			outcome.RunFailed, "alpha: it can't be told whether processes are left: open /proc: too many open files",
		},
		"notes": {message.DoneInfo{Notes: []string{"left /x behind: why"}}, outcome.RunSucceeded, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, alpha := alone(t)
			alpha.exit(0, 0)
			alpha.says(func(d *message.DoneInfo) {
				d.Left, d.Unseen, d.Notes = test.done.Left, test.done.Unseen, test.done.Notes
			})
			res := l.end()
			if res.Outcome != test.word || res.Reason != test.reason {
				t.Errorf("%s: %q, want %s: %q", res.Outcome, res.Reason, test.word, test.reason)
			}
			h := res.Hosts[0]
			if !slices.Equal(h.Left, test.done.Left) || h.Unseen != test.done.Unseen || !slices.Equal(h.Notes, test.done.Notes) {
				t.Errorf("the host: %+v", h)
			}
			want := outcome.HostSucceeded
			if test.reason != "" {
				want = outcome.HostFailed
			}
			if h.Outcome != want || "alpha: "+h.Reason != test.reason && test.reason != "" {
				t.Errorf("host %s (%s), want %s", h.Outcome, h.Reason, want)
			}
		})
	}
}

// The remains on a host that refuses are told too, and no more of them than a person can read.
func TestWhatARefusalLeavesIsBounded(t *testing.T) {
	t.Parallel()
	l := newHarness(t)
	alpha := l.worker("alpha", proc("a", 0))
	l.start()
	alpha.event(message.Event{Kind: message.Refused, Refused: &message.RefusedInfo{Reason: "no", Left: make([]message.Leftover, 500), Notes: make([]string, 500)}})
	if h := l.end().Hosts[0]; len(h.Left) != maxRemains || len(h.Notes) != maxRemains {
		t.Errorf("%d processes and %d notes are told", len(h.Left), len(h.Notes))
	}
}

// A process that its host could not end has failed for that reason, not because it could
// not be started.
func TestProcessThatCannotBeEndedIsSaidToBe(t *testing.T) {
	t.Parallel()
	l, alpha := alone(t)
	alpha.end(func(e *message.ExitedInfo) { e.ExitCode, e.Reason, e.Left = -1, "it does not react to KILL", true })
	alpha.obey()
	if p := l.end().Processes[0]; p.Outcome != outcome.CommandFailed || p.Reason != "could not be ended: it does not react to KILL" {
		t.Errorf("%s: %q", p.Outcome, p.Reason)
	}
}

// A worker that stops the run by itself has stopped its processes, which have not failed.
func TestProcessThatItsWorkerStoppedHasNotFailed(t *testing.T) {
	t.Parallel()
	l, alpha := alone(t)
	alpha.stops()
	alpha.end(func(e *message.ExitedInfo) { e.ExitCode, e.Signal, e.Stopped = -1, "SIGTERM", true })
	alpha.says(func(d *message.DoneInfo) {
		d.Outcome, d.Reason = message.HostStopped, "the publisher has been silent for 30s"
	})
	res := l.end()
	l.wants(res, outcome.RunLost, "alpha: the publisher has been silent for 30s")
	if p := res.Processes[0]; p.Outcome != outcome.CommandStopped || p.Reason != "its worker stopped the run by itself: the publisher has been silent for 30s" {
		t.Errorf("%s: %q", p.Outcome, p.Reason)
	}
}

// Whatever a host reports, in whatever order, a run has succeeded only if each of its
// processes is known to have started and ended well, and nothing else was said.
func TestNothingButAWholeReportIsASuccess(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		l := newHarness(t)
		l.spec.Stop.OnFailure = rapid.Bool().Draw(rt, "stop on failure")
		alpha := l.worker("alpha", proc("a", 0), proc("a", 1))
		l.start()
		hold(alpha)
		alpha.expect(message.Start)
		started, exited := map[int]int{}, map[int]int{}
		whole := false
		for _, e := range drawReport(rt, alpha.clock()) {
			if l.run.Over() {
				break
			}
			alpha.event(*e)
			for _, s := range e.Started {
				started[s.Command]++
			}
			if e.Exited != nil && e.Exited.ExitCode == 0 && !e.Exited.Stopped {
				exited[e.Exited.Command]++
			}
			whole = e.Done != nil && e.Done.Outcome == message.HostDone && len(e.Done.Totals) == 2 && len(started) == 2 && len(exited) == 2 &&
				started[0] == 1 && started[1] == 1 && exited[0] == 1 && exited[1] == 1
		}
		if !l.run.Over() {
			return
		}
		if res := l.run.Result(); (res.Outcome == outcome.RunSucceeded) != whole {
			rt.Fatalf("outcome %s (%s) after starts %v and ends %v", res.Outcome, res.Reason, started, exited)
		}
	})
}

// drawReport makes up what a host reports: all that it should, but for a few changes.
func drawReport(t *rapid.T, now time.Time) []*message.Event {
	exited := func(command int) *message.Event {
		return &message.Event{Kind: message.Exited, Exited: &message.ExitedInfo{Command: command, StartedAt: now, EndedAt: now}}
	}
	report := []*message.Event{
		{Kind: message.Started, Started: []message.StartedInfo{{PID: 7, StartedAt: now}, {Command: 1, PID: 8, StartedAt: now}}},
		exited(1), exited(0),
		{Kind: message.Done, Done: &message.DoneInfo{Outcome: message.HostDone, Totals: make([]streams.Total, 2)}},
	}
	for range rapid.IntRange(0, 3).Draw(t, "changes") {
		at := rapid.IntRange(0, len(report)-1).Draw(t, "at")
		switch rapid.IntRange(0, 3).Draw(t, "change") {
		case 0:
			report = slices.Delete(report, at, at+1)
		case 1:
			report = slices.Insert(report, at, drawEvent(t, now))
		case 2:
			report[at] = drawEvent(t, now)
		default:
			to := rapid.IntRange(0, len(report)-1).Draw(t, "to")
			report[at], report[to] = report[to], report[at]
		}
		if len(report) == 0 {
			return nil
		}
	}
	return report
}

// drawEvent makes up an event, as a rule one that can be.
func drawEvent(t *rapid.T, now time.Time) *message.Event {
	command := rapid.SampledFrom([]int{0, 1, 0, 1, 0, 1, 2, -1})
	switch rapid.IntRange(0, 9).Draw(t, "kind") {
	case 0, 1:
		n := rapid.IntRange(1, 2).Draw(t, "started")
		e := &message.Event{Kind: message.Started}
		for i := range n {
			e.Started = append(e.Started, message.StartedInfo{Command: (i + command.Draw(t, "command")) % 3, PID: 7, StartedAt: now})
		}
		return e
	case 2, 3, 4, 5:
		return &message.Event{Kind: message.Exited, Exited: &message.ExitedInfo{
			Command: command.Draw(t, "command"), ExitCode: rapid.SampledFrom([]int{0, 0, 0, 0, 3}).Draw(t, "status"),
			Stopped: rapid.IntRange(0, 9).Draw(t, "stopped") == 0, StartedAt: now, EndedAt: now,
		}}
	case 6:
		return &message.Event{Kind: rapid.SampledFrom([]message.EventKind{message.Ended, message.TearingDown, message.Committed, message.SettingUp}).Draw(t, "other")}
	}
	return &message.Event{Kind: message.Done, Done: &message.DoneInfo{
		Outcome: rapid.SampledFrom([]string{message.HostDone, message.HostDone, message.HostDone, message.HostStopped, message.HostLost, "splendid"}).Draw(t, "outcome"),
		Totals:  make([]streams.Total, rapid.SampledFrom([]int{2, 2, 2, 2, 0, 1, 3}).Draw(t, "totals")),
	}}
}
