package course

import (
	"testing"
	"time"

	"downbeat/internal/message"
)

func telling(j *message.Job) { j.Facts = true }

var gathered = FactsGathered{Facts: &message.FactsInfo{}}

// Facts are gathered beside the preparation, and told once the processes have begun.
func TestFactsAreToldAfterTheStart(t *testing.T) {
	t.Parallel()
	s := newSite(t, telling).reach(Waiting).skip()
	s.in(Granted{}, DirMade{}).want(Preparing, "make dir, gather facts, prepare")
	s.in(gathered).want(Preparing, "")
	s.reach(Running).skip().in(begun(0), begun(1)).pass(startsWait).want(Running, "log started, log facts")
	s.in(setDone(), Cleared{}).want(Finished, "clear, leave host, log last done")
}

func TestFactsThatComeLaterAreToldAtOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t, telling).reach(Running).in(begun(0), begun(1)).pass(startsWait).skip()
	s.in(gathered).want(Running, "log facts")
	s.in(gathered).want(Running, "")
}

// The end of a run is told after its facts, for which it doesn't wait for long.
func TestEndWaitsForFacts(t *testing.T) {
	t.Parallel()
	ended := func() *site {
		s := newSite(t, telling).reach(Running).in(begun(0), begun(1)).pass(startsWait).skip()
		return s.in(setDone()).want(Clearing, "hurry facts, clear").in(Cleared{}).want(Clearing, "")
	}
	ended().in(gathered).want(Finished, "log facts, leave host, log last done")
	ended().pass(clearFor).want(Finished, "hurry facts, leave host, log last done")
}

// A run of which nothing has begun tells no facts, and waits for none.
func TestNoFactsWithoutAStart(t *testing.T) {
	t.Parallel()
	s := newSite(t, telling).reach(Ready).skip()
	s.stop().want(Clearing, "discard, hurry facts, clear").in(Cleared{}).want(Finished, "leave host, log last done")
	s.in(gathered).want(Finished, "")
}

// What a run has found out before it gave its host back is of no use later.
func TestFactsAreGatheredAnewWithTheHost(t *testing.T) {
	t.Parallel()
	s := newSite(t, telling).reach(Ready).skip()
	s.in(Wounded{}).want(Waiting, "discard, hurry facts, remark yielded, yield")
	s.in(Granted{}, DirMade{}).want(Preparing, "make dir, gather facts, prepare")
}

func TestFactsAreToldWhileFilesAreCollected(t *testing.T) {
	t.Parallel()
	s := newSite(t, telling, collecting).reach(Running).in(begun(0), begun(1)).pass(startsWait).skip()
	s.in(setDone()).want(Collecting, "hurry facts, keep end, leave host, log ended, collect")
	s.in(gathered).want(Collecting, "log facts")
	s.in(Collected{&message.FileTotals{}}, Cleared{}).pass(time.Millisecond).want(Finished, "keep end, clear, log last done")
}
