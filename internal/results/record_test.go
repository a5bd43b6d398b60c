package results_test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"downbeat/internal/outcome"
	"downbeat/internal/results"
	"downbeat/internal/streams"
)

// sample is a record with every field set.
func sample() results.Record {
	return results.Record{
		Run: "01JD5W9M4QX3T0C9V8Z7Y6R5PK", Experiment: "locks", Datapoint: 1, Repetition: 2, Attempt: 3, Definition: "5f2c", Source: "9d41",
		Parameters: map[string]any{"clients": 1, "mode": "linearizable"},
		Outcome:    outcome.RunFailed, Reason: "client.0 on nevis exited with 3",
		EnqueuedAt: epoch, ReleasedAt: after(time.Second), EndedAt: after(time.Minute),
		StartSkewUS: 812, StartErrorUS: 290, StopSkewUS: 1430, StopErrorUS: 305, StopExitUS: 2950, StopExitErrorUS: 306, ClockErrorUS: 310,
		Metrics: map[string]float64{"throughput": 2733.2}, Unmatched: []string{"*.csv"},
		MetricsOf: map[string]results.MetricBasis{"throughput": {Values: 4, Expected: 4, Definition: "6b1f"}},
		Hosts: []results.HostRecord{{
			Host: "nevis", Outcome: outcome.HostFailed, Reason: "client.0 failed", Hold: "ptrace",
			ClockOffsetUS: 12, ClockErrorUS: 310, StoppedAt: after(50 * time.Second), StoppedErrorUS: 302, LineErrors: []results.LineError{{From: time.Date(2026, 11, 23, 9, 30, 0, 0, time.UTC), ErrorUS: 301}}, Lines: 3, Bytes: 180, Swept: 1, Files: []string{"server.jsonl"},
			Shipped:   []results.ShippedFile{{Path: "bin/honu", Bytes: 9, SHA256: "77aa"}},
			Collected: []results.FileRecord{{Path: "server.jsonl", Bytes: 12, SHA256: "5f2c", Mode: "0644", ModifiedAt: time.Date(2026, 11, 23, 9, 30, 59, 123456789, time.UTC)}},
			Missing:   []results.MissingFile{results.NewMissingFile("core", "it is a named pipe")},
			Setup: []results.StepRecord{{
				Name: "setup.0", CommandRecord: results.CommandRecord{
					Argv: []string{"./prepare"}, Outcome: outcome.CommandFailed, Reason: "was ended by SIGSEGV", ExitCode: -1, Signal: "SIGSEGV",
					StartedAt: epoch, EndedAt: after(time.Second), StartedErrorUS: 298, EndedErrorUS: 299, UserUS: 1, SystemUS: 2, MaxRSSBytes: 3,
					Total: streams.Total{StdoutLines: 4, StdoutBytes: 5, StderrLines: 6, StderrBytes: 7},
				}, Swept: 8,
			}},
			Teardown: []results.StepRecord{},
		}},
		Processes: []results.ProcessRecord{{
			Host: "nevis", Process: "server.0", Group: "server", Index: 4, Rank: 5, DelayUS: 250000, PID: 4711,
			CommandRecord: results.CommandRecord{
				Argv: []string{"honu", "serve", "-w", "<a&b>"}, Outcome: outcome.CommandKilled, Reason: "ignored TERM for 10 s",
				ExitCode: -1, Signal: "SIGKILL", StartedAt: after(time.Second), EndedAt: after(time.Minute), StartedErrorUS: 290, EndedErrorUS: 303,
				UserUS: 1200, SystemUS: 800, MaxRSSBytes: 9437184,
				Total: streams.Total{StdoutLines: 3, StdoutBytes: 180, StderrLines: 1, StderrBytes: 6},
			},
		}},
	}
}

// run.json has the names, the order and the forms that scripts rely on.
func TestRecordFile(t *testing.T) {
	t.Parallel()
	run := newRun(t, results.Process{Host: "nevis", Name: "server.0"})
	check(t, run.Finish(sample()))
	want := readFile(t, "testdata", "run.json")
	if got := readFile(t, run.Dir(), "run.json"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// A record is read back as it was given.
func TestReadRecord(t *testing.T) {
	t.Parallel()
	run := newRun(t)
	rec := sample()
	check(t, run.Finish(rec))
	got, err := results.ReadRecord(run.Dir())
	check(t, err)
	rec.Parameters["clients"] = 1.0 // as JSON has it
	if !reflect.DeepEqual(got, rec) {
		t.Errorf("got\n%+v\nwant\n%+v", got, rec)
	}
}

// Times that a run never reached are left out, and lists are lists even when empty.
func TestEmptyRecord(t *testing.T) {
	t.Parallel()
	run := newRun(t)
	check(t, run.Finish(results.Record{Outcome: outcome.RunRefused}))
	text := readFile(t, run.Dir(), "run.json")
	if strings.Contains(text, "null") || strings.Contains(text, "_at") {
		t.Errorf("got %s, want neither null nor a time", text)
	}
	var fields map[string]any
	check(t, json.Unmarshal([]byte(text), &fields))
	for _, name := range []string{"hosts", "processes", "parameters", "metrics"} {
		if _, ok := fields[name]; !ok {
			t.Errorf("%s is missing", name)
		}
	}
}

// Until Finish has returned there is no run.json, whatever was flushed.
func TestRecordComesLast(t *testing.T) {
	t.Parallel()
	run := newRun(t, results.Process{Host: "a", Name: "0"})
	output(t, run, 0, streams.Stdout, 0, "hello\n")
	check(t, run.Flush())
	if _, err := results.ReadRecord(run.Dir()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("before Finish: got error %v, want fs.ErrNotExist", err)
	}
	check(t, run.Finish(results.Record{}))
	if _, err := results.ReadRecord(run.Dir()); err != nil {
		t.Errorf("after Finish: %v", err)
	}
	entries, err := os.ReadDir(run.Dir())
	check(t, err)
	if len(entries) != 2 {
		t.Errorf("got %v, want the host and run.json and nothing temporary", entries)
	}
}

// A run that is abandoned keeps its output and gets no record.
func TestAbandon(t *testing.T) {
	t.Parallel()
	run := newRun(t, results.Process{Host: "a", Name: "0"})
	output(t, run, 0, streams.Stdout, 0, "hello\n")
	check(t, run.Abandon())
	if got := readFile(t, run.Dir(), "a", "0.out"); got != "hello\n" {
		t.Errorf("got %q, want the line", got)
	}
	if _, err := os.Stat(filepath.Join(run.Dir(), "run.json")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("run.json: got error %v, want fs.ErrNotExist", err)
	}
	if err := run.Finish(results.Record{}); err == nil {
		t.Error("Finish after Abandon succeeded")
	}
	check(t, run.Abandon())
}
