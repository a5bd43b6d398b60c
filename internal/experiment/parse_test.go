package experiment

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
)

// TestFullForm: every field of the file arrives where it is meant to.
func TestFullForm(t *testing.T) {
	t.Parallel()
	f := mustParse(t, "x.yaml", `
name: locks
hosts: {nevis: {address: 10.0.0.1}, hyperion: , lagoon: {}, idle: ~}
groups:
  server: {on: nevis, run: honu serve}
  client:
    on: [hyperion, lagoon]
    count: 3
    run: [honu, bench, 5, true, -p, "K{{.index}}"]
    name: load-{{.index}}
    env: {LEVEL: 2, NAME: "{{.name}}", EMPTY: ""}
    dir: /srv/{{.host}}
    delay: 1.5s
    ok_exit: [0, 143, 0]
stop: {when: client, after: 60s, grace: 2s, on_failure: false}
timeout: 2m
`)
	wantStop := StopRule{When: []string{"client"}, After: time.Minute, Grace: 2 * time.Second}
	wantHosts := []Host{{"nevis", "10.0.0.1"}, {"hyperion", ""}, {"lagoon", ""}, {"idle", ""}}
	if !reflect.DeepEqual(f.Hosts, wantHosts) {
		t.Errorf("hosts: got %v, want %v", f.Hosts, wantHosts)
	}
	wantGroups := []Group{{"server"}, {"client"}}
	if !reflect.DeepEqual(f.Groups, wantGroups) {
		t.Errorf("groups: got %v, want %v", f.Groups, wantGroups)
	}
	if len(f.Warnings) != 1 || f.Warnings[0].Error() != "x.yaml: hosts.idle: no process is placed on this host: it takes no part" {
		t.Errorf("warnings: got %v", f.Warnings)
	}
	d, err := f.Points()[0].Expand(trial)
	if err != nil {
		t.Fatal(err)
	}
	if d.Name != "locks" || d.Timeout != 2*time.Minute || !reflect.DeepEqual(d.Stop, wantStop) {
		t.Errorf("got name %s, timeout %s, stop %+v", d.Name, d.Timeout, d.Stop)
	}
	p := d.Processes[2]
	if p.Host != "lagoon" || p.Name != "load-1" || p.Group != "client" || p.Index != 1 || p.Rank != 2 || p.Local != 0 {
		t.Errorf("process: got %+v", p)
	}
	if want := []string{"honu", "bench", "5", "true", "-p", "K1"}; !reflect.DeepEqual(p.Argv, want) {
		t.Errorf("argv: got %q, want %q", p.Argv, want)
	}
	if want := map[string]string{"LEVEL": "2", "NAME": "load-1", "EMPTY": ""}; !reflect.DeepEqual(p.Env, want) {
		t.Errorf("env: got %q, want %q", p.Env, want)
	}
	if p.Dir != "/srv/lagoon" || p.DelayMS != 1500 || !reflect.DeepEqual(p.OKExit, []int{0, 143}) {
		t.Errorf("got dir %q, delay %d ms, ok_exit %v", p.Dir, p.DelayMS, p.OKExit)
	}
}

// TestDefaults: what the file leaves out is as docs/file.md says.
func TestDefaults(t *testing.T) {
	t.Parallel()
	d := mustExpand(t, "dir/greeting.yaml", `hosts: {a: [echo], b: }`+"\n"+`groups: {c: {on: [b, a], run: x}}`)
	want := StopRule{Grace: 10 * time.Second, OnFailure: true}
	if d.Name != "greeting" || d.Timeout != time.Hour || !reflect.DeepEqual(d.Stop, want) || d.Index != 1 || d.Run != trial {
		t.Errorf("got %+v", d)
	}
	p := d.Processes[1]
	if len(d.Processes) != 3 || p.Name != "c.0" || p.Host != "b" || !reflect.DeepEqual(p.OKExit, []int{0}) || p.Env != nil || p.Dir != "" {
		t.Errorf("without a count there is one process on each host: got %+v", d.Processes)
	}
}

