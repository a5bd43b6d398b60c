package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"downbeat/internal/experiment"
	"downbeat/internal/facts"
	"downbeat/internal/queue"
	"downbeat/internal/queue/dial"
	"downbeat/internal/results"
	"downbeat/internal/trustedpath"
	"downbeat/internal/version"
)

// load reads the file and prints its warnings.
func (a *app) load(path string) (*experiment.File, error) {
	file, err := experiment.Load(path, a.std.in)
	if err != nil {
		return nil, usage(err)
	}
	if err := a.repeat(file); err != nil {
		return nil, err
	}
	a.settle(file)
	return file, nil
}

// repeat sets how many repetitions --repeat asks for.
func (a *app) repeat(file *experiment.File) error {
	if a.flags.Repeat == 0 {
		return nil
	}
	if err := file.SetRepeat(a.flags.Repeat); err != nil {
		return usage(fmt.Errorf("--repeat: %w", err))
	}
	return nil
}

// settle prints a file's warnings and adapts it.
func (a *app) settle(file *experiment.File) {
	for _, w := range file.Warnings {
		a.say("publish: warning: %v\n", w)
	}
	a.adapt(file)
}

// adapt fills in what depends on the flags and the queue.
func (a *app) adapt(file *experiment.File) {
	if a.flags.Retries >= 0 {
		file.Retries = a.flags.Retries
	}
	if a.local() {
		file.DefaultAddress(func(string) string { return loopbackAddress })
	}
}

func (a *app) embedded() bool { return strings.HasPrefix(a.flags.Queue, embedded) }

// local reports whether all workers are on this machine, because the queue can't be reached
// from another one.
func (a *app) local() bool {
	loopback, err := dial.IsLoopback(a.flags.Queue)
	return err == nil && loopback
}

// run runs the file.
func (a *app) run(ctx context.Context, path string) error {
	a.spoolOut(a.live, a.flags.Results)
	file, err := a.load(path)
	if err != nil {
		return err
	}
	points, err := a.only(file, file.Points())
	if err != nil {
		return err
	}
	here, err := os.Getwd()
	if err != nil {
		return &exitError{exitFailed, fmt.Errorf("find the working directory: %w", err)}
	}
	s := &series{app: a, file: file, points: points, source: sourceOf(file, points, nil), directory: here, git: gitOf(ctx, file.Path, here)}
	return s.run(ctx, func() (*results.Experiment, error) { return a.create(file, here, s.git) })
}

// only selects the points that --only and --datapoint ask for.
func (a *app) only(file *experiment.File, points []experiment.Point) ([]experiment.Point, error) {
	numbered, err := experiment.Numbered(points, a.flags.Datapoint)
	if err != nil {
		return nil, usage(fmt.Errorf("--datapoint: %w", err))
	}
	picked, err := file.Only(numbered, a.flags.Only)
	if err != nil {
		return nil, usage(fmt.Errorf("--only: %w", err))
	}
	return picked, nil
}

// queueFor starts the embedded queue and workers. With another queue it returns no broker: open
// connects to it.
func (a *app) queueFor(ctx context.Context, file *experiment.File, directory string) (queue.Broker, func(), error) {
	if !a.embedded() {
		return nil, func() {}, nil
	}
	a.std.at.playing.Store(true)
	workers, err := a.startEmbedded(ctx, file, directory)
	if errors.Is(err, trustedpath.ErrUntrusted) {
		return nil, nil, usage(err)
	}
	if err != nil {
		return nil, nil, &exitError{exitUnreachable, err}
	}
	return workers.broker, func() {
		if err := workers.close(); err != nil {
			a.log.Warn("the embedded workers did not end properly", "error", err)
		}
	}, nil
}

// create makes the results directory of a new experiment; here is the directory it is run in.
func (a *app) create(file *experiment.File, here string, git *facts.Git) (*results.Experiment, error) {
	meta := results.Meta{
		Name: file.Name, File: file.Path, Format: formatOf(file.Source), Source: file.Source, Version: version.String(), Directory: here,
		Git: git,
	}
	if file.Path == experiment.Stdin {
		meta.File = "-"
	} else if path, err := filepath.Abs(file.Path); err == nil {
		meta.Path = path
	}
	exp, err := results.Create(a.flags.Results, meta)
	if err != nil {
		return nil, usage(err)
	}
	return exp, nil
}
