package worker

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"downbeat/internal/message"
)

// Collecting: once no process of a run is left, the files that its job asks for
// are read from its directory and go the way of the output, through the run's log
// to the publisher. The host is free for the next run meanwhile.

// endedFile, in the run's directory, holds what is to be reported at the end of
// a run whose files are being collected. A worker that was killed meanwhile
// goes by it, and collects anew.
const endedFile = "ended"

// A gathering is the collection of a run's files that is under way, if any.
type gathering struct {
	cancel context.CancelCauseFunc
	ended  sync.WaitGroup
}

// stop breaks it off, if it goes on. With a cause it still reports what there is.
func (g *gathering) stop(cause error) {
	if g.cancel == nil {
		return
	}
	g.cancel(cause)
	if cause == nil {
		g.ended.Wait()
	}
}

// Posted to a run, beside what others do.
type (
	collected struct {
		done  *message.DoneInfo
		files message.FileTotals
	}
	collectAnew struct{ done *message.DoneInfo } // a worker that died had begun to
)

// beginCollecting tells the publisher that no process is left, frees the host,
// and reads the files in the background.
func (r *run) beginCollecting(done *message.DoneInfo, anew bool) {
	if r.state != Collecting {
		r.to(Collecting)
	}
	if err := writeEnded(r.dir, done); err != nil {
		r.slog.Warn("a worker that dies now could not go on collecting", "error", err)
	}
	r.free()
	r.event(message.Event{Kind: message.Ended})
	r.lease.Reset(r.drainFor()) // where it was the lease that ended the run, it has run out
	root := r.work
	if root == nil { // this worker's predecessor has made it
		root = r.w.findWork(r.job.Run)
		r.work = root
	}
	var ctx context.Context
	ctx, r.collect.cancel = context.WithCancelCause(context.Background())
	r.collect.ended.Go(func() {
		c := newCollection(r.job.Collect, r.journal, r.sender, backlogFor(r.job))
		c.pieces.Codec = message.PickCodec(r.job.Codecs)
		files := c.run(ctx, root, anew)
		r.mail.post(collected{done, files})
	})
}

// findWork takes hold of the directory of a run that was found at the worker's
// start; nil where there is none, or a link in its place.
func (w *Worker) findWork(run string) *os.Root {
	path := filepath.Join(w.runsDir(), run, workDir)
	before, err := os.Lstat(path)
	if err != nil || !before.IsDir() {
		return nil
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil
	}
	if opened, err := root.Stat("."); err != nil || !os.SameFile(before, opened) {
		_ = root.Close() // it was replaced in between
		return nil
	}
	return root
}

// collected closes the account of a run whose files are on their way.
func (r *run) collected(c collected) {
	if c.files.BrokenOff != "" {
		r.slog.Warn("not all files were collected", "reason", c.files.BrokenOff)
	}
	c.done.Files = &c.files
	r.complete(c.done)
}

// backlogFor is how much of a run's files may wait in its log, in bytes: what is
// in the log takes disk a second time.
func backlogFor(job *message.Job) int { return 4 * int(job.WindowBytes) }

func writeEnded(dir string, done *message.DoneInfo) error {
	data, err := json.Marshal(done)
	if err != nil {
		return fmt.Errorf("encode the end of the run: %w", err)
	}
	return os.WriteFile(filepath.Join(dir, endedFile), data, 0o600)
}

// readEnded is nil where the run had not come to its end, or that was not
// written in full.
func readEnded(dir string) *message.DoneInfo {
	data, err := os.ReadFile(filepath.Join(dir, endedFile))
	if err != nil {
		return nil
	}
	done := new(message.DoneInfo)
	if json.Unmarshal(data, done) != nil {
		return nil
	}
	return done
}
