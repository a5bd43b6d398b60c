package experiment

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

const measuredFile = `
hosts: {a: , b: , c: }
matrix: {kind: [SET, GET], limit: [10]}
collect: "**"
groups:
  server: {on: c, run: server}
  client: {on: [a, b], count: 3, run: "client {{.kind}}"}
metrics:
  rps: {output: stdout, format: csv, field: rps, where: {test: "{{.kind}}", n: 4}, group: client, reduce: {lines: last, processes: sum}, unit: req/s, scale: 0.001}
  p99: {file: "client.{{.index}}.jsonl", field: latency.p99, group: [client], host: a, reduce: p99.9}
  all: {file: "*.tsv", field: "{{.kind}} per s", reduce: max}
  errors: {output: stderr, pattern: "{{.kind}} failed", reduce: count}
require:
  start_skew: "< 1.5ms"
  rps: ["> {{.limit}}", "<= 1e6"]
`

// Each metric arrives with its places, in the order of ranks, each once, and
// with the parameters' values.
func TestMetrics(t *testing.T) {
	t.Parallel()
	f := mustParse(t, "x.yaml", measuredFile)
	if len(f.Warnings) > 0 {
		t.Errorf("a parameter that a requirement uses is used: got %v", f.Warnings)
	}
	d, err := f.Points()[1].Expand(trial)
	if err != nil {
		t.Fatal(err)
	}
	rps, p99, all, failed := d.Metrics[0], d.Metrics[1], d.Metrics[2], d.Metrics[3]
	want := Metric{
		Name: "rps", Unit: "req/s", Format: CSV, Field: "rps", Where: []Condition{{"test", "GET"}, {"n", "4"}}, Lines: Last, Processes: Sum, Scale: 0.001,
		Sources: []Source{{Host: "a", Process: "client.0"}, {Host: "b", Process: "client.1"}, {Host: "a", Process: "client.2"}},
	}
	if !reflect.DeepEqual(rps, want) {
		t.Errorf("got\n%+v\nwant\n%+v", rps, want)
	}
	if want := []Source{{Host: "a", File: "client.0.jsonl"}, {Host: "a", File: "client.2.jsonl"}}; !reflect.DeepEqual(p99.Sources, want) ||
		p99.Format != JSONL || p99.Processes != "p99.9" || p99.Scale != 1 {
		t.Errorf("p99: got %+v", p99)
	}
	if want := []Source{{Host: "c", File: "*.tsv"}, {Host: "a", File: "*.tsv"}, {Host: "b", File: "*.tsv"}}; !reflect.DeepEqual(all.Sources, want) || all.Field != "GET per s" {
		t.Errorf("all: got %+v", all)
	}
	if len(failed.Sources) != 4 || !failed.Sources[0].Stderr || failed.Pattern.String() != "GET failed" {
		t.Errorf("errors: got %+v", failed)
	}
	wantRequire := "[{start_skew < 1500 < 1.5ms} {rps > 10 > 10} {rps <= 1e+06 <= 1e6}]"
	if got := fmt.Sprint(d.Require); got != wantRequire {
		t.Errorf("require: got %s, want %s", got, wantRequire)
	}
}

// What only judges a run does not change which datapoint it is of.
func TestMetricsAreNoPartOfTheDefinition(t *testing.T) {
	t.Parallel()
	const bare = "hosts: {a: [x]}\n"
	define := func(text string) string {
		d, err := mustParse(t, "x.yaml", text).Points()[0].Definition()
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	if define(bare) != define(bare+"metrics: {m: {output: stdout, pattern: '(x)', reduce: sum}}\nrequire: {m: '> 3', stop_skew: '< 1s'}") {
		t.Error("metrics and require change the definition")
	}
}

// Conditions hold up to their limits, and at them where they say so.
func TestRequirements(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, text   string
		below, equal bool
		above        bool
		limit        float64
	}{
		{StartSkew, "<5ms", true, false, false, 5000},
		{StopSkew, " <=  0.5s ", true, true, false, 500_000},
		{ClockError, "> 0", false, false, true, 0},
		{"m", ">= -1.5e3", false, true, true, -1500},
	} {
		r, err := parseRequirement(tt.name, tt.text)
		if err != nil || r.Limit != tt.limit {
			t.Errorf("%s: got %+v, %v", tt.text, r, err)
		}
		if r.Met(tt.limit-1) != tt.below || r.Met(tt.limit) != tt.equal || r.Met(tt.limit+1) != tt.above {
			t.Errorf("%s: got %v below, %v at, %v above the limit", tt.text, r.Met(tt.limit-1), r.Met(tt.limit), r.Met(tt.limit+1))
		}
	}
}

// Percentiles lie between nought and a hundred.
func TestReductionNames(t *testing.T) {
	t.Parallel()
	for _, good := range append(reductionNames, "p1", "p50", "p99.9", "p0.1", "p05") {
		if !Reduction(good).valid() {
			t.Errorf("%s is refused", good)
		}
	}
	for _, bad := range []Reduction{"", "p", "p0", "p100", "p-1", "pNaN", "p1e1", "p.", "SUM", "avg", "99"} {
		if bad.valid() {
			t.Errorf("%q is taken", bad)
		}
	}
}

// A metric of files that nobody collects is warned of.
func TestMetricOfFilesThatAreNotCollected(t *testing.T) {
	t.Parallel()
	const source = "hosts: {a: [x]}\nmetrics: {m: {file: x.csv, field: y, reduce: sum}}\n"
	f, err := Parse("x.yaml", []byte(source))
	if err != nil {
		t.Fatal(err)
	}
	if len(f.Warnings) != 1 || !strings.HasPrefix(f.Warnings[0].Error(), "x.yaml:2:21: metrics.m.file: nothing is collected") {
		t.Errorf("warnings: got %v", f.Warnings)
	}
	if f, err = Parse("x.yaml", []byte(source+"collect: x.csv\n")); err != nil || len(f.Warnings) > 0 {
		t.Errorf("with a collect: got %v, warnings %v", err, f.Warnings)
	}
}
