package results_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"downbeat/internal/outcome"
	"downbeat/internal/results"
)

// Attempts at a datapoint are counted across programs, runs that were broken off and
// edits of the file included: no two runs have the same datapoint and attempt.
func TestAttempt(t *testing.T) {
	t.Parallel()
	e := newExperiment(t)
	reserve := func(label, wantDir string, want int) *results.Run {
		t.Helper()
		run, err := e.ReserveRun(label, nil)
		run = must(t, run, err)
		if dir := filepath.Base(run.Dir()); dir != wantDir || run.Attempt() != want {
			t.Errorf("%s: got attempt %d in %s, want %d in %s", label, run.Attempt(), dir, want, wantDir)
		}
		return run
	}
	check(t, reserve("0001", "0001", 1).Finish(results.Record{Outcome: outcome.RunFailed}))
	check(t, reserve("0001", "0001.attempt2", 2).Abandon())
	check(t, reserve("0001", "0001.attempt3", 3).Discard())
	check(t, reserve("0001", "0001.attempt3", 3).Abandon())
	check(t, reserve("0002-n=1", "0002-n=1", 1).Abandon())
	check(t, reserve("0002-n=2", "0002-n=2.attempt2", 2).Abandon()) // the file was edited
	check(t, reserve("0010", "0010", 1).Abandon())
	check(t, os.Mkdir(filepath.Join(e.Dir(), "figures"), 0o777))
	check(t, reserve("trial", "trial", 1).Abandon())
	check(t, reserve("trial", "trial.attempt2", 2).Abandon())
}

// Of a run that an earlier version made, in which a resume began to count anew, the
// directory tells the attempt.
func TestAttemptOfOldRecord(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]int{"0001": 1, "0001.attempt3": 3, "0001-n=1.attempt2": 2} {
		dir := filepath.Join(t.TempDir(), name)
		check(t, os.Mkdir(dir, 0o777))
		check(t, os.WriteFile(filepath.Join(dir, results.RecordFile), []byte(`{"run": "r", "datapoint": 1, "attempt": 1}`), 0o600))
		rec, err := results.ReadRecord(dir)
		if check(t, err); rec.Attempt != want {
			t.Errorf("%s: got attempt %d, want %d", name, rec.Attempt, want)
		}
	}
}

// Every version of the file that was run is kept by its hash, and the latest is what
// the experiment is described by.
func TestSources(t *testing.T) {
	t.Parallel()
	first := results.Meta{Name: "locks", Time: epoch, File: "locks.yaml", Format: "yaml", Source: []byte("v1"), Path: "/home/a/locks.yaml", Directory: "/home/a"}
	e, err := results.Create(t.TempDir(), first)
	e = must(t, e, err)
	defer e.Close()
	second := first
	second.Source, second.Path, second.Time = []byte("v2"), "/home/b/locks.yaml", epoch.Add(time.Hour)
	for _, meta := range []results.Meta{first, second, second} {
		check(t, e.Use(meta))
	}
	for _, source := range []string{"v1", "v2"} {
		if got := readFile(t, e.Dir(), results.SourcesDir, results.Hash([]byte(source))+".yaml"); got != source {
			t.Errorf("got %q, want %q", got, source)
		}
	}
	got, err := results.ReadMeta(e.Dir())
	if check(t, err); string(got.Source) != "v2" || got.Path != second.Path || got.Directory != first.Directory || !got.Time.Equal(epoch) {
		t.Errorf("it is described as %+v", got)
	}
	kept, err := os.ReadDir(filepath.Join(e.Dir(), results.SourcesDir))
	if check(t, err); len(kept) != 2 {
		t.Errorf("kept are %v, want two versions", kept)
	}
	check(t, os.WriteFile(filepath.Join(e.Dir(), results.SourcesDir, kept[0].Name()), []byte("v3"), 0o600))
	check(t, os.WriteFile(filepath.Join(e.Dir(), results.SourcesDir, kept[1].Name()), []byte("v3"), 0o600))
	if _, err := results.ReadMeta(e.Dir()); err == nil {
		t.Error("a version that somebody has changed is taken for what was run")
	}
}

// An experiment of before versions were kept can be used, and keeps both from then on.
func TestSourcesOfOldExperiment(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	old := `{"name": "locks", "created_at": "2026-11-23T09:30:00Z", "file": "locks.json", "format": "json", "source": "old"}`
	check(t, os.WriteFile(filepath.Join(dir, results.ExperimentFile), []byte(old), 0o600))
	e, meta, _, err := results.Reopen(dir)
	check(t, err)
	defer e.Close()
	if string(meta.Source) != "old" || meta.Path != "" {
		t.Errorf("it is described as %+v", meta)
	}
	meta.Source, meta.Path = []byte("new"), "/x/locks.json"
	check(t, e.Use(meta))
	for _, source := range []string{"old", "new"} {
		if got := readFile(t, e.Dir(), results.SourcesDir, results.Hash([]byte(source))+".json"); got != source {
			t.Errorf("got %q, want %q", got, source)
		}
	}
	if meta, err = results.ReadMeta(dir); err != nil || string(meta.Source) != "new" {
		t.Errorf("it is described as %+v, %v", meta, err)
	}
}
