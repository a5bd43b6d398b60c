package worker

import (
	"context"
	"log/slog"
	"time"

	"downbeat/internal/clock"
	"downbeat/internal/message"
	"downbeat/internal/runner"
	"downbeat/internal/worker/course"
	"downbeat/internal/worker/rendezvous"
	"downbeat/internal/worker/runlog"
)

// A run is one job on this host, from the journal to the last acknowledgement. What
// becomes of it is decided by its [course.Run]; the run feeds that, and carries out what
// it says. One goroutine, in loop, does both: all others post to its mailbox.
type run struct {
	// These don't change, and may be used by any goroutine.
	job     *message.Job
	slog    *slog.Logger
	mail    *mailbox
	clock   *clock.Clock
	log     *runlog.Log
	journal *journal
	sender  *sender
	replies *replies
	turns   *turns
	supply  *supply
	spec    specs
	runner  *runner.Runner
	// noteLeft notes on the disk that processes of the run can't be ended.
	noteLeft func()
	// unlisten ends that the clock can be asked for.
	unlisten func()

	// Of the goroutine that owns the run.
	course     *course.Run
	pending    []course.Input // what effects have come to that were carried out at once
	dir        directory
	task       task
	processes  *processes
	sampling   sampling
	probes     probes
	evidence   evidence
	meeting    meeting
	collector  collector
	clearing   clearing
	keep       bool // the log stays on the disk, for the worker's next start
	timer      *time.Timer
	timerUntil time.Time // when it fires, on the run's clock
}

// newRun makes the run of a job that has just been journaled in log.
func (w *Worker) newRun(job *message.Job, log *runlog.Log) *run {
	r := w.makeRun(job, log)
	config := w.courseConfig(job)
	config.Clock, r.unlisten = w.listen(job.ClockKey, r.clock)
	r.course = course.New(config, r.clock.Now())
	return r
}

// foundRun makes the run of a job that was found in log at the worker's start. Its first
// input is what was found.
func (w *Worker) foundRun(job *message.Job, log *runlog.Log) *run {
	r := w.makeRun(job, log)
	r.course = course.Recover(w.courseConfig(job), r.clock.Now())
	return r
}

func (w *Worker) courseConfig(job *message.Job) course.Config {
	return course.Config{Job: job, Lease: w.config.Lease, Version: w.config.Version, Features: message.Features()}
}

func (w *Worker) makeRun(job *message.Job, log *runlog.Log) *run {
	r := &run{
		job: job, log: log, mail: newMailbox(), clock: clock.New(w.skew()), unlisten: func() {}, turns: &w.turns, runner: w.config.Runner,
		slog: w.slog.With("run", job.Run, "experiment", job.Experiment),
		dir:  w.directory(job.Run), noteLeft: func() { w.noteHung(job.Run) },
	}
	r.journal = newJournal(job, r.clock, log, func(err error) { r.mail.post(course.LogFailed{Err: err.Error()}) })
	r.sender = newSender(w.config.Broker, job.ReplyTo, int(job.WindowBytes), log, r.slog)
	r.sender.onGone = func() { r.mail.post(course.PublisherGone{}) }
	r.sender.onUnreadable = func(err error) { r.mail.post(course.LogUnreadable{Err: err.Error()}) }
	r.replies = &replies{run: job.Run, to: job.ReplyTo, clock: r.clock, interest: min(job.Lease(), w.config.Lease), publish: w.send}
	r.supply = newSupply(job, r.dir.in(""), w.cache(), r.replies.send, r.slog)
	r.meeting = meeting{path: rendezvous.Path(r.dir.path()), clock: r.clock, mail: r.mail, slog: r.slog}
	r.spec = specs{job: job, environ: w.config.Environ, search: []string{w.config.Dir}, sync: r.meeting.path}
	r.task.mail = r.mail
	r.processes = newProcesses(job, w.config.Runner, r.clock, r.mail)
	r.sampling = sampling{job: job, clock: r.clock, journal: r.journal}
	r.evidence = evidence{reader: w.facts, mail: r.mail}
	r.probes = probes{clock: r.clock, mail: r.mail}
	r.collector = collector{job: job, journal: r.journal, sender: r.sender, mail: r.mail}
	r.clearing = clearing{mail: r.mail, slog: r.slog}
	return r
}

// loop runs the run to its end. It returns once nothing of it is left, or, when
// ctx ends, once its processes are gone: what the publisher has not
// acknowledged then stays in the log for the next start of the worker.
func (r *run) loop(ctx context.Context) {
	stopSending := r.sender.start(ctx)
	r.timer = time.NewTimer(time.Hour)
	leave := ctx.Done()
	for !r.course.Over() {
		r.setTimer()
		select {
		case <-r.mail.ready:
			r.readMail()
		case <-r.processes.done():
			r.allEnded()
		case <-r.timer.C:
			r.timerUntil = time.Time{}
			r.readMail() // a keepalive may be in it
			r.feed(nil)
		case <-leave:
			leave = nil
			r.feed(course.Leaving{})
		}
		if r.course.State() == course.Finished && r.sender.allAcked() {
			r.feed(course.AllAcked{})
		}
	}
	r.timer.Stop()
	r.probes.close()
	r.evidence.close()
	r.processes.watchers.Wait()
	r.meeting.close()
	r.collector.stop(nil)
	r.clearing.wait(ctx)
	stopSending()
	r.task.running.Wait()
	r.unlisten()
	r.replies.underWay.Wait()
	r.dir.close()
}

// setTimer has the loop wake up when the run wants to be called.
func (r *run) setTimer() {
	next := r.course.Next()
	if next.Equal(r.timerUntil) {
		return
	}
	r.timerUntil = next
	if next.IsZero() {
		r.timer.Stop()
		return
	}
	r.timer.Reset(time.Until(r.clock.Local(next)))
}

func (r *run) readMail() {
	for _, in := range r.mail.take() {
		r.feed(in)
	}
}

// allEnded reports that no process is left, after all that the set has reported before.
func (r *run) allEnded() {
	r.processes.watchers.Wait()
	r.readMail()
	r.feed(r.processes.over())
	r.meeting.close()
}

// feed takes an input, or with nil the time, and does what is to be done.
func (r *run) feed(in course.Input) {
	before := r.course.State()
	for {
		if c, ok := in.(course.ControlTaken); ok {
			c.Last = r.log.Last()
			in = c
		}
		for _, e := range r.course.Step(r.clock.Now(), in) {
			r.carryOut(e)
		}
		if len(r.pending) == 0 {
			break
		}
		in = r.pending[0]
		r.pending = r.pending[1:]
	}
	if after := r.course.State(); after != before {
		r.slog.Debug("run has moved on", "from", before.String(), "to", after.String())
	}
}

// take takes a control of the run's. Any goroutine may call it.
func (r *run) take(c course.Delivered) {
	r.mail.post(course.ControlTaken{Control: c.Control, Taken: r.clock.At(c.Taken)})
}
