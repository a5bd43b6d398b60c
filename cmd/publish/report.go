package main

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"

	"github.com/spf13/cobra"

	"downbeat/internal/experiment"
	"downbeat/internal/report"
	"downbeat/internal/results"
	"downbeat/internal/version"
)

func (a *app) reportCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "report DIR",
		Short: "Make tables, figures and report.html again from a results directory",
		Long: `report makes the report of an experiment again: report.html, the plots under
figures/, datapoints.csv and processes.csv. DIR is the directory of an
experiment, such as results/NAME/latest, or results/NAME, which stands for the
latest. While another publish is running the experiment, the tables are left to
that one.

If metrics or requirements in the experiment's file have changed, or the programs
that judge runs, all runs are first judged by the new ones, from the stored
results. If the file is gone, the
copy in the results is used.`,
		ValidArgsFunction: completeExperiment,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return errors.New("which experiment? Try: publish report results/NAME/latest")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return a.report(cmd.Context(), args[0]) },
	}
}

func (a *app) report(ctx context.Context, dir string) error {
	meta, err := results.ReadMeta(results.Locate(dir))
	if err != nil {
		return usage(err)
	}
	tables := a.retabulate(ctx, dir, meta)
	if ctx.Err() != nil {
		return judgeError(tables)
	}
	r, err := report.New(dir, planned(meta))
	if err == nil {
		err = r.Write()
	}
	if err != nil {
		return &exitError{exitFailed, errors.Join(err, tables)}
	}
	a.say("publish: %s\n", filepath.Join(filepath.Clean(r.Dir()), report.PageFile))
	if tables != nil {
		return &exitError{exitFailed, tables}
	}
	return nil
}

// retabulate makes the tables again, and judges the runs again if metrics or requirements have
// changed; but not while another publish is running the experiment.
func (a *app) retabulate(ctx context.Context, dir string, meta results.Meta) error {
	exp, _, records, err := results.Reopen(dir)
	if errors.Is(err, results.ErrInUse) {
		a.say("publish: another publish is running this experiment, and keeps the tables up to date: they are left alone\n")
		return nil
	}
	if err != nil {
		return err
	}
	defer exp.Close()
	file, now, err := a.judges(meta)
	if err != nil {
		a.say("publish: warning: the runs are not judged again, because the experiment's file can't be read any more: %v\n", err)
		return nil
	}
	_, err = a.judgeAnew(ctx, exp, file, now, records)
	return err
}

// judges returns the file by which runs are judged: the experiment's own as it is now or, if
// that is gone, broken, or another experiment, as it was run last.
func (a *app) judges(meta results.Meta) (*experiment.File, results.Meta, error) {
	file, err := parseJudges(meta)
	if now, changed := a.changed(meta, file); changed != nil {
		file, meta, err = changed, now, nil
	}
	if err == nil {
		a.adapt(file)
	}
	return file, meta, err
}

// changed returns the experiment's own file if that has changed since it was run last; nil if
// it has not, or can't be used.
func (a *app) changed(meta results.Meta, before *experiment.File) (results.Meta, *experiment.File) {
	if meta.Path == "" {
		return meta, nil
	}
	now, err := readAt(meta, meta.Path)
	if err != nil || bytes.Equal(now.Source, meta.Source) {
		return meta, nil // gone, or the same
	}
	file, err := parseJudges(now)
	switch {
	case err != nil:
		a.say("publish: warning: %s has changed and has errors, so the runs are judged by the stored copy: %v\n", now.File, err)
		return meta, nil
	case file.Name != meta.Name, before != nil && unrelated(before, file):
		a.say("publish: %s is another experiment now; the runs are judged by the stored copy\n", now.File)
		return meta, nil
	}
	now.Version = version.String()
	return now, file
}

// parseJudges parses the part of a file that runs are judged by.
func parseJudges(meta results.Meta) (*experiment.File, error) {
	return experiment.ParseJudges(originOf(meta), meta.Source)
}

// planned says which datapoints the experiment's file has; nothing if that is not known, in which
// case a report is still useful.
func planned(meta results.Meta) report.Options {
	file, err := parseStored(meta)
	if err != nil {
		return report.Options{}
	}
	return optionsOf(file)
}

// optionsOf are what the file plans.
func optionsOf(file *experiment.File) report.Options {
	return report.Options{Planned: len(file.Points()), Goal: goalOf(file)}
}
