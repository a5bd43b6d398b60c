package course

import (
	"testing"
	"time"

	"downbeat/internal/message"
)

func TestEachBeatIsReleasedOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t, onBeat(1, 1)).reach(Committed)
	s.tell(start(0, time.Second)).want(Armed, "release at 1s, log armed").saying(message.Armed, "beat 0 at 1s")
	s.tell(start(0, 2*time.Second)).want(Armed, "") // the first instant counts
	s.in(Released{}, s.life(0, 0)).pass(20*time.Second).want(Running, "log started")
	s.tell(start(1, 90*time.Second)).want(Running, "release beat 1 at 1m30s, log armed").saying(message.Armed, "beat 1 at 1m30s")
	s.tell(start(1, 91*time.Second)).tell(start(2, 91*time.Second)).want(Running, "") // there is no beat 2
	s.in(Released{Beat: 1}, s.life(1, 0)).pass(time.Second).want(Running, "log started")
}

// A host that has no process on the first beat is released with it all the same, and
// starts may overtake each other.
func TestBeatsNeedNoProcess(t *testing.T) {
	t.Parallel()
	s := newSite(t, onBeat(0, 1), onBeat(1, 1)).reach(Committed)
	s.tell(start(0, time.Second)).in(Released{}).want(Running, "release at 1s, log armed")
	s = newSite(t, onBeat(0, 1), onBeat(1, 2)).reach(Committed)
	s.tell(start(1, 3*time.Second)).want(Armed, "release beat 1 at 3s, log armed")
	s.tell(start(0, time.Second)).want(Armed, "release at 1s, log armed")
	s.tell(start(2, 4*time.Second)).want(Armed, "release beat 2 at 4s, log armed")
}

func TestNoBeatIsReleasedOnceTheRunIsStopped(t *testing.T) {
	t.Parallel()
	s := newSite(t, onBeat(1, 1)).released().stop().skip()
	s.tell(start(1, time.Minute)).want(Stopping, "")
}

// A stop from a beat on leaves the run going, and says when it was carried out, after all
// starts before it.
func TestPartialStop(t *testing.T) {
	t.Parallel()
	s := newSite(t, onBeat(1, 1), restarting(1, message.RestartAlways, 9, 0)).released().skip()
	s.tell(start(1, time.Second)).in(Released{Beat: 1}, s.life(1, 0)).skip()
	stop := message.Control{Kind: message.Stop, Cause: message.StopRule, FromBeat: 1, At: epoch.Add(2 * time.Second), GraceMS: 500}
	s.tell(stop).want(Running, "stop from beat 1 at 2s with 500ms")
	stop.Cause = message.StopFailure
	s.tell(stop).want(Running, "stop from beat 1 at 2s with 500ms") // it is asked for again, and the runner keeps the earlier
	s.in(TermSent{At: epoch.Add(2 * time.Second), FromBeat: 1}).want(Running, "log started, log stopping")
	s.saying(message.Stopping, "rule from 1 at 2s")
	s.in(s.end(1, 0, 0)).saying(message.Exited, "1.0").skip() // and not again
	s.pass(time.Second).want(Running, "")
	s.tell(message.Control{Kind: message.Stop, Cause: message.StopRule}).want(Stopping, "stop at 2s with 0s")
	s.in(TermSent{At: epoch}).saying(message.Stopping, "rule from 0 at 0s")
}

// A stop from a beat on keeps processes that are held, or between two lives, from ever
// beginning. Once none is left that could begin, the set is closed.
func TestPartialStopEndsWhatHasNotBegun(t *testing.T) {
	t.Parallel()
	s := newSite(t, onBeat(1, 1), restarting(0, message.RestartOnFailure, 1, 0)).released().skip()
	s.in(s.end(0, 0, 0)).want(Running, "log started, log exited")
	s.tell(message.Control{Kind: message.Stop, Cause: message.StopRule, FromBeat: 1}).in(TermSent{At: s.now, FromBeat: 1})
	s.want(Running, "stop from beat 1 at 1s with 0s, log stopping, close set")

	s = newSite(t, onBeat(1, 1), restarting(1, message.RestartOnFailure, 1, time.Minute)).released()
	s.in(s.end(0, 0, 0)).tell(start(1, time.Second)).in(s.life(1, 0), s.end(1, 0, 1)).skip()
	s.tell(message.Control{Kind: message.Stop, Cause: message.StopRule, FromBeat: 1}).in(TermSent{At: s.now, FromBeat: 1})
	s.want(Running, "stop from beat 1 at 1s with 0s, log stopping, close set")
}

// A stop of some beats that overtakes its run's job is no reason not to begin it.
func TestPartialStopBeforeTheJob(t *testing.T) {
	t.Parallel()
	var early earlyList
	early.add("01RUN", Delivered{Control: &message.Control{Kind: message.Stop, FromBeat: 1}})
	if early.stopped("01RUN") {
		t.Error("the run counts as stopped")
	}
}

func TestSamplesAreTakenFromTheFirstReleaseToTheLastProcess(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(j *message.Job) {
		j.SampleMS = 1000
		j.Commands[1].Beat = 1
	})
	s.reach(Committed)
	s.tell(message.Control{Kind: message.Start, At: s.now.Add(time.Second)}).want(Armed, "release at 1s, begin samples at 1s, log armed")
	s.tell(message.Control{Kind: message.Start, At: s.now.Add(2 * time.Second), Beat: 1}).want(Armed, "release beat 1 at 2s, log armed")
	s.in(Released{}).skip()
	s.in(setDone()).want(Clearing, "end samples, clear")
}

func TestRunThatIsNeverReleasedIsNotSampled(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(j *message.Job) { j.SampleMS = 1000 })
	s.reach(Committed)
	s.stop().want(Clearing, "discard, clear")
}
