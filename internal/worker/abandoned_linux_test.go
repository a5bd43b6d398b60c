package worker

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"downbeat/internal/message"
	"downbeat/internal/runner"
)

// The state of a program that is no more is removed, and what is left of its runs
// ended: that of one that lives, and whatever only looks like one, stays.
func TestOnlyAbandonedStateIsRemoved(t *testing.T) {
	t.Parallel()
	base := t.TempDir()
	r, err := runner.New(runner.Options{})
	check(t, err)
	t.Cleanup(func() { check(t, r.Close()) })
	living, err := NewTempState(base)
	check(t, err)
	dead, err := NewTempState(base)
	check(t, err)
	check(t, dead.lock.Close()) // as its end does
	job := &message.Job{Run: message.NewRun(message.NewPublisher()), Host: testHost}
	check(t, os.MkdirAll(filepath.Join(dead.Dir, testNamespace, testHost, "runs", job.Run, "work", "closed"), 0o700))
	check(t, os.Chmod(filepath.Join(dead.Dir, testNamespace, testHost, "runs", job.Run, "work"), 0o500))
	_, leftEnded := background(t, marks(job)...)
	other, _ := background(t, marks(&message.Job{Run: message.NewRun(message.NewPublisher()), Host: testHost})...)

	outside := filepath.Join(t.TempDir(), "outside")
	check(t, os.MkdirAll(outside, 0o700))
	check(t, os.WriteFile(filepath.Join(outside, ownerFile), nil, 0o600))
	check(t, os.Symlink(outside, filepath.Join(base, "downbeat-link")))
	plain := filepath.Join(base, "downbeat-without-owner")
	check(t, os.Mkdir(plain, 0o700))
	linked := filepath.Join(base, "downbeat-linked-owner")
	check(t, os.Mkdir(linked, 0o700))
	check(t, os.Symlink(filepath.Join(outside, ownerFile), filepath.Join(linked, ownerFile)))
	kept := []string{living.Dir, outside, filepath.Join(outside, ownerFile), plain, linked, filepath.Join(base, "downbeat-link")}
	if os.Geteuid() == 0 {
		strangers, err := NewTempState(base)
		check(t, err)
		check(t, strangers.lock.Close())
		check(t, os.Chown(strangers.Dir, 4242, 4242))
		kept = append(kept, strangers.Dir)
	}

	if n, err := RemoveAbandoned(t.Context(), r, base); n != 1 || err != nil {
		t.Errorf("%d removed (%v), want one", n, err)
	}
	within(t, leftEnded, "what a run had left goes on")
	if exists(dead.Dir) {
		t.Error("the abandoned state is still there")
	}
	for _, path := range kept {
		if !exists(path) {
			t.Errorf("%s is gone", path)
		}
	}
	if err := other.Process.Signal(syscall.Signal(0)); err != nil {
		t.Errorf("a process of another run was ended: %v", err)
	}
	check(t, living.Close())
	if exists(living.Dir) {
		t.Error("the state that was closed is still there")
	}
}
