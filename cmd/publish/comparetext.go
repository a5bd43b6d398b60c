package main

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"downbeat/internal/compare"
)

// What compare prints for people: a table that fits 80 columns, and below it what could have been
// seen of what is undecided.

const (
	widthOfCompared  = 26 // names, in the table
	mostCompared     = 60 // rows of the table
	mostUndecided    = 20 // lines below it
	tooManyFurther   = 1000
	widthOfTextLines = 80
)

func comparisonText(r compare.Result) string {
	var b strings.Builder
	for i, c := range r.Comparisons {
		if i > 0 {
			b.WriteString("\n")
		}
		writeComparison(&b, r, c)
	}
	return b.String()
}

func writeComparison(b *strings.Builder, r compare.Result, c compare.Comparison) {
	fmt.Fprintf(b, "%s against %s\n\n", printable(sideName(r, c.Other)), printable(sideName(r, r.Base)))
	base, other := "A", "B"
	if r.By != "" {
		base, other = r.Base, c.Other
	}
	line := func(cells ...string) {
		text := fmt.Sprintf("%s  %s  %s  %s  %s  %s", fitted(cells[0], widthOfCompared),
			before(cells[1], 8), before(cells[2], 8), before(cells[3], 6), before(cells[4], 13), cells[5])
		b.WriteString(strings.TrimRight(text, " ") + "\n")
	}
	line("medians", cutText(base, 8), cutText(other, 8), "ratio", "95 % interval", "")
	shown := ""
	for i, row := range c.Rows {
		if i == mostCompared && len(c.Rows) > mostCompared+1 {
			fmt.Fprintf(b, "... and %d more rows; --json and --markdown have all\n", len(c.Rows)-mostCompared)
			break
		}
		if name := shownParameters(row.Parameters); name != shown {
			shown = name
			fmt.Fprintf(b, "%s\n", cutText(name, widthOfTextLines))
		}
		change, interval := changeOf(&row)
		line("  "+titleOf(&row), shownNumber(row.Base.Median), shownNumber(row.Other.Median), change, interval, string(row.Verdict))
	}
	b.WriteString("\n" + countVerdicts(c.Rows) + "\n")
	writeUndecided(b, r, c)
}

func titleOf(row *compare.Row) string {
	if row.Unit == "" {
		return row.Metric
	}
	return row.Metric + ", " + row.Unit
}

// changeOf formats a change with its interval: a ratio, or a difference with its sign.
func changeOf(row *compare.Row) (change, interval string) {
	show := func(v float64) string {
		switch {
		case math.IsNaN(v):
			return "-"
		case row.Relative && math.Abs(v) < 100:
			return strconv.FormatFloat(v, 'f', 3, 64)
		case row.Relative:
			return shownNumber(v)
		case v > 0:
			return "+" + shownNumber(v)
		}
		return shownNumber(v)
	}
	change = show(row.Change)
	if len(change) > 6 {
		change = strings.TrimSuffix(change[:6], ".")
	}
	if math.IsNaN(row.Low) || row.Low <= 0 && row.Relative || math.IsInf(row.High, 0) || math.IsInf(row.Low, 0) {
		return change, "-"
	}
	return change, show(row.Low) + "–" + show(row.High)
}

// countVerdicts says how many verdicts of each kind there are.
func countVerdicts(rows []compare.Row) string {
	var parts []string
	for _, v := range []compare.Verdict{compare.Faster, compare.Slower, compare.More, compare.Less, compare.Undecided, compare.Missing} {
		n := 0
		for _, row := range rows {
			if row.Verdict == v {
				n++
			}
		}
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, v))
		}
	}
	return strings.Join(parts, ", ")
}

// writeUndecided says what could have been seen of what is undecided.
func writeUndecided(b *strings.Builder, r compare.Result, c compare.Comparison) {
	rows := slices.DeleteFunc(slices.Clone(c.Rows), func(row compare.Row) bool { return row.Verdict != compare.Undecided })
	if len(rows) == 0 {
		return
	}
	fmt.Fprintf(b, "\nNoise floor (power 80 %%%s): the smallest change that would be seen,\n"+
		"how large it seems to be, and how many more runs of each would show that\n", amongTests(r.Tests))
	line := func(name, n, floor, seems, further string) {
		fmt.Fprintf(b, "  %s  %s  %s  %s  %s\n", fitted(name, 34), before(n, 9), before(floor, 9), before(seems, 9), before(further, 7))
	}
	line("", "n", "seen from", "seems", "more")
	for i, row := range rows {
		if i == mostUndecided && len(rows) > mostUndecided+1 {
			fmt.Fprintf(b, "  ... and %d more; --json and --markdown have all\n", len(rows)-mostUndecided)
			break
		}
		name := row.Metric
		if of := shownParameters(row.Parameters); of != "" {
			name = of + " " + name
		}
		line(name, countOf(&row), floorOf(&row), seemsOf(&row), furtherOf(&row))
	}
}

func amongTests(tests int) string {
	if tests < 2 {
		return ""
	}
	return fmt.Sprintf(", %d tests", tests)
}

// countOf is what a row rests on: pairs, or runs of each side.
func countOf(row *compare.Row) string {
	switch {
	case row.Pairs > 0:
		return fmt.Sprintf("%d pairs", row.Pairs)
	case row.Base.N == row.Other.N:
		return strconv.Itoa(row.Base.N)
	}
	return fmt.Sprintf("%d, %d", row.Base.N, row.Other.N)
}

// floorOf is the smallest change that could have been seen.
func floorOf(row *compare.Row) string {
	if math.IsInf(row.Floor, 0) || math.IsNaN(row.Floor) {
		return "-" // too few to show anything
	}
	return changeSize(row, row.Floor)
}

// seems is how large the change seems to be, as a share or a difference.
func seems(row *compare.Row) float64 {
	if row.Relative {
		return max(row.Change, 1/row.Change) - 1
	}
	return math.Abs(row.Change)
}

func seemsOf(row *compare.Row) string {
	if seems(row) == 0 {
		return "none"
	}
	return changeSize(row, seems(row))
}

// furtherOf says how many more repetitions would show what there seems to be.
func furtherOf(row *compare.Row) string {
	switch further := row.Further(); {
	case seems(row) == 0 || math.IsInf(further, 0):
		return "-"
	case further > tooManyFurther:
		return fmt.Sprintf(">%d", tooManyFurther)
	default:
		return fmt.Sprintf("%.0f", further)
	}
}

// changeSize formats how large a change is.
func changeSize(row *compare.Row, size float64) string {
	if row.Relative {
		return shownShare(size)
	}
	return shownNumber(size)
}

// fitted makes a text that wide, to stand on the left.
func fitted(text string, width int) string {
	text = cutText(text, width)
	return text + strings.Repeat(" ", width-utf8.RuneCountInString(text))
}

// before makes a text that wide, to stand on the right.
func before(text string, width int) string {
	return strings.Repeat(" ", max(width-utf8.RuneCountInString(text), 0)) + text
}

// cutText cuts a text to that many characters.
func cutText(text string, width int) string {
	runes := []rune(printable(text))
	if len(runes) > width {
		return string(runes[:width-1]) + "…"
	}
	return string(runes)
}
