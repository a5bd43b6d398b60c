package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"downbeat/internal/compare"
	"downbeat/internal/outcome"
	"downbeat/internal/results"
)

// comparedRuns compares branches a and b; value gives a metric of a run.
func comparedRuns(repetitions int, parameters map[string]any, metric string, value func(branch string, repetition int) float64) compare.Result {
	sides := map[string]compare.Side{"a": {Name: "a"}, "b": {Name: "b"}}
	at := time.Date(2026, 11, 28, 9, 0, 0, 0, time.UTC)
	for repetition := range repetitions {
		for _, branch := range []string{"a", "b"} {
			at = at.Add(time.Minute)
			r := results.Record{Repetition: repetition, Outcome: outcome.RunSucceeded, ReleasedAt: at, Parameters: map[string]any{"branch": branch}}
			maps.Copy(r.Parameters, parameters)
			r.Metrics = results.Metrics{metric: value(branch, repetition)}
			side := sides[branch]
			side.Runs = append(side.Runs, r)
			sides[branch] = side
		}
	}
	return compare.All(sides["a"], []compare.Side{sides["b"]}, compare.Options{By: "branch", Better: func(string) compare.Direction { return compare.Higher }})
}

// noise is the same for both branches, in another order.
func noise(branch string, repetition int) float64 {
	by := map[string]int{"a": 7, "b": 5}[branch]
	return 1000 + float64((repetition*by)%12)
}

func TestComparisonText(t *testing.T) {
	t.Parallel()
	got := comparisonText(comparedRuns(12, map[string]any{"clients": 4.0}, "rate", noise))
	want := `branch=b against branch=a

medians                            a         b   ratio  95 % interval
clients=4
  rate                          1006      1006   1.000    0.996–1.004  undecided

1 undecided

Noise floor (power 80 %): the smallest change that would be seen,
how large it seems to be, and how many more runs of each would show that
                                              n  seen from      seems     more
  clients=4 rate                       12 pairs     0.56 %       none        -
`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	got = comparisonText(comparedRuns(12, nil, "rate", func(branch string, repetition int) float64 {
		return noise(branch, repetition) * map[string]float64{"a": 1, "b": 1.5}[branch]
	}))
	if !strings.Contains(got, "1.500    1.494–1.506  faster\n\n1 faster\n") || strings.Contains(got, "Noise floor") {
		t.Errorf("got\n%s", got)
	}
}

// Whatever the names and numbers, the text fits 80 columns.
func TestComparisonTextFits(t *testing.T) {
	t.Parallel()
	for _, scale := range []float64{1e-12, -1, 1, 1e12} {
		for _, spread := range []float64{0, 1, 1e3} {
			for _, repetitions := range []int{1, 3, 30} {
				r := comparedRuns(repetitions, map[string]any{"zürich": strings.Repeat("ü", 99)}, strings.Repeat("é", 60), func(branch string, repetition int) float64 {
					return scale * (1 + spread*noise(branch, repetition)*float64(repetition%5))
				})
				r.Tests = 123456
				for line := range strings.Lines(comparisonText(r)) {
					if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 80 {
						t.Errorf("%d characters: %s", n, line)
					}
				}
			}
		}
	}
}

// Markdown has all in one table, and names can't break it.
func TestComparisonMarkdown(t *testing.T) {
	t.Parallel()
	got := comparisonMarkdown(comparedRuns(4, map[string]any{"mode": "a|b<c>"}, "r*te", noise))
	if !strings.Contains(got, `| mode=a\|b\<c\> | r\*te | 4 | 1004 | 1004 |`) {
		t.Errorf("got\n%s", got)
	}
}

// JSON has no number that JSON can't have, with too few runs too.
func TestComparisonJSON(t *testing.T) {
	t.Parallel()
	for _, repetitions := range []int{1, 4, 12} {
		var b strings.Builder
		if err := printComparisonJSON(&b, comparedRuns(repetitions, nil, "rate", noise)); err != nil {
			t.Fatal(err)
		}
		var got comparedJSON
		if err := json.Unmarshal([]byte(b.String()), &got); err != nil {
			t.Fatal(err)
		}
		row := got.Comparisons[0].Rows[0]
		if row.Verdict != "undecided" || row.Change != "ratio" || row.Base.N != repetitions || (row.Low == nil) != (repetitions < 4) || row.Value == nil || got.Base != "a" {
			t.Errorf("of %d: %s", repetitions, b.String())
		}
	}
}

// What makes the status 1 is what --fail-on says.
func TestComparisonStatus(t *testing.T) {
	t.Parallel()
	with := func(v compare.Verdict) compare.Result {
		return compare.Result{Comparisons: []compare.Comparison{{Rows: []compare.Row{{Verdict: compare.Undecided}, {Verdict: v}}}}}
	}
	for failOn, want := range map[string]string{
		failOnWorse: "slower", failOnChange: "faster slower higher lower", failOnNever: "",
	} {
		var failed []string
		for _, v := range []compare.Verdict{compare.Faster, compare.Slower, compare.More, compare.Less, compare.Undecided, compare.Missing} {
			c := comparing{failOn: failOn}
			if c.status(with(v)) != nil {
				failed = append(failed, string(v))
			}
		}
		if got := strings.Join(failed, " "); got != want {
			t.Errorf("--fail-on %s: %s, want %s", failOn, got, want)
		}
	}
}

func TestCompareCommandLine(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"":                         "compare what?",
		"a":                        "compare it with what?",
		"a b c":                    "two experiments at a time, not 3",
		"a b --by x":               "name one results directory",
		"a b --base x":             "--base goes with --by",
		"a b --json --markdown":    "choose one",
		"a b --fail-on bad":        "it is worse, change or never",
		"a b --better rate=up":     "write it as METRIC=lower or METRIC=higher",
		"a b --better rate":        "write it as METRIC=lower or METRIC=higher",
		"a b":                      "",
		"a --by x --base 1":        "",
		"a b --better rate=higher": "",
	} {
		_, a := newRoot(stdio{})
		cmd := a.compareCommand()
		if err := cmd.ParseFlags(strings.Fields(args)); err != nil {
			t.Fatal(err)
		}
		err := cmd.Args(cmd, cmd.Flags().Args())
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: %v, want %q", args, err, want)
		}
	}
}

// A picture has a row for each ratio, and those that mean something else look different.
func TestForestOf(t *testing.T) {
	t.Parallel()
	row := func(v compare.Verdict, change float64) compare.Row {
		return compare.Row{Verdict: v, Test: compare.MannWhitney, Relative: true, Change: change, Low: change / 1.01, High: change * 1.01, Floor: math.Inf(1), Metric: string(v)}
	}
	r := compare.Result{By: "branch", Base: "a", Comparisons: []compare.Comparison{{Other: "b", Rows: []compare.Row{
		row(compare.Faster, 1.1), row(compare.Slower, 0.9), row(compare.More, 1.2), row(compare.Undecided, 1), {Verdict: compare.Missing}, {Test: compare.MannWhitney},
	}}}}
	f := forestOf(r)
	if got := fmt.Sprint(f.Title, len(f.Rows), f.Rows[0].Mark, f.Rows[1].Mark, f.Rows[2].Mark, f.Rows[3].Mark); got != "branch=b against branch=a4 1 2 3 0" {
		t.Errorf("got %s", got)
	}
}
