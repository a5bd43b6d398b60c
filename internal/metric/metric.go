// Package metric takes numbers out of what a run left on the disk, and judges the run by them:
// [Judge] fills in a record's metrics, and fails a run that does not meet what the experiment
// requires. Files and outputs are read as streams, so they may be of any size; only medians and
// percentiles keep all values, of eight bytes each. Malformed parts are left out, counted and
// reported, and are never an error.
package metric

import (
	"math"
	"strings"

	"downbeat/internal/experiment"
)

// Take takes a metric of a run.
func Take(run *Run, m *experiment.Metric) Finding {
	s := newSearch(run, m)
	s.spare()
	for _, source := range m.Sources {
		if source.File != "" {
			s.files(&source)
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
	// Lost says that its sources are not in the results any more.
	Lost bool
}

// result reduces the values that were found.
func (s *search) result() Finding {
	f := Finding{Value: math.NaN(), Values: s.values, Expected: s.expected, Lacking: s.lacking}
	v, ok := s.over.result()
	switch v *= s.metric.Scale; {
	case !ok:
		f.Note = s.why()
	case math.IsInf(v, 0) || math.IsNaN(v):
		f.Note = "the result is too large for a number"
	default:
		f.Value, f.Note = v, s.left.String()
	}
	if len(s.spared) > 0 {
		f.Note = strings.TrimPrefix(f.Note+"; none is expected of "+listed(s.spared)+", which left no such file anywhere", "; ")
	}
	return f
}
