package experiment

import (
	"strings"
	"testing"
)

// An experiment that an earlier build has begun can be resumed: what is defined alike
// has the same definition as ever. The hashes are literals.
func TestDefinitionsArePinned(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"hosts: {a: [x]}": "02159b021a0e9cbe8344ac74a6f1fa52b2b96eeeda289e743aa38fd0bac96651",
		`
name: t
hosts: {alpha: , bravo: {address: 10.0.0.2}}
matrix: {n: [1]}
setup: {run: a | b, shell: true, on: bravo, timeout: 3s, env: {A: b}, dir: d, ok_exit: [0, 3], pty: true}
teardown: [rm x]
groups: {g: {on: [alpha, bravo], count: 2, delay: 5ms, env: {C: d}, dir: e, pty: true, ok_exit: 7, run: x -y}}
stop: {when: g, after: 4s}
timeout: 9s
collect: ["*.csv"]
files: {c: {text: x, on: alpha}}
metrics: {m: {file: a.csv, field: f, reduce: sum}}
`: "d2ce19c0f3df174b5ac5048b54d3b968ca63da63cef188a076f4dedbe22e2505",
	} {
		got, err := mustParse(t, "t.yaml", text).Points()[0].Definition()
		if err != nil || got != want {
			t.Errorf("the definition is %s (%v), want %s, of %s", got, err, want, text)
		}
	}
}

// No field of a datapoint is forgotten in its definition; see TestChangesKnowEveryField
// for what has to be said where there is a new one.
func TestDefinitionHasWhatEachFieldSays(t *testing.T) {
	t.Parallel()
	const base = "hosts: {alpha: , bravo: }\ngroups: {g: {on: [alpha, bravo], count: 2, run: ./run}}\n"
	seen := make(map[string]string)
	for _, text := range []string{
		"", "name: y\n", "timeout: 5s\n", "stop: {when: g}\n", "stop: {after: 2s}\n", "stop: {grace: 3s}\n", "stop: {on_failure: false}\n", "collect: a\n",
		"files: {c: {text: x}}\n", "setup: a\n", "setup: {run: a, ok_exit: 3}\n", "setup: {run: a, pty: true}\n", "setup: {run: a, dir: d}\n",
		"groups: {g: {on: [alpha, bravo], count: 2, run: ./run}, h: {on: alpha, run: y}}\n",
		"groups: {g: {on: [alpha, bravo], count: 2, run: ./run}, h: {on: alpha, run: y, after: g}}\n",
		"groups: {g: {on: [alpha, bravo], count: 2, run: ./run}, h: {on: alpha, run: y, after: g.ended}}\n",
		"groups: {g: {on: [alpha, bravo], count: 2, run: ./run}, h: {on: alpha, run: y, after: {of: g, delay: 1s}}}\n",
		"stop: {after: 2s, order: last-beat-first}\n",
		"at: {t: 1s, stop: g.0}\n", "at: {t: 2s, stop: g.0}\n", "at: {t: 1s, stop: g.1}\n", "at: {t: 1s, start: g.0}\n", "at: {mark: m, t: 1s, stop: g.0}\n",
		"at: {mark: n, t: 1s, stop: g.0}\n", "at: {line: m, t: 1s, stop: g.0}\n", "at: {line: n, t: 1s, stop: g.0}\n", "at: {line: m, of: g.0, t: 1s, stop: g.0}\n",
		"at: {line: m, t: 1s, stop: g.0, times: 2}\n", "at: {line: m, t: 1s, stop: {that: line}}\n", "at: {mark: m, t: 1s, stop: {that: mark}}\n", "at: {t: 1s, stop: g.0, optional: true}\n",
		"at: {t: 1s, signal: KILL, to: g.0}\n", "at: {t: 1s, signal: INT, to: g.0}\n", "at: {t: 1s, pause: g.0, for: 1s}\n", "at: {t: 1s, pause: g.0, for: 2s}\n",
		"at: {t: 1s, run: x}\n", "at: {t: 1s, run: y}\n", "at: [{t: 1s, run: x}, {t: 1s, stop: g.0}]\n",
		"setup: {run: a, env: {A: b}}\n", "setup: {run: a, timeout: 3s}\n", "teardown: a\n",
	} {
		whole := base + text
		if strings.HasPrefix(text, "groups") {
			whole = "hosts: {alpha: , bravo: }\n" + text
		}
		d, err := mustParse(t, "t.yaml", whole).Points()[0].Definition()
		if err != nil {
			t.Fatal(err)
		}
		if other, twice := seen[d]; twice {
			t.Errorf("%q and %q have the same definition", text, other)
		}
		seen[d] = text
	}
}

// Whatever a field of the table says of a command is part of the definition, and
// [Datapoint.Changes] tells of it. A new field needs a value here.
func TestEveryCommandFieldIsDefined(t *testing.T) {
	t.Parallel()
	other := map[string]string{
		"on": "[bravo]", "count": "2", "collect": "x", "run": "other", "name": "other", "env": "{A: b}", "dir": "d", "delay": "1s", "timeout": "2s",
		"ok_exit": "3", "shell": "true", "pty": "true", "after": "h", "ready": "{port: 70}", "restart": "{on: failure}", "stop": "{signal: INT}",
	}
	for _, f := range commandFields {
		value := other[f.name]
		if value == "" {
			t.Errorf("%s has no value here", f.name)
			continue
		}
		command := "{run: ./run, on: alpha, " + f.name + ": " + value + "}"
		if f.name == "run" || f.name == "on" { // these are there already
			command = strings.Replace("{run: ./run, on: alpha}", map[string]string{"run": "./run", "on": "alpha"}[f.name], value, 1)
		}
		if f.in == 0 || f.in&ofGroup != 0 {
			checkDefined(t, "groups: {h: {run: y, on: alpha}, g: {run: ./run, on: alpha}}", "groups: {h: {run: y, on: alpha}, g: "+command+"}")
		}
		if f.in == 0 || f.in&ofPhase != 0 {
			checkDefined(t, "groups: {g: {run: x, on: [alpha, bravo]}}\nsetup: {run: ./run, on: alpha}", "groups: {g: {run: x, on: [alpha, bravo]}}\nsetup: "+command)
		}
		if f.in == 0 || f.in&ofAction != 0 {
			act := strings.Replace(command, "{", "{t: 1s, ", 1)
			checkDefined(t, "groups: {g: {run: x, on: [alpha, bravo]}}\nat: {t: 1s, run: ./run, on: alpha}", "groups: {g: {run: x, on: [alpha, bravo]}}\nat: "+act)
		}
	}
}

func checkDefined(t *testing.T, before, after string) {
	t.Helper()
	const hosts = "hosts: {alpha: , bravo: }\n"
	was, now := mustParse(t, "t.yaml", hosts+before).Points()[0], mustParse(t, "t.yaml", hosts+after).Points()[0]
	a, err := was.Definition()
	if err != nil {
		t.Fatal(err)
	}
	if b, err := now.Definition(); err != nil || a == b {
		t.Errorf("%s has the definition of %s (%v)", after, before, err)
	}
	d, e := mustExpand(t, "t.yaml", hosts+before), mustExpand(t, "t.yaml", hosts+after)
	if len(e.Changes(d)) == 0 {
		t.Errorf("Changes does not tell %s from %s", after, before)
	}
}
