package conduct

import (
	"slices"
	"strings"
	"testing"
	"time"

	"downbeat/internal/clock"
	"downbeat/internal/message"
	"downbeat/internal/outcome"
	"downbeat/internal/streams"
)

func TestFailingProcessStopsTheRun(t *testing.T) {
	t.Parallel()
	l, alpha, bravo := pair(t)
	release(alpha, bravo)
	alpha.exit(0, 3)
	if stop := bravo.obey(0); stop.Cause != message.StopFailure || stop.GraceMS != 7000 {
		t.Errorf("stopped for %s with a grace of %d ms, want failure and the file's 7000", stop.Cause, stop.GraceMS)
	}
	alpha.obey()
	res := l.end()
	l.wants(res, outcome.RunFailed, "a.0 on alpha exited with status 3")
	if a, b := res.Hosts[0].Outcome, res.Hosts[1].Outcome; a != outcome.HostFailed || b != outcome.HostStopped {
		t.Errorf("alpha %s, bravo %s, want failed and stopped", a, b)
	}
}

func TestFailingProcessStopsNothingWithoutOnFailure(t *testing.T) {
	t.Parallel()
	l, alpha, bravo := pair(t, func(s *Spec) { s.Stop.OnFailure = false })
	release(alpha, bravo)
	alpha.exited(message.ExitedInfo{ExitCode: -1, Signal: "SIGSEGV", StartedAt: alpha.clock(), EndedAt: alpha.clock()})
	alpha.done(message.HostDone)
	bravo.expectNothing()
	bravo.exit(0, 0)
	bravo.done(message.HostDone)
	res := l.end()
	l.wants(res, outcome.RunFailed, "a.0 on alpha was ended by SIGSEGV")
	if p := res.Processes[1]; p.Outcome != outcome.CommandSucceeded {
		t.Errorf("b.0 %s, want succeeded", p.Outcome)
	}
}

func TestStopRuleEndsARunThatSucceeds(t *testing.T) {
	t.Parallel()
	l := newHarness(t)
	l.spec.Stop.When = []string{"client"}
	alpha, bravo := l.worker("alpha", proc("server", 0)), l.worker("bravo", proc("client", 0), proc("client", 1))
	l.start()
	release(alpha, bravo)
	bravo.exit(0, 0)
	alpha.expectNothing()
	bravo.exit(1, 0)
	for _, stop := range []message.Control{alpha.obey(0), bravo.obey()} {
		if stop.Cause != message.StopRule || stop.Reason != "every process of client has ended" {
			t.Errorf("stopped for %s (%s), want rule", stop.Cause, stop.Reason)
		}
	}
	res := l.end()
	l.wants(res, outcome.RunSucceeded, "")
	if p := res.Processes[0]; p.Outcome != outcome.CommandStopped || p.Reason != "" {
		t.Errorf("server.0 %s (%s), want stopped", p.Outcome, p.Reason)
	}
	if off := res.Hosts[0].Stops[0].At.Time.Sub(res.Hosts[1].Stops[0].At.Time).Abs(); off > 2*oneWay {
		t.Errorf("they stopped %s apart", off)
	}
}

// A rule that has already been met when the last host has started stops the run then.
func TestRuleWaitsForTheLastHostToStart(t *testing.T) {
	t.Parallel()
	l, alpha, bravo := pair(t, func(s *Spec) { s.Stop.When = []string{"a"} })
	hold(alpha, bravo)
	alpha.started(alpha.expect(message.Start).At)
	alpha.exit(0, 0)
	l.advance(time.Second)
	if l.run.Stage() != Starting {
		t.Fatalf("it is %s", l.run.Stage())
	}
	bravo.started(bravo.expect(message.Start).At)
	bravo.obey(0)
	alpha.obey()
	l.wants(l.end(), outcome.RunSucceeded, "")
}

