package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"downbeat/internal/campaign"
	"downbeat/internal/experiment"
	"downbeat/internal/results"
	"downbeat/internal/statistics"
	"downbeat/internal/terminal"
)

// Repetitions that go on until something is known.

// goalOf is what the file's rule asks for; nil where it has none.
func goalOf(file *experiment.File) *statistics.Goal {
	if file.Until == nil {
		return nil
	}
	goal := statistics.Goal{AtLeast: file.Until.AtLeast, AtMost: file.Until.AtMost, Until: make(map[string]float64)}
	for _, aim := range file.Until.Until {
		goal.Until[aim.Metric] = aim.Within
	}
	return &goal
}

// sourceOf gives the datapoints that are left; done are those that need not be run.
func sourceOf(file *experiment.File, left []experiment.Point, done []campaign.Done) campaign.Source {
	if goal := goalOf(file); goal != nil {
		return campaign.NewUntil(*goal, left, done)
	}
	return campaign.List(left)
}

// tellDone prints how many datapoints are done, and how many there still are, and reports whether
// there are any.
func (a *app) tellDone(file *experiment.File, done, all int, source campaign.Source) bool {
	planned, atMost := source.Planned()
	switch {
	case file.Until == nil:
		a.say("%s: %d of %s done already\n", file.Name, done, terminal.Count(uint64(all), "datapoint"))
	case planned == 0:
		a.say("%s: %s done already: nothing more is needed\n", file.Name, terminal.Count(uint64(done), "datapoint"))
	case atMost:
		a.say("%s: %s done already, at most %d more\n", file.Name, terminal.Count(uint64(done), "datapoint"), planned)
	}
	return planned > 0
}

// tellGoal prints which combinations are known, of those that were run, and which are not.
func (s *series) tellGoal(summaries []results.Summary) {
	goal := goalOf(s.file)
	if goal == nil {
		return
	}
	all := results.Towards(*goal, summaries)
	combinations, known, fewest, most := len(s.file.Points())/goal.AtMost, 0, 0, 0
	for _, r := range all {
		if !r.Reached {
			continue
		}
		if known == 0 {
			fewest = r.Runs
		}
		known++
		fewest, most = min(fewest, r.Runs), max(most, r.Runs)
	}
	text := fmt.Sprintf("%s: %d of %s known (%s)", s.file.Name, known, terminal.Count(uint64(combinations), "combination"), aimsOf(goal))
	switch {
	case known > 0 && fewest == most:
		text += ", after " + terminal.Count(uint64(most), "run")
	case known > 0:
		text += fmt.Sprintf(", after %d to %d runs", fewest, most)
	}
	s.say("%s\n", text)
	s.tellUnknown(all)
}

// tellUnknown prints the combinations that are not known.
func (s *series) tellUnknown(all []results.Repeated) {
	unknown := slices.DeleteFunc(slices.Clone(all), func(r results.Repeated) bool { return r.Reached })
	for i, r := range unknown {
		if i == most && len(unknown) > most+1 {
			s.say("  ... and %d more that are not; see %s\n", len(unknown)-most, results.SummaryFile)
			break
		}
		var lacking []string
		for _, m := range r.Lacking {
			if m.N < 2 {
				lacking = append(lacking, fmt.Sprintf("%s has %s", m.Metric, terminal.Count(uint64(m.N), "value")))
				continue
			}
			lacking = append(lacking, fmt.Sprintf("%s ±%s", m.Metric, shownShare(m.HalfWidth())))
		}
		name := shownParameters(r.Parameters)
		if name == "" {
			name = "it"
		}
		s.say("  %s is not, after %s: %s\n", printable(name), terminal.Count(uint64(r.Runs), "run"), strings.Join(lacking, ", "))
	}
}

// aimsOf says what a goal aims at.
func aimsOf(goal *statistics.Goal) string {
	var aims []string
	for _, metric := range slices.Sorted(maps.Keys(goal.Until)) {
		aims = append(aims, fmt.Sprintf("%s ±%g %%", metric, 100*goal.Until[metric]))
	}
	return strings.Join(aims, ", ")
}
