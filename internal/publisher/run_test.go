package publisher

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"downbeat/internal/message"
	"downbeat/internal/outcome"
	"downbeat/internal/results"
	"downbeat/internal/streams"
	"downbeat/internal/testkit"
	"downbeat/internal/testkit/fakeworker"
)

func TestRunGoesFromJobToRecord(t *testing.T) {
	t.Parallel()
	l := newHarness(t, nil)
	alpha, bravo := l.worker("alpha"), l.worker("bravo")
	dp := l.datapoint(proc("alpha", "server", 0), proc("bravo", "client", 0), proc("alpha", "client", 1))
	run := l.start(dp)

	start := fakeworker.Release(alpha, bravo)
	ended := start.At.Add(3 * time.Second)
	alpha.Output(0, streams.Stdout, "one\ntwo", 2)
	alpha.Output(1, streams.Stderr, "oh\n", 1)
	bravo.Output(0, streams.Stdout, "\xff\x00\n", 1)
	for process := range 2 {
		alpha.Exited(message.ExitedInfo{Command: process, StartedAt: start.At, EndedAt: ended, UserUS: 5, SystemUS: 6, MaxRSSBytes: 7})
	}
	bravo.Exited(message.ExitedInfo{StartedAt: start.At, EndedAt: ended})
	alpha.Done(message.HostDone)
	bravo.Done(message.HostDone)

	got := run.wait()
	testkit.Check(t, run.err)
	clockError := time.Duration(got.ClockErrorUS+1000) * time.Microsecond
	for i := range got.Processes {
		p := &got.Processes[i]
		near(t, p.Process+" started", p.StartedAt, start.At.Add(-fakeworker.Skew), clockError)
		near(t, p.Process+" ended", p.EndedAt, ended.Add(-fakeworker.Skew), clockError)
		if p.StartedErrorUS < 1 || p.EndedErrorUS < 1 {
			t.Errorf("%s started and ended at times known to ±%d and ±%d µs", p.Process, p.StartedErrorUS, p.EndedErrorUS)
		}
		p.StartedAt, p.EndedAt, p.StartedErrorUS, p.EndedErrorUS = time.Time{}, time.Time{}, 0, 0
	}
	near(t, "released", got.ReleasedAt, start.At.Add(-fakeworker.Skew), clockError)
	for i := range got.Hosts {
		h := &got.Hosts[i]
		if wrong := (time.Duration(h.ClockOffsetUS)*time.Microsecond - fakeworker.Skew).Abs(); wrong > clockError {
			t.Errorf("the clock of %s was taken for %d µs ahead, want %s", h.Host, h.ClockOffsetUS, fakeworker.Skew)
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
		Beats: []results.BeatRecord{{Groups: []string{"server", "client"}, ReleasedAt: got.ReleasedAt, StartSkewUS: got.StartSkewUS, StartErrorUS: got.StartErrorUS, ClockErrorUS: got.Beats[0].ClockErrorUS}},
		Hosts: []results.HostRecord{
			{Host: "alpha", Outcome: outcome.HostSucceeded, Hold: "ptrace", ClockBy: results.ClockByBroker, Lines: 3, Bytes: 10},
			{Host: "bravo", Outcome: outcome.HostSucceeded, Hold: "ptrace", ClockBy: results.ClockByBroker, Lines: 1, Bytes: 3},
		},
		Processes: []results.ProcessRecord{
			{
				Host: "alpha", Process: "server.0", Group: "server", Rank: 0, PID: 100, CommandRecord: results.CommandRecord{
					Argv: []string{"./server", "-v"}, Outcome: outcome.CommandSucceeded,
					UserUS: 5, SystemUS: 6, MaxRSSBytes: 7, Total: streams.Total{StdoutLines: 2, StdoutBytes: 7},
				},
			},
			{
				Host: "bravo", Process: "client.0", Group: "client", Rank: 1, PID: 100, CommandRecord: results.CommandRecord{
					Argv: []string{"./client", "-v"}, Outcome: outcome.CommandSucceeded,
					Total: streams.Total{StdoutLines: 1, StdoutBytes: 3},
				},
			},
			{
				Host: "alpha", Process: "client.1", Group: "client", Index: 1, Rank: 2, PID: 101, CommandRecord: results.CommandRecord{
					Argv: []string{"./client", "-v"}, Outcome: outcome.CommandSucceeded,
					UserUS: 5, SystemUS: 6, MaxRSSBytes: 7, Total: streams.Total{StderrLines: 1, StderrBytes: 3},
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
	l := newHarness(t, nil)
	alpha := l.worker("alpha")
	l.worker("bravo")
	dp := l.datapoint(proc("alpha", "a", 0), proc("bravo", "b", 0))
	l.start(dp)
	got := alpha.Take()
	want := &message.Job{
		Run: dp.Run, Host: "alpha", ReplyTo: l.p.events, Since: dp.Run, Experiment: "locks", Datapoint: 3,
		Codecs: message.Codecs(), LeaseMS: got.LeaseMS, WindowBytes: got.WindowBytes, GraceMS: 7000, Commands: []message.Command{dp.Processes[0].Command},
		Sync: true, Facts: true,
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
	alpha.Exit(0, 0)
	alpha.Done(message.HostDone)
	run.wait()
	alpha.ExpectNothingAfter()
}

// The last exit is told from the first TERM on, and what had ended before it, or was
// never seen to end, doesn't count.
func TestStopExit(t *testing.T) {
	t.Parallel()
	term := time.Unix(1000, 0)
	ended := func(after time.Duration) results.ProcessRecord {
		return results.ProcessRecord{CommandRecord: results.CommandRecord{EndedAt: term.Add(after)}}
	}
	for _, test := range []struct {
		name      string
		term      time.Time
		processes []results.ProcessRecord
		want      time.Duration
	}{
		{"nobody was stopped", time.Time{}, []results.ProcessRecord{ended(time.Second)}, 0},
		{"all had ended", term, []results.ProcessRecord{ended(-time.Second)}, 0},
		{"the last counts", term, []results.ProcessRecord{ended(-time.Second), ended(3 * time.Second), ended(time.Second), {}}, 3 * time.Second},
	} {
		if got := stopExit(test.term, test.processes); got != test.want {
			t.Errorf("%s: got %s, want %s", test.name, got, test.want)
		}
	}
}

// A run of which a process could not be ended, or of which nobody knows whether one
// is left, has not succeeded; its reason and its record name what is left. What
// else the host notes is in the record, and changes nothing.
func TestRunThatLeavesProcessesHasNotSucceeded(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		done    message.DoneInfo
		outcome outcome.Run
		reason  string
	}{
		"left": {
			message.DoneInfo{Left: []message.Leftover{{PID: 42, Command: "dd\x1b[2J if=/dev/nfs"}, {PID: 43, Command: "sh"}}},
			outcome.RunFailed,
			"alpha: could not be ended, and may still be there: dd\\x1b[2J if=/dev/nfs (pid 42) and sh (pid 43)",
		},
		"unseen": {
			message.DoneInfo{Unseen: "open /proc: too many open files"},
			outcome.RunFailed,
			"alpha: it can't be told whether processes are left: open /proc: too many open files",
		},
		"notes": {message.DoneInfo{Notes: []string{"left /x behind: why"}}, outcome.RunSucceeded, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newHarness(t, nil)
			alpha := l.worker("alpha")
			run := l.start(l.datapoint(proc("alpha", "client", 0)))
			start := fakeworker.Release(alpha)
			alpha.Exited(message.ExitedInfo{StartedAt: start.At, EndedAt: start.At})
			c.done.Outcome, c.done.Totals = message.HostDone, make([]streams.Total, 1)
			alpha.Event(message.Event{Kind: message.Done, Done: &c.done})
			got := run.wait()
			testkit.Check(t, run.err)
			if got.Outcome != c.outcome || got.Reason != c.reason {
				t.Errorf("%s: %q, want %s: %q", got.Outcome, got.Reason, c.outcome, c.reason)
			}
			h := hostOf(t, got, "alpha")
			if len(h.Left) != len(c.done.Left) || h.Unseen != c.done.Unseen || !slices.Equal(h.Notes, c.done.Notes) {
				t.Errorf("the record: %+v", h)
			}
			if want := map[bool]outcome.Host{true: outcome.HostFailed, false: outcome.HostSucceeded}[c.reason != ""]; h.Outcome != want {
				t.Errorf("host %s, want %s", h.Outcome, want)
			}
		})
	}
}

// A worker that is connected and slow is not said to be anything else, and how many
// of the others have answered is told beside it.
func TestSlowWorkerIsSaidToHaveNotAnsweredYet(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newHarness(t, func(c *Config) { c.ReadyTimeout = 8 * time.Second })
		alpha, bravo := l.worker("alpha"), l.worker("bravo")
		bravo.Mute()
		run := l.start(l.datapoint(proc("alpha", "a", 0), proc("bravo", "b", 0)))
		alpha.Take()
		alpha.Ready()
		bravo.Take()
		<-time.After(7 * time.Second)
		if got, want := l.watcher.detail("bravo"), "a worker is connected and has not answered yet; 1 of 2 hosts have"; got != want {
			t.Errorf("told of bravo: %q, want %q", got, want)
		}
		if got := l.watcher.detail("alpha"); strings.Contains(got, "answer") {
			t.Errorf("told of alpha, which has answered: %q", got)
		}
		bravo.Unmute() // in time, if only just
		bravo.Ready()
		for _, s := range []*fakeworker.Worker{alpha, bravo} {
			s.Expect(message.Commit)
			s.Committed()
		}
		for _, s := range []*fakeworker.Worker{alpha, bravo} {
			s.Started(s.Expect(message.Start).At)
			s.Exit(0, 0)
			s.Done(message.HostDone)
		}
		if got := run.wait(); got.Outcome != outcome.RunSucceeded {
			t.Errorf("outcome %s (%s), want succeeded", got.Outcome, got.Reason)
		}
	})
}

func (w *watcher) detail(host string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.details[host]
}
