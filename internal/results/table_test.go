package results_test

import (
	"encoding/csv"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"downbeat/internal/results"
)

func finish(t *testing.T, e *results.Experiment, rec results.Record) {
	t.Helper()
	run, err := e.NewRun("0001", nil)
	run = must(t, run, err)
	check(t, run.Finish(rec))
}

// The tables carry run.json's names, one header, and a row for each run and
// each process.
func TestTables(t *testing.T) {
	t.Parallel()
	e := newExperiment(t)
	finish(t, e, sample())
	second := sample()
	second.Attempt = 4
	second.Processes = append(second.Processes, second.Processes[0])
	second.Processes[1].Process = "server.1"
	second.Reason = "with \"quotes\", commas\nand a line"
	finish(t, e, second)
	for _, name := range []string{"datapoints.csv", "processes.csv"} {
		if got, want := readFile(t, e.Dir(), name), readFile(t, "testdata", name); got != want {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
		}
	}
}

// A process that has begun anew has a row for each life, with what it wrote in the last.
func TestTableHasARowForEachLife(t *testing.T) {
	t.Parallel()
	e := newExperiment(t)
	rec := sample()
	p := &rec.Processes[0]
	p.Lives = []results.LifeRecord{
		{PID: 11, Outcome: "failed", Reason: "exited with status 3", Cause: results.CauseItself, ExitCode: 3, UserUS: 7},
		{Life: 1, PID: 12, Outcome: "stopped", Cause: results.CauseStop, ExitCode: -1, Signal: "SIGTERM", UserUS: 8},
	}
	finish(t, e, rec)
	rows, err := csv.NewReader(strings.NewReader(readFile(t, e.Dir(), "processes.csv"))).ReadAll()
	check(t, err)
	if len(rows) != 3 {
		t.Fatalf("%d lines, want 3", len(rows))
	}
	for i, want := range []map[string]string{
		{"life": "0", "pid": "11", "outcome": "failed", "exit_code": "3", "user_us": "7", "stdout_bytes": "", "process": "server.0"},
		{"life": "1", "pid": "12", "outcome": "stopped", "exit_code": "-1", "user_us": "8", "stdout_bytes": "180", "process": "server.0"},
	} {
		for name, cell := range want {
			if got := rows[i+1][slices.Index(rows[0], name)]; got != cell {
				t.Errorf("life %d: %s is %q, want %q", i, name, got, cell)
			}
		}
	}
}

// Metrics and parameters that come up later get columns, empty in earlier rows.
func TestTableGrowsColumns(t *testing.T) {
	t.Parallel()
	e := newExperiment(t)
	rec := sample()
	rec.Metrics = nil // as of a run that failed
	finish(t, e, rec)
	rec.Metrics = map[string]float64{"throughput": 2733.2, "latency": 0.5}
	rec.Parameters = maps.Clone(rec.Parameters)
	rec.Parameters["list"] = []int{1, 2}
	finish(t, e, rec)
	rec.Metrics = map[string]float64{"latency": 1}
	finish(t, e, rec)
	lines := strings.Split(strings.TrimSpace(readFile(t, e.Dir(), "datapoints.csv")), "\n")
	for i, want := range []string{
		"run,experiment,datapoint,repetition,attempt,clients,list,mode,outcome,", ",1,,linearizable,failed,",
		",1,\"[1,2]\",linearizable,failed,", ",1,\"[1,2]\",linearizable,failed,",
	} {
		if !strings.Contains(lines[i], want) {
			t.Errorf("line %d: got %s, want %s in it", i, lines[i], want)
		}
	}
	for i, want := range []string{",latency,throughput", ",310,,,,,,", ",310,,,4,4,0.5,2733.2", ",310,,,,,1,"} {
		if !strings.HasSuffix(lines[i], want) {
			t.Errorf("line %d: got %s, want %s at its end", i, lines[i], want)
		}
	}
	if len(lines) != 4 {
		t.Errorf("got %d lines, want 4", len(lines))
	}
}

// A skew that there was none of is no zero.
func TestSkewsOfWhatNeverHappenedAreEmpty(t *testing.T) {
	t.Parallel()
	e := newExperiment(t)
	rec := sample()
	rec.Metrics = nil
	finish(t, e, rec)
	for i := range rec.Hosts {
		rec.Hosts[i].StoppedAt = time.Time{}
	}
	rec.StopSkewUS, rec.StopExitUS = 0, 0
	finish(t, e, rec)
	rec.ReleasedAt, rec.StartSkewUS = time.Time{}, 0
	finish(t, e, rec)
	lines := strings.Split(strings.TrimSpace(readFile(t, e.Dir(), "datapoints.csv")), "\n")
	for i, want := range []string{
		",duration_s,start_skew_us,start_error_us,stop_skew_us,stop_error_us,stop_exit_us,stop_exit_error_us,clock_error_us",
		",59.000000,812,290,1430,305,2950,306,310", ",59.000000,812,290,,,,,310", ",,,,,,,",
	} {
		if !strings.HasSuffix(lines[i], want) {
			t.Errorf("line %d: got %s, want %s at its end", i, lines[i], want)
		}
	}
}

// A parameter or metric that is named like a column doesn't hide it.
func TestAmbiguousColumns(t *testing.T) {
	t.Parallel()
	e := newExperiment(t)
	finish(t, e, results.Record{
		Parameters: map[string]any{"outcome": "a", "parameter.outcome": "b", "x": "c"},
		Metrics:    map[string]float64{"run": 1, "x": 2},
	})
	header, _, _ := strings.Cut(readFile(t, e.Dir(), "datapoints.csv"), "\n")
	want := "run,experiment,datapoint,repetition,attempt,parameter.outcome,parameter.parameter.outcome,x,outcome,"
	if !strings.HasPrefix(header, want) || !strings.HasSuffix(header, ",metric.run,metric.x") {
		t.Errorf("got %s", header)
	}
}

// Beside each metric stands on how many processes it rests, and of how many; also
// where that is named like something else.
func TestMetricsTellWhatTheyRestOn(t *testing.T) {
	t.Parallel()
	e := newExperiment(t)
	rec := sample()
	rec.Parameters = map[string]any{"c_expected": 7}
	rec.Metrics = results.Metrics{"a": 1, "a_n": 2, "b": math.NaN(), "c": 3}
	rec.MetricsOf = map[string]results.MetricBasis{"a": {Values: 4, Expected: 5}, "b": {Expected: 2}, "c": {Values: 6, Expected: 6}}
	finish(t, e, rec)
	lines := strings.Split(strings.TrimSpace(readFile(t, e.Dir(), "datapoints.csv")), "\n")
	for i, want := range []string{
		",values.a,a_expected,a_n_n,a_n_expected,b_n,b_expected,c_n,expected.c,a,a_n,b,c", ",4,5,,,0,2,6,6,1,2,,3",
	} {
		if !strings.HasSuffix(lines[i], want) {
			t.Errorf("line %d: got %s, want %s at its end", i, lines[i], want)
		}
	}
}

// A run whose row can't be written stays incomplete.
func TestTableInTheWay(t *testing.T) {
	t.Parallel()
	e := newExperiment(t)
	path := filepath.Join(e.Dir(), "datapoints.csv")
	check(t, os.Mkdir(path, 0o777))
	run, err := e.NewRun("0001", nil)
	run = must(t, run, err)
	if err := run.Finish(sample()); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("got %v, want an error that names %s", err, path)
	}
	if _, err := results.ReadRecord(run.Dir()); err == nil {
		t.Error("the run has a record")
	}
}
