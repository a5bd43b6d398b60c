package worker

import (
	"context"
	"os"
	"sync"

	"downbeat/internal/message"
	"downbeat/internal/worker/course"
)

// Collecting: once no process of a run is left, the files that its job asks for
// are read from its directory and go the way of the output, through the run's log
// to the publisher. The host is free for the next run meanwhile.

// A collector has a run's files collected, on a goroutine of its own. Its fields are of
// the goroutine that owns the run.
type collector struct {
	job     *message.Job
	journal *journal
	sender  *sender
	mail    *mailbox
	cancel  context.CancelCauseFunc // nil until it begins
	ended   sync.WaitGroup
}

// begin reads the files of root, which is nil where the directory is gone.
func (c *collector) begin(root *os.Root, anew bool) {
	var ctx context.Context
	ctx, c.cancel = context.WithCancelCause(context.Background())
	files := newCollection(c.job.Collect, c.journal, c.sender, backlogFor(c.job))
	files.pieces.Codec = message.PickCodec(c.job.Codecs)
	c.ended.Go(func() {
		totals := files.run(ctx, root, anew)
		c.mail.post(course.Collected{Files: &totals})
	})
}

// stop breaks the collection off, if it goes on. With a cause it still reports what
// there is.
func (c *collector) stop(cause error) {
	if c.cancel == nil {
		return
	}
	c.cancel(cause)
	if cause == nil {
		c.ended.Wait()
	}
}

// backlogFor is how much of a run's files may wait in its log, in bytes: what is
// in the log takes disk a second time.
func backlogFor(job *message.Job) int { return 4 * int(job.WindowBytes) }
