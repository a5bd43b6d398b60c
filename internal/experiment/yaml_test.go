package experiment

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// readings makes readings of YAML files by another parser: every scalar is its
// text, and merges are carried out.
const readings = `
import json, sys, yaml
class Texts(yaml.SafeLoader): pass
for t in ("null", "bool", "int", "float", "timestamp"):
    Texts.add_constructor("tag:yaml.org,2002:" + t, lambda l, n: l.construct_scalar(n))
for path in sys.argv[1:]:
    with open(path, encoding="utf-8", newline="") as f:
        text = f.read()
    with open(path[:-len("yaml")] + "json", "w") as out:
        json.dump(yaml.load(text.replace("%YAML 1.2", "%YAML 1.1"), Loader=Texts), out, indent=1, ensure_ascii=False, sort_keys=True)
        out.write("\n")
`

// TestYAMLIsReadAsOthersReadIt compares the tree of each file of a corpus with
// what PyYAML makes of it. With -update, PyYAML reads the corpus anew.
func TestYAMLIsReadAsOthersReadIt(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/yaml/*.yaml")
	if err != nil || len(files) < 15 {
		t.Fatalf("the corpus has %d files, %v", len(files), err)
	}
	if *update {
		if out, err := exec.CommandContext(t.Context(), "python3", append([]string{"-c", readings}, files...)...).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	for _, path := range files {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		reading, err := os.ReadFile(strings.TrimSuffix(path, "yaml") + "json")
		if err != nil {
			t.Fatal(err)
		}
		var want any
		if err := json.Unmarshal(reading, &want); err != nil {
			t.Fatal(err)
		}
		r := &report{path: path}
		n := parseYAML(r, data)
		if err := r.err(); err != nil {
			t.Errorf("%v", err)
			continue
		}
		compareTrees(t, path, texts(n), want)
	}
}

// compareTrees says at which place two trees begin to differ.
func compareTrees(t *testing.T, path string, got, want any) {
	t.Helper()
	g, gotMap := got.(map[string]any)
	w, wantMap := want.(map[string]any)
	if !gotMap || !wantMap {
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %#v, want %#v", path, got, want)
		}
		return
	}
	for key := range w {
		compareTrees(t, path+": "+key, g[key], w[key])
	}
	if len(g) != len(w) {
		t.Errorf("%s: got %d keys, want %d", path, len(g), len(w))
	}
}

// texts is the tree with each scalar as its text.
func texts(n *node) any {
	switch n.kind {
	case listNode:
		list := []any{}
		for _, item := range n.items {
			list = append(list, texts(item))
		}
		return list
	case mapNode:
		m := map[string]any{}
		for _, p := range n.pairs {
			m[p.key] = texts(p.value)
		}
		return m
	default:
		return n.text
	}
}

// TestPlainYAMLScalars pins what a value without quotes is: the core schema of
// YAML 1.2, so that a number is one however it is written.
func TestPlainYAMLScalars(t *testing.T) {
	t.Parallel()
	tests := map[kind][]string{
		numberNode: {
			"0", "-1", "+7", "007", "1.0", "-0.5", ".5", "5.", "1e6", "1E3", "1e-5", "1.5e+3", "-2E-2", "12e03", "0x1F", "0o17",
			"12345678901234567890123", ".inf", "-.INF", "+.inf", ".nan", ".NaN",
		},
		boolNode: {"true", "True", "TRUE", "false", "False", "FALSE"},
		nullNode: {"", "~", "null", "Null", "NULL"},
		stringNode: {
			"yes", "no", "on", "off", "y", "1_000", "1:30", "12:30:45", "2026-11-27", "0x", "0xZZ", "0o8", "1e", "e1", "1.2.3", "--1", "nan", "inf",
			"10.0.0.1:7000", "1,5", "0b1", ".", "+", "-", "nULL", "tRUE", "1e6s", "=",
		},
	}
	for want, values := range tests {
		for _, value := range values {
			if got := plainKind(value); got != want {
				t.Errorf("%q is %s, want %s", value, got, want)
			}
			if value == "-" {
				continue // begins a list
			}
			r := &report{path: "x.yaml"}
			n := parseYAML(r, []byte("k: "+value+"\n"))
			if err := r.err(); err != nil {
				t.Errorf("%q: %v", value, err)
			} else if got := n.pairs[0].value; got.kind != want || got.text != value {
				t.Errorf("k: %s is %s with the text %q, want %s", value, got.kind, got.text, want)
			}
		}
	}
}
