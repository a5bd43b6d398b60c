package results_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"downbeat/internal/results"
	"downbeat/internal/streams"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// epoch is when the tests' runs take place.
var epoch = time.Date(2026, 11, 23, 9, 30, 0, 123456789, time.UTC)

func after(d time.Duration) time.Time { return epoch.Add(d) }

// must gives a function's value or ends the test.
func must[T any](t testing.TB, v T, err error) T {
	t.Helper()
	check(t, err)
	return v
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newExperiment(t testing.TB) *results.Experiment {
	t.Helper()
	e, err := results.Create(t.TempDir(), results.Meta{Name: "locks", Time: epoch})
	return must(t, e, err)
}

// newRun makes a run of the processes given as host/name.
func newRun(t testing.TB, processes ...results.Process) *results.Run {
	t.Helper()
	r, err := newExperiment(t).NewRun("0001", processes)
	r = must(t, r, err)
	t.Cleanup(func() { _ = r.Abandon() })
	return r
}

func readFile(t testing.TB, path ...string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(path...))
	return string(must(t, data, err))
}

func output(t testing.TB, r *results.Run, process int, stream streams.Stream, at time.Duration, text string) {
	t.Helper()
	check(t, r.Output(process, stream, after(at), []byte(text)))
}