func TestDeadlinesEndARun(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name           string
		after, timeout time.Duration
		cause          message.StopCause
		run            outcome.Run
		process        outcome.Command
		reason         string
	}{
		{"after", 50 * time.Millisecond, time.Hour, message.StopRule, outcome.RunSucceeded, outcome.CommandStopped, ""},
		{
			"timeout", 0, 50 * time.Millisecond, message.StopTimeout, outcome.RunTimedOut, outcome.CommandTimedOut,
			"it was not over within 50ms; still running: alpha/a.0",
		},
		{
			"both at once", 50 * time.Millisecond, 50 * time.Millisecond, message.StopTimeout, outcome.RunTimedOut, outcome.CommandTimedOut,
			"it was not over within 50ms; still running: alpha/a.0",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			l, alpha := alone(t, func(s *Spec) { s.Stop.After, s.Timeout = test.after, test.timeout })
			released := l.run.releaseAt
			if stop := alpha.obey(0); stop.Cause != test.cause {
				t.Errorf("stopped for %s, want %s", stop.Cause, test.cause)
			}
			if took := l.now.Sub(released); took != 50*time.Millisecond+oneWay {
				t.Errorf("told %s after the release, want 50 ms", took)
			}
			res := l.end()
			l.wants(res, test.run, test.reason)
			if p := res.Processes[0].Outcome; p != test.process {
				t.Errorf("process %s, want %s", p, test.process)
			}
		})
	}
}

// The timeout holds though a host never says that it has started.
// A publisher that was held up hears of a failure only when the run's time is over as well.
func TestFailureThatIsHeardOfAtTheTimeoutIsTheCause(t *testing.T) {
	t.Parallel()
	l, alpha, bravo := pair(t, func(s *Spec) { s.Timeout = 3 * time.Second })
	release(alpha, bravo)
	l.now = l.run.releaseAt.Add(3*time.Second + time.Millisecond)
	alpha.exit(0, 3)
	alpha.done(message.HostDone)
	bravo.obey(0)
	if len(l.causes) != 1 || l.causes[0] != message.StopFailure {
		t.Errorf("stopped because of %v, want a failure", l.causes)
	}
	l.wants(l.end(), outcome.RunFailed, "a.0 on alpha exited with status 3")
}

func TestTimeoutCountsFromTheRelease(t *testing.T) {
	t.Parallel()
	l := newHarness(t)
	l.spec.Timeout, l.spec.Stop.After = 3*time.Second, time.Second
	alpha := l.worker("alpha", proc("a", 0))
	l.start()
	hold(alpha)
	start := alpha.expect(message.Start)
	l.advance(4 * time.Second)
	if len(l.causes) != 1 || l.causes[0] != message.StopTimeout {
		t.Fatalf("stopped for %v, want timeout", l.causes)
	}
	alpha.started(start.At)
	alpha.obey(0)
	l.wants(l.end(), outcome.RunTimedOut, "it was not over within 3s")
}

func TestProcessThatIgnoredTermIsKilled(t *testing.T) {
	t.Parallel()
	l, alpha := alone(t, func(s *Spec) { s.Stop.After = 100 * time.Millisecond })
	stop := alpha.expect(message.Stop)
	alpha.exited(message.ExitedInfo{ExitCode: -1, Signal: "SIGKILL", StartedAt: stop.At, EndedAt: stop.At, Stopped: true, Killed: true})
	alpha.done(message.HostDone)
	if p := l.end().Processes[0]; p.Outcome != outcome.CommandKilled || p.Reason != "ignored TERM for 7s and was killed" {
		t.Errorf("process %s (%s), want killed", p.Outcome, p.Reason)
	}
}

func TestInterruptDuringAStopByRuleAborts(t *testing.T) {
	t.Parallel()
	l, alpha := alone(t, func(s *Spec) { s.Stop.After = 100 * time.Millisecond })
	l.advance(200 * time.Millisecond)
	l.input(Interrupted{Reason: "interrupted"})
	// The run itself goes on to its orderly end, which it was coming to anyhow.
	if stop := alpha.obey(0); stop.Cause != message.StopRule || len(l.causes) != 1 {
		t.Errorf("stopped for %s, told %v, want rule", stop.Cause, l.causes)
	}
	l.wants(l.end(), outcome.RunAborted, "interrupted")
}

func TestCancelAborts(t *testing.T) {
	t.Parallel()
	for reason, want := range map[string]string{"not now": "cancelled: not now", "": "cancelled"} {
		l, alpha := alone(t)
		l.input(Cancelled{Reason: reason})
		alpha.obey(0)
		if res := l.end(); res.Outcome != outcome.RunAborted || res.Reason != want {
			t.Errorf("outcome %s (%s), want aborted (%s)", res.Outcome, res.Reason, want)
		}
	}
}

