package conduct

import (
	"testing"
	"time"

	"downbeat/internal/message"
	"downbeat/internal/outcome"
	"downbeat/internal/streams"
)

func TestRunGoesFromJobToResult(t *testing.T) {
	t.Parallel()
	l := newHarness(t)
	alpha, bravo := l.worker("alpha", proc("server", 0), proc("client", 1)), l.worker("bravo", proc("client", 0))
	l.start()
	start := release(alpha, bravo)
	ended := start.At.Add(3 * time.Second)
	alpha.output(0, streams.Stdout, "one\ntwo")
	alpha.output(1, streams.Stderr, "oh\n")
	bravo.output(0, streams.Stdout, "\xff\x00\n")
	l.advance(4 * time.Second)
	for n := range 2 {
		alpha.exited(message.ExitedInfo{Command: n, StartedAt: start.At, EndedAt: ended, UserUS: 5})
	}
	bravo.exited(message.ExitedInfo{StartedAt: start.At, EndedAt: ended})
	alpha.totals[0].StdoutLines++
	alpha.done(message.HostDone)
	bravo.done(message.HostDone)
	res := l.end()
	l.wants(res, outcome.RunSucceeded, "")
	for i, want := range []struct {
		name  string
		pid   int
		total streams.Total
	}{
		{"server.0", 100, streams.Total{StdoutLines: 2, StdoutBytes: 7}},
		{"client.1", 101, streams.Total{StderrLines: 1, StderrBytes: 3}},
		{"client.0", 100, streams.Total{StdoutLines: 1, StdoutBytes: 3}},
	} {
		p := res.Processes[i]
		if p.Name != want.name || p.PID != want.pid || p.Total != want.total || p.Outcome != outcome.CommandSucceeded || p.Reason != "" {
			t.Errorf("process %d: %+v, want %+v", i, p, want)
		}
		if off := p.StartedAt.Time.Sub(start.At.Add(-hostSkew)).Abs(); off > p.StartedAt.Error || p.StartedAt.Error == 0 {
			t.Errorf("%s started %s off, which is known to ±%s", p.Name, off, p.StartedAt.Error)
		}
		if off := p.EndedAt.Time.Sub(ended.Add(-hostSkew)).Abs(); off > p.EndedAt.Error {
			t.Errorf("%s ended %s off, which is known to ±%s", p.Name, off, p.EndedAt.Error)
		}
	}
	for _, h := range res.Hosts {
		if h.Outcome != outcome.HostSucceeded || h.Hold != "ptrace" || (h.Clock.Value()-hostSkew).Abs() > h.Clock.Error() {
			t.Errorf("host: %+v", h)
		}
	}
	for path, want := range map[string]string{"alpha/server.0.stdout": "one\ntwo", "alpha/client.1.stderr": "oh\n", "bravo/client.0.stdout": "\xff\x00\n"} {
		if got := l.stored[path]; got != want {
			t.Errorf("%s contains %q, want %q", path, got, want)
		}
	}
}

func TestEverythingIsAcknowledgedAtTheEnd(t *testing.T) {
	t.Parallel()
	l, alpha := alone(t)
	alpha.exit(0, 0)
	alpha.done(message.HostDone)
	l.end()
	l.advance(oneWay)
	if alpha.acked != alpha.seq || !l.run.Next().IsZero() {
		t.Errorf("acknowledged up to %d of %d; Step is wanted at %s", alpha.acked, alpha.seq, l.run.Next())
	}
	last := -1
	for i, e := range l.effects {
		if _, ok := e.(Flush); ok {
			last = i
		}
		if s, ok := e.(Send); ok && s.Control.Ack == alpha.seq && last < i-1 {
			t.Error("it is acknowledged before it is on the disk")
		}
	}
}

func TestNoCommitBeforeEveryHostIsReady(t *testing.T) {
	t.Parallel()
	_, alpha, bravo := pair(t)
	alpha.ready()
	alpha.expectNothing()
	bravo.ready()
	alpha.expect(message.Commit)
	bravo.expect(message.Commit)
}

