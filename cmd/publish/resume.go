package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"downbeat/internal/experiment"
	"downbeat/internal/results"
	"downbeat/internal/terminal"
)

func (a *app) resumeCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "resume DIR",
		Short: "Go on with an experiment that was broken off: run what has not succeeded",
		Long: `resume goes on with the experiment in DIR, such as results/NAME/latest. A
datapoint is done if it has a complete run that succeeded, of exactly what the
file says now; all others are run. The file is read from where it was; if it is
not there any more, as it was then.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return errors.New("which experiment? Try: publish resume results/NAME/latest")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return a.resume(cmd.Context(), args[0]) },
	}
}

func (a *app) resume(ctx context.Context, dir string) error {
	defer a.live.Close()
	exp, meta, records, err := results.Reopen(dir)
	if err != nil {
		return usage(err)
	}
	defer exp.Close()
	file, err := a.reload(meta)
	if err != nil {
		return err
	}
	left, err := a.compare(file, records)
	if err != nil {
		return err
	}
	if len(left) == 0 {
		return nil
	}
	return a.campaign(ctx, file, left, func() (*results.Experiment, error) { return exp, nil })
}

// reload reads the experiment's file again.
func (a *app) reload(meta results.Meta) (*experiment.File, error) {
	source, err := os.ReadFile(meta.File)
	switch {
	case err != nil:
		source = meta.Source
		a.say("publish: %s can't be read any more; going on with the file as it was\n", meta.File)
	case !bytes.Equal(source, meta.Source):
		a.say("publish: %s has changed since; what is not the same any more will run again\n", meta.File)
	}
	file, err := experiment.Parse(meta.File, source)
	if err != nil {
		return nil, usage(err)
	}
	a.settle(file)
	return file, nil
}

// compare finds the points that are not done, and tells how things stand.
func (a *app) compare(file *experiment.File, records []results.Record) ([]experiment.Point, error) {
	done := make(map[string]string) // definition to run
	for _, r := range records {
		if r.Outcome == results.RunSucceeded {
			done[r.Definition] = r.Run
		}
	}
	points, err := a.only(file, file.Points())
	if err != nil {
		return nil, err
	}
	var left []experiment.Point
	current := make(map[string]bool)
	for _, point := range points {
		definition, err := point.Definition()
		if err != nil {
			return nil, usage(err)
		}
		current[definition] = true
		if done[definition] == "" {
			left = append(left, point)
		}
	}
	a.say("%s: %d of %s done already\n", file.Name, len(points)-len(left), terminal.Count(uint64(len(points)), "datapoint"))
	var stale []string
	for _, r := range records {
		if r.Outcome == results.RunSucceeded && !current[r.Definition] {
			stale = append(stale, fmt.Sprintf("  run %s (datapoint %d) is of another definition and doesn't count\n", r.Run, r.Datapoint))
		}
	}
	if len(stale) > most {
		stale = append(stale[:most], fmt.Sprintf("  ... and %d more\n", len(stale)-most))
	}
	a.say("%s", strings.Join(stale, ""))
	return slices.Clip(left), nil
}
