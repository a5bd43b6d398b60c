package worker

import (
	"context"
	"sync"

	"downbeat/internal/message"
	"downbeat/internal/worker/course"
	"downbeat/internal/worker/facts"
)

// evidence gathers the facts of the host for a run, on a goroutine of its own. The fields are
// of the goroutine that owns the run.
type evidence struct {
	reader  *facts.Reader
	mail    *mailbox
	hurry   func()
	cancel  context.CancelFunc // of the latest; nil if there was none
	running sync.WaitGroup
}

// begin gathers facts, instead of those that are being gathered.
func (e *evidence) begin(w *facts.Work) {
	e.close()
	ctx, cancel := context.WithCancel(context.Background())
	soon := make(chan struct{})
	e.cancel, e.hurry = cancel, sync.OnceFunc(func() { close(soon) })
	e.running.Go(func() {
		defer cancel()
		gathered := e.reader.Gather(ctx, soon, w)
		if ctx.Err() == nil {
			e.mail.post(course.FactsGathered{Facts: gathered})
		}
	})
}

// soon has what is being gathered told soon, if anything is.
func (e *evidence) soon() {
	if e.hurry != nil {
		e.hurry()
	}
}

// close ends what is under way, and waits for it.
func (e *evidence) close() {
	if e.cancel != nil {
		e.cancel()
	}
	e.running.Wait()
}

// work is what is told of a run's programs: of those that its processes execute, and its
// actions. It is found out at once: a short run's directory may be gone soon.
func (r *run) work() *facts.Work {
	shipped := make(map[string]string)
	for _, f := range r.job.Files {
		if f.SHA256 != "" {
			shipped[f.Path] = f.SHA256
		}
	}
	w := facts.NewWork(r.dir.in(""), shipped)
	for _, n := range r.processes.numbers {
		c := &r.job.Commands[n]
		command := r.spec.command(c, r.dir.in(c.Dir))
		w.Add(n, &command)
	}
	return w
}

// tellFacts adds to an answer to a hello, which send sends, the facts of the host. That takes a while, so it is not waited for.
func (w *Worker) tellFacts(info *message.HereInfo, send func()) {
	w.loops.Go(func() {
		now := w.facts.Now(context.Background())
		info.Facts = &now
		send()
	})
}
