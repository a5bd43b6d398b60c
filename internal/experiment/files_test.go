package experiment

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"downbeat/internal/message"
)

// shippedBy parses a file that stands in a directory with some to ship.
func shippedBy(t *testing.T, files string) (*File, string, error) {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string]string{"server": "binary", "conf/fast": "f", "conf/safe": "s", "tree/a": "1", "tree/b/c": "2"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o700); err != nil { // a program
			t.Fatal(err)
		}
	}
	for _, name := range []string{"empty", "spool/in/new", "spool/out"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	f, err := Parse(filepath.Join(dir, "x.yaml"), []byte("hosts: {alpha: {address: 10.0.0.1}, bravo: }\nmatrix: {mode: [fast, safe]}\nfiles:\n"+files+
		"\ngroups: {g: {on: [alpha, bravo], run: 'true {{.mode}}'}}\n"))
	return f, dir, err
}

func TestFilesAreShippedToTheirHosts(t *testing.T) {
	t.Parallel()
	f, dir, err := shippedBy(t, `
  bin/server: server
  conf: {from: "conf/{{.mode}}", mode: "0600", on: bravo}
  tree: tree
  text: {text: "{{.host}} {{.address}} {{.mode}} {{address \"g.0\"}}"}
  never: "{{if eq .mode \"other\"}}server{{end}}"`)
	if err != nil {
		t.Fatal(err)
	}
	d, err := f.Points()[1].Expand(message.NewRun(message.NewPublisher()))
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]string)
	for host, files := range d.Files {
		for _, s := range files {
			source := strings.TrimPrefix(s.Source, dir+"/")
			got[host] += strings.Join([]string{s.Path, s.Text, source, "\n"}, "|")
		}
	}
	want := map[string]string{
		"alpha": "bin/server||server|\ntree/a||tree/a|\ntree/b/c||tree/b/c|\ntext|alpha 10.0.0.1 safe 10.0.0.1||\n",
		"bravo": "bin/server||server|\nconf||conf/safe|\ntree/a||tree/a|\ntree/b/c||tree/b/c|\ntext|bravo bravo safe 10.0.0.1||\n",
	}
	for host := range want {
		if got[host] != want[host] {
			t.Errorf("%s gets\n%swant\n%s", host, got[host], want[host])
		}
	}
	server, conf := d.Files["bravo"][0], d.Files["bravo"][1]
	if server.Mode != 0o700 || conf.Mode != 0o600 || server.Bytes != 6 || server.SHA256 != "9a3a45d01531a20e89ac6ae10b0b0beb0492acd7216a368aa062d1a5fecaf9cd" {
		t.Errorf("server %+v, conf %+v", server, conf)
	}
}

