package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"
	"golang.org/x/sync/errgroup"

	"downbeat/internal/queue"
	"downbeat/internal/queue/dial"
	"downbeat/internal/runner"
	"downbeat/internal/secrecy"
	"downbeat/internal/trustedpath"
	"downbeat/internal/udpclock"
	"downbeat/internal/version"
	"downbeat/internal/worker"
)

// statusOf gives the exit status of an error of check or serve.
func statusOf(err error) int {
	switch {
	case errors.Is(err, queue.ErrBadURL), errors.Is(err, queue.ErrDenied), errors.Is(err, trustedpath.ErrUntrusted):
		return exitUsage
	case errors.Is(err, queue.ErrUnreachable):
		return exitQueue
	}
	return exitFailed
}

func (c *config) options(log *slog.Logger) queue.Options {
	return queue.Options{Log: log, ClientName: "worker " + strings.ReplaceAll(shown(c.Host), ", ", ",")}
}

// makeStateDir makes the state directory. Others must not be able to write to it: they could
// have a run reported, or a job forgotten, as they like.
func (c *config) makeStateDir() error {
	if err := os.MkdirAll(c.StateDir, 0o700); err != nil {
		return fmt.Errorf("make the state directory: %w (set DOWNBEAT_STATE_DIR)", err)
	}
	if err := trustedpath.CheckDir(c.StateDir); err != nil {
		return fmt.Errorf("the state directory: %w (or set DOWNBEAT_STATE_DIR to another)", err)
	}
	return nil
}

// serve runs the daemon until ctx ends. At the end the workers are closed first, because they
// still have to report, then the queue, then the runner.
func (c *config) serve(ctx context.Context, stderr io.Writer) (err error) {
	if err := c.makeStateDir(); err != nil {
		return err
	}
	log := c.logger(stderr)
	log.Info("worker starts", "version", version.String(), "hosts", c.Host, "queue", dial.Redact(c.QueueURL), "state", c.StateDir)
	if c.exposed != nil {
		log.Warn("processes of this user may read what the worker knows", "error", c.exposed)
	}
	for _, text := range c.warnings {
		log.Warn("a variable is not read", "reason", text)
	}
	if c.open && len(c.trust.Keys) == 0 {
		log.Warn("jobs are accepted without a signature: anyone who can reach the queue can run commands here")
	}
	manager := newSystemd(log)
	var serving atomic.Pointer[health]
	defer manager.watch(func() {
		if h := serving.Load(); h != nil {
			h.alive()
		}
	})()
	r, err := runner.New(runner.Options{Log: log, Exclusive: true, Guard: true})
	if err != nil {
		return fmt.Errorf("start the runner: %w", err)
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	broker, err := c.connect(ctx, log, manager)
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	defer func() { err = errors.Join(err, broker.Close()) }()
	here, err := os.Getwd()
	if err != nil {
		return fmt.Errorf("find the working directory: %w", err)
	}
	clock := c.answerProbes(log)
	if clock != nil {
		defer func() { err = errors.Join(err, clock.Close()) }()
	}
	workers, err := c.workers(broker, r, clock, log, here)
	defer func() {
		for _, w := range workers {
			err = errors.Join(err, w.Close())
		}
	}()
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	health := &health{broker: broker, workers: workers}
	serving.Store(health)
	manager.ready(fmt.Sprintf("serving %s at %s", shown(c.Host), dial.Redact(c.QueueURL)))
	group.Go(func() error {
		<-ctx.Done()
		manager.stopping("stopping what runs")
		return nil
	})
	if c.MetricsAddr != "" {
		group.Go(func() error { return health.serve(ctx, c.MetricsAddr, log) })
	}
	for _, w := range workers {
		group.Go(func() error {
			if err := w.Run(ctx); err != nil && ctx.Err() == nil {
				return err
			}
			return nil
		})
	}
	err = group.Wait()
	log.Info("worker ends")
	return err
}

// answerProbes answers probes of the clock by UDP, for all hosts. Where that is impossible, clocks
// are compared through the queue alone.
func (c *config) answerProbes(log *slog.Logger) *udpclock.Responder {
	if c.ClockAddr == udpclock.Off {
		return nil
	}
	clock, err := udpclock.Listen(c.ClockAddr, log)
	if err != nil {
		log.Warn("the clock is compared through the queue alone, and less exactly", "variable", "DOWNBEAT_CLOCK_ADDR", "error", err)
		return nil
	}
	return clock
}

func (c *config) workers(broker queue.Broker, r *runner.Runner, clock *udpclock.Responder, log *slog.Logger, dir string) ([]*worker.Worker, error) {
	var workers []*worker.Worker
	for _, host := range c.Host {
		w, err := worker.New(worker.Config{
			Broker: broker, Runner: r, Namespace: c.Namespace, Host: host, StateDir: c.StateDir, Dir: dir,
			Trust: c.trust, Lease: c.Lease, Version: version.String(), Log: log, Clock: clock, Environ: secrecy.Environ(os.Environ(), c.PassEnv),
		})
		if err != nil {
			return workers, err
		}
		workers = append(workers, w)
	}
	return workers, nil
}

// dropped logs that so many lines of the log were dropped.
func (c *config) dropped(w io.Writer, lines int) {
	c.logger(w).Warn("lines of the log were dropped: nobody read them", "lines", lines)
}

func (c *config) logger(w io.Writer) *slog.Logger {
	options := &slog.HandlerOptions{Level: c.LogLevel}
	if c.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

// connect keeps trying: hosts and broker boot in any order, and the service counts as started
// after the first try. It gives up only on errors that waiting can't fix.
func (c *config) connect(ctx context.Context, log *slog.Logger, manager *systemd) (queue.Broker, error) {
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = 250*time.Millisecond, 10*time.Second
	return backoff.Retry(ctx, func() (queue.Broker, error) {
		broker, err := dial.Open(ctx, c.QueueURL, c.options(log))
		if errors.Is(err, queue.ErrBadURL) || errors.Is(err, queue.ErrDenied) {
			return nil, backoff.Permanent(err)
		}
		return broker, err
	}, backoff.WithBackOff(pause), backoff.WithMaxElapsedTime(0), backoff.WithNotify(func(err error, wait time.Duration) {
		log.Warn("the queue can't be reached yet", "error", err, "next_try", wait.Round(time.Millisecond))
		manager.ready("waiting for the queue at " + dial.Redact(c.QueueURL))
	}))
}
