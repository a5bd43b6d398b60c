package main

import (
	"errors"
	"path/filepath"

	"github.com/spf13/cobra"

	"downbeat/internal/report"
	"downbeat/internal/results"
)

func (a *app) reportCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "report DIR",
		Short: "Make tables, figures and report.html again from a results directory",
		Long: `report makes what is made of the results of an experiment again: report.html,
the plots under figures/, datapoints.csv and processes.csv. DIR is the directory
of an experiment, such as results/NAME/latest, or results/NAME, which stands for
the latest. While another publish is running the experiment, the tables are left
to that.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return errors.New("which experiment? Try: publish report results/NAME/latest")
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error { return a.report(args[0]) },
	}
}

func (a *app) report(dir string) error {
	meta, err := results.ReadMeta(results.Locate(dir))
	if err != nil {
		return usage(err)
	}
	tables := a.retabulate(dir)
	r, err := report.New(dir, report.Options{Planned: planned(meta)})
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

// retabulate makes the tables again, unless they are somebody else's now.
func (a *app) retabulate(dir string) error {
	exp, _, _, err := results.Reopen(dir)
	if errors.Is(err, results.ErrInUse) {
		a.say("publish: another publish is running this experiment, and keeps the tables: they are left as they are\n")
		return nil
	}
	if err == nil {
		exp.Close()
	}
	return err
}

// planned is how many datapoints the experiment's file has; 0 where that can't be
// told: a report is worth having all the same.
func planned(meta results.Meta) int {
	file, err := parseStored(meta)
	if err != nil {
		return 0
	}
	return len(file.Points())
}
