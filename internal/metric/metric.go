// Package metric takes numbers out of what a run left on the disk, and judges the run by them:
// [Judge] fills in a record's metrics, and fails a run that does not meet what the experiment
// requires. Files and outputs are read as streams, so they may be of any size; only medians and
// percentiles keep all values, of eight bytes each. Malformed parts are left out, counted and
// reported, and are never an error.
package metric

import (
	"math"
	"slices"
	"strings"

	"downbeat/internal/experiment"
	"downbeat/internal/results"
)

// Take takes a metric of a run.
func Take(run *Run, m *experiment.Metric) Finding {
	s := newSearch(run, m)
	if s.never != "" {
		return s.without(s.never)
	}
	s.spare()
	for i := range m.Sources {
		source := &m.Sources[i]
		if s.source = source; m.Sample != "" {
			if s.owing(source) > 0 {
				s.sampled(source)
			}
		} else if source.File != "" {
			s.files(source)
		} else if run.started(source.Host, source.Process) {
			s.output(source)
		}
	}
	return s.result()
}

// A Finding is the value of a metric in a run.
type Finding struct {
	// Value is NaN if nothing was found.
	Value float64
	// Note says why nothing was found or, otherwise, what was left out, if anything.
	Note string
	// Values says on how many processes, or files, the value is based, and Expected how many
	// there should be.
	Values, Expected int
	// Lacking says which have no value, and why: a phrase for each of the first few.
	Lacking []string
	// Series is the metric over the run's time; nil if it has none.
	Series *results.Series
	// Whose says which process, or host, the value is of, where it is the largest or the smallest.
	Whose string
	// Lost says that its sources are not in the results any more.
	Lost bool
}

// without is the finding of a metric that can't have a value.
func (s *search) without(why string) Finding {
	f := Finding{Value: math.NaN(), Note: why}
	for i := range s.metric.Sources {
		f.Expected += s.owing(&s.metric.Sources[i])
	}
	return f
}

// result reduces the values that were found.
func (s *search) result() Finding {
	f := Finding{Value: math.NaN(), Values: s.values, Expected: s.expected, Lacking: s.lacking, Whose: s.whose}
	var notes []string
	v, ok := s.over.result()
	switch v *= s.metric.Scale; {
	case !ok:
		notes = append(notes, s.why())
	case math.IsInf(v, 0) || math.IsNaN(v):
		notes = append(notes, "the result is too large for a number")
	default:
		f.Value, notes = v, append(notes, s.left.String())
	}
	if s.times != nil {
		notes = append(notes, s.times.notes()...)
		f.Series = s.times.series()
	}
	if len(s.spared) > 0 {
		notes = append(notes, "none is expected of "+listed(s.spared)+", which left no such file anywhere")
	}
	f.Note = strings.Join(slices.DeleteFunc(notes, func(note string) bool { return note == "" }), "; ")
	return f
}
