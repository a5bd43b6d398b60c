package main

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"unicode/utf8"

	"downbeat/internal/results"
	"downbeat/internal/statistics"
)

func summaryOf(parameters map[string]any, metric, unit string, runs int, values ...float64) results.Summary {
	return results.Summary{Parameters: parameters, Metric: metric, Unit: unit, Runs: runs, Values: values, Summary: statistics.Summarize(values)}
}

// The table has a row for each metric of each combination, and says the parameters once.
func TestCombinations(t *testing.T) {
	t.Parallel()
	four, sixteen := map[string]any{"clients": 4.0, "mode": "fast"}, map[string]any{"clients": 16.0, "mode": "fast"}
	got := combinations([]results.Summary{
		summaryOf(four, "p99", "ms", 3, 1.25, 1.375, 1.3),
		summaryOf(four, "throughput", "req/s", 3, 12345.6, 12400, 12390),
		summaryOf(sixteen, "p99", "ms", 6, 5, 5.1, 4.9, 5, 50),
		summaryOf(sixteen, "throughput", "req/s", 1, 3.2e8),
	}, "r/summary.csv")
	want := `                                               n    median      mean   ±95 %
  clients=4, mode=fast   p99, ms               3       1.3     1.308    12 %
                         throughput, req/s     3     12390     12379  0.58 %
  clients=16, mode=fast  p99, ms            *5/6         5        14   178 %
                         throughput, req/s     1  3.2e+08   3.2e+08       -
  * with values far from the others, which count
`
	if strings.Join(strings.Fields(got), " ") != strings.Join(strings.Fields(want), " ") {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// However long the names and the table are, it fits 80 columns and 24 lines, and says where the
// rest is.
func TestCombinationsFit(t *testing.T) {
	t.Parallel()
	for _, long := range []int{1, 10, 50} {
		for _, rows := range []int{1, 20, 21, 22, 500} {
			var summaries []results.Summary
			for i := range rows {
				parameters := map[string]any{"a" + strings.Repeat("x", long): fmt.Sprint(i), "zürich": strings.Repeat("ü", long)}
				summaries = append(summaries, summaryOf(parameters, "m"+strings.Repeat("é", long), strings.Repeat("u", long), 30, -9876543, -9876544.5, -9876547, -1e-300))
			}
			text := combinations(summaries, "SEE")
			lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
			for _, line := range lines {
				if n := utf8.RuneCountInString(line); n > 80 {
					t.Errorf("%d characters: %s", n, line)
				}
			}
			if len(lines) > 24 {
				t.Errorf("%d lines", len(lines))
			}
			if cut := long >= 10 || rows > 21; strings.Contains(text, "see SEE") != cut {
				t.Errorf("%d rows with names of %d:\n%s", rows, long, text)
			}
		}
	}
}

// Without a matrix there is no column for parameters.
func TestCombinationsWithoutParameters(t *testing.T) {
	t.Parallel()
	got := combinations([]results.Summary{summaryOf(nil, "rate", "", 2, 5, math.Nextafter(5, 6))}, "")
	if want := "n median mean ±95 % rate 2 5 5 <0.01 %"; strings.Join(strings.Fields(got), " ") != want {
		t.Errorf("got\n%s", got)
	}
}
