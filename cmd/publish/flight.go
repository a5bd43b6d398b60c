package main

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	"downbeat/internal/metric"
	"downbeat/internal/publisher"
	"downbeat/internal/results"
	"downbeat/internal/terminal"
)

// A flight is a run under way. While one is in the air, the next may stand ready
// behind its gate: its processes are prepared, and held until it is cleared.
type flight struct {
	task
	campaign *campaign
	run      string
	dir      string
	waits    []string // the groups that its stop rule waits for
	cleared  time.Time
	gate     chan struct{}           // closed: its processes may be released
	ended    chan results.RunOutcome // holds an element once no host has a process of it left
	over     chan struct{}           // closed: record and err are set
	cancel   context.CancelCauseFunc
	observer observer

	record results.Record
	err    error
}

// launch begins a run behind its gate.
func (c *campaign) launch(ctx context.Context, t task) (*flight, error) {
	definition, err := t.point.Definition()
	if err != nil {
		return nil, usage(err)
	}
	dp, err := t.point.Expand(c.publisher.NewRun())
	if err != nil {
		return nil, usage(err)
	}
	var processes []results.Process
	for _, process := range dp.Processes {
		processes = append(processes, results.Process{Host: process.Host, Name: process.Name})
	}
	for _, step := range dp.Steps() {
		processes = append(processes, results.Process{Host: step.Host, Name: step.Name})
	}
	run, err := c.results.ReserveRun(t.point.Label(), processes)
	if err != nil {
		return nil, usage(err)
	}
	t.number = run.Attempt()
	f := &flight{
		task: t, campaign: c, run: dp.Run, dir: filepath.Clean(run.Dir()), waits: dp.Stop.When,
		gate: make(chan struct{}), ended: make(chan results.RunOutcome, 1), over: make(chan struct{}),
		observer: c.observer(dp),
	}
	spec := publisher.Spec{
		Datapoint: dp, Attempt: run.Attempt(), Since: t.since, Definition: definition, Source: results.Hash(c.file.Source), Results: run, Observer: f.observer,
		Gate: f.gate, Ended: func(o results.RunOutcome) { f.ended <- o },
		Judge: func(r *results.Record) { metric.Judge(f.dir, dp, r) },
	}
	c.sought = dp.Metrics
	ctx, f.cancel = context.WithCancelCause(ctx)
	go func() {
		defer close(f.over)
		f.record, f.err = c.publisher.Run(ctx, spec)
	}()
	return f, nil
}

// clear lets the flight's processes be released, and shows from now on how it
// gets on.
func (c *campaign) clear(f *flight) {
	c.place = c.placeOf(f.task)
	f.observer.show(c.view(f.task))
	f.cleared = time.Now()
	close(f.gate)
}

// dismiss gives up a flight that has not been cleared.
func (f *flight) dismiss() {
	f.cancel(errPostponed)
	<-f.over
	// What it has become does not matter any more, but for a directory that could not be removed.
	if f.err != nil && !errors.Is(f.err, publisher.ErrUnwanted) {
		f.campaign.log.Warn("a run that was given up before its release is not gone", "run", f.run, "error", f.err)
	}
}

var errPostponed = errors.New("another run comes first")

// conclude prints how the flight, which is over, went.
func (f *flight) conclude() (results.Record, error) {
	c := f.campaign
	f.cancel(nil)
	f.observer.close(f.record)
	c.live.Set(terminal.Status{})
	if f.record.Outcome != "" {
		c.summarize(f.record, time.Since(f.cleared), f.dir, f.waits)
	}
	if f.err != nil {
		return f.record, &exitError{exitFailed, f.err}
	}
	return f.record, nil
}
