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
	info.Version, info.Features = r.config.Version, r.config.Features
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

func release(r *Run) {
	r.held = false
	r.emit(Release{At: r.releaseAt})
}

func stopProcesses(r *Run) { r.emit(Stop{At: r.asked.at, Grace: r.asked.grace}) }

// begun keeps the start of a command, to be reported in one event with those that
// begin together with it.
func (r *Run) begun(s message.StartedInfo) {
	if len(r.started) == 0 {
		r.deadlines.starts = r.now.Add(startsWait)
	}
	r.started = append(r.started, s)
}

// noteStarted reports what has begun.
func (r *Run) noteStarted() {
	r.deadlines.starts = never
	if len(r.started) == 0 {
		return
	}
	r.journal(&message.Event{Kind: message.Started, Started: r.started})
	r.started = nil
}

func (r *Run) exited(exit *message.ExitedInfo) {
	r.noteStarted()
	r.journal(&message.Event{Kind: message.Exited, Exited: exit})
}

// reportStopping says when the processes were sent TERM. Where nobody has stopped them,
// they have ended by themselves and only left something behind.
func reportStopping(r *Run) {
	r.journal(&message.Event{
		Kind: message.Stopping, Time: r.termAt, Stopping: &message.StoppingInfo{Cause: r.stop.cause, Reason: r.stop.reason},
	})
}
