package publisher

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"downbeat/internal/clock"
	"downbeat/internal/message"
	"downbeat/internal/outcome"
)

// fails reports that process 0 exited with status 1 at that time on the host's clock.
func (s *scripted) fails(at time.Time) {
	s.t.Helper()
	s.exited(message.ExitedInfo{ExitCode: 1, StartedAt: at.Add(-time.Second), EndedAt: at})
}

// A host is known to be lost only when its lease is over. By then processes that
// talked to it have failed, and the run has long been stopped for that; but the
// host is the cause, and is named.
func TestLostHostOutranksAProcessThatFailed(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]func(*scripted){
		"silent": func(s *scripted) { s.mute() },
		"died, and was started again": func(s *scripted) {
			s.expect(message.Stop)
			s.event(message.Event{Kind: message.Done, Done: &message.DoneInfo{Outcome: message.HostLost, Reason: "the worker on charlie died in mid-run"}})
		},
		"told to leave": func(s *scripted) {
			s.expect(message.Stop)
			s.event(message.Event{Kind: message.Done, Done: &message.DoneInfo{Outcome: message.HostStopped, Reason: "the worker on this host is shutting down", Totals: s.totals}})
		},
		"contradicts itself": func(s *scripted) { s.expect(message.Stop); s.done(message.HostDone) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l := newLab(t, func(c *Config) { c.Lease = 8 * time.Second })
				alpha, bravo, charlie := l.worker("alpha"), l.worker("bravo"), l.worker("charlie")
				ended := make(chan outcome.Run, 1)
				run := l.start(l.datapoint(proc("alpha", "a", 0), proc("bravo", "client", 0), proc("charlie", "c", 0)),
					func(s *Spec) { s.Ended = func(o outcome.Run) { ended <- o } })
				release(alpha, bravo, charlie)
				bravo.fails(bravo.clock.Now())
				alpha.obey(0) // the stop comes at once
				bravo.obey()
				lose(charlie)
				got := run.wait()
				if got.Outcome != outcome.RunLost || !strings.Contains(got.Reason, "charlie") || !strings.HasSuffix(got.Reason, "; client.0 on bravo failed meanwhile") {
					t.Errorf("outcome %s (%s), want lost, by charlie", got.Outcome, got.Reason)
				}
				if early := <-ended; early != outcome.RunLost {
					t.Errorf("whoever goes on as soon as the hosts are free was told %s, want lost", early)
				}
			})
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
			synctest.Test(t, func(t *testing.T) {
				l := newLab(t, nil)
				alpha, bravo := l.worker("alpha"), l.worker("bravo")
				dp := l.datapoint(proc("alpha", "server", 0), proc("bravo", "client", 0))
				dp.Stop.OnFailure = test.onFailure
				run := l.start(dp)
				release(alpha, bravo)
				at := bravo.clock.Now()
				bravo.fails(at)
				if test.onFailure {
					bravo.obey()
				} else {
					bravo.done(message.HostDone)
				}
				alpha.fails(at.Add(test.server))
				alpha.done(message.HostDone)
				got := run.wait()
				if got.Outcome != outcome.RunFailed || !strings.Contains(got.Reason, test.want) {
					t.Errorf("outcome %s (%s), want failed (%s)", got.Outcome, got.Reason, test.want)
				}
				for _, name := range []string{"server.0 on alpha", "client.0 on bravo"} {
					if !strings.Contains(got.Reason, name) {
						t.Errorf("%q does not name %s", got.Reason, name)
					}
				}
			})
		})
	}
}

