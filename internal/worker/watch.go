package worker

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"downbeat/internal/message"
	"downbeat/internal/queue"
	"downbeat/internal/worker/course"
)

// linger is how long the controls are watched after the last run is over: the
// next datapoint usually follows at once.
const linger = time.Minute

// A watch takes the host's controls while there are runs. An idle worker doesn't
// watch them: where each look costs money, that adds up.
type watch struct {
	mu      sync.Mutex
	running bool
	cancel  context.CancelFunc
	ended   sync.WaitGroup
}

// open makes sure that controls are being taken.
func (h *watch) open(ctx context.Context, w *Worker) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.running {
		return
	}
	// Runs go on being controlled while the worker shuts down.
	ctx, h.cancel = context.WithCancel(context.WithoutCancel(ctx))
	h.running = true
	h.ended.Go(func() { h.take(ctx, w) })
}

// close ends the watch and waits for it.
func (h *watch) close() {
	h.mu.Lock()
	if h.cancel != nil {
		h.cancel()
	}
	h.mu.Unlock()
	h.ended.Wait()
}

// idle ends the watch if there are no runs, and reports whether it did.
func (h *watch) idle(w *Worker) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.runs) > 0 {
		return false
	}
	h.running = false
	return true
}

func (h *watch) take(ctx context.Context, w *Worker) {
	source := message.ControlQueue(w.config.Namespace, w.config.Host)
	consumer, err := h.consume(ctx, w, source)
	if err != nil && ctx.Err() != nil {
		return
	}
	if err != nil {
		w.slog.Error("controls can't be taken", "queue", source, "error", err)
		h.mu.Lock()
		h.running = false
		h.mu.Unlock()
		return
	}
	defer func() { _ = consumer.Close() }() // what it held goes back to the queue
	for {
		d, err := receive(ctx, consumer, linger)
		switch {
		case err == nil:
			w.control(ctx, d, source)
		case errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil:
			if h.idle(w) {
				return
			}
		default:
			return
		}
	}
}

// consume takes the controls for this worker alone. Another one may have them still,
// if it was cut off for so long that this one has got its host, and has a run that
// isn't over.
func (h *watch) consume(ctx context.Context, w *Worker, source string) (queue.Consumer, error) {
	for told := false; ; told = true {
		consumer, err := w.config.Broker.ConsumeAlone(ctx, source, 64, queue.Claim{})
		if !errors.Is(err, queue.ErrHeld) {
			return consumer, err
		}
		if !told {
			w.slog.Warn("another worker still takes this host's controls, waiting for them", "queue", source)
		}
		if err := w.pause(ctx, lookEvery); err != nil {
			return nil, err
		}
	}
}

func receive(ctx context.Context, c queue.Consumer, within time.Duration) (*queue.Delivery, error) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	return c.Receive(ctx)
}

// control answers one delivery of the control queue.
func (w *Worker) control(ctx context.Context, d *queue.Delivery, source string) {
	if message.FrameKindOf(d.Body) == message.FrameChunk {
		w.chunk(d.Body)
		w.answered(d.Ack(ctx))
		return
	}
	if _, ok := message.ReadContender(d.Body, w.config.Namespace, w.config.Host); ok { // a check has left it
		w.answered(d.Ack(ctx))
		return
	}
	taken := d.ReceivedAt
	envelope, err := message.OpenEnvelope(d.Body, w.config.Trust, w.now())
	if outdated := errors.Is(err, message.ErrExpired) || errors.Is(err, message.ErrFarAhead); outdated && w.validForRun(envelope) {
		err = nil
	}
	if errors.Is(err, message.ErrExpired) {
		w.slog.Debug("control ignored", "run", envelope.Run, "reason", err)
		w.answered(d.Ack(ctx))
		return
	}
	if err == nil {
		err = envelope.For(w.config.Namespace, w.config.Host)
	}
	var c *message.Control
	if err == nil {
		c, err = envelope.Control()
	}
	if err == nil && c.Kind == message.Hello {
		err = fmt.Errorf("%w: a hello belongs on the queue of jobs", message.ErrMisdirect)
	}
	if err != nil {
		w.reject(ctx, d, source, err)
		return
	}
	w.answered(d.Ack(ctx))
	w.forward(envelope.Run, course.Delivered{Control: c, Taken: taken, Serial: envelope.Serial, Size: len(d.Body)})
}

// forward hands a control to its run, or keeps it until the run's job comes.
func (w *Worker) forward(run string, c course.Delivered) {
	w.mu.Lock()
	defer w.mu.Unlock()
	r := w.runs[run]
	switch w.admission.Control(run, c, r == nil && w.seenOnDisk(run)) {
	case course.Accept:
		r.take(c)
	case course.Again:
		w.slog.Warn("control ignored: it was here before", "run", run, "control", c.Control.Kind, "serial", c.Serial)
	case course.TooLate:
		w.slog.Debug("control ignored: the run is over", "run", run, "control", c.Control.Kind)
	case course.Kept, course.Stopped:
	}
}

// validForRun reports whether a control that has expired by the wall clock, or will
// only long after, is valid on the clock of its run, which goes on evenly: a step of the wall
// clock in mid-run must not make the worker deaf to the run's publisher.
func (w *Worker) validForRun(envelope *message.Payload) bool {
	r := w.lookup(envelope.Run)
	if r == nil {
		return false
	}
	left := envelope.Expires.Sub(r.clock.Now())
	return left > 0 && left <= message.MaxAhead
}

// chunk hands a part of a file to the run that asked for it.
func (w *Worker) chunk(body []byte) {
	c, err := message.DecodeChunk(body)
	if err != nil {
		w.slog.Warn("part of a file ignored", "reason", err)
		return
	}
	if r := w.lookup(c.Run); r != nil {
		r.supply.offer(c)
	}
}
