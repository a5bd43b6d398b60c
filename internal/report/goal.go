package report

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"downbeat/internal/results"
	"downbeat/internal/statistics"
	"downbeat/internal/terminal"
)

// A progressOfGoal is what the page says of repetitions that go on until something is known.
type progressOfGoal struct {
	Text    string
	Unknown []string // combinations that are not known
	More    int
}

// mostUnknown is how many of them are listed.
const mostUnknown = 20

// towards says how far the combinations have come; nil where their repetitions have a fixed number.
func (r *Report) towards(summaries []results.Summary) *progressOfGoal {
	goal := r.options.Goal
	if goal == nil || goal.AtMost == 0 {
		return nil
	}
	p, known := &progressOfGoal{}, 0
	for _, c := range results.Towards(*goal, summaries) {
		switch {
		case c.Reached:
			known++
		case len(p.Unknown) == mostUnknown:
			p.More++
		default:
			p.Unknown = append(p.Unknown, unknown(c))
		}
	}
	p.Text = fmt.Sprintf("Each combination is run at least %d and at most %d times, until the 95 %% intervals of the means are as narrow as %s: %d of %s known.",
		goal.AtLeast, goal.AtMost, aims(goal), known, terminal.Count(uint64(r.options.Planned/goal.AtMost), "combination"))
	return p
}

func aims(goal *statistics.Goal) string {
	var parts []string
	for _, metric := range slices.Sorted(maps.Keys(goal.Until)) {
		parts = append(parts, fmt.Sprintf("±%g %% (%s)", 100*goal.Until[metric], printable(metric)))
	}
	return strings.Join(parts, ", ")
}

// unknown says why a combination is not known.
func unknown(c results.Repeated) string {
	var parts []string
	for _, m := range c.Lacking {
		if m.N < 2 {
			parts = append(parts, fmt.Sprintf("%s has %s", m.Metric, terminal.Count(uint64(m.N), "value")))
			continue
		}
		parts = append(parts, fmt.Sprintf("%s ±%s", m.Metric, terminal.Share(m.HalfWidth())))
	}
	text := fmt.Sprintf("not known after %s: %s", terminal.Count(uint64(c.Runs), "run"), strings.Join(parts, ", "))
	if name := parametersOf(c.Parameters); name != "" {
		text = name + ": " + text
	}
	return printable(text)
}

// goesOn reports whether datapoints are still to come, of which done have run.
func (r *Report) goesOn(done int, sorted []*run, summaries []results.Summary) bool {
	goal := r.options.Goal
	if goal == nil || goal.AtMost == 0 {
		return r.options.Planned > done
	}
	run := make(map[string]map[int]bool) // repetitions, by combination
	for _, one := range sorted {
		if one.complete {
			key := one.record.CombinationKey()
			if run[key] == nil {
				run[key] = make(map[int]bool)
			}
			run[key][one.record.Repetition] = true
		}
	}
	over := 0
	for _, c := range results.Towards(*goal, summaries) {
		of := results.Record{Parameters: c.Parameters}
		if key := of.CombinationKey(); c.Reached || len(run[key]) >= goal.AtMost {
			over++
			delete(run, key)
		}
	}
	for _, repetitions := range run { // of which no run counts
		if len(repetitions) >= goal.AtMost {
			over++
		}
	}
	return over < r.options.Planned/goal.AtMost
}
