package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"downbeat/internal/experiment"
	"downbeat/internal/publisher"
	"downbeat/internal/results"
	"downbeat/internal/terminal"
)

// A campaign runs the datapoints of an experiment, one after the other.
type campaign struct {
	*app
	publisher *publisher.Publisher
	file      *experiment.File
	results   *results.Experiment
	points    []experiment.Point // those to run
	began     time.Time
	ran       int
	troubles  []string // the datapoints that did not succeed, a line each
	first     error    // what the first of them ends the program with
}

// run runs all of it. A datapoint that has failed is tried again as the file
// says, then recorded, and the next one's turn comes.
func (c *campaign) run(ctx context.Context) error {
	c.began = time.Now()
	for i, point := range c.points {
		if i > 0 {
			c.pause(ctx)
		}
		if ctx.Err() != nil {
			break
		}
		if len(c.points) > 1 {
			c.place = fmt.Sprintf(" %d/%d", i+1, len(c.points))
			if len(point.Parameters) > 0 {
				c.place += " (" + point.String() + ")"
			}
			c.outlook = c.foresee(i)
		}
		record, err := c.datapoint(ctx, point)
		if err != nil {
			return c.unfinished(err)
		}
		c.ran++
		if err := c.verdict(ctx, record); err != nil {
			c.note(point, record, err)
			if c.flags.failFast && len(c.points) > 1 {
				c.conclude()
				return err
			}
		}
	}
	c.conclude()
	if ctx.Err() != nil {
		return c.unfinished(c.interrupted(ctx))
	}
	return c.first
}

// foresee says how the experiment stands when so many datapoints are over: the
// time that the others will take is judged by what those took.
func (c *campaign) foresee(over int) string {
	var text string
	if len(c.troubles) > 0 {
		text = fmt.Sprintf(", %d of %s did not succeed", len(c.troubles), terminal.Count(uint64(over), "datapoint"))
	}
	if over > 0 {
		left := time.Since(c.began) / time.Duration(over) * time.Duration(len(c.points)-over)
		text += ", about " + terminal.Elapsed(left) + " left"
	}
	return text
}

// pause lets the file's pause pass.
func (c *campaign) pause(ctx context.Context) {
	if c.file.Pause == 0 {
		return
	}
	c.live.Set(terminal.Status{Text: c.file.Name + c.place + "  pausing for " + terminal.Duration(c.file.Pause), Since: time.Now()})
	select {
	case <-time.After(c.file.Pause):
	case <-ctx.Done():
	}
}

// datapoint makes as many runs of a point as it takes and is allowed. The error
// is one that no further run can be made after.
func (c *campaign) datapoint(ctx context.Context, point experiment.Point) (results.Record, error) {
	definition, err := point.Definition()
	if err != nil {
		return results.Record{}, usage(err)
	}
	since := ""
	for attempt := 1; ; attempt++ {
		spec := publisher.Spec{Attempt: attempt, Since: since, Definition: definition}
		record, err := c.attempt(ctx, point, spec)
		if err != nil {
			return record, err
		}
		if since == "" {
			since = record.Run
		}
		if attempt > c.file.Retries || !worthRetrying(ctx, record.Outcome) {
			return record, nil
		}
		c.say("publish: trying again: attempt %d of %d\n", attempt+1, c.file.Retries+1)
	}
}

// worthRetrying reports whether another attempt may end otherwise.
func worthRetrying(ctx context.Context, o results.RunOutcome) bool {
	if ctx.Err() != nil {
		return false
	}
	return o == results.RunFailed || o == results.RunTimedOut || o == results.RunLost || o == results.RunRefused
}

// attempt makes one run and tells how it went.
func (c *campaign) attempt(ctx context.Context, point experiment.Point, spec publisher.Spec) (results.Record, error) {
	dp, err := point.Expand(c.publisher.NewRun())
	if err != nil {
		return results.Record{}, usage(err)
	}
	processes := make([]results.Process, len(dp.Processes))
	for i, process := range dp.Processes {
		processes[i] = results.Process{Host: process.Host, Name: process.Name}
	}
	run, err := c.results.NewRun(point.Label(), processes)
	if err != nil {
		return results.Record{}, usage(err)
	}
	observer := c.observer(dp)
	began := time.Now()
	spec.Datapoint, spec.Results, spec.Observer = dp, run, observer
	record, err := c.publisher.Run(ctx, spec)
	observer.close(record)
	c.live.Set(terminal.Status{})
	if record.Outcome != "" {
		c.summarize(record, time.Since(began), filepath.Clean(run.Dir()))
	}
	if err != nil {
		return record, &exitError{exitFailed, err}
	}
	return record, nil
}

// note remembers a datapoint that did not succeed.
func (c *campaign) note(point experiment.Point, r results.Record, err error) {
	if c.first == nil {
		c.first = err
	}
	line := fmt.Sprintf("  %s %s: %s", point.Label(), strings.ReplaceAll(string(r.Outcome), "_", " "), r.Reason)
	c.troubles = append(c.troubles, strings.TrimRight(line, ": "))
}

// conclude sums several datapoints up.
func (c *campaign) conclude() {
	if len(c.points) < 2 {
		return
	}
	c.say("%s: %d of %s succeeded", c.file.Name, c.ran-len(c.troubles), terminal.Count(uint64(len(c.points)), "datapoint"))
	if len(c.troubles) > 0 {
		c.say(", %d did not", len(c.troubles))
	}
	if left := len(c.points) - c.ran; left > 0 {
		c.say(", %d not run", left)
	}
	c.say(", after %s; results in %s\n", terminal.Duration(time.Since(c.began)), filepath.Clean(c.results.Dir()))
	for i, line := range c.troubles {
		if i == most && len(c.troubles) > most+1 {
			c.say("  ... and %d more; see %s\n", len(c.troubles)-most, results.DatapointsFile)
			break
		}
		c.say("%s\n", line)
	}
}

// unfinished tells how to go on with an experiment that has been broken off.
func (c *campaign) unfinished(err error) error {
	if len(c.points) > 1 {
		c.say("publish: to go on: publish resume %s\n", filepath.Clean(c.results.Dir()))
	}
	return err
}

// interrupted is how the program ends after a signal.
func (c *campaign) interrupted(ctx context.Context) error {
	if i, ok := errors.AsType[*interruption](context.Cause(ctx)); ok {
		return &exitError{status: exitSignal + int(i.signal)}
	}
	return &exitError{status: exitFailed}
}
