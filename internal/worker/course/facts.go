package course

import "downbeat/internal/message"

// Facts of the host, which the publisher may ask for: they are gathered while the processes
// are prepared, so that nothing waits for them, and told once these have begun. The end of the
// run is told after them, but does not wait for long.

// evidence is what a run knows of its facts.
type evidence struct {
	pending bool               // they are being gathered
	info    *message.FactsInfo // they are known, and not told yet
}

// gatherFacts has the facts gathered, beside what follows.
func (r *Run) gatherFacts() {
	if !r.job.Facts {
		return
	}
	r.evidence = evidence{pending: true}
	r.emit(GatherFacts{})
}

// factsGathered takes them, and goes on with what has waited for them. Those that come too late
// are of no use.
func (r *Run) factsGathered(in FactsGathered) {
	if !r.evidence.pending {
		return
	}
	r.evidence = evidence{info: in.Facts}
	if r.state > Armed {
		r.tellFacts()
	}
	if r.cleared {
		r.fire(onCleared)
	}
}

// tellFacts reports the facts, if they are known and were not told.
func (r *Run) tellFacts() {
	if r.evidence.info == nil || !r.begun {
		return
	}
	r.journal(&message.Event{Kind: message.Facts, Facts: r.evidence.info})
	r.evidence.info = nil
}

// hurryFacts has those told soon that are being gathered: no process is left.
func (r *Run) hurryFacts() {
	if r.evidence.pending {
		r.emit(HurryFacts{})
	}
}

// dropFacts is for a run of which no process has begun, or not in vain: it is over, or waits
// for the host again.
func (r *Run) dropFacts() {
	if r.evidence.pending {
		r.emit(HurryFacts{})
	}
	r.evidence = evidence{}
}

// dirCleared is called when the run's directory is removed. The last event waits for what is
// still to come before it.
func (r *Run) dirCleared(in Cleared) {
	if in.Note != "" {
		r.account.note(in.Note)
	}
	if r.evidence.pending && r.state == Clearing {
		r.cleared = true
		return
	}
	r.fire(onCleared)
}
