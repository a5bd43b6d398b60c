package worker

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"downbeat/internal/message"
	"downbeat/internal/queue"
)

// One worker at a time serves a host: it alone consumes the host's queue of jobs.
// Another one for the same name says who has it, and waits.

const (
	// lookEvery is how often a worker that waits looks whether the name is free,
	// where that costs nothing, and costlyEvery where a look is a request to pay for.
	lookEvery, costlyEvery = time.Second, 10 * time.Second
	// freeFor is how long nobody may have the name before one who waits takes it:
	// its holder may have lost its connection, and tries each 5 s at the latest.
	freeFor = 8 * time.Second
	// answerWithin is how long the holder may take to say who it is.
	answerWithin = 3 * time.Second
	// contendEvery is how often one who waits says so again, and contendFor how long
	// that counts.
	contendEvery, contendFor = time.Minute, 150 * time.Second
	// remindEvery is how often the log is told again that a worker waits.
	remindEvery = 10 * time.Minute
	// maxContenders bounds those who are remembered.
	maxContenders = 8
)

// A Contention is what [Worker.Check] found: the name is another worker's.
type Contention struct {
	Host string
	// By tells who has it, as far as that could be found out.
	By string
}

// Error implements error.
func (c *Contention) Error() string {
	return fmt.Sprintf("host %s is served by another worker: %s; give each worker a name of its own (DOWNBEAT_HOST), or stop the other one", c.Host, c.By)
}

// self says who this worker is.
func self() message.WorkerInfo {
	machine, _ := os.Hostname()
	return message.WorkerInfo{Machine: machine, PID: os.Getpid(), Since: time.Now().UTC().Truncate(time.Second)}
}

// claim is that with which this worker has its host's queue. Whoever comes from the
// same state directory of the same machine is this worker, started again: the lock
// there lets one live at a time.
func (w *Worker) claim() queue.Claim {
	machine, _ := os.ReadFile("/etc/machine-id") // where there is one, it tells machines of one name apart
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\n%s\n%s", w.self.Machine, machine, w.dir))
	return queue.Claim{Holder: hex.EncodeToString(sum[:]), About: w.self.String()}
}

// hold takes the host's jobs for this worker alone. Where another one has them it
// waits for as long as it takes.
func (w *Worker) hold(ctx context.Context) (queue.Consumer, error) {
	jobs := message.JobsQueue(w.config.Namespace, w.config.Host)
	var told, contended time.Time
	defer w.outside.Store(false)
	for {
		consumer, err := w.config.Broker.ConsumeAlone(ctx, jobs, 4, w.claim())
		if errors.Is(err, queue.ErrNoQueue) { // somebody has deleted it
			if err := w.Declare(ctx); err != nil {
				return nil, err
			}
			continue
		}
		if !errors.Is(err, queue.ErrHeld) {
			if err == nil && !told.IsZero() {
				w.slog.Info("the other worker has gone, this one serves the host now")
			}
			return consumer, err
		}
		w.outside.Store(true)
		if told.IsZero() {
			w.sweepLeft(ctx) // it is no business of the other one's
		}
		now := time.Now()
		if now.Sub(contended) >= contendEvery {
			contended = now
			by := w.contend(ctx, err, true)
			if now.Sub(told) >= remindEvery && ctx.Err() == nil {
				told = now
				w.slog.Warn("another worker serves this host, waiting until it has gone; give each worker a name of its own (DOWNBEAT_HOST)", "holder", by)
			}
		}
		if err := w.awaitFree(ctx, jobs, contended.Add(contendEvery)); err != nil {
			return nil, err
		}
	}
}

// sweepLeft ends what a worker that died has left of its runs. They are reported
// once the host is this worker's.
func (w *Worker) sweepLeft(ctx context.Context) {
	entries, _ := os.ReadDir(w.runsDir())
	for _, e := range entries {
		if message.CheckRun(e.Name()) != nil {
			continue
		}
		if _, err := w.config.Runner.Sweep(ctx, marks(&message.Job{Run: e.Name(), Host: w.config.Host})); err != nil {
			w.slog.Error("what is left of a run can't be ended", "run", e.Name(), "error", err)
		}
	}
}

// awaitFree returns when the name may be free, or at the instant given.
func (w *Worker) awaitFree(ctx context.Context, jobs string, until time.Time) error {
	ticker := time.NewTicker(w.pace(lookEvery))
	defer ticker.Stop()
	began := time.Now()
	free := time.Time{} // since when nobody has been seen there
	last := began
	for time.Now().Before(until) {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		info, err := w.config.Broker.Inspect(ctx, jobs)
		now := time.Now()
		switch {
		case errors.Is(err, queue.ErrNoQueue):
			if err := w.Declare(ctx); err != nil {
				return err
			}
			free = time.Time{}
		case err != nil && ctx.Err() != nil:
			return ctx.Err()
		case err != nil || info.Consumers > 0 || now.Sub(last) > 3*w.pace(lookEvery):
			free = time.Time{} // there is somebody, or the broker was away, and with it everybody
		case info.Consumers < 0: // the broker doesn't know
			return w.pause(ctx, costlyEvery)
		case free.IsZero():
			free = now
		case now.Sub(free) >= w.pace(freeFor):
			return nil
		}
		last = now
	}
	return nil
}

