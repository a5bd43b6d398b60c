package main

import (
	"context"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"downbeat/internal/experiment"
	"downbeat/internal/facts"
)

// gitWithin bounds how long git may take: where a repository is on a slow disk, its state is
// not waited for.
const gitWithin = 5 * time.Second

// gitOf is the state of the git repository that an experiment's file is in; nil if it is in none,
// or git can't tell. here is where publish runs, for a file from standard input. What git doesn't
// know, such as results, makes no directory dirty.
func gitOf(ctx context.Context, path, here string) *facts.Git {
	dir := here
	if path != experiment.Stdin && path != "" {
		dir = filepath.Dir(path)
	}
	ctx, cancel := context.WithTimeout(ctx, gitWithin)
	defer cancel()
	commit, ok := git(ctx, dir, "rev-parse", "--verify", "HEAD")
	if !ok {
		return nil
	}
	state := &facts.Git{Commit: commit}
	state.Branch, _ = git(ctx, dir, "symbolic-ref", "--short", "-q", "HEAD")
	changed, ok := git(ctx, dir, "status", "--porcelain", "--untracked-files=no")
	if !ok {
		return nil // neither clean nor dirty would be known
	}
	state.Dirty = changed != ""
	return state
}

// git runs git in a directory, without locking anything there, and returns what it prints.
func git(ctx context.Context, dir string, args ...string) (string, bool) {
	cmd := exec.CommandContext(ctx, "git", append([]string{"--no-optional-locks", "-C", dir}, args...)...)
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	return strings.TrimSpace(string(out)), err == nil
}
