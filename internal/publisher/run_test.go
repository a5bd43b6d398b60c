package publisher

import (
	"reflect"
	"testing"
	"time"

	"downbeat/internal/message"
	"downbeat/internal/outcome"
	"downbeat/internal/results"
)

func TestRunGoesFromJobToRecord(t *testing.T) {
	t.Parallel()
	l := newLab(t, nil)
	alpha, bravo := l.worker("alpha"), l.worker("bravo")
	dp := l.datapoint(proc("alpha", "server", 0), proc("bravo", "client", 0), proc("alpha", "client", 1))
	run := l.start(dp)

	start := release(alpha, bravo)
	ended := start.At.Add(3 * time.Second)
	alpha.output(0, message.Stdout, "one\ntwo", 2)
	alpha.output(1, message.Stderr, "oh\n", 1)
	bravo.output(0, message.Stdout, "\xff\x00\n", 1)
	for process := range 2 {
		alpha.exited(message.ExitedInfo{Command: process, StartedAt: start.At, EndedAt: ended, UserUS: 5, SystemUS: 6, MaxRSSBytes: 7})
	}
	bravo.exited(message.ExitedInfo{StartedAt: start.At, EndedAt: ended})
	alpha.done(message.HostDone)
	bravo.done(message.HostDone)

	got := run.wait()
	check(t, run.err)
	clockError := time.Duration(got.ClockErrorUS+1000) * time.Microsecond
	for i := range got.Processes {
		p := &got.Processes[i]
		near(t, p.Process+" started", p.StartedAt, start.At.Add(-hostSkew), clockError)
		near(t, p.Process+" ended", p.EndedAt, ended.Add(-hostSkew), clockError)
		if p.StartedErrorUS < 1 || p.EndedErrorUS < 1 {
			t.Errorf("%s started and ended at times known to ±%d and ±%d µs", p.Process, p.StartedErrorUS, p.EndedErrorUS)
		}
		p.StartedAt, p.EndedAt, p.StartedErrorUS, p.EndedErrorUS = time.Time{}, time.Time{}, 0, 0
	}
	near(t, "released", got.ReleasedAt, start.At.Add(-hostSkew), clockError)
	for i := range got.Hosts {
		h := &got.Hosts[i]
		if wrong := (time.Duration(h.ClockOffsetUS)*time.Microsecond - hostSkew).Abs(); wrong > clockError {
			t.Errorf("the clock of %s was taken for %d µs ahead, want %s", h.Host, h.ClockOffsetUS, hostSkew)
		}
		if len(h.LineErrors) == 0 || h.LineErrors[0].ErrorUS < 1 {
			t.Errorf("the lines of %s came at times known to %v", h.Host, h.LineErrors)
		}
		h.ClockOffsetUS, h.ClockErrorUS, h.LineErrors = 0, 0, nil
	}
	if !got.EnqueuedAt.Before(got.ReleasedAt) || got.EndedAt.Before(got.EnqueuedAt) {
		t.Errorf("enqueued at %s, released at %s, ended at %s", got.EnqueuedAt, got.ReleasedAt, got.EndedAt)
	}
	want := results.Record{
		Run: dp.Run, Experiment: "locks", Datapoint: 3, Repetition: 1, Attempt: 2, Outcome: outcome.RunSucceeded,
		EnqueuedAt: got.EnqueuedAt, ReleasedAt: got.ReleasedAt, EndedAt: got.EndedAt,
		StartSkewUS: got.StartSkewUS, StartErrorUS: got.StartErrorUS, ClockErrorUS: got.ClockErrorUS,
		Hosts: []results.HostRecord{
			{Host: "alpha", Outcome: outcome.HostSucceeded, Hold: "ptrace", Lines: 3, Bytes: 10},
			{Host: "bravo", Outcome: outcome.HostSucceeded, Hold: "ptrace", Lines: 1, Bytes: 3},
		},
		Processes: []results.ProcessRecord{
			{
				Host: "alpha", Process: "server.0", Group: "server", Rank: 0, PID: 100, CommandRecord: results.CommandRecord{
					Argv: []string{"./server", "-v"}, Outcome: outcome.CommandSucceeded,
					UserUS: 5, SystemUS: 6, MaxRSSBytes: 7, StdoutLines: 2, StdoutBytes: 7,
				},
			},
			{
				Host: "bravo", Process: "client.0", Group: "client", Rank: 1, PID: 100, CommandRecord: results.CommandRecord{
					Argv: []string{"./client", "-v"}, Outcome: outcome.CommandSucceeded,
					StdoutLines: 1, StdoutBytes: 3,
				},
			},
			{
				Host: "alpha", Process: "client.1", Group: "client", Index: 1, Rank: 2, PID: 101, CommandRecord: results.CommandRecord{
					Argv: []string{"./client", "-v"}, Outcome: outcome.CommandSucceeded,
					UserUS: 5, SystemUS: 6, MaxRSSBytes: 7, StderrLines: 1, StderrBytes: 3,
				},
			},
		},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("record:\n%+v, want\n%+v", got, want)
	}
	for path, want := range map[string]string{
		"alpha/server.0.out": "one\ntwo", "alpha/client.1.err": "oh\n", "bravo/client.0.out": "\xff\x00\n",
	} {
		if got := l.contents(path); got != want {
			t.Errorf("%s contains %q, want %q", path, got, want)
		}
	}
	if _, err := results.ReadRecord(l.results.Dir()); err != nil {
		t.Errorf("the record is not on the disk: %v", err)
	}
}