// pace shortens times in tests.
func (w *Worker) pace(d time.Duration) time.Duration { return d / time.Duration(max(w.hurry, 1)) }

func (w *Worker) pause(ctx context.Context, d time.Duration) error { return pause(ctx, w.pace(d)) }

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// contend finds out who has the host, and tells that one that this worker waits, if
// it does.
func (w *Worker) contend(ctx context.Context, refusal error, waits bool) string {
	held, _ := errors.AsType[*queue.HeldError](refusal)
	if held != nil && held.By != "" {
		if !waits {
			return held.By
		}
		if err := w.announce(ctx, "", true); err != nil && ctx.Err() == nil {
			w.slog.Debug("the other worker can't be told that this one waits", "error", err)
		}
		return held.By
	}
	by, err := w.ask(ctx, waits)
	if err != nil && ctx.Err() == nil {
		w.slog.Debug("the other worker can't be asked who it is", "error", err)
	}
	if by == "" {
		return "one that does not say who it is: an older one, or the last life of this one, whose connection the broker has not given up yet"
	}
	return by
}

func (w *Worker) announce(ctx context.Context, replyTo string, waits bool) error {
	c := message.Contender{Namespace: w.config.Namespace, Host: w.config.Host, ReplyTo: replyTo, Waits: waits, Worker: w.self}
	body, err := c.Encode()
	if err != nil {
		return err
	}
	return w.config.Broker.Publish(ctx, message.JobsQueue(w.config.Namespace, w.config.Host), queue.Message{Body: body, TTL: contendEvery})
}

// ask has the holder say who it is. It is asked over a queue of events of our own,
// as a publisher would.
func (w *Worker) ask(ctx context.Context, waits bool) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	events := message.EventsQueue(w.config.Namespace, message.NewPublisher())
	if err := w.config.Broker.Declare(ctx, queue.Spec{Name: events, Expires: time.Minute}); err != nil {
		return "", err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), answerWithin)
		defer cancel()
		_ = w.config.Broker.Delete(ctx, events) // else it expires
	}()
	consumer, err := w.config.Broker.Consume(ctx, events, 8)
	if err != nil {
		return "", err
	}
	defer func() { _ = consumer.Close() }()
	if err := w.announce(ctx, events, waits); err != nil {
		return "", err
	}
	for {
		d, err := consumer.Receive(ctx)
		if err != nil {
			return "", err
		}
		e, err := message.DecodeEvent(d.Body)
		_ = d.Ack(ctx)
		if err == nil && e.Here != nil && e.Here.Worker != nil {
			return e.Here.Worker.String(), nil
		}
	}
}

// A contender is another worker that waits for this host.
type contender struct {
	info     message.WorkerInfo
	at, told time.Time
}

// rival takes note of a worker that waits for this host, and tells it who is here.
func (w *Worker) rival(c *message.Contender) {
	if c.Waits {
		w.remember(c)
	}
	if message.CheckReplyTo(w.config.Namespace, c.ReplyTo) == nil {
		w.send(c.ReplyTo, message.Event{Kind: message.Here, Here: w.here(), Time: time.Now()}, 5*time.Second)
	}
}

func (w *Worker) remember(c *message.Contender) {
	now := time.Now()
	w.mu.Lock()
	w.contenders = slices.DeleteFunc(w.contenders, func(k contender) bool { return now.Sub(k.at) > contendFor })
	i := slices.IndexFunc(w.contenders, func(k contender) bool { return k.info.Same(c.Worker) })
	if i < 0 && len(w.contenders) < maxContenders {
		i = len(w.contenders)
		w.contenders = append(w.contenders, contender{info: c.Worker})
	}
	tell := false
	if i >= 0 {
		k := &w.contenders[i]
		k.at = now
		if tell = now.Sub(k.told) > remindEvery; tell {
			k.told = now
		}
	}
	w.mu.Unlock()
	if tell {
		w.slog.Warn("another worker wants to serve this host too, and waits; give each worker a name of its own (DOWNBEAT_HOST)", "contender", c.Worker.String())
	}
}

// waiting are the workers that wait for this host.
func (w *Worker) waiting() []message.WorkerInfo {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []message.WorkerInfo
	for _, k := range w.contenders {
		if time.Since(k.at) <= contendFor {
			all = append(all, k.info)
		}
	}
	return all
}
