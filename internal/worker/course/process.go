package course

import (
	"fmt"
	"time"

	"downbeat/internal/message"
)

// The processes: held, released, stopped, gone.

// startsWait is how long a run keeps to itself that commands have begun: what the worker
// and the broker would do about it takes time from the processes' first steps,
// where they are on the same machine. An exit ends it.
const startsWait = 20 * time.Millisecond

// takePrepared notes whether the processes are held.
func (r *Run) takePrepared(in Prepared) {
	r.held = in.Err == ""
	r.prepared = message.ReadyInfo{Hold: in.Hold, Unheld: in.Unheld}
	if len(in.Problems) > 0 {
		in.Err = fmt.Sprintf("%d of %d commands can't be run", len(in.Problems), r.job.Count(message.PhaseRun))
	}
	r.refuseFor(in.Err, in.Problems)
}

func reportReady(r *Run) {
	info := r.prepared
	info.Version, info.Features, info.Clock = r.config.Version, r.config.Features, r.config.Clock
	r.journal(&message.Event{Kind: message.Ready, Ready: &info})
}

// reportCommitted answers a commit, of which several may come.
func reportCommitted(r *Run) {
	r.journal(&message.Event{Kind: message.Committed, Committed: &message.CommittedInfo{Probe: r.probe}})
}

// discard kills what is held.
func discard(r *Run) {
	if r.held {
		r.held = false
		r.emit(Discard{})
	}
}

// noteStarted reports what has begun.
func (r *Run) noteStarted() {
	r.deadlines.starts = never
	if len(r.started) == 0 {
		return
	}
	r.journal(&message.Event{Kind: message.Started, Started: r.started})
	r.started = nil
	if r.state >= Armed && r.state < TearingDown {
		r.begun = true
		r.tellFacts()
	}
}

// report has an event logged of what has begun, after the news of that.
func (r *Run) report(e *message.Event) {
	r.noteStarted()
	r.journal(e)
}

// setDone takes down what the processes have come to: none is left.
func (r *Run) setDone(in SetDone) {
	r.ran = true
	r.open = false
	if r.sampled {
		r.emit(EndSamples{})
	}
	r.hurryFacts()
	r.endSearches()
	answerAll(r)
	r.timers, r.planned = nil, nil
	r.account.processes(r.job, in)
}
