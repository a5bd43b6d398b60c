package course

import "downbeat/internal/message"

// The host: from when it is given to the run to when the run is ready to be
// released, and giving it back.

// A task is what a run that has the host, and is not ready, waits for.
type task uint8

const (
	noTask task = iota
	makingDir
	supplying
	runningCommand
	preparing
)

func hasSteps(r *Run) bool         { return r.steps }
func owes(r *Run) bool             { return r.owed && r.teardown }
func isWounded(r *Run) bool        { return r.wounded }
func isWoundedAndOwes(r *Run) bool { return r.wounded && owes(r) }
func hasFailed(r *Run) bool        { return r.refusal != nil }
func hasFailedAndOwes(r *Run) bool { return hasFailed(r) && owes(r) }
func isFree(r *Run) bool           { return r.free }

// lacksFiles: the directory is there, and the job's files are not in it yet.
func lacksFiles(r *Run) bool { return r.task == makingDir && len(r.job.Files) > 0 }

func isNotPrepared(r *Run) bool { return r.task != preparing }

func reportWaiting(r *Run) {
	r.journal(&message.Event{Kind: message.Waiting, Waiting: &message.WaitingInfo{Behind: r.behind}})
}

// makeDir begins with the host, which is the run's now. A run that has a teardown and
// no setup owes it all the same.
func makeDir(r *Run) {
	r.wounded = false // by a run that has gone since
	r.refusal, r.announced = nil, false
	r.owed = r.steps
	r.sequence = newSequence(r.job, message.PhaseSetup)
	r.task = makingDir
	r.emit(MakeDir{Owe: r.owed})
}

func supply(r *Run) {
	r.task = supplying
	r.emit(Supply{})
}

func prepare(r *Run) {
	r.task = preparing
	r.open = canBeginAgain(r.job)
	r.gatherFacts()
	r.emit(Prepare{Open: r.open})
}

// interrupt ends the task under way. The time of a command doesn't count any more: what
// ends it is not that.
func interrupt(r *Run) {
	r.deadlines.command = never
	r.emit(Interrupt{})
}

// refuseFor notes why the host can't take part, if there is a reason.
func (r *Run) refuseFor(reason string, problems []message.Problem) {
	if reason == "" {
		return
	}
	r.refusal = &message.RefusedInfo{Reason: reason, Problems: problems, Version: r.config.Version, Features: r.config.Features}
}

// yield gives the host back, and waits for it again.
func yield(r *Run) {
	r.wounded = false
	r.dropFacts()
	r.emit(Log{What: HostYielded})
	r.emit(Yield{})
}

// leaveHost gives the host to the run that comes next, if that was not done before.
func leaveHost(r *Run) {
	r.free = true
	r.emit(LeaveHost{})
}
