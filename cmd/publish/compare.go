package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"downbeat/internal/compare"
	"downbeat/internal/experiment"
	"downbeat/internal/report"
	"downbeat/internal/results"
)

// A comparing is what the flags of compare say.
type comparing struct {
	by, base string
	metrics  []string
	better   []string
	failOn   string
	asJSON   bool
	markdown bool
	svg      string
}

// What --fail-on knows.
const (
	failOnWorse  = "worse"
	failOnChange = "change"
	failOnNever  = "never"
)

func (a *app) compareCommand() *cobra.Command {
	var c comparing
	cmd := &cobra.Command{
		Use:   "compare A [B]",
		Short: "Say whether B is faster than A: two experiments, or values of a parameter",
		Long: `compare says what differs between two experiments, A and B, or with --by
between the values of one parameter of experiment A, each against the first one
or --base. Combinations are paired by the (other) parameters. Only runs that
succeeded and are not superseded count.

For each metric of each pair it prints the ratio with its 95 % interval, and a
verdict: faster or slower, if the metric's "better" in the experiment's file or
--better says which values are (else higher or lower), or undecided, with the
smallest change that could have been seen and how many more repetitions would
show one as large as it seems to be.

The tests assume no distribution, and are adjusted for one another: where
nothing differs, at most one comparison in twenty finds anything.

Exit status: 0 nothing got worse; 1 something did (see --fail-on); 2 the command
line is wrong, or there is nothing to compare.`,
		ValidArgsFunction: completeSides,
		Args:              func(_ *cobra.Command, args []string) error { return c.check(args) },
		RunE:              func(_ *cobra.Command, args []string) error { return a.compareSides(args, c) },
	}
	f := cmd.Flags()
	f.StringVar(&c.by, "by", "", "compare the values of this `PARAMETER`")
	f.StringVar(&c.base, "base", "", "the `VALUE` that the others are compared with (default: the first one)")
	f.StringSliceVar(&c.metrics, "metric", nil, "compare only this `METRIC`; may be given again")
	f.StringSliceVar(&c.better, "better", nil, "which values are better, as `METRIC=lower` or METRIC=higher; may be given again")
	f.StringVar(&c.failOn, "fail-on", failOnWorse, "`WHAT` makes the exit status 1: worse, change (of any kind) or never")
	f.BoolVar(&c.asJSON, "json", false, "print JSON")
	f.BoolVar(&c.markdown, "markdown", false, "print a table in Markdown")
	f.StringVar(&c.svg, "svg", "", "draw the changes with their intervals into this `FILE`")
	return cmd
}

// check checks the command line.
func (c *comparing) check(args []string) error {
	switch {
	case len(args) == 0:
		return errors.New("compare what? Try: publish compare A B, or publish compare DIR --by PARAMETER")
	case c.by == "" && len(args) == 1:
		return errors.New("compare it with what? Name another results directory, or with --by a parameter whose values are to be compared")
	case c.by == "" && len(args) > 2:
		return fmt.Errorf("two experiments at a time, not %d", len(args))
	case c.by != "" && len(args) > 1:
		return errors.New("--by compares the values of one experiment's parameter: name one results directory")
	case c.by == "" && c.base != "":
		return errors.New("--base goes with --by; of two experiments the first is the base")
	case c.asJSON && c.markdown:
		return errors.New("--json and --markdown: choose one")
	case !slices.Contains([]string{failOnWorse, failOnChange, failOnNever}, c.failOn):
		return fmt.Errorf("--fail-on %q: it is worse, change or never", c.failOn)
	}
	for _, text := range c.better {
		_, word, ok := strings.Cut(text, "=")
		if !ok || word != string(compare.Lower) && word != string(compare.Higher) {
			return fmt.Errorf("--better %q: write it as METRIC=lower or METRIC=higher", text)
		}
	}
	return nil
}

// compareSides compares, prints, and gives the exit status.
func (a *app) compareSides(args []string, c comparing) error {
	base, others, err := a.sides(args, c)
	if err != nil {
		return usage(err)
	}
	files := a.filesOf(args)
	options := compare.Options{
		By: c.by, Metrics: c.metrics, Better: directions(files, c.better),
		Stopped: slices.ContainsFunc(files, func(f *experiment.File) bool { return f.Until != nil }),
	}
	r := compare.All(base, others, options)
	if err := nothingToCompare(r, c); err != nil {
		return usage(err)
	}
	switch {
	case c.asJSON:
		err = printComparisonJSON(a.out, r)
	case c.markdown:
		_, err = fmt.Fprint(a.out, comparisonMarkdown(r))
	default:
		_, err = fmt.Fprint(a.out, comparisonText(r))
	}
	if err == nil && c.svg != "" {
		err = a.drawComparison(r, c.svg)
	}
	if err != nil {
		return &exitError{exitFailed, err}
	}
	a.remark(r)
	return c.status(r)
}

