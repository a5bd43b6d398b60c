package metric

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"math"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"downbeat/internal/experiment"
	"downbeat/internal/outcome"
	"downbeat/internal/results"
)

// Judge takes the datapoint's metrics out of the run's directory into its
// record, and fails a run that has succeeded but does not meet a requirement, or
// in which a metric lacks values. It writes the metrics' series into the directory. When ctx
// ends, programs that judge the run are stopped.
func Judge(ctx context.Context, dir string, dp *experiment.Datapoint, rec *results.Record, programs *Programs) {
	j := judging{programs: programs, dir: dir, by: &dp.Measures, rec: rec}
	j.judge(ctx, Take).write(dir, rec)
}

// A taker takes a metric, as [Take] does.
type taker func(run *Run, m *experiment.Metric) Finding

// A judging is the judgement of one run, in its directory.
type judging struct {
	programs *Programs
	dir      string
	by       *experiment.Measures
	rec      *results.Record
	before   *results.Record // as it was, perhaps with an earlier judgement
	unfit    error           // why nothing can be taken of the run
}

// judge enters the metrics and the judgement into the record; take takes each metric that is not
// by program.
func (j *judging) judge(ctx context.Context, take taker) findings {
	by, rec, before := j.by, j.rec, *j.rec
	found := takeAll(j.dir, by, rec, take)
	rec.Judged, j.before = nil, &before
	decided, checks := j.hear(ctx)
	rec.Judged = &results.Judgement{Definition: definition(by), Checks: checks}
	if !decided {
		rec.Judged.Definition = results.Undecided
	}
	noteUnproven(by.Require, rec)
	if rec.Outcome != outcome.RunSucceeded {
		return found
	}
	if unmet := append(lacking(by.Metrics, by.Require, rec), unmet(by.Require, rec)...); len(unmet) > 0 {
		rec.Outcome, rec.Reason = outcome.RunFailed, strings.Join(unmet, "; ")
		rec.Judged.Unmet = unmet
	}
	return found
}

// findings are those of a run's metrics.
type findings struct {
	metrics []experiment.Metric
	found   []Finding
	kept    []bool // it is that of an earlier judgement
}

// takeAll enters the windows and the metrics into the record, but for those by programs. A metric with the same definition
// is kept, and one that is no longer defined is removed.
func takeAll(dir string, by *experiment.Measures, rec *results.Record, take taker) findings {
	root, err := os.OpenRoot(dir) // so that a collected link can't lead elsewhere
	if err == nil {
		defer func() { _ = root.Close() }() // only read
	}
	before := *rec
	rec.Metrics, rec.Units, rec.MetricNotes, rec.MetricsOf = nil, nil, nil, nil
	rec.Windows = resolve(by.Windows, rec)
	var run *Run
	if err == nil {
		run = NewRun(root.FS(), rec)
	}
	f := findings{by.Metrics, make([]Finding, len(by.Metrics)), make([]bool, len(by.Metrics))}
	var searches errgroup.Group
	searches.SetLimit(runtime.GOMAXPROCS(0)) // the next run waits for this
	for i := range f.metrics {
		searches.Go(func() error {
			m := &f.metrics[i]
			if m.Program != nil {
				return nil
			}
			switch of, ok := before.MetricsOf[m.Name]; {
			case ok && of.Definition == m.Definition && m.Definition != "":
				f.kept[i] = true
				f.found[i] = Finding{
					Value: before.Metrics[m.Name], Note: before.MetricNotes[m.Name],
					Values: of.Values, Expected: of.Expected, Lacking: of.Lacking, Whose: of.Whose, Lost: of.Lost,
				}
			case err != nil:
				f.found[i] = Finding{Value: math.NaN(), Note: err.Error()}
			default:
				f.found[i] = take(run, m)
			}
			return nil
		})
	}
	_ = searches.Wait() // errors are in the notes
	for i := range f.metrics {
		if f.metrics[i].Program == nil {
			enter(rec, &f.metrics[i], f.found[i])
		}
	}
	return f
}

// write writes the series of the metrics into the run's directory, and removes those of metrics
// that have none any more. What goes wrong with that is noted: the numbers themselves are good.
func (f findings) write(dir string, rec *results.Record) {
	var keep []string
	for i := range f.metrics {
		if f.kept[i] && f.metrics[i].Series > 0 || f.found[i].Series != nil {
			keep = append(keep, f.metrics[i].Name)
		}
	}
	failed := results.RemoveSeries(dir, keep)
	for i := range f.metrics {
		err := failed
		if s := f.found[i].Series; s != nil && err == nil {
			err = s.Write(dir)
		}
		if err != nil && f.metrics[i].Series > 0 {
			addNote(rec, f.metrics[i].Name, fmt.Sprintf("its series can't be written: %v", err))
		}
	}
}

