package experiment

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// TestSteps: where they run, and what their templates know.
func TestSteps(t *testing.T) {
	t.Parallel()
	d := mustExpand(t, "t.yaml", `
name: t
hosts: {alpha: , bravo: {address: 10.0.0.2}, idle: }
matrix: {clients: [2]}
groups: {g: {on: [bravo, alpha], count: 3, run: x, pty: true}}
setup:
  - 'echo {{.host}} {{.address}} {{.name}} {{.run}} {{.experiment}} {{.clients}} {{address "g.2"}} {{join "," (endpoints "g" 7000)}}'
  - {run: a | b, shell: true, on: [bravo, idle], timeout: "{{.clients}}s", env: {HERE: "{{.host}}"}, dir: "{{.host}}", ok_exit: [0, 3], pty: true}
teardown: {run: [rm, a b]}
`)
	var got []string
	for _, s := range append(slices.Clone(d.Setup), d.Teardown...) {
		got = append(got, fmt.Sprintf("%s/%s %q %v %q %v %d %v", s.Host, s.Name, s.Argv, s.Env, s.Dir, s.OKExit, s.TimeoutMS, s.Pty))
	}
	endpoints := "10.0.0.2:7000,alpha:7001,10.0.0.2:7002"
	want := []string{
		fmt.Sprintf(`alpha/setup.0 ["echo" "alpha" "alpha" "setup.0" "%s" "t" "2" "10.0.0.2" "%s"] map[] "" [0] 60000 false`, trial, endpoints),
		fmt.Sprintf(`bravo/setup.0 ["echo" "bravo" "10.0.0.2" "setup.0" "%s" "t" "2" "10.0.0.2" "%s"] map[] "" [0] 60000 false`, trial, endpoints),
		`bravo/setup.1 ["/bin/sh" "-c" "a | b"] map[HERE:bravo] "bravo" [0 3] 2000 true`,
		`alpha/teardown.0 ["rm" "a b"] map[] "" [0] 60000 false`,
		`bravo/teardown.0 ["rm" "a b"] map[] "" [0] 60000 false`,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("steps:\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if len(d.Hosts) != 2 {
		t.Errorf("hosts %v: a step must not make one take part", d.Hosts)
	}
	for _, p := range d.Processes {
		if !p.Pty {
			t.Errorf("%s has no terminal", p.Name)
		}
	}
	jobs := d.Jobs()
	for i, want := range []string{
		"[g.1/run setup.0/setup teardown.0/teardown]", "[g.0/run g.2/run setup.0/setup setup.1/setup teardown.0/teardown]",
	} {
		var got []string
		for _, c := range jobs[i].Commands {
			got = append(got, c.Name+"/"+string(c.Phase))
		}
		if fmt.Sprint(got) != want {
			t.Errorf("the job of %s has the commands %v, want %s", jobs[i].Host, got, want)
		}
	}
	for _, job := range jobs {
		job.ReplyTo, job.Since, job.LeaseMS, job.WindowBytes = "q", trial, 1, 1
		if err := job.Check(); err != nil {
			t.Error(err)
		}
	}
}

// TestSetupIsACommandOrAListOfThem: and a list is never the arguments of one.
func TestSetupIsACommandOrAListOfThem(t *testing.T) {
	t.Parallel()
	for setup, want := range map[string]string{
		"make all":             "[[make all]]",
		"[make, all]":          "[[make] [all]]",
		"[[make, all]]":        "[[make all]]",
		"{run: [make, all]}":   "[[make all]]",
		"[{run: make}, 'a b']": "[[make] [a b]]",
	} {
		d := mustExpand(t, "t.yaml", "hosts: {a: [x]}\nsetup: "+setup)
		var got [][]string
		for _, s := range d.Setup {
			got = append(got, s.Argv)
		}
		if fmt.Sprint(got) != want {
			t.Errorf("%s is %v, want %s", setup, got, want)
		}
	}
}

// TestStepsAreInTheDefinition: what a setup does changes what is measured.
func TestStepsAreInTheDefinition(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	for _, text := range []string{"", "setup: x", "setup: y", "teardown: x", "setup: {run: x, timeout: 3s}"} {
		f := mustParse(t, "t.yaml", "hosts: {a: [x]}\n"+text)
		definition, err := f.Points()[0].Definition()
		if err != nil {
			t.Fatal(err)
		}
		if other, twice := seen[definition]; twice {
			t.Errorf("%q and %q have the same definition", text, other)
		}
		seen[definition] = text
	}
}
