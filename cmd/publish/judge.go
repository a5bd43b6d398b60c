package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"downbeat/internal/experiment"
	"downbeat/internal/metric"
	"downbeat/internal/results"
	"downbeat/internal/terminal"
)

// judgeAnew takes the metrics of all runs again and judges the runs by them, if the metrics or
// requirements in the file have changed. So no column has numbers of two definitions. It
// returns the revised records.
func (a *app) judgeAnew(exp *results.Experiment, file *experiment.File, meta results.Meta, records []results.Record) ([]results.Record, error) {
	judge := metric.Anew{File: file, Source: results.Hash(meta.Source), Now: time.Now()}
	due := 0
	for i := range records {
		if judge.Due(&records[i]) {
			due++
		}
	}
	if due == 0 {
		return records, nil
	}
	a.say("publish: metrics or requirements have changed: judging %d of %s again, from the stored results\n",
		due, terminal.Count(uint64(len(records)), "run"))
	meta.Time = judge.Now
	if err := exp.Use(meta); err != nil { // the records will name it
		return nil, err
	}
	var found verdicts
	records, err := exp.Revise(func(dir string, rec *results.Record) (bool, error) {
		anew := judge.Judge(dir, rec)
		if anew {
			found.add(rec)
		}
		return anew, nil
	})
	if err != nil {
		return nil, err
	}
	found.tell(a)
	return records, nil
}

// verdicts are the results of judging runs again.
type verdicts struct {
	changed []string
	lost    map[string][]string // why a metric could not be taken again, by metric
}

func (v *verdicts) add(rec *results.Record) {
	if before := rec.Judged.Before; before != nil {
		line := fmt.Sprintf("run %s (datapoint %d): %s", rec.Run, rec.Datapoint, strings.ReplaceAll(string(rec.Outcome), "_", " "))
		if before.Outcome != rec.Outcome {
			line += ", was " + strings.ReplaceAll(string(before.Outcome), "_", " ")
		}
		if reason := rec.Reason; reason != "" {
			line += ": " + reason
		} else if before.Reason != "" {
			line += " (" + before.Reason + ")"
		}
		v.changed = append(v.changed, line)
	}
	for name, of := range rec.MetricsOf {
		if of.Lost {
			if v.lost == nil {
				v.lost = make(map[string][]string)
			}
			v.lost[name] = append(v.lost[name], rec.MetricNotes[name])
		}
	}
}

func (v *verdicts) tell(a *app) {
	for i, line := range v.changed {
		if i == most && len(v.changed) > most+1 {
			a.say("  ... and %d more; see %s\n", len(v.changed)-most, results.DatapointsFile)
			break
		}
		a.say("  %s\n", line)
	}
	for _, name := range slices.Sorted(maps.Keys(v.lost)) {
		whys := v.lost[name]
		a.say("  metric %s is empty in %s: %s\n", name, terminal.Count(uint64(len(whys)), "run"), whys[0])
	}
}
