package conduct

import (
	"testing"
	"time"

	"downbeat/internal/message"
	"downbeat/internal/outcome"
	"downbeat/internal/streams"
)

// An event that never comes, from a host that answers, ends the run within a bounded time,
// and what is missing is named: host, process, lines.
func TestEventThatNeverComesIsNamed(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		lose func(*worker) // logs without sending, and sends what comes after
		want string
	}{
		"output, and output after it": {func(w *worker) {
			w.logsOutput(0, streams.Stdout, "three\nfour\nfi")
			w.logsOutput(1, streams.Stderr, "oh\n")
			w.output(1, streams.Stderr, "dear\n")
			w.output(0, streams.Stdout, "ve\n")
		}, "events 5 to 6 of alpha are missing, and with them lines 3 to 4 of a.0 on standard output (13 bytes) and line 1 of a.1 on standard error (3 bytes): " +
			"they have not come within 8s, though the host answers and was asked again and again"},
		"output, and the end after it": {func(w *worker) {
			w.logsOutput(0, streams.Stdout, "three")
			w.totals[0].StdoutLines++ // at the end it counts as a line
			w.done(message.HostDone)
		}, "event 5 of alpha is missing, and with it line 3 of a.0 on standard output (5 bytes): it has not come"},
		"a piece of a line": {func(w *worker) {
			w.logsOutput(0, streams.Stdout, "thr")
			w.output(0, streams.Stdout, "ee\n")
		}, "event 5 of alpha is missing, and with it a part of line 3 of a.0 on standard output (3 bytes): it has not come"},
		"everything from there on": {func(w *worker) {
			w.logsOutput(0, streams.Stdout, "three\n")
			w.logs(Event{&message.Event{Kind: message.Exited, Exited: &message.ExitedInfo{}}}, 100)
		}, "events 5 to 6 of alpha are missing, and what was in them is not known: they have not come"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newHarness(t)
			l.spec.Lease = 8 * time.Second
			alpha, bravo := l.worker("alpha", proc("a", 0), proc("a", 1)), l.worker("bravo", proc("b", 0))
			l.start()
			release(alpha, bravo)
			alpha.output(0, streams.Stdout, "one\ntwo\n")
			test.lose(alpha)
			lostAt := l.now
			bravo.obey(0)
			alpha.expect(message.Stop)
			if took := l.now.Sub(lostAt); took > 12*time.Second {
				t.Errorf("it took %s", took)
			}
			res := l.end()
			l.wants(res, outcome.RunLost, test.want)
			if h := l.hostOf(res, "alpha"); h.Outcome != outcome.HostLost || h.Reason != res.Reason {
				t.Errorf("alpha %s (%s), want lost with the reason", h.Outcome, h.Reason)
			}
			if len(alpha.resends) < 3 || alpha.resends[0] != 4 {
				t.Errorf("it was asked for again after %v, want several times after 4", alpha.resends)
			}
			if got := l.stored["alpha/a.0.stdout"]; got != "one\ntwo\n" {
				t.Errorf("standard output of a.0 is %q, want what came before the gap", got)
			}
		})
	}
}

func TestLostEventIsAskedForAgain(t *testing.T) {
	t.Parallel()
	l, alpha := alone(t)
	before := alpha.seq
	alpha.logs(Event{&message.Event{Kind: message.Exited, Exited: &message.ExitedInfo{StartedAt: alpha.clock(), EndedAt: alpha.clock()}}}, 100)
	alpha.done(message.HostDone)
	l.advance(4 * time.Second)
	if len(alpha.resends) == 0 || alpha.resends[0] != before {
		t.Fatalf("asked for everything after %v, want %d", alpha.resends, before)
	}
	alpha.resend(before)
	l.wants(l.end(), outcome.RunSucceeded, "")
}

