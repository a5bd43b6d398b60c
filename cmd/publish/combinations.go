package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode/utf8"

	"downbeat/internal/results"
	"downbeat/internal/terminal"
)

// The table at the end of an experiment: what the repetitions of each combination tell.

// mostCombinations is how many rows the table has; all of them are in summary.csv.
const mostCombinations = 20

// The widths of the columns that have names of the file's: with the numbers they fit 80 columns.
// The metrics may have what the parameters leave.
const (
	widthOfParameters = 24
	widthOfNames      = 40
)

// tellCombinations prints what the runs that count tell of each metric and combination or, with
// --output json, the summary event.
func (s *series) tellCombinations(records []results.Record) {
	var all results.Summarizer
	summaries := all.Summarize(records)
	if len(summaries) == 0 {
		return
	}
	if s.flags.Output == "json" {
		s.printSummary(summaries)
	}
	s.say("%s", combinations(summaries, filepath.Join(filepath.Clean(s.results.Dir()), results.SummaryFile)))
	s.tellGoal(summaries)
}

// combinations is the table, which fits 80 columns; path is where all of it is.
func combinations(summaries []results.Summary, path string) string {
	t := newCombinationTable(summaries)
	t.row("", "", "n", "median", "mean", "±95 %")
	for i, s := range summaries {
		if i == mostCombinations && len(summaries) > mostCombinations+1 {
			break
		}
		t.add(s)
	}
	_ = t.w.Flush() // a string takes everything
	text := t.text.String()
	if more := len(summaries) - mostCombinations; more > 1 {
		text, t.cut = text+fmt.Sprintf("  ... and %d more rows\n", more), true
	}
	if t.outliers {
		text += "  * with values far from the others, which count\n"
	}
	if t.cut {
		text += "  see " + path + "\n"
	}
	return text
}

// A combinationTable is the table while it is made.
type combinationTable struct {
	text strings.Builder
	w    *tabwriter.Writer
	// The widths of the names' columns; 0: there are no parameters.
	parameters, metric int
	before             string // parameters of the last row, which are not said twice
	cut, outliers      bool   // a name did not fit; a row has outliers
}

func newCombinationTable(summaries []results.Summary) *combinationTable {
	t := &combinationTable{}
	t.w = tabwriter.NewWriter(&t.text, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, s := range summaries[:min(len(summaries), mostCombinations+1)] {
		t.parameters = max(t.parameters, utf8.RuneCountInString(shownParameters(s.Parameters)))
		t.metric = max(t.metric, utf8.RuneCountInString(metricTitle(s)))
	}
	t.parameters = min(t.parameters, max(widthOfParameters, widthOfNames-t.metric))
	t.metric = min(t.metric, widthOfNames-t.parameters)
	return t
}

func (t *combinationTable) row(parameters, metric string, cells ...string) {
	if t.parameters > 0 {
		fmt.Fprintf(t.w, "%s\t", t.fitted(parameters, t.parameters))
	}
	fmt.Fprintf(t.w, "%s\t%s\t\n", t.fitted(metric, t.metric), strings.Join(cells, "\t"))
}

func (t *combinationTable) add(s results.Summary) {
	parameters := shownParameters(s.Parameters)
	if parameters == t.before {
		parameters = ""
	} else {
		t.before = parameters
	}
	n := strconv.Itoa(s.N)
	if s.N < s.Runs {
		n = fmt.Sprintf("%d/%d", s.N, s.Runs)
	}
	if len(s.Outliers) > 0 {
		n, t.outliers = "*"+n, true
	}
	t.row(parameters, metricTitle(s), n, shownNumber(s.Median), shownNumber(s.Mean), shownShare(s.HalfWidth()))
}

// fitted makes a text that wide, to stand on the left among columns that stand on the right.
func (t *combinationTable) fitted(text string, width int) string {
	runes := []rune(printable(text))
	if len(runes) > width {
		t.cut = true
		return string(runes[:width-1]) + "…"
	}
	return string(runes) + strings.Repeat(" ", width-len(runes))
}

func metricTitle(s results.Summary) string {
	if s.Unit == "" {
		return s.Metric
	}
	return s.Metric + ", " + s.Unit
}

// shownParameters are the parameters as "clients=4, mode=fast".
func shownParameters(parameters map[string]any) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(parameters)) {
		parts = append(parts, name+"="+results.ShowParameter(parameters[name]))
	}
	return strings.Join(parts, ", ")
}

