package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strings"

	"downbeat/internal/compare"
	"downbeat/internal/report"
	"downbeat/internal/results"
	"downbeat/internal/statistics"
	"downbeat/internal/terminal"
)

// What compare prints for programs and for other pages.

type comparedJSON struct {
	By          string           `json:"by,omitempty"`
	Base        string           `json:"base"`
	Confidence  float64          `json:"confidence"`
	Level       float64          `json:"level"`
	Power       float64          `json:"power"`
	Correction  string           `json:"correction"`
	Tests       int              `json:"tests"`
	Comparisons []comparisonJSON `json:"comparisons"`
}

type comparisonJSON struct {
	Other     string           `json:"other"`
	Rows      []rowJSON        `json:"rows"`
	OnlyBase  []map[string]any `json:"only_base"`
	OnlyOther []map[string]any `json:"only_other"`
}

type rowJSON struct {
	Parameters map[string]any `json:"parameters"`
	Metric     string         `json:"metric"`
	Unit       string         `json:"unit,omitempty"`
	Better     string         `json:"better,omitempty"`
	Verdict    string         `json:"verdict"`
	Change     string         `json:"change"` // ratio or difference
	Value      *float64       `json:"value"`
	Low        *float64       `json:"low"`
	High       *float64       `json:"high"`
	Test       string         `json:"test,omitempty"`
	Pairs      int            `json:"pairs,omitempty"`
	P          *float64       `json:"p"`
	PAdjusted  *float64       `json:"p_adjusted"`
	CouldShow  *float64       `json:"could_show"`
	Further    *float64       `json:"further"`
	Redefined  bool           `json:"redefined,omitempty"`
	Base       sampleJSON     `json:"base"`
	Other      sampleJSON     `json:"other"`
}

type sampleJSON struct {
	Runs   int       `json:"runs"`
	N      int       `json:"n"`
	Median *float64  `json:"median"`
	Mean   *float64  `json:"mean"`
	SD     *float64  `json:"sd"`
	Values []float64 `json:"values"`
}

func printComparisonJSON(w io.Writer, r compare.Result) error {
	out := comparedJSON{
		By: r.By, Base: r.Base, Confidence: statistics.Confidence, Level: math.Round(1e6*statistics.Level) / 1e6, Power: statistics.Power,
		Correction: "holm", Tests: r.Tests,
	}
	for _, c := range r.Comparisons {
		one := comparisonJSON{
			Other: c.Other, Rows: []rowJSON{}, OnlyBase: append([]map[string]any{}, c.OnlyBase...), OnlyOther: append([]map[string]any{}, c.OnlyOther...),
		}
		for _, row := range c.Rows {
			one.Rows = append(one.Rows, rowOf(&row))
		}
		out.Comparisons = append(out.Comparisons, one)
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(out)
}

func rowOf(row *compare.Row) rowJSON {
	j := rowJSON{
		Parameters: row.Parameters, Metric: row.Metric, Unit: row.Unit, Better: string(row.Better), Verdict: string(row.Verdict),
		Change: "difference", Value: orNull(row.Change), Low: orNull(row.Low), High: orNull(row.High), Test: string(row.Test), Pairs: row.Pairs,
		P: orNull(row.P), PAdjusted: orNull(row.Adjusted), CouldShow: orNull(row.Floor), Redefined: row.Redefined,
		Base: sampleOf(row.Base), Other: sampleOf(row.Other),
	}
	if row.Relative {
		j.Change = "ratio"
		if math.IsInf(row.High, 0) { // so there is no interval
			j.Low = nil
		}
	}
	if row.Verdict == compare.Undecided {
		j.Further = orNull(row.Further())
	}
	return j
}

func sampleOf(s results.Summary) sampleJSON {
	return sampleJSON{s.Runs, s.N, orNull(s.Median), orNull(s.Mean), orNull(s.SD), append([]float64{}, s.Values...)}
}

// comparisonMarkdown is the comparison as a table of GitHub's Markdown.
func comparisonMarkdown(r compare.Result) string {
	var b strings.Builder
	for i, c := range r.Comparisons {
		if i > 0 {
			b.WriteString("\n")
		}
		fmt.Fprintf(&b, "**%s** against **%s**: %s\n\n", markdownText(sideName(r, c.Other)), markdownText(sideName(r, r.Base)), countVerdicts(c.Rows))
		b.WriteString("| parameters | metric | n | median before | median after | change | 95 % interval | p (adjusted) | verdict | could show |\n")
		b.WriteString("|---|---|---|---|---|---|---|---|---|---|\n")
		for _, row := range c.Rows {
			change, interval := changeOf(&row)
			verdict, floor := string(row.Verdict), "–"
			if row.Verdict != compare.Undecided && row.Verdict != compare.Missing {
				verdict = "**" + verdict + "**"
			}
			if !math.IsInf(row.Floor, 0) && !math.IsNaN(row.Floor) {
				floor = changeSize(&row, row.Floor)
			}
			n := fmt.Sprint(row.Base.N)
			if row.Base.N != row.Other.N {
				n = fmt.Sprintf("%d, %d", row.Base.N, row.Other.N)
			}
			fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s | %s | %s | %s |\n", markdownText(shownParameters(row.Parameters)), markdownText(titleOf(&row)), n,
				shownNumber(row.Base.Median), shownNumber(row.Other.Median), change, interval, shownP(row.Adjusted), verdict, floor)
		}
	}
	fmt.Fprintf(&b, "\nRatios are medians of the ratios of all runs (Hodges and Lehmann). %s, adjusted by Holm. "+
		"*Could show*: the smallest change that would have been seen with a power of 80 %%.\n", terminal.Count(uint64(r.Tests), "test"))
	return b.String()
}

// shownP formats a probability.
func shownP(p float64) string {
	switch {
	case math.IsNaN(p):
		return "–"
	case p < 0.0001:
		return "<0.0001"
	}
	return fmt.Sprintf("%.2g", p)
}

// markdownText is text that can't be taken for Markdown or HTML, nor end a cell.
func markdownText(text string) string {
	var b strings.Builder
	for _, r := range printable(text) {
		if strings.ContainsRune("\\`*_{}[]<>()#+!|~&", r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// forestOf is the comparison as a picture.
func forestOf(r compare.Result) report.ForestPlot {
	f := report.ForestPlot{Title: "Changes from " + sideName(r, r.Base)}
	for _, c := range r.Comparisons {
		if len(r.Comparisons) == 1 {
			f.Title = sideName(r, c.Other) + " against " + sideName(r, r.Base)
		}
		for _, row := range c.Rows {
			if !row.Relative || row.Test == "" {
				continue
			}
			label := row.Metric
			if of := shownParameters(row.Parameters); of != "" {
				label = of + ": " + label
			}
			if len(r.Comparisons) > 1 {
				label = sideName(r, c.Other) + ", " + label
			}
			mark := report.ForestUndecided
			switch row.Verdict {
			case compare.Faster:
				mark = report.ForestBetter
			case compare.Slower:
				mark = report.ForestWorse
			case compare.More, compare.Less:
				mark = report.ForestChanged
			case compare.Undecided, compare.Missing:
			}
			f.Rows = append(f.Rows, report.ForestRow{
				Label: label, Mark: mark, Ratio: row.Change, Low: row.Low, High: row.High, Floor: row.Floor,
			})
		}
	}
	return f
}
