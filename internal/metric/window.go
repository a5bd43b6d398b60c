package metric

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"downbeat/internal/experiment"
	"downbeat/internal/results"
)

// An edge is an instant of a run, and by how much it may be wrong.
type edge struct {
	at    time.Time
	bound time.Duration
}

func (e edge) add(d time.Duration) edge { return edge{e.at.Add(d), e.bound} }

func edgeOf(at time.Time, errorUS int64) edge {
	return edge{at, time.Duration(errorUS) * time.Microsecond}
}

// resolve finds where the windows lay in a run.
func resolve(windows []experiment.Window, rec *results.Record) []results.WindowRecord {
	var found []results.WindowRecord
	for i := range windows {
		found = append(found, resolveOne(&windows[i], rec))
	}
	return found
}

func resolveOne(w *experiment.Window, rec *results.Record) results.WindowRecord {
	found := results.WindowRecord{Window: w.Name}
	from, why := boundaryIn(rec, w.From)
	if why != "" {
		found.Reason = why
		return found
	}
	to, why := boundaryIn(rec, w.To)
	if why != "" {
		found.Reason = why
		return found
	}
	start, _ := firstRelease(rec) // there are none before an end, or a mark
	end, _ := endOf(rec)
	switch {
	case !from.at.Before(to.at):
		found.Reason = fmt.Sprintf("it is empty: %s was at %s, and %s at %s", w.From, since(start, from), w.To, since(start, to))
		return found
	case !from.at.Before(end.at):
		found.Reason = fmt.Sprintf("the run was over, at %s, when it would have begun, at %s", since(start, end), since(start, from))
		return found
	case !start.at.Before(to.at):
		found.Reason = fmt.Sprintf("it would have ended before the release, at %s", since(start, to))
		return found
	}
	if to.at.After(end.at.Add(to.bound + end.bound)) {
		found.Note = fmt.Sprintf("it is cut at the end of the run, %s before %s", words(to.at.Sub(end.at)), w.To)
	}
	if from.at.Before(start.at.Add(-from.bound - start.bound)) {
		found.Note = strings.TrimPrefix(found.Note+fmt.Sprintf("; it is cut at the release, %s after %s", words(start.at.Sub(from.at)), w.From), "; ")
	}
	if from.at.Before(start.at) {
		from = start
	}
	if to.at.After(end.at) {
		to = end
	}
	found.From, found.FromErrorUS = from.at, from.bound.Microseconds()
	found.To, found.ToErrorUS = to.at, to.bound.Microseconds()
	return found
}

// since says in words how long after the release an edge is.
func since(release, e edge) string { return words(e.at.Sub(release.at)) + " after the release" }

// words is a duration for people.
func words(d time.Duration) string {
	if d.Abs() >= time.Second {
		return d.Round(time.Millisecond).String()
	}
	return d.Round(time.Microsecond).String()
}

// boundaryIn finds where a boundary was in a run, or says why it was nowhere.
func boundaryIn(rec *results.Record, b experiment.Boundary) (edge, string) {
	var at edge
	var why string
	switch b.Of {
	case experiment.OfMark:
		at, why = markIn(rec, b.Mark)
	case experiment.OfAction:
		at, why = actionIn(rec, b.Action)
	case experiment.OfEnd:
		at, why = endOf(rec)
	case experiment.OfRelease:
		at, why = releaseIn(rec, b.Group)
	}
	return at.add(b.After), why
}

// releaseIn is the release of a group or, without one, the last release.
func releaseIn(rec *results.Record, group string) (edge, string) {
	if group != "" {
		beat, ok := rec.Beat(group)
		if !ok || beat.ReleasedAt.IsZero() {
			return edge{}, "no process of " + group + " was released"
		}
		return edgeOf(beat.ReleasedAt, beat.ClockErrorUS), ""
	}
	if n := len(rec.Beats); n > 0 {
		last := rec.Beats[n-1]
		if last.ReleasedAt.IsZero() {
			return edge{}, fmt.Sprintf("the last release, of %s, never came", strings.Join(last.Groups, ", "))
		}
		return edgeOf(last.ReleasedAt, last.ClockErrorUS), ""
	}
	return firstRelease(rec)
}

func firstRelease(rec *results.Record) (edge, string) {
	if rec.ReleasedAt.IsZero() {
		return edge{}, "the run was not released"
	}
	return edgeOf(rec.ReleasedAt, rec.ClockErrorUS), ""
}

// endOf is when the stop of a run began or, without one, when its last process ended.
func endOf(rec *results.Record) (edge, string) {
	var end edge
	for _, h := range rec.Hosts {
		if !h.StoppedAt.IsZero() && (end.at.IsZero() || h.StoppedAt.Before(end.at)) {
			end = edgeOf(h.StoppedAt, h.StoppedErrorUS)
		}
	}
	if !end.at.IsZero() {
		return end, ""
	}
	for _, p := range rec.Processes {
		if p.EndedAt.After(end.at) {
			end = edgeOf(p.EndedAt, p.EndedErrorUS)
		}
	}
	if end.at.IsZero() {
		return edge{}, "no process of the run has ended"
	}
	return end, ""
}

// markIn is when a mark was first made.
func markIn(rec *results.Record, name string) (edge, string) {
	var first *results.MarkRecord
	var others []string
	for i := range rec.Marks {
		switch m := &rec.Marks[i]; {
		case m.Mark == name && (first == nil || m.At.Before(first.At)):
			first = m
		case m.Mark != name && !slices.Contains(others, m.Mark):
			others = append(others, m.Mark)
		}
	}
	switch {
	case first != nil:
		return edgeOf(first.At, first.ClockErrorUS), ""
	case len(others) > 0:
		return edge{}, fmt.Sprintf("nobody made the mark %q; there are %s", name, listed(others))
	}
	return edge{}, fmt.Sprintf("nobody made the mark %q", name)
}

// actionIn is when an action was first done.
func actionIn(rec *results.Record, number int) (edge, string) {
	var first *results.ActionRecord
	reason := ""
	for i := range rec.Actions {
		a := &rec.Actions[i]
		if a.Action != number {
			continue
		}
		if a.At.IsZero() {
			reason = a.Reason
		} else if first == nil || a.At.Before(first.At) {
			first = a
		}
	}
	switch {
	case first != nil:
		return edgeOf(first.At, first.ClockErrorUS), ""
	case reason != "":
		return edge{}, fmt.Sprintf("action %d was not done: %s", number, reason)
	}
	return edge{}, fmt.Sprintf("action %d was not done", number)
}
