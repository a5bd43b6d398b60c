package course

import (
	"testing"
	"time"

	"downbeat/internal/message"
	"downbeat/internal/streams"
)

const died = "the worker on alpha died in mid-run"

func TestRunThatHadEndedIsSentAgain(t *testing.T) {
	t.Parallel()
	s := found(t, Recovered{Ended: true}).want(Finished, "clear")
	s.in(Cleared{Note: "left it behind"}).want(Finished, "")
	s.in(AllAcked{}).want(Over, "end")
}

func TestCollectionThatHadBegunIsDoneAnew(t *testing.T) {
	t.Parallel()
	resume := &message.DoneInfo{Outcome: message.HostDone, Totals: []streams.Total{{StdoutBytes: 5}}}
	s := found(t, Recovered{Resume: resume}, collecting).want(Collecting, "keep end, leave host, log ended, collect anew")
	s.in(Collected{&message.FileTotals{Files: 1}}, Cleared{}).want(Finished, "keep end, clear, log last done")
	if done := s.last(message.Done).Done; done.Outcome != message.HostDone || done.Files.Files != 1 || done.Totals[0].StdoutBytes != 5 {
		t.Errorf("done: %+v", done)
	}
}

// The directory may be removed in part by then: to collect it again would replace what
// is with the publisher by less.
func TestFilesThatWereCollectedAreNotCollectedAgain(t *testing.T) {
	t.Parallel()
	s := newSite(t, collecting).reach(Collecting)
	s.in(Collected{&message.FileTotals{Files: 2}}).want(Clearing, "keep end, clear")
	end := s.kept

	s = found(t, Recovered{Resume: end}, collecting).want(Clearing, "clear")
	s.pass(clearFor).want(Finished, "log last done")
	if done := s.last(message.Done).Done; done.Outcome != message.HostDone || done.Files == nil || done.Files.Files != 2 {
		t.Errorf("done: %+v", done)
	}
	s.in(AllAcked{}).want(Over, "end")
}

func TestRunOfACrashedWorkerIsTornDownAndReportedLost(t *testing.T) {
	t.Parallel()
	s := found(t, Recovered{
		Reason: died, Swept: 2, Owed: true, Totals: []streams.Total{{StdoutBytes: 8}, {StderrBytes: 3}},
		Left: &Remains{Left: []message.Leftover{{PID: 7}}},
	}, steps, collecting)
	s.want(Waiting, "")
	s.in(Queued{Behind: "01OTHER"}).want(Waiting, "") // the publisher knows of its end alone
	s.stop().in(Leaving{}, LogFailed{"no space"}).pass(testLease).want(Waiting, "")
	s.in(Granted{}).want(TearingDown, "log tearing_down, begin teardown, run 3")
	s.tornDown().want(Clearing, "log exited, run 4, log exited, end teardown, clear")
	s.in(Cleared{}).want(Finished, "note left, leave host, log last done")
	done := s.last(message.Done).Done
	if done.Outcome != message.HostLost || done.Reason != died || done.Swept != 2 || done.Left[0].PID != 7 {
		t.Errorf("done: %+v", done)
	}
	want := []streams.Total{{StdoutBytes: 8}, {StderrBytes: 3}, {}, {StdoutLines: 1}, {StdoutLines: 1}}
	for n := range want {
		if done.Totals[n] != want[n] {
			t.Errorf("total %d: %+v, want %+v", n, done.Totals[n], want[n])
		}
	}
}

func TestNoTeardownIsRunWhereTheHostWasNotTheRuns(t *testing.T) {
	t.Parallel()
	s := found(t, Recovered{Reason: died}, steps)
	s.in(Granted{}).want(Clearing, "clear")
	s.in(Cleared{}).want(Finished, "leave host, log last done")
	s = found(t, Recovered{Reason: died, Owed: true}, step(message.PhaseSetup, "setup.0"))
	s.in(Granted{}).want(Clearing, "end teardown, clear")
}

// A power failure can take the end of a log that was sent and acknowledged. What is
// logged after it would pass for something old, so the publisher is told otherwise.
func TestLogThatLostItsEndIsReported(t *testing.T) {
	t.Parallel()
	ahead := ControlTaken{Control: &message.Control{Kind: message.Keepalive, Ack: 40}, Last: 3}
	for name, s := range map[string]*site{
		"finished":   found(t, Recovered{Ended: true}),
		"collecting": found(t, Recovered{Resume: &message.DoneInfo{}}, collecting),
		"clearing":   found(t, Recovered{Resume: &message.DoneInfo{}}, collecting).in(Collected{&message.FileTotals{}}),
		"collected":  found(t, Recovered{Resume: &message.DoneInfo{Files: &message.FileTotals{}}}, collecting),
	} {
		s.skip().in(ahead).want(Over, "remark log end lost, reply done, end")
		want := "alpha went down in mid-run, and the end of its run log with it"
		if done := s.last(message.Done).Done; done.Outcome != message.HostLost || done.Reason != want {
			t.Errorf("%s: done: %+v", name, done)
		}
	}
	s := found(t, Recovered{Reason: died}, steps) // it is said when the host is free
	s.in(ahead).want(Waiting, "reply heartbeat, ack 40")
	s = newSite(t).reach(Finished) // of a run that was never left a wrong number is just wrong
	s.in(ahead).want(Finished, "reply heartbeat, ack 40")
}

func TestWhatWasFoundIsGivenUpWithTheLease(t *testing.T) {
	t.Parallel()
	s := found(t, Recovered{Ended: true}).skip()
	s.pass(testLease-time.Millisecond).want(Finished, "")
	s.pass(time.Millisecond).want(Over, "remark publisher silent, end")
}
