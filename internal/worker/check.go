package worker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"downbeat/internal/message"
	"downbeat/internal/queue"
)

// echoWithin is how long a message to oneself may take.
const echoWithin = 30 * time.Second

// Check does for a moment what Run does for good: it writes to the state directory,
// declares the host's queues, and has jobs and controls for itself alone, where it
// sends itself a message. The error is a [Contention] where another worker serves
// the host. What it leaves are the directories that the worker makes at its start, the
// queue of dead letters, and, where a queue's name can't be used again at once after
// it was deleted, the host's queues.
func (w *Worker) Check(ctx context.Context) error {
	if err := w.tryState(); err != nil {
		return err
	}
	defer w.unmake(ctx, w.missing(ctx))
	if err := w.Declare(ctx); err != nil {
		return err
	}
	for name, claim := range map[string]queue.Claim{
		message.JobsQueue(w.config.Namespace, w.config.Host):    w.claim(),
		message.ControlQueue(w.config.Namespace, w.config.Host): {},
	} {
		if err := w.echo(ctx, name, claim); err != nil {
			return err
		}
	}
	return nil
}

// missing are those of the host's queues that aren't there.
func (w *Worker) missing(ctx context.Context) []string {
	var names []string
	for _, name := range []string{message.JobsQueue(w.config.Namespace, w.config.Host), message.ControlQueue(w.config.Namespace, w.config.Host)} {
		if _, err := w.config.Broker.Inspect(ctx, name); errors.Is(err, queue.ErrNoQueue) {
			names = append(names, name)
		}
	}
	return names
}

// unmake deletes the queues, as they tell publishers that a worker has been here;
// unless a worker has come meanwhile. A broker that doesn't know consumers is SQS,
// where a deleted name can't be used for a minute.
func (w *Worker) unmake(ctx context.Context, names []string) {
	for _, name := range names {
		if info, err := w.config.Broker.Inspect(ctx, name); err == nil && info.Consumers == 0 {
			_ = w.config.Broker.Delete(ctx, name)
		}
	}
}

// tryState writes a file, and its name, to where jobs are journaled.
func (w *Worker) tryState() error {
	dir, err := os.MkdirTemp(w.runsDir(), "check-")
	if err == nil {
		err = errors.Join(os.WriteFile(dir+"/file", []byte("check\n"), 0o600), os.RemoveAll(dir))
	}
	if err != nil {
		return fmt.Errorf("write to the worker's state directory: %w (set DOWNBEAT_STATE_DIR)", err)
	}
	return nil
}

// echo consumes a queue, sends itself a message, and takes one: its own, or another
// that was there before, which goes back.
func (w *Worker) echo(ctx context.Context, name string, claim queue.Claim) (err error) {
	consumer, err := w.config.Broker.ConsumeAlone(ctx, name, 1, claim)
	if errors.Is(err, queue.ErrHeld) {
		return &Contention{Host: w.config.Host, By: w.contend(ctx, err, false)}
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, consumer.Close()) }()
	own := message.Contender{Namespace: w.config.Namespace, Host: w.config.Host, Worker: w.self}
	body, err := own.Encode()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, echoWithin)
	defer cancel()
	if err := w.config.Broker.Publish(ctx, name, queue.Message{Body: body, TTL: echoWithin}); err != nil {
		return err
	}
	d, err := consumer.Receive(ctx)
	if err != nil {
		return fmt.Errorf("take a message from %s: %w", name, err)
	}
	if c, ok := message.ReadContender(d.Body, w.config.Namespace, w.config.Host); ok && c.Worker.Same(w.self) {
		return d.Ack(ctx)
	}
	return nil
}
