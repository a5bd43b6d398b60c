package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"time"

	"golang.org/x/sync/errgroup"

	"downbeat/internal/queue/dial"
	"downbeat/internal/udpclock"
	"downbeat/internal/version"
	"downbeat/internal/worker"
)

// checkWithin bounds a check.
const checkWithin = 2 * time.Minute

// check makes sure that the worker can do its work, by doing all of it briefly. A worker that
// is already running is left alone: it shows by itself that everything works.
func (c *config) check(ctx context.Context, w io.Writer) (err error) {
	ctx, cancel := context.WithTimeout(ctx, checkWithin)
	defer cancel()
	if c.exposed != nil {
		fmt.Fprintf(w, "worker: warning: processes of this user may read what the worker knows: %v\n", c.exposed)
	}
	for _, text := range c.warnings {
		fmt.Fprintf(w, "worker: warning: %s\n", text)
	}
	if err := c.makeStateDir(); err != nil {
		return err
	}
	quiet := slog.New(slog.DiscardHandler)
	dialCtx, stop := context.WithTimeout(ctx, 10*time.Second)
	defer stop()
	broker, err := dial.Open(dialCtx, c.QueueURL, c.options(quiet))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, broker.Close()) }()
	here, err := os.Getwd()
	if err != nil {
		return fmt.Errorf("find the working directory: %w", err)
	}
	config := worker.Config{
		Broker: broker, Namespace: c.Namespace, StateDir: c.StateDir, Dir: here,
		Trust: c.trust, Lease: c.Lease, Version: version.String(), Log: quiet,
	}
	running, err := c.checkHostsServed(ctx, config)
	if err != nil {
		return err
	}
	if len(running) == 0 && c.MetricsAddr != "" {
		if err := tryListen(ctx, c.MetricsAddr); err != nil {
			return err
		}
	}
	if len(running) == 0 && c.ClockAddr != udpclock.Off {
		clock, err := udpclock.Listen(c.ClockAddr, quiet)
		if err != nil {
			return fmt.Errorf("DOWNBEAT_CLOCK_ADDR=%s: %w", c.ClockAddr, err)
		}
		if err := clock.Close(); err != nil {
			return err
		}
	}
	c.report(w, running)
	return nil
}

// checkHostsServed checks each host, and returns those that a worker with this state directory
// is serving.
func (c *config) checkHostsServed(ctx context.Context, config worker.Config) ([]string, error) {
	running := make([]bool, len(c.Host))
	errs := make([]error, len(c.Host))
	var checking errgroup.Group
	checking.SetLimit(8)
	for i, host := range c.Host {
		checking.Go(func() error {
			config := config
			config.Host = host
			one, err := worker.New(config)
			if errors.Is(err, worker.ErrLocked) {
				running[i] = true
				return nil
			}
			if err == nil {
				err = errors.Join(one.Check(ctx), one.Close())
			}
			errs[i] = err
			return nil
		})
	}
	_ = checking.Wait()
	var hosts []string
	for i, host := range c.Host {
		if running[i] {
			hosts = append(hosts, host)
		}
	}
	return hosts, errors.Join(errs...)
}

// tryListen makes sure that the address can be listened on.
func tryListen(ctx context.Context, addr string) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return fmt.Errorf("serve metrics on DOWNBEAT_METRICS_ADDR=%s: %w", addr, err)
	}
	return listener.Close()
}

func (c *config) report(w io.Writer, running []string) {
	jobs := "signed by a trusted key"
	if c.open {
		jobs = "with or without a signature"
	}
	fmt.Fprintf(w, "worker: all is well: %s can be used; jobs for %s, %s, are accepted in namespace %s; state is kept in %s\n",
		dial.Redact(c.QueueURL), shown(c.Host), jobs, c.Namespace, c.StateDir)
	if len(running) > 0 {
		fmt.Fprintf(w, "worker: a worker with this state directory is serving %s already, so that was not checked again\n", shown(running))
	}
}