// A process that had failed before the time was over is the cause, though that
// was heard of later; one that had not, is not.
func TestFailureBeforeTheTimeoutIsTheCause(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		onFailure bool
		ended     time.Duration // before the stop
		outcome   outcome.Run
		reason    string
	}{
		"before":                    {true, 3 * time.Second, outcome.RunFailed, "a.0 on alpha exited with status 1"},
		"before, and none stops it": {false, 3 * time.Second, outcome.RunTimedOut, "it was not over within 10s"},
		"in the stop":               {true, 0, outcome.RunTimedOut, "it was not over within 10s"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l := newLab(t, nil)
				alpha := l.worker("alpha")
				dp := l.datapoint(proc("alpha", "a", 0))
				dp.Timeout, dp.Stop.OnFailure = 10*time.Second, test.onFailure
				run := l.start(dp)
				release(alpha)
				stop := alpha.expect(message.Stop)
				alpha.fails(stop.At.Add(-test.ended))
				alpha.done(message.HostDone)
				if got := run.wait(); got.Outcome != test.outcome || !strings.HasPrefix(got.Reason, test.reason) {
					t.Errorf("outcome %s (%s), want %s (%s...)", got.Outcome, got.Reason, test.outcome, test.reason)
				}
			})
		})
	}
}

// What a process did before the stop's instant counts, though the stop was for
// something else; who aborts a run knows why it ended.
func TestAbortIsNotOutrankedByWhatComesOfIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, func(c *Config) { c.Lease = 8 * time.Second })
		alpha, bravo := l.worker("alpha"), l.worker("bravo")
		run := l.start(l.datapoint(proc("alpha", "a", 0), proc("bravo", "b", 0)))
		release(alpha, bravo)
		run.cancel(errors.New("interrupted"))
		alpha.obey(0)
		bravo.mute()
		if got := run.wait(); got.Outcome != outcome.RunAborted || got.Reason != "interrupted" {
			t.Errorf("outcome %s (%s), want aborted (interrupted)", got.Outcome, got.Reason)
		}
	})
}

// All hosts that can't take part are named, with their reasons; those that have
// said why come first.
func TestEveryRefusalIsNamed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, nil)
		alpha, bravo := l.worker("alpha"), l.worker("bravo")
		run := l.start(l.datapoint(proc("ghost", "g", 0), proc("alpha", "a", 0), proc("bravo", "b", 0)))
		for _, s := range []*scripted{alpha, bravo} {
			s.take()
			s.event(message.Event{Kind: message.Refused, Refused: &message.RefusedInfo{Reason: "no disk on " + s.host}})
		}
		want := "alpha, bravo and ghost can't take part; alpha refused: no disk on alpha; bravo refused: no disk on bravo; no worker has ever served host ghost"
		if got := run.wait(); got.Outcome != outcome.RunRefused || !strings.HasPrefix(got.Reason, want) {
			t.Errorf("outcome %s (%s), want refused (%s...)", got.Outcome, got.Reason, want)
		}
	})
}

// Whatever a host reports, in whatever order, a run has succeeded only if each of
// its processes is known to have started and ended well, and nothing else was said.
func TestNothingButAWholeReportIsASuccess(t *testing.T) {
	t.Parallel()
	l := newLab(t, nil)
	rapid.Check(t, func(t *rapid.T) {
		dp := l.datapoint(proc("alpha", "a", 0), proc("alpha", "a", 1))
		r, err := l.p.newRun(Spec{Datapoint: dp, Observer: &watcher{}})
		if err != nil {
			t.Fatal(err)
		}
		r.stage, r.releaseAt, r.enqueuedAt = running, r.clock.Now(), r.clock.Now()
		h := r.hosts[0]
		h.phase = Committed
		now := time.Now()
		h.clock.Add(clock.Sample{Sent: now, Taken: now, Answered: now, Received: now})
		started, exited := map[int]int{}, map[int]int{}
		whole := false
		for i, e := range drawReport(t) {
			if r.allOver() {
				break
			}
			seq := uint64(i + 1)
			e.Run, e.Host, e.Seq, e.Time = dp.Run, "alpha", seq, time.Now()
			r.arrive(arrival{host: "alpha", seq: seq, event: e, at: time.Now()})
			for _, s := range e.Started {
				started[s.Command]++
			}
			if e.Exited != nil && e.Exited.ExitCode == 0 && !e.Exited.Stopped {
				exited[e.Exited.Command]++
			}
			whole = e.Done != nil && e.Done.Outcome == message.HostDone && len(e.Done.Totals) == 2 && len(started) == 2 && len(exited) == 2 &&
				started[0] == 1 && started[1] == 1 && exited[0] == 1 && exited[1] == 1
		}
		if !r.allOver() {
			return
		}
		if word, reason := r.outcome(); (word == outcome.RunSucceeded) != whole {
			t.Fatalf("outcome %s (%s) after starts %v and ends %v", word, reason, started, exited)
		}
	})
}

