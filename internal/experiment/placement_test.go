package experiment

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// placesOf gives each process with its host, in the order of ranks.
func placesOf(d *Datapoint) string {
	var list []string
	for _, p := range d.Processes {
		list = append(list, p.Name+"@"+p.Host)
	}
	return strings.Join(list, " ")
}

// at expands the datapoint with that place in the order in which they run, from 0.
func at(t *testing.T, text string, n int) *Datapoint {
	t.Helper()
	d, err := mustParse(t, "x.yaml", text).Points()[n].Expand(trial)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// A template in `on` gives one host or several.
func TestPlacementByTemplate(t *testing.T) {
	t.Parallel()
	const text = `
hosts: {alpha: , bravo: , charlie: }
matrix: {place: [alpha, "bravo, charlie", charlie bravo]}
groups: {g: {on: "{{.place}}", count: 2, run: x}, h: {on: ["{{.place}}"], run: x}}
`
	for n, want := range []string{
		"g.0@alpha g.1@alpha h.0@alpha", "g.0@bravo g.1@charlie h.0@bravo h.1@charlie", "g.0@charlie g.1@bravo h.0@charlie h.1@bravo",
	} {
		if got := placesOf(at(t, text, n)); got != want {
			t.Errorf("datapoint %d: got %s, want %s", n+1, got, want)
		}
	}
}

const picks = `
hosts: {alpha: , bravo: , charlie: , delta: , echo: }
seed: %d
repeat: 40
groups:
  client: {on: {pick: 2, of: [bravo, charlie, delta, echo], not: [server, echo]}, count: 3, run: x}
  server: {on: {pick: "{{add 1 0}}", of: [alpha, bravo, charlie]}, run: x}
`

// The hosts that are picked depend on the seed and the datapoint, are none of those to
// avoid, and are the same however often they are asked for.
func TestPickedHosts(t *testing.T) {
	t.Parallel()
	var one, two []string
	for n := range 40 {
		d := at(t, fmt.Sprintf(picks, 1), n)
		one, two = append(one, placesOf(d)), append(two, placesOf(at(t, fmt.Sprintf(picks, 2), n)))
		server, clients := d.Picked["server"], d.Picked["client"]
		if len(server) != 1 || len(clients) != 2 || clients[0] == clients[1] || slices.Contains(clients, server[0]) || slices.Contains(clients, "echo") || slices.Contains(clients, "alpha") {
			t.Errorf("datapoint %d: picked %v", n+1, d.Picked)
		}
		for i, p := range d.Processes[:3] {
			if p.Host != clients[i%2] {
				t.Errorf("datapoint %d: %s, picked %v", n+1, placesOf(d), d.Picked)
			}
		}
		if again := at(t, fmt.Sprintf(picks, 1), n); placesOf(again) != placesOf(d) {
			t.Errorf("datapoint %d: %s, and at the next try %s", n+1, placesOf(d), placesOf(again))
		}
	}
	if slices.Equal(one, two) {
		t.Error("the seed makes no difference")
	}
	if kinds := slices.Compact(slices.Sorted(slices.Values(one))); len(kinds) < 5 {
		t.Errorf("40 repetitions have only %v", kinds)
	}
}

// A point that has moved in the file keeps its hosts, and so its definition.
func TestPickDoesNotDependOnPlace(t *testing.T) {
	t.Parallel()
	const text = "hosts: {alpha: , bravo: , charlie: }\nmatrix: {n: [%s]}\ngroups: {g: {on: {pick: 1}, run: 'x {{.n}}'}}"
	for n := range 8 {
		alone := at(t, fmt.Sprintf(text, fmt.Sprint(n)), 0)
		if among := at(t, fmt.Sprintf(text, "0, 1, 2, 3, 4, 5, 6, 7"), n); placesOf(alone) != placesOf(among) {
			t.Errorf("n=%d alone: %s, among others: %s", n, placesOf(alone), placesOf(among))
		}
	}
}

// An empty group has no processes and stands in nobody's way.
func TestEmptyGroup(t *testing.T) {
	t.Parallel()
	const text = `
hosts: {alpha: , bravo: , charlie: }
matrix: {clients: [0, 2]}
groups:
  server: {on: alpha, run: 'x {{join "," (endpoints "client" 7000)}} {{len (hosts "client")}}'}
  client: {on: [bravo, charlie], count: "{{.clients}}", run: y}
  log: {on: {pick: 1, of: [bravo, charlie], not: client}, count: "{{sub 2 .clients}}", run: z}
stop: {when: [client, server], after: 5s}
metrics: {rate: {output: stdout, pattern: '(\d+)', group: client, reduce: sum}}
require: {rate: "> 5", start_skew: "< 1s"}
`
	f, err := Parse("x.yaml", []byte(strings.Replace(text, ", not: client", "", 1)))
	if err != nil || len(f.Warnings) > 0 {
		t.Fatalf("%v, warnings %v", err, f.Warnings)
	}
	for n, want := range []string{
		"server.0@alpha log.0@ log.1@; [x  0] stop [server] hosts 2 metrics 1 required 1",
		"server.0@alpha client.0@bravo client.1@charlie; [x bravo:7000,charlie:7001 2] stop [client server] hosts 3 metrics 1 required 2",
	} {
		d, err := f.Points()[n].Expand(trial)
		if err != nil {
			t.Fatal(err)
		}
		got := fmt.Sprintf("%s; %v stop %v hosts %d metrics %d required %d", placesOf(d), d.Processes[0].Argv, d.Stop.When, len(d.Hosts), len(d.Metrics), len(d.Require))
		for _, picked := range []string{"bravo", "charlie"} { // wherever the log is
			got = strings.ReplaceAll(strings.ReplaceAll(got, "log.0@"+picked, "log.0@"), "log.1@"+picked, "log.1@")
		}
		if strings.ReplaceAll(got, "[x 0]", "[x  0]") != want {
			t.Errorf("datapoint %d: got\n%s\nwant\n%s", n+1, got, want)
		}
	}
}

// A stop rule about empty groups alone is worth a warning.
func TestStopWhenOfEmptyGroupsIsWarnedOf(t *testing.T) {
	t.Parallel()
	const text = "hosts: {a: }\nmatrix: {n: [0, 1]}\ngroups: {s: {on: a, run: x}, c: {on: a, run: y, count: '{{.n}}'}}\nstop: {when: c%s}"
	f := mustParse(t, "x.yaml", fmt.Sprintf(text, ""))
	const want = "x.yaml:4:14: stop.when: all these groups are empty, so nothing stops the other processes before the timeout (with n=0) (set stop.after to end such a run)"
	if len(f.Warnings) != 1 || f.Warnings[0].Error() != want {
		t.Errorf("got %v, want %s", f.Warnings, want)
	}
	if f = mustParse(t, "x.yaml", fmt.Sprintf(text, ", after: 5s")); len(f.Warnings) != 0 {
		t.Errorf("with stop.after: %v", f.Warnings)
	}
}

// A host's variables are keys for what runs there, and of the host everywhere.
func TestHostVariables(t *testing.T) {
	t.Parallel()
	d := mustExpand(t, "x.yaml", `
hosts:
  alpha: {address: 10.0.0.1, region: eu, disks: 4, fast: true}
  bravo: {region: us}
  charlie: ['x {{index . "region"}} {{(host "alpha").region}}']
setup: {run: 'prepare {{.region}}', on: alpha}
files: {f: {text: "{{.host}} {{index . \"disks\"}}"}}
groups:
  g: {on: [alpha, bravo], run: 'x {{.region}} {{index . "disks"}}{{if eq .index 0}} {{mul .disks 2}} {{.fast}}{{end}} {{range hosts "g"}}{{.name}}={{.region}},{{end}}'}
`)
	got := fmt.Sprint(d.Processes[0].Argv, d.Processes[1].Argv, d.Processes[2].Argv, d.Setup[0].Argv, d.Files["alpha"][0].Text, d.Files["bravo"][0].Text)
	if want := "[x eu] [x eu 4 8 true alpha=eu,bravo=us,] [x us alpha=eu,bravo=us,] [prepare eu]alpha 4bravo "; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	f := mustParse(t, "x.yaml", "hosts: {a: {addr: x, used: 1}, b: {addr: y}}\ngroups: {g: {on: [a, b], run: 'x {{index . \"used\"}}'}}")
	const want = "x.yaml:1:13: hosts.a.addr: no template uses .addr (a host's own fields: address)"
	if len(f.Warnings) != 1 || f.Warnings[0].Error() != want {
		t.Errorf("warnings %v, want %s", f.Warnings, want)
	}
}

// Templates know the datapoint, its repetition and the attempt at it. The attempt
// makes no difference to the definition.
func TestPointInTemplates(t *testing.T) {
	t.Parallel()
	f := mustParse(t, "x.yaml", `
hosts: {a: }
matrix: {n: [1, 2]}
repeat: 2
timeout: "{{mul .attempt 10}}s"
groups: {g: {on: a, count: "{{.repetition}}", name: "{{.datapoint}}-{{.index}}", run: "x {{.n}} {{.datapoint}} {{.repetition}} {{.attempt}}"}}
`)
	p := f.Points()[3]
	before, err := p.Definition()
	if err != nil {
		t.Fatal(err)
	}
	p.Attempt = 3
	d, err := p.Expand(trial)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprint(placesOf(d), d.Processes[1].Argv, d.Timeout), "4-0@a 4-1@a[x 2 4 2 3]30s"; strings.ReplaceAll(got, " ", "") != strings.ReplaceAll(want, " ", "") {
		t.Errorf("got %s, want %s", got, want)
	}
	if after, err := p.Definition(); err != nil || after != before {
		t.Errorf("the definition of another attempt is %s (%v), want %s", after, err, before)
	}
}

// A process can name those that it works with, and leave itself out.
func TestOthersAndPeers(t *testing.T) {
	t.Parallel()
	for template, want := range map[string]string{
		`{{join "," (others (endpoints "s" 7000))}}`:                      "10.0.0.2:7001,10.0.0.1:7002 10.0.0.1:7000,10.0.0.1:7002 10.0.0.1:7000,10.0.0.2:7001 10.0.0.1:7000,10.0.0.2:7001,10.0.0.1:7002",
		`{{join "," (others (addresses "s"))}}`:                           "10.0.0.2,10.0.0.1 10.0.0.1,10.0.0.1 10.0.0.1,10.0.0.2 10.0.0.1,10.0.0.2,10.0.0.1",
		`{{join "," (others (hosts "s"))}}`:                               "b a b a",
		`{{join "," (peers "s")}}`:                                        "s.1,s.2 s.0,s.2 s.0,s.1 s.0,s.1,s.2",
		`{{range peers "s"}}{{.index}}@{{.host}}:{{port .index}},{{end}}`: "1@b:20001,2@a:20002, 0@a:20000,2@a:20002, 0@a:20000,1@b:20001, 0@a:20000,1@b:20001,2@a:20002,",
		`{{range others (peers "s")}}{{.address}}/{{.zone}},{{end}}`:      "10.0.0.2/z,10.0.0.1/y, 10.0.0.1/y,10.0.0.1/y, 10.0.0.1/y,10.0.0.2/z, 10.0.0.1/y,10.0.0.2/z,10.0.0.1/y,",
		`n{{len (others (endpoints "none" 1))}}{{len (peers "none")}}`:    "n00 n00 n00 n00",
		`{{with others (endpoints "s" 7000)}}{{index . 0}}{{end}}`:        "10.0.0.2:7001 10.0.0.1:7000 10.0.0.1:7000 10.0.0.1:7000",
		`{{$e := endpoints "s" 7000}}{{join "," (others $e)}}{{len $e}}`:  "10.0.0.2:7001,10.0.0.1:70023 10.0.0.1:7000,10.0.0.1:70023 10.0.0.1:7000,10.0.0.2:70013 10.0.0.1:7000,10.0.0.2:7001,10.0.0.1:70023",
	} {
		f := mustParse(t, "x.yaml", fmt.Sprintf(`
hosts: {a: {address: 10.0.0.1, zone: y}, b: {address: 10.0.0.2, zone: z}}
groups: {s: {on: [a, b], count: 3, run: ["x", &t '%s']}, c: {on: b, run: [x, *t]}, none: {on: a, count: 0, run: y}}
`, template))
		d, err := f.Points()[0].Expand(trialRun)
		if err != nil {
			t.Errorf("%s: %v", template, err)
			continue
		}
		var got []string
		for _, p := range d.Processes {
			got = append(got, p.Argv[1])
		}
		base := (&calls{run: trialRun})
		first, _ := base.port()
		text := strings.ReplaceAll(strings.Join(got, " "), fmt.Sprintf(":%d", first), ":20000")
		for i := range 3 {
			text = strings.ReplaceAll(text, fmt.Sprintf(":%d", first+i), fmt.Sprintf(":%d", 20000+i))
		}
		if text != want {
			t.Errorf("%s: got\n%s\nwant\n%s", template, text, want)
		}
	}
}
