package main

import (
	"context"
	"errors"
	"path/filepath"

	"downbeat/internal/campaign"
	"downbeat/internal/experiment"
	"downbeat/internal/metric"
	"downbeat/internal/outcome"
	"downbeat/internal/publisher"
	"downbeat/internal/results"
	"downbeat/internal/terminal"
)

// A datapointRun is one run of a datapoint. It implements [campaign.Task].
type datapointRun struct {
	series   *series
	spec     publisher.Spec
	dir      string
	observer observer
}

var _ campaign.Task = (*datapointRun)(nil)

// Make implements [campaign.Runner].
func (s *series) Make(a campaign.Attempt) (campaign.Task, error) {
	definition, err := a.Point.Definition()
	if err != nil {
		return nil, usage(err)
	}
	dp, err := a.Point.Expand(s.publisher.NewRun())
	if err != nil {
		return nil, usage(err)
	}
	run, err := s.results.ReserveRun(a.Point.Label(), resultsOf(dp))
	if err != nil {
		return nil, usage(err)
	}
	if a.Point.Attempt = run.Attempt(); a.Point.Attempt > 1 { // its templates may tell; the names of its processes can't
		if dp, err = a.Point.Expand(dp.Run); err != nil {
			return nil, usage(err)
		}
	}
	s.sought = dp.Metrics
	r := &datapointRun{series: s, dir: filepath.Clean(run.Dir()), observer: s.observer(dp)}
	r.spec = publisher.Spec{
		Datapoint: dp, Attempt: run.Attempt(), Since: a.Since, Definition: definition, Source: results.Hash(s.file.Source), Git: s.git,
		Results: run, Observer: r.observer,
	}
	return r, nil
}

// resultsOf lists the commands whose output the results keep.
func resultsOf(dp *experiment.Datapoint) []results.Process {
	var list []results.Process
	for _, c := range dp.Commands() {
		list = append(list, results.Process{Host: c.Host, Name: c.Name})
	}
	return list
}

// Run implements [campaign.Task].
func (r *datapointRun) Run() string { return r.spec.Datapoint.Run }

// Number implements [campaign.Task].
func (r *datapointRun) Number() int { return r.spec.Attempt }

// Do implements [campaign.Task].
func (r *datapointRun) Do(ctx context.Context, open <-chan struct{}, ended func(outcome.Run)) (results.Record, error) {
	spec := r.spec
	spec.Gate, spec.Ended = open, ended
	spec.Judge = func(rec *results.Record) {
		programs := r.series.programs()
		programs.Begins = r.observer.judging
		metric.Judge(ctx, r.dir, spec.Datapoint, rec, programs)
	}
	record, err := r.series.publisher.Run(ctx, spec)
	if err == nil {
		return record, nil
	}
	// A run that was given up needs no outcome, but what it has left on the disk matters.
	if errors.Is(context.Cause(ctx), campaign.ErrGivenUp) && !errors.Is(err, publisher.ErrUnwanted) {
		r.series.log.Warn("a run that was given up before its release has left something behind", "run", r.Run(), "error", err)
	}
	return record, &exitError{exitFailed, err}
}

// Opened implements [campaign.Task].
func (r *datapointRun) Opened(p campaign.Progress) {
	s, v := r.series, viewOf(p)
	s.place = v.place()
	s.opened[r.Run()] = r.dir
	r.observer.show(v)
}

// Over implements [campaign.Task].
func (r *datapointRun) Over(report campaign.Report) {
	s := r.series
	r.observer.close(report.Record)
	s.live.Set(terminal.Status{})
	if report.Record.Outcome != "" {
		s.summarize(report.Record, report.Took, r.dir, r.spec.Datapoint.Stop.When)
	}
	if report.Err == nil {
		s.reporter.update()
	}
}