func near(t *testing.T, what string, got, want time.Time, within time.Duration) {
	t.Helper()
	if off := got.Sub(want).Abs(); off > within {
		t.Errorf("%s at %s, want %s, at most %s off", what, got, want, within)
	}
}

func TestJobCarriesWhatTheHostNeeds(t *testing.T) {
	t.Parallel()
	l := newLab(t, nil)
	alpha := l.worker("alpha")
	l.worker("bravo")
	dp := l.datapoint(proc("alpha", "a", 0), proc("bravo", "b", 0))
	l.start(dp)
	got := alpha.take()
	want := &message.Job{
		Run: dp.Run, Host: "alpha", ReplyTo: l.p.events, Since: dp.Run, Experiment: "locks", Datapoint: 3,
		Codecs: message.Codecs(), LeaseMS: got.LeaseMS, WindowBytes: got.WindowBytes, GraceMS: 7000, Commands: []message.Command{dp.Processes[0].Command},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("job %+v, want %+v", got, want)
	}
	if got.Lease() != l.p.config.Lease || got.WindowBytes <= 0 {
		t.Errorf("lease %s and window %d, want the publisher's %s and a window", got.Lease(), got.WindowBytes, l.p.config.Lease)
	}
}

func TestEverythingIsAcknowledgedAtTheEnd(t *testing.T) {
	t.Parallel()
	_, alpha, run := alone(t, nil)
	alpha.exit(0, 0)
	alpha.done(message.HostDone)
	alpha.expectNothingAfter(run)
}

func TestNoCommitBeforeEveryHostIsReady(t *testing.T) {
	t.Parallel()
	l := newLab(t, nil)
	alpha, bravo := l.worker("alpha"), l.worker("bravo")
	l.start(l.datapoint(proc("alpha", "a", 0), proc("bravo", "b", 0)))
	alpha.take()
	bravo.take()
	alpha.ready()
	l.seen("alpha", Ready)
	alpha.expectNothing()
	bravo.ready()
	alpha.expect(message.Commit)
	bravo.expect(message.Commit)
}

func TestNoStartBeforeEveryHostHasCommitted(t *testing.T) {
	t.Parallel()
	l := newLab(t, nil)
	alpha, bravo := l.worker("alpha"), l.worker("bravo")
	l.start(l.datapoint(proc("alpha", "a", 0), proc("bravo", "b", 0)))
	offer(alpha, bravo)
	asked := alpha.clock.Now()
	alpha.committed()
	l.seen("alpha", Committed)
	alpha.expectNothing()
	answered := alpha.clock.Now()
	bravo.committed()
	start := alpha.expect(message.Start)
	bravo.expect(message.Start)
	// It is set twice as far ahead as the commits took, within bounds; half of that is left to the clocks' errors.
	if took := answered.Sub(asked); start.At.Before(answered.Add(min(took, maxMargin/2))) {
		t.Errorf("the commits took %s, and the start is set %s after the last", took, start.At.Sub(answered))
	}
}

func TestHostsStartAtOneInstantOnTheirOwnClocks(t *testing.T) {
	t.Parallel()
	l := newLab(t, nil)
	alpha, bravo := l.worker("alpha"), l.worker("bravo")
	l.start(l.datapoint(proc("alpha", "a", 0), proc("bravo", "b", 0)))
	hold(alpha, bravo)
	a, b := alpha.expect(message.Start), bravo.expect(message.Start)
	if apart := a.At.Sub(b.At).Abs(); apart > 100*time.Millisecond { // the error bounds of both clocks, on a busy machine
		t.Errorf("they are to start %s apart", apart)
	}
	if early := time.Until(a.At.Add(-hostSkew)); early < -patience {
		t.Errorf("the start is set on the publisher's clock, not the host's: %s", early)
	}
}

func TestHostThatGivesWayAfterTheCommitTakesTheOthersBack(t *testing.T) {
	t.Parallel()
	l := newLab(t, nil)
	alpha, bravo := l.worker("alpha"), l.worker("bravo")
	run := l.start(l.datapoint(proc("alpha", "a", 0), proc("bravo", "b", 0)))
	offer(alpha, bravo)
	alpha.committed()
	l.seen("alpha", Committed)
	bravo.waiting(message.NewRun(message.NewPublisher()))
	alpha.expect(message.Uncommit)
	alpha.ready()
	alpha.expectNothing()

	bravo.ready()
	for _, s := range []*scripted{alpha, bravo} {
		s.expect(message.Commit)
		s.committed()
	}
	for _, s := range []*scripted{alpha, bravo} {
		s.started(s.expect(message.Start).At)
		s.exit(0, 0)
		s.done(message.HostDone)
	}
	if got := run.wait(); got.Outcome != outcome.RunSucceeded {
		t.Errorf("outcome %s (%s), want succeeded", got.Outcome, got.Reason)
	}
}

// A host that was asked twice to commit has answered twice; the second answer,
// still on its way, is none to the commit that comes after an uncommit.
func TestCommitThatWasTakenBackDoesNotCount(t *testing.T) {
	t.Parallel()
	l := newLab(t, nil)
	alpha, bravo := l.worker("alpha"), l.worker("bravo")
	l.start(l.datapoint(proc("alpha", "a", 0), proc("bravo", "b", 0)))
	offer(alpha, bravo)
	alpha.committed()
	l.seen("alpha", Committed)
	bravo.waiting(message.NewRun(message.NewPublisher()))
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
