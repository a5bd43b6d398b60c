package results

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"downbeat/internal/outcome"
	"downbeat/internal/statistics"
)

// SummaryFile is the table with a row for each combination of parameters and each metric.
const SummaryFile = "summary.csv"

// A Summary is what the runs that count tell of one metric of one combination.
type Summary struct {
	Parameters map[string]any
	Metric     string
	Unit       string
	// Values are those of the runs, in the order of their repetitions, and Runs how many runs
	// there are: in some the metric may have found nothing.
	Values []float64
	Runs   int
	statistics.Summary
}

// Records reads the records of all complete runs of the experiment in dir, in the order in which
// they ended.
func Records(dir string) ([]Record, error) {
	found, err := readRecords(Locate(dir))
	records := make([]Record, len(found))
	for i, f := range found {
		records[i] = f.Record
	}
	return records, err
}

// Counted are the runs of which numbers count: those that succeeded and that no later one has
// superseded. The runs are given in the order in which they were made.
func Counted(records []Record) []Record {
	var counted []Record
	for i, superseded := range Supersede(records) {
		if !superseded && records[i].Outcome == outcome.RunSucceeded {
			counted = append(counted, records[i])
		}
	}
	return counted
}

// CombinationKey is the same for all runs with the same parameters.
func (r *Record) CombinationKey() string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(r.Parameters)) {
		b.WriteString(name + "\x00" + jsonCell(r.Parameters[name]) + "\x00")
	}
	return b.String()
}

// Combinations groups runs by their parameters, in the order of the lowest number of a datapoint
// with them. In each group they are in the order of their repetitions.
func Combinations(records []Record) [][]Record {
	by := make(map[string][]Record)
	for _, r := range records {
		key := r.CombinationKey()
		by[key] = append(by[key], r)
	}
	groups := slices.Collect(maps.Values(by))
	first := func(runs []Record) int {
		return slices.MinFunc(runs, func(a, b Record) int { return cmp.Compare(a.Datapoint, b.Datapoint) }).Datapoint
	}
	for _, runs := range groups {
		slices.SortStableFunc(runs, func(a, b Record) int { return cmp.Compare(a.Repetition, b.Repetition) })
	}
	slices.SortFunc(groups, func(a, b []Record) int {
		return cmp.Or(cmp.Compare(first(a), first(b)), cmp.Compare(a[0].CombinationKey(), b[0].CombinationKey()))
	})
	return groups
}

// A Summarizer summarizes runs again and again while there come more of them, and computes only
// what has changed. The zero value is ready for use.
type Summarizer struct{ known map[string]Summary }

// Summarize summarizes each metric of each combination of the runs, which are given in the order
// in which they were made. A metric that a combination does not have is left out; one that found
// nothing is there with no values.
func (s *Summarizer) Summarize(records []Record) []Summary {
	var all []Summary
	known := make(map[string]Summary)
	for _, runs := range Combinations(Counted(records)) {
		for _, metric := range metricsOf(runs) {
			key := runs[0].CombinationKey() + metric
			known[key] = summarize(metric, runs, s.known[key])
			all = append(all, known[key])
		}
	}
	s.known = known
	return all
}

// metricsOf are the names of all metrics of the runs, sorted.
func metricsOf(runs []Record) []string {
	var names []string
	for _, r := range runs {
		names = slices.AppendSeq(names, maps.Keys(r.Metrics))
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// summarize summarizes a metric of runs with the same parameters; before is what was known of it.
func summarize(metric string, runs []Record, before Summary) Summary {
	s := Summary{Parameters: runs[0].Parameters, Metric: metric, Runs: len(runs), Summary: before.Summary}
	for _, r := range runs {
		if v, ok := r.Metrics[metric]; ok && !math.IsNaN(v) && !math.IsInf(v, 0) {
			s.Values = append(s.Values, v)
		}
		s.Unit = cmp.Or(r.Units[metric], s.Unit)
	}
	if before.Metric == "" || !slices.Equal(before.Values, s.Values) {
		s.Summary = statistics.Summarize(s.Values)
	}
	return s
}

// summaryFields are the columns of the table after those of the parameters.
var summaryFields = []string{"metric", "unit", "n", "median", "mean", "sd", "low", "high", "method", "min", "max", "outliers"}

// writeSummary writes the table of all runs that are in the other tables.
func (e *Experiment) writeSummary() error {
	records := make([]Record, len(e.tabled))
	for i, t := range e.tabled {
		records[i] = t.Record
	}
	data, err := encodeCSV(summaryLines(e.summarizer.Summarize(records)))
	if err == nil {
		err = writeAtomically(e.dir, SummaryFile, data)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", filepath.Join(e.dir, SummaryFile), err)
	}
	return nil
}

func summaryLines(summaries []Summary) [][]string {
	var parameters []string
	for _, s := range summaries {
		parameters = union(parameters, slices.Collect(maps.Keys(s.Parameters)))
	}
	var header []string
	for _, name := range parameters {
		if slices.Contains(summaryFields, name) || strings.HasPrefix(name, string(parameterColumn)+".") {
			name = string(parameterColumn) + "." + name
		}
		header = append(header, name)
	}
	lines := [][]string{append(header, summaryFields...)}
	for _, s := range summaries {
		var line []string
		for _, name := range parameters {
			cell := ""
			if v, ok := s.Parameters[name]; ok {
				cell = jsonCell(v)
			}
			line = append(line, cell)
		}
		lines = append(lines, append(line, s.Metric, s.Unit, strconv.Itoa(s.N), computedCell(s.Median), computedCell(s.Mean), computedCell(s.SD),
			computedCell(s.Low), computedCell(s.High), string(s.Method), metricCell(s.Min), metricCell(s.Max), strconv.Itoa(len(s.Outliers))))
	}
	return lines
}

// computedCell formats what was computed of several values, without the digits that depend on the
// machine.
func computedCell(v float64) string {
	const digits = 10
	v, _ = strconv.ParseFloat(strconv.FormatFloat(v, 'g', digits, 64), 64)
	return metricCell(v)
}
