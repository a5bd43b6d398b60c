package metric_test

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"downbeat/internal/experiment"
	"downbeat/internal/metric"
	"downbeat/internal/outcome"
	"downbeat/internal/program"
	"downbeat/internal/results"
)

// A court runs no programs, but says what each prints, by its first word, and notes what it was
// asked for.
type court struct {
	says map[string]program.Result

	mu       sync.Mutex
	commands []program.Command
	begun    []string
}

func (c *court) programs() *metric.Programs {
	return &metric.Programs{
		Environ: []string{"A=1", "PWD=/elsewhere"},
		Run: func(_ context.Context, p program.Command) program.Result {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.commands = append(c.commands, p)
			return c.says[p.Argv[0]]
		},
		Begins: func(p *experiment.Program) {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.begun = append(c.begun, p.String())
		},
	}
}

func prints(text string) program.Result { return program.Result{Output: []byte(text)} }

// succeeded is a run that has succeeded.
func succeeded() results.Record {
	return results.Record{Run: "01RUN", Outcome: outcome.RunSucceeded, ReleasedAt: time.Unix(1, 0)}
}

const judgedFile = `
hosts: {alpha: ["echo"]}
metrics:
  lin: {run: sh judge}
  ops: {run: [sh, judge], field: ops, scale: 2, timeout: 5m}
  rate: {output: stdout, pattern: 'rate (\d+)', reduce: sum, partial: true}
require: {safe: {run: cat check}, whole: {run: sh judge}, lin.ops: '< 10'}
`

// A command is run once for each run, with the run's directory as its last argument, whatever its
// metrics and requirements are.
func TestProgramsJudgeARun(t *testing.T) {
	t.Parallel()
	dp := expand(t, judgedFile)
	dir, rec := t.TempDir(), succeeded()
	c := &court{says: map[string]program.Result{"sh": prints(`{"ops": 7, "lost": 0, "note": "x"}`), "cat": prints("")}}
	metric.Judge(t.Context(), dir, dp, &rec, c.programs())
	if want := (results.Metrics{"lin.ops": 7, "lin.lost": 0, "ops": 14, "rate": math.NaN()}); !same(rec.Metrics, want) || rec.Outcome != outcome.RunSucceeded {
		t.Errorf("got %v, %s %s, want %v", rec.Metrics, rec.Outcome, rec.Reason, want)
	}
	if of := rec.MetricsOf["lin.ops"]; of.Values != 1 || of.Expected != 1 || of.Program != "sh judge" || of.Definition != dp.Metrics[0].Definition {
		t.Errorf("got %+v", of)
	}
	if len(c.commands) != 2 || len(c.begun) != 2 || len(rec.Judged.Checks) != 2 || !rec.Judged.Checks[0].Met || !rec.Judged.Checks[1].Met {
		t.Fatalf("got %+v, %q, %+v", c.commands, c.begun, rec.Judged)
	}
	judge := c.commands[slices.IndexFunc(c.commands, func(p program.Command) bool { return p.Argv[0] == "sh" })]
	record := strings.TrimPrefix(judge.Env[3], "DOWNBEAT_RUN_RECORD=")
	if want := []string{"sh", "judge", dir}; !slices.Equal(judge.Argv, want) || judge.Timeout != 5*time.Minute {
		t.Errorf("got %q, %s, want %q", judge.Argv, judge.Timeout, want)
	}
	if want := []string{"A=1", "DOWNBEAT_RUN=01RUN", "DOWNBEAT_RUN_DIRECTORY=" + dir, "DOWNBEAT_RUN_RECORD=" + record, "PWD=" + judge.Dir}; !slices.Equal(judge.Env, want) {
		t.Errorf("got %q, want %q", judge.Env, want)
	}
	if _, err := os.Stat(record); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the record for programs is left: %v", err)
	}
}

// While programs run, the record is there to be read.
func TestProgramsFindTheRecord(t *testing.T) {
	t.Parallel()
	dp := expand(t, "hosts: {alpha: [\"echo\"]}\nmetrics: {m: {run: sh judge}}\n")
	rec := succeeded()
	var read results.Record
	metric.Judge(t.Context(), t.TempDir(), dp, &rec, &metric.Programs{Run: func(_ context.Context, p program.Command) program.Result {
		i := slices.IndexFunc(p.Env, func(entry string) bool { return strings.HasPrefix(entry, "DOWNBEAT_RUN_RECORD=") })
		data, err := os.ReadFile(strings.TrimPrefix(p.Env[i], "DOWNBEAT_RUN_RECORD="))
		if err == nil {
			err = json.Unmarshal(data, &read)
		}
		if err != nil {
			t.Error(err)
		}
		return prints("1")
	}})
	if read.Run != "01RUN" || read.Judged != nil || read.Outcome != outcome.RunSucceeded {
		t.Errorf("got %+v", read)
	}
}

