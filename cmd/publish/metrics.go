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
			found = append(found, strings.TrimSpace(name+" "+strconv.FormatFloat(v, 'g', 6, 64)+" "+r.Units[name]))
		}
	}
	if len(found) > 0 {
		fmt.Fprintf(b, "  %s\n", strings.Join(found, ", "))
	}
	for _, name := range names {
		note := r.MetricNotes[name]
		if math.IsNaN(r.Metrics[name]) {
			note = "nothing found: " + note
		}
		if note != "" {
			fmt.Fprintf(b, "  %s: %s\n", name, note)
		}
	}
}

// finds are the metrics of an experiment: why each found nothing, or "" once it
// has found something.
type finds map[string]string

// add takes in a run in which there was something to find.
func (f *finds) add(r results.Record) {
	if r.ReleasedAt.IsZero() {
		return
	}
	if *f == nil {
		*f = make(finds)
	}
	for name, v := range r.Metrics {
		if why, seen := (*f)[name]; !math.IsNaN(v) {
			(*f)[name] = ""
		} else if !seen || why != "" {
			(*f)[name] = r.MetricNotes[name]
		}
	}
}

// never gives those that found nothing.
func (f finds) never() []string {
	return slices.Sorted(func(yield func(string) bool) {
		for name, why := range f {
			if why != "" && !yield(name) {
				return
			}
		}
	})
}

// neverFound warns of metrics that found nothing in the whole experiment: most
// likely, the file is wrong about where they are.
func (c *campaign) neverFound() {
	if len(c.finds.never()) == 0 {
		return
	}
	c.addEarlier()
	never := c.finds.never()
	for i := range c.sought {
		if m := &c.sought[i]; slices.Contains(never, m.Name) {
			c.say("publish: warning: metric %s found nothing in any run; it looks for %s: %s\n", m.Name, m, c.finds[m.Name])
		}
	}
}

// addEarlier takes in the runs that the experiment had before it was resumed.
func (c *campaign) addEarlier() {
	reader, err := results.Open(c.results.Dir())
	if err != nil {
		return // there is no run, or none that can be read
	}
	for _, dir := range reader.Runs() {
		if record, err := results.ReadRecord(dir); err == nil {
			c.finds.add(record)
		}
	}
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
