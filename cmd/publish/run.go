package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"downbeat/internal/experiment"
	"downbeat/internal/message"
	"downbeat/internal/publisher"
	"downbeat/internal/queue"
	"downbeat/internal/queue/dial"
	"downbeat/internal/results"
	"downbeat/internal/version"
)

// load reads the file and prints its warnings.
func (a *app) load(path string) (*experiment.File, error) {
	file, err := experiment.Load(path, a.std.in)
	if err != nil {
		return nil, usage(err)
	}
	for _, w := range file.Warnings {
		fmt.Fprintf(a.std.err, "publish: warning: %v\n", w)
	}
	if a.local() {
		file.DefaultAddress(func(string) string { return loopbackAddress })
	}
	return file, nil
}

func (a *app) embedded() bool { return strings.HasPrefix(a.flags.queue, embedded) }

// local reports whether all workers are on this machine, as the queue can be
// reached from nowhere else.
func (a *app) local() bool {
	loopback, err := dial.IsLoopback(a.flags.queue)
	return err == nil && loopback
}

// run runs the file.
func (a *app) run(ctx context.Context, path string) error {
	defer a.live.Close()
	file, err := a.load(path)
	if err != nil {
		return err
	}
	// What is wrong with the file by itself is found before anything is reached.
	if _, err := file.Expand(message.NewRun(message.NewPublisher())); err != nil {
		return usage(err)
	}
	broker, done, err := a.queueFor(ctx, file)
	if err != nil {
		return err
	}
	defer done()
	p, closePublisher, err := a.open(ctx, broker)
	if err != nil {
		return err
	}
	defer closePublisher()
	return a.datapoint(ctx, p, file)
}

// queueFor makes the embedded queue, or leaves it to open to connect.
func (a *app) queueFor(ctx context.Context, file *experiment.File) (queue.Broker, func(), error) {
	if !a.embedded() {
		return nil, func() {}, nil
	}
	lab, err := a.newLab(ctx, file)
	if err != nil {
		return nil, nil, &exitError{exitUnreachable, err}
	}
	return lab.broker, func() {
		if err := lab.close(); err != nil {
			a.log.Warn("the embedded workers could not be left in order", "error", err)
		}
	}, nil
}

// datapoint makes one run of the file's datapoint and tells how it went.
func (a *app) datapoint(ctx context.Context, p *publisher.Publisher, file *experiment.File) error {
	dp, err := file.Expand(p.NewRun())
	if err != nil {
		return usage(err)
	}
	format := "json"
	if !strings.HasPrefix(strings.TrimSpace(string(file.Source)), "{") {
		format = "yaml"
	}
	exp, err := results.Create(a.flags.results, results.Meta{
		Name: file.Name, File: file.Path, Format: format, Source: file.Source, Version: version.String(),
	})
	if err != nil {
		return usage(err)
	}
	processes := make([]results.Process, len(dp.Processes))
	for i, process := range dp.Processes {
		processes[i] = results.Process{Host: process.Host, Name: process.Name}
	}
	run, err := exp.NewRun(fmt.Sprintf("%04d", dp.Index), processes)
	if err != nil {
		return usage(err)
	}
	observer := a.observer(dp)
	began := time.Now()
	record, err := p.Run(ctx, publisher.Spec{Datapoint: dp, Attempt: 1, Results: run, Observer: observer})
	observer.close(record)
	a.live.Close()
	if record.Outcome != "" {
		a.summarize(record, time.Since(began), filepath.Clean(run.Dir()))
	}
	if err != nil {
		return &exitError{exitFailed, err}
	}
	return a.verdict(ctx, record)
}

// verdict turns a run's outcome into the program's.
func (a *app) verdict(ctx context.Context, record results.Record) error {
	var i *interruption
	switch {
	case record.Outcome == results.RunSucceeded:
		return nil
	case record.Outcome == results.RunAborted && errors.As(context.Cause(ctx), &i):
		return &exitError{status: exitSignal + int(i.signal)}
	}
	for _, h := range record.Hosts {
		if h.Outcome == results.HostNotReady {
			return &exitError{status: exitUnreachable}
		}
	}
	return &exitError{status: exitFailed}
}
