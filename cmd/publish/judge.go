package main

import (
	"context"
	"errors"
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
func (a *app) judgeAnew(ctx context.Context, exp *results.Experiment, file *experiment.File, meta results.Meta, records []results.Record) ([]results.Record, error) {
	judge := metric.Anew{File: file, Source: results.Hash(meta.Source), Now: time.Now(), Programs: a.programs()}
	due, why := 0, "a program that judges could not decide"
	for i := range records {
		if !judge.Due(&records[i]) {
			continue
		}
		due++
		if j := records[i].Judged; j == nil || j.Definition != results.Undecided {
			why = "metrics or requirements have changed"
		}
	}
	if due == 0 {
		return records, nil
	}
	a.say("publish: %s: judging %d of %s again, from the stored results\n",
		why, due, terminal.Count(uint64(len(records)), "run"))
	meta.Time = judge.Now
	if err := exp.Use(meta); err != nil { // the records will name it
		return nil, err
	}
	var found verdicts
	judged := 0
	defer a.live.Set(terminal.Status{})
	records, err := exp.Revise(func(dir string, rec *results.Record) (bool, error) {
		if judge.Due(rec) {
			judged++
			text := fmt.Sprintf("judging run %d of %d", judged, due)
			a.live.Set(terminal.Status{Since: judge.Now, Parts: []terminal.Part{{Text: text, Rank: terminal.RankState}}})
		}
		anew := judge.Judge(ctx, dir, rec)
		if cause := context.Cause(ctx); cause != nil && anew {
			return false, cause // programs may have been stopped: the run is judged by the next resume or report
		}
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

// judgeError is the error of runs that could not be judged again.
func judgeError(err error) error {
	if i, ok := errors.AsType[*interruption](err); ok {
		return &exitError{exitSignal + int(i.signal), err}
	}
	return &exitError{exitFailed, err}
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
