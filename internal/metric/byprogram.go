package metric

import (
	"context"
	"fmt"
	"math"
	"slices"

	"downbeat/internal/experiment"
	"downbeat/internal/program"
	"downbeat/internal/results"
)

// hear enters what programs say of metrics into the record, and returns what they say of
// requirements. It reports whether they could decide everything.
func (j *judging) hear(ctx context.Context) (decided bool, checks []results.Check) {
	var runs programRuns
	for i := range j.by.Metrics {
		if m := &j.by.Metrics[i]; m.Program != nil && j.begun() && j.unfit == nil && j.kept(m) == nil {
			runs.need(m.Program)
		}
	}
	for i := range j.by.Require {
		if r := &j.by.Require[i]; r.Program != nil && j.begun() && j.keptCheck(r) == nil {
			runs.need(r.Program)
		}
	}
	runs.runAll(ctx, j.programs, j.dir, j.rec)
	decided = true
	for i := range j.by.Metrics {
		if m := &j.by.Metrics[i]; m.Program != nil {
			decided = j.take(m, runs) && decided
		}
	}
	for i := range j.by.Require {
		if r := &j.by.Require[i]; r.Program != nil && j.begun() {
			c := j.check(r, runs)
			checks, decided = append(checks, c), decided && c.Definition != ""
		}
	}
	return decided, checks
}

// begun reports whether the run has left anything to judge.
func (j *judging) begun() bool { return !j.rec.ReleasedAt.IsZero() }

// kept are the names of the metrics that the earlier judgement has by the same definition.
func (j *judging) kept(m *experiment.Metric) (names []string) {
	for name, of := range j.before.MetricsOf {
		if (name == m.Name || m.Gives(name)) && of.Definition == m.Definition {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// take enters a metric by program, and reports whether its program could decide.
func (j *judging) take(m *experiment.Metric, runs programRuns) bool {
	for _, name := range j.kept(m) {
		part, of := *m, j.before.MetricsOf[name]
		part.Name = name
		enter(j.rec, &part, Finding{Value: j.before.Metrics[name], Note: j.before.MetricNotes[name], Values: of.Values, Expected: of.Expected, Lacking: of.Lacking, Lost: of.Lost})
	}
	switch {
	case j.kept(m) != nil:
		return true
	case j.unfit != nil:
		enter(j.rec, m, unfit(j.unfit))
		return true
	case !j.begun():
		enter(j.rec, m, Finding{Value: math.NaN(), Note: "no process was started"})
		return true
	}
	result := runs.of(m.Program)
	if result.Undecided {
		undefined := *m
		undefined.Definition = "" // so that it is taken again
		m = &undefined
	}
	enterPrinted(j.rec, m, result)
	return !result.Undecided
}

// enterPrinted enters what a program has printed.
func enterPrinted(rec *results.Record, m *experiment.Metric, result program.Result) {
	found, note, err := numbersOf(m, result)
	if err != nil {
		why := m.Program.String() + " " + err.Error()
		enter(rec, m, Finding{Value: math.NaN(), Note: why, Expected: 1, Lacking: []string{why}})
		return
	}
	for i := range found {
		enter(rec, &found[i].metric, Finding{Value: found[i].value, Note: note, Values: 1, Expected: 1})
		note = "" // once is enough
	}
}

// keptCheck is what the earlier judgement says of a requirement of the same definition.
func (j *judging) keptCheck(r *experiment.Requirement) *results.Check {
	if j.before.Judged == nil {
		return nil
	}
	checks := j.before.Judged.Checks
	i := slices.IndexFunc(checks, func(c results.Check) bool { return c.Name == r.Name && c.Definition == r.Definition })
	if i < 0 {
		return nil
	}
	return &checks[i]
}

// check is what a program says of a requirement. It has no definition if the program could not
// decide, so that it is checked again.
func (j *judging) check(r *experiment.Requirement, runs programRuns) results.Check {
	if kept := j.keptCheck(r); kept != nil {
		return *kept
	}
	c, result := results.Check{Name: r.Name, Met: true, Definition: r.Definition}, runs.of(r.Program)
	if result.Err != nil {
		c.Met, c.Reason = false, fmt.Sprintf("%s %v", r.Program, result.Err)
	}
	if result.Undecided {
		c.Definition = ""
	}
	return c
}
