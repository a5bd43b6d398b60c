package metric_test

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"downbeat/internal/experiment"
	"downbeat/internal/metric"
	"downbeat/internal/outcome"
	"downbeat/internal/results"
	"downbeat/internal/streams"
)

const twoHosts = "name: x\nhosts: {alpha: , bravo: }\nmatrix: {n: [2]}\ncollect: '*.csv'\ngroups: {g: {on: [alpha, bravo], run: 'x {{.n}}'}}\n"

// made is a run of that file: its directory and its record.
func made(t *testing.T, file string) (string, results.Record) {
	t.Helper()
	dir := directory(t, map[string]string{
		"alpha/g.0.out": "rate 2 op/s\nlate 7 ms\n", "bravo/g.1.out": "rate 3 op/s\nlate 9 ms\n", "alpha/files/a.csv": "v\n5\n", "bravo/files/a.csv": "v\n6\n",
	})
	rec := results.Record{
		Run: "01JD5W9M4QX3T0C9V8Z7Y6R5PK", Outcome: outcome.RunSucceeded, StartSkewUS: 800, Parameters: map[string]any{"n": 2.},
		Hosts: []results.HostRecord{
			{Host: "alpha", Outcome: outcome.HostSucceeded, Collected: []results.FileRecord{{Path: "a.csv", Bytes: 4}}},
			{Host: "bravo", Outcome: outcome.HostSucceeded, Collected: []results.FileRecord{{Path: "a.csv", Bytes: 4}}},
		},
		Processes: []results.ProcessRecord{
			{Host: "alpha", Process: "g.0", Group: "g", CommandRecord: results.CommandRecord{StartedAt: time.Unix(1, 0), Total: streams.Total{StdoutBytes: 22}}},
			{Host: "bravo", Process: "g.1", Group: "g", Index: 1, Rank: 1, CommandRecord: results.CommandRecord{StartedAt: time.Unix(1, 0), Total: streams.Total{StdoutBytes: 22}}},
		},
	}
	dp, err := parse(t, file).Points()[0].Expand(rec.Run)
	if err != nil {
		t.Fatal(err)
	}
	metric.Judge(t.Context(), dir, dp, &rec, nil)
	return dir, rec
}

func parse(t *testing.T, text string) *experiment.File {
	t.Helper()
	f, err := experiment.ParseJudges(experiment.Origin{Path: "x.yaml"}, []byte(twoHosts+text))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func anew(t *testing.T, text string) *metric.Anew {
	t.Helper()
	return &metric.Anew{File: parse(t, text), Source: "abc", Now: time.Unix(7, 0)}
}

const rate = "metrics: {rate: {output: stdout, pattern: 'rate (\\d+)', reduce: sum, unit: op/s}}\n"

// A run is judged anew by what the file says now of metrics and requirements, and not
// again while that stays as it is.
func TestJudgeAnew(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, before, now string
		outcome           outcome.Run
		reason, was       string
		value             float64
	}{
		{"another reduction", rate, strings.Replace(rate, "sum", "max", 1), outcome.RunSucceeded, "", "", 3},
		{"another place", rate, "metrics: {rate: {file: a.csv, field: v, reduce: sum}}", outcome.RunSucceeded, "", "", 11},
		{"a parameter's value", rate, "metrics: {rate: {output: stdout, pattern: 'rate ({{.n}})', reduce: first}}", outcome.RunSucceeded, "", "", 2},
		{"a new requirement", rate, rate + "require: {rate: '> 5'}", outcome.RunFailed, "rate was 5 op/s, required > 5", "", 5},
		{"a requirement that is gone", rate + "require: {rate: '> 5'}", rate, outcome.RunSucceeded, "", "rate was 5 op/s, required > 5", 5},
		{"a requirement of a skew", rate, rate + "require: {start_skew: '< 1us'}", outcome.RunFailed, "start_skew was 800µs, required < 1us", "", 5},
		{
			"a metric that lacks a process", rate, "metrics: {rate: {output: stdout, pattern: 'rate (2)', reduce: sum}}",
			outcome.RunFailed, "rate is the sum of 1 of 2 processes (partial: true would let that pass): no line of bravo/g.1.out matches rate (2)", "", 2,
		},
		{
			"one that may", "metrics: {rate: {output: stdout, pattern: 'rate (2)', reduce: sum}}",
			"metrics: {rate: {output: stdout, pattern: 'rate (2)', reduce: sum, partial: true}}", outcome.RunSucceeded, "",
			"rate is the sum of 1 of 2 processes (partial: true would let that pass): no line of bravo/g.1.out matches rate (2)", 2,
		},
		{"a metric that is new", "", rate, outcome.RunSucceeded, "", "", 5},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir, rec := made(t, tt.before)
			if same := anew(t, tt.before); same.Due(&rec) || same.Judge(t.Context(), dir, &rec) {
				t.Error("it is judged again by the same file")
			}
			judge := anew(t, tt.now)
			if !judge.Due(&rec) || !judge.Judge(t.Context(), dir, &rec) {
				t.Fatal("it is not judged anew")
			}
			if rec.Outcome != tt.outcome || rec.Reason != tt.reason || rec.Metrics["rate"] != tt.value {
				t.Errorf("got %s, %q, %v", rec.Outcome, rec.Reason, rec.Metrics)
			}
			if j := rec.Judged; !j.AnewAt.Equal(judge.Now) || j.Source != "abc" || (j.Before != nil) != (tt.reason != tt.was) || j.Before != nil && j.Before.Reason != tt.was {
				t.Errorf("judged: got %+v", rec.Judged)
			}
			if judge.Due(&rec) || judge.Judge(t.Context(), dir, &rec) {
				t.Error("it is judged again and again")
			}
		})
	}
}

