package facts

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"downbeat/internal/facts"
	"downbeat/internal/runner"
	"downbeat/internal/testkit"
)

func difference(got, want facts.HostFacts) string {
	if reflect.DeepEqual(got, want) {
		return ""
	}
	var lines []string
	g, w := reflect.ValueOf(got), reflect.ValueOf(want)
	for i := range g.NumField() {
		if !reflect.DeepEqual(g.Field(i).Interface(), w.Field(i).Interface()) {
			lines = append(lines, fmt.Sprintf("%s: got %v, want %v", g.Type().Field(i).Name, g.Field(i).Interface(), w.Field(i).Interface()))
		}
	}
	return strings.Join(lines, "\n")
}

func sum(text string) string {
	s := sha256.Sum256([]byte(text))
	return hex.EncodeToString(s[:])
}

// put writes files that are older than what is not trusted.
func put(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(dir, name)
		testkit.Check(t, os.MkdirAll(filepath.Dir(path), 0o700))
		testkit.Check(t, os.WriteFile(path, []byte(text), 0o700))
		old := time.Now().Add(-time.Hour)
		testkit.Check(t, os.Chtimes(path, old, old))
	}
}

func add(w *Work, n int, argv ...string) {
	w.Add(n, &runner.Command{Argv: argv, Dir: w.dir, Env: []string{"PATH=/usr/bin:/bin"}})
}

// Processes that execute the same share an entry; a script has an interpreter, and files that a
// command names are told.
func TestProgramsOfCommands(t *testing.T) {
	t.Parallel()
	base := t.TempDir()
	dir := filepath.Join(base, "work")
	put(t, base, map[string]string{
		"work/judge.sh": "#!/usr/bin/env sh\nexit 0\n", "work/conf": "a=1", "work/shipped": "x", "elsewhere": "#!/bin/sh\n",
	})
	testkit.Check(t, os.Symlink(filepath.Join(base, "elsewhere"), filepath.Join(dir, "link")))
	w := NewWork(dir, map[string]string{"shipped": "known"})
	add(w, 0, "./judge.sh", "-v", "conf")
	add(w, 2, "./judge.sh", "--fast", "conf", "nothing")
	add(w, 3, "./link", "shipped", ".")
	add(w, 5, "./missing")
	add(w, 6, "./shipped")
	testkit.Check(t, os.Remove(filepath.Join(dir, "shipped"))) // by the run, say
	got := New().programsOf(t.Context(), w)
	if len(got) != 4 {
		t.Fatalf("%d programs: %+v", len(got), got)
	}
	judge := got[0]
	if !reflect.DeepEqual(judge.Commands, []int{0, 2}) || judge.Program.Path != "judge.sh" || judge.Program.SHA256 != sum("#!/usr/bin/env sh\nexit 0\n") || judge.Program.Bytes != 25 {
		t.Errorf("the script: %+v", judge)
	}
	if by := judge.Program.Interpreter; by == nil || !filepath.IsAbs(by.Path) || strings.Contains(by.Path, "env") || len(by.SHA256) != 64 {
		t.Errorf("its interpreter: %+v", by)
	}
	if want := []facts.FileFacts{{Path: "conf", Bytes: 3, SHA256: sum("a=1")}}; !reflect.DeepEqual(judge.Program.Arguments, want) {
		t.Errorf("arguments: %+v", judge.Program.Arguments)
	}
	link := got[1].Program
	if target, _ := filepath.EvalSymlinks(filepath.Join(base, "elsewhere")); link.Path != target || link.Arguments[0].SHA256 != "known" {
		t.Errorf("what is linked to: %+v", link)
	}
	if missing := got[2].Program; missing.Path != "./missing" || missing.Reason == "" {
		t.Errorf("what is not there: %+v", missing)
	}
	if p := got[3].Program; p.Path != "shipped" || p.SHA256 != "known" || p.Reason != "" {
		t.Errorf("what was shipped: %+v", p)
	}
}

// A file is read once, and again when it has changed.
func TestFilesAreReadOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	put(t, dir, map[string]string{"p": "one"})
	r := New()
	path := filepath.Join(dir, "p")
	first, err := r.file(t.Context(), path)
	testkit.Check(t, err)
	ended, cancel := context.WithCancel(t.Context())
	cancel() // what is known needs no reading
	if again, err := r.file(ended, path); err != nil || !reflect.DeepEqual(again, first) {
		t.Errorf("again: %+v, %v", again, err)
	}
	testkit.Check(t, os.WriteFile(path, []byte("two, longer"), 0o600))
	if changed, err := r.file(t.Context(), path); err != nil || changed.SHA256 != sum("two, longer") {
		t.Errorf("changed: %+v, %v", changed, err)
	}
	if _, err := r.file(ended, path); err == nil {
		t.Error("a file that was written just now is trusted to be what it was")
	}
}

// The test itself is a Go program, sh is an ELF file of another kind.
func TestBuilds(t *testing.T) {
	t.Parallel()
	own, err := os.Executable()
	testkit.Check(t, err)
	if p, err := New().file(t.Context(), own); err != nil || !strings.HasPrefix(p.Build, "go1.") || !strings.Contains(p.Build, "downbeat") {
		t.Errorf("build: %q, %v", p.Build, err)
	}
	sh, err := filepath.EvalSymlinks("/bin/sh")
	testkit.Check(t, err)
	if p, err := New().file(t.Context(), sh); err != nil || !strings.HasPrefix(p.Build, "build id ") {
		t.Errorf("build of %s: %q, %v", sh, p.Build, err)
	}
}

func TestUnreadableProgramSaysWhy(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := New().program(t.Context(), filepath.Join(dir, "gone"), NewWork(dir, nil))
	if p.Reason != "it can't be read: no such file or directory" || p.SHA256 != "" {
		t.Errorf("got %+v", p)
	}
}
