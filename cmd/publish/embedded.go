package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"

	"downbeat/internal/experiment"
	"downbeat/internal/message"
	"downbeat/internal/queue"
	"downbeat/internal/queue/mem"
	"downbeat/internal/runner"
	"downbeat/internal/secrecy"
	"downbeat/internal/udpclock"
	"downbeat/internal/version"
	"downbeat/internal/worker"
)

// Without a queue, `publish` does everything in one process: each host of the file has a worker
// of its own here, the same as elsewhere.

// embeddedWorkers are the embedded queue and its workers, one for each host.
type embeddedWorkers struct {
	app     *app
	broker  queue.Broker
	runner  *runner.Runner
	state   *worker.TempState
	clock   *udpclock.Responder // of this machine, which all hosts are; nil: none
	workers []*worker.Worker
	stop    context.CancelFunc
	running sync.WaitGroup
}

// loopbackAddress is the address of hosts that are all this machine.
const loopbackAddress = "127.0.0.1"

// startEmbedded starts a worker for each host of the file, as if in that directory.
func (a *app) startEmbedded(ctx context.Context, file *experiment.File, directory string) (_ *embeddedWorkers, err error) {
	log := a.inner(ctx)
	e := &embeddedWorkers{app: a, broker: mem.New(queue.Options{Log: log})}
	ctx, e.stop = context.WithCancel(context.WithoutCancel(ctx))
	defer func() {
		if err != nil {
			err = errors.Join(err, e.close())
		}
	}()
	if e.state, err = worker.NewTempState(os.TempDir()); err != nil {
		return nil, fmt.Errorf("make a directory for the embedded workers: %w", err)
	}
	if e.runner, err = a.startRunner(ctx); err != nil {
		return nil, err
	}
	removed, err := worker.RemoveAbandoned(ctx, e.runner, os.TempDir())
	if err != nil {
		a.say("publish: warning: %v\n", err)
	}
	if removed > 0 {
		a.log.Info("removed the state of publishers that were killed", "dir", os.TempDir(), "number", removed)
	}
	if a.flags.ClockAddr != udpclock.Off {
		if e.clock, err = udpclock.Listen(loopbackAddress+":0", log); err != nil {
			a.log.Warn("the clocks are compared through the queue alone", "error", err)
		}
	}
	for _, h := range file.Hosts {
		w, err := worker.New(worker.Config{
			Broker: e.broker, Runner: e.runner, Namespace: a.flags.Namespace, Host: h.Name, StateDir: e.state.Dir, Dir: directory,
			Trust: message.Trust{Unsigned: true}, Lease: a.flags.Lease, Version: version.String(), Log: log, Clock: e.clock, Environ: secrecy.Environ(os.Environ(), a.flags.PassEnv),
		})
		if err != nil {
			return nil, err
		}
		e.workers = append(e.workers, w)
		if err := w.Declare(ctx); err != nil {
			return nil, err
		}
		e.running.Go(func() {
			if err := w.Run(ctx); err != nil {
				log.Error("embedded worker", "error", err)
			}
		})
	}
	return e, nil
}

// close stops the workers and whatever they still run.
func (e *embeddedWorkers) close() error {
	e.stop()
	e.running.Wait()
	var errs []error
	for _, w := range e.workers {
		errs = append(errs, w.Close())
	}
	if e.clock != nil {
		errs = append(errs, e.clock.Close())
	}
	errs = append(errs, e.broker.Close(), e.app.closeRunner())
	if e.state != nil {
		errs = append(errs, e.state.Close())
	}
	return errors.Join(errs...)
}
