package results_test

import (
	"encoding/csv"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"downbeat/internal/outcome"
	"downbeat/internal/results"
)

// attempts makes the records of runs of one datapoint from "outcome definition" each.
func attempts(specs ...string) []results.Record {
	var runs []results.Record
	for _, spec := range specs {
		word, definition, _ := strings.Cut(spec, " ")
		runs = append(runs, results.Record{
			Datapoint: 1, Repetition: 1, Parameters: map[string]any{"n": 1}, Outcome: outcome.Run(word), Definition: definition,
		})
	}
	return runs
}

// A later run of the same datapoint takes an earlier one's place, but nothing that
// was interrupted, refused, or of the same definition takes that of a success.
func TestSupersede(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		runs []string
		want []bool
	}{
		{[]string{"succeeded a"}, []bool{false}},
		{[]string{"failed a", "succeeded a"}, []bool{true, false}},
		{[]string{"failed a", "lost a", "timed_out a"}, []bool{true, true, false}},
		{[]string{"refused a", "aborted a", "succeeded a"}, []bool{true, true, false}},
		{[]string{"succeeded a", "succeeded b"}, []bool{true, false}},
		{[]string{"succeeded a", "failed b"}, []bool{true, false}},
		{[]string{"succeeded a", "failed a"}, []bool{false, false}},
		{[]string{"succeeded a", "aborted b"}, []bool{false, false}},
		{[]string{"succeeded a", "refused b", "failed b", "succeeded b"}, []bool{true, true, true, false}},
	} {
		if got := results.Supersede(attempts(test.runs...)); !slices.Equal(got, test.want) {
			t.Errorf("%v: got %v, want %v", test.runs, got, test.want)
		}
	}
}

// A datapoint is told by its values and its repetition, whatever its number.
func TestSupersedeTellsDatapointsApart(t *testing.T) {
	t.Parallel()
	runs := attempts("failed a", "failed a", "failed a", "failed a")
	runs[1].Repetition = 2
	runs[2].Parameters = map[string]any{"n": 2}
	runs[3].Datapoint = 9 // the file has more datapoints before it now
	if got, want := results.Supersede(runs), []bool{true, false, false, false}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// column gives one column of a table.
func column(t *testing.T, dir, table, name string) []string {
	t.Helper()
	f, err := os.Open(filepath.Join(dir, table))
	f = must(t, f, err)
	defer f.Close()
	lines, err := csv.NewReader(f).ReadAll()
	check(t, err)
	at := slices.Index(lines[0], name)
	if at < 0 {
		t.Fatalf("%s has no column %s: %v", table, name, lines[0])
	}
	var cells []string
	for _, line := range lines[1:] {
		cells = append(cells, line[at])
	}
	return cells
}

// A row says which directory it is of and whether another run counts instead, as soon
// as there is one, in both tables, and again when the tables are made anew.
func TestTablesTellWhatIsSuperseded(t *testing.T) {
	t.Parallel()
	e := newExperiment(t)
	for n, rec := range attempts("failed a", "succeeded a") {
		rec.Run = []string{"one", "two"}[n]
		rec.Processes = []results.ProcessRecord{{Host: "alpha", Process: "0"}}
		rec.ReleasedAt, rec.EndedAt = epoch, after(time.Duration(n+1)*time.Second)
		if n == 1 {
			rec.Metrics = results.Metrics{"rate": 2} // a column more
		}
		finish(t, e, rec)
	}
	look := func(when string) {
		for _, table := range []string{results.DatapointsFile, results.ProcessesFile} {
			if got := column(t, e.Dir(), table, "superseded"); !slices.Equal(got, []string{"true", "false"}) {
				t.Errorf("%s, %s: superseded %v", when, table, got)
			}
			if got := column(t, e.Dir(), table, "directory"); !slices.Equal(got, []string{"0001", "0001.attempt2"}) {
				t.Errorf("%s, %s: directory %v", when, table, got)
			}
		}
		if got := column(t, e.Dir(), results.DatapointsFile, "duration_s"); !slices.Equal(got, []string{"1.000000", "2.000000"}) {
			t.Errorf("%s: duration_s %v", when, got)
		}
	}
	look("as runs end")
	e.Close()
	again, _, _, err := results.Reopen(e.Dir())
	check(t, err)
	defer again.Close()
	look("made anew")
	third := attempts("succeeded b")[0]
	third.Run = "three"
	finish(t, again, third)
	if got := column(t, e.Dir(), results.DatapointsFile, "superseded"); !slices.Equal(got, []string{"true", "true", "false"}) {
		t.Errorf("after one more: superseded %v", got)
	}
}