func TestHostThatHasNotAnsweredIsNotWaitedForInAStop(t *testing.T) {
	t.Parallel()
	l := newHarness(t)
	alpha := l.worker("alpha", proc("a", 0))
	alpha.muted = true
	l.start()
	l.input(Interrupted{Reason: "interrupted"})
	res := l.end()
	l.wants(res, outcome.RunAborted, "interrupted")
	if h := res.Hosts[0]; h.Outcome != outcome.HostStopped || h.Reason != "it had not answered yet" || !l.now.Equal(epoch) {
		t.Errorf("host %s (%s) after %s, want stopped at once", h.Outcome, h.Reason, l.now.Sub(epoch))
	}
	alpha.expect(message.Stop) // that it may find yet
}

// The stop is set ahead by what exchanges take, so that all hosts stop together.
func TestStopIsSetAheadByWhatExchangesTake(t *testing.T) {
	t.Parallel()
	for took, want := range map[time.Duration]time.Duration{
		time.Millisecond: 5 * time.Millisecond, 20 * time.Millisecond: 60 * time.Millisecond, 30 * time.Second: 2 * time.Second,
	} {
		l, alpha := alone(t, lease(time.Hour))
		for range 40 {
			probe := &message.Probe{SentAt: l.now.Add(-took), TakenAt: alpha.clock().Add(-took / 2), AnswerAt: alpha.clock().Add(-took / 2)}
			alpha.unlogged(message.Event{Kind: message.Heartbeat, Heartbeat: &message.HeartbeatInfo{Last: alpha.seq, Probe: probe}})
		}
		at := l.now
		l.input(Interrupted{Reason: "interrupted"})
		if ahead := l.run.ending.at.Sub(at); ahead != want {
			t.Errorf("exchanges take %s, and the stop is %s ahead, want %s", took, ahead, want)
		}
	}
}

// A process that leaves by itself once the run is being stopped does so because its peers
// are being stopped; one that left before has failed.
func TestProcessThatLeavesWithItsPeersHasNotFailed(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		after time.Duration // the stop's instant
		word  outcome.Command
	}{
		"after the stop": {time.Millisecond, outcome.CommandStopped},
		"long before":    {-time.Second, outcome.CommandFailed},
		"just before it": {-50 * time.Millisecond, outcome.CommandFailed},
		"at the stop":    {0, outcome.CommandStopped},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, alpha := alone(t)
			l.advance(2 * time.Second)
			l.input(Interrupted{Reason: "interrupted"})
			stop := alpha.expect(message.Stop)
			alpha.fails(stop.At.Add(test.after))
			alpha.done(message.HostDone)
			if p := l.end().Processes[0]; p.Outcome != test.word {
				t.Errorf("process %s (%s), want %s", p.Outcome, p.Reason, test.word)
			}
		})
	}
}

// The first decision about a run stands.
func TestFirstDecisionStands(t *testing.T) {
	t.Parallel()
	l, alpha := alone(t)
	l.input(Interrupted{Reason: "interrupted"})
	l.input(NotStored{Why: "no space left on device"})
	l.input(Cancelled{Reason: "not now"})
	alpha.obey(0)
	l.wants(l.end(), outcome.RunAborted, "interrupted")
}

// The stop goes out to all hosts before anything else that is to be done. Their clocks are
// compared right after.
func TestStopIsUrgent(t *testing.T) {
	t.Parallel()
	l, alpha, bravo := pair(t)
	release(alpha, bravo)
	before := len(l.effects)
	alpha.exit(0, 3)
	for i, e := range l.effects[before : before+2] {
		if s, ok := e.(Send); !ok || s.Control.Kind != message.Stop {
			t.Errorf("effect %d of the failure is %+v, want a stop", i, e)
		}
	}
	for i, e := range l.effects[before+2 : before+4] {
		if s, ok := e.(Send); !ok || s.Control.Kind != message.Keepalive || s.Control.Probe == nil {
			t.Errorf("effect %d after the stops is %+v, want a keepalive with a probe", i, e)
		}
	}
}

// An urgent control acknowledges nothing that is not on the disk yet. Here the failure also
// fills a quarter of the window.
func TestUrgentKeepaliveAcknowledgesNothingNew(t *testing.T) {
	t.Parallel()
	l, alpha := alone(t)
	l.advance(1500 * time.Millisecond)
	a := alpha.logsOutput(0, streams.Stdout, "x\n")
	a.Size = 1<<18 - 50
	alpha.sends(a)
	before := len(l.effects)
	alpha.exit(0, 3) // the harness fails where an event is acknowledged too early
	var acks []uint64
	for _, e := range l.effects[before:] {
		if s, ok := e.(Send); ok && s.Control.Kind == message.Keepalive {
			acks = append(acks, s.Control.Ack)
		}
	}
	if want := []uint64{alpha.seq - 2, alpha.seq}; !slices.Equal(acks, want) {
		t.Errorf("acknowledged is %d, want %d", acks, want)
	}
	alpha.obey()
	l.wants(l.end(), outcome.RunFailed, "a.0 on alpha exited with status 3")
}

