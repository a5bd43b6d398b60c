package main

import (
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"downbeat/internal/experiment"
	"downbeat/internal/results"
	"downbeat/internal/terminal"
)

// metrics prints a run's metrics in one line, and then a line for each that found nothing or
// had to leave something out.
func metrics(b *strings.Builder, r results.Record) {
	if r.ReleasedAt.IsZero() {
		return // nothing was started: there is nothing to find
	}
	var found []string
	names := slices.Sorted(maps.Keys(r.Metrics))
	for _, name := range names {
		if v := r.Metrics[name]; !math.IsNaN(v) {
			value := strings.TrimSpace(name + " " + strconv.FormatFloat(v, 'g', 6, 64) + " " + r.Units[name])
			found = append(found, value+basis(r, name))
		}
	}
	if len(found) > 0 {
		fmt.Fprintf(b, "  %s\n", strings.Join(found, ", "))
	}
	for _, name := range names {
		note := r.MetricNotes[name]
		switch of := r.MetricsOf[name]; {
		case math.IsNaN(r.Metrics[name]):
			note = ": nothing found: " + note
		case note != "":
			note = ": " + note
		case of.Values < of.Expected && !strings.Contains(r.Reason, name+" is the "):
			note = fmt.Sprintf(" is based on %d of %d: %s", of.Values, of.Expected, strings.Join(of.Lacking, "; "))
		}
		if note != "" {
			fmt.Fprintf(b, "  %s%s\n", name, note)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(r.MetricNotes)) {
		if _, metric := r.Metrics[name]; !metric {
			fmt.Fprintf(b, "  %s: %s\n", name, r.MetricNotes[name])
		}
	}
}

// checks prints which requirements are met that programs have checked. Those that are not are in
// the run's reason.
func checks(b *strings.Builder, r results.Record) {
	if r.Judged == nil {
		return
	}
	var met []string
	for _, c := range r.Judged.Checks {
		if c.Met {
			met = append(met, c.Name)
		}
	}
	if len(met) > 0 {
		fmt.Fprintf(b, "  checked: %s\n", strings.Join(met, ", "))
	}
}

// basis says on how many processes a metric is based, out of how many, and in which window.
func basis(r results.Record, name string) string {
	of, ok := r.MetricsOf[name]
	if !ok || of.Program != "" {
		return ""
	}
	where := ""
	if of.Window != "" {
		where = ", in " + of.Window
	}
	return fmt.Sprintf(" (%d of %d%s)", of.Values, of.Expected, where)
}

// coverage says how completely each metric of an experiment was found, by its name.
type coverage map[string]*metricCoverage

// metricCoverage counts the runs with processes in which a metric should have been found.
type metricCoverage struct {
	runs, empty, part int
	why               string // why it was empty in the first of the empty ones
}

// add counts a run, if it had processes.
func (c coverage) add(r results.Record) {
	if r.ReleasedAt.IsZero() {
		return
	}
	for name, v := range r.Metrics {
		of, m := r.MetricsOf[name], c[name]
		if m == nil {
			m = &metricCoverage{}
			c[name] = m
		}
		m.runs++
		switch {
		case math.IsNaN(v) && (of.Expected > 0 || of.Definition == ""):
			if m.empty++; m.empty == 1 {
				m.why = r.MetricNotes[name]
			}
		case of.Values < of.Expected:
			m.part++
		}
	}
}

// runsOf is how many runs have a metric, be it one of those that its program gives.
func (c coverage) runsOf(m *experiment.Metric) int {
	own, parts := 0, 0
	for name, of := range c {
		switch {
		case name == m.Name:
			own = of.runs
		case m.Gives(name):
			parts = max(parts, of.runs)
		}
	}
	return own + parts
}

// tellCoverage warns of metrics that found nothing, or too little, in some run. If a metric
// found nothing in any run, the file is most likely wrong about where its values are.
func (s *series) tellCoverage(records []results.Record) {
	all := coverageOf(records)
	for i := range s.sought {
		m := &s.sought[i]
		c := all[m.Name]
		runs := all.runsOf(m)
		switch {
		case c == nil:
		case c.empty > 0 && c.empty == runs:
			s.say("publish: warning: metric %s found nothing in any run; it looks for %s: %s\n", m.Name, m, c.why)
		case c.empty > 0:
			s.say("publish: warning: metric %s found nothing in %d of %d runs; in the first of these: %s\n", m.Name, c.empty, runs, c.why)
		}
		if c != nil && c.part > 0 {
			s.say("publish: warning: metric %s is based on fewer processes or files than there are in %d of %s\n",
				m.Name, c.part, terminal.Count(uint64(c.runs), "run"))
		}
	}
}

// coverageOf counts all runs of the experiment, including those from before it was resumed, but
// not those that are superseded.
func coverageOf(records []results.Record) coverage {
	all := make(coverage)
	for i, superseded := range results.Supersede(records) {
		if !superseded {
			all.add(records[i])
		}
	}
	return all
}

// describeMetrics prints, for check, the windows, metrics and requirements of the datapoint.
func describeMetrics(w io.Writer, dp *experiment.Datapoint) {
	if len(dp.Windows) > 0 {
		fmt.Fprintln(w, "\nWindows:")
	}
	for i := range dp.Windows {
		fmt.Fprintf(w, "  %s: from %s\n", dp.Windows[i].Name, &dp.Windows[i])
	}
	if len(dp.Metrics) > 0 {
		fmt.Fprintln(w, "\nMetrics:")
	}
	for i := range dp.Metrics {
		m := &dp.Metrics[i]
		by := string(m.Processes)
		if m.Lines != "" {
			by = fmt.Sprintf("%s of each, then %s", m.Lines, m.Processes)
		}
		if m.Window != "" {
			by += " in window " + m.Window
		}
		if m.Series > 0 {
			by += ", and for each " + m.Series.String()
		}
		if p := m.Program; p != nil {
			fmt.Fprintf(w, "  %s: %s, run here in %s for at most %s\n", m.Name, m, p.Dir, terminal.Duration(p.Timeout))
			continue
		}
		in := "in " + sources(m.Sources)
		if m.Sample != "" {
			in = "of " + sampledOn(m.Sources)
		}
		fmt.Fprintf(w, "  %s: %s %s; %s\n", m.Name, m, in, by)
	}
	var required []string
	for _, r := range dp.Require {
		if p := r.Program; p != nil {
			required = append(required, fmt.Sprintf("%s, by %s, run here in %s for at most %s", r.Name, p, p.Dir, terminal.Duration(p.Timeout)))
			continue
		}
		required = append(required, r.Name+" "+r.Text)
	}
	if len(required) > 0 {
		fmt.Fprintf(w, "\nRequired: %s.\n", strings.Join(required, ", "))
	}
}

// sampledOn says what is sampled for a metric.
func sampledOn(of []experiment.Source) string {
	if len(of) > 0 && of[0].Process == "" {
		return terminal.Count(uint64(len(of)), "host")
	}
	return processes(len(of))
}

// sources says where a metric is looked for.
func sources(of []experiment.Source) string {
	switch {
	case len(of) == 0:
		return "nothing: no process is in these groups and on these hosts"
	case of[0].File == "":
		return "the " + of[0].Stream.Title() + " of " + processes(len(of))
	}
	var files []string
	for _, s := range of {
		if !slices.Contains(files, s.File) {
			files = append(files, s.File)
		}
	}
	if len(files) > most {
		files = append(files[:most], fmt.Sprintf("and %d more", len(files)-most))
	}
	return strings.Join(files, ", ")
}