// sides reads what is compared.
func (a *app) sides(args []string, c comparing) (base compare.Side, others []compare.Side, err error) {
	var all []compare.Side
	for _, dir := range args {
		side, err := a.experimentSide(dir)
		if err != nil {
			return base, nil, err
		}
		all = append(all, side)
	}
	if c.by == "" {
		return all[0], all[1:], nil
	}
	return valuesOf(all[0], c)
}

// experimentSide reads the runs of an experiment that count, as far as --only wants them.
func (a *app) experimentSide(dir string) (compare.Side, error) {
	side := compare.Side{Name: strings.TrimSuffix(dir, "/")}
	if _, err := results.ReadMeta(results.Locate(dir)); err != nil {
		return side, err
	}
	records, err := results.Records(dir)
	if err != nil {
		return side, err
	}
	side.Runs = results.Counted(records)
	if len(side.Runs) == 0 {
		return side, fmt.Errorf("%s has no run that succeeded: there is nothing to compare", dir)
	}
	if side.Runs, err = onlyRuns(side.Runs, a.flags.Only); err != nil {
		return side, fmt.Errorf("--only: %s: %w", dir, err)
	}
	return side, nil
}

// onlyRuns picks runs by conditions such as "clients=4", as [experiment.File.Only] does points.
func onlyRuns(runs []results.Record, conditions []string) ([]results.Record, error) {
	wanted := make(map[string][]string)
	for _, condition := range conditions {
		name, value, ok := strings.Cut(condition, "=")
		if !ok {
			return nil, fmt.Errorf("%q is not a condition: write it as PARAMETER=VALUE", condition)
		}
		name = strings.TrimSpace(name)
		wanted[name] = append(wanted[name], strings.TrimSpace(value))
	}
	picked := slices.DeleteFunc(slices.Clone(runs), func(r results.Record) bool {
		for name, values := range wanted {
			v, ok := r.Parameters[name]
			if !ok || !slices.ContainsFunc(values, func(text string) bool { return isValue(v, text) }) {
				return true
			}
		}
		return false
	})
	if len(picked) == 0 {
		return nil, fmt.Errorf("no run that succeeded has %s", strings.Join(conditions, ", "))
	}
	return picked, nil
}

// isValue reports whether text names a parameter's value. Numbers are compared as such.
func isValue(v any, text string) bool {
	if results.ShowParameter(v) == text {
		return true
	}
	n, ok := v.(float64)
	m, err := strconv.ParseFloat(text, 64)
	return ok && err == nil && n == m
}

// valuesOf makes a side of each value of a parameter, in the order in which they are run.
func valuesOf(all compare.Side, c comparing) (base compare.Side, others []compare.Side, err error) {
	var sides []compare.Side
	var known []string
	for _, runs := range results.Combinations(all.Runs) {
		for name := range runs[0].Parameters {
			if !slices.Contains(known, name) {
				known = append(known, name)
			}
		}
		value, ok := runs[0].Parameters[c.by]
		if !ok {
			continue
		}
		name := results.ShowParameter(value)
		i := slices.IndexFunc(sides, func(s compare.Side) bool { return s.Name == name })
		if i < 0 {
			i, sides = len(sides), append(sides, compare.Side{Name: name})
		}
		sides[i].Runs = append(sides[i].Runs, runs...)
	}
	slices.Sort(known)
	switch {
	case len(sides) == 0:
		return base, nil, fmt.Errorf("--by %s: the runs have no such parameter (known: %s)", c.by, orElse(strings.Join(known, ", "), "none"))
	case len(sides) == 1:
		return base, nil, fmt.Errorf("--by %s: all runs that succeeded have the value %s: there is nothing to compare", c.by, sides[0].Name)
	case c.base == "":
		return sides[0], sides[1:], nil
	}
	i := slices.IndexFunc(sides, func(s compare.Side) bool { return isValue(s.Runs[0].Parameters[c.by], c.base) })
	if i < 0 {
		var names []string
		for _, s := range sides {
			names = append(names, s.Name)
		}
		return base, nil, fmt.Errorf("--base %s: no run that succeeded has it; %s has the values %s", c.base, c.by, strings.Join(names, ", "))
	}
	return sides[i], slices.Delete(slices.Clone(sides), i, i+1), nil
}