// A host that answers and does not do what it is asked for is given up by name.
func TestHostThatAnswersAndDoesNothingIsLost(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		come    func(alpha, bravo *worker)
		running []int // on bravo
		want    string
	}{
		"no commit": {
			func(alpha, bravo *worker) { offer(alpha, bravo); bravo.committed() },
			nil, "alpha did not say that it keeps its processes for the run within 8s, though it answers",
		},
		"no start": {func(alpha, bravo *worker) {
			hold(alpha, bravo)
			bravo.started(bravo.expect(message.Start).At)
		}, []int{0}, "alpha did not start its processes within 8s, though it answers"},
		"no way back": {func(alpha, bravo *worker) {
			offer(alpha, bravo)
			alpha.committed()
			bravo.waiting(otherRun)
		}, nil, "alpha did not let go of its processes again within 8s, though it answers"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, alpha, bravo := pair(t, lease(8*time.Second))
			test.come(alpha, bravo)
			at := l.now
			asked := len(alpha.controls)
			bravo.obey(test.running...)
			if took := l.now.Sub(at); took < 8*time.Second || took > 8*time.Second+50*time.Millisecond {
				t.Errorf("it took %s, want 8s", took)
			}
			if got := len(alpha.controls) - asked; got < 7 {
				t.Errorf("it was asked %d times, want each second", got)
			}
			l.wants(l.end(), outcome.RunLost, test.want)
		})
	}
}

// A publisher that was held up takes in what a host did at last before it blames the host.
func TestWhatWasDoneAtTheLastMomentCounts(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		come func(alpha, bravo *worker)
		last func(alpha *worker)
		want message.ControlKind // of alpha, next
	}{
		"a commit": {func(alpha, bravo *worker) { offer(alpha, bravo); bravo.committed() }, (*worker).committed, message.Start},
		"a start": {func(alpha, bravo *worker) {
			hold(alpha, bravo)
			bravo.started(bravo.expect(message.Start).At)
		}, func(w *worker) { w.started(w.clock()) }, ""},
		"a way back": {func(alpha, bravo *worker) { offer(alpha, bravo); alpha.committed(); bravo.waiting(otherRun) }, (*worker).ready, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, alpha, bravo := pair(t, lease(8*time.Second))
			test.come(alpha, bravo)
			due := l.run.hosts[0].request.since.Add(8 * time.Second)
			l.advance(due.Sub(l.now) - time.Millisecond)
			alpha.controls, l.now = nil, due.Add(time.Millisecond)
			before := len(l.effects)
			test.last(alpha)
			if h := &l.run.hosts[0]; h.over() {
				t.Fatalf("alpha is given up: %s", h.reason)
			}
			for _, e := range l.effects[before:] {
				if s, ok := e.(Send); ok && s.Host == 0 && s.Control.Kind != message.Keepalive && s.Control.Kind != test.want {
					t.Errorf("alpha is asked again: %s", s.Control.Kind)
				}
			}
		})
	}
}

// Nor does it blame a host for what nobody wants any more, as the run is being stopped.
func TestHostOwesNothingOnceTheRunIsStopped(t *testing.T) {
	t.Parallel()
	l, alpha, bravo := pair(t, lease(8*time.Second))
	hold(alpha, bravo)
	alpha.started(alpha.expect(message.Start).At)
	due := l.run.hosts[1].request.since.Add(8 * time.Second)
	l.advance(due.Sub(l.now) - time.Millisecond)
	l.now = due.Add(time.Millisecond)
	alpha.exit(0, 3)
	if h := &l.run.hosts[1]; h.over() {
		t.Errorf("bravo is given up: %s", h.reason)
	}
}

// A host that only has processes with a delay has nothing to start until then.
func TestHostWhoseProcessesAllStartLaterIsWaitedFor(t *testing.T) {
	t.Parallel()
	l := newHarness(t)
	l.spec.Lease = 8 * time.Second
	late := proc("a", 0)
	late.DelayMS = time.Minute.Milliseconds()
	alpha := l.worker("alpha", late)
	l.start()
	hold(alpha)
	start := alpha.expect(message.Start)
	l.advance(time.Minute + 7*time.Second)
	alpha.started(start.At.Add(time.Minute))
	alpha.exit(0, 0)
	alpha.done(message.HostDone)
	l.wants(l.end(), outcome.RunSucceeded, "")
}

// A silence in which nothing could be asked for does not count against the host.
func TestHostIsGivenTimeAnewAfterASilence(t *testing.T) {
	t.Parallel()
	l, alpha := alone(t, lease(30*time.Second))
	before := alpha.seq
	alpha.logsOutput(0, streams.Stdout, "one\n")
	alpha.exit(0, 0)
	l.advance(4 * time.Second)
	alpha.muted = true
	l.advance(26 * time.Second)
	alpha.muted = false
	l.advance(29 * time.Second)
	alpha.resend(before)
	alpha.done(message.HostDone)
	l.wants(l.end(), outcome.RunSucceeded, "")
}

