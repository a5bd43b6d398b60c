package course

import (
	"strings"
	"testing"
	"time"

	"downbeat/internal/message"
)

// The host is free before the publisher hears that a run has ended there: the job
// that it sends then must not wait behind that run.
func TestHostIsFreeBeforeThePublisherHearsOfTheEnd(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change []func(*message.Job)
		end    func(*site)
		said   string
	}{
		"done":    {nil, func(s *site) { s.reach(Running).in(setDone(), Cleared{}) }, "log last done"},
		"refused": {nil, func(s *site) { s.reach(Preparing).in(Prepared{Err: "no"}, Cleared{}) }, "log last refused"},
		"ended":   {[]func(*message.Job){collecting}, func(s *site) { s.reach(Running).in(setDone()) }, "log ended"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, test.change...)
			test.end(s)
			did := strings.Join(s.did, ", ")
			if free, said := strings.Index(did, "leave host"), strings.Index(did, test.said); free < 0 || said < free {
				t.Errorf("effects %s: want the host left before %q", did, test.said)
			}
		})
	}
}

func TestFilesAreCollectedOnceNoProcessIsLeft(t *testing.T) {
	t.Parallel()
	s := newSite(t, steps, collecting).reach(Running)
	s.in(setDone()).tornDown().want(Collecting,
		"log tearing_down, begin teardown, run 3, log exited, run 4, log exited, end teardown, keep end, leave host, log ended, collect")
	s.in(Collected{&message.FileTotals{Files: 2, Bytes: 12}}).want(Clearing, "keep end, clear")
	s.in(Cleared{}).want(Finished, "log last done")
	if done := s.last(message.Done).Done; done.Files == nil || done.Files.Files != 2 || done.Outcome != message.HostDone {
		t.Errorf("done: %+v", done)
	}
}

func TestNothingIsCollectedOfProcessesThatWereNeverReleased(t *testing.T) {
	t.Parallel()
	for _, state := range []State{Waiting, Preparing, Ready, Committed} {
		s := newSite(t, collecting).reach(state)
		s.stop().in(Prepared{}).skip()
		if s.run.State() != Clearing || s.count(message.Ended) > 0 {
			t.Errorf("stopped when it was %s, the run is %s, and has ended %d times", state, s.run.State(), s.count(message.Ended))
		}
	}
}

func TestCollectionThatIsBrokenOffIsRemarked(t *testing.T) {
	t.Parallel()
	s := newSite(t, collecting).reach(Collecting)
	s.in(Collected{&message.FileTotals{BrokenOff: "no space"}}).want(Clearing, "remark collection ended, keep end, clear")
}

// A huge directory does not keep the end of a run.
func TestRemovalIsNotWaitedForForEver(t *testing.T) {
	t.Parallel()
	s := newSite(t).reach(Clearing)
	s.pass(clearFor-time.Millisecond).want(Clearing, "")
	s.pass(time.Millisecond).want(Finished, "leave host, log last done")
	s.in(Cleared{Note: "left it behind"}).want(Finished, "")
	if notes := s.last(message.Done).Done.Notes; len(notes) > 0 {
		t.Errorf("notes: %q", notes)
	}
}

func TestNotesGoIntoTheLastEvent(t *testing.T) {
	t.Parallel()
	s := newSite(t).reach(Running)
	s.in(Noted{"one"}, setDone(), Noted{"two"}, Cleared{Note: "three"})
	if got := strings.Join(s.last(message.Done).Done.Notes, " "); got != "one two three" {
		t.Errorf("notes: %s", got)
	}
}

func TestLogThatTakesNoMoreEndsTheRun(t *testing.T) {
	t.Parallel()
	s := newSite(t).reach(Running)
	s.in(LogFailed{"no space left"}).want(Stopping, "stop at 0s with 2s, remark stopping")
	s.in(setDone(), Cleared{}).skip()
	if done := s.last(message.Done).Done; done.Outcome != message.HostStopped || done.Reason != "the run log can't be written: no space left" {
		t.Errorf("done: %+v", done)
	}
	s.in(LastFailed{"no space left"}).want(Over, "reply done, end")
	if done := s.last(message.Done).Done; done.Outcome != message.HostLost || done.Reason != "output is missing: no space left" || len(done.Totals) != 2 {
		t.Errorf("done: %+v, want it lost", done)
	}
	if logged := s.done[0].Done; logged.Outcome != message.HostStopped {
		t.Errorf("what was to be logged has been changed: %+v", logged)
	}
}

// A refusal that can't be logged is not kept to oneself either.
func TestRefusalThatCannotBeLoggedIsTold(t *testing.T) {
	t.Parallel()
	s := newSite(t).reach(Preparing)
	s.in(Prepared{Err: "no"}, Cleared{}).skip()
	s.in(LastFailed{"no space left"}).want(Over, "reply done, end")
	if done := s.last(message.Done).Done; done.Outcome != message.HostLost {
		t.Errorf("done: %+v, want it lost", done)
	}
}

func TestLogThatCannotBeReadBackIsReported(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		state   State
		change  []func(*message.Job)
		then    func(*site)
		effects string
	}{
		"running":    {Running, nil, func(s *site) { s.in(setDone(), Cleared{}) }, "stop at 0s with 2s, remark stopping, clear, leave host, log last done, reply done, end"},
		"finished":   {Finished, nil, nil, "reply done, end"},
		"clearing":   {Clearing, nil, func(s *site) { s.in(Cleared{}) }, "leave host, log last done, reply done, end"},
		"collecting": {Collecting, []func(*message.Job){collecting}, func(s *site) { s.in(Collected{&message.FileTotals{}}, Cleared{}) }, "stop collecting: damaged, keep end, clear, log last done, reply done, end"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, test.change...).reach(test.state)
			s.in(LogUnreadable{"damaged"})
			if test.then != nil {
				test.then(s)
			}
			s.want(Over, test.effects)
			if done := s.last(message.Done).Done; done.Outcome != message.HostLost || done.Reason != "output is missing: damaged" {
				t.Errorf("done: %+v", done)
			}
		})
	}
}