// What a program says against a run, or can't say, fails it, and the reason has its words.
func TestProgramsFailARun(t *testing.T) {
	t.Parallel()
	status := errors.New("exited with status 1 after 3ms: cycle")
	tests := []struct {
		name       string
		judge, cat program.Result
		want       string
		open       bool // another judgement has to complete it
	}{
		{"a check", prints(`{"ops": 7}`), program.Result{Err: status}, "safe is not met: cat check exited with status 1 after 3ms: cycle", false},
		{"a check that could not be run", prints(`{"ops": 7}`), program.Result{Err: errors.New("was stopped: interrupted"), Undecided: true}, "safe is not known: cat check was stopped: interrupted", true},
		{"a limit", prints(`{"ops": 11}`), prints(""), "lin.ops was 11, required < 10", false},
		{"no number for a limit", prints(`{"lost": 11, "ops": "many"}`), prints(""), `ops was not found: sh judge printed "many", which is not a number; lin.ops was not found, required < 10: left out: ops is "many"`, false},
		{"no number", prints("well\n"), prints(""), "lin was not found: sh judge printed neither a number nor an object of JSON; ops was not found: sh judge printed neither a number nor an object of JSON; lin.ops was not found, required < 10: sh judge printed neither a number nor an object of JSON", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			rec := succeeded()
			c := &court{says: map[string]program.Result{"sh": tt.judge, "cat": tt.cat}}
			metric.Judge(t.Context(), t.TempDir(), expand(t, judgedFile), &rec, c.programs())
			if rec.Outcome != outcome.RunFailed || rec.Reason != tt.want || (rec.Judged.Definition == results.Undecided) != tt.open {
				t.Errorf("got %s: %s, %+v\nwant %s", rec.Outcome, rec.Reason, rec.Judged, tt.want)
			}
		})
	}
}

// No program judges a run that has not begun.
func TestNothingIsJudgedBeforeTheRelease(t *testing.T) {
	t.Parallel()
	rec := results.Record{Outcome: outcome.RunRefused}
	c := &court{}
	metric.Judge(t.Context(), t.TempDir(), expand(t, judgedFile), &rec, c.programs())
	if len(c.commands) > 0 || !math.IsNaN(rec.Metrics["lin"]) || rec.MetricNotes["lin"] != "no process was started" || rec.Outcome != outcome.RunRefused {
		t.Errorf("got %+v", rec)
	}
}

// A run is judged anew by programs whose text has changed, or that could not decide, and by those
// alone. One that is not there any more is not missed.
func TestProgramsJudgeAnew(t *testing.T) {
	t.Parallel()
	dir, here := t.TempDir(), t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(here, name), []byte(text), 0o700); err != nil { //nolint:gosec // programs
			t.Fatal(err)
		}
	}
	write("judge", "#!/bin/sh\n")
	write("check", "#!/bin/sh\n")
	const text = "hosts: {alpha: [\"echo\"]}\nmetrics: {lin: {run: ./judge}, two: {run: ./judge 2}}\nrequire: {safe: {run: ./check}}\n"
	file := func() *experiment.File {
		f, err := experiment.ParseJudges(experiment.Origin{Path: filepath.Join(here, "x.yaml")}, []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	c := &court{says: map[string]program.Result{"./judge": prints(`{"a": 1}`), "./check": prints("")}}
	anew := func() *metric.Anew { return &metric.Anew{File: file(), Now: time.Unix(7, 0), Programs: c.programs()} }
	rec := succeeded()
	rec.Processes = []results.ProcessRecord{{Host: "alpha", Process: "0"}}
	ran := func() int {
		c.commands = nil
		judge := anew()
		if due := judge.Due(&rec); judge.Judge(t.Context(), dir, &rec) != due {
			t.Error("what is due is not done")
		}
		return len(c.commands)
	}
	steps := []struct {
		name   string
		change func()
		ran    int
	}{
		{"at first", func() {}, 3},
		{"nothing has changed", func() {}, 0},
		{"a judge has changed", func() { write("judge", "#!/bin/sh\ntrue\n") }, 2},
		{"a check has changed", func() {
			write("check", "#!/bin/sh\nfalse\n")
			c.says["./check"] = program.Result{Err: errors.New("exited with status 1")}
		}, 1},
		{"a judge is gone", func() { write("gone", ""); _ = os.Remove(filepath.Join(here, "judge")) }, 0},
		{"all are gone", func() { _ = os.Remove(filepath.Join(here, "check")) }, 0},
		{"one is back, and can't be run", func() {
			write("judge", "#!/bin/sh\n")
			c.says["./judge"] = program.Result{Err: errors.New("was stopped"), Undecided: true}
		}, 2},
		{"still not", func() {}, 2},
		{"now it can", func() { c.says["./judge"] = prints("5") }, 2},
	}
	for _, step := range steps {
		step.change()
		if got := ran(); got != step.ran {
			t.Errorf("%s: %d programs were run, want %d: %+v", step.name, got, step.ran, rec.Judged)
		}
	}
	if want := (results.Metrics{"lin": 5, "two": 5}); !same(rec.Metrics, want) || rec.Outcome != outcome.RunFailed || rec.Reason != "safe is not met: ./check exited with status 1" {
		t.Errorf("got %v, %s: %s", rec.Metrics, rec.Outcome, rec.Reason)
	}
}

// expand makes the first datapoint of a file.
func expand(t *testing.T, text string) *experiment.Datapoint {
	t.Helper()
	f, err := experiment.ParseJudges(experiment.Origin{Path: "x.yaml"}, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	dp, err := f.Points()[0].Expand(strings.Repeat("0", 26))
	if err != nil {
		t.Fatal(err)
	}
	return dp
}

func same(got, want results.Metrics) bool {
	for name, v := range want {
		if w, ok := got[name]; !ok || w != v && !(math.IsNaN(v) && math.IsNaN(w)) {
			return false
		}
	}
	return len(got) == len(want)
}
