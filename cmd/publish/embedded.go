package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"

	"downbeat/internal/experiment"
	"downbeat/internal/message"
	"downbeat/internal/queue"
	"downbeat/internal/queue/mem"
	"downbeat/internal/runner"
	"downbeat/internal/secrecy"
	"downbeat/internal/version"
	"downbeat/internal/worker"
)

// Everything in one process: what `publish` does where no queue is given. Each
// host of the file has a worker of its own here, the same as elsewhere.

// A lab is the embedded queue with its workers.
type lab struct {
	broker  queue.Broker
	runner  *runner.Runner
	state   *worker.TempState
	workers []*worker.Worker
	stop    context.CancelFunc
	running sync.WaitGroup
}

// loopbackAddress is where hosts that are all this machine reach one another.
const loopbackAddress = "127.0.0.1"

// newLab starts a worker for each host of the file, as if in that directory.
func (a *app) newLab(ctx context.Context, file *experiment.File, directory string) (_ *lab, err error) {
	// The workers' own view of a run is told by the publisher already.
	log := slog.New(slog.DiscardHandler)
	if a.log.Enabled(ctx, slog.LevelInfo) {
		log = a.log
	}
	l := &lab{broker: mem.New(queue.Options{Log: log})}
	ctx, l.stop = context.WithCancel(context.WithoutCancel(ctx))
	defer func() {
		if err != nil {
			err = errors.Join(err, l.close())
		}
	}()
	if l.state, err = worker.NewTempState(os.TempDir()); err != nil {
		return nil, fmt.Errorf("make a directory for the embedded workers: %w", err)
	}
	if l.runner, err = runner.New(runner.Options{Log: log, Exclusive: true, Guard: true}); err != nil {
		return nil, fmt.Errorf("start the runner: %w", err)
	}
	removed, err := worker.RemoveAbandoned(ctx, l.runner, os.TempDir())
	if err != nil {
		a.say("publish: warning: %v\n", err)
	}
	if removed > 0 {
		a.log.Info("removed what publishers that were killed had left", "dir", os.TempDir(), "number", removed)
	}
	for _, h := range file.Hosts {
		w, err := worker.New(worker.Config{
			Broker: l.broker, Runner: l.runner, Namespace: a.flags.Namespace, Host: h.Name, StateDir: l.state.Dir, Dir: directory,
			Trust: message.Trust{Unsigned: true}, Lease: a.flags.Lease, Version: version.String(), Log: log, Environ: secrecy.Environ(os.Environ(), a.flags.PassEnv),
		})
		if err != nil {
			return nil, err
		}
		l.workers = append(l.workers, w)
		if err := w.Declare(ctx); err != nil {
			return nil, err
		}
		l.running.Go(func() {
			if err := w.Run(ctx); err != nil {
				log.Error("embedded worker", "error", err)
			}
		})
	}
	return l, nil
}

// close stops the workers, and with them whatever still runs.
func (l *lab) close() error {
	l.stop()
	l.running.Wait()
	var errs []error
	for _, w := range l.workers {
		errs = append(errs, w.Close())
	}
	errs = append(errs, l.broker.Close())
	if l.runner != nil {
		errs = append(errs, l.runner.Close())
	}
	if l.state != nil {
		errs = append(errs, l.state.Close())
	}
	return errors.Join(errs...)
}
