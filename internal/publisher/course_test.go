package publisher

import (
	"testing"
	"time"

	"downbeat/internal/experiment"
	"downbeat/internal/message"
	"downbeat/internal/outcome"
	"downbeat/internal/results"
	"downbeat/internal/testkit"
	"downbeat/internal/testkit/fakeworker"
)

// Each beat has its own figures in the record; those of the run are of the last one. When
// processes became ready is there, and all lives of one that began anew.
func TestBeatsReadinessAndLivesAreRecorded(t *testing.T) {
	t.Parallel()
	l := newHarness(t, nil)
	alpha, bravo := l.worker("alpha"), l.worker("bravo")
	server, again, late := proc("alpha", "server", 0), proc("bravo", "server", 1), proc("bravo", "client", 0)
	server.Ready = &message.Readiness{Port: 7000, WithinMS: 1000}
	again.Restart = &message.Restart{On: message.RestartOnFailure, AtMost: 1}
	late.Beat = 1
	dp := l.datapoint(server, again, late)
	dp.Beats = []experiment.Beat{{Groups: []string{"server"}}, {Groups: []string{"client"}, After: []experiment.Wait{{Group: "server"}}}}
	run := l.start(dp)
	fakeworker.Hold(alpha, bravo)
	at := alpha.Expect(message.Start).At
	alpha.Began(0, 0, at)
	bravo.Armed(0)
	bravo.Began(0, 0, at.Add(40*time.Millisecond))
	alpha.ProcessReady(0, "")
	second := bravo.Armed(1)
	bravo.Began(1, 0, second)
	testkit.WaitFor(t, "both beats are told", func() bool {
		l.watcher.mu.Lock()
		defer l.watcher.mu.Unlock()
		return l.watcher.beats == 2
	})
	bravo.Exited(message.ExitedInfo{ExitCode: 3, Again: true, StartedAt: at.Add(40 * time.Millisecond), EndedAt: at.Add(50 * time.Millisecond), UserUS: 5, MaxRSSBytes: 70})
	bravo.Began(0, 1, at.Add(60*time.Millisecond))
	bravo.Exited(message.ExitedInfo{Life: 1, StartedAt: at.Add(60 * time.Millisecond), EndedAt: at.Add(90 * time.Millisecond), UserUS: 7, MaxRSSBytes: 50})
	bravo.Exit(1, 0)
	bravo.Done(message.HostDone)
	alpha.Exit(0, 0)
	alpha.Done(message.HostDone)

	got := run.wait()
	testkit.Check(t, run.err)
	if got.Outcome != outcome.RunSucceeded {
		t.Fatalf("the run %s: %s", got.Outcome, got.Reason)
	}
	if len(got.Beats) != 2 {
		t.Fatalf("beats %+v", got.Beats)
	}
	first, last := got.Beats[0], got.Beats[1]
	if off := first.StartSkewUS - 40_000; off < -first.StartErrorUS || off > first.StartErrorUS || first.StartErrorUS == 0 || first.ClockErrorUS == 0 || first.ReleasedAt.IsZero() || len(first.Groups) != 1 {
		t.Errorf("beat 0: %+v", first)
	}
	if last.StartSkewUS != 0 || last.StartErrorUS == 0 || last.Groups[0] != "client" || !last.ReleasedAt.After(first.ReleasedAt) {
		t.Errorf("beat 1: %+v", last)
	}
	if !got.ReleasedAt.Equal(first.ReleasedAt) || got.StartSkewUS != last.StartSkewUS || got.StartErrorUS != last.StartErrorUS {
		t.Errorf("released at %s with %d ±%d µs, want as the first and the last beat", got.ReleasedAt, got.StartSkewUS, got.StartErrorUS)
	}
	if b, ok := got.Beat("client"); !ok || b.Beat != 1 {
		t.Errorf("the beat of the clients: %+v", b)
	}
	if p := got.Processes[0]; p.ReadyAt.IsZero() || p.ReadyErrorUS == 0 || p.Lives != nil || p.Beat != 0 {
		t.Errorf("server.0: %+v", p)
	}
	p := got.Processes[1]
	if len(p.Lives) != 2 || p.PID != 1100 || p.UserUS != 12 || p.MaxRSSBytes != 70 || p.EndedAt.Sub(p.StartedAt).Round(10*time.Millisecond) != 50*time.Millisecond || !p.ReadyAt.IsZero() {
		t.Fatalf("server.1: %+v", p)
	}
	if one := p.Lives[0]; one.Outcome != outcome.CommandFailed || one.Cause != results.CauseItself || one.ExitCode != 3 || one.PID != 100 || one.UserUS != 5 {
		t.Errorf("its first life: %+v", one)
	}
	if two := p.Lives[1]; two.Outcome != outcome.CommandSucceeded || two.Life != 1 || two.StartedErrorUS == 0 || two.EndedErrorUS == 0 {
		t.Errorf("its second life: %+v", two)
	}
	l.watcher.mu.Lock()
	defer l.watcher.mu.Unlock()
	if w := &l.watcher; w.beats != 2 || w.usable != 1 || w.lives != 1 || w.exited != 3 {
		t.Errorf("told of %d beats, %d ready, %d lives and %d exits", w.beats, w.usable, w.lives, w.exited)
	}
}
