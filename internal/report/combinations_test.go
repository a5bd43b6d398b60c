package report_test

import (
	"strings"
	"testing"
	"time"

	"downbeat/internal/report"
	"downbeat/internal/report/reporttest"
	"downbeat/internal/results"
)

// The page has a table of what the repetitions of each combination tell, with the smallest
// difference that they could show.
func TestCombinations(t *testing.T) {
	t.Parallel()
	rates := []float64{100, 101, 99, 100.5, 99.5, 180}
	spec := reporttest.Experiment{Name: "locks", Clients: []int{4}, Repeat: len(rates), Hosts: 1, Processes: 1, Lines: 1, Length: time.Second}
	spec.Change = func(r *results.Record) {
		r.Metrics = results.Metrics{"rate": rates[r.Repetition-1]}
		r.Units = map[string]string{"rate": "req/s"}
	}
	dir, err := spec.Make(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := write(dir, report.Options{Now: atNoon}); err != nil {
		t.Fatal(err)
	}
	page := read(t, dir, report.PageFile)
	for _, want := range []string{
		`<a href="#combinations">`,
		`<td class="text">clients = 4</td><td class="text">rate</td><td class="text">req/s</td><td>6</td><td>100.25</td><td>113.333</td>` +
			`<td>79.0509</td><td>147.616</td><td>30 %</td><td>t</td>`,
		`<td>99</td><td>180</td><td>1</td><td>2.9 %</td></tr>`,
	} {
		if !strings.Contains(page, want) {
			_, got, _ := strings.Cut(page, `id="combinations-title"`)
			got, _, _ = strings.Cut(got, "</section>")
			t.Fatalf("the page has no %s; it has %s", want, got)
		}
	}
}

// Without metrics there is no such table.
func TestNoCombinations(t *testing.T) {
	t.Parallel()
	dir, err := reporttest.Experiment{Name: "locks", NoMetrics: true}.Make(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := write(dir, report.Options{Now: atNoon}); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(read(t, dir, report.PageFile), "#combinations") {
		t.Error("there is a table of combinations")
	}
}
