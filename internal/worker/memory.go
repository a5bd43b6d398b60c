package worker

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"downbeat/internal/trustedpath"
)

// A memory is which runs have been on this host. A run must not be started twice,
// whatever becomes of the disk: so the marks there, which outlive the worker, are
// kept in memory as well, and are written again when they are lost.
type memory struct {
	mu    sync.Mutex
	marks map[string]mark
}

type mark struct {
	at      time.Time
	written bool // on the disk too
}

func (m *memory) has(run string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, ok := m.marks[run]
	return ok
}

func (m *memory) put(run string, k mark) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.marks == nil {
		m.marks = make(map[string]mark)
	}
	m.marks[run] = k
}

// drop forgets what is older than that.
func (m *memory) drop(age time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for run, k := range m.marks {
		if time.Since(k.at) > age {
			delete(m.marks, run)
		}
	}
}

// write writes the marks that are not on the disk, or all of them.
func (m *memory) write(dir string, all bool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	var first error
	for run, k := range m.marks {
		if k.written && !all {
			continue
		}
		err := os.WriteFile(filepath.Join(dir, run), nil, 0o600)
		if err == nil {
			err = os.Chtimes(filepath.Join(dir, run), k.at, k.at)
		}
		k.written = err == nil
		m.marks[run] = k
		if err != nil && first == nil {
			first = fmt.Errorf("remember a run: %w", err)
		}
	}
	return first
}

// load reads the marks that a worker before has left.
func (m *memory) load(dir string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return // it has just been made
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil {
			m.put(e.Name(), mark{at: info.ModTime(), written: true})
		}
	}
}

// markSeen remembers a run whose directory is about to be removed.
func (w *Worker) markSeen(run string) error {
	w.memory.put(run, mark{at: time.Now()})
	return w.restore()
}

// seen reports whether the run was on this host before.
func (w *Worker) seen(run string) bool {
	return w.over(run) || exists(filepath.Join(w.runsDir(), run))
}

// over reports whether the run was here and has left.
func (w *Worker) over(run string) bool {
	return w.memory.has(run) || exists(filepath.Join(w.seenDir(), run))
}

// restore makes the worker's directory again where somebody has removed it, or a
// part of it, and writes the marks that are not on the disk. It fails where another
// worker has taken the place meanwhile, or the disk takes nothing.
func (w *Worker) restore() error {
	w.restoring.Lock()
	defer w.restoring.Unlock()
	locked := w.lockIsThere()
	if locked && exists(w.runsDir()) && exists(w.seenDir()) {
		return w.memory.write(w.seenDir(), false)
	}
	w.slog.Error("the worker's state was removed, and is made again: what runs had still to report may be lost should this worker die now", "dir", w.dir)
	for _, dir := range []string{w.runsDir(), w.seenDir()} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("make the worker's state directory again: %w", err)
		}
		if err := trustedpath.CheckDir(dir); err != nil {
			return fmt.Errorf("make the worker's state directory again: %w", err)
		}
	}
	if !locked {
		lock, err := lockFile(filepath.Join(w.dir, "lock"))
		if err != nil {
			return fmt.Errorf("make the worker's state directory again: %w", err)
		}
		_ = w.lock.Close() // of a file that nobody finds any more
		w.lock = lock
	}
	return errors.Join(w.markPresent(), w.memory.write(w.seenDir(), true))
}

// lockIsThere reports whether the lock that this worker holds is the one that
// another would find.
func (w *Worker) lockIsThere() bool {
	held, err := w.lock.Stat()
	if err != nil {
		return false
	}
	there, err := os.Stat(filepath.Join(w.dir, "lock"))
	return err == nil && os.SameFile(held, there)
}

// markPresent writes marks of the runs that are here now: should the worker die, their
// journal doesn't tell of them.
func (w *Worker) markPresent() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	var errs []error
	for run := range w.runs {
		errs = append(errs, os.WriteFile(filepath.Join(w.seenDir(), run), nil, 0o600))
	}
	return errors.Join(errs...)
}