func TestNoStartBeforeEveryHostHasCommitted(t *testing.T) {
	t.Parallel()
	_, alpha, bravo := pair(t)
	offer(alpha, bravo)
	alpha.committed()
	alpha.expectNothing()
	bravo.committed()
	alpha.expect(message.Start)
	bravo.expect(message.Start)
}

// The release is set as far ahead as the commits suggest, however long the gate was closed
// after them.
func TestReleaseIsSetAheadByWhatTheCommitsTook(t *testing.T) {
	t.Parallel()
	for took, want := range map[time.Duration]time.Duration{
		3 * time.Millisecond: 12 * time.Millisecond, 40 * time.Millisecond: 80 * time.Millisecond, 4 * time.Second: 2 * time.Second,
	} {
		l := newHarness(t)
		l.spec.Gated = true
		alpha := l.worker("alpha", proc("a", 0))
		l.start()
		offer(alpha)
		l.advance(took - oneWay)
		alpha.committed()
		l.advance(9 * time.Second)
		opened := l.now
		l.input(GateOpened{})
		if ahead := l.run.releaseAt.Sub(opened); ahead != want {
			t.Errorf("the last host had committed after %s, and the release is %s ahead, want %s", took, ahead, want)
		}
		if got, want := alpha.expect(message.Start).At, l.run.releaseAt.Add(hostSkew); got.Sub(want).Abs() > oneWay {
			t.Errorf("it is to start at %s on its clock, want %s", got, want)
		}
	}
}

func TestNoStartWhileTheGateIsClosed(t *testing.T) {
	t.Parallel()
	l := newHarness(t)
	l.spec.Gated = true
	alpha := l.worker("alpha", proc("a", 0))
	l.start()
	hold(alpha)
	alpha.expectNothing()
	l.input(GateOpened{})
	alpha.expect(message.Start)
}

func TestHostsStartAtOneInstantOnTheirOwnClocks(t *testing.T) {
	t.Parallel()
	l, alpha, bravo := pair(t)
	hold(alpha, bravo)
	a, b := alpha.expect(message.Start), bravo.expect(message.Start)
	if apart := a.At.Sub(b.At).Abs(); apart > 2*oneWay {
		t.Errorf("they are to start %s apart", apart)
	}
	if off := a.At.Sub(l.run.releaseAt.Add(hostSkew)).Abs(); off > oneWay {
		t.Errorf("alpha is to start %s off the agreed instant", off)
	}
}

// The release goes out to all hosts before anything else that is to be done. Their clocks
// are compared right after.
func TestReleaseIsUrgent(t *testing.T) {
	t.Parallel()
	l, alpha, bravo := pair(t)
	offer(alpha, bravo)
	alpha.committed()
	before := len(l.effects)
	bravo.committed()
	for i, e := range l.effects[before : before+2] {
		if s, ok := e.(Send); !ok || s.Control.Kind != message.Start {
			t.Errorf("effect %d of the last commit is %+v, want a start", i, e)
		}
	}
	for i, e := range l.effects[before+2 : before+4] {
		if s, ok := e.(Send); !ok || s.Control.Kind != message.Keepalive || s.Control.Probe == nil {
			t.Errorf("effect %d after the starts is %+v, want a keepalive with a probe", i, e)
		}
	}
}

func TestHostThatGivesWayAfterTheCommitTakesTheOthersBack(t *testing.T) {
	t.Parallel()
	l, alpha, bravo := pair(t)
	offer(alpha, bravo)
	alpha.committed()
	bravo.waiting(otherRun)
	alpha.expect(message.Uncommit)
	alpha.ready()
	alpha.expectNothing()
	bravo.ready()
	for _, w := range []*worker{alpha, bravo} {
		w.expect(message.Commit)
		w.committed()
	}
	for _, w := range []*worker{alpha, bravo} {
		w.started(w.expect(message.Start).At)
		w.exit(0, 0)
		w.done(message.HostDone)
	}
	l.wants(l.end(), outcome.RunSucceeded, "")
}

