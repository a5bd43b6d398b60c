package course

import (
	"strings"
	"testing"
	"time"

	"downbeat/internal/message"
)

func begun(command int) Begun {
	return Begun{message.StartedInfo{Command: command, PID: 100 + command}}
}

// Starts are reported together, and a little later than they come; an exit does not
// wait for that.
func TestStartsAreReportedTogether(t *testing.T) {
	t.Parallel()
	s := newSite(t).reach(Running)
	s.in(begun(0)).pass(10*time.Millisecond).in(begun(1)).want(Running, "")
	s.pass(9*time.Millisecond).want(Running, "")
	s.pass(time.Millisecond).want(Running, "log started")
	if got := s.last(message.Started).Started; len(got) != 2 || got[1].PID != 101 {
		t.Errorf("started: %+v", got)
	}
	s.in(begun(0)).in(s.exit(0)).want(Running, "log started, log exited")
	s.pass(time.Second).want(Running, "")
}

// An exit may be quicker than the news of the release.
func TestExitTellsOfTheRelease(t *testing.T) {
	t.Parallel()
	s := newSite(t).reach(Armed)
	s.in(begun(0), s.exit(0)).want(Running, "log started, log exited")
	s.in(Released{}).want(Running, "")
}

func TestStartNeedsACommit(t *testing.T) {
	t.Parallel()
	s := newSite(t).reach(Ready)
	s.tell(message.Control{Kind: message.Start, At: epoch}).want(Ready, "")
	s = newSite(t).reach(Armed)
	s.tell(message.Control{Kind: message.Start, At: epoch}).want(Armed, "") // once
}

func TestStopIsCarriedOutAtItsInstant(t *testing.T) {
	t.Parallel()
	s := newSite(t).reach(Running)
	at := epoch.Add(3 * time.Second)
	s.tell(message.Control{Kind: message.Stop, Cause: message.StopRule, Reason: "r", At: at, GraceMS: 500}).want(Stopping, "stop at 3s with 500ms")
	s.tell(message.Control{Kind: message.Stop, Cause: message.StopFailure, GraceMS: 100}).want(Stopping, "stop at 0s with 100ms") // the set keeps the earlier
	s.pass(time.Second).in(TermSent{At: at}).want(Stopping, "log stopping")
	e := s.last(message.Stopping)
	if !e.Time.Equal(at) || e.Stopping.Cause != message.StopRule || e.Stopping.Reason != "r" {
		t.Errorf("stopping at %s: %+v, want the first cause", e.Time.Sub(epoch), e.Stopping)
	}
	s.in(setDone(), Cleared{})
	if done := s.last(message.Done).Done; done.Outcome != message.HostDone {
		t.Errorf("done: %+v, want it as asked", done)
	}
}

// Processes that have ended by themselves may have left others, which get TERM: no
// stop of the run's.
func TestSweepIsNotAStop(t *testing.T) {
	t.Parallel()
	s := newSite(t).reach(Running)
	s.in(TermSent{At: epoch}).want(Running, "")
	done := setDone()
	done.Swept, done.Left = 3, &Remains{Left: []message.Leftover{{PID: 8, Command: strings.Repeat("long ", 50)}}}
	s.in(done).skip()
	s.in(Cleared{}).want(Finished, "note left, leave host, log last done")
	info := s.last(message.Done).Done
	if info.Swept != 3 || info.Left[0].PID != 8 || len(info.Left[0].Command) != 60 {
		t.Errorf("done: %+v", info)
	}
}

func TestProcessesMayEndBeforeTheNewsOfTheirRelease(t *testing.T) {
	t.Parallel()
	s := newSite(t).reach(Armed)
	s.in(setDone()).want(Clearing, "clear")
}

func TestRemainsAreBounded(t *testing.T) {
	t.Parallel()
	s := newSite(t).reach(Running)
	s.in(SetDone{Left: &Remains{Left: make([]message.Leftover, 10*maxLeft)}}, Cleared{})
	if got := len(s.last(message.Done).Done.Left); got != maxLeft {
		t.Errorf("%d are named, want %d", got, maxLeft)
	}
}
