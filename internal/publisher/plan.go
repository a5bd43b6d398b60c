package publisher

import (
	"downbeat/internal/experiment"
	"downbeat/internal/publisher/conduct"
)

// The course of a run, from the words of the file to those of the rules.

func stopRuleOf(s *experiment.StopRule) conduct.StopRule {
	rule := conduct.StopRule{When: s.When, After: s.After, Grace: s.Grace, OnFailure: s.OnFailure}
	if s.LastBeatFirst {
		rule.Order = conduct.LastBeatFirst
	}
	return rule
}

func beatsOf(dp *experiment.Datapoint) []conduct.Beat {
	beats := make([]conduct.Beat, len(dp.Beats))
	for k, b := range dp.Beats {
		for _, w := range b.After {
			beats[k].After = append(beats[k].After, conduct.Condition{Group: w.Group, Ended: w.Ended, Delay: w.Delay})
		}
	}
	return beats
}

func actionsOf(dp *experiment.Datapoint) []conduct.Action {
	var actions []conduct.Action
	for i := range dp.Actions {
		a := &dp.Actions[i]
		actions = append(actions, conduct.Action{
			Number: a.Number, Do: a.Do, Text: a.Text, Optional: a.Optional, Targets: a.Targets, ThatOne: a.ThatOne,
			Trigger: conduct.Trigger{Beat: a.Beat, Mark: a.Mark, Line: a.Line != "", Times: a.Times, After: a.After},
		})
	}
	return actions
}