// The same for what it was asked to do.
func TestHostThatWasSilentIsAskedAnew(t *testing.T) {
	t.Parallel()
	l, alpha, bravo := pair(t, lease(30*time.Second))
	offer(alpha, bravo)
	bravo.committed()
	alpha.muted = true
	l.advance(28 * time.Second)
	alpha.muted = false
	l.advance(28 * time.Second)
	if l.run.Stage() != Committing {
		t.Fatalf("it is %s: %s", l.run.Stage(), l.details["alpha"])
	}
	l.advance(6 * time.Second)
	if l.run.Stage() != Stopping {
		t.Errorf("it is %s 34 s after the silence, want stopping", l.run.Stage())
	}
}

// Early events are kept as far as the window goes. Those beyond it are asked for again, as
// if they had never come.
func TestEarlyEventsAreBounded(t *testing.T) {
	t.Parallel()
	b := inbox{next: 1, window: 1 << 20}
	for seq := uint64(2); seq < 100; seq++ {
		b.put(Received{Seq: seq, Size: 1 << 20}, epoch)
	}
	if b.held > b.window+message.MaxEvent || len(b.early) == 0 || b.newest != 99 {
		t.Errorf("%d early events of %d bytes are kept, up to %d", len(b.early), b.held, b.newest)
	}
	b = inbox{next: 1, window: 1 << 20}
	for seq := uint64(2); seq < 1_000_000; seq++ {
		b.put(Received{Seq: seq, Size: 1}, epoch)
	}
	b.put(Received{Seq: 1 << 63, Size: 1}, epoch)
	b.put(Received{Seq: 2, Size: 1 << 30}, epoch) // again
	if len(b.early) > 1<<20/leastEvent+1024 || b.newest > 1<<20/leastEvent+1025 || b.held != len(b.early) {
		t.Errorf("%d early events are kept, %d bytes, up to %d", len(b.early), b.held, b.newest)
	}
	b.put(Received{Seq: 1, Size: 5}, epoch)
	n := 0
	for _, ok := b.take(epoch); ok; _, ok = b.take(epoch) {
		n++
	}
	if b.held != 0 || n < 1000 || b.next != uint64(n+1) {
		t.Errorf("%d events came in order, %d bytes are left", n, b.held)
	}
}

// Even a full window fits, whatever order it comes in.
func TestAWindowThatComesBackwardsIsKept(t *testing.T) {
	t.Parallel()
	const window, size = 512 << 10, 40
	b := inbox{next: 1, window: window}
	for seq := uint64(window / size); seq > 0; seq-- {
		b.put(Received{Seq: seq, Size: size}, epoch)
	}
	n := 0
	for _, ok := b.take(epoch); ok; _, ok = b.take(epoch) {
		n++
	}
	if n != window/size {
		t.Errorf("%d of %d events came in order", n, window/size)
	}
}

// An event that comes again is known by its bytes, as far back as that is remembered.
func TestEventThatComesAgainIsCompared(t *testing.T) {
	t.Parallel()
	b := inbox{next: 1, window: 1 << 20}
	for seq := uint64(1); seq <= 3000; seq++ {
		a := Received{Seq: seq, Sum: seq}
		b.pass(&a, epoch)
	}
	for seq, want := range map[uint64]bool{3000: true, 1977: true, 1976: false, 1: false} {
		if b.put(Received{Seq: seq, Sum: seq}, epoch) && want {
			t.Errorf("event %d is said to differ from itself", seq)
		}
		if got := b.put(Received{Seq: seq, Sum: seq + 1}, epoch); got != want {
			t.Errorf("event %d that differs is found: %v, want %v", seq, got, want)
		}
	}
}

// A worker's stream never stops for want of an acknowledgement: a quarter of its window
// is acknowledged at once.
func TestAQuarterOfTheWindowIsAcknowledgedAtOnce(t *testing.T) {
	t.Parallel()
	l, alpha := alone(t)
	l.advance(time.Second)
	kept := alpha.kept
	a := alpha.logsOutput(0, streams.Stdout, "x\n")
	a.Size = 1 << 18
	alpha.sends(a)
	l.advance(oneWay)
	if alpha.acked != alpha.seq || alpha.kept != kept+1 {
		t.Errorf("%d of %d events are acknowledged, in %d keepalives", alpha.acked, alpha.seq, alpha.kept-kept)
	}
}
