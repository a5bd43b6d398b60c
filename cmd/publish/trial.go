package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"downbeat/internal/experiment"
	"downbeat/internal/metric"
	"downbeat/internal/results"
	"downbeat/internal/terminal"
)

func (a *app) metricsCommand() *cobra.Command {
	file := ""
	cmd := &cobra.Command{
		Use:   "metrics DIR",
		Short: "Try metrics on runs that are there, and change nothing",
		Long: `metrics takes the metrics of FILE from the stored results of all runs under DIR,
and prints a table of them, run by run, and what was not found and why. DIR is
the directory of an experiment or of one run. Nothing there is changed: to have
the tables and the report follow, change the experiment's file and say
publish report DIR.

FILE is an experiment, or has nothing but windows, metrics and require; these
are then about the hosts and groups of the experiment in DIR. Without --file, it
is the experiment's own file as it is now. --datapoint and --only pick runs.

Exit status: 0 each metric was found in each run that was released; 1 one was not; 2 the
file, a flag or DIR is wrong.`,
		ValidArgsFunction: completeResults,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return errors.New("of which results? Try: publish metrics results/NAME/latest --file metrics.yaml")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return a.tryMetrics(cmd.Context(), args[0], file) },
	}
	cmd.Flags().StringVarP(&file, "file", "f", "", "the `FILE` with the metrics; - is standard input")
	if err := cmd.RegisterFlagCompletionFunc("file", func(c *cobra.Command, _ []string, word string) ([]string, cobra.ShellCompDirective) {
		return completeFile(c, nil, word)
	}); err != nil {
		panic(err) // the flag is there
	}
	return cmd
}

// A trial is a run and what a file's metrics are in it.
type trial struct {
	dir         string
	before, now results.Record
	superseded  bool // another run of its datapoint counts
}

func (a *app) tryMetrics(ctx context.Context, dir, path string) error {
	runs, err := results.Open(dir)
	if err != nil {
		return usage(err)
	}
	file, err := a.measures(runs.Runs()[0], path)
	if err != nil {
		return usage(err)
	}
	trials, err := a.trials(runs.Runs(), file)
	if err != nil {
		return err
	}
	if len(trials) == 0 {
		return usage(fmt.Errorf("no run in %s is complete: none has a %s", dir, results.RecordFile))
	}
	var all errgroup.Group
	all.SetLimit(runtime.GOMAXPROCS(0))
	for i := range trials {
		all.Go(func() error {
			trials[i].now = metric.Try(ctx, file, trials[i].dir, trials[i].before, a.programs())
			return nil
		})
	}
	_ = all.Wait() // what goes wrong is in the notes
	if cause := context.Cause(ctx); cause != nil {
		return judgeError(cause)
	}
	if a.flags.Output == "json" {
		trialsAsJSON(a.out, trials)
	} else {
		trialsAsText(a.out, trials, file.MetricNames())
	}
	if slices.ContainsFunc(trials, trial.lacks) {
		return &exitError{status: exitFailed}
	}
	return nil
}

// measures reads the file with the metrics. Without a path, it is that of the experiment.
func (a *app) measures(run, path string) (*experiment.File, error) {
	meta, err := results.ReadMeta(filepath.Dir(run))
	if err != nil && path == "" {
		return nil, err
	}
	var base *experiment.File
	if err == nil {
		if path == "" {
			file, _, err := a.judges(meta)
			return file, err
		}
		if base, err = parseJudges(meta); err != nil {
			base = nil // then the file must be whole
		}
	}
	from := experiment.Origin{Path: path, Name: meta.Name}
	data, err := a.readMeasures(&from)
	if err != nil {
		return nil, err
	}
	file, err := experiment.ParseMeasures(from, data, base)
	if err == nil {
		a.adapt(file)
	}
	return file, err
}

// readMeasures reads the file at a path; "-" is standard input.
func (a *app) readMeasures(from *experiment.Origin) ([]byte, error) {
	if from.Path == "-" {
		from.Path = experiment.Stdin
		data, err := io.ReadAll(io.LimitReader(a.std.in, experiment.MaxSource+1))
		if err != nil {
			return nil, fmt.Errorf("read the metrics from standard input: %w", err)
		}
		return data, nil
	}
	data, err := os.ReadFile(from.Path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, fmt.Errorf("there is no file %s", from.Path)
	case err != nil:
		return nil, fmt.Errorf("read the metrics: %w", err)
	}
	return data, nil
}

// trials are the complete runs that the flags pick.
func (a *app) trials(dirs []string, file *experiment.File) ([]trial, error) {
	trials, err := a.completeRuns(dirs)
	if err != nil || len(trials) == 0 {
		return nil, err
	}
	markSuperseded(trials)
	points := make([]experiment.Point, len(trials))
	for i, t := range trials {
		points[i] = experiment.Point{Index: t.before.Datapoint, Repetition: t.before.Repetition}
		for name, v := range t.before.Parameters {
			points[i].Parameters = append(points[i].Parameters, experiment.Parameter{Name: name, Value: v})
		}
	}
	picked, err := a.only(file, points)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(trials, func(t trial) bool {
		return !slices.ContainsFunc(picked, func(p experiment.Point) bool { return p.Index == t.before.Datapoint })
	}), nil
}

// completeRuns reads the records of the runs that have one.
func (a *app) completeRuns(dirs []string) ([]trial, error) {
	var trials []trial
	for _, dir := range dirs {
		rec, err := results.ReadRecord(dir)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, usage(err)
		}
		trials = append(trials, trial{dir: dir, before: rec})
	}
	if n := len(dirs) - len(trials); n > 0 {
		a.say("publish: left out: %s without %s\n", terminal.Count(uint64(n), "run"), results.RecordFile)
	}
	return trials, nil
}

// markSuperseded finds the runs that later ones have replaced.
func markSuperseded(trials []trial) {
	sorted := make([]*trial, len(trials))
	for i := range trials {
		sorted[i] = &trials[i]
	}
	slices.SortStableFunc(sorted, func(a, b *trial) int { return a.before.EndedAt.Compare(b.before.EndedAt) })
	records := make([]results.Record, len(sorted))
	for i, t := range sorted {
		records[i] = t.before
	}
	for i, superseded := range results.Supersede(records) {
		sorted[i].superseded = superseded
	}
}

// lacks reports whether a metric found nothing in the run, though there was something to find.
func (t trial) lacks() bool {
	if t.now.ReleasedAt.IsZero() {
		return false
	}
	for name, v := range t.now.Metrics {
		if of := t.now.MetricsOf[name]; math.IsNaN(v) && of.Expected > 0 {
			return true
		}
	}
	return false
}
