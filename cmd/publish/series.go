package main

import (
	"context"
	"time"

	"downbeat/internal/campaign"
	"downbeat/internal/experiment"
	"downbeat/internal/facts"
	"downbeat/internal/publisher"
	"downbeat/internal/results"
	"downbeat/internal/terminal"
)

// A series is the datapoints of an experiment that this program runs. The campaign decides
// which is next; the series makes the runs and shows the user how it goes. It implements
// [campaign.Runner]. All fields except those of the app belong to the goroutine that runs the
// campaign.
type series struct {
	*app
	publisher *publisher.Publisher
	file      *experiment.File
	results   *results.Experiment
	directory string             // where embedded workers look for programs
	git       *facts.Git         // of the file's directory; nil if there is none
	points    []experiment.Point // those to run, or that may have to be
	source    campaign.Source    // of them
	before    int                // datapoints that were done before this program
	reporter  *reporter
	sought    []experiment.Metric // of the latest datapoint
	opened    map[string]string   // directories of the runs that were opened, by run id
}

var _ campaign.Runner = (*series)(nil)

// run runs the points. The results are opened once the queue has been reached.
func (s *series) run(ctx context.Context, open func() (*results.Experiment, error)) error {
	a := s.app
	// Errors in the file are found before anything is sent.
	for _, point := range s.points {
		if _, err := point.Definition(); err != nil {
			return usage(err)
		}
	}
	broker, done, err := a.queueFor(ctx, s.file, s.directory)
	if err != nil {
		return err
	}
	defer done()
	p, closePublisher, err := a.open(ctx, broker)
	if err != nil {
		return err
	}
	defer closePublisher()
	exp, err := open()
	if err != nil {
		return err
	}
	defer exp.Close()
	s.publisher, s.results, s.opened = p, exp, make(map[string]string)
	if s.reporter, err = newReporter(exp.Dir(), optionsOf(s.file)); err != nil {
		return &exitError{exitFailed, err}
	}
	defer s.reporter.close(a)
	return s.conclude(ctx, campaign.Run(ctx, s.config(), s))
}

func (s *series) config() campaign.Config {
	return campaign.Config{
		Source: s.source, Before: s.before, Retries: s.file.Retries, Pause: s.file.Pause,
		Limits: campaign.Limits{FailFast: s.flags.FailFast, KeepGoing: s.flags.KeepGoing, MaxFailures: s.flags.MaxFailures},
	}
}

// Retrying implements [campaign.Runner].
func (s *series) Retrying(r campaign.Retry) {
	s.say("publish: trying again: attempt %d of %d\n", r.Attempt, r.Of)
}

// Pausing implements [campaign.Runner].
func (s *series) Pausing(p campaign.Pause) {
	v := viewOf(p.Progress)
	parts := append(v.parts(s.file.Name), terminal.Part{Text: "pausing for " + terminal.Duration(p.For), Short: "pausing", Rank: terminal.RankState, Sep: "  "})
	s.live.Set(terminal.Status{Parts: append(parts, v.failures()...), Since: time.Now(), Until: v.until, AtMost: v.atMost})
}