// A host that was asked twice to commit has answered twice; the second answer, still on
// its way, is none to the commit that comes after an uncommit.
func TestCommitThatWasTakenBackDoesNotCount(t *testing.T) {
	t.Parallel()
	_, alpha, bravo := pair(t)
	offer(alpha, bravo)
	alpha.committed()
	bravo.waiting(otherRun)
	alpha.expect(message.Uncommit)
	alpha.committed() // of before it took the uncommit
	bravo.ready()
	bravo.expectNothing()

	alpha.ready() // now it has
	bravo.expect(message.Commit)
	alpha.expect(message.Commit)
	alpha.committed()
	bravo.committed()
	alpha.expect(message.Start)
	bravo.expect(message.Start)
}

func TestReadyHostsClockIsMeasured(t *testing.T) {
	t.Parallel()
	l, alpha, bravo := pair(t)
	l.advance(time.Second)
	kept := alpha.kept
	alpha.ready()
	l.advance(oneWay)
	if alpha.kept != kept+1 || bravo.kept != kept {
		t.Errorf("alpha has had %d keepalives, bravo %d, want one more than %d for alpha", alpha.kept, bravo.kept, kept)
	}
}

func TestCommitMeasuresTheHostsClock(t *testing.T) {
	t.Parallel()
	l, alpha, bravo := pair(t)
	offer(alpha, bravo)
	c := &l.run.hosts[0].contact.clock
	before := c.Samples()
	alpha.committed()
	if c.Samples() != before+1 || (c.Value()-hostSkew).Abs() > c.Error() {
		t.Errorf("the clock is known from %d exchanges to be %s ahead, give or take %s, want one more than %d and %s", c.Samples(), c.Value(), c.Error(), before, hostSkew)
	}
}

// A host whose clock is known from one exchange alone is waited for a second longer, and
// one of whose clock nothing is known as long as it takes.
func TestNoCommitBeforeTheClocksAreKnown(t *testing.T) {
	t.Parallel()
	l := newHarness(t)
	alpha := l.worker("alpha", proc("a", 0))
	l.start()
	l.advance(oneWay)
	answer := func() {
		h := &l.run.hosts[0]
		probe := &message.Probe{SentAt: l.now.Add(-2 * oneWay), TakenAt: alpha.clock().Add(-oneWay), AnswerAt: alpha.clock().Add(-oneWay)}
		alpha.unlogged(message.Event{Kind: message.Heartbeat, Heartbeat: &message.HeartbeatInfo{Last: alpha.seq, Ack: h.inbox.acked, Probe: probe}})
	}
	alpha.muted = true
	l.coming = nil
	alpha.ready()
	l.advance(3 * time.Second)
	if got := l.run.Stage(); got != Gathering {
		t.Fatalf("it is %s, and nothing is known of the host's clock", got)
	}
	alpha.ready()
	answer()
	l.advance(900 * time.Millisecond)
	if got := l.run.Stage(); got != Gathering {
		t.Fatalf("it is %s after 0.9 s, and the host's clock is known from one exchange", got)
	}
	l.advance(100 * time.Millisecond)
	if got := l.run.Stage(); got != Committing {
		t.Errorf("it is %s after a second, want committing", got)
	}
}

