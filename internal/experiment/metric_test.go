package experiment

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"downbeat/internal/streams"
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
	for i := range d.Metrics {
		if d.Metrics[i].Definition == "" {
			t.Errorf("%s has no definition", d.Metrics[i].Name)
		}
		d.Metrics[i].Definition = "" // see TestMetricDefinition
	}
	rps, p99, all, failed := d.Metrics[0], d.Metrics[1], d.Metrics[2], d.Metrics[3]
	want := Metric{
		Name: "rps", Unit: "req/s", Format: CSV, Field: "rps", Parse: NotationNumber, Where: []Condition{{"test", "GET"}, {"n", "4"}}, Lines: Last, Processes: Sum, Scale: 0.001,
		Sources: []Source{{Host: "a", Process: "client.0"}, {Host: "b", Process: "client.1"}, {Host: "a", Process: "client.2"}},
	}
	if !reflect.DeepEqual(rps, want) {
		t.Errorf("got\n%+v\nwant\n%+v", rps, want)
	}
	if want := []Source{{Host: "a", File: "client.0.jsonl", Named: []string{"client.0"}}, {Host: "a", File: "client.2.jsonl", Named: []string{"client.2"}}}; !reflect.DeepEqual(p99.Sources, want) ||
		p99.Format != JSONL || p99.Processes != "p99.9" || p99.Scale != 1 {
		t.Errorf("p99: got %+v", p99)
	}
	if want := []Source{
		{Host: "c", File: "*.tsv", Named: []string{"server.0"}, Groups: []string{"server"}},
		{Host: "a", File: "*.tsv", Named: []string{"client.0", "client.2"}, Groups: []string{"client"}},
		{Host: "b", File: "*.tsv", Named: []string{"client.1"}, Groups: []string{"client"}},
	}; !reflect.DeepEqual(all.Sources, want) || all.Field != "GET per s" {
		t.Errorf("all: got %+v", all)
	}
	if len(failed.Sources) != 4 || failed.Sources[0].Stream != streams.Stderr || failed.Pattern.String() != "GET failed" {
		t.Errorf("errors: got %+v", failed)
	}
	wantRequire := "[{start_skew < 1500 < 1.5ms} {rps > 10 > 10} {rps <= 1e+06 <= 1e6}]"
	if got := conditionsOf(d.Require); got != wantRequire {
		t.Errorf("require: got %s, want %s", got, wantRequire)
	}
}

