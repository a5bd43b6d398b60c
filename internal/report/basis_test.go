package report

import (
	"strings"
	"testing"
	"time"

	"downbeat/internal/results"
)

// Below a plot stands on how many processes its values rest, of how many.
func TestPlotTellsWhatItsValuesRestOn(t *testing.T) {
	t.Parallel()
	runs := repeat(made(parameters{"n": 1.0}, 1.0, parameters{"n": 2.0}, 2.0, parameters{"n": 4.0}, 3.0))
	caption := func() string { return strings.Join(figures(runs)[0].caption, " ") }
	if got := caption(); strings.Contains(got, "rests") {
		t.Errorf("of runs that don't say: %s", got)
	}
	for i, of := range []results.MetricBasis{{Values: 4, Expected: 4}, {Values: 4, Expected: 4}, {Values: 4, Expected: 4}} {
		runs[i].record.MetricsOf = map[string]results.MetricBasis{"m": of}
	}
	if got, want := caption(), "Each value is based on 4 of 4 processes or files."; !strings.Contains(got, want) {
		t.Errorf("got %s, want %s", got, want)
	}
	runs[1].record.MetricsOf["m"] = results.MetricBasis{Values: 3, Expected: 8}
	if got, want := caption(), "Each value is based on 3 to 4 of 4 to 8 processes or files; in 1 run on fewer than there are."; !strings.Contains(got, want) {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := figures(runs)[0].y.text(), "m of 3 to 4 of 4 to 8"; got != want {
		t.Errorf("the axis: got %s, want %s", got, want)
	}
	for i := range runs {
		runs[i].record.MetricsOf = map[string]results.MetricBasis{"m": {Values: 1, Expected: 1, Program: "./judge.py -x"}}
	}
	if got, want := caption(), "Each value is what ./judge.py -x printed."; !strings.Contains(got, want) || figures(runs)[0].y.text() != "m" {
		t.Errorf("got %s, want %s", got, want)
	}
	runs[1].record.MetricsOf["m"] = results.MetricBasis{Values: 1, Expected: 1, Program: "./judge.py -y"}
	if got, want := caption(), "Each value is what ./judge.py printed."; !strings.Contains(got, want) {
		t.Errorf("got %s, want %s", got, want)
	}
	for i := range runs {
		runs[i].record.MetricsOf = map[string]results.MetricBasis{"m": {Values: 1, Expected: 1, Window: "steady"}}
		runs[i].record.Windows = []results.WindowRecord{{Window: "steady", From: time.Unix(100, 0), To: time.Unix(140+int64(i), 0)}}
	}
	if got, want := caption(), "Only what was read in window steady counts: 40.0 s to 42.0 s of each run."; !strings.Contains(got, want) {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestReportTellsWhichMetricsAreIncomplete(t *testing.T) {
	t.Parallel()
	runs := repeat(made(parameters{"n": 1.0}, 1.0, parameters{"n": 2.0}, 2.0, parameters{"n": 4.0}, 3.0))
	for i, values := range []int{4, 3, 4} {
		runs[i].record.MetricsOf = map[string]results.MetricBasis{"m": {Values: values, Expected: 4}}
	}
	if got, want := strings.Join(missingMetrics(runs), " "), "The metric m is based on fewer processes or files than there are in 1 of 3 runs that succeeded."; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
