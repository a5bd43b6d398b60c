package worker

import (
	"context"
	"sync"

	"downbeat/internal/worker/course"
)

// A task is what a run that has the host waits for: its files, a command of its setup
// or teardown, the preparation of its processes. One at a time, it has a goroutine of
// its own, and posts how it ended. The fields are of the goroutine that owns the run.
type task struct {
	mail    *mailbox
	cancel  context.CancelFunc // of the latest; nil if there was none
	running sync.WaitGroup
}

// begin has do run until it ends, or is interrupted. A worker that shuts down
// interrupts it by way of the run, so that the publisher hears why.
func (t *task) begin(do func(context.Context) course.Input) {
	var ctx context.Context
	ctx, t.cancel = context.WithCancel(context.Background())
	cancel := t.cancel
	t.running.Go(func() {
		defer cancel()
		t.mail.post(do(ctx))
	})
}

// interrupt ends what is under way early, if anything is.
func (t *task) interrupt() {
	if t.cancel != nil {
		t.cancel()
	}
}
