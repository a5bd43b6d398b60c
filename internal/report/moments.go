package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"downbeat/internal/results"
)

// A moment is an instant of a run that its timeline has a line for.
type moment struct {
	Kind string `json:"kind"` // beat, mark or action
	At   int64  `json:"at"`   // in microseconds since the run's base
	Text string `json:"text"`
	// Error is the bound of the time.
	Error int64 `json:"error,omitempty"`
}

// A lifeDetail is one start of a process that had several, and its end.
type lifeDetail struct {
	Start   *int64 `json:"start,omitempty"`
	End     *int64 `json:"end,omitempty"`
	Outcome string `json:"outcome"`
}

// mostMoments is how many moments a timeline has of each kind.
const mostMoments = 200

// moments are the releases after the first, the marks and the actions that were carried out,
// in the order of their times.
func (d *detail) moments(r *results.Record) []moment {
	var beats, marks, actions []moment
	for _, b := range r.Beats {
		if at := d.since(b.ReleasedAt); b.Beat > 0 && at != nil {
			beats = append(beats, moment{"beat", *at, strings.TrimSuffix(fmt.Sprintf("beat %d: %s", b.Beat, strings.Join(b.Groups, ", ")), ": "), b.ClockErrorUS})
		}
	}
	for _, m := range r.Marks {
		if at := d.since(m.At); at != nil {
			marks = append(marks, moment{"mark", *at, "mark " + m.Mark + by(m.Host, m.Process), m.ClockErrorUS})
		}
	}
	for _, a := range r.Actions {
		if at := d.since(a.At); at != nil {
			actions = append(actions, moment{"action", *at, fmt.Sprintf("action %d: %s, on %s/%s", a.Action, a.Text, a.Host, a.Target), a.ClockErrorUS})
		}
	}
	all := slices.Concat(beats, marks[:min(len(marks), mostMoments)], actions[:min(len(actions), mostMoments)])
	slices.SortStableFunc(all, func(a, b moment) int { return cmp.Compare(a.At, b.At) })
	return all
}

// by says who has set a mark.
func by(host, process string) string {
	if process == "" {
		return " by a process on " + host
	}
	return " by " + host + "/" + process
}

// lives are those of a process that had several.
func (d *detail) lives(p *results.ProcessRecord) []lifeDetail {
	var lives []lifeDetail
	for _, l := range p.Lives {
		lives = append(lives, lifeDetail{Start: d.since(l.StartedAt), End: d.since(l.EndedAt), Outcome: string(l.Outcome)})
	}
	return lives
}
