package experiment

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// compiledSchema is the schema as somebody else's library understands it.
func compiledSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	data, err := os.ReadFile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	document, err := jsonschema.UnmarshalJSON(strings.NewReader(string(data)))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("experiment.schema.json", document); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("experiment.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// validate gives what the schema has against a text that is JSON or YAML.
func validate(t *testing.T, s *jsonschema.Schema, name string, text []byte) error {
	t.Helper()
	r := &report{path: name}
	n := parseSource(r, text)
	if err := r.err(); err != nil {
		t.Fatal(err)
	}
	return s.Validate(plain(n))
}

// plain is a node's value as encoding/json would give it.
func plain(n *node) any {
	switch n.kind {
	case boolNode:
		return strings.EqualFold(n.text, "true")
	case numberNode:
		return json.Number(n.text)
	case stringNode:
		return n.text
	case listNode:
		list := []any{}
		for _, item := range n.items {
			list = append(list, plain(item))
		}
		return list
	case mapNode:
		m := make(map[string]any)
		for _, p := range n.pairs {
			m[p.key] = plain(p.value)
		}
		return m
	default:
		return nil
	}
}

// TestSchemaAcceptsExamples: the schema has nothing against the files that come
// with the project, nor against those in its documentation.
func TestSchemaAcceptsExamples(t *testing.T) {
	t.Parallel()
	s := compiledSchema(t)
	texts := make(map[string]string)
	for _, path := range exampleFiles(t) {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		texts[path] = string(data)
	}
	dir := shippedByDocs(t)
	for i, b := range regexp.MustCompile("(?s)```(json|yaml)\n(.*?)```").FindAllStringSubmatch(readDocs(t), -1) {
		if strings.Contains(b[2], "hosts") {
			texts[filepath.Join(dir, "file.md-"+string(rune('a'+i))+"."+b[1])] = b[2]
		}
	}
	texts["measured.yaml"] = measuredFile
	texts["schema.json"] = `{"$schema": "docs/experiment.schema.json", "hosts": {"a": [["x", 5, true], {"run": "x", "ok_exit": [0, 143], "delay": "{{.index}}s", "env": {"A": 5}}], "b": null}}`
	if len(texts) < 10 {
		t.Fatalf("found %d files", len(texts))
	}
	for name, text := range texts {
		if _, err := Parse(name, []byte(text)); err != nil {
			t.Errorf("Parse: %v", err)
		}
		if err := validate(t, s, name, []byte(text)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestSchemaRefusesWhatIsWrong: what a schema can tell, an editor shows.
func TestSchemaRefusesWhatIsWrong(t *testing.T) {
	t.Parallel()
	s := compiledSchema(t)
	const fine = "name: x\nhosts: {a: }\ngroups: {c: {on: a, run: x}}\n"
	if err := validate(t, s, "x.yaml", []byte(fine)); err != nil {
		t.Fatal(err)
	}
	for _, wrong := range []string{
		"naem: x", "name: a b", "name: 5", "repeat: 0", "repeat: 1.5", "retries: 101", "order: backwards", "pause: soon", "pause: 5", "timeout: 5 s", "seed: -1",
		"matrix: {n: []}", "matrix: {n: 3}", "matrix: {a-b: [1]}", "matrix: {n: [[1]]}", "matrix: {n: [1, 1]}", "matrix: {include: {n: 1}}", "matrix: {exclude: [{}]}",
		"stop: client", "stop: {wen: c}", "stop: {when: []}", "stop: {on_failure: 1}", "grace: -1s",
		"setup: 5", "setup: []", "setup: [[]]", "teardown: {on: a}", "setup: {run: x, timeuot: 3s}", "setup: {run: x, delay: 3s}", "setup: [{run: x, timeout: 5}]",
		"require: [perl]", "require: {start_skew: 5ms}", "require: {start_skew: 5}", "require: {start_skew: '== 5ms'}", "require: {start_skew: []}",
		"metrics: []", "metrics: {m: {}}",
		"metrics: {m: {output: stdout, format: csv, field: x}}",
		"metrics: {m: {output: stdout, format: hdr, field: x, reduce: p99}}", "metrics: {m: {run: sh, tag: x}}",
		"metrics: {m: {run: sh, output: stdout}}", "metrics: {m: {run: sh, reduce: sum}}", "metrics: {m: {run: []}}", "metrics: {m: {run: sh, timeout: soon}}",
		"metrics: {m: {output: stdout, pattern: (x), reduce: sum, timeout: 1s}}", "require: {m: {}}", "require: {m: {run: sh, field: x}}",
		"metrics: {m: {output: stdot, format: csv, field: x, reduce: sum}}",
		"metrics: {m: {output: stdout, file: a.csv, field: x, reduce: sum}}",
		"metrics: {m: {output: stdout, reduce: sum}}",
		"metrics: {m: {output: stdout, pattern: (x), field: x, reduce: sum}}",
		"metrics: {m: {output: stdout, pattern: (x), format: csv, reduce: sum}}",
		"metrics: {m: {output: stdout, pattern: (x), reduce: medain}}",
		"metrics: {m: {output: stdout, pattern: (x), reduce: p100}}",
		"metrics: {m: {output: stdout, pattern: (x), reduce: {lines: sum}}}",
		"metrics: {m: {output: stdout, pattern: (x), reduce: sum, scale: 0}}",
		"metrics: {m: {output: stdout, pattern: (x), reduce: sum, unit: 5}}",
		"metrics: {m: {file: a.csv, field: x, where: {}, reduce: sum}}",
		"metrics: {m: {file: a.csv, field: x, fiel: x, reduce: sum}}",
		"metrics: {m: {output: stdout, pattern: (x), reduce: sum, window: 5}}", "metrics: {m: {output: stdout, pattern: (x), reduce: sum, series: soon}}",
		"windows: []", "windows: {w: 5s}", "windows: {w: {form: 5s}}", "windows: {w: {from: 5}}", "windows: {w: {from: soon}}", "windows: {w: {from: 1us}}",
		"windows: {w: {from: {t: 5s}}}", "windows: {w: {from: {mark: m, action: 0}}}", "windows: {w: {to: {action: -1}}}", "windows: {w: {to: {mark: m, t: 5}}}",
	} {
		checkRefused(t, s, fine+wrong)
	}
	for _, hosts := range []string{
		"{}", "[a]", "{a: []}", "{a: 5}", "{a: {place: [x]}}", "{a: {a-b: x}}", "{'a b': }", "{a: [5]}", "{a: [[]]}", "{a: [{name: x}]}", "{a: [{run: x, count: 3}]}",
		"{a: [{run: x, ok_exit: 256}]}", "{a: [{run: x, ok_exit: []}]}", "{a: [{run: x, env: {DOWNBEAT_RUN: x}}]}", "{a: [{run: x, shell: 1}]}", "{a: [{run: x, delay: 5}]}",
	} {
		checkRefused(t, s, "hosts: "+hosts)
	}
	for _, group := range []string{"{run: x}", "{on: a}", "{on: [], run: x}", "{on: a, run: x, count: -1}", "{on: {of: a}, run: x}", "{on: {pick: 0}, run: x}", "{on: {pick: 1, off: a}, run: x}", "{on: a, run: x, count: many}", "{on: a, run: x, cuont: 3}"} {
		checkRefused(t, s, "hosts: {a: }\ngroups: {c: "+group+"}")
	}
	checkRefused(t, s, "name: x")
}

// checkRefused checks that both the schema and Parse have something against a text.
func checkRefused(t *testing.T, s *jsonschema.Schema, text string) {
	t.Helper()
	if err := validate(t, s, "x.yaml", []byte(text)); err == nil {
		t.Errorf("the schema takes\n%s", text)
	}
	if _, err := Parse("x.yaml", []byte(text)); err == nil {
		t.Errorf("Parse takes\n%s", text)
	}
}
