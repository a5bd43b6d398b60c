package metric

import (
	"fmt"
	"math"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"downbeat/internal/experiment"
	"downbeat/internal/results"
)

// Judge takes the datapoint's metrics out of the run's directory into its
// record, and fails a run that has succeeded but does not meet a requirement.
func Judge(dir string, dp *experiment.Datapoint, rec *results.Record) {
	if len(dp.Metrics) > 0 {
		take(dir, dp.Metrics, rec)
	}
	if rec.Outcome != results.RunSucceeded {
		return
	}
	if unmet := unmet(dp.Require, rec); len(unmet) > 0 {
		rec.Outcome, rec.Reason = results.RunFailed, strings.Join(unmet, "; ")
	}
}

func take(dir string, metrics []experiment.Metric, rec *results.Record) {
	root, err := os.OpenRoot(dir) // a collected link leads nowhere else
	if err == nil {
		defer func() { _ = root.Close() }() // only read
	}
	values, notes := make([]float64, len(metrics)), make([]string, len(metrics))
	var searches errgroup.Group
	searches.SetLimit(runtime.GOMAXPROCS(0)) // the next run waits for this
	for i := range metrics {
		searches.Go(func() error {
			if err != nil {
				values[i], notes[i] = math.NaN(), err.Error()
			} else {
				values[i], notes[i] = Take(root.FS(), &metrics[i])
			}
			return nil
		})
	}
	_ = searches.Wait() // what goes wrong is in the notes
	for i := range metrics {
		enter(rec, &metrics[i], values[i], notes[i])
	}
}

func enter(rec *results.Record, m *experiment.Metric, v float64, note string) {
	if rec.Metrics == nil {
		rec.Metrics = make(results.Metrics)
	}
	rec.Metrics[m.Name] = v
	if m.Unit != "" {
		if rec.Units == nil {
			rec.Units = make(map[string]string)
		}
		rec.Units[m.Name] = m.Unit
	}
	if note != "" {
		if rec.MetricNotes == nil {
			rec.MetricNotes = make(map[string]string)
		}
		rec.MetricNotes[m.Name] = note
	}
}

// unmet says which requirements a run does not meet, and by what.
func unmet(requirements []experiment.Requirement, rec *results.Record) []string {
	var reasons []string
	for i := range requirements {
		r := &requirements[i]
		v, text := measured(r.Name, rec)
		if math.IsNaN(v) {
			reason := fmt.Sprintf("%s was not found, required %s", r.Name, r.Text)
			if note := rec.MetricNotes[r.Name]; note != "" {
				reason += ": " + note
			}
			reasons = append(reasons, reason)
		} else if !r.Met(v) {
			reasons = append(reasons, fmt.Sprintf("%s was %s, required %s", r.Name, text, r.Text))
		}
	}
	return reasons
}

// measured gives what a requirement is about, as a number and for people.
func measured(name string, rec *results.Record) (float64, string) {
	var us int64
	switch name {
	case experiment.StartSkew:
		us = rec.StartSkewUS
	case experiment.StopSkew:
		us = rec.StopSkewUS
	case experiment.ClockError:
		us = rec.ClockErrorUS
	default:
		v, ok := rec.Metrics[name]
		if !ok {
			v = math.NaN()
		}
		return v, strings.TrimSpace(strconv.FormatFloat(v, 'g', -1, 64) + " " + rec.Units[name])
	}
	return float64(us), (time.Duration(us) * time.Microsecond).String()
}
