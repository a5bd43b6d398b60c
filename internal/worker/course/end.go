package course

import (
	"strings"
	"time"

	"downbeat/internal/message"
)

// The end of a run: its account is closed, its directory removed, the host given to
// the next run, and then the publisher is told.

const (
	// clearFor is how long the end of a run waits until its directory is removed, so
	// as to tell what is left of it. The removal goes on after that.
	clearFor = 5 * time.Second
)

// A stop says why, when and how a run is to be stopped.
type stop struct {
	cause  message.StopCause
	reason string
	at     time.Time
	grace  time.Duration
	own    bool // the worker's decision, not the publisher's
	from   int  // the first beat that is stopped; 0: all are
}

func isStopped(r *Run) bool        { return r.stop != nil }
func isStoppedAndOwes(r *Run) bool { return r.stop != nil && owes(r) }
func isMute(r *Run) bool           { return r.mute != "" }

func hasFilesToCollect(r *Run) bool { return r.ran && len(r.job.Collect) > 0 }

// stopOwn ends the run by the worker's own decision, if it isn't ending.
func (r *Run) stopOwn(cause message.StopCause, reason string) {
	r.asked = stop{cause: cause, reason: reason, at: r.now, grace: r.job.Grace(), own: true}
	if r.fire(onStop) && !r.free {
		r.emit(Log{What: StoppingRun, Reason: reason})
	}
}

// noteStop keeps the first reason for which the run has to end.
func noteStop(r *Run) {
	if r.stop == nil {
		s := r.asked
		r.stop = &s
	}
}

// done is how the run has ended, as far as it is known yet.
func (r *Run) done() *message.DoneInfo {
	if r.lost != nil {
		r.lost.Totals = r.account.totals
		return r.lost
	}
	done := &message.DoneInfo{Outcome: message.HostDone, Totals: r.account.totals, Swept: r.account.swept}
	if r.stop != nil && r.stop.own {
		done.Outcome, done.Reason = message.HostStopped, r.stop.reason
	}
	return done
}

// finish closes the account once nothing is left.
func finish(r *Run) {
	r.end = &message.Event{Kind: message.Done, Done: r.done()}
	clearDir(r)
}

// refuse ends a run whose setup has failed, or whose processes can't be prepared.
func refuse(r *Run) {
	if r.steps {
		r.refusal.Totals = r.account.totals
	}
	r.emit(Log{What: RunRefused, Reason: inFull(r.refusal)})
	r.end = &message.Event{Kind: message.Refused, Refused: r.refusal}
	clearDir(r)
}

// inFull is the reason of a refusal with the problems that it comes from.
func inFull(info *message.RefusedInfo) string {
	problems := make([]string, len(info.Problems))
	for i, p := range info.Problems {
		problems[i] = p.Process + ": " + p.Reason
	}
	if len(problems) == 0 {
		return info.Reason
	}
	return info.Reason + ": " + strings.Join(problems, "; ")
}

// clearDir removes the run's directory. What is left of it is told in the last event.
func clearDir(r *Run) {
	if !r.ran {
		r.dropFacts()
	}
	r.deadlines.clear = r.now.Add(clearFor)
	r.emit(Clear{})
}

// collect tells the publisher that no process is left, frees the host, and reads the
// files in the background.
func collect(r *Run) {
	r.end = &message.Event{Kind: message.Done, Done: r.done()}
	r.beginCollecting(false)
}

// collectAnew goes on where a worker died that had begun to.
func collectAnew(r *Run) {
	r.end = &message.Event{Kind: message.Done, Done: r.found.Resume}
	r.beginCollecting(true)
}

func (r *Run) beginCollecting(anew bool) {
	keepEnd(r)
	leaveHost(r)
	r.journal(&message.Event{Kind: message.Ended})
	r.drain() // where it was the lease that ended the run, it has run out
	r.emit(Collect{Anew: anew})
}

func keepEnd(r *Run) { r.emit(KeepEnd{Done: r.end.Done}) }

// addFiles puts into the last event what was collected.
func addFiles(r *Run) {
	files := r.account.files
	if files.BrokenOff != "" {
		r.emit(Log{What: CollectionEnded, Reason: files.BrokenOff})
	}
	r.end.Done.Files = files
}

func stopCollecting(r *Run)     { r.emit(StopCollecting{Reason: leavingReason}) }
func stopCollectingMute(r *Run) { r.emit(StopCollecting{Reason: r.mute}) }

// reportEnd tells the publisher how the run has ended. The host is free before that: what
// the publisher sends then must not find it taken.
func reportEnd(r *Run) {
	r.deadlines.clear = never
	r.dropFacts()
	r.account.into(r.end)
	if r.account.remains() {
		r.emit(NoteLeft{})
	}
	if !r.free {
		leaveHost(r)
	}
	r.end.Time = r.now
	r.emit(JournalLast{Event: r.named(r.end)})
	r.drain()
}
