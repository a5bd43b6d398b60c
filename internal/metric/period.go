package metric

import (
	"fmt"
	"time"

	"downbeat/internal/experiment"
)

// A period is the part of a run's time in which values of a metric count.
type period struct {
	name     string // for people
	from, to edge
	note     string // for people; may be empty
}

// periodOf is the time in which values of the metric count; nil: whenever they were read. If there
// is no such time, it says why.
func (r *Run) periodOf(m *experiment.Metric) (*period, string) {
	switch {
	case m.Window != "":
		return r.window(m.Window)
	case m.Inner() == experiment.Rate, m.Sample != "":
		return r.course()
	}
	return nil, ""
}

func (r *Run) window(name string) (*period, string) {
	w, ok := r.record.Window(name)
	switch {
	case !ok:
		return nil, "there is no window " + name
	case w.Reason != "":
		return nil, fmt.Sprintf("window %s: %s", name, w.Reason)
	}
	s := &period{name: "window " + name, from: edgeOf(w.From, w.FromErrorUS), to: edgeOf(w.To, w.ToErrorUS)}
	if w.Note != "" {
		s.note = fmt.Sprintf("%s: %s", s.name, w.Note)
	}
	return s, ""
}

// course is the time from the last release to the end.
func (r *Run) course() (*period, string) {
	from, why := releaseIn(r.record, "")
	if why != "" {
		return nil, why
	}
	to, why := endOf(r.record)
	if why != "" {
		return nil, why
	}
	if !from.at.Before(to.at) {
		return nil, "the run ended before its last release"
	}
	return &period{name: "the time from the last release to the end", from: from, to: to}, ""
}

func (s *period) length() time.Duration { return s.to.at.Sub(s.from.at) }

func (s *period) has(at time.Time) bool { return !at.Before(s.from.at) && at.Before(s.to.at) }

// near reports whether a time that may be wrong by the bound is so near an edge that it might
// be on its other side.
func (s *period) near(at time.Time, bound time.Duration) bool {
	return s.from.near(at, bound) || s.to.near(at, bound)
}

func (e edge) near(at time.Time, bound time.Duration) bool {
	return at.Sub(e.at).Abs() <= bound+e.bound
}
