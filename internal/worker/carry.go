package worker

import (
	"context"
	"errors"
	"fmt"

	"downbeat/internal/message"
	"downbeat/internal/runner"
	"downbeat/internal/worker/course"
	"downbeat/internal/worker/probe"
	"downbeat/internal/worker/sampler"
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
		r.prepare(e.Open)
	case course.GatherFacts:
		r.evidence.begin(r.work())
	case course.HurryFacts:
		r.evidence.soon()
	case course.Interrupt:
		r.task.interrupt()
	case course.Release:
		r.release(e)
	case course.BeginSamples:
		r.sampling.begin(e.At)
	case course.EndSamples:
		r.sampling.end()
	case course.Act:
		if err := r.processes.act(e); err != nil {
			r.pending = append(r.pending, course.Acted{Token: e.Token, At: r.clock.Now(), Err: whyNot(err)})
		}
	case course.Probe:
		r.probes.begin(e, r.look(e.Command), r.dir.hide)
	case course.EndProbe:
		r.probes.end(e.Command)
	case course.Collect:
		r.collect(e.Anew)
	case course.StopCollecting:
		r.collector.stop(errors.New(e.Reason))
	case course.Clear:
		r.clearing.begin(r.dir.clear)

	case course.Discard:
		r.processes.discard()
		r.meeting.close()
	case course.Stop:
		r.processes.stop(e)
	case course.CloseSet:
		r.processes.set.Close()
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
	case course.Answered:
		r.meeting.answer(e)
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

// prepare prepares the processes. What some of them ask of others is heard from now on.
func (r *run) prepare(open bool) {
	if r.job.Sync {
		if err := r.meeting.open(); err != nil {
			r.pending = append(r.pending, course.Prepared{Err: err.Error()})
			return
		}
	}
	if r.job.SampleMS > 0 {
		if err := sampler.Supported(); err != nil {
			r.pending = append(r.pending, course.Prepared{Err: err.Error()})
			return
		}
	}
	sink := &processSink{
		sampling: &r.sampling,
		numbers:  r.processes.numbers, clock: r.clock, journal: r.journal, mail: r.mail, hide: r.dir.hide, lines: linesOf(r.job),
	}
	spec := runner.Spec{Sink: sink, Mark: marks(r.job), Open: open}
	for _, n := range r.processes.numbers {
		c := &r.job.Commands[n]
		spec.Commands = append(spec.Commands, r.spec.command(c, r.dir.in(c.Dir)))
	}
	prepare := r.processes.preparation(spec, r.dir.hide)
	r.task.begin(func(ctx context.Context) course.Input {
		in := prepare(ctx)
		r.sampling.prepare(r.processes.set)
		return in
	})
}

// release lets a beat begin. What is beside the run from an earlier one is noted with the
// first.
func (r *run) release(e course.Release) {
	first := !r.processes.released
	r.processes.release(e.Beat, e.At)
	if first {
		r.noteNeighbours()
	}
}

// look is how it is found out whether a process can be used. What is run for that knows
// itself as the process does, so that a worker which has died finds it.
func (r *run) look(number int) *probe.Probe {
	c := &r.job.Commands[number]
	command := r.spec.command(c, r.dir.in(c.Dir))
	command.Mark, command.Stop, command.Beat = nil, runner.Stop{}, 0
	return &probe.Probe{
		Readiness: *c.Ready, Dir: r.dir.in(""), Command: command, Runner: r.runner,
		Mark: []string{message.EnvPrefix + "PROBE=" + r.job.Run + "/" + r.job.Host + "/" + c.Name},
	}
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