// filesOf reads the files of the experiments, as far as they can be read, the last one first.
func (a *app) filesOf(dirs []string) []*experiment.File {
	var files []*experiment.File
	for _, dir := range slices.Backward(dirs) {
		meta, err := results.ReadMeta(results.Locate(dir))
		if err != nil {
			continue
		}
		if file, _, err := a.judges(meta); err == nil {
			files = append(files, file)
		}
	}
	return files
}

// directions finds out which values are better: --better says so, or the first file that does.
func directions(files []*experiment.File, given []string) func(metric string) compare.Direction {
	said := make(map[string]compare.Direction)
	for _, text := range given {
		metric, word, _ := strings.Cut(text, "=")
		said[metric] = compare.Direction(word)
	}
	return func(metric string) compare.Direction {
		direction := said[metric]
		for _, file := range files {
			direction = cmp.Or(direction, compare.Direction(file.Better(metric)))
		}
		return direction
	}
}

// nothingToCompare says why there is nothing to compare, if so.
func nothingToCompare(r compare.Result, c comparing) error {
	if r.Tests > 0 {
		return nil
	}
	for _, comparison := range r.Comparisons {
		if len(comparison.Rows) > 0 {
			return errors.New("no metric has values on both sides: there is nothing to compare")
		}
		if len(c.metrics) > 0 && len(comparison.OnlyBase) == 0 {
			return fmt.Errorf("no run has the metric %s", strings.Join(c.metrics, ", "))
		}
		if len(comparison.OnlyBase) == 0 {
			return errors.New("the runs have no metrics: there is nothing to compare")
		}
	}
	return errors.New("no combination of parameters is on both sides: there is nothing to compare")
}

// status is 1 where --fail-on says so.
func (c *comparing) status(r compare.Result) error {
	for _, comparison := range r.Comparisons {
		for _, row := range comparison.Rows {
			changed := row.Verdict == compare.Faster || row.Verdict == compare.Slower || row.Verdict == compare.More || row.Verdict == compare.Less
			if c.failOn == failOnWorse && row.Verdict == compare.Slower || c.failOn == failOnChange && changed {
				return &exitError{status: exitFailed}
			}
		}
	}
	return nil
}

// remark says on standard error what a reader of the table should know.
func (a *app) remark(r compare.Result) {
	directed, redefined := false, []string{}
	for _, comparison := range r.Comparisons {
		for _, row := range comparison.Rows {
			directed = directed || row.Better != ""
			if row.Redefined && !slices.Contains(redefined, row.Metric) {
				redefined = append(redefined, row.Metric)
			}
		}
		for _, lonely := range []struct {
			side string
			of   []map[string]any
		}{{r.Base, comparison.OnlyBase}, {comparison.Other, comparison.OnlyOther}} {
			if len(lonely.of) > 0 {
				var names []string
				for _, p := range lonely.of {
					names = append(names, orElse(shownParameters(p), "(no parameters)"))
				}
				a.say("publish: warning: only %s has %s\n", sideName(r, lonely.side), fewOf(names))
			}
		}
	}
	if len(redefined) > 0 {
		a.say("publish: warning: not all runs took %s by the same definition; publish report takes metrics again\n", strings.Join(redefined, ", "))
	}
	if !directed {
		a.say("publish: no metric says which values are better, so nothing can be worse: add better: lower or better: higher to metrics in the file, or give --better METRIC=higher\n")
	}
}

func sideName(r compare.Result, side string) string {
	if r.By == "" {
		return side
	}
	return r.By + "=" + side
}

// drawComparison draws the changes into a file.
func (a *app) drawComparison(r compare.Result, path string) error {
	svg, err := report.Forest(forestOf(r))
	if err != nil {
		return fmt.Errorf("draw the comparison: %w", err)
	}
	if err := os.WriteFile(path, svg, 0o666); err != nil {
		return fmt.Errorf("draw the comparison: %w", err)
	}
	a.say("publish: %s\n", path)
	return nil
}
