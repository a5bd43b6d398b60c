package worker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"downbeat/internal/message"
	"downbeat/internal/runner"
	"downbeat/internal/worker/rendezvous"
)

// A program that plays its hosts itself keeps their state in a temporary directory.
// It holds a lock in there as long as it lives: what has none is abandoned.

const (
	temporary  = "downbeat-" // begins the names of such directories
	ownerFile  = ".downbeat-owner"
	ownerDraft = ".downbeat-owner.new" // until it is locked
)

// A TempState is a state directory that ends with this program.
type TempState struct {
	Dir  string
	lock *os.File
}

// NewTempState makes one in the directory base.
func NewTempState(base string) (*TempState, error) {
	dir, err := os.MkdirTemp(base, temporary)
	if err != nil {
		return nil, err
	}
	// The lock is never seen without its holder.
	lock, err := lockFile(filepath.Join(dir, ownerDraft))
	if err == nil {
		err = os.Rename(filepath.Join(dir, ownerDraft), filepath.Join(dir, ownerFile))
	}
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return &TempState{dir, lock}, nil
}

// Close removes the directory. An error says what is left behind.
func (s *TempState) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), removeFor)
	defer cancel()
	err := RemoveTree(ctx, filepath.Dir(s.Dir), filepath.Base(s.Dir))
	if err != nil {
		err = fmt.Errorf("left %s behind: %w", s.Dir, err)
	}
	return errors.Join(err, unlockFile(s.lock))
}

// RemoveAbandoned removes the temporary states in base whose program is no more,
// and ends what is left of their runs. It touches only directories of this user that
// NewTempState has made, and returns how many it removed.
func RemoveAbandoned(ctx context.Context, r *runner.Runner, base string) (removed int, err error) {
	entries, err := os.ReadDir(base)
	if err != nil {
		return 0, fmt.Errorf("look for what other programs have left: %w", err)
	}
	var errs []error
	for _, e := range entries {
		if !e.IsDir() || !strings.HasPrefix(e.Name(), temporary) {
			continue
		}
		lock := abandoned(filepath.Join(base, e.Name()))
		if lock == nil {
			continue
		}
		err := clearAbandoned(ctx, r, base, e.Name())
		if err == nil {
			removed++
		}
		errs = append(errs, err, lock.Close())
	}
	return removed, errors.Join(errs...)
}

// abandoned takes the lock of a temporary state of this user whose program is no
// more; nil where it is something else.
func abandoned(dir string) *os.File {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil
	}
	defer func() { _ = root.Close() }() // only read
	at, err := os.Lstat(dir)
	if err != nil || !at.IsDir() || at.Sys().(*syscall.Stat_t).Uid != uint32(os.Geteuid()) {
		return nil
	}
	if opened, err := root.Stat("."); err != nil || !os.SameFile(at, opened) {
		return nil
	}
	if named, err := root.Lstat(ownerFile); err != nil || !named.Mode().IsRegular() {
		return nil
	}
	lock, err := root.OpenFile(ownerFile, os.O_RDWR, 0)
	if err != nil {
		return nil
	}
	named, err := root.Lstat(ownerFile)
	held, statErr := lock.Stat()
	if err == nil && statErr == nil && os.SameFile(named, held) && unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil {
		return lock
	}
	_ = lock.Close() // somebody else's
	return nil
}

// clearAbandoned ends what is left of the runs in a state directory, and removes it.
func clearAbandoned(ctx context.Context, r *runner.Runner, base, name string) error {
	var errs []error
	runs, _ := filepath.Glob(filepath.Join(escapeGlob(filepath.Join(base, name)), "*", "*", "runs", "*")) // the pattern is a good one
	for _, run := range runs {
		id, host := filepath.Base(run), filepath.Base(filepath.Dir(filepath.Dir(run)))
		if message.CheckRun(id) != nil {
			continue
		}
		_, err := r.Sweep(ctx, marks(&message.Job{Run: id, Host: host}))
		errs = append(errs, err, rendezvous.Remove(rendezvous.Path(run)))
	}
	ctx, cancel := context.WithTimeout(ctx, removeFor)
	defer cancel()
	if err := RemoveTree(ctx, base, name); err != nil {
		errs = append(errs, fmt.Errorf("remove what a program that was killed has left in %s: %w", filepath.Join(base, name), err))
	}
	return errors.Join(errs...)
}

// escapeGlob makes a path one that matches itself alone.
func escapeGlob(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}