// TestSmallForm: a host and its commands, with groups beside them.
func TestSmallForm(t *testing.T) {
	t.Parallel()
	d := mustExpand(t, "x.json", `{
		"hosts": {
			"alpha": ["./child -l 5", ["./child", "a b", 6], {"run": "./child {{.index}} {{.rank}} {{.local}} {{.count}} [{{.group}}] {{.name}}", "name": "third"}],
			"bravo": ["./child {{.index}} {{.rank}} {{.count}}"]
		},
		"groups": {"late": {"on": "alpha", "run": "./child {{.rank}}"}}
	}`)
	want := []string{
		"alpha/0 ./child|-l|5",
		"alpha/1 ./child|a b|6",
		"alpha/third ./child|2|2|2|3|[]|third",
		"bravo/0 ./child|0|3|1",
		"alpha/late.0 ./child|4",
	}
	if got := commandLines(d); !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func commandLines(d *Datapoint) []string {
	lines := make([]string, len(d.Processes))
	for i, p := range d.Processes {
		lines[i] = fmt.Sprintf("%s/%s %s", p.Host, p.Name, strings.Join(p.Argv, "|"))
	}
	return lines
}

// TestSameInEveryNotation: legal JSON in all its forms, and YAML, mean the same.
func TestSameInEveryNotation(t *testing.T) {
	t.Parallel()
	const compact = `{"name":"x","hosts":{"a":{"address":"10.0.0.1"}},"groups":{"g":{"on":["a"],"count":2,"run":["é😀/","tab\t"],"env":{"N":12345678901234567890123,"B":true}}},"timeout":"5s"}`
	const yaml = "name: x\nhosts:\n  a:\n    address: 10.0.0.1\ngroups:\n  g:\n    on:\n    - a\n    count: 2\n" +
		"    run: [é😀/, \"tab\\t\"]\n    env: {N: 12345678901234567890123, B: true}\ntimeout: 5s\n"
	const anchors = "name: x\nhosts: {a: {address: &ip 10.0.0.1}}\ngroups:\n  g:\n    <<: {count: 2, on: b}\n    on: [a]\n" +
		"    run: [é😀/, !!str \"tab\\t\"]\n    env: &e {N: 12345678901234567890123, B: true}\ntimeout: 5s\n"
	tests := []struct{ name, file, text string }{
		{"tabs", "x.json", strings.NewReplacer("{", "{\n\t", ",", "\n\t,\t", ":", "\t:\t").Replace(compact)},
		{"CRLF", "x.json", strings.ReplaceAll(compact, ",", ",\r\n")},
		{"BOM", "x.json", "\ufeff" + compact},
		{"escapes", "x.json", strings.NewReplacer("é", `\u00e9`, "😀", `\ud83d\uDE00`, "/", `\/`, `"name"`, `"n\u0061me"`).Replace(compact)},
		{"JSON called YAML", "x.yaml", compact},
		{"JSON called YAML, with tabs", "x.yaml", strings.NewReplacer("{", "{\n\t", ",", "\n\t,\t").Replace(compact)},
		{"JSON called nothing", "standard input", compact},
		{"flow YAML", "x.yaml", strings.Replace(compact, `"name":`, "name: ", 1)},
		{"flow YAML with a last comma", "x.yaml", strings.Replace(compact, `"5s"}`, "5s,}", 1)},
		{"YAML", "x.yaml", yaml},
		{"YAML with CRLF", "x.yaml", strings.ReplaceAll(yaml, "\n", "\r\n")},
		{"YAML with BOM", "x.yaml", "\ufeff" + yaml},
		{"YAML of one document", "x.yaml", "%YAML 1.2\n---\n" + yaml + "...\n"},
		{"YAML with anchors", "x.yaml", anchors},
	}
	want := mustExpand(t, "x.json", compact)
	if got := commandLines(want)[1]; got != "a/g.1 é😀/|tab\t" {
		t.Fatalf("got %q", got)
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := mustExpand(t, tt.file, tt.text); !reflect.DeepEqual(got, want) {
				t.Errorf("got\n%+v\nwant\n%+v", got, want)
			}
		})
	}
}

// TestNames: an experiment without a name is called as its file.
func TestNames(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"a/b/sample.json": "sample", "x.y.yaml": "x.y", "standard input": "experiment", ".json": "experiment", "my file.yaml": "experiment",
	} {
		if f := mustParse(t, path, `{"hosts": {"a": ["x"]}}`); f.Name != want {
			t.Errorf("%s: got %q, want %q", path, f.Name, want)
		}
	}
}

// TestOrder: hosts, groups and ranks keep the order of the file.
func TestOrder(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"x.json", "x.yaml"} {
		d := mustExpand(t, name, `{"hosts": {"z": ["x"], "m": null, "a": ["x"]}, "groups": {"q": {"on": ["m", "a"], "run": "x"}, "b": {"on": "m", "run": "x"}}}`)
		got := strings.Join(commandLines(d), ", ")
		if want := "z/0 x, a/0 x, m/q.0 x, a/q.1 x, m/b.0 x"; got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
		if got := fmt.Sprint(hostNames(d.Hosts)); got != "[z m a]" {
			t.Errorf("%s: hosts: got %s", name, got)
		}
	}
}