// A metric whose definition is the same stays as it is, whatever became of its files;
// one that is defined otherwise and can't be taken any more leaves nothing behind.
func TestJudgeAnewWithoutTheFiles(t *testing.T) {
	t.Parallel()
	const late = "  late: {output: stdout, pattern: 'late (\\d+)', reduce: max}\n  file: {file: '*.csv', field: v, reduce: sum}\n"
	before := "metrics:\n  rate: {output: stdout, pattern: 'rate (\\d+)', reduce: sum}\n" + late
	dir, rec := made(t, before)
	for _, name := range []string{"alpha/g.0.out", "bravo/files/a.csv"} {
		if err := os.Truncate(filepath.Join(dir, name), 1); err != nil {
			t.Fatal(err)
		}
	}
	anew(t, "metrics:\n  rate: {output: stdout, pattern: 'rate (\\d+)', reduce: mean}\n"+strings.Replace(late, "file: {file: '*.csv', field: v, reduce: sum}", "file: {file: '*.csv', field: v, reduce: max}", 1)).Judge(t.Context(), dir, &rec)
	if !math.IsNaN(rec.Metrics["rate"]) || !rec.MetricsOf["rate"].Lost || rec.MetricNotes["rate"] != "can't be taken again: alpha/g.0.out has 1 of 22 bytes" {
		t.Errorf("rate: got %v, %+v, %q", rec.Metrics["rate"], rec.MetricsOf["rate"], rec.MetricNotes["rate"])
	}
	if !math.IsNaN(rec.Metrics["file"]) || rec.MetricNotes["file"] != "can't be taken again: bravo/files/a.csv has 1 of 4 bytes" {
		t.Errorf("file: got %v, %q", rec.Metrics["file"], rec.MetricNotes["file"])
	}
	if rec.Metrics["late"] != 9 || rec.Outcome != outcome.RunSucceeded {
		t.Errorf("got %v, %s: %s, want late as it was and no failure", rec.Metrics, rec.Outcome, rec.Reason)
	}
	if err := os.Remove(filepath.Join(dir, "alpha/g.0.out")); err != nil {
		t.Fatal(err)
	}
	anew(t, rate+"require: {rate: '> 0'}").Judge(t.Context(), dir, &rec)
	if want := "rate was not found, required > 0: can't be taken again: alpha/g.0.out is gone"; rec.Outcome != outcome.RunFailed || rec.Reason != want {
		t.Errorf("got %s, %q, want %q", rec.Outcome, rec.Reason, want)
	}
	if len(rec.Metrics) != 1 || len(rec.MetricsOf) != 1 {
		t.Errorf("got %v, want rate alone", rec.Metrics)
	}
}

// A run of an earlier version, that has no such parameter, keeps no number of the
// earlier definition, and its outcome.
func TestJudgeAnewWithoutTheParameter(t *testing.T) {
	t.Parallel()
	dir, rec := made(t, rate)
	delete(rec.Parameters, "n")
	judge := anew(t, "metrics: {rate: {output: stdout, pattern: 'rate ({{.n}})', reduce: sum}}\nrequire: {rate: '> 9'}")
	if !judge.Judge(t.Context(), dir, &rec) || judge.Due(&rec) {
		t.Error("it is not judged once")
	}
	if !math.IsNaN(rec.Metrics["rate"]) || !strings.Contains(rec.MetricNotes["rate"], "can't be taken of this run: ") || rec.Outcome != outcome.RunSucceeded {
		t.Errorf("got %v, %v, %s", rec.Metrics, rec.MetricNotes, rec.Outcome)
	}
}

// A run that did not end well keeps its outcome, but its metrics are taken again.
func TestJudgeAnewOfAFailedRun(t *testing.T) {
	t.Parallel()
	for _, word := range []outcome.Run{outcome.RunFailed, outcome.RunTimedOut, outcome.RunLost} {
		dir, rec := made(t, "")
		rec.Outcome, rec.Reason, rec.Hosts[1].Outcome = word, "g.1 on bravo exited with status 1", outcome.HostFailed
		anew(t, rate).Judge(t.Context(), dir, &rec)
		if rec.Outcome != word || rec.Reason != "g.1 on bravo exited with status 1" || rec.Metrics["rate"] != 5 || rec.Judged.Before != nil {
			t.Errorf("got %s, %q, %v", rec.Outcome, rec.Reason, rec.Metrics)
		}
	}
}

// A record of before it said by what a run was judged is judged anew, also where
// it had failed by that alone.
func TestJudgeAnewOfAnOldRecord(t *testing.T) {
	t.Parallel()
	dir, rec := made(t, rate)
	rec.Judged, rec.MetricsOf, rec.Metrics = nil, nil, results.Metrics{"rate": 99}
	rec.Outcome, rec.Reason = outcome.RunFailed, "rate was 99, required < 10"
	if !anew(t, rate).Judge(t.Context(), dir, &rec) || rec.Outcome != outcome.RunSucceeded || rec.Metrics["rate"] != 5 || rec.Judged.Before.Reason != "rate was 99, required < 10" {
		t.Errorf("got %s, %q, %v", rec.Outcome, rec.Reason, rec.Metrics)
	}
	dir, rec = made(t, "")
	rec.Judged = nil
	if anew(t, "").Judge(t.Context(), dir, &rec) {
		t.Error("what was not judged at all is judged anew")
	}
}
