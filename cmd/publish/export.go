package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"downbeat/internal/export"
)

func (a *app) exportCommand() *cobra.Command {
	formats := []export.Format{export.CSV, export.Parquet, export.SQLite, export.LaTeX}
	about := map[export.Format]string{
		export.CSV: "a CSV file for each table", export.Parquet: "a Parquet file for each table",
		export.SQLite: "a database for SQLite with all tables", export.LaTeX: "the summary as a table for LaTeX (booktabs)",
	}
	var output string
	chosen := make(map[export.Format]*bool)
	cmd := &cobra.Command{
		Use:   "export DIR --csv|--parquet|--sqlite|--latex [-o PATH]",
		Short: "Write the results of an experiment for other programs",
		Long: `export writes the results of an experiment for other programs, such as pandas, R,
DuckDB or a spreadsheet: one tidy table each of its runs, hosts, processes,
metrics and, if there are any, samples. DIR is the directory of an experiment,
such as results/NAME/latest, or results/NAME, which stands for the latest.

Without -o, what is written is under export/ in that directory. All complete
runs are in the tables; the column "counts" is true for those that succeeded
and that no later run has superseded.`,
		ValidArgsFunction: completeExperiment,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return errors.New("which experiment? Try: publish export results/NAME/latest --csv")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			var format export.Format
			for _, f := range formats {
				if !*chosen[f] {
					continue
				}
				if format != "" {
					return usage(errors.New("--" + string(format) + " and --" + string(f) + ": choose one"))
				}
				format = f
			}
			if format == "" {
				return usage(errors.New("to which format? Add --csv, --parquet, --sqlite or --latex"))
			}
			return a.export(cmd.Context(), args[0], format, output)
		},
	}
	for _, f := range formats {
		chosen[f] = cmd.Flags().Bool(string(f), false, about[f])
	}
	cmd.Flags().StringVarP(&output, "out", "o", "", "write to this `PATH`: a directory for --csv and --parquet, else a file")
	return cmd
}

func (a *app) export(ctx context.Context, dir string, format export.Format, output string) error {
	data, err := export.Load(dir)
	if err != nil {
		return usage(err)
	}
	files, err := data.Write(ctx, format, output)
	for _, f := range files {
		a.say("publish: %s\n", f)
	}
	if err != nil {
		return &exitError{exitFailed, err}
	}
	return nil
}
