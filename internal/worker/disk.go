package worker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"downbeat/internal/message"
	"downbeat/internal/worker/runlog"
)

// seenFor is how long a run is remembered after it is over. A job expires
// sooner, and expired jobs are refused anyhow.
const seenFor = 48 * time.Hour

// markSeen remembers a run whose directory is about to be removed.
func (w *Worker) markSeen(run string) error {
	if err := os.WriteFile(filepath.Join(w.seenDir(), run), nil, 0o600); err != nil {
		return fmt.Errorf("remember the run: %w", err)
	}
	return nil
}

// seen reports whether the run was on this host before.
func (w *Worker) seen(run string) bool {
	for _, dir := range []string{w.seenDir(), w.runsDir()} {
		if _, err := os.Lstat(filepath.Join(dir, run)); err == nil {
			return true
		}
	}
	return false
}

// recover takes up what a worker that died has left: it ends the processes of
// each run in the journal, and reports the run as lost, or, where it had ended,
// sends what the publisher may not have.
func (w *Worker) recover(ctx context.Context) {
	w.dropOld(w.seenDir(), seenFor)
	entries, err := os.ReadDir(w.runsDir())
	if err != nil {
		w.slog.Error("the journal can't be read", "error", err)
		return
	}
	for _, e := range entries {
		dir := filepath.Join(w.runsDir(), e.Name())
		if err := w.recoverRun(ctx, dir); err != nil {
			w.slog.Error("a run that was left can't be reported; its directory is removed", "dir", dir, "error", err)
			if err := errors.Join(w.markSeen(e.Name()), os.RemoveAll(dir)); err != nil {
				w.slog.Error("a directory can't be removed", "dir", dir, "error", err)
			}
		}
	}
}

// recoverRun reports one run that was left. Even a run whose log is unreadable
// has its processes ended: they are known by their environment.
func (w *Worker) recoverRun(ctx context.Context, dir string) error {
	id := filepath.Base(dir)
	if err := message.CheckRun(id); err != nil {
		return err
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
	r := w.newRun(job, dir, log)
	r.sender.acked = log.First() - 1
	tail, err := r.journal.replay()
	if err != nil {
		return errors.Join(err, sweepErr, log.Close())
	}
	if done := readEnded(dir); done != nil && !tail.ended && sweepErr == nil {
		w.slog.Info("collecting the files of a run that was left behind", "run", id)
		r.state = Collecting
		r.mail.post(collectAnew{done})
		w.start(ctx, r)
		return nil
	}
	r.state = Finished
	if !tail.ended {
		reason := fmt.Sprintf("the worker on %s died in mid-run", job.Host)
		if sweepErr != nil {
			reason += "; its processes could not all be ended: " + sweepErr.Error()
		}
		w.slog.Warn("a run was left behind", "run", id, "swept", swept)
		r.event(message.Event{Kind: message.Done, Done: &message.DoneInfo{
			Outcome: message.HostLost, Reason: reason, Swept: swept, Totals: tail.totals,
		}})
	}
	if err := os.RemoveAll(filepath.Join(dir, workDir)); err != nil {
		w.slog.Warn("the run's directory can't be removed", "run", id, "error", err)
	}
	w.start(ctx, r)
	return nil
}

// jobOf decodes the job of a journal. Its signature was checked when it came.
func jobOf(body []byte) (*message.Job, error) {
	envelope, err := message.OpenEnvelope(body, message.Trust{Unsigned: true}, time.Time{})
	if err != nil {
		return nil, err
	}
	return envelope.Job()
}

// A tail is what the log of a run that was left says of it.
type tail struct {
	ended  bool // its last event is there
	totals []message.Total
}

// replay reads the log: whether the run had ended, and how far each stream got.
func (j *journal) replay() (tail, error) {
	t := tail{totals: make([]message.Total, len(j.streams)/2)}
	reader := j.log.Reader(j.log.First())
	var buf []byte
	for {
		_, record, ok, err := reader.Next(buf)
		if err != nil || !ok {
			return t, err
		}
		buf = record
		if message.IsArtifact(record) {
			continue
		}
		if message.IsOutput(record) {
			o, err := message.DecodeOutput(record)
			if err != nil {
				return t, err
			}
			t.count(o)
			continue
		}
		e, err := message.DecodeEvent(record)
		if err != nil {
			return t, err
		}
		t.ended = t.ended || e.Kind == message.Done || e.Kind == message.Refused
	}
}

func (t *tail) count(o *message.Output) {
	for _, s := range o.Segments {
		if s.Process >= len(t.totals) {
			continue
		}
		bytes, lines := s.Offset+uint64(len(s.Data)), s.Line+countLines(s.Data)
		if s.Stream == message.Stdout {
			t.totals[s.Process].StdoutBytes, t.totals[s.Process].StdoutLines = bytes, lines
		} else {
			t.totals[s.Process].StderrBytes, t.totals[s.Process].StderrLines = bytes, lines
		}
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
