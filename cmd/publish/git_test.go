package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"downbeat/internal/experiment"
	"downbeat/internal/facts"
	"downbeat/internal/testkit"
)

// The state of the repository around the experiment's file is told; files that git doesn't know
// make it no dirtier.
func TestGitOfAnExperiment(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("git is not installed")
	}
	dir := t.TempDir()
	run := func(args ...string) {
		t.Helper()
		args = append([]string{"-C", dir, "-c", "user.name=x", "-c", "user.email=x@x", "-c", "commit.gpgsign=false"}, args...)
		if out, err := exec.CommandContext(t.Context(), "git", args...).CombinedOutput(); err != nil {
			t.Fatalf("git %q: %v: %s", args, err, out)
		}
	}
	file := filepath.Join(dir, "x.yaml")
	testkit.Check(t, os.WriteFile(file, []byte("a"), 0o600))
	if got := gitOf(t.Context(), file, "/"); got != nil {
		t.Errorf("outside of any repository: %v", got)
	}
	run("init", "-q", "-b", "main")
	run("add", "x.yaml")
	run("commit", "-q", "-m", "first")
	testkit.Check(t, os.WriteFile(filepath.Join(dir, "results"), nil, 0o600))
	clean := gitOf(t.Context(), file, "/")
	if clean == nil || len(clean.Commit) != 40 || clean.Branch != "main" || clean.Dirty {
		t.Fatalf("committed: %+v", clean)
	}
	testkit.Check(t, os.WriteFile(file, []byte("b"), 0o600))
	if got, want := gitOf(t.Context(), experiment.Stdin, dir), (facts.Git{Commit: clean.Commit, Branch: "main", Dirty: true}); got == nil || *got != want {
		t.Errorf("changed: %+v", got)
	}
	run("checkout", "-q", "--detach")
	if got := gitOf(t.Context(), file, "/"); got == nil || got.Branch != "" {
		t.Errorf("detached: %+v", got)
	}
}
