package results_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"downbeat/internal/results"
)

// Records that are changed are written anew, each whole, and the tables with them;
// what is not changed stays untouched, to the time.
func TestRevise(t *testing.T) {
	t.Parallel()
	e := newExperiment(t)
	for range 3 {
		finish(t, e, sample())
	}
	check(t, os.Mkdir(filepath.Join(e.Dir(), "0002"), 0o777)) // broken off
	before, err := os.Stat(filepath.Join(e.Dir(), "0001", results.RecordFile))
	check(t, err)
	var seen []string
	records, err := e.Revise(func(dir string, rec *results.Record) (bool, error) {
		seen = append(seen, filepath.Base(dir))
		if filepath.Base(dir) != "0001.attempt2" {
			rec.Reason = "not to be written"
			return false, nil
		}
		rec.Reason, rec.Metrics = "judged anew", results.Metrics{"other": 7}
		return true, nil
	})
	check(t, err)
	if got := strings.Join(seen, " "); got != "0001 0001.attempt2 0001.attempt3" || len(records) != 3 {
		t.Errorf("got %s, %d records", got, len(records))
	}
	after, err := os.Stat(filepath.Join(e.Dir(), "0001", results.RecordFile))
	check(t, err)
	if !os.SameFile(before, after) {
		t.Error("a record that was not changed is another file")
	}
	rec, err := results.ReadRecord(filepath.Join(e.Dir(), "0001.attempt2"))
	if check(t, err); rec.Reason != "judged anew" || rec.Metrics["other"] != 7 {
		t.Errorf("got %q, %v", rec.Reason, rec.Metrics)
	}
	table := readFile(t, e.Dir(), results.DatapointsFile)
	if strings.Count(table, "judged anew") != 1 || strings.Contains(table, "not to be written") || strings.Count(table, "\n") != 4 || !strings.Contains(table, "other_n") {
		t.Errorf("got %s", table)
	}
	finish(t, e, sample())
	if table := readFile(t, e.Dir(), results.DatapointsFile); strings.Count(table, "\n") != 5 {
		t.Errorf("a run more: got %s", table)
	}
}

// An error ends it; what was written before it stays.
func TestReviseThatFails(t *testing.T) {
	t.Parallel()
	e := newExperiment(t)
	finish(t, e, sample())
	finish(t, e, sample())
	broken := errors.New("broken")
	_, err := e.Revise(func(dir string, rec *results.Record) (bool, error) {
		if filepath.Base(dir) != "0001" {
			return true, broken
		}
		rec.Reason = "judged anew"
		return true, nil
	})
	if !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	for name, want := range map[string]string{"0001": "judged anew", "0001.attempt2": sample().Reason} {
		if rec, err := results.ReadRecord(filepath.Join(e.Dir(), name)); err != nil || rec.Reason != want {
			t.Errorf("%s: got %q, %v, want %q", name, rec.Reason, err, want)
		}
	}
}
