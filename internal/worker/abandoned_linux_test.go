package worker

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"downbeat/internal/message"
	"downbeat/internal/runner"
	"downbeat/internal/testkit"
)

// The state of a program that is no more is removed, and what is left of its runs
// ended: that of one that lives, and whatever only looks like one, stays.
func TestOnlyAbandonedStateIsRemoved(t *testing.T) {
	t.Parallel()
	base := t.TempDir()
	r, err := runner.New(runner.Options{})
	testkit.Check(t, err)
	t.Cleanup(func() { testkit.Check(t, r.Close()) })
	living, err := NewTempState(base)
	testkit.Check(t, err)
	dead, err := NewTempState(base)
	testkit.Check(t, err)
	testkit.Check(t, dead.lock.Close()) // as its end does
	job := &message.Job{Run: message.NewRun(message.NewPublisher()), Host: testHost}
	testkit.Check(t, os.MkdirAll(filepath.Join(dead.Dir, testNamespace, testHost, "runs", job.Run, "work", "closed"), 0o700))
	testkit.Check(t, os.Chmod(filepath.Join(dead.Dir, testNamespace, testHost, "runs", job.Run, "work"), 0o500))
	_, leftEnded := background(t, marks(job)...)
	other, _ := background(t, marks(&message.Job{Run: message.NewRun(message.NewPublisher()), Host: testHost})...)

	outside := filepath.Join(t.TempDir(), "outside")
	testkit.Check(t, os.MkdirAll(outside, 0o700))
	testkit.Check(t, os.WriteFile(filepath.Join(outside, ownerFile), nil, 0o600))
	testkit.Check(t, os.Symlink(outside, filepath.Join(base, "downbeat-link")))
	plain := filepath.Join(base, "downbeat-without-owner")
	testkit.Check(t, os.Mkdir(plain, 0o700))
	linked := filepath.Join(base, "downbeat-linked-owner")
	testkit.Check(t, os.Mkdir(linked, 0o700))
	testkit.Check(t, os.Symlink(filepath.Join(outside, ownerFile), filepath.Join(linked, ownerFile)))
	kept := []string{living.Dir, outside, filepath.Join(outside, ownerFile), plain, linked, filepath.Join(base, "downbeat-link")}
	if os.Geteuid() == 0 {
		strangers, err := NewTempState(base)
		testkit.Check(t, err)
		testkit.Check(t, strangers.lock.Close())
		testkit.Check(t, os.Chown(strangers.Dir, 4242, 4242))
		kept = append(kept, strangers.Dir)
	}

	if n, err := RemoveAbandoned(t.Context(), r, base); n != 1 || err != nil {
		t.Errorf("%d removed (%v), want one", n, err)
	}
	testkit.Receive(t, leftEnded, "what a run had left ends")
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
	testkit.Check(t, living.Close())
	if exists(living.Dir) {
		t.Error("the state that was closed is still there")
	}
}
