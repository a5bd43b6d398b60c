package worker

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"downbeat/internal/worker/course"
)

// removeFor bounds one try to remove a directory.
const removeFor = 5 * time.Minute

// A clearing is the removal of a run's directory, on a goroutine of its own. Its fields
// are of the goroutine that owns the run.
type clearing struct {
	mail   *mailbox
	slog   *slog.Logger
	cancel context.CancelFunc // nil until it begins
	ended  sync.WaitGroup
}

// begin has the directory removed by remove, which ends with its context.
func (c *clearing) begin(remove func(context.Context) error) {
	ctx, cancel := context.WithTimeout(context.Background(), removeFor)
	c.cancel = cancel
	c.ended.Go(func() {
		defer cancel()
		cleared := course.Cleared{}
		if err := remove(ctx); err != nil {
			c.slog.Warn("something is left behind", "reason", err)
			cleared.Note = err.Error()
		}
		c.mail.post(cleared)
	})
}

// wait waits for the end of the removal, if it goes on, and breaks it off when ctx
// ends: what is left is tried again later.
func (c *clearing) wait(ctx context.Context) {
	if c.cancel != nil {
		defer context.AfterFunc(ctx, c.cancel)()
	}
	c.ended.Wait()
}
