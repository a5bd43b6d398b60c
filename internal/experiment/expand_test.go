package experiment

import (
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"downbeat/internal/message"
)

// TestTemplates: each key and function gives what docs/file.md promises.
func TestTemplates(t *testing.T) {
	t.Parallel()
	tests := []struct{ template, want string }{
		{"{{.index}} {{.rank}} {{.local}} {{.count}}", "2 4 1 3"},
		{"{{.host}} {{.address}} {{.group}} {{.name}}", "bravo 10.0.0.2 g g.2"},
		{"{{.run}} {{.experiment}}", trial + " t"},
		{`{{(host "bravo").name}} {{(host "alpha").address}} {{host "bravo"}}`, "bravo alpha bravo"},
		{`{{with host "bravo"}}{{.name}}={{.address}}{{end}}`, "bravo=10.0.0.2"},
		{`{{join "," (hosts "g")}} {{len (hosts "g")}}`, "bravo,alpha 2"},
		{`{{range hosts "g"}}{{.address}};{{end}}`, "10.0.0.2;alpha;"},
		{`{{address "g.1"}} {{address "s.1"}} {{address "solo"}}`, "alpha 10.0.0.2 alpha"},
		{`{{join " " (addresses "g")}}`, "10.0.0.2 alpha 10.0.0.2"},
		{`{{join "," (endpoints "g" 7000)}}`, "10.0.0.2:7000,alpha:7001,10.0.0.2:7002"},
		{`{{index (addresses "g") .local}}`, "alpha"},
		{`{{range $i, $a := addresses "g"}}{{if $i}},{{end}}{{$i}}={{$a}}:{{add 7000 $i}}{{end}}`, "0=10.0.0.2:7000,1=alpha:7001,2=10.0.0.2:7002"},
		{"{{add 1 2 3}} {{sub 9 2 3}} {{mul 2 3 4}} {{div 17 3}} {{mod 17 3}}", "6 4 24 5 2"},
		{`{{join "," (seq 3)}} {{join "," (seq 0 2)}} [{{join "," (seq 0)}}] {{join "," (seq -1 1)}}`, "1,2,3 0,1,2 [] -1,0,1"},
		{"{{if eq .group `g`}}yes{{else}}no{{end}}", "yes"},
		{"{{range seq 2}}{{$.index}}{{end}}", "22"},
		{"{{range $i := seq 2}}{{if eq $i 2}}{{break}}{{end}}{{$i}}{{end}}", "1"},
		{`{{printf "%03d-%s" .index .host}} {{print 1 "x"}}`, "002-bravo 1x"},
		{`{{quote "a b"}} {{quote "it's"}} {{quote ""}} {{quote "a/b:c"}} {{quote .index}}`, `'a b' 'it'\''s' '' a/b:c 2`},
		{"{{/* nothing */}}x", "x"},
		{"a {{- 1 -}} b", "a1b"},
	}
	for _, tt := range tests {
		text := "name: t\nhosts: {alpha: , bravo: {address: 10.0.0.2}}\ngroups:\n" +
			"  s: {on: [alpha, bravo], run: x}\n" +
			"  g: {on: [bravo, alpha], count: 3, run: [x, " + strconv.Quote(tt.template) + "]}\n" +
			"  one: {on: alpha, run: x, name: solo}\n"
		d := mustExpand(t, "t.yaml", text)
		if got := d.Processes[4].Argv[1]; got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.template, got, tt.want)
		}
	}
}

// TestPort: a run's ports are its own, the same for all of its processes, and
// below those that systems give to outgoing connections.
func TestPort(t *testing.T) {
	t.Parallel()
	f := mustParse(t, "x.yaml", "hosts: {a: , b: }\ngroups: {g: {on: [a, b], run: 'x {{port}} {{port 0}} {{port .index}}'}}")
	seen := make(map[string]bool)
	for _, run := range []string{trial, "01JD5W9M4QX3T0C9V8Z7Y6R5PM", "01JD5W9M4QX3T0C9V8Z7Y6R5PN"} {
		d, err := f.Points()[0].Expand(run)
		if err != nil {
			t.Fatal(err)
		}
		first, second := d.Processes[0].Argv, d.Processes[1].Argv
		base, err := strconv.Atoi(first[1])
		if err != nil || base < 20_000 || base+999 >= 32_768 {
			t.Errorf("run %s: port is %s", run, first[1])
		}
		if first[1] != first[2] || first[1] != first[3] || second[1] != first[1] || second[3] != strconv.Itoa(base+1) {
			t.Errorf("run %s: got %q and %q", run, first, second)
		}
		seen[first[1]] = true
	}
	if len(seen) != 3 {
		t.Errorf("three runs have %d ports", len(seen))
	}
}

