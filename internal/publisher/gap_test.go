package publisher

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"downbeat/internal/experiment"
	"downbeat/internal/message"
	"downbeat/internal/outcome"
)

// An event that never comes, from a host that answers, ends the run within a
// bounded time, and what is missing is named: host, process, lines.
func TestEventThatNeverComesIsNamed(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		lose func(*scripted) // logs without sending, and sends what comes after
		want string
	}{
		"output, and output after it": {func(s *scripted) {
			s.lost(0, message.Stdout, "three\nfour\nfi")
			s.lost(1, message.Stderr, "oh\n")
			s.output(1, message.Stderr, "dear\n", 1)
			s.output(0, message.Stdout, "ve\n", 1)
		}, "events 5 to 6 of alpha are missing, and with them lines 3 to 4 of a.0 on standard output (13 bytes) and line 1 of a.1 on standard error (3 bytes): " +
			"they have not come within 8s, though the host answers and was asked again and again"},
		"output, and the end after it": {func(s *scripted) {
			s.lost(0, message.Stdout, "three")
			s.totals[0].StdoutLines++ // at the end it counts as a line
			s.done(message.HostDone)
		}, "event 5 of alpha is missing, and with it line 3 of a.0 on standard output (5 bytes): it has not come"},
		"a piece of a line": {func(s *scripted) {
			s.lost(0, message.Stdout, "thr")
			s.output(0, message.Stdout, "ee\n", 1)
		}, "event 5 of alpha is missing, and with it a part of line 3 of a.0 on standard output (3 bytes): it has not come"},
		"everything from there on": {func(s *scripted) {
			s.lost(0, message.Stdout, "three\n")
			s.log(message.Event{Kind: message.Exited, Exited: &message.ExitedInfo{}})
		}, "events 5 to 6 of alpha are missing, and what was in them is not known: they have not come"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l := newLab(t, func(c *Config) { c.Lease = 8 * time.Second })
				alpha, bravo := l.worker("alpha"), l.worker("bravo")
				run := l.start(l.datapoint(proc("alpha", "a", 0), proc("alpha", "a", 1), proc("bravo", "b", 0)))
				release(alpha, bravo)
				alpha.output(0, message.Stdout, "one\ntwo\n", 2)
				test.lose(alpha)
				bravo.obey(0)
				alpha.expect(message.Stop)
				got := run.wait()
				if !strings.Contains(got.Reason, test.want) || got.Outcome != outcome.RunLost {
					t.Errorf("outcome %s (%s), want lost (%s)", got.Outcome, got.Reason, test.want)
				}
				if h := hostOf(t, got, "alpha"); h.Outcome != outcome.HostLost || h.Reason != got.Reason {
					t.Errorf("alpha %s (%s), want lost with the reason", h.Outcome, h.Reason)
				}
				if len(alpha.resends) < 3 {
					t.Errorf("it was asked for again %d times, want several", len(alpha.resends))
				}
				if got := l.contents("alpha/a.0.out"); got != "one\ntwo\n" {
					t.Errorf("standard output of a.0 is %q, want what came before the gap", got)
				}
			})
		})
	}
}

// A host that answers and does not do what it is asked for is given up by name.
func TestHostThatAnswersAndDoesNothingIsLost(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		come    func(alpha, bravo *scripted)
		running []int // on bravo
		want    string
	}{
		"no commit": {
			func(alpha, bravo *scripted) { offer(alpha, bravo); bravo.committed() },
			nil, "alpha did not say that it keeps its processes for the run within 8s, though it answers",
		},
		"no start": {func(alpha, bravo *scripted) {
			hold(alpha, bravo)
			bravo.started(bravo.expect(message.Start).At)
		}, []int{0}, "alpha did not start its processes within 8s, though it answers"},
		"no way back": {func(alpha, bravo *scripted) {
			offer(alpha, bravo)
			alpha.committed()
			bravo.waiting("01JD5W9M4QX3T0C9V8Z7Y6R5PK")
		}, nil, "alpha did not let go of its processes again within 8s, though it answers"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l := newLab(t, func(c *Config) { c.Lease = 8 * time.Second })
				alpha, bravo := l.worker("alpha"), l.worker("bravo")
				run := l.start(l.datapoint(proc("alpha", "a", 0), proc("bravo", "b", 0)))
				test.come(alpha, bravo)
				bravo.obeySoon(test.running...)
				if got := run.wait(); got.Outcome != outcome.RunLost || got.Reason != test.want {
					t.Errorf("outcome %s (%s), want lost (%s)", got.Outcome, got.Reason, test.want)
				}
			})
		})
	}
}

// A host that only has processes with a delay has nothing to start until then.
func TestHostWhoseProcessesAllStartLaterIsWaitedFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, func(c *Config) { c.Lease = 8 * time.Second })
		alpha := l.worker("alpha")
		late := proc("alpha", "a", 0)
		late.DelayMS = time.Minute.Milliseconds()
		run := l.start(l.datapoint([]experiment.Command{late}...))
		hold(alpha)
		start := alpha.expect(message.Start)
		alpha.keptAlive(75) // every 0.8 s: a minute
		alpha.started(start.At.Add(time.Minute))
		alpha.exit(0, 0)
		alpha.done(message.HostDone)
		if got := run.wait(); got.Outcome != outcome.RunSucceeded {
			t.Errorf("outcome %s (%s), want succeeded", got.Outcome, got.Reason)
		}
	})
}

// A silence in which nothing could be asked for does not count against the host.
func TestHostIsGivenTimeAnewAfterASilence(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, func(c *Config) { c.Lease = 30 * time.Second })
		alpha := l.worker("alpha")
		run := l.start(l.datapoint(proc("alpha", "a", 0)))
		release(alpha)
		before := alpha.seq
		alpha.lost(0, message.Stdout, "one\n")
		alpha.exit(0, 0)
		within(t, alpha.resends, "nothing is asked for again")
		alpha.mute()
		alpha.keptAlive(104) // every 250 ms, as something is missing: 26 s, after 3 s in which it was perhaps not heard
		alpha.unmute()
		alpha.keptAlive(16) // 4 s more
		alpha.resend(before)
		alpha.done(message.HostDone)
		if got := run.wait(); got.Outcome != outcome.RunSucceeded {
			t.Errorf("outcome %s (%s), want succeeded", got.Outcome, got.Reason)
		}
	})
}