// shownNumber formats a number with four digits or, if it is larger, all before the point.
func shownNumber(v float64) string {
	switch size := math.Abs(v); {
	case math.IsNaN(v):
		return "-"
	case size >= 1e7, size > 0 && size < 1e-4:
		return strconv.FormatFloat(v, 'g', 3, 64)
	case size >= 1000:
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	v, _ = strconv.ParseFloat(strconv.FormatFloat(v, 'g', 4, 64), 64)
	return strconv.FormatFloat(v, 'f', -1, 64)
}

// shownShare formats a share as a percentage.
func shownShare(v float64) string { return cmp.Or(terminal.Share(v), "-") }

// A summaryEvent is what --output json says of all runs that count, at the end.
type summaryEvent struct {
	Event        string               `json:"event"`
	Time         time.Time            `json:"time"`
	Directory    string               `json:"directory"`
	Combinations []summaryCombination `json:"combinations"`
	Known        *summaryKnown        `json:"known,omitempty"`
}

// summaryKnown says which combinations are known, if the repetitions went on until they were.
type summaryKnown struct {
	AtLeast      int                `json:"at_least"`
	AtMost       int                `json:"at_most"`
	Until        map[string]float64 `json:"until"`
	Combinations []knownCombination `json:"combinations"`
}

type knownCombination struct {
	Parameters map[string]any `json:"parameters"`
	Runs       int            `json:"runs"`
	Known      bool           `json:"known"`
}

// A summaryCombination is a row of summary.csv, with the values. What needs more values than there
// are is null.
type summaryCombination struct {
	Parameters map[string]any `json:"parameters"`
	Metric     string         `json:"metric"`
	Unit       string         `json:"unit,omitempty"`
	Runs       int            `json:"runs"`
	N          int            `json:"n"`
	Median     *float64       `json:"median"`
	Mean       *float64       `json:"mean"`
	SD         *float64       `json:"sd"`
	Low        *float64       `json:"low"`
	High       *float64       `json:"high"`
	Method     string         `json:"method,omitempty"`
	Min        *float64       `json:"min"`
	Max        *float64       `json:"max"`
	Values     []float64      `json:"values"`
	Outliers   []int          `json:"outliers"`
}

func (s *series) printSummary(summaries []results.Summary) {
	e := summaryEvent{Event: "summary", Time: time.Now().UTC().Round(0), Directory: filepath.Clean(s.results.Dir())}
	for _, v := range summaries {
		e.Combinations = append(e.Combinations, summaryCombination{
			Parameters: v.Parameters, Metric: v.Metric, Unit: v.Unit, Runs: v.Runs, N: v.N,
			Median: orNull(v.Median), Mean: orNull(v.Mean), SD: orNull(v.SD), Low: orNull(v.Low), High: orNull(v.High),
			Method: string(v.Method), Min: orNull(v.Min), Max: orNull(v.Max),
			Values: append([]float64{}, v.Values...), Outliers: append([]int{}, v.Outliers...),
		})
	}
	if goal := goalOf(s.file); goal != nil {
		e.Known = &summaryKnown{AtLeast: goal.AtLeast, AtMost: goal.AtMost, Until: goal.Until}
		for _, r := range results.Towards(*goal, summaries) {
			e.Known.Combinations = append(e.Known.Combinations, knownCombination{r.Parameters, r.Runs, r.Reached})
		}
	}
	if line, err := json.Marshal(e); err == nil {
		_, _ = s.out.Write(append(escapeC1(line), '\n'))
	}
}

// orNull is a number for JSON, which has no NaN and no infinity.
func orNull(v float64) *float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	return &v
}