func TestDefinitionChangesWithWhatIsShipped(t *testing.T) {
	t.Parallel()
	define := func(f *File) string {
		t.Helper()
		definition, err := f.Points()[0].Definition()
		if err != nil {
			t.Fatal(err)
		}
		return definition
	}
	f, dir, err := shippedBy(t, "  bin/server: server")
	if err != nil {
		t.Fatal(err)
	}
	before := define(f)
	if err := os.WriteFile(filepath.Join(dir, "server"), []byte("another"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := define(f); got != before {
		t.Error("a file that changes in mid-experiment changes the definition of the datapoints that are left")
	}
	again, err := Parse(f.Path, f.Source)
	if err != nil {
		t.Fatal(err)
	}
	if got := define(again); got == before {
		t.Error("another program has the same definition")
	}
}

func TestWhatCannotBeShippedIsRefused(t *testing.T) {
	t.Parallel()
	for files, want := range map[string]string{
		"  a: nothing":                         "x.yaml:4:6: files.a: there is no file ",
		"  a: {from: nothing}":                 "x.yaml:4:13: files.a.from: there is no file ",
		"  a: 'conf/{{.mode}}x'":               "(with mode=fast)",
		"  a: empty":                           "files.a: there is no file in the directory ",
		"  a: /dev/null":                       "files.a: /dev/null can't be shipped: it is not a regular file",
		"  ../a: server":                       `x.yaml:4:3: files: "../a" leads out of the run's directory`,
		"  /a: server":                         `files: "/a" is absolute: it is seen from the run's directory`,
		"  'a{{.mode}}': server":               "can't be a template",
		"  a: {from: server, text: x}":         `give "from" or "text", not both`,
		"  a: {}":                              `files.a: "from" is missing: it is the file to ship`,
		"  a: {from: server, mode: 999}":       "files.a.mode: must be permissions in octal",
		"  a: {from: server, on: charlie}":     `files.a.on: no host "charlie"`,
		"  a: [server]":                        "files.a: must be a string, not a list",
		"  a: {text: '{{.clients}}'}":          "files.a.text: unknown template key .clients",
		"  tree: tree\n  tree/a: server":       "x.yaml:5:3: files.tree/a: two files would be at tree/a on host alpha",
		"  server: server\n  server/a: server": "server would be a file and a directory on host alpha",
		"  a: {text: x, mod: 1}":               `unknown field "mod"`,
		"  [server]":                           "files: must be a map, not a list",
	} {
		_, _, err := shippedBy(t, files)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\ngives %v\nwant %s", files, err, want)
		}
	}
}

func TestCollectPatternsAreTemplatesForEachHost(t *testing.T) {
	t.Parallel()
	f, err := Parse("x.yaml", []byte(`
hosts: {alpha: , bravo: }
matrix: {mode: [fast, safe]}
collect: ["{{.mode}}.log", '{{if eq .mode "safe"}}journal/**{{end}}']
groups:
  a: {on: alpha, run: "true", collect: db}
  b: {on: [alpha, bravo], run: "true", collect: [db, "*.csv"]}
`))
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []map[string]string{
		{"alpha": "fast.log db *.csv", "bravo": "fast.log db *.csv"},
		{"alpha": "safe.log journal/** db *.csv", "bravo": "safe.log journal/** db *.csv"},
	} {
		d, err := f.Points()[i].Expand(message.NewRun(message.NewPublisher()))
		if err != nil {
			t.Fatal(err)
		}
		for _, job := range d.Jobs() {
			if got := strings.Join(job.Collect, " "); got != want[job.Host] {
				t.Errorf("datapoint %d: %s collects %q, want %q", i+1, job.Host, got, want[job.Host])
			}
		}
	}
}

func TestCollectPatternsThatLeaveTheDirectoryAreRefused(t *testing.T) {
	t.Parallel()
	for collect, want := range map[string]string{
		"../x":               `x.yaml:2:10: collect: "../x" leads out of the run's directory`,
		"['*', /etc/passwd]": `x.yaml:2:16: collect[1]: "/etc/passwd" is absolute`,
		"[]":                 "collect: the list is empty",
		"{a: b}":             "collect: must be a string, not a map",
		"'{{.mode}}/x'":      `collect: ".././x" leads out of the run's directory (with mode=../.)`,
		"'{{.index}}'":       "template key .index is not known here",
	} {
		_, err := Parse("x.yaml", []byte("hosts: {alpha: }\ncollect: "+collect+"\nmatrix: {mode: ['../.']}\ngroups: {g: {on: alpha, run: 'true {{.mode}}'}}\n"))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s gives %v\nwant %s", collect, err, want)
		}
	}
}

// A directory is shipped with the empty directories in it: programs put their
// files there.
func TestEmptyDirectoriesAreShipped(t *testing.T) {
	t.Parallel()
	f, _, err := shippedBy(t, "  spool: spool\n  spool/in/new/first: server")
	if err != nil {
		t.Fatal(err)
	}
	d, err := f.Points()[0].Expand(trial)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range d.Files["alpha"] {
		got = append(got, fmt.Sprintf("%s %o", s.Path, s.Mode))
	}
	if want := []string{"spool/in/new/ 700", "spool/out/ 700", "spool/in/new/first 700"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	_, _, err = shippedBy(t, "  spool: spool\n  spool/out: server")
	if err == nil || !strings.Contains(err.Error(), "spool/out would be a file and a directory on host alpha") {
		t.Errorf("a file in the place of an empty directory: got %v", err)
	}
}

// Files to ship are looked for where the file's origin says. A file without a name is
// named after its origin.
func TestOrigin(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "server"), []byte("binary"), 0o600); err != nil {
		t.Fatal(err)
	}
	text := []byte("hosts: {alpha: [./server]}\nfiles: {server: server}\n")
	for _, from := range []Origin{{Path: filepath.Join(dir, "gone.yaml"), Name: "kept"}, {Path: Stdin, Dir: dir, Name: "kept"}} {
		f, err := ParseFrom(from, text)
		if err != nil || f.Name != "kept" {
			t.Errorf("%+v: name %q, %v", from, f.Name, err)
		}
	}
	if f, err := ParseFrom(Origin{Path: Stdin, Dir: dir, Name: "kept"}, append([]byte("name: own\n"), text...)); err != nil || f.Name != "own" {
		t.Errorf("with a name of its own: %v", err)
	}
}
