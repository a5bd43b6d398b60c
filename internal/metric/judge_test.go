package metric_test

import (
	"math"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"downbeat/internal/experiment"
	"downbeat/internal/metric"
	"downbeat/internal/outcome"
	"downbeat/internal/results"
)

// A run that has succeeded fails by what it does not meet, each with the number.
func TestJudge(t *testing.T) {
	t.Parallel()
	limits := map[string]experiment.Requirement{
		"start<5ms":   {Name: "start_skew", Operator: "<", Limit: 5000, Text: "< 5ms"},
		"stop<=7.2ms": {Name: "stop_skew", Operator: "<=", Limit: 7200, Text: "<= 7.2ms"},
		"stop<7.2ms":  {Name: "stop_skew", Operator: "<", Limit: 7200, Text: "< 7.2ms"},
		"clock>1s":    {Name: "clock_error", Operator: ">", Limit: 1e6, Text: "> 1s"},
		"rate>10":     {Name: "rate", Operator: ">", Limit: 10, Text: "> 10"},
		"rate>=10":    {Name: "rate", Operator: ">=", Limit: 10, Text: ">= 10"},
		"rate<10":     {Name: "rate", Operator: "<", Limit: 10, Text: "< 10"},
		"lost>0":      {Name: "lost", Operator: ">", Limit: 0, Text: "> 0"},
	}
	tests := []struct {
		limits []string
		reason string
	}{
		{nil, ""},
		{[]string{"start<5ms", "stop<=7.2ms", "rate>=10"}, ""},
		{[]string{"stop<7.2ms"}, "stop_skew was 7.2ms ± 305µs, required < 7.2ms"},
		{[]string{"start<5ms", "clock>1s", "rate<10"}, "clock_error was 310µs, required > 1s; rate was 10 req/s, required < 10"},
		{[]string{"rate>10"}, "rate was 10 req/s, required > 10"},
		{[]string{"lost>0"}, `lost was not found, required > 0: no line of alpha/0.out matches lost (\d+)`},
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "alpha"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "alpha", "0.out"), []byte("3 req/s\n7 req/s\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	dp := &experiment.Datapoint{}
	dp.Metrics = []experiment.Metric{
		{Name: "rate", Unit: "req/s", Sources: outputs(1), Pattern: regexp.MustCompile(`(\d+) req/s`), Processes: experiment.Sum, Scale: 1},
		{Name: "lost", Sources: outputs(1), Pattern: regexp.MustCompile(`lost (\d+)`), Processes: experiment.Sum, Scale: 1, Partial: true},
	}
	for _, tt := range tests {
		dp.Require = nil
		for _, name := range tt.limits {
			dp.Require = append(dp.Require, limits[name])
		}
		rec := results.Record{Outcome: outcome.RunSucceeded, StartSkewUS: 812, StartErrorUS: 290, StopSkewUS: 7200, StopErrorUS: 305, ClockErrorUS: 310}
		metric.Judge(t.Context(), dir, dp, &rec, nil)
		want := outcome.RunSucceeded
		if tt.reason != "" {
			want = outcome.RunFailed
		}
		if rec.Outcome != want || rec.Reason != tt.reason {
			t.Errorf("%v: got %s, %q, want %s, %q", tt.limits, rec.Outcome, rec.Reason, want, tt.reason)
		}
		if rec.Metrics["rate"] != 10 || !math.IsNaN(rec.Metrics["lost"]) || rec.Units["rate"] != "req/s" || rec.MetricNotes["lost"] == "" || rec.MetricNotes["rate"] != "" {
			t.Errorf("%v: got %v, %v, %v", tt.limits, rec.Metrics, rec.Units, rec.MetricNotes)
		}
	}
}

// The skew of a group is that of its beat. Of a beat that never came there is none, and a
// record without beats is of a run with one.
func TestSkewOfABeat(t *testing.T) {
	t.Parallel()
	released := time.Unix(9, 0)
	beats := []results.BeatRecord{
		{Groups: []string{"server", "log"}, ReleasedAt: released, StartSkewUS: 900, StartErrorUS: 100},
		{Beat: 1, Groups: []string{"client"}, ReleasedAt: released, StartSkewUS: 6000, StartErrorUS: 200},
		{Beat: 2, Groups: []string{"never"}},
	}
	for _, test := range []struct {
		group  string
		beats  []results.BeatRecord
		reason string
	}{
		{"server", beats, ""},
		{"log", beats, ""},
		{"client", beats, "start_skew.client was 6ms ± 200µs, required < 5ms"},
		{"never", beats, "start_skew.never was not found, required < 5ms"},
		{"other", beats, "start_skew.other was not found, required < 5ms"},
		{"client", nil, "start_skew.client was 7ms ± 300µs, required < 5ms"},
	} {
		rec := results.Record{Outcome: outcome.RunSucceeded, Beats: test.beats, StartSkewUS: 7000, StartErrorUS: 300}
		dp := &experiment.Datapoint{Measures: experiment.Measures{Require: []experiment.Requirement{{Name: "start_skew." + test.group, Operator: "<", Limit: 5000, Text: "< 5ms"}}}}
		metric.Judge(t.Context(), t.TempDir(), dp, &rec, nil)
		if rec.Reason != test.reason || (rec.Outcome == outcome.RunFailed) != (test.reason != "") {
			t.Errorf("%s: %s, %q, want %q", test.group, rec.Outcome, rec.Reason, test.reason)
		}
	}
}

// A run that has failed anyhow keeps its outcome and its reason, and has its metrics.
func TestJudgeOfAFailedRun(t *testing.T) {
	t.Parallel()
	dp := &experiment.Datapoint{Measures: experiment.Measures{
		Metrics: []experiment.Metric{{Name: "rate", Sources: outputs(1), Pattern: regexp.MustCompile(`(\d+)`), Processes: experiment.Sum, Scale: 1}},
		Require: []experiment.Requirement{{Name: "start_skew", Operator: "<", Limit: 1, Text: "< 1us"}},
	}}
	rec := results.Record{Outcome: outcome.RunTimedOut, Reason: "took too long", StartSkewUS: 9000}
	metric.Judge(t.Context(), t.TempDir(), dp, &rec, nil)
	if rec.Outcome != outcome.RunTimedOut || rec.Reason != "took too long" || !math.IsNaN(rec.Metrics["rate"]) || len(rec.Metrics) != 1 {
		t.Errorf("got %+v", rec)
	}
	gone := filepath.Join(t.TempDir(), "gone")
	metric.Judge(t.Context(), gone, dp, &rec, nil)
	if rec.MetricNotes["rate"] == "" || !math.IsNaN(rec.Metrics["rate"]) {
		t.Errorf("of a directory that is gone: got %v, %v", rec.Metrics, rec.MetricNotes)
	}
}

// A skew is judged by what was measured. Where the clocks leave open whether that
// is right, the run says so: a skew below its bound is never a figure.
func TestSkewThatIsNotProvedIsSaidNotToBe(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		skew, bound   int64
		operator      string
		reason, note  string
		before, fails bool
	}{
		"proved":                {skew: 812, bound: 290, operator: "<"},
		"met, but not proved":   {skew: 812, bound: 4500, operator: "<", note: "< 4.5ms meets < 5ms as measured, but this is not proved: the clocks were not known well enough"},
		"nearly":                {skew: 4900, bound: 290, operator: "<", note: "4.9ms ± 290µs meets < 5ms as measured, but this is not proved: the clocks were not known well enough"},
		"not met":               {skew: 7213, bound: 290, operator: "<", fails: true, reason: "start_skew was 7.213ms ± 290µs, required < 5ms"},
		"below the bound":       {skew: 0, bound: 290, operator: ">", fails: true, reason: "start_skew was < 290µs, required > 5ms"},
		"of an earlier version": {skew: 812, bound: 310, operator: "<", before: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rec := results.Record{Outcome: outcome.RunSucceeded, StartSkewUS: test.skew, StartErrorUS: test.bound, ClockErrorUS: test.bound}
			if test.before {
				rec.StartErrorUS = 0
			}
			dp := &experiment.Datapoint{Measures: experiment.Measures{Require: []experiment.Requirement{{Name: "start_skew", Operator: test.operator, Limit: 5000, Text: test.operator + " 5ms"}}}}
			metric.Judge(t.Context(), t.TempDir(), dp, &rec, nil)
			if failed := rec.Outcome == outcome.RunFailed; failed != test.fails || rec.Reason != test.reason {
				t.Errorf("%s: %q, want %q", rec.Outcome, rec.Reason, test.reason)
			}
			if got := rec.MetricNotes["start_skew"]; got != test.note {
				t.Errorf("note %q, want %q", got, test.note)
			}
		})
	}
}
