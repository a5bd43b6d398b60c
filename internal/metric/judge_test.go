package metric_test

import (
	"math"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"downbeat/internal/experiment"
	"downbeat/internal/metric"
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
		{[]string{"stop<7.2ms"}, "stop_skew was 7.2ms, required < 7.2ms"},
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
	dp := &experiment.Datapoint{Metrics: []experiment.Metric{
		{Name: "rate", Unit: "req/s", Sources: outputs(1), Pattern: regexp.MustCompile(`(\d+) req/s`), Processes: experiment.Sum, Scale: 1},
		{Name: "lost", Sources: outputs(1), Pattern: regexp.MustCompile(`lost (\d+)`), Processes: experiment.Sum, Scale: 1, Partial: true},
	}}
	for _, tt := range tests {
		dp.Require = nil
		for _, name := range tt.limits {
			dp.Require = append(dp.Require, limits[name])
		}
		rec := results.Record{Outcome: results.RunSucceeded, StartSkewUS: 812, StopSkewUS: 7200, ClockErrorUS: 310}
		metric.Judge(dir, dp, &rec)
		want := results.RunSucceeded
		if tt.reason != "" {
			want = results.RunFailed
		}
		if rec.Outcome != want || rec.Reason != tt.reason {
			t.Errorf("%v: got %s, %q, want %s, %q", tt.limits, rec.Outcome, rec.Reason, want, tt.reason)
		}
		if rec.Metrics["rate"] != 10 || !math.IsNaN(rec.Metrics["lost"]) || rec.Units["rate"] != "req/s" || len(rec.MetricNotes) != 1 {
			t.Errorf("%v: got %v, %v, %v", tt.limits, rec.Metrics, rec.Units, rec.MetricNotes)
		}
	}
}

// A run that has failed anyhow keeps its outcome and its reason, and has its metrics.
func TestJudgeOfAFailedRun(t *testing.T) {
	t.Parallel()
	dp := &experiment.Datapoint{
		Metrics: []experiment.Metric{{Name: "rate", Sources: outputs(1), Pattern: regexp.MustCompile(`(\d+)`), Processes: experiment.Sum, Scale: 1}},
		Require: []experiment.Requirement{{Name: "start_skew", Operator: "<", Limit: 1, Text: "< 1us"}},
	}
	rec := results.Record{Outcome: results.RunTimedOut, Reason: "took too long", StartSkewUS: 9000}
	metric.Judge(t.TempDir(), dp, &rec)
	if rec.Outcome != results.RunTimedOut || rec.Reason != "took too long" || !math.IsNaN(rec.Metrics["rate"]) || len(rec.Metrics) != 1 {
		t.Errorf("got %+v", rec)
	}
	gone := filepath.Join(t.TempDir(), "gone")
	metric.Judge(gone, dp, &rec)
	if rec.MetricNotes["rate"] == "" || !math.IsNaN(rec.Metrics["rate"]) {
		t.Errorf("of a directory that is gone: got %v, %v", rec.Metrics, rec.MetricNotes)
	}
}
