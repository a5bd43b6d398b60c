package main

import (
	"cmp"
	"context"
	"errors"
	"path/filepath"
	"strings"
	"time"

	"downbeat/internal/experiment"
	"downbeat/internal/publisher"
	"downbeat/internal/report"
	"downbeat/internal/results"
	"downbeat/internal/terminal"
)

// A campaign runs the datapoints of an experiment, one after the other. While
// the results of one come home, its hosts prepare the next: see flight.
type campaign struct {
	*app
	publisher *publisher.Publisher
	file      *experiment.File
	results   *results.Experiment
	directory string             // where embedded workers look for programs
	points    []experiment.Point // those to run
	before    int                // datapoints that an earlier program has done already
	tasks     []task             // what is still to be done, the next one first
	began     time.Time
	ran       int
	started   bool // some process of some run was
	brake     brake
	stopped   string    // why the experiment was stopped before its end; empty: it was not
	troubles  []trouble // the datapoints that did not succeed
	first     error     // what the first of them ends the program with
	lasted    pace
	reporter  *reporter
	sought    []experiment.Metric // of the latest datapoint
}

// A task is an attempt at a datapoint.
type task struct {
	point   experiment.Point
	attempt int    // from 1; those of earlier programs don't count
	number  int    // the same with those of earlier programs, as the results have it; 0 until it is made
	since   string // the run of the first attempt; empty: this is it
}

// same reports whether both are the same attempt at the same datapoint.
func (t task) same(other task) bool {
	return t.point.Index == other.point.Index && t.attempt == other.attempt
}

// A trouble is a datapoint that did not succeed. Dir holds what its last run left;
// empty where no process was started.
type trouble struct{ label, why, dir string }

// run runs all of it. A datapoint that has failed is tried again as the file
// says, then recorded, and the next one's turn comes.
func (c *campaign) run(ctx context.Context) error {
	c.began = time.Now()
	for _, point := range c.points {
		c.tasks = append(c.tasks, task{point: point, attempt: 1})
	}
	var next *flight // the head of tasks, if it is being prepared already
	for len(c.tasks) > 0 && ctx.Err() == nil {
		f := next
		if f == nil {
			var err error
			if f, err = c.launch(ctx, c.tasks[0]); err != nil {
				return c.unfinished(err)
			}
		}
		c.clear(f)
		next = c.follow(ctx, f)
		<-f.over
		goOn, err := c.settle(ctx, f)
		if next != nil && (!goOn || len(c.tasks) == 0 || !next.same(c.tasks[0])) {
			next.dismiss()
			next = nil
		}
		if err != nil {
			return c.unfinished(err)
		}
		if !goOn {
			break
		}
	}
	if next != nil {
		next.dismiss()
	}
	c.conclude()
	if ctx.Err() != nil {
		return c.unfinished(c.interrupted(ctx))
	}
	c.nextSteps()
	return c.status()
}

// status is how the program ends after the last datapoint: as the first that did not
// succeed has it, unless that says that nothing was started and something was since.
func (c *campaign) status() error {
	if e, ok := errors.AsType[*exitError](c.first); ok && e.status == exitUnreachable && c.started {
		return &exitError{exitFailed, e.err}
	}
	return c.first
}

// follow has the next task prepared as soon as the hosts are free; nil where it
// is to wait until the flight is over and settled.
func (c *campaign) follow(ctx context.Context, f *flight) *flight {
	var outcome results.RunOutcome
	select {
	case outcome = <-f.ended:
	case <-f.over:
		return nil
	}
	if outcome == results.RunRefused {
		return nil // whether it is tried again depends on why
	}
	again := c.retry(ctx, f.task, outcome)
	if !again && (c.file.Pause > 0 || c.stopsAt(outcome)) {
		return nil
	}
	tasks := c.remaining(f.task, again, f.run)
	if len(tasks) == 0 || ctx.Err() != nil {
		return nil
	}
	next, err := c.launch(ctx, tasks[0])
	if err != nil {
		return nil // it is tried again in its turn, and told then
	}
	return next
}

// settle takes in how a flight ended, and reports whether the campaign goes on.
// The error is one that no further run can be made after.
func (c *campaign) settle(ctx context.Context, f *flight) (bool, error) {
	record, err := f.conclude()
	if err != nil {
		return false, err
	}
	c.reporter.update()
	c.brake.see(record)
	c.started = c.started || !record.ReleasedAt.IsZero()
	again := c.retry(ctx, f.task, record.Outcome) && !c.brake.futile()
	c.tasks = c.remaining(f.task, again, record.Run)
	if again {
		earlier := f.number - f.attempt
		c.say("publish: trying again: attempt %d of %d\n", f.number+1, earlier+c.file.Retries+1)
		return true, nil
	}
	c.ran++
	c.lasted.add(f.point, record)
	if err := c.verdict(ctx, record); err != nil {
		c.note(f, record, err)
	}
	if c.stopped = c.brake.stops(); c.stopped != "" && c.total() > 1 {
		return false, nil
	}
	if len(c.tasks) > 0 {
		c.pause(ctx)
	}
	return true, nil
}

