package course

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"downbeat/internal/message"
)

func delivered(kind message.ControlKind, serial uint64) Delivered {
	return Delivered{Control: &message.Control{Kind: kind}, Serial: serial, Size: 100}
}

func TestJobIsAcceptedOnce(t *testing.T) {
	t.Parallel()
	var a Admission
	if got := a.Job("a", false); got != Accept {
		t.Errorf("a new job: %d", got)
	}
	a.Enter("a")
	if got := a.Job("a", false); got != Again {
		t.Errorf("the job of a run that is here: %d, want again", got)
	}
	a.Remember("a", epoch)
	a.Leave("a")
	if got := a.Job("a", false); got != Again {
		t.Errorf("the job of a run that is over: %d, want again", got)
	}
	if got := a.Job("b", true); got != Again {
		t.Errorf("the job of a run that the disk knows: %d, want again", got)
	}
}

// A run can be cancelled while its job waits in the queue: the stop is faster.
func TestJobWhoseStopCameFirstIsNotBegun(t *testing.T) {
	t.Parallel()
	var a Admission
	if got := a.Control("a", delivered(message.Stop, 1), false); got != Kept {
		t.Errorf("an early stop: %d, want it kept", got)
	}
	if got := a.Job("a", false); got != Stopped {
		t.Errorf("its job: %d, want stopped", got)
	}
	if got := a.Job("a", false); got != Stopped {
		t.Errorf("its job, delivered again: %d, want stopped", got)
	}
}

// A run's first controls may be faster than its job, too: it gets them with it, each
// once.
func TestControlsThatCameBeforeTheirJobAreKeptForIt(t *testing.T) {
	t.Parallel()
	var a Admission
	a.Control("a", delivered(message.Keepalive, 2), false)
	a.Control("a", delivered(message.Commit, 1), false)
	a.Control("a", delivered(message.Keepalive, 2), false)
	a.Control("b", delivered(message.Stop, 1), false)
	got := a.Enter("a")
	if len(got) != 2 || got[0].Serial != 2 || got[1].Control.Kind != message.Commit {
		t.Errorf("kept: %+v, want those of the run in their order, each once", got)
	}
	if got := a.Control("a", delivered(message.Commit, 1), false); got != Again {
		t.Errorf("a control that was kept, again: %d, want again", got)
	}
	if got := a.Control("a", delivered(message.Start, 3), false); got != Accept {
		t.Errorf("a new control: %d, want it accepted", got)
	}
}

func TestControlOfARunThatIsOverIsTooLate(t *testing.T) {
	t.Parallel()
	var a Admission
	a.Enter("a")
	a.Remember("a", epoch)
	a.Leave("a")
	for run, onDisk := range map[string]bool{"a": false, "b": true} {
		if got := a.Control(run, delivered(message.Stop, 1), onDisk); got != TooLate {
			t.Errorf("a stop of %s: %d, want it too late", run, got)
		}
	}
	if got := a.Job("b", false); got != Accept {
		t.Errorf("the stop of a run that was over has been kept: %d", got)
	}
}

func TestRunsOfLongAgoAreForgotten(t *testing.T) {
	t.Parallel()
	var a Admission
	a.Remember("old", epoch)
	a.Remember("new", epoch.Add(time.Hour))
	a.Forget(epoch.Add(time.Minute))
	if a.Had("old") || !a.Had("new") {
		t.Error("not exactly the old one was forgotten")
	}
	for run, at := range a.Remembered() {
		if run != "new" || !at.Equal(epoch.Add(time.Hour)) {
			t.Errorf("remembered: %s at %s", run, at)
		}
	}
}

// The controls kept for jobs that never come are few: the oldest go first.
func TestControlsKeptForJobsAreBounded(t *testing.T) {
	t.Parallel()
	var a Admission
	for n := range maxEarlyRuns + 1 {
		a.Control(fmt.Sprint(n), delivered(message.Stop, 1), false)
	}
	for n := range uint64(maxEarlyControls + 5) {
		a.Control("last", delivered(message.Keepalive, n+1), false)
	}
	for run, want := range map[string]Verdict{"0": Accept, "1": Accept, "2": Stopped, "last": Accept} {
		if got := a.Job(run, false); got != want {
			t.Errorf("the job of run %s: %d, want %d", run, got, want)
		}
	}
	if got := a.Enter("last"); len(got) != maxEarlyControls || got[0].Serial != 1 {
		t.Errorf("%d controls are kept for a run, want the first %d", len(got), maxEarlyControls)
	}
	if got := a.Enter("last"); got != nil || len(a.early.runs) != maxEarlyRuns-1 {
		t.Error("what was taken is still there")
	}
}

// It is bounded in bytes too.
func TestControlsKeptForJobsAreBoundedInBytes(t *testing.T) {
	t.Parallel()
	var l earlyList
	c := Delivered{Control: &message.Control{Kind: message.Keepalive}, Size: message.MaxControl}
	for n := range 3 * maxEarlyBytes / message.MaxControl {
		l.add(fmt.Sprint(n/maxEarlyControls), c)
	}
	kept := 0
	for _, e := range l.runs {
		kept += len(e.controls) * message.MaxControl
	}
	if kept != l.size || kept > maxEarlyBytes || kept < maxEarlyBytes/2 {
		t.Errorf("%d bytes are kept, counted as %d, want at most %d", kept, l.size, maxEarlyBytes)
	}
	for len(l.runs) > 0 {
		l.take(l.runs[0].run)
	}
	if l.size != 0 {
		t.Errorf("of nothing there are %d bytes", l.size)
	}
}

func TestSerialIsFreshOnce(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var s Serials
		seen := make(map[uint64]bool)
		newest := uint64(0)
		for range rapid.IntRange(1, 200).Draw(t, "n") {
			serial := rapid.Uint64Range(0, 3*SerialSpan).Draw(t, "serial")
			want := serial > 0 && !seen[serial] && serial+SerialSpan > newest
			if got := s.Fresh(serial); got != want {
				t.Fatalf("fresh(%d) = %t, want %t", serial, got, want)
			}
			if want {
				seen[serial] = true
				newest = max(newest, serial)
			}
		}
	})
}

func TestHugeSerialIsNoLoop(t *testing.T) {
	t.Parallel()
	var s Serials
	if !s.Fresh(1<<63) || s.Fresh(1<<63) || s.Fresh(1) {
		t.Error("a huge serial was not taken once, or an old one after it")
	}
}
