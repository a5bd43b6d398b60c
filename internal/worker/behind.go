package worker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"downbeat/internal/message"
	"downbeat/internal/runner"
)

// What stays behind on a host when a run has left it: processes that can't be
// ended, directories that can't be removed. It is told to the publisher, once.

const (
	// clearFor is how long the end of a run waits until its directory is removed, so
	// as to tell what is left of it. The removal goes on after that.
	clearFor = 5 * time.Second
	// removeFor bounds one try to remove a directory.
	removeFor = 5 * time.Minute
	// maxLeft bounds how many processes are named.
	maxLeft = 100
)

// remains are what a run leaves on the host, and what else is worth a word about it.
type remains struct {
	left   []message.Leftover
	unseen string
	notes  []string
}

// add adds what the runner could not end.
func (m *remains) add(e *runner.LeftError) {
	if e == nil {
		return
	}
	for _, l := range e.Left {
		if len(m.left) < maxLeft {
			m.left = append(m.left, message.Leftover{PID: l.PID, Command: shorten([]string{l.Command})})
		}
	}
	if e.Unseen != nil {
		m.unseen = e.Unseen.Error()
	}
}

func (m *remains) note(format string, args ...any) {
	m.notes = append(m.notes, fmt.Sprintf(format, args...))
}

// into puts it all into the run's last event.
func (m *remains) into(done *message.DoneInfo) {
	done.Left = append(done.Left, m.left...)
	done.Notes = append(done.Notes, m.notes...)
	if m.unseen != "" {
		done.Unseen = m.unseen
	}
}

// Posted to a run.
type (
	// remained: a step has left processes that can't be ended.
	remained struct{ left *runner.LeftError }
	// cleared: the run's directory is removed, or can't be, or is waited for no longer.
	cleared struct{ err error }
)

// noteNeighbours notes the processes of earlier runs that can't be ended, and take
// part in what this run measures.
func (r *run) noteNeighbours() {
	if left := r.w.config.Runner.Leftovers(); left != nil {
		r.slog.Warn("processes of an earlier run are still there", "error", left)
		r.remains.note("what an earlier run has left is still there beside this one: %v", left)
	}
}

// clear removes what the processes started in, in the background, and then goes
// on with then, which can tell what is left of it.
func (r *run) clear(then func()) {
	r.then = then
	r.closing = true
	ctx, cancel := context.WithTimeout(context.Background(), removeFor)
	r.clearing.cancel = cancel
	late := time.AfterFunc(clearFor, func() { r.mail.post(cleared{}) })
	r.clearing.ended.Go(func() {
		defer cancel()
		err := r.w.clearWork(ctx, r.job.Run)
		late.Stop()
		r.mail.post(cleared{err})
	})
}

// A clearing is the removal of a run's directory that is under way.
type clearing struct {
	cancel context.CancelFunc
	ended  sync.WaitGroup
}

// wait waits for the end of the removal, if it goes on, and breaks it off when ctx
// ends: what is left is tried again later.
func (c *clearing) wait(ctx context.Context) {
	if c.cancel != nil {
		defer context.AfterFunc(ctx, c.cancel)()
	}
	c.ended.Wait()
}

// cleared goes on once the directory is removed.
func (r *run) cleared(m cleared) {
	if m.err != nil {
		r.slog.Warn("something is left behind", "reason", m.err)
		r.remains.note("%v", m.err)
	}
	if then := r.then; then != nil { // else it was waited for long enough
		r.then = nil
		then()
	}
}

// clearWork removes a run's working directory. What can't be removed is moved out
// of the way, and tried again at each start of the worker.
func (w *Worker) clearWork(ctx context.Context, run string) error {
	err := RemoveTree(ctx, w.runsDir(), run, workDir)
	if err == nil {
		return nil
	}
	work, kept := filepath.Join(w.runsDir(), run, workDir), filepath.Join(w.leftDir(), run)
	if !exists(work) {
		return nil // gone meanwhile
	}
	if moveErr := errors.Join(os.MkdirAll(w.leftDir(), 0o700), os.Rename(work, kept)); moveErr != nil {
		kept = work
	}
	return fmt.Errorf("left %s behind: %w", kept, err)
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
	ctx, cancel := context.WithTimeout(context.Background(), clearFor)
	defer cancel()
	return errors.Join(w.clearWork(ctx, run), RemoveTree(ctx, w.runsDir(), run))
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
