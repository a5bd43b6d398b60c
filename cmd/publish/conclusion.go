package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"downbeat/internal/campaign"
	"downbeat/internal/report"
	"downbeat/internal/results"
	"downbeat/internal/terminal"
)

// conclude prints how the campaign went, and returns the error with the program's exit status.
func (s *series) conclude(ctx context.Context, r campaign.Result) error {
	if r.Err != nil {
		s.tellHowToGoOn(r)
		return r.Err
	}
	s.sumUp(r)
	if records, err := results.Records(s.results.Dir()); err == nil { // sumUp says where they are
		if r.Total > 1 {
			s.tellCombinations(records)
		}
		s.tellCoverage(records)
		s.tellDifferences(records)
	}
	if r.Interrupted {
		s.tellHowToGoOn(r)
		return interrupted(ctx)
	}
	s.tellNextSteps(r)
	return exitAfter(r)
}

// exitAfter gives the exit status after a campaign that was not interrupted. It is that of the
// first failure, except that 3 ("nothing was started") needs a campaign in which nothing was.
func exitAfter(r campaign.Result) error {
	switch {
	case len(r.Failures) == 0:
		return nil
	case r.Failures[0].NotReady && !r.Released:
		return &exitError{status: exitUnreachable}
	}
	return &exitError{status: exitFailed}
}

// interrupted gives the exit status after a signal.
func interrupted(ctx context.Context) error {
	if i, ok := errors.AsType[*interruption](context.Cause(ctx)); ok {
		return &exitError{status: exitSignal + int(i.signal)}
	}
	return &exitError{status: exitFailed}
}

// sumUp prints a summary of an experiment of several datapoints.
func (s *series) sumUp(r campaign.Result) {
	if r.Total < 2 {
		return
	}
	dir := filepath.Clean(s.results.Dir())
	s.say("%s: %d of %s%s succeeded", s.file.Name, r.Succeeded(), upToAll(r), terminal.Count(uint64(r.Total), "datapoint"))
	if r.Before > 0 {
		s.say(" (%d before)", r.Before)
	}
	if len(r.Failures) > 0 {
		s.say(", %d did not", len(r.Failures))
	}
	if r.Left() > 0 {
		s.say(", %s%d not run", upTo(r), r.Left())
	}
	s.say(", after %s; results in %s\n", terminal.Duration(r.Took), dir)
	s.say("  figures and timelines in %s\n", filepath.Join(dir, report.PageFile))
	for i, f := range r.Failures {
		if i == most && len(r.Failures) > most+1 {
			s.say("  ... and %d more; see %s\n", len(r.Failures)-most, results.DatapointsFile)
			break
		}
		s.say("  %s %s\n", f.Label, why(f))
	}
}

// upTo begins the number of datapoints that were not run, some of which might not have been needed.
func upTo(r campaign.Result) string {
	if r.AtMost {
		return "up to "
	}
	return ""
}

// upToAll is the same for the number of all.
func upToAll(r campaign.Result) string {
	if r.AtMost {
		return "at most "
	}
	return ""
}

// why says how a datapoint that did not succeed ended.
func why(f campaign.Failure) string {
	return strings.TrimRight(strings.ReplaceAll(string(f.Outcome), "_", " ")+": "+f.Reason, ": ")
}

// tellNextSteps says what to do after an experiment in which a datapoint did not succeed.
func (s *series) tellNextSteps(r campaign.Result) {
	if r.Total < 2 || len(r.Failures) == 0 {
		return
	}
	if text := stopped(r); text != "" {
		s.say("publish: stopped%s\n", text)
	}
	for _, f := range r.Failures {
		if f.Released {
			s.say("publish: to see what was printed: publish logs %s\n", shellWord(s.opened[f.Run]))
			break
		}
	}
	s.say("publish: to run what has not succeeded: publish resume %s\n", shellWord(filepath.Clean(s.results.Dir())))
}

// stopped says why not all datapoints were run, as a text to follow the word "stopped"; it is
// empty if all were.
func stopped(r campaign.Result) string {
	switch s := r.Stopped; s.Reason {
	case campaign.SameRefusal:
		return fmt.Sprintf(": the same refusal came %d times in a row: %s", s.Times, s.Refusal)
	case campaign.FirstFailure:
		return " at the first datapoint that did not succeed (--fail-fast)"
	case campaign.TooManyFailures:
		return fmt.Sprintf(" after %s that did not succeed (--max-failures)", terminal.Count(uint64(len(r.Failures)), "datapoint"))
	case campaign.NotStopped:
	}
	return ""
}

// tellHowToGoOn says how to continue an interrupted experiment.
func (s *series) tellHowToGoOn(r campaign.Result) {
	if r.Total > 1 {
		s.say("publish: to go on: publish resume %s\n", shellWord(filepath.Clean(s.results.Dir())))
	}
}
