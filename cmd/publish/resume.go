package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"downbeat/internal/experiment"
	"downbeat/internal/message"
	"downbeat/internal/results"
	"downbeat/internal/terminal"
)

func (a *app) resumeCommand() *cobra.Command {
	var from origin
	cmd := &cobra.Command{
		Use:   "resume DIR",
		Short: "Go on with an experiment that was broken off: run what has not succeeded",
		Long: `resume goes on with the experiment in DIR, such as results/NAME/latest. A
datapoint is done if it has a complete run that succeeded, of exactly what the
file says now; all others are run. Where metrics or requirements have changed,
the runs that are there are judged by the new ones first, from what is stored.

The file is read from where it was, whatever the current directory is: the
results name it from the root on. If it can't be read any more, or came from
standard input, resume goes on with it as it was run last, which the results
keep. A file that is another experiment by now is refused.`,
		ValidArgsFunction: completeExperiment,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return errors.New("which experiment? Try: publish resume results/NAME/latest")
			}
			if from.file != "" && from.stored {
				return errors.New("--file and --stored: choose one")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return a.resume(cmd.Context(), args[0], from) },
	}
	cmd.Flags().StringVar(&from.file, "file", "", "`FILE` that the experiment's file is now, where it has moved")
	cmd.Flags().BoolVar(&from.stored, "stored", false, "go on with the file as it was run last, even where it has changed since")
	return cmd
}

func (a *app) resume(ctx context.Context, dir string, from origin) error {
	a.spoolOut(a.live, dir)
	exp, meta, records, err := results.Reopen(dir)
	if err != nil {
		return usage(err)
	}
	defer exp.Close()
	now, err := a.reread(meta, from)
	if err != nil {
		return err
	}
	if records, err = a.judgeAnew(exp, now.file, now.meta, records); err != nil {
		return &exitError{exitFailed, err}
	}
	left, done, err := a.compare(now.file, records)
	if err != nil {
		return err
	}
	if err := a.tellChanges(now.before, left); err != nil {
		return err
	}
	if len(left) == 0 {
		return nil
	}
	if now.meta.Directory, err = a.workDirectory(meta); err != nil {
		return &exitError{exitFailed, err}
	}
	c := &campaign{app: a, file: now.file, points: left, before: done, directory: now.meta.Directory}
	return c.fly(ctx, func() (*results.Experiment, error) {
		now.meta.Time = time.Now()
		if err := exp.Use(now.meta); err != nil {
			return nil, &exitError{exitFailed, err}
		}
		return exp, nil
	})
}

// compare finds the points that are not done, counts those that are, and tells how
// things stand.
func (a *app) compare(file *experiment.File, records []results.Record) (left []experiment.Point, before int, err error) {
	done := make(map[string]string) // definition to run
	for _, r := range records {
		if r.Outcome == results.RunSucceeded {
			done[r.Definition] = r.Run
		}
	}
	points, err := a.only(file, file.Points())
	if err != nil {
		return nil, 0, err
	}
	current := make(map[string]bool)
	for _, point := range points {
		definition, err := point.Definition()
		if err != nil {
			return nil, 0, usage(err)
		}
		current[definition] = true
		if done[definition] == "" {
			left = append(left, point)
		}
	}
	a.say("%s: %d of %s done already\n", file.Name, len(points)-len(left), terminal.Count(uint64(len(points)), "datapoint"))
	stale := slices.DeleteFunc(slices.Clone(records), func(r results.Record) bool {
		return r.Outcome != results.RunSucceeded || current[r.Definition]
	})
	return slices.Clip(left), len(points) - len(left), a.tellStale(stale, points)
}

// tellStale tells which runs have succeeded and don't count any more.
func (a *app) tellStale(stale []results.Record, points []experiment.Point) error {
	if len(stale) == 0 {
		return nil
	}
	files, err := shippedNow(points)
	if err != nil {
		return err
	}
	for i, r := range stale {
		if i == most {
			a.say("  ... and %d more\n", len(stale)-most)
			break
		}
		why := "is of another definition and doesn't count"
		if names := reshipped(r, files); len(names) > 0 {
			why = "doesn't count: what was shipped has changed, " + fewOf(names)
		}
		a.say("  run %s (datapoint %d) %s\n", r.Run, r.Datapoint, why)
	}
	return nil
}

// A target is a file in the run's directory on a host.
type target struct{ host, path string }

// shippedNow gives the hashes of what is shipped to each place in any datapoint.
func shippedNow(points []experiment.Point) (map[target][]string, error) {
	run := message.NewRun(message.NewPublisher())
	files := make(map[target][]string)
	for _, point := range points {
		d, err := point.Expand(run)
		if err != nil {
			return nil, usage(err)
		}
		for host, list := range d.Files {
			for _, f := range list {
				if at := (target{host, f.Path}); f.SHA256 != "" && !slices.Contains(files[at], f.SHA256) {
					files[at] = append(files[at], f.SHA256)
				}
			}
		}
	}
	return files, nil
}

// reshipped names the files that the run was made with whose content is another
// now: that is no change of the experiment's file, so nothing else tells of it.
func reshipped(r results.Record, now map[target][]string) (names []string) {
	for _, h := range r.Hosts {
		for _, f := range h.Shipped {
			sums := now[target{h.Host, f.Path}]
			if len(sums) > 0 && !slices.Contains(sums, f.SHA256) && !slices.Contains(names, f.Path) {
				names = append(names, f.Path)
			}
		}
	}
	return names
}

// tellChanges says what in the file makes datapoints run again, or for the first
// time.
func (a *app) tellChanges(before *experiment.File, left []experiment.Point) error {
	if before == nil {
		return nil
	}
	old := make(map[string]experiment.Point)
	for _, point := range before.Points() {
		old[point.Key()] = point
	}
	var order []string
	points := make(map[string][]string) // by what has changed
	for _, point := range left {
		what := "not in the file before"
		if was, ok := old[point.Key()]; ok {
			changes, err := changesOf(point, was)
			if err != nil {
				return err
			}
			if what = changes; what == "" {
				continue // not done yet
			}
		}
		if points[what] == nil {
			order = append(order, what)
		}
		points[what] = append(points[what], point.Label())
	}
	for i, what := range order {
		if i == most && len(order) > most+1 {
			a.say("  ... and %d more changes\n", len(order)-most)
			break
		}
		a.say("  %s: %s\n", fewOf(points[what]), what)
	}
	return nil
}

// changesOf says what a point does otherwise than it did.
func changesOf(point, was experiment.Point) (string, error) {
	run := message.NewRun(message.NewPublisher())
	d, err := point.Expand(run)
	if err != nil {
		return "", usage(err)
	}
	before, err := was.Expand(run)
	if err != nil {
		return "the file as it was can't be expanded any more", nil //nolint:nilerr // that is all there is to say of it
	}
	changes := d.Changes(before)
	const few = 2
	if len(changes) > few+1 {
		changes = append(changes[:few], fmt.Sprintf("and %d more changes", len(changes)-few))
	}
	return strings.Join(changes, "; "), nil
}

// fewOf lists a few names, and how many more there are.
func fewOf(names []string) string {
	const few = 3
	if len(names) > few+1 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:few], " "), len(names)-few)
	}
	return strings.Join(names, " ")
}
