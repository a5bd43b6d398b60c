package worker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"downbeat/internal/message"
	"downbeat/internal/queue"
	"downbeat/internal/worker/course"
	"downbeat/internal/worker/runlog"
)

// intake takes jobs, and hellos, until ctx ends or the queue is closed.
func (w *Worker) intake(ctx context.Context, consumer queue.Consumer) {
	for {
		d, err := consumer.Receive(ctx)
		if err != nil {
			if ctx.Err() == nil {
				w.slog.Error("no more jobs can be taken", "error", err)
			}
			return
		}
		w.accept(ctx, d)
	}
}

// accept answers one delivery of the jobs queue: a job is journaled and then
// acknowledged at once, whatever becomes of it; what can't be accepted is
// dead-lettered with its reason.
func (w *Worker) accept(ctx context.Context, d *queue.Delivery) {
	if c, ok := message.ReadContender(d.Body, w.config.Namespace, w.config.Host); ok {
		if !c.Worker.Same(w.self) { // else it waited itself, and its word has come late
			w.rival(c)
		}
		w.answered(d.Ack(ctx))
		return
	}
	envelope, err := message.OpenEnvelope(d.Body, w.config.Trust, w.now())
	if err == nil {
		err = envelope.For(w.config.Namespace, w.config.Host)
	}
	if err == nil && envelope.Purpose == message.PurposeControl {
		err = w.greet(envelope, d.ReceivedAt)
		if err == nil {
			w.answered(d.Ack(ctx))
			return
		}
	}
	var job *message.Job
	if err == nil {
		job, err = envelope.Job()
	}
	if err != nil {
		w.reject(ctx, d, message.JobsQueue(w.config.Namespace, w.config.Host), err)
		return
	}
	w.take(ctx, d, job)
}

// take journals a job and starts its run, once.
func (w *Worker) take(ctx context.Context, d *queue.Delivery, job *message.Job) {
	switch w.judgeJob(job.Run) {
	case course.Again:
		w.slog.Warn("the job was delivered again and is not run again", "run", job.Run, "redelivered", d.Redelivered)
		w.answered(d.Ack(ctx))
		return
	case course.Stopped:
		w.slog.Info("the run was stopped before its job came, and is not begun", "run", job.Run)
		w.answered(d.Ack(ctx))
		return
	case course.Accept, course.TooLate, course.Kept:
	}
	err := w.restore()
	var r *run
	if err == nil {
		r, err = w.journal(job, d.Body)
	}
	w.answered(d.Ack(ctx))
	if err != nil {
		w.slog.Error("the job can't be journaled", "run", job.Run, "error", err)
		w.refuse(job.Run, job.ReplyTo, "the worker can't keep a journal: "+err.Error())
		return
	}
	w.taken.Add(1)
	w.slog.Info("job taken", "run", job.Run, "experiment", job.Experiment, "datapoint", job.Datapoint, "processes", job.Count(message.PhaseRun))
	w.turns.admit(r) // before it begins: once over, it would never give the host back
	w.start(ctx, r)
}

// journal puts a job onto the disk, from where it is known after any crash.
func (w *Worker) journal(job *message.Job, body []byte) (*run, error) {
	dir := filepath.Join(w.runsDir(), job.Run)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the run's directory: %w", err)
	}
	log, err := runlog.Create(filepath.Join(dir, logDir), body)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return w.newRun(job, log), nil
}

// greet answers a hello.
func (w *Worker) greet(envelope *message.Payload, taken time.Time) error {
	c, err := envelope.Control()
	if err != nil {
		return err
	}
	if c.Kind != message.Hello {
		return fmt.Errorf("%w: a %s control on the queue of jobs", message.ErrMisdirect, c.Kind)
	}
	info := w.here()
	info.Nonce, info.Clock = c.Nonce, w.listenFor(c.ClockKey)
	if c.Probe != nil {
		probe := *c.Probe
		probe.TakenAt, probe.AnswerAt = taken.Round(0).Add(w.skew()).UTC(), w.now().UTC()
		info.Probe = &probe
	}
	send := func() {
		w.send(c.ReplyTo, message.Event{Kind: message.Here, Here: info, Time: time.Now()}, 5*time.Second)
	}
	if c.Facts {
		w.tellFacts(info, send)
	} else {
		send()
	}
	return nil
}

// reject dead-letters a delivery of that queue, and tells its sender where it says whom
// to tell. Of a run that is here, or was, nothing is said: its job has been taken, and
// what came now, forged or too late, says nothing about that.
func (w *Worker) reject(ctx context.Context, d *queue.Delivery, source string, reason error) {
	w.refused.Add(1)
	w.slog.Warn("message refused", "queue", source, "reason", reason)
	w.bury(ctx, d, source, reason)
	run, replyTo := message.ReplyAddress(d.Body, w.config.Namespace)
	if replyTo == "" || message.CheckRun(run) == nil && w.judgeJob(run) == course.Again {
		return
	}
	text := reason.Error()
	if errors.Is(reason, message.ErrNeeds) || errors.Is(reason, message.ErrVersion) {
		text += fmt.Sprintf(" (the worker on %s is of version %s: use the same build there and for publish)", w.config.Host, w.config.Version)
	}
	w.refuse(run, replyTo, text)
}

// bury dead-letters a delivery. Where that is impossible for another reason than
// the worker's end, the delivery is dropped, with its reason in the log: kept,
// it would take the place of what is good.
func (w *Worker) bury(ctx context.Context, d *queue.Delivery, source string, reason error) {
	dead := message.DeadQueue(w.config.Namespace)
	err := queue.DeadLetter(ctx, w.config.Broker, d, source, dead, reason.Error())
	if errors.Is(err, queue.ErrNoQueue) { // somebody has deleted it
		if err = w.Declare(ctx); err == nil {
			err = queue.DeadLetter(ctx, w.config.Broker, d, source, dead, reason.Error())
		}
	}
	if err == nil || errors.Is(err, queue.ErrClosed) || ctx.Err() != nil {
		w.answered(err)
		return
	}
	w.slog.Error("a message that was refused can't be dead-lettered, and is dropped", "queue", source, "reason", reason, "error", err)
	w.answered(d.Ack(ctx))
}

// refuse tells a publisher, outside any log, that a message was not taken. The
// queue must be one of the namespace's queues of events.
func (w *Worker) refuse(run, replyTo, reason string) {
	w.send(replyTo, message.Event{Kind: message.Refused, Run: run, Time: time.Now(), Refused: &message.RefusedInfo{
		Reason: reason, Version: w.config.Version, Features: message.Features(),
	}}, 30*time.Second)
}

// answered logs that a delivery could not be acknowledged: it will come again.
func (w *Worker) answered(err error) {
	if err != nil && !errors.Is(err, queue.ErrClosed) && !errors.Is(err, context.Canceled) {
		w.slog.Warn("a message could not be acknowledged and may come again", "error", err)
	}
}
