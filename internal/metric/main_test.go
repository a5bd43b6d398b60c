package metric_test

import (
	"math"
	"testing"
	"testing/fstest"

	"go.uber.org/goleak"

	"downbeat/internal/experiment"
	"downbeat/internal/metric"
	"downbeat/internal/results"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// run is a run's directory with these files.
func run(files map[string]string) fstest.MapFS {
	tree := make(fstest.MapFS, len(files))
	for name, text := range files {
		tree[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return tree
}

// outputs are the standard outputs of processes 0, 1 and so on of host alpha.
func outputs(n int) []experiment.Source {
	sources := make([]experiment.Source, n)
	for i := range sources {
		sources[i] = experiment.Source{Host: "alpha", Process: string(rune('0' + i))}
	}
	return sources
}

// inFiles is what was collected from hosts alpha and bravo under that name.
func inFiles(name string) []experiment.Source {
	return []experiment.Source{{Host: "alpha", File: name}, {Host: "bravo", File: name}}
}

func checkTake(t *testing.T, tree fstest.MapFS, m experiment.Metric, want float64, wantNote string) {
	t.Helper()
	if m.Scale == 0 {
		m.Scale = 1
	}
	if m.Processes == "" {
		m.Processes = experiment.Sum
	}
	f := metric.Take(metric.NewRun(tree, &results.Record{}), &m)
	got, note := f.Value, f.Note
	if got != want && !(math.IsNaN(got) && math.IsNaN(want)) || note != wantNote {
		t.Errorf("got %v, %q\nwant %v, %q", got, note, want, wantNote)
	}
}
