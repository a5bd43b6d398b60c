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

// metrics tells in a line what a run's metrics are, and then of each that found
// nothing or had to leave something out.
func metrics(b *strings.Builder, r results.Record) {
	if r.ReleasedAt.IsZero() {
		return // nothing was started: there is nothing to find
	}
	var found []string
	names := slices.Sorted(maps.Keys(r.Metrics))
	for _, name := range names {
		if v := r.Metrics[name]; !math.IsNaN(v) {
			value := strings.TrimSpace(name + " " + strconv.FormatFloat(v, 'g', 6, 64) + " " + r.Units[name])
			found = append(found, value+rests(r, name))
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
			note = fmt.Sprintf(" rests on %d of %d: %s", of.Values, of.Expected, strings.Join(of.Lacking, "; "))
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

// rests says on how many processes a metric rests, and of how many.
func rests(r results.Record, name string) string {
	of, ok := r.MetricsOf[name]
	if !ok {
		return ""
	}
	return fmt.Sprintf(" (%d of %d)", of.Values, of.Expected)
}

// finds are what became of an experiment's metrics, by their names.
type finds map[string]*find

// A find is what became of a metric in the runs in which there was something to find.
type find struct {
	runs, empty, part int
	why               string // it was empty in the first of these
}

// add takes in a run in which there was something to find.
func (f finds) add(r results.Record) {
	if r.ReleasedAt.IsZero() {
		return
	}
	for name, v := range r.Metrics {
		of, found := r.MetricsOf[name], f[name]
		if found == nil {
			found = &find{}
			f[name] = found
		}
		found.runs++
		switch {
		case math.IsNaN(v) && (of.Expected > 0 || of.Definition == ""):
			if found.empty++; found.empty == 1 {
				found.why = r.MetricNotes[name]
			}
		case of.Values < of.Expected:
			found.part++
		}
	}
}

// tellFinds warns of metrics that found nothing, or less than they should have, in
// some run. Where one found nothing at all, the file is most likely wrong about where
// its values are.
func (s *series) tellFinds() {
	all := s.findAll()
	for i := range s.sought {
		m := &s.sought[i]
		switch f := all[m.Name]; {
		case f == nil:
		case f.empty > 0 && f.empty == f.runs:
			s.say("publish: warning: metric %s found nothing in any run; it looks for %s: %s\n", m.Name, m, f.why)
		case f.empty > 0:
			s.say("publish: warning: metric %s found nothing in %d of %d runs; in the first of these: %s\n", m.Name, f.empty, f.runs, f.why)
		}
		if f := all[m.Name]; f != nil && f.part > 0 {
			s.say("publish: warning: metric %s rests on fewer processes or files than there are in %d of %s\n",
				m.Name, f.part, terminal.Count(uint64(f.runs), "run"))
		}
	}
}

// findAll takes in all runs of the experiment, those of before it was resumed
// included, but not those whose place others have taken.
func (s *series) findAll() finds {
	reader, err := results.Open(s.results.Dir())
	if err != nil {
		return nil // there is no run, or none that can be read
	}
	var records []results.Record
	for _, dir := range reader.Runs() {
		if record, err := results.ReadRecord(dir); err == nil {
			records = append(records, record)
		}
	}
	slices.SortStableFunc(records, func(a, b results.Record) int { return a.EndedAt.Compare(b.EndedAt) })
	all := make(finds)
	for i, superseded := range results.Supersede(records) {
		if !superseded {
			all.add(records[i])
		}
	}
	return all
}

// describeMetrics prints, for check, what a run of the datapoint is judged by.
func describeMetrics(w io.Writer, dp *experiment.Datapoint) {
	if len(dp.Metrics) > 0 {
		fmt.Fprintln(w, "\nMetrics:")
	}
	for i := range dp.Metrics {
		m := &dp.Metrics[i]
		by := string(m.Processes)
		if m.Lines != "" {
			by = fmt.Sprintf("%s of each, then %s", m.Lines, m.Processes)
		}
		fmt.Fprintf(w, "  %s: %s in %s; %s\n", m.Name, m, sources(m.Sources), by)
	}
	var required []string
	for _, r := range dp.Require {
		required = append(required, r.Name+" "+r.Text)
	}
	if len(required) > 0 {
		fmt.Fprintf(w, "\nRequired: %s.\n", strings.Join(required, ", "))
	}
}

// sources says where a metric is searched for.
func sources(of []experiment.Source) string {
	switch {
	case len(of) == 0:
		return "nothing: no process is of these groups and on these hosts"
	case of[0].File == "" && of[0].Stderr:
		return "the standard error of " + processes(len(of))
	case of[0].File == "":
		return "the standard output of " + processes(len(of))
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
