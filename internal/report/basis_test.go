package report

import (
	"strings"
	"testing"

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
	if got, want := strings.Join(missingMetrics(runs), " "), "The metric m is based on fewer processes or files than there are in 1 of 3 runs that succeeded."; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
