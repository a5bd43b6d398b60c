package worker

import (
	"context"
	"sync"
	"time"

	"downbeat/internal/clock"
	"downbeat/internal/worker/course"
	"downbeat/internal/worker/probe"
)

// probes find out whether processes can be used, each on a goroutine of its own. The
// fields are of the goroutine that owns the run.
type probes struct {
	clock   *clock.Clock
	mail    *mailbox
	cancels map[int]context.CancelFunc // by command: of its latest
	running sync.WaitGroup
}

// begin looks until the process can be used, or end is called.
func (p *probes) begin(e course.Probe, look *probe.Probe, hide func(string) string) {
	if p.cancels == nil {
		p.cancels = make(map[int]context.CancelFunc)
	}
	p.end(e.Command)
	ctx, cancel := context.WithCancel(context.Background())
	p.cancels[e.Command] = cancel
	p.running.Go(func() {
		defer cancel()
		probed := course.Probed{Command: e.Command, Life: e.Life}
		if err := look.Wait(ctx); err != nil {
			probed.Err = hide(err.Error())
		}
		probed.At = p.clock.At(time.Now())
		p.mail.post(probed)
	})
}

// end ends what is looked for of a command, if anything is.
func (p *probes) end(command int) {
	if cancel := p.cancels[command]; cancel != nil {
		cancel()
	}
}

// close ends all, and waits for it.
func (p *probes) close() {
	for command := range p.cancels {
		p.end(command)
	}
	p.running.Wait()
}
