package report

import (
	"fmt"
	"maps"
	"math"
	"slices"

	"downbeat/internal/results"
	"downbeat/internal/statistics"
	"downbeat/internal/terminal"
)

// A combination is a row of the table of combinations: what the runs that count tell of a metric.
type combination struct {
	Parameters, Metric, Unit    string
	N                           string
	Median, Mean, SD, Low, High string
	Half, Method, Min, Max      string
	Outliers                    int
	// Floor is the smallest difference that as many runs with that spread could show.
	Floor string
}

// summarize summarizes each metric of each combination of parameters.
func (r *Report) summarize(sorted []*run) []results.Summary {
	var records []results.Record
	for _, run := range sorted {
		if run.complete {
			records = append(records, run.record)
		}
	}
	return r.summarizer.Summarize(records)
}

func newCombination(s results.Summary) combination {
	c := combination{
		Metric: printable(s.Metric), Unit: printable(s.Unit), N: fmt.Sprint(s.N), Outliers: len(s.Outliers), Method: string(s.Method),
		Median: digitsOf(s.Median), Mean: digitsOf(s.Mean), SD: digitsOf(s.SD), Low: digitsOf(s.Low), High: digitsOf(s.High),
		Min: digitsOf(s.Min), Max: digitsOf(s.Max), Half: terminal.Share(s.HalfWidth()), Floor: floor(s.Values),
	}
	c.Parameters = printable(parametersOf(s.Parameters))
	if s.N < s.Runs {
		c.N = fmt.Sprintf("%d of %d", s.N, s.Runs)
	}
	return c
}

// parametersOf are parameters as text.
func parametersOf(parameters map[string]any) string {
	text := ""
	for _, name := range slices.Sorted(maps.Keys(parameters)) {
		text = join(text, name+" = "+show(parameters[name]))
	}
	return text
}

// floor is the smallest ratio that could be seen, as a percentage; empty where there is none, as
// with few values or with values that have no logarithm.
func floor(values []float64) string {
	logs := make([]float64, len(values))
	for i, v := range values {
		if v <= 0 {
			return ""
		}
		logs[i] = math.Log(v)
	}
	return terminal.Share(math.Expm1(statistics.FloorOf(logs)))
}

// digitsOf formats a number; empty where it is not known.
func digitsOf(v float64) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return ""
	}
	return digits(v)
}
