package main

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

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
