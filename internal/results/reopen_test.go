package results_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"downbeat/internal/outcome"
	"downbeat/internal/results"
)

// finishAt adds a run with these parameters to the experiment.
func finishAt(t *testing.T, e *results.Experiment, label, run string, at time.Duration, parameters map[string]any) {
	t.Helper()
	r, err := e.NewRun(label, nil)
	if err != nil {
		t.Fatal(err)
	}
	rec := results.Record{Run: run, Datapoint: 1, Outcome: outcome.RunSucceeded, EndedAt: epoch.Add(at), Parameters: parameters}
	if err := r.Finish(rec); err != nil {
		t.Fatal(err)
	}
}

func TestReopen(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	meta := results.Meta{Name: "locks", Time: epoch, File: "locks.yaml", Format: "yaml", Source: []byte("hosts: \xff"), Version: "v9"}
	e, err := results.Create(root, meta)
	if err != nil {
		t.Fatal(err)
	}
	finishAt(t, e, "0002", "second", 2*time.Second, map[string]any{"mode": "safe"})
	finishAt(t, e, "0001", "first", time.Second, map[string]any{"clients": 1})
	broken, err := e.NewRun("0003", []results.Process{{Host: "alpha", Name: "a"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := broken.Abandon(); err != nil {
		t.Fatal(err)
	}
	// This is left by a program that was killed between writing a run's rows and its record.
	table := filepath.Join(e.Dir(), results.DatapointsFile)
	data, err := os.ReadFile(table)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(table, append(data, "half,a,ro"...), 0o600); err != nil {
		t.Fatal(err)
	}

	if _, _, _, err := results.Reopen(e.Dir()); !errors.Is(err, results.ErrInUse) {
		t.Errorf("while it is in use: %v, want %v", err, results.ErrInUse)
	}
	e.Close()
	again, got, records, err := results.Reopen(filepath.Join(root, "locks"))
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if got.Name != meta.Name || got.File != meta.File || string(got.Source) != string(meta.Source) || !got.Time.Equal(epoch) || got.Version != "v9" {
		t.Errorf("it is described as %+v, want %+v", got, meta)
	}
	if len(records) != 2 || records[0].Run != "first" || records[1].Run != "second" {
		t.Errorf("records %+v, want first and second", records)
	}
	finishAt(t, again, "0003", "third", 3*time.Second, nil)
	data, err = os.ReadFile(table)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(data)), "\n")
	if len(lines) != 4 || !strings.HasPrefix(lines[0], "run,experiment,datapoint,repetition,attempt,clients,mode,") ||
		!strings.HasPrefix(lines[1], "first,") || !strings.HasPrefix(lines[2], "second,") || !strings.HasPrefix(lines[3], "third,") {
		t.Errorf("the table is\n%s", data)
	}
	if _, err := os.Stat(filepath.Join(again.Dir(), "0003.attempt2", results.RecordFile)); err != nil {
		t.Errorf("the run that was broken off has lost its place: %v", err)
	}
}

func TestReopenImpossible(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, _, _, err := results.Reopen(dir); err == nil || !strings.Contains(err.Error(), "is not an experiment") {
		t.Errorf("an empty directory: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, results.ExperimentFile), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, _, err := results.Reopen(dir); err == nil || !strings.Contains(err.Error(), results.ExperimentFile) {
		t.Errorf("a damaged description: %v", err)
	}
}
