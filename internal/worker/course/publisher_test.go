package course

import (
	"slices"
	"testing"
	"time"

	"downbeat/internal/message"
)

// ending takes a run that was stopped in some state to its last event.
func (s *site) ending() {
	for range 20 {
		switch s.run.State() {
		case SettingUp:
			s.in(s.interrupted(2))
		case Preparing:
			s.in(Prepared{Err: "interrupted"})
		case Armed, Running, Stopping:
			s.in(setDone())
		case TearingDown:
			s.tornDown()
		case Collecting:
			s.in(Collected{&message.FileTotals{}})
		case Clearing:
			s.in(Cleared{})
		default:
			return
		}
	}
}

// A stop ends a run in any state, by whomever it is asked for: the run says why, and runs its
// teardown exactly where the host was its own.
func TestRunEndsInEveryState(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		end             func(*site)
		outcome, reason string
	}{
		"silence":  {func(s *site) { s.pass(testLease) }, message.HostStopped, "no word from the publisher for 30s"},
		"shutdown": {func(s *site) { s.in(Leaving{}) }, message.HostStopped, "the worker on this host is shutting down"},
		"gone":     {func(s *site) { s.in(PublisherGone{}) }, message.HostStopped, "the publisher is gone: its queue has been deleted"},
		"disk":     {func(s *site) { s.in(LogFailed{"no space"}) }, message.HostStopped, "the run log can't be written: no space"},
		"stop":     {func(s *site) { s.stop() }, message.HostDone, ""},
	} {
		for _, change := range [][]func(*message.Job){nil, {steps}} {
			for state := Waiting; state <= Stopping; state++ {
				if state == SettingUp && change == nil {
					continue
				}
				s := newSite(t, change...).reach(state)
				if test.reason != "" && state == Stopping { // it has been stopped by another then
					continue
				}
				test.end(s)
				if s.run.State() == Over {
					t.Errorf("%s in state %s: the run is over at once", name, state)
				}
				s.ending()
				done := s.last(message.Done).Done
				if s.run.State() != Finished || done.Outcome != test.outcome || done.Reason != test.reason {
					t.Errorf("%s in state %s: the run is %s, and done: %+v", name, state, s.run.State(), done)
				}
				if got, want := s.count(message.TearingDown) == 1, change != nil && state != Waiting; got != want {
					t.Errorf("%s in state %s: torn down: %t, want %t", name, state, got, want)
				}
				s.in(AllAcked{})
			}
		}
	}
}

func TestLeaseIsTheShorterOfTwo(t *testing.T) {
	t.Parallel()
	config := testConfig(job())
	config.Lease = time.Second
	run := New(config, epoch)
	if got := run.Next().Sub(epoch); got != time.Second {
		t.Errorf("the lease ends after %s, want that of the worker", got)
	}
	config.Lease = time.Hour
	if got := New(config, epoch).Next().Sub(epoch); got != testLease {
		t.Errorf("the lease ends after %s, want that of the job", got)
	}
}

func TestEveryControlRenewsTheLease(t *testing.T) {
	t.Parallel()
	for _, kind := range []message.ControlKind{message.Keepalive, message.Commit, message.Uncommit, message.Start} {
		s := newSite(t).reach(Preparing)
		s.pass(testLease - time.Second).ask(kind).skip()
		s.pass(testLease-time.Millisecond).want(Preparing, "")
		s.pass(time.Millisecond).want(Preparing, "interrupt, remark stopping")
	}
}

// A keepalive that comes when the lease ends is not too late.
func TestKeepaliveAtTheEndOfTheLeaseRenewsIt(t *testing.T) {
	t.Parallel()
	s := newSite(t).reach(Running)
	s.now = s.now.Add(testLease + time.Second)
	s.ask(message.Keepalive).want(Running, "reply heartbeat, ack 0")
}

// Nor is one that has come in time, and is behind something else as the worker was held up,
// by its disk for one.
func TestKeepaliveThatWaitsBehindSomethingElseIsNotTooLate(t *testing.T) {
	t.Parallel()
	s := newSite(t).reach(Running)
	s.now = s.now.Add(testLease + time.Second)
	s.in(s.exit(0)).ask(message.Keepalive).pass(time.Second).want(Running, "log exited, reply heartbeat, ack 0")
	s.in(s.exit(1)).pass(testLease).want(Stopping, "log exited, stop at 1m1s with 2s, remark stopping")
}

func TestWhatThePublisherDoesNotTakeIsGivenUp(t *testing.T) {
	t.Parallel()
	s := newSite(t).reach(Finished)
	s.pass(testLease-time.Millisecond).ask(message.Keepalive).want(Finished, "reply heartbeat, ack 0")
	s.pass(testLease-time.Millisecond).want(Finished, "")
	s.pass(time.Millisecond).want(Over, "remark publisher silent, end")
}

// The publisher acknowledges the end of a host once. If that gets lost, the host sends its end
// again until it hears that it is safe; as long as it hears anything, the window sees to that.
func TestEndThatIsNotAcknowledgedIsSentAgain(t *testing.T) {
	t.Parallel()
	s := newSite(t).reach(Clearing)
	s.pass(clearFor).skip()
	from := s.now
	s.pass(2 * stall).ask(message.Keepalive).pass(stall - time.Millisecond).skip()
	var got []time.Duration
	for _, at := range s.again {
		got = append(got, at.Sub(from))
	}
	if want := []time.Duration{stall, 2 * stall}; !slices.Equal(got, want) {
		t.Errorf("it is sent again after %s, want %s", got, want)
	}
	s.pass(time.Millisecond).in(AllAcked{}).pass(time.Hour).want(Over, "end")
	if len(s.again) != 3 {
		t.Errorf("it is sent again %d times, want 3", len(s.again))
	}
	s = found(t, Recovered{Ended: true}).skip() // after a start of the worker, too
	s.pass(stall).want(Finished, "")
	if len(s.again) != 1 {
		t.Errorf("it is sent again %d times, want once", len(s.again))
	}
}

