package report_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"downbeat/internal/report"
	"downbeat/internal/report/reporttest"
	"downbeat/internal/results"
)

func wellFormed(data []byte) error {
	d := xml.NewDecoder(bytes.NewReader(data))
	for {
		if _, err := d.Token(); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
	}
}

func read(t *testing.T, path ...string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func atNoon() time.Time { return time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC) }

// Written anew after each run, the page is at last the same as if it had been made
// at once; runs that somebody else has added are in it too.
func TestWriteAgainAndAgain(t *testing.T) {
	t.Parallel()
	spec := reporttest.Experiment{Name: "locks", Clients: []int{1, 2, 4}, Repeat: 2, Hosts: 2, Processes: 2, Lines: 10, Length: time.Second}
	dir, err := spec.Make(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	o := report.Options{Planned: 6, Now: atNoon}
	if err := write(dir, o); err != nil {
		t.Fatal(err)
	}
	want := read(t, dir, report.PageFile)

	// The runs come one after the other into a directory of the same name.
	reader, err := results.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	aside := t.TempDir()
	for _, run := range reader.Runs() {
		if err := os.Rename(run, filepath.Join(aside, filepath.Base(run))); err != nil {
			t.Fatal(err)
		}
	}
	r, err := report.New(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Write(); err != nil {
		t.Fatalf("without a run: %v", err)
	}
	for n, run := range reader.Runs() {
		if err := os.Rename(filepath.Join(aside, filepath.Base(run)), run); err != nil {
			t.Fatal(err)
		}
		if n%2 == 0 {
			if err := r.Add(run); err != nil {
				t.Fatal(err)
			}
		}
		if err := r.Write(); err != nil {
			t.Fatal(err)
		}
		page := read(t, dir, report.PageFile)
		if goesOn := strings.Contains(page, "not all datapoints have run"); goesOn != (n < 5) {
			t.Errorf("after %d of 6 runs the page says that it is not over: %v", n+1, goesOn)
		}
	}
	if got := read(t, dir, report.PageFile); got != want {
		t.Errorf("the page is of %d bytes, made at once it is of %d", len(got), len(want))
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") {
			t.Errorf("%s is left", e.Name())
		}
	}
}

// Figures that are not current any more go, a person's own files stay.
func TestStaleFigures(t *testing.T) {
	t.Parallel()
	spec := reporttest.Experiment{Name: "locks", Clients: []int{1, 2}, Length: time.Second}
	dir := makeReport(t, spec)
	figures := filepath.Join(dir, report.FiguresDir)
	stale := read(t, figures, "throughput-over-clients.svg")
	for name, text := range map[string]string{"gone-over-clients.svg": stale, "mine.svg": "<svg/>", "paper.pdf": ""} {
		if err := os.WriteFile(filepath.Join(figures, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := write(dir, report.Options{}); err != nil {
		t.Fatal(err)
	}
	var names []string
	entries, err := os.ReadDir(figures)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if want := []string{"mine.svg", "p99_ms-over-clients.svg", "paper.pdf", "skew.svg", "throughput-over-clients.svg"}; !slices.Equal(names, want) {
		t.Errorf("got %v, want %v", names, want)
	}
}

// A run without a record, or with a damaged one, is a row; the others are as they were.
func TestIncompleteRuns(t *testing.T) {
	t.Parallel()
	dir := makeReport(t, reporttest.Experiment{Name: "locks", Clients: []int{1, 2, 4}, Length: time.Second})
	reader, err := results.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(reader.Runs()[0], results.RecordFile)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(reader.Runs()[1], results.RecordFile), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := write(dir, report.Options{}); err != nil {
		t.Fatal(err)
	}
	p := open(t, dir, "")
	if got := p.column("outcome"); !slices.Equal(got, []string{"succeeded", "incomplete", "incomplete"}) {
		t.Errorf("outcomes: %q", got)
	}
	if got := p.column("reason"); !strings.Contains(got[1], "interrupted") || !strings.Contains(got[2], "run.json") {
		t.Errorf("reasons: %q", got)
	}
	p.do(click(`#table tbody tr:nth-child(2) td:nth-child(3)`))
	p.await(`document.getElementById("release-text").textContent === "There is no record of this run."`)
}

// A metric that some runs lack is plotted without them, and the page says how many.
func TestMissingMetrics(t *testing.T) {
	t.Parallel()
	n := 0
	dir := makeReport(t, reporttest.Experiment{
		Name: "locks", Clients: []int{1, 2, 4}, Repeat: 2, Length: time.Second,
		Change: func(r *results.Record) {
			if n++; n == 1 {
				delete(r.Metrics, "throughput")
			}
		},
	})
	page := read(t, dir, report.PageFile)
	for _, want := range []string{
		"The metric throughput was not found in 1 of 6 runs that succeeded.",
		"5 succeeded runs. In 1 more throughput was not found.",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
}

// A directory that is not an experiment is refused, with advice.
func TestNoExperiment(t *testing.T) {
	t.Parallel()
	if _, err := report.New(t.TempDir(), report.Options{}); err == nil || !strings.Contains(err.Error(), "name a directory such as results/NAME/latest") {
		t.Errorf("got %v", err)
	}
}

// However much the processes write, the page stays small, has both ends of each
// output, and says where the whole is.
func TestPageStaysSmall(t *testing.T) {
	t.Parallel()
	spec := reporttest.Experiment{Name: "locks", Clients: []int{1, 2, 4, 8}, Repeat: 3, Hosts: 2, Processes: 8, Lines: 1000, Length: time.Second}
	dir := makeReport(t, spec)
	info, err := os.Stat(filepath.Join(dir, report.PageFile))
	if err != nil {
		t.Fatal(err)
	}
	if info.Size() >= 10_000_000 {
		t.Errorf("the page is of %d bytes", info.Size())
	}
	p := open(t, dir, "#process=nevis%2Freplica.0&find=left+out+here&only=matches")
	p.await(`document.getElementById("log-process").value === "nevis/replica.0"`)
	gap := strings.Join(p.texts("#log-lines .gap"), "; ")
	if !strings.Contains(gap, "left out here; the whole is in 0012-clients=8/nevis/replica.0.out and .err") {
		t.Errorf("where lines are left out: %q", gap)
	}
}