// addNote adds to what is noted of a metric.
func addNote(rec *results.Record, name, note string) {
	if rec.MetricNotes == nil {
		rec.MetricNotes = make(map[string]string)
	}
	rec.MetricNotes[name] = strings.TrimPrefix(rec.MetricNotes[name]+"; "+note, "; ")
}

func enter(rec *results.Record, m *experiment.Metric, f Finding) {
	if rec.Metrics == nil {
		rec.Metrics, rec.MetricsOf = make(results.Metrics), make(map[string]results.MetricBasis)
	}
	rec.Metrics[m.Name] = f.Value
	of := results.MetricBasis{Values: f.Values, Expected: f.Expected, Lacking: f.Lacking, Whose: f.Whose, Lost: f.Lost, Window: m.Window, Definition: m.Definition}
	if m.Program != nil && f.Expected > 0 {
		of.Program = m.Program.String()
	}
	rec.MetricsOf[m.Name] = of
	if m.Unit != "" {
		if rec.Units == nil {
			rec.Units = make(map[string]string)
		}
		rec.Units[m.Name] = m.Unit
	}
	if f.Note != "" {
		addNote(rec, m.Name, f.Note)
	}
}

// definition is a hash of all that a run is judged by.
func definition(by *experiment.Measures) string {
	h := sha256.New()
	for i := range by.Windows {
		fmt.Fprintf(h, "window %q %s\n", by.Windows[i].Name, &by.Windows[i])
	}
	for i := range by.Metrics {
		fmt.Fprintf(h, "metric %q %s\n", by.Metrics[i].Name, by.Metrics[i].Definition)
	}
	for _, r := range by.Require {
		fmt.Fprintf(h, "require %q %q", r.Name, r.Text)
		if r.Program != nil {
			fmt.Fprintf(h, " %s", r.Definition)
		}
		fmt.Fprintln(h)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// lacking says which metrics of a run are incomplete: they have no value, or are based on fewer
// processes than there are. Requirements report missing values themselves.
func lacking(metrics []experiment.Metric, require []experiment.Requirement, rec *results.Record) []string {
	var reasons []string
	for i := range metrics {
		m := &metrics[i]
		of, none := rec.MetricsOf[m.Name], math.IsNaN(rec.Metrics[m.Name])
		required := slices.ContainsFunc(require, func(r experiment.Requirement) bool { return r.Name == m.Name || r.Metric == m.Name })
		switch {
		case m.Partial, of.Lost, of.Expected == 0, none && required:
		case none:
			reasons = append(reasons, m.Name+" was not found: "+rec.MetricNotes[m.Name])
		case of.Values < of.Expected && m.NeedsAll():
			reasons = append(reasons, incomplete(m, of))
		}
	}
	return reasons
}

func incomplete(m *experiment.Metric, of results.MetricBasis) string {
	what, missing := "processes", of.Expected-of.Values
	switch {
	case m.Sources[0].File != "":
		what = "files"
	case m.Sources[0].Process == "":
		what = "hosts"
	}
	why := strings.Join(of.Lacking, "; ")
	if more := missing - len(of.Lacking); more > 0 && len(of.Lacking) == mostLacking {
		why += fmt.Sprintf("; and %d more", more)
	}
	return fmt.Sprintf("%s is the %s of %d of %d %s (partial: true would let that pass): %s", m.Name, m.Processes, of.Values, of.Expected, what, why)
}

// unmet says which requirements a run does not meet, and with which value.
func unmet(requirements []experiment.Requirement, rec *results.Record) []string {
	var reasons []string
	for i := range requirements {
		r := &requirements[i]
		if r.Fact {
			reasons = append(reasons, unmetFact(r, rec)...)
			continue
		}
		if r.Program != nil {
			reasons = append(reasons, unmetCheck(r, rec)...)
			continue
		}
		name := cmp.Or(r.Metric, r.Name)
		v, _, text := measured(name, rec)
		if math.IsNaN(v) {
			reason := fmt.Sprintf("%s was not found, required %s", r.Name, r.Text)
			if note := noteOn(name, rec); note != "" {
				reason += ": " + note
			}
			reasons = append(reasons, reason)
		} else if !r.Met(v) {
			reasons = append(reasons, fmt.Sprintf("%s was %s, required %s", r.Name, text, r.Text))
		}
	}
	return reasons
}

// unmetCheck says why a requirement is not met that a program has checked.
func unmetCheck(r *experiment.Requirement, rec *results.Record) []string {
	for _, c := range rec.Judged.Checks {
		switch {
		case c.Name == r.Name && c.Met:
			return nil
		case c.Name == r.Name && c.Definition == "":
			return []string{fmt.Sprintf("%s is not known: %s", r.Name, c.Reason)}
		case c.Name == r.Name:
			return []string{fmt.Sprintf("%s is not met: %s", r.Name, c.Reason)}
		}
	}
	return []string{r.Name + " was not checked"}
}

// noteOn is what is noted of a metric, or of the one whose program should have given it.
func noteOn(name string, rec *results.Record) string {
	if note, ok := rec.MetricNotes[name]; ok {
		return note
	}
	of := name[:max(strings.LastIndexByte(name, '.'), 0)]
	for _, other := range slices.Sorted(maps.Keys(rec.MetricNotes)) {
		if of != "" && (other == of || strings.HasPrefix(other, of+".")) {
			return rec.MetricNotes[other]
		}
	}
	return ""
}

// noteUnproven adds a note to skews that meet a requirement as measured, but might not within
// the error of the clocks. The measured value decides, because that is what the file asks
// about.
func noteUnproven(require []experiment.Requirement, rec *results.Record) {
	for i := range require {
		r := &require[i]
		v, bound, text := measured(cmp.Or(r.Metric, r.Name), rec)
		if bound == 0 || !r.Met(v) || r.Met(max(v-bound, 0)) && r.Met(v+bound) {
			continue
		}
		addNote(rec, r.Name, fmt.Sprintf("%s meets %s as measured, but this is not proved: the clocks were not known well enough", text, r.Text))
	}
}

// measured gives what a requirement is about: as a number, with the bound of its
// error if it has one, and for people.
func measured(name string, rec *results.Record) (v, bound float64, text string) {
	switch name {
	case experiment.StartSkew:
		return skew(rec.StartSkewUS, rec.StartBoundUS())
	case experiment.StopSkew:
		if rec.StopErrorUS == 0 && !rec.Stopped() {
			return skew(0, 0)
		}
		return skew(rec.StopSkewUS, rec.StopBoundUS())
	case experiment.ClockError:
		return float64(rec.ClockErrorUS), 0, micros(rec.ClockErrorUS)
	}
	if group, ok := experiment.SkewOf(name); ok {
		return skewOf(group, rec)
	}
	v, ok := rec.Metrics[name]
	if !ok {
		v = math.NaN()
	}
	text = strings.TrimSpace(strconv.FormatFloat(v, 'g', -1, 64) + " " + rec.Units[name])
	if whose := rec.MetricsOf[name].Whose; whose != "" {
		text = fmt.Sprintf("%s (%s)", amount(v, rec.Units[name]), whose)
	}
	return v, 0, text
}

// amount is a number of samples for people.
func amount(v float64, unit string) string {
	if strings.HasPrefix(unit, "B") {
		for _, prefix := range []string{"", "Ki", "Mi", "Gi", "Ti"} {
			if math.Abs(v) < 1024 || prefix == "Ti" {
				return fmt.Sprintf("%.4g %s%s", v, prefix, unit)
			}
			v /= 1024
		}
	}
	return strings.TrimSpace(fmt.Sprintf("%.4g %s", v, unit))
}

// skewOf gives the skew of the beat on which a group is. Records of older versions are of runs
// with one.
func skewOf(group string, rec *results.Record) (v, bound float64, text string) {
	if len(rec.Beats) == 0 {
		return skew(rec.StartSkewUS, rec.StartBoundUS())
	}
	beat, ok := rec.Beat(group)
	if !ok || beat.ReleasedAt.IsZero() {
		return math.NaN(), 0, ""
	}
	return skew(beat.StartSkewUS, beat.StartBoundUS())
}

// skew returns a skew with its bound; one below its bound can't be told from 0.
func skew(us, bound int64) (v, b float64, text string) {
	text = micros(us) + " ± " + micros(bound)
	switch {
	case bound == 0: // there was none
		text = micros(us)
	case us < bound:
		text = "< " + micros(bound)
	}
	return float64(us), float64(bound), text
}

func micros(us int64) string { return (time.Duration(us) * time.Microsecond).String() }