// TestCountTemplate: a count can be computed from what is known before there are processes.
func TestCountTemplate(t *testing.T) {
	t.Parallel()
	d := mustExpand(t, "x.yaml", "name: three\nhosts: {a: }\ngroups: {g: {on: a, count: '{{len .experiment}}', run: x}, h: {on: a, count: ' 2 ', run: x}}")
	if len(d.Processes) != 7 {
		t.Errorf("got %d processes, want 7", len(d.Processes))
	}
}

// TestTemplateFirst: a command line is a template first and split afterwards,
// so that a value can add words; in a list a value stays one word.
func TestTemplateFirst(t *testing.T) {
	t.Parallel()
	d := mustExpand(t, "x.yaml", `
hosts: {a: }
groups:
  line: {on: a, count: 2, run: "x {{if .index}}--fast -n 3{{end}} '{{.index}} {{.rank}}' {{quote \"it's $5\"}}"}
  list: {on: a, run: [x, "{{if true}}--fast -n 3 'y{{end}}"]}
  shell: {on: a, run: "echo {{.index}} | wc > $HOME/*", shell: true}
`)
	want := []string{
		"a/line.0 x|0 0|it's $5",
		"a/line.1 x|--fast|-n|3|1 1|it's $5",
		"a/list.0 x|--fast -n 3 'y",
		"a/shell.0 /bin/sh|-c|echo 0 | wc > $HOME/*",
	}
	if got := commandLines(d); !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestDefaultAddress: an address comes from the file, else from the caller,
// else it is the host's name.
func TestDefaultAddress(t *testing.T) {
	t.Parallel()
	f := mustParse(t, "x.yaml", "hosts: {a: , b: {address: 10.0.0.2}}\ngroups: {g: {on: [a, b], run: \"x {{.address}} {{address `g.0`}}\"}}")
	check := func(want string) {
		t.Helper()
		d, err := f.Points()[0].Expand(trial)
		if err != nil {
			t.Fatal(err)
		}
		got := d.Hosts[0].Address + " " + d.Hosts[1].Address + "; " + strings.Join(commandLines(d), "; ")
		if got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	check("a 10.0.0.2; a/g.0 x|a|a; b/g.1 x|10.0.0.2|a")
	f.DefaultAddress(func(string) string { return "127.0.0.1" })
	check("127.0.0.1 10.0.0.2; a/g.0 x|127.0.0.1|127.0.0.1; b/g.1 x|10.0.0.2|127.0.0.1")
}

// TestIPv6Endpoints: an address with colons is put in brackets before a port.
func TestIPv6Endpoints(t *testing.T) {
	t.Parallel()
	d := mustExpand(t, "x.yaml", "hosts: {a: {address: 'fd00::1'}}\ngroups: {g: {on: a, run: \"x {{index (endpoints `g` 80) 0}}\"}}")
	if got := d.Processes[0].Argv[1]; got != "[fd00::1]:80" {
		t.Errorf("got %s", got)
	}
}

// TestNameTemplate: a name is made of what is known before there are names, and
// of hosts.
func TestNameTemplate(t *testing.T) {
	t.Parallel()
	d := mustExpand(t, "x.yaml", "hosts: {a: , b: }\ngroups: {g: {on: [a, b], run: x, name: '{{with host `b`}}{{.name}}{{end}}-{{.index}}-{{len (hosts `g`)}}'}}")
	if got := strings.Join(commandLines(d), "; "); got != "a/b-0-2 x; b/b-1-2 x" {
		t.Errorf("got %s", got)
	}
}

// TestDelayTemplate: processes can be started one after the other.
func TestDelayTemplate(t *testing.T) {
	t.Parallel()
	d := mustExpand(t, "x.yaml", "hosts: {a: }\ngroups: {g: {on: a, count: 3, run: x, delay: '{{mul 250 .index}}ms'}}")
	for i, p := range d.Processes {
		if p.DelayMS != int64(250*i) {
			t.Errorf("process %d: got %d ms", i, p.DelayMS)
		}
	}
}

// TestJobs: each host that takes part gets its processes, in the order of ranks.
func TestJobs(t *testing.T) {
	t.Parallel()
	d := mustExpand(t, "x.yaml", "name: e\nhosts: {idle: , a: [x], b: }\ngroups: {g: {on: [b, a], count: 3, run: x}}\nstop: {grace: 1500ms}")
	jobs := d.Jobs()
	if len(jobs) != 2 || jobs[0].Host != "a" || jobs[1].Host != "b" {
		t.Fatalf("got jobs %+v", jobs)
	}
	for _, job := range jobs {
		if job.Run != trial || job.Experiment != "e" || job.Datapoint != 1 || job.GraceMS != 1500 {
			t.Errorf("got job %+v", job)
		}
		checkAccepted(t, &job)
	}
	if a := jobs[0].Commands; len(a) != 2 || a[0].Name != "0" || a[1].Name != "g.1" || a[1].Rank != 2 {
		t.Errorf("host a: got %+v", a)
	}
}

// TestExpandAgain: expansions don't share anything that a caller could change,
// and can be made concurrently.
func TestExpandAgain(t *testing.T) {
	t.Parallel()
	const text = "hosts: {a: }\ngroups: {g: {on: a, count: 3, run: 'x {{.run}} {{range seq 5}}{{.}}{{end}}', ok_exit: [0, 1]}}\nstop: {when: g}"
	f, want := mustParse(t, "x.yaml", text), mustExpand(t, "x.yaml", text)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			d, err := f.Points()[0].Expand(trial)
			if err != nil {
				t.Error(err)
				return
			}
			d.Stop.When[0], d.Processes[0].OKExit[0], d.Processes[0].Argv[0], d.Hosts[0].Name = "!", 9, "!", "!"
		})
	}
	wg.Wait()
	if d, err := f.Points()[0].Expand(trial); err != nil || !reflect.DeepEqual(d, want) {
		t.Errorf("an expansion changed the file: %+v, %v", d, err)
	}
}

