package experiment

import (
	"slices"
	"strings"
	"testing"
)

const repeated = `hosts: {a: ['x {{.n}}']}
matrix: {n: [1, 2, 3]}
metrics: {rate: {output: stdout, pattern: '(\d+)', reduce: sum, better: higher}, p99: {output: stdout, pattern: '(\d+)', reduce: max}}
`

func TestRepeatUntil(t *testing.T) {
	t.Parallel()
	f := mustParse(t, "x.yaml", repeated+"repeat: {at_least: 2, at_most: 4, until: {rate: 2.5%, p99: '10 %'}}")
	const want = "at least 2, at most 4 repetitions of each combination, until rate ±2.5 %, p99 ±10 %"
	if f.Until == nil || f.Until.String() != want || f.Repeat != 2 {
		t.Fatalf("got %v, repeat %d", f.Until, f.Repeat)
	}
	if points := f.Points(); len(points) != 12 || points[11].Repetition != 4 || points[11].Index != 12 {
		t.Errorf("points %v", labels(f))
	}
	if f.Better("rate") != Higher || f.Better("rate.all") != Higher || f.Better("p99") != "" || f.Better("x") != "" {
		t.Error("it is not known which values are better")
	}
	f = mustParse(t, "x.yaml", repeated+"repeat: {until: {rate: 2%}}")
	if f.Until.AtLeast != 3 || f.Until.AtMost != 30 {
		t.Errorf("by default it is %v", f.Until)
	}
	if err := f.SetRepeat(5); err != nil || f.Until != nil || len(f.Points()) != 15 {
		t.Errorf("set to 5: %v, %v, %d points", err, f.Until, len(f.Points()))
	}
}

// In a random order too, all combinations come once before any comes again; each round has an
// order of its own.
func TestRepeatUntilInRandomOrder(t *testing.T) {
	t.Parallel()
	f := mustParse(t, "x.yaml", repeated+"repeat: {until: {rate: 2%}}\norder: random")
	rounds, orders := 0, make(map[string]bool)
	for round := range slices.Chunk(f.Points(), 3) {
		rounds++
		var order []string
		for _, p := range round {
			if p.Repetition != rounds || p.Index <= 3*(rounds-1) || p.Index > 3*rounds {
				t.Errorf("round %d has %s #%d, number %d", rounds, p, p.Repetition, p.Index)
			}
			order = append(order, p.String())
		}
		orders[strings.Join(order, " ")] = true
	}
	if rounds != 30 || len(orders) < 3 {
		t.Errorf("%d rounds with %d orders", rounds, len(orders))
	}
}

func TestRepeatUntilIsChecked(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ rule, want string }{
		{"{until: {rote: 2%}}", `x.yaml:4:18: repeat.until.rote: no metric "rote" (did you mean "rate"?)`},
		{"{until: {rate: 2}}", `x.yaml:4:24: repeat.until.rate: must be a percentage, not 2 (such as 2%)`},
		{"{until: {rate: 0%}}", `x.yaml:4:24: repeat.until.rate: must be more than 0 and at most 100 %, not 0% (such as 2%)`},
		{"{until: {rate: [2%]}}", `x.yaml:4:24: repeat.until.rate: must be a percentage, not a list (such as 2%)`},
		{"{until: {}}", `x.yaml:4:17: repeat.until: must be a map of metrics, not an empty one (such as {throughput: 2%})`},
		{"{at_least: 5}", `x.yaml:4:1: repeat: "until" is missing: it says how well metrics are to be known (such as until: {throughput: 2%})`},
		{"{at_least: 9, at_most: 5, until: {rate: 2%}}", `x.yaml:4:32: repeat.at_most: at_least is 9, and at_most 5: that is fewer`},
		{"{at_least: 40, until: {rate: 2%}}", `x.yaml:4:20: repeat.at_least: at_least is 40, and at_most 30: that is fewer`},
		{"{at_least: 1, until: {rate: 2%}}", `x.yaml:4:20: repeat.at_least: must be a whole number from 2 to 10000, not 1`},
		{"{at_most: 4000, until: {rate: 2%}}", `x.yaml:4:9: repeat: 4000 repetitions of 3 combinations are more than 10000 datapoints`},
		{"many", `x.yaml:4:9: repeat: must be a whole number from 1 to 10000, not a string`},
	} {
		_, err := Parse("x.yaml", []byte(repeated+"repeat: "+tt.rule))
		if err == nil || err.Error() != tt.want {
			t.Errorf("%s:\ngot  %v\nwant %s", tt.rule, err, tt.want)
		}
	}
	_, err := Parse("x.yaml", []byte("hosts: {a: [x]}\nrepeat: {until: {rate: 2%}}"))
	if want := `x.yaml:2:18: repeat.until.rate: no metric "rate": the file has none (add metrics)`; err == nil || err.Error() != want {
		t.Errorf("without metrics: %v", err)
	}
}