func TestTimeoutDoesNotCountTheTeardown(t *testing.T) {
	t.Parallel()
	l := newHarness(t)
	l.spec.Timeout = 3 * time.Second
	alpha := l.worker("alpha", proc("p", 0), step(message.PhaseTeardown, 0))
	l.start()
	release(alpha)
	alpha.exit(0, 0)
	alpha.tearingDown()
	alpha.begins(1)
	l.advance(4 * time.Second)
	alpha.exited(message.ExitedInfo{Command: 1, StartedAt: alpha.clock().Add(-4 * time.Second), EndedAt: alpha.clock()})
	alpha.done(message.HostDone)
	l.wants(l.end(), outcome.RunSucceeded, "")
}

// Collecting takes the time it takes: the file's time-out is about processes.
func TestTimeoutDoesNotCoverCollecting(t *testing.T) {
	t.Parallel()
	l := newHarness(t)
	l.spec.Timeout = 3 * time.Second
	alpha := l.worker("alpha", proc("a", 0))
	alpha.job.Collect = []string{"**"}
	l.start()
	release(alpha)
	alpha.exit(0, 0)
	alpha.event(message.Event{Kind: message.Ended})
	alpha.expectNothing()
	l.advance(time.Second)
	alpha.accounts(message.FileTotals{})
	l.wants(l.end(), outcome.RunSucceeded, "")
}

// hanging is a run of so many servers, then clients, of which the last so many hang.
func hanging(servers, clients, hung int, when ...string) ([]command, *rule) {
	var all []command
	add := func(on, group string, index int, over bool) {
		c := proc(group, index)
		all = append(all, command{Ran: Ran{Command: &c}, host: &host{name: on}})
		if over {
			all[len(all)-1].Exit = &message.ExitedInfo{}
		}
	}
	for i := range servers {
		add("alpha", "server", i, false)
	}
	for i := range clients {
		add("bravo", "client", i, i < clients-hung)
	}
	return all, &rule{StopRule: StopRule{When: when}}
}

// When the time is over, the processes that the stop rule waits for are named first, however
// many servers come before, and then how many more there are.
func TestHungProcessesAreNamedFirst(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		servers, clients, hung int
		when                   []string
		want                   string
	}{
		{2, 2, 2, nil, "alpha/server.0, alpha/server.1, bravo/client.0 and bravo/client.1"},
		{0, 2, 1, []string{"client"}, "bravo/client.1"},
		{1, 2, 0, []string{"client"}, "alpha/server.0"},
		{1, 2, 1, []string{"client"}, "bravo/client.1, which the stop rule waits for, besides alpha/server.0"},
		{24, 24, 2, []string{"client"}, "bravo/client.22 and bravo/client.23, which the stop rule waits for, besides alpha/server.0, alpha/server.1 and 22 more"},
		{
			24, 24, 24, []string{"client"}, "bravo/client.0, bravo/client.1, bravo/client.2, bravo/client.3, bravo/client.4, bravo/client.5 and 18 more, " +
				"which the stop rule waits for, besides alpha/server.0, alpha/server.1 and 22 more",
		},
	} {
		commands, rule := hanging(test.servers, test.clients, test.hung, test.when...)
		if got := stillRunning(commands, rule); got != test.want {
			t.Errorf("got  %s\nwant %s", got, test.want)
		}
	}
}

// So it is in the reason of a host.
func TestHungProcessesOfAHost(t *testing.T) {
	t.Parallel()
	l := newHarness(t)
	l.spec.Stop.When, l.spec.Timeout = []string{"client"}, time.Minute
	var commands []message.Command
	var all []int
	for i := range 9 {
		commands, all = append(commands, proc("server", i)), append(all, i)
	}
	alpha := l.worker("alpha", append(commands, proc("client", 0), proc("client", 1))...)
	l.start()
	release(alpha)
	l.advance(time.Minute)
	alpha.obey(append(all, 9, 10)...)
	if h := l.end().Hosts[0]; h.Outcome != outcome.HostTimedOut || !strings.HasPrefix(h.Reason, "client.0, client.1, server.0, ") {
		t.Errorf("got %s: %s", h.Outcome, h.Reason)
	}
}

