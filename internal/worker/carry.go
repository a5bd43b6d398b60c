package worker

import (
	"errors"
	"fmt"

	"downbeat/internal/message"
	"downbeat/internal/runner"
	"downbeat/internal/worker/course"
)

// carryOut does what the rules say. What comes of an effect at once is fed after all
// effects of its step.
func (r *run) carryOut(e course.Effect) {
	switch e := e.(type) {
	case course.Yield:
		r.turns.yield(r.job.Run)
	case course.LeaveHost:
		r.turns.leave(r.job.Run)

	case course.MakeDir:
		r.makeDir(e.Owe)
	case course.Supply:
		r.task.begin(r.supply.run)
	case course.RunCommand:
		r.task.begin(r.stepCommand(e.Command).run)
	case course.Prepare:
		r.prepare()
	case course.Interrupt:
		r.task.interrupt()
	case course.Release:
		r.processes.release(r.clock.Local(e.At), &r.task)
		r.noteNeighbours()
	case course.Act, course.Probe, course.EndProbe, course.CloseSet, course.Answered: // of jobs that need what this worker doesn't promise
	case course.Collect:
		r.collect(e.Anew)
	case course.StopCollecting:
		r.collector.stop(errors.New(e.Reason))
	case course.Clear:
		r.clearing.begin(r.dir.clear)

	case course.Discard:
		r.processes.discard()
	case course.Stop:
		r.processes.set.Stop(r.clock.Local(e.At), e.Grace, 0)
	case course.BeginTeardown:
		r.beginTeardown()
	case course.EndTeardown:
		r.endTeardown()
	case course.KeepEnd:
		if err := r.dir.keepEnd(e.Done); err != nil {
			r.slog.Warn("a worker that dies now could not go on collecting", "error", err)
		}
	case course.NoteLeft:
		r.noteLeft()
	case course.End:
		r.keep = e.Keep

	case course.Journal:
		_ = r.journal.event(*e.Event) // it tells the run itself when it can't
	case course.JournalLast:
		if err := r.journal.last(e.Event); err != nil {
			r.pending = append(r.pending, course.LastFailed{Err: err.Error()})
		}
	case course.Reply:
		r.replies.send(*e.Event)
	case course.Ack:
		r.sender.ack(e.Seq, e.Resend)
	case course.Log:
		r.remark(e)
	}
}

func (r *run) makeDir(owe bool) {
	note, err := r.dir.make()
	if note != "" {
		r.note(note)
	}
	if err == nil && owe {
		err = r.dir.owe()
	}
	made := course.DirMade{}
	if err != nil {
		made.Err = err.Error()
	}
	r.pending = append(r.pending, made)
}

// note has people told of something odd.
func (r *run) note(text string) { r.pending = append(r.pending, course.Noted{Text: text}) }

// noteNeighbours notes the processes of earlier runs that can't be ended, and take
// part in what this run measures.
func (r *run) noteNeighbours() {
	if left := r.runner.Leftovers(); left != nil {
		r.slog.Warn("processes of an earlier run are still there", "error", left)
		r.note(fmt.Sprintf("what an earlier run has left is still there beside this one: %v", left))
	}
}

func (r *run) stepCommand(number int) *stepCommand {
	c := &r.job.Commands[number]
	return &stepCommand{
		number: number, command: r.spec.command(c, r.dir.in(c.Dir)), mark: marks(r.job), grace: r.job.Grace(), hide: r.dir.hide,
		runner: r.runner, clock: r.clock, journal: r.journal, mail: r.mail,
	}
}

func (r *run) prepare() {
	sink := &processSink{numbers: r.processes.numbers, clock: r.clock, journal: r.journal, mail: r.mail}
	spec := runner.Spec{Sink: sink, Mark: marks(r.job)}
	for _, n := range r.processes.numbers {
		c := &r.job.Commands[n]
		spec.Commands = append(spec.Commands, r.spec.command(c, r.dir.in(c.Dir)))
	}
	r.task.begin(r.processes.preparation(spec, r.dir.hide))
}

func (r *run) beginTeardown() {
	notes, err := r.dir.beginTeardown(r.job)
	for _, note := range notes {
		r.note(note)
	}
	if err != nil {
		r.slog.Error("the teardown has no directory to run in", "error", err)
	}
}

func (r *run) endTeardown() {
	if note := r.dir.endTeardown(); note != "" {
		r.note(note)
	}
	if err := r.dir.oweNoMore(); err != nil {
		r.slog.Warn("the teardown will be run again if this worker dies now", "error", err)
	}
}

// collect reads the files from where the processes were started, or, of a run that
// was found, where they should have been.
func (r *run) collect(anew bool) {
	if r.dir.work == nil {
		r.dir.work = r.dir.open()
	}
	r.collector.begin(r.dir.work, anew)
}

// remark tells the worker's log what was decided.
func (r *run) remark(l course.Log) {
	switch l.What {
	case course.StoppingRun:
		r.slog.Warn("stopping the run", "reason", l.Reason)
	case course.HostYielded:
		r.slog.Info("an older run takes the host")
	case course.RunRefused:
		r.slog.Warn("run refused", "reason", l.Reason)
	case course.CommandFailed:
		r.slog.Warn("a command did not succeed", "command", r.job.Commands[l.Command].Name, "reason", l.Reason)
	case course.CollectionEnded:
		r.slog.Warn("not all files were collected", "reason", l.Reason)
	case course.LogEndLost:
		r.slog.Warn("the end of the run log was lost")
	case course.PublisherSilent:
		r.slog.Warn("giving up what the publisher has not taken", "reason", l.Reason)
	}
}

// marks are the entries by which a run's processes on this host are known.
func marks(j *message.Job) []string {
	return []string{message.EnvPrefix + "RUN=" + j.Run, message.EnvPrefix + "HOST=" + j.Host}
}