// drawReport makes up what a host reports: all that it should, but for a few changes.
func drawReport(t *rapid.T) []*message.Event {
	exited := func(process int) *message.Event {
		return &message.Event{Kind: message.Exited, Exited: &message.ExitedInfo{Command: process, StartedAt: time.Now(), EndedAt: time.Now()}}
	}
	report := []*message.Event{
		{Kind: message.Started, Started: []message.StartedInfo{{PID: 7, StartedAt: time.Now()}, {Command: 1, PID: 8, StartedAt: time.Now()}}},
		exited(1), exited(0),
		{Kind: message.Done, Done: &message.DoneInfo{Outcome: message.HostDone, Totals: make([]message.Total, 2)}},
	}
	for range rapid.IntRange(0, 3).Draw(t, "changes") {
		at := rapid.IntRange(0, len(report)-1).Draw(t, "at")
		switch rapid.IntRange(0, 3).Draw(t, "change") {
		case 0:
			report = slices.Delete(report, at, at+1)
		case 1:
			report = slices.Insert(report, at, drawEvent(t))
		case 2:
			report[at] = drawEvent(t)
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
func drawEvent(t *rapid.T) *message.Event {
	process := rapid.SampledFrom([]int{0, 1, 0, 1, 0, 1, 2, -1})
	switch rapid.IntRange(0, 9).Draw(t, "kind") {
	case 0, 1:
		n := rapid.IntRange(1, 2).Draw(t, "started")
		e := &message.Event{Kind: message.Started}
		for i := range n {
			e.Started = append(e.Started, message.StartedInfo{Command: (i + process.Draw(t, "process")) % 3, PID: 7, StartedAt: time.Now()})
		}
		return e
	case 2, 3, 4, 5:
		return &message.Event{Kind: message.Exited, Exited: &message.ExitedInfo{
			Command: process.Draw(t, "process"), ExitCode: rapid.SampledFrom([]int{0, 0, 0, 0, 3}).Draw(t, "status"),
			Stopped: rapid.IntRange(0, 9).Draw(t, "stopped") == 0, StartedAt: time.Now(), EndedAt: time.Now(),
		}}
	case 6:
		return &message.Event{Kind: rapid.SampledFrom([]message.EventKind{message.Ended, message.TearingDown, message.Committed, message.SettingUp}).Draw(t, "other")}
	}
	return &message.Event{Kind: message.Done, Done: &message.DoneInfo{
		Outcome: rapid.SampledFrom([]string{message.HostDone, message.HostDone, message.HostDone, message.HostStopped, message.HostLost, "splendid"}).Draw(t, "outcome"),
		Totals:  make([]message.Total, rapid.SampledFrom([]int{2, 2, 2, 2, 0, 1, 3}).Draw(t, "totals")),
	}}
}

// A run of which nothing is known has not succeeded, though nothing speaks against it.
func TestRunThatWasNeverReleasedHasNotSucceeded(t *testing.T) {
	t.Parallel()
	if word, reason := new(run).proved(); word != outcome.RunFailed || reason != "its processes were never released" {
		t.Errorf("got %s, %q", word, reason)
	}
}
