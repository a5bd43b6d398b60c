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
	"downbeat/internal/streams"
	"downbeat/internal/worker/course"
	"downbeat/internal/worker/rendezvous"
	"downbeat/internal/worker/runlog"
)

// seenFor is how long a run is remembered after it is over: longer than a job is
// valid at most, even if the clock is set meanwhile.
const seenFor = message.MaxAhead + time.Hour

// tidyEvery is how often a worker that runs on and on forgets what is older.
const tidyEvery = time.Hour

// recover takes up what a worker that died has left: it ends the processes of
// each run in the journal, and reports the run as lost, or, where it had ended,
// sends what the publisher may not have.
func (w *Worker) recover(ctx context.Context) {
	w.dropOld(w.seenDir(), seenFor)
	w.loadMarks()
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

// recoverRun takes up one run that was left. Even a run whose log is unreadable
// has its processes ended: they are known by their environment.
func (w *Worker) recoverRun(ctx context.Context, dir string) error {
	id := filepath.Base(dir)
	if err := message.CheckRun(id); err != nil {
		return err
	}
	if err := rendezvous.Remove(rendezvous.Path(dir)); err != nil {
		w.slog.Warn("the socket of a run that was left can't be removed", "error", err)
	}
	swept, sweepErr := w.config.Runner.Sweep(ctx, marks(&message.Job{Run: id, Host: w.config.Host}))
	log, body, err := runlog.Open(filepath.Join(dir, logDir))
	if err != nil {
		return errors.Join(err, sweepErr)
	}
	job, err := jobOf(body)
	if err != nil {
		return errors.Join(err, sweepErr, log.Close())
	}
	r := w.foundRun(job, log)
	found, err := r.found(swept, sweepErr)
	if err != nil {
		return errors.Join(err, sweepErr, log.Close())
	}
	r.mail.post(found)
	if !found.Ended && found.Resume == nil {
		w.turns.admit(r) // for its teardown
	}
	w.start(ctx, r)
	return nil
}

// found is what the disk tells of a run that was left, of which so many processes had to
// be ended.
func (r *run) found(swept int, sweepErr error) (course.Recovered, error) {
	ended, err := r.journal.replay()
	if err != nil {
		return course.Recovered{}, err
	}
	found := course.Recovered{Ended: ended, Totals: r.journal.totals()}
	if left, ok := errors.AsType[*runner.LeftError](sweepErr); ok {
		found.Left = remains(left)
		r.slog.Error("a run was left behind, and not all of it can be ended; jobs are taken all the same", "error", left)
	}
	if ended {
		return found, nil
	}
	if found.Resume = r.dir.end(); found.Resume != nil && sweepErr == nil {
		if found.Resume.Files == nil {
			r.slog.Info("collecting the files of a run that was left behind")
		}
		return found, nil
	}
	r.slog.Warn("a run was left behind", "swept", swept)
	found.Resume = nil
	found.Swept, found.Owed = swept, r.dir.owes()
	found.Reason = fmt.Sprintf("the worker on %s died in mid-run", r.job.Host)
	if sweepErr != nil {
		found.Reason += "; its processes could not all be ended: " + sweepErr.Error()
	}
	return found, nil
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
		*had = streams.Counter{Bytes: s.Offset, Newlines: s.Line}
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
