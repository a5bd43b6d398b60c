package report_test

import (
	"strings"
	"testing"
	"time"

	"downbeat/internal/report"
	"downbeat/internal/report/reporttest"
	"downbeat/internal/results"
	"downbeat/internal/statistics"
)

// The page says which combinations are known, and that the experiment goes on only as long as one
// of them is neither known nor run as often as it may be.
func TestGoal(t *testing.T) {
	t.Parallel()
	const going = "not all datapoints have run"
	for name, test := range map[string]struct {
		spread  float64 // of the rate with 4 clients
		atMost  int
		text    string
		unknown string
		goesOn  bool
	}{
		"all are known":                  {0, 9, "2 of 2 combinations known", "", false},
		"one may be run again":           {50, 9, "1 of 2 combinations known", "clients = 4: not known after 3 runs: rate ±", true},
		"one was run as often as it may": {50, 3, "1 of 2 combinations known", "clients = 4: not known after 3 runs: rate ±", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			spec := reporttest.Experiment{Name: "locks", Clients: []int{1, 4}, Repeat: 3, Hosts: 1, Processes: 1, Lines: 1, Length: time.Second}
			spec.Change = func(r *results.Record) {
				r.Metrics = results.Metrics{"rate": 100}
				if r.Parameters["clients"] == 4 {
					r.Metrics["rate"] += test.spread * float64(r.Repetition)
				}
			}
			dir, err := spec.Make(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			goal := &statistics.Goal{AtLeast: 3, AtMost: test.atMost, Until: map[string]float64{"rate": 0.02}}
			if err := write(dir, report.Options{Planned: 2 * test.atMost, Goal: goal, Now: atNoon}); err != nil {
				t.Fatal(err)
			}
			page := read(t, dir, report.PageFile)
			if !strings.Contains(page, test.text) || !strings.Contains(page, test.unknown) || strings.Contains(page, going) != test.goesOn {
				_, got, _ := strings.Cut(page, `id="combinations-title"`)
				got, _, _ = strings.Cut(got, "<table")
				t.Errorf("it goes on: %t; %s", strings.Contains(page, going), got)
			}
		})
	}
}
