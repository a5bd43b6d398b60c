package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"downbeat/internal/campaign"
	"downbeat/internal/experiment"
	"downbeat/internal/results"
)

func (a *app) resumeCommand() *cobra.Command {
	var from origin
	cmd := &cobra.Command{
		Use:   "resume DIR",
		Short: "Continue an experiment that was interrupted: run what has not succeeded",
		Long: `resume continues the experiment in DIR, such as results/NAME/latest. A
datapoint is done if it has a complete run that succeeded, of exactly what the
file says now; all others are run. If metrics or requirements have changed, or
the programs that judge runs, the existing runs are first judged by the new
ones, from the stored results.

The file is read from where it was, whatever the current directory is: the
results have its absolute path. If it can't be read any more, or came from
standard input, resume uses the copy in the results of the version that was run
last. A file that has become another experiment is refused.`,
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
	cmd.Flags().StringVar(&from.file, "file", "", "the experiment's `FILE`, if it has moved")
	cmd.Flags().BoolVar(&from.stored, "stored", false, "use the stored copy of the file that was run last, even if the file has changed since")
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
	if records, err = a.judgeAnew(ctx, exp, now.file, now.meta, records); err != nil {
		return judgeError(err)
	}
	s := &series{app: a, file: now.file}
	more, err := s.compare(records)
	if err != nil {
		return err
	}
	if err := a.tellChanges(now.before, s.points); err != nil {
		return err
	}
	if !more {
		return nil
	}
	if now.meta.Directory, err = a.workDirectory(meta); err != nil {
		return &exitError{exitFailed, err}
	}
	s.directory = now.meta.Directory
	now.meta.Git = gitOf(ctx, now.meta.Path, now.meta.Directory)
	s.git = now.meta.Git
	return s.run(ctx, func() (*results.Experiment, error) {
		now.meta.Time = time.Now()
		if err := exp.Use(now.meta); err != nil {
			return nil, &exitError{exitFailed, err}
		}
		return exp, nil
	})
}

// compare finds the points that are not done, prints how many there are of each, and reports
// whether any has to be run.
func (s *series) compare(records []results.Record) (more bool, err error) {
	all := s.file.Points()
	points, err := s.only(s.file, all)
	if err != nil {
		return false, err
	}
	c, err := campaign.Compare(points, all, records)
	if err != nil {
		return false, usage(err)
	}
	s.points, s.before, s.source = c.Left, len(c.Done), sourceOf(s.file, c.Left, c.Done)
	more = s.tellDone(s.file, len(c.Done), len(points), s.source)
	s.tellStale(c.Stale)
	return more, nil
}

// tellStale prints which runs have succeeded but don't count any more.
func (a *app) tellStale(stale []campaign.Stale) {
	for i, r := range stale {
		if i == most {
			a.say("  ... and %d more\n", len(stale)-most)
			break
		}
		why := "is of another definition and doesn't count"
		if len(r.Files) > 0 {
			why = "doesn't count: what was shipped has changed, " + fewOf(r.Files)
		}
		a.say("  run %s (datapoint %d) %s\n", r.Run, r.Datapoint, why)
	}
}

// tellChanges prints which changes of the file make datapoints run again, or for the first time.
func (a *app) tellChanges(before *experiment.File, left []experiment.Point) error {
	if before == nil {
		return nil
	}
	changes, err := campaign.Changes(before, left)
	if err != nil {
		return usage(err)
	}
	for i, change := range changes {
		if i == most && len(changes) > most+1 {
			a.say("  ... and %d more changes\n", len(changes)-most)
			break
		}
		a.say("  %s: %s\n", fewOf(change.Labels), change.What)
	}
	return nil
}

// fewOf lists a few names, and how many more there are.
func fewOf(names []string) string {
	const few = 3
	if len(names) > few+1 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:few], " "), len(names)-few)
	}
	return strings.Join(names, " ")
}