// While a host has not answered the uncommit, nothing else is waited for, and nothing is
// wanted again and again.
func TestHostThatIsStillCommittedIsWaitedFor(t *testing.T) {
	t.Parallel()
	l, alpha, bravo := pair(t)
	alpha.muted = true
	l.advance(oneWay)
	probe := &message.Probe{SentAt: l.now.Add(-oneWay), TakenAt: alpha.clock(), AnswerAt: alpha.clock()}
	alpha.unlogged(message.Event{Kind: message.Heartbeat, Heartbeat: &message.HeartbeatInfo{Probe: probe}}) // the only one
	alpha.ready()
	bravo.ready()
	alpha.expect(message.Commit)
	bravo.expect(message.Commit)
	alpha.commit = nil
	alpha.committed()
	bravo.waiting(otherRun)
	bravo.ready()
	l.advance(3 * time.Second)
	if got := l.run.Stage(); got != Gathering {
		t.Fatalf("it is %s", got)
	}
	alpha.expect(message.Uncommit)
	alpha.ready()
	alpha.expect(message.Commit)
}

func TestInterruptStopsTheRunInEveryStage(t *testing.T) {
	t.Parallel()
	for name, reach := range map[string]func(alpha, bravo *worker) []int{
		"gathering": func(alpha, bravo *worker) []int {
			alpha.waiting(otherRun)
			bravo.waiting(otherRun)
			return nil
		},
		"committing": func(alpha, bravo *worker) []int { offer(alpha, bravo); alpha.committed(); return nil },
		"starting":   func(alpha, bravo *worker) []int { hold(alpha, bravo); return []int{0} },
		"running":    func(alpha, bravo *worker) []int { release(alpha, bravo); return []int{0} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, alpha, bravo := pair(t)
			left := reach(alpha, bravo)
			if got := l.run.Stage().String(); got != name {
				t.Fatalf("it is %s", got)
			}
			l.input(Interrupted{Reason: "interrupted"})
			for _, w := range []*worker{alpha, bravo} {
				if name == "starting" {
					w.started(w.expect(message.Start).At)
				}
				if stop := w.obey(left...); stop.Cause != message.StopAbort {
					t.Errorf("%s was stopped for %s, want abort", w.host, stop.Cause)
				}
			}
			res := l.end()
			l.wants(res, outcome.RunAborted, "interrupted")
			want := outcome.CommandNotStarted
			if left != nil {
				want = outcome.CommandStopped
			}
			for i, p := range res.Processes {
				if p.Outcome != want || res.Hosts[i].Outcome != outcome.HostAborted {
					t.Errorf("%s %s, its host %s, want %s and aborted", p.Name, p.Outcome, res.Hosts[i].Outcome, want)
				}
			}
		})
	}
}

// The next run need not wait until what the last host reported is on the disk.
func TestFreeHostsAreUrgent(t *testing.T) {
	t.Parallel()
	l, alpha := alone(t)
	alpha.output(0, streams.Stdout, "bye\n")
	alpha.exit(0, 0)
	before := len(l.effects)
	alpha.done(message.HostDone)
	if e, ok := l.effects[before].(HostsFree); !ok || e.Outcome != outcome.RunSucceeded {
		t.Errorf("the first effect of the end is %T %+v, want that the hosts are free", l.effects[before], l.effects[before])
	}
}

func TestEndIsToldOnceWhenNoHostHasAProcessLeft(t *testing.T) {
	t.Parallel()
	l, alpha, bravo := pair(t, func(s *Spec) { s.Stop.OnFailure = false })
	release(alpha, bravo)
	alpha.exit(0, 0)
	alpha.done(message.HostDone)
	bravo.exit(0, 7)
	if len(l.freed) > 0 {
		t.Error("told while a host was not done")
	}
	bravo.done(message.HostDone)
	l.end()
	if len(l.freed) != 1 || l.freed[0] != outcome.RunFailed {
		t.Errorf("told %v, want failed, once", l.freed)
	}
}

func TestJobsAreSentAgainToHostsThatHaveNotAnswered(t *testing.T) {
	t.Parallel()
	l, alpha, bravo := pair(t)
	alpha.ready()
	l.input(Reconnected{})
	if alpha.jobs != 1 || bravo.jobs != 2 {
		t.Errorf("alpha was sent %d jobs, bravo %d, want 1 and 2", alpha.jobs, bravo.jobs)
	}
}