// What is true of the hosts can be required; a metric of the file with that name wins.
func TestRequiredFacts(t *testing.T) {
	t.Parallel()
	const text = `
hosts: {a: [x]}
matrix: {n: [1]}
metrics: {cores: {output: stdout, pattern: '(x)', reduce: sum}}
require: {governor: [performance, "s{{.n}}"], load: ["< 0.2", ">= 0"], turbo: "off", cores: "> 3", memory_bytes: "> 1e9"}
`
	got := at(t, text, 0).Require
	want := []Requirement{
		{Name: "governor", Fact: true, Allowed: []string{"performance", "s1"}, Text: "performance or s1"},
		{Name: "load", Fact: true, Operator: "<", Limit: 0.2, Text: "< 0.2"},
		{Name: "load", Fact: true, Operator: ">=", Text: ">= 0"},
		{Name: "turbo", Fact: true, Allowed: []string{"off"}, Text: "off"},
		{Name: "cores", Operator: ">", Limit: 3, Text: "> 3"},
		{Name: "memory_bytes", Fact: true, Operator: ">", Limit: 1e9, Text: "> 1e9"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
}

// Metrics and requirements do not change which datapoint a run is of.
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
		r, err := new(File).parseRequirement(tt.name, tt.text)
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

// The definition of a metric is the same however it is written down, and another
// with each thing that it says.
func TestMetricDefinition(t *testing.T) {
	t.Parallel()
	define := func(metric string) string {
		f := mustParse(t, "x.yaml", "hosts: {a: , b: }\ncollect: '*'\ngroups: {g: {on: a, run: x}, h: {on: b, run: x}}\nmetrics: {m: "+metric+"}")
		d, err := f.Points()[0].Expand(trial)
		if err != nil {
			t.Fatal(err)
		}
		return d.Metrics[0].Definition
	}
	const base = "{group: g, output: stdout, format: csv, field: v, reduce: sum}"
	want := define(base)
	for _, same := range []string{
		"{reduce: sum, field: v, format: csv, output: stdout, group: [g]}", "{group: g, output: stdout, format: csv, field: v, reduce: sum, scale: 1, partial: false}",
	} {
		if define(same) != want {
			t.Errorf("%s has another definition than %s", same, base)
		}
	}
	seen := map[string]string{want: base}
	for _, other := range []string{
		"{group: h, output: stdout, format: csv, field: v, reduce: sum}", "{group: g, output: stderr, format: csv, field: v, reduce: sum}",
		"{group: g, output: stdout, format: tsv, field: v, reduce: sum}", "{group: g, output: stdout, format: csv, field: w, reduce: sum}",
		"{group: g, output: stdout, format: csv, field: v, reduce: mean}", "{group: g, output: stdout, format: csv, field: v, reduce: {lines: sum, processes: sum}}",
		"{group: g, output: stdout, format: csv, field: v, reduce: sum, scale: 0.1}", "{group: g, output: stdout, format: csv, field: v, reduce: sum, unit: ms}",
		"{group: g, output: stdout, format: csv, field: v, reduce: sum, partial: true}", "{group: g, output: stdout, format: csv, field: v, where: {a: 1}, reduce: sum}",
		"{group: g, output: stdout, format: csv, field: v, where: {a: 2}, reduce: sum}", "{group: g, output: stdout, pattern: (v), reduce: sum}",
		"{group: g, file: v.csv, field: v, reduce: sum}", "{group: g, file: w.csv, field: v, reduce: sum}", "{host: a, output: stdout, format: csv, field: v, reduce: sum}",
	} {
		d := define(other)
		if seen[d] != "" {
			t.Errorf("%s has the definition of %s", other, seen[d])
		}
		seen[d] = other
	}
}

// A metric that wants a value of every process of several groups is warned of, as
// hardly all of them have one.
func TestMetricOfEveryGroup(t *testing.T) {
	t.Parallel()
	tests := map[string]bool{
		"{output: stdout, pattern: (.), reduce: sum}": true, "{output: stdout, pattern: (.), reduce: {lines: last, processes: max}}": true,
		"{file: '{{.name}}.csv', field: v, reduce: mean}": true, "{file: v.csv, field: v, reduce: mean}": false,
		"{output: stdout, pattern: (.), reduce: sum, group: g}": false, "{output: stdout, pattern: (.), reduce: sum, host: a}": false,
		"{output: stdout, pattern: (.), reduce: sum, partial: true}": false, "{output: stderr, pattern: E, reduce: count}": false,
		"{output: stdout, pattern: (.), reduce: last}": false,
	}
	for metric, warns := range tests {
		f := mustParse(t, "x.yaml", "hosts: {a: , b: }\ncollect: '*'\ngroups: {g: {on: a, run: x}, h: {on: b, run: x}}\nmetrics: {m: "+metric+"}")
		if got := len(f.Warnings) == 1 && strings.Contains(f.Warnings[0].Error(), "metrics.m: every process of groups g, h must have a value"); got != warns {
			t.Errorf("%s: got %v", metric, f.Warnings)
		}
	}
}

// conditionsOf lists what is required, without programs.
func conditionsOf(require []Requirement) string {
	var list []string
	for _, r := range require {
		list = append(list, fmt.Sprintf("{%s %s %v %s}", r.Name, r.Operator, r.Limit, r.Text))
	}
	return "[" + strings.Join(list, " ") + "]"
}
