package worker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"downbeat/internal/message"
	"downbeat/internal/runner"
	"downbeat/internal/worker/runlog"
)

// seenFor is how long a run is remembered after it is over: longer than a job is
// valid at most, even if the clock is set meanwhile.
const seenFor = message.MaxAhead + time.Hour

// tidyEvery is how often a worker that runs on and on forgets what is older.
const tidyEvery = time.Hour

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// recover takes up what a worker that died has left: it ends the processes of
// each run in the journal, and reports the run as lost, or, where it had ended,
// sends what the publisher may not have.
func (w *Worker) recover(ctx context.Context) {
	w.dropOld(w.seenDir(), seenFor)
	w.memory.load(w.seenDir())
	w.sweepHung(ctx)
	entries, err := os.ReadDir(w.runsDir())
	if err != nil {
		w.slog.Error("the journal can't be read", "error", err)
		return
	}
	var stuck error
	for _, e := range entries {
		dir := filepath.Join(w.runsDir(), e.Name())
		if !exists(filepath.Join(dir, logDir)) { // it was over, or never began
			stuck = errors.Join(stuck, w.markSeen(e.Name()), w.dropRun(e.Name()))
			continue
		}
		if err := w.recoverRun(ctx, dir); err != nil {
			w.slog.Error("a run that was left can't be reported; its directory is removed", "dir", dir, "error", err)
			if err := errors.Join(w.markSeen(e.Name()), w.dropRun(e.Name())); err != nil {
				w.slog.Error("a directory can't be removed", "dir", dir, "error", err)
			}
		}
	}
	if stuck != nil {
		w.slog.Warn("something of runs that are over can't be removed: remove it by hand, as root if need be", "error", stuck)
	}
}

// recoverRun reports one run that was left. Even a run whose log is unreadable
// has its processes ended: they are known by their environment.
func (w *Worker) recoverRun(ctx context.Context, dir string) error {
	id := filepath.Base(dir)
	if err := message.CheckRun(id); err != nil {
		return err
	}
	var remains remains
	swept, sweepErr := w.config.Runner.Sweep(ctx, marks(&message.Job{Run: id, Host: w.config.Host}))
	log, body, err := runlog.Open(filepath.Join(dir, logDir))
	if err != nil {
		return errors.Join(err, sweepErr)
	}
	job, err := jobOf(body)
	if err != nil {
		return errors.Join(err, sweepErr, log.Close())
	}
	r := w.newRun(job, dir, log)
	r.sender.acked = log.First() - 1
	ended, err := r.journal.replay()
	if err != nil {
		return errors.Join(err, sweepErr, log.Close())
	}
	r.recovered = true
	if left, ok := errors.AsType[*runner.LeftError](sweepErr); ok {
		remains.add(left)
		w.slog.Error("a run was left behind, and not all of it can be ended; jobs are taken all the same", "run", id, "error", left)
	}
	r.remains = remains
	done := readEnded(dir)
	switch {
	case ended:
		r.state = Finished
		r.clear(func() {})
		w.start(ctx, r)
		return nil
	case done != nil && sweepErr == nil:
		w.slog.Info("collecting the files of a run that was left behind", "run", id)
		r.state = Collecting
		r.mail.post(collectAnew{done})
		w.start(ctx, r)
		return nil
	}
	w.slog.Warn("a run was left behind", "run", id, "swept", swept)
	r.left = &message.DoneInfo{Outcome: message.HostLost, Reason: fmt.Sprintf("the worker on %s died in mid-run", job.Host), Swept: swept}
	if sweepErr != nil {
		r.left.Reason += "; its processes could not all be ended: " + sweepErr.Error()
	}
	r.owed = r.marked()
	w.start(ctx, r)
	w.desk.admit(r) // for its teardown
	return nil
}

// owedFile is beside the log of a run whose teardown is owed: from before its
// setup begins until its teardown is over. The log forgets what was acknowledged.
const owedFile = "owed"

// owe notes on the disk whether the teardown is owed.
func (r *run) owe(owed bool) error {
	r.owed = owed
	if !owed {
		return os.Remove(filepath.Join(r.dir, owedFile))
	}
	if err := os.MkdirAll(r.dir, 0o700); err != nil { // somebody may have removed it
		return err
	}
	return os.WriteFile(filepath.Join(r.dir, owedFile), nil, 0o600)
}

// marked reports whether the teardown of a run that was left is owed.
func (r *run) marked() bool {
	_, err := os.Stat(filepath.Join(r.dir, owedFile))
	return err == nil
}

// jobOf decodes the job of a journal. Its signature was checked when it came.
func jobOf(body []byte) (*message.Job, error) {
	envelope, err := message.ReadEnvelope(body)
	if err != nil {
		return nil, err
	}
	return envelope.Job()
}

// replay reads the log, as far as it is not acknowledged: whether the run had
// ended, and how far each stream got.
func (j *journal) replay() (ended bool, err error) {
	reader := j.log.Reader(j.log.First())
	var buf []byte
	for {
		_, record, ok, err := reader.Next(buf)
		if err != nil || !ok {
			return ended, err
		}
		buf = record
		switch message.FrameKindOf(record) {
		case 0:
		case message.FrameOutput:
			o, err := message.DecodeOutput(record)
			if err != nil {
				return ended, err
			}
			j.recall(o)
			continue
		default: // files
			continue
		}
		e, err := message.DecodeEvent(record)
		if err != nil {
			return ended, err
		}
		ended = ended || e.Kind == message.Done || e.Kind == message.Refused
	}
}

// recall takes output for written that is in the log.
func (j *journal) recall(o *message.Output) {
	for s := range o.Segments() {
		if s.Command >= len(j.tallies) {
			continue
		}
		had := &j.tallies[s.Command][s.Stream]
		*had = message.Counter{Bytes: s.Offset, Newlines: s.Line}
		had.Add(s.Data)
	}
}

// dropOld removes the files of dir that are older than that.
func (w *Worker) dropOld(dir string, age time.Duration) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil && time.Since(info.ModTime()) > age {
			_ = os.Remove(filepath.Join(dir, e.Name()))
		}
	}
}
