package worker

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"downbeat/internal/trustedpath"
	"downbeat/internal/worker/course"
)

// A run must not be started twice, whatever becomes of the disk: so the marks there of the
// runs that were here, which outlive the worker, are kept in memory as well (by its
// [course.Admission]), and are written again when they are lost.

// A mark is a run that was here, and when it left.
type mark struct {
	run string
	at  time.Time
}

// markSeen remembers a run whose directory is about to be removed.
func (w *Worker) markSeen(run string) error {
	w.mu.Lock()
	w.admission.Remember(run, time.Now())
	w.unwritten[run] = true
	w.mu.Unlock()
	return w.restore()
}

// loadMarks reads the marks that a worker before has left.
func (w *Worker) loadMarks() {
	entries, err := os.ReadDir(w.seenDir())
	if err != nil {
		return // it has just been made
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range entries {
		if info, err := e.Info(); err == nil {
			w.admission.Remember(e.Name(), info.ModTime())
		}
	}
}

// writeMarks writes the marks that are not on the disk, or all of them.
func (w *Worker) writeMarks(all bool) error {
	var first error
	for _, m := range w.marksToWrite(all) {
		path := filepath.Join(w.seenDir(), m.run)
		err := os.WriteFile(path, nil, 0o600)
		if err == nil {
			err = os.Chtimes(path, m.at, m.at)
		}
		w.mu.Lock()
		if err == nil {
			delete(w.unwritten, m.run)
		} else {
			w.unwritten[m.run] = true
		}
		w.mu.Unlock()
		if err != nil && first == nil {
			first = fmt.Errorf("remember a run: %w", err)
		}
	}
	return first
}

func (w *Worker) marksToWrite(all bool) []mark {
	w.mu.Lock()
	defer w.mu.Unlock()
	var marks []mark
	for run, at := range w.admission.Remembered() {
		if all || w.unwritten[run] {
			marks = append(marks, mark{run, at})
		}
	}
	return marks
}

// seenOnDisk reports whether the disk knows that the run was here and has left; hereOnDisk,
// whether it holds anything of it.
func (w *Worker) seenOnDisk(run string) bool { return exists(filepath.Join(w.seenDir(), run)) }

func (w *Worker) hereOnDisk(run string) bool {
	return w.seenOnDisk(run) || exists(filepath.Join(w.runsDir(), run))
}

// judgeJob says what becomes of a job.
func (w *Worker) judgeJob(run string) course.Verdict {
	onDisk := w.hereOnDisk(run)
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.admission.Job(run, onDisk)
}

// restore makes the worker's directory again where somebody has removed it, or a
// part of it, and writes the marks that are not on the disk. It fails where another
// worker has taken the place meanwhile, or the disk takes nothing.
func (w *Worker) restore() error {
	w.restoring.Lock()
	defer w.restoring.Unlock()
	locked := w.lockIsThere()
	if locked && exists(w.runsDir()) && exists(w.seenDir()) {
		return w.writeMarks(false)
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
	return errors.Join(w.markPresent(), w.writeMarks(true))
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
