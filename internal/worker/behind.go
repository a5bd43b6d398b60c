package worker

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"time"

	"downbeat/internal/message"
)

// Remains of a run on its host: processes that can't be ended, directories that can't be
// removed. The publisher is told of them once.

// dropFor is how long a worker waits until the directory of a run that is over is
// removed; what is left is tried again at its next start.
const dropFor = 5 * time.Second

// directory is what the disk holds of a run.
func (w *Worker) directory(run string) directory {
	return directory{runs: w.runsDir(), left: w.leftDir(), run: run}
}

// leftDir holds the directories of runs that could not be removed.
func (w *Worker) leftDir() string { return filepath.Join(w.dir, "left") }

// clearLeft tries to remove what earlier runs have left, and says in one line what
// still can't be.
func (w *Worker) clearLeft(ctx context.Context) {
	entries, err := os.ReadDir(w.leftDir())
	if err != nil {
		return // there is none
	}
	var first error
	stuck := 0
	for _, e := range entries {
		err := RemoveTree(ctx, w.leftDir(), e.Name())
		if err == nil {
			continue
		}
		if stuck++; first == nil {
			first = err
		}
	}
	if stuck > 0 && ctx.Err() == nil {
		w.slog.Warn("directories of earlier runs can't be removed: remove them by hand, as root if need be", "dir", w.leftDir(), "number", stuck, "first", first)
	}
}

// dropRun removes all that is on the disk of a run. What can't be is moved out of
// the way.
func (w *Worker) dropRun(run string) error {
	ctx, cancel := context.WithTimeout(context.Background(), dropFor)
	defer cancel()
	dir := w.directory(run)
	return errors.Join(dir.clear(ctx), RemoveTree(ctx, w.runsDir(), run))
}

// hungDir names the runs that are over and of which a process could not be ended:
// the next start of the worker is to know of it.
func (w *Worker) hungDir() string { return filepath.Join(w.dir, "hung") }

func (w *Worker) noteHung(run string) {
	err := os.MkdirAll(w.hungDir(), 0o700)
	if err == nil {
		err = os.WriteFile(filepath.Join(w.hungDir(), run), nil, 0o600)
	}
	if err != nil {
		w.slog.Warn("the next start of this worker will not know of the processes that are left", "run", run, "error", err)
	}
}

// sweepHung ends what an earlier start could not end, or has the runner go on
// trying.
func (w *Worker) sweepHung(ctx context.Context) {
	entries, err := os.ReadDir(w.hungDir())
	if err != nil {
		return // there is none
	}
	var sweeps sync.WaitGroup
	for _, e := range entries {
		if message.CheckRun(e.Name()) != nil {
			continue
		}
		sweeps.Go(func() {
			_, err := w.config.Runner.Sweep(ctx, marks(&message.Job{Run: e.Name(), Host: w.config.Host}))
			if err != nil {
				w.slog.Error("what an earlier run has left can't be ended; jobs are taken all the same", "run", e.Name(), "error", err)
				return
			}
			_ = os.Remove(filepath.Join(w.hungDir(), e.Name())) // else it is looked for in vain
		})
	}
	sweeps.Wait()
}
