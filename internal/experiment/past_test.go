package experiment

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

// pastOf is a datapoint as the record of its run tells of it.
func pastOf(t *testing.T, d *Datapoint) Past {
	t.Helper()
	past := Past{Run: d.Run, Repetition: d.Repetition, Parameters: make(map[string]any)}
	for _, p := range d.Parameters {
		data, err := json.Marshal(p.Value)
		if err != nil {
			t.Fatal(err)
		}
		var v any
		if err := json.Unmarshal(data, &v); err != nil {
			t.Fatal(err)
		}
		past.Parameters[p.Name] = v
	}
	for _, p := range d.Processes {
		past.Processes = append(past.Processes, PastProcess{Host: p.Host, Name: p.Name, Group: p.Group, Index: p.Index, Rank: p.Rank})
	}
	return past
}

// A run that was made is judged by the same file as it was when it ended: every
// place, parameter and limit is as it was.
func TestJudgesOfAPastRun(t *testing.T) {
	t.Parallel()
	files := map[string]string{
		"groups": `
hosts: {a: {address: 10.0.0.1}, b: , c: }
matrix: {n: [1, 3], rate: [0.5, 2.0], mode: [fast]}
collect: "**"
groups:
  server: {on: c, run: server}
  client: {on: [a, b], count: "{{.n}}", name: "{{.mode}}{{.index}}", run: "x {{.rate}}"}
metrics:
  own: {file: "{{.name}}.{{.index}}.{{.rank}}.{{.local}}.{{.count}}.{{.group}}.{{.host}}.{{.address}}.{{.rate}}.{{port .index}}.csv", field: v, group: client, reduce: sum}
  all: {file: "{{join \"-\" (addresses \"client\")}}.{{address \"server.0\"}}.csv", field: '{{.mode}}{{index (seq 9) .n}}{{printf "%03d" .n}}{{join "," (seq .n)}}', where: {n: "{{.n}}", rate: "{{.rate}}"}, reduce: max}
  out: {output: stderr, pattern: "{{.mode}} (\\d+)", host: [a, c], reduce: {lines: last, processes: mean}}
require: {own: "> {{mul .n 10}}", start_skew: "< {{.n}}ms"}
`,
		"small form": `
hosts: {a: ["x {{.v}}", y], b: [z]}
matrix: {v: [text, 7, true]}
collect: "**"
metrics: {m: {file: "{{.name}}.{{.index}}.{{.rank}}.{{.local}}.{{.count}}.{{.v}}.csv", field: v, reduce: sum}}
`,
	}
	for name, text := range files {
		f := mustParse(t, "x.yaml", text)
		for _, point := range f.Points() {
			d, err := point.Expand(trial)
			if err != nil {
				t.Fatal(err)
			}
			judges, err := f.Judges(pastOf(t, d))
			if err != nil || !reflect.DeepEqual(judges, d.Measures) {
				t.Errorf("%s, %s: got %v,\n%+v, want\n%+v", name, point, err, judges, d.Measures)
			}
		}
	}
}

// A run of an earlier version has the hosts and processes that it had; what it does
// not have can't be asked for.
func TestJudgesOfAnotherVersion(t *testing.T) {
	t.Parallel()
	before := mustParse(t, "x.yaml", "hosts: {old: , a: }\nmatrix: {n: [2]}\ngroups: {g: {on: [old, a], count: 3, run: 'x {{.n}}'}}")
	d, err := before.Points()[0].Expand(trial)
	if err != nil {
		t.Fatal(err)
	}
	const now = "hosts: {a: }\nmatrix: {n: [1], op: [get]}\ngroups: {g: {on: a, run: 'x {{.n}} {{.op}}'}}\n"
	f := mustParse(t, "x.yaml", now+"metrics: {m: {output: stdout, pattern: (.), group: g, reduce: sum}}")
	judges, err := f.Judges(pastOf(t, d))
	want := []Source{{Host: "old", Process: "g.0"}, {Host: "a", Process: "g.1"}, {Host: "old", Process: "g.2"}}
	if err != nil || !reflect.DeepEqual(judges.Metrics[0].Sources, want) {
		t.Errorf("got %v, %+v, want %+v", err, judges, want)
	}
	f = mustParse(t, "x.yaml", now+"metrics: {m: {output: stdout, pattern: '{{.op}} (.)', group: g, reduce: sum}}")
	judges, err = f.Judges(pastOf(t, d))
	if err == nil || !strings.Contains(err.Error(), "op") || len(judges.Metrics) != 1 || judges.Metrics[0].Definition == "" || judges.Metrics[0].Sources != nil {
		t.Errorf("got %v, %+v, want an error of .op", err, judges)
	}
}