// A process may be stopped before the stop's instant, by a worker that is told to leave
// meanwhile; but not before the stop was sent.
func TestStopBeforeItsInstantCountsOnceItWasSent(t *testing.T) {
	t.Parallel()
	sent := epoch.Add(time.Minute)
	stop := &ending{stopStep: stopStep{control: message.Control{Cause: message.StopRule}, sentAt: sent, at: sent.Add(2 * time.Second)}}
	for _, test := range []struct {
		after   time.Duration // the stop was sent
		unasked bool
	}{{-time.Second, true}, {-50 * time.Millisecond, false}, {500 * time.Millisecond, false}, {3 * time.Second, false}} {
		process := proc("a", 0)
		h := &host{work: work{job: &message.Job{}}}
		c := &command{host: h, Ran: Ran{Command: &process, Exit: &message.ExitedInfo{Stopped: true}, EndedAt: clock.Instant{Time: sent.Add(test.after)}}}
		if circumstances(stop, h, c); c.unasked != test.unasked {
			t.Errorf("ended %s after it was sent: unasked %t, want %t", test.after, c.unasked, test.unasked)
		}
	}
}

// That a worker has stopped by itself can be heard of when a stop is out already: what
// counts is when it did.
func TestOwnStopIsToldByItsTime(t *testing.T) {
	t.Parallel()
	sent := epoch.Add(time.Minute)
	for _, test := range []struct {
		after time.Duration // the stop was sent
		own   bool
	}{{-time.Millisecond, true}, {time.Millisecond, false}} {
		a := newAccount(&message.Job{})
		info := &message.StoppingInfo{Cause: message.StopLease}
		a.take(&message.Event{Kind: message.Stopping, Time: sent.Add(test.after), Stopping: info}, &orders{clock: new(clock.Offset), sent: sent, stop: sent.Add(time.Second)})
		if own := a.ownStop != nil; own != test.own {
			t.Errorf("stopping %s after the stop was sent: its own %t, want %t", test.after, own, test.own)
		}
	}
}

// A host that is done is told so at once that all it has reported is safe: its worker
// need not keep that until the others are done too.
func TestHostThatIsDoneIsAcknowledgedAtOnce(t *testing.T) {
	t.Parallel()
	l, alpha, bravo := pair(t)
	release(alpha, bravo)
	alpha.exit(0, 0)
	alpha.done(message.HostDone)
	l.advance(2 * oneWay)
	if alpha.acked != alpha.seq {
		t.Errorf("it is told that all is safe up to %d, want %d", alpha.acked, alpha.seq)
	}
	bravo.exit(0, 0)
	bravo.done(message.HostDone)
	l.wants(l.end(), outcome.RunSucceeded, "")
}

// A host that sends its last event again has not heard that it is safe, and is told again,
// while the run goes on and after it. One event among others says nothing of that kind.
func TestLastEventThatComesAgainIsAcknowledgedAgain(t *testing.T) {
	t.Parallel()
	l, alpha, bravo := pair(t)
	release(alpha, bravo)
	alpha.exit(0, 0)
	alpha.done(message.HostDone)
	l.advance(2 * oneWay)
	for _, tt := range []struct {
		after uint64 // everything after it comes again
		want  int
	}{{alpha.seq, 0}, {alpha.seq - 1, 1}, {0, 1}} {
		alpha.acked, alpha.kept = 0, 0
		alpha.resend(tt.after)
		l.advance(2 * oneWay)
		if alpha.kept != tt.want || tt.want > 0 && alpha.acked != alpha.seq {
			t.Errorf("after events from %d on it is told %d times, up to %d, want %d times up to %d", tt.after+1, alpha.kept, alpha.acked, tt.want, alpha.seq)
		}
	}
	bravo.exit(0, 0)
	bravo.done(message.HostDone)
	l.wants(l.end(), outcome.RunSucceeded, "")
	for host, w := range []*worker{alpha, bravo} {
		for seq := range w.seq + 2 {
			c := l.run.Acknowledged().Again(host, seq)
			if last := seq == w.seq; last != (c != nil) || last && (c.Kind != message.Keepalive || c.Ack != w.seq) {
				t.Errorf("after the end %s is told %+v for event %d of %d", w.host, c, seq, w.seq)
			}
		}
	}
}