// The lease that ended the run's processes must run for its files anew.
func TestCollectionEndsWithALeaseOfItsOwn(t *testing.T) {
	t.Parallel()
	s := newSite(t, collecting).reach(Running)
	s.pass(testLease).in(setDone()).skip()
	s.pass(testLease-time.Millisecond).want(Collecting, "")
	s.pass(time.Millisecond).want(Over, "remark publisher silent, end")
}

func TestShutdownWaitsALittleForTheAcknowledgement(t *testing.T) {
	t.Parallel()
	s := newSite(t).reach(Finished)
	s.in(Leaving{}).want(Finished, "")
	s.ask(message.Keepalive).skip() // which gives it no more time
	s.pass(drainTime-time.Millisecond).want(Finished, "")
	s.pass(time.Millisecond).want(Over, "end and keep")

	s = newSite(t).reach(Running)
	s.in(Leaving{}, setDone(), Cleared{}).skip()
	s.in(AllAcked{}).want(Over, "end")
}

// A worker may be told to shut down before it has looked at what it found.
func TestShutdownAtTheStartWaitsNoLongerThanLater(t *testing.T) {
	t.Parallel()
	for name, in := range map[string]Recovered{"ended": {Ended: true}, "collecting": {Resume: &message.DoneInfo{}}} {
		j := job(collecting)
		s := &site{t: t, job: j, now: epoch, run: Recover(testConfig(j), epoch)}
		s.in(Leaving{}, in)
		if got := s.run.deadlines.lease.Sub(epoch); got != drainTime {
			t.Errorf("%s: what was found is given up after %s, want %s", name, got, drainTime)
		}
	}
}

func TestShutdownEndsACollection(t *testing.T) {
	t.Parallel()
	s := newSite(t, collecting).reach(Collecting)
	s.in(Leaving{}).pass(drainTime).want(Collecting, "stop collecting: the worker on this host is shutting down")
	s.in(Collected{&message.FileTotals{BrokenOff: "shutting down"}}).skip()
	s.pass(clearFor).want(Finished, "log last done")
	s.pass(drainTime).want(Over, "end and keep")
}

// A run that is clearing its directory is given up with the lease if the host is not
// its any more; otherwise the end comes first.
func TestClearingEndsWithTheLeaseOnceTheHostIsFree(t *testing.T) {
	t.Parallel()
	s := newSite(t, collecting).reach(Collecting)
	s.pass(testLease - time.Second).in(Collected{&message.FileTotals{}}).skip()
	s.pass(time.Second).want(Over, "remark publisher silent, end")

	s = newSite(t).reach(Clearing)
	s.in(PublisherGone{}).want(Clearing, "")
}

func TestPublisherThatIsGoneIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	for _, state := range []State{Collecting, Clearing, Finished} {
		s := newSite(t, collecting).reach(state)
		s.in(PublisherGone{}).want(Over, "end")
	}
}

func TestKeepaliveIsAnswered(t *testing.T) {
	t.Parallel()
	s := newSite(t).reach(Running)
	s.in(ControlTaken{Control: &message.Control{Kind: message.Keepalive, Ack: 4, Resend: true}, Last: 9}).want(Running, "reply heartbeat, ack 4 and resend")
	if info := s.last(message.Heartbeat).Heartbeat; info.Last != 9 || info.Ack != 4 || info.Probe != nil {
		t.Errorf("heartbeat: %+v", info)
	}
}

func TestProbesAreAnsweredOnTheRunsClock(t *testing.T) {
	t.Parallel()
	sent, taken := epoch.Add(-time.Hour), epoch.Add(time.Second)
	for kind, answer := range map[message.ControlKind]func(*site) *message.Probe{
		message.Keepalive: func(s *site) *message.Probe { return s.last(message.Heartbeat).Heartbeat.Probe },
		message.Commit:    func(s *site) *message.Probe { return s.last(message.Committed).Committed.Probe },
	} {
		s := newSite(t).reach(Ready)
		s.now = epoch.Add(2 * time.Second)
		asked := &message.Probe{SentAt: sent}
		s.in(ControlTaken{Control: &message.Control{Kind: kind, Probe: asked}, Taken: taken})
		got := answer(s)
		if got == nil || !got.SentAt.Equal(sent) || !got.TakenAt.Equal(taken) || !got.AnswerAt.Equal(s.now) {
			t.Errorf("%s: %+v", kind, got)
		}
		if !asked.TakenAt.IsZero() {
			t.Errorf("%s: what was asked has been changed", kind)
		}
		s.ask(message.Commit)
		if kind == message.Commit && answer(s) != nil {
			t.Error("a commit without a probe is answered with one")
		}
	}
}

// Nothing that comes after the end does anything.
func TestOverIsOver(t *testing.T) {
	t.Parallel()
	s := newSite(t).reach(Over)
	s.stop().ask(message.Keepalive).in(Granted{}, Leaving{}).pass(time.Hour).want(Over, "")
	if !s.run.Over() || !s.run.Next().IsZero() {
		t.Error("the run wants to be called")
	}
}