// remaining is what is to be done once the head of tasks has ended, and is tried again
// or not.
func (c *campaign) remaining(t task, again bool, run string) []task {
	rest := c.tasks[1:]
	if !again {
		return rest
	}
	return append([]task{{point: t.point, attempt: t.attempt + 1, since: cmp.Or(t.since, run)}}, rest...)
}

// retry reports whether another attempt is allowed, and may end otherwise.
func (c *campaign) retry(ctx context.Context, t task, o results.RunOutcome) bool {
	if t.attempt > c.file.Retries || ctx.Err() != nil {
		return false
	}
	return o == results.RunFailed || o == results.RunTimedOut || o == results.RunLost || o == results.RunRefused
}

// stopsAt reports whether a datapoint that ended like that is to be the last.
func (c *campaign) stopsAt(o results.RunOutcome) bool {
	return o != results.RunSucceeded && c.brake.stopsAtNext()
}

// total is how many datapoints there are, with those that were done before.
func (c *campaign) total() int { return c.before + len(c.points) }

// pause lets the file's pause pass.
func (c *campaign) pause(ctx context.Context) {
	if c.file.Pause == 0 {
		return
	}
	v := c.view(c.tasks[0])
	parts := append(v.parts(c.file.Name), terminal.Part{Text: "pausing for " + terminal.Duration(c.file.Pause), Short: "pausing", Rank: terminal.RankState, Sep: "  "})
	c.live.Set(terminal.Status{Parts: append(parts, v.troubles()...), Since: time.Now(), Until: v.until})
	select {
	case <-time.After(c.file.Pause):
	case <-ctx.Done():
	}
}

// note remembers a datapoint that did not succeed.
func (c *campaign) note(f *flight, r results.Record, err error) {
	if c.first == nil {
		c.first = err
	}
	why := strings.ReplaceAll(string(r.Outcome), "_", " ") + ": " + r.Reason
	t := trouble{label: f.point.Label(), why: strings.TrimRight(why, ": ")}
	if !r.ReleasedAt.IsZero() {
		t.dir = f.dir
	}
	c.troubles = append(c.troubles, t)
	c.brake.fail()
}

// conclude sums several datapoints up.
func (c *campaign) conclude() {
	defer c.tellFinds()
	if c.total() < 2 {
		return
	}
	dir := filepath.Clean(c.results.Dir())
	c.say("%s: %d of %s succeeded", c.file.Name, c.before+c.ran-len(c.troubles), terminal.Count(uint64(c.total()), "datapoint"))
	if c.before > 0 {
		c.say(" (%d before)", c.before)
	}
	if len(c.troubles) > 0 {
		c.say(", %d did not", len(c.troubles))
	}
	if left := len(c.points) - c.ran; left > 0 {
		c.say(", %d not run", left)
	}
	c.say(", after %s; results in %s\n", terminal.Duration(time.Since(c.began)), dir)
	c.say("  figures and timelines in %s\n", filepath.Join(dir, report.PageFile))
	for i, t := range c.troubles {
		if i == most && len(c.troubles) > most+1 {
			c.say("  ... and %d more; see %s\n", len(c.troubles)-most, results.DatapointsFile)
			break
		}
		c.say("  %s %s\n", t.label, t.why)
	}
}

// nextSteps says, after an experiment that did not succeed as a whole, what to do.
func (c *campaign) nextSteps() {
	if c.total() < 2 {
		return
	}
	if c.stopped != "" && len(c.tasks) > 0 {
		c.say("publish: stopped%s\n", c.stopped)
	}
	for _, t := range c.troubles {
		if t.dir != "" {
			c.say("publish: to see what was printed: publish logs %s\n", shellWord(t.dir))
			break
		}
	}
	if len(c.troubles) > 0 {
		c.say("publish: to run what has not succeeded: publish resume %s\n", shellWord(filepath.Clean(c.results.Dir())))
	}
}

// unfinished tells how to go on with an experiment that has been broken off.
func (c *campaign) unfinished(err error) error {
	if c.total() > 1 {
		c.say("publish: to go on: publish resume %s\n", shellWord(filepath.Clean(c.results.Dir())))
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