// TestRoundRobin: processes are dealt out to a group's hosts in turn. Ranks are
// dense in the run, indexes in the group, local numbers in the group on a host.
func TestRoundRobin(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		hosts := rapid.IntRange(1, 6).Draw(t, "hosts")
		names := make([]string, hosts)
		for i := range names {
			names[i] = "h" + strconv.Itoa(i)
		}
		text := "hosts: {" + strings.Join(names, ": , ") + ": }\ngroups:\n"
		on := make(map[string][]string)
		counts := make(map[string]int)
		for g := range rapid.IntRange(1, 4).Draw(t, "groups") {
			name := "g" + strconv.Itoa(g)
			some := rapid.Permutation(names).Draw(t, "on")
			on[name] = some[:rapid.IntRange(1, hosts).Draw(t, "width")]
			counts[name] = rapid.IntRange(1, 20).Draw(t, "count")
			text += "  " + name + ": {on: [" + strings.Join(on[name], ", ") + "], count: " + strconv.Itoa(counts[name]) + ", run: x}\n"
		}
		f, err := Parse("x.yaml", []byte(text))
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		d, err := f.Points()[0].Expand(trial)
		if err != nil {
			t.Fatal(err)
		}
		checkPlacement(t, d, on, counts)
	})
}

func checkPlacement(t *rapid.T, d *Datapoint, on map[string][]string, counts map[string]int) {
	placed := make(map[string]int) // by group
	local := make(map[string]int)  // by group and host
	for rank, p := range d.Processes {
		if p.Rank != rank || p.Index != placed[p.Group] || p.Local != local[p.Group+"/"+p.Host] {
			t.Errorf("%s/%s: rank %d, index %d, local %d", p.Host, p.Name, p.Rank, p.Index, p.Local)
		}
		if hosts := on[p.Group]; p.Host != hosts[p.Index%len(hosts)] {
			t.Errorf("%s is on %s, not in turn of %v", p.Name, p.Host, hosts)
		}
		placed[p.Group]++
		local[p.Group+"/"+p.Host]++
	}
	for group, count := range counts {
		if placed[group] != count {
			t.Errorf("%s: %d processes, want %d", group, placed[group], count)
		}
	}
	total := 0
	for i, job := range d.Jobs() {
		total += len(job.Commands)
		if len(job.Commands) == 0 || job.Host != d.Hosts[i].Name {
			t.Errorf("job %d: host %s, %d processes", i, job.Host, len(job.Commands))
		}
		if !slices.IsSortedFunc(job.Commands, func(a, b message.Command) int { return a.Rank - b.Rank }) {
			t.Errorf("host %s: processes are not in the order of ranks", job.Host)
		}
	}
	if total != len(d.Processes) {
		t.Errorf("jobs have %d processes, the run %d", total, len(d.Processes))
	}
}
