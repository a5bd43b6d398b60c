package conduct

import "time"

// A Stage is where a run stands as a whole. A test holds this drawing to the table:
//
//	gathering ⇄ committing → starting → running → stopping → over
//	gathering, committing, starting → stopping
//	running → over
type Stage uint8

// The stages, in their order.
const (
	Gathering  Stage = iota // waiting until every host is ready
	Committing              // every host was ready; waiting until each says it keeps its processes
	Starting                // the instant of the release is out
	Running                 // every host has released
	Stopping                // the end is out; waiting for what comes yet
	Over                    // nothing more is expected of any host
)

var stageNames = [...]string{"gathering", "committing", "starting", "running", "stopping", "over"}

// String names the stage.
func (s Stage) String() string { return stageNames[s] }

// A stageTransition leads from a stage to the next as soon as its guard holds. What time alone
// makes true has an entry among the deadlines.
type stageTransition struct {
	from, until Stage // the first and the last from which it leads
	guard       func(*Run) bool
	do          func(*Run) // on the way
	to          Stage
}

// stageTransitions are looked through in this order, again and again until none applies.
var stageTransitions = [...]stageTransition{
	{Gathering, Running, func(r *Run) bool { return r.ending.stopped() }, (*Run).tellStop, Stopping},
	{Gathering, Running, isRefused, stopRefused, Stopping},
	{Gathering, Gathering, mayCommit, func(r *Run) { r.committingAt = r.now }, Committing},
	{Committing, Committing, func(r *Run) bool { return !r.all(Ready) }, nothing, Gathering}, // a host had to let go
	{Committing, Committing, mayRelease, agreeRelease, Starting},
	{Starting, Starting, func(r *Run) bool { return r.all(Released) }, nothing, Running},
	{Running, Running, func(r *Run) bool { return r.rule.holds() && ruleApplies(r) }, stopByRule, Stopping},
	{Running, Running, isEmpty, stopEmpty, Stopping},
	{Stopping, Stopping, stepDone, nextStep, Stopping},
	{Running, Stopping, func(r *Run) bool { return r.all(Completed) }, nothing, Over},
}

func nothing(*Run) {}

// advance moves the run on as far as it can go now.
func (r *Run) advance() {
	r.advanceStage()
	if len(r.beats) > 1 {
		r.cannotBegin()
		r.advanceStage()
		r.advanceBeats()
	}
	if !r.freed && r.all(Ended) {
		r.freed = true
		word, _ := r.outcome()
		r.out.hurry(HostsFree{Outcome: word})
	}
}

func (r *Run) advanceStage() {
	for t := stageTransitionOf(r); t != nil; t = stageTransitionOf(r) {
		r.stage = t.to // so that what is done is done in the new stage
		for i := range r.hosts {
			r.hosts[i].touch()
		}
		t.do(r)
	}
}

// stageTransitionOf finds the one that can be made.
func stageTransitionOf(r *Run) *stageTransition {
	for i := range stageTransitions {
		t := &stageTransitions[i]
		if r.stage >= t.from && r.stage <= t.until && t.guard(r) {
			return t
		}
	}
	return nil
}

// mayCommit reports whether the hosts can be asked to keep their processes for the run:
// all are ready, and each one's clock is known well enough or has been tried for long
// enough. A host that is still committed has not answered the uncommit yet: were it
// counted as ready, its commit of before could be taken for one that still holds.
func mayCommit(r *Run) bool {
	if !r.declinedAt.IsZero() || !r.all(Ready) || r.at[Committed] > 0 {
		return false
	}
	for i := range r.hosts {
		if r.now.Before(r.hosts[i].measuredAt()) {
			return false
		}
	}
	return true
}

const minStartMargin = 12 * time.Millisecond

// agreeRelease agrees on the instant: far enough ahead that the news of it reaches every host
// before. The commits have just gone to all hosts in the same way: twice what they took,
// until the last was answered, is four times the way.
func agreeRelease(r *Run) {
	margin := max(2*r.committedAt.Sub(r.committingAt), minStartMargin)
	r.releaseAt = r.now.Add(min(margin, maxMargin))
	r.beats[0].state, r.beats[0].at = BeatDue, r.releaseAt
	r.askAll()
	r.probeAll()
}

// othersAnswer is how long, after one host has declined, the others are waited for: who
// has made mistakes on several hosts is to hear of all of them at once.
const othersAnswer = 2 * time.Second

// isRefused reports whether the run can't be, and all that can be said about that is known.
func isRefused(r *Run) bool {
	return !r.declinedAt.IsZero() && (r.at[Asked] == 0 || !r.now.Before(r.declinedAt.Add(othersAnswer)))
}
