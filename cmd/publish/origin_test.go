package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"downbeat/internal/experiment"
	"downbeat/internal/results"
	"downbeat/internal/terminal"
)

// quietApp is one that says what it has to say to a file, which it returns.
func quietApp(t *testing.T) (*app, func() string) {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	a := &app{outputs: newOutputs(stdio{err: f}), live: terminal.NewLive(f, false)}
	t.Cleanup(func() { _ = f.Close() })
	return a, func() string {
		data, err := os.ReadFile(f.Name())
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
}

// write puts a file there and gives its path.
func write(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const (
	asItWas = "hosts: {alpha: [./a]}\n"
	edited  = "hosts: {alpha: [./a, ./b]}\n"
)

// Results of before the file's place was noted: what is there by its name is taken for
// it only if it is what was run.
func TestOldResultsDontGuess(t *testing.T) {
	t.Chdir(t.TempDir())
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	meta := results.Meta{Name: "exp", File: "exp.yaml", Format: "yaml", Source: []byte(asItWas)}
	a, said := quietApp(t)
	if got, err := a.findFile(meta, origin{}); err != nil || string(got.Source) != asItWas || !strings.Contains(said(), "going on with the stored copy") {
		t.Errorf("there is no file: got %+v, %v, and it says %q", got, err, said())
	}
	write(t, "exp.yaml", asItWas)
	if got, err := a.findFile(meta, origin{}); err != nil || got.Path != filepath.Join(here, "exp.yaml") {
		t.Errorf("the same is there: got %+v, %v", got, err)
	}
	write(t, "exp.yaml", edited)
	if _, err := a.findFile(meta, origin{}); err == nil || !strings.Contains(err.Error(), "--file "+filepath.Join(here, "exp.yaml")) {
		t.Errorf("another is there: %v", err)
	}
	if got, err := a.findFile(meta, origin{file: "exp.yaml"}); err != nil || string(got.Source) != edited {
		t.Errorf("it is named: got %+v, %v", got, err)
	}
	if got, err := a.findFile(meta, origin{stored: true}); err != nil || string(got.Source) != asItWas {
		t.Errorf("what was kept is asked for: got %+v, %v", got, err)
	}
}

// The file is read from where it was, wherever the program runs; what can't be read is
// what the results keep.
func TestTheFileIsWhereItWas(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := write(t, filepath.Join(dir, "exp.yaml"), edited)
	meta := results.Meta{Name: "exp", File: "exp.yaml", Path: path, Source: []byte(asItWas)}
	a, said := quietApp(t)
	got, err := a.reread(meta, origin{})
	if err != nil || string(got.file.Source) != edited || got.before == nil || got.meta.Path != path {
		t.Errorf("got %+v, %v", got, err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if got, err = a.reread(meta, origin{}); err != nil || string(got.file.Source) != asItWas || got.before != nil || !strings.Contains(said(), path) {
		t.Errorf("it is gone: got %+v, %v, and it says %q", got, err, said())
	}
	for _, name := range []string{"-", experiment.Stdin} {
		meta := results.Meta{Name: "exp", File: name, Source: []byte(asItWas), Directory: dir}
		if got, err = a.reread(meta, origin{}); err != nil || string(got.file.Source) != asItWas || !strings.Contains(said(), "came from standard input") {
			t.Errorf("from standard input: got %+v, %v", got, err)
		}
	}
}

// A file without a name of its own keeps the experiment's, wherever it has moved.
func TestMovedFileKeepsTheName(t *testing.T) {
	t.Parallel()
	path := write(t, filepath.Join(t.TempDir(), "renamed.yaml"), asItWas)
	a, _ := quietApp(t)
	got, err := a.reread(results.Meta{Name: "exp", File: "exp.yaml", Path: "/nowhere/exp.yaml", Source: []byte(asItWas)}, origin{file: path})
	if err != nil || got.file.Name != "exp" {
		t.Errorf("got %+v, %v", got, err)
	}
}

// Two files are unrelated if they share neither a process nor a program.
func TestUnrelated(t *testing.T) {
	t.Parallel()
	const before = "hosts: {alpha: , bravo: }\ngroups: {server: {on: alpha, run: ./server}, client: {on: bravo, run: ./client}}\n"
	for text, want := range map[string]bool{
		before: false,
		"hosts: {alpha: }\ngroups: {server: {on: alpha, run: ./other}}\n":                false, // another program
		"hosts: {x: }\ngroups: {node: {on: x, run: build/server -v}}\n":                  false, // other hosts
		"hosts: {x: }\nmatrix: {n: [1]}\ngroups: {node: {on: x, run: './redis {{.n}}'}}": true,
		"hosts: {alpha: [./redis]}\n":                                                    true,
	} {
		was, err := experiment.Parse("x.yaml", []byte(before))
		if err != nil {
			t.Fatal(err)
		}
		now, err := experiment.Parse("x.yaml", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if got := unrelated(was, now); got != want {
			t.Errorf("%s: got %t, want %t", text, got, want)
		}
	}
}
