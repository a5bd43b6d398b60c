package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"downbeat/internal/clock"
	"downbeat/internal/message"
	"downbeat/internal/runner"
	"downbeat/internal/worker/runlog"
)

// A run is one job on this host, from the journal to the last acknowledgement.
// One goroutine, in run.loop, owns its state; all others post to its mailbox.
type run struct {
	w    *Worker
	job  *message.Job
	slog *slog.Logger
	dir  string // holds the log and the processes' working directory
	mail *mailbox

	clock   *clock.Clock
	log     *runlog.Log
	journal *journal
	sender  *sender
	serials replayWindow

	// Of the goroutine that owns the run.
	state   State
	set     *runner.Set
	cancel  context.CancelFunc // of the preparation under way
	wounded bool               // an elder run wants the host
	stop    *stopping          // why the run has to end, once it has
	started []message.StartedInfo
	noticed bool // the stopping event is journaled
	leaving bool // the worker is shutting down
	lease   *time.Timer
	replies sync.WaitGroup // unlogged events under way
	collect gathering
	chunks  chan *message.Chunk // of files that were asked for
}

// stopping says why, when and how a run is to be stopped.
type stopping struct {
	cause  message.StopCause
	reason string
	at     time.Time // local
	grace  time.Duration
	own    bool // the worker's decision, not the publisher's
}

// What others post to a run, beside the desk's messages.
type (
	prepared struct {
		set *runner.Set
		err error
	}
	controlled struct {
		control *message.Control
		taken   time.Time
	}
	exited struct {
		command int
		exit    runner.Exit
	}
	begun struct {
		command, pid int
		at           time.Time
	}
	released struct{ err error }
	announce struct{} // it is time to report what has begun
	dropped  struct{ stopping }
)

// newRun makes the run of a job whose log is in dir/log.
func (w *Worker) newRun(job *message.Job, dir string, log *runlog.Log) *run {
	r := &run{
		w: w, job: job, dir: dir, log: log, mail: newMailbox(), clock: clock.New(w.config.Skew),
		chunks: make(chan *message.Chunk, 2*partBytes/message.MaxChunk),
		slog:   w.slog.With("run", job.Run, "experiment", job.Experiment),
	}
	r.journal = newJournal(job, r.clock, log, func(err error) {
		r.mail.post(dropped{stopping{cause: message.StopFailure, reason: "the run log can't be written: " + err.Error(), at: time.Now(), own: true}})
	})
	r.sender = newSender(w.config.Broker, job.ReplyTo, int(job.WindowBytes), log, r.slog, func() {
		r.mail.post(dropped{stopping{cause: message.StopLease, reason: "the publisher is gone: its queue has been deleted", at: time.Now(), own: true}})
	})
	return r
}

// leaseFor is the shorter of the publisher's lease and the worker's own.
func (r *run) leaseFor() time.Duration { return min(r.job.Lease(), r.w.config.Lease) }

// loop runs the run to its end. It returns once nothing of it is left, or, when
// ctx ends, once its processes are gone: what the publisher has not
// acknowledged then stays in the log for the next start of the worker.
func (r *run) loop(ctx context.Context) {
	sending, stopSending := context.WithCancel(context.WithoutCancel(ctx))
	var sender sync.WaitGroup
	sender.Go(func() { r.sender.run(sending) })
	r.lease = time.NewTimer(r.leaseFor())
	leave := ctx.Done()
	for r.state != Over {
		select {
		case <-r.mail.ready:
			r.readMail(ctx)
		case <-r.stopped():
			r.noteStop()
		case <-r.done():
			r.readMail(ctx) // what the set reported before it closed
			r.finish()
		case <-r.lease.C:
			r.expire()
		case <-leave:
			leave = nil
			r.leave()
		}
		if r.state == Finished && r.settled() {
			r.to(Over)
		}
	}
	r.lease.Stop()
	r.collect.stop(nil)
	stopSending()
	sender.Wait()
	r.replies.Wait()
	r.close()
}

// to moves the run to another state. A transition that is not allowed is a bug
// of ours: it is logged, and the run stays what it is.
func (r *run) to(state State) bool {
	next, err := r.state.next(state)
	if err != nil {
		r.slog.Error("unexpected transition", "error", err)
		return false
	}
	r.slog.Debug("run has moved on", "from", r.state.String(), "to", next.String())
	r.state = next
	return true
}

func (r *run) stopped() <-chan struct{} {
	if r.set == nil || r.noticed || r.state.held() {
		return nil
	}
	return r.set.Stopped()
}

func (r *run) done() <-chan struct{} {
	if r.set == nil || r.state.held() || r.state >= Collecting {
		return nil
	}
	return r.set.Done()
}

func (r *run) readMail(ctx context.Context) {
	for _, item := range r.mail.take() {
		switch m := item.(type) {
		case granted:
			r.prepare(ctx)
		case queued:
			r.event(message.Event{Kind: message.Waiting, Waiting: &message.WaitingInfo{Behind: m.behind}})
		case wounded:
			r.wounded = true
			r.giveWay()
		case prepared:
			r.prepared(m)
		case controlled:
			r.control(m.control, m.taken)
		case released:
			r.released(m.err)
		case begun:
			if len(r.started) == 0 {
				time.AfterFunc(hush, func() { r.mail.post(announce{}) })
			}
			r.started = append(r.started, message.StartedInfo{Process: m.command, PID: m.pid, StartedAt: r.clock.At(m.at)})
		case announce:
			r.noteStarted()
		case exited:
			r.exited(m)
		case dropped:
			r.drop(m.stopping)
		case collectAnew:
			r.beginCollecting(m.done, true)
		case collected:
			r.collected(m)
		}
	}
}

// event journals e. The journal itself tells the run when it can't.
func (r *run) event(e message.Event) { _ = r.journal.event(e) }

// prepare begins to prepare the processes; the result comes by mail.
func (r *run) prepare(ctx context.Context) {
	if r.state != Waiting || !r.to(Preparing) {
		r.w.desk.leave(r)
		return
	}
	// A worker that shuts down cancels it by itself, so as to say why.
	ctx, r.cancel = context.WithCancel(context.WithoutCancel(ctx))
	spec, err := r.spec()
	if err != nil {
		r.mail.post(prepared{err: err})
		return
	}
	go func() {
		if err := r.supply(ctx); err != nil {
			r.mail.post(prepared{err: err})
			return
		}
		set, err := r.w.config.Runner.Prepare(ctx, spec)
		r.mail.post(prepared{set, err})
	}()
}

// prepared takes the outcome of prepare, which may have become unwanted.
func (r *run) prepared(p prepared) {
	r.cancel()
	r.set = p.set
	switch {
	case r.stop != nil:
		r.discard()
		r.finish()
	case r.wounded:
		r.yield()
	case p.err != nil:
		r.refuse(p.err)
	default:
		r.to(Ready)
		r.reportReady()
	}
}

func (r *run) reportReady() {
	r.event(message.Event{Kind: message.Ready, Ready: &message.ReadyInfo{Hold: string(r.set.Hold()), Unheld: r.set.Unheld()}})
}

// refuse ends a run whose processes can't be prepared.
func (r *run) refuse(err error) {
	info := &message.RefusedInfo{Reason: err.Error()}
	if prepare, ok := errors.AsType[*runner.PrepareError](err); ok {
		info.Reason = fmt.Sprintf("%d of %d commands can't be run", len(prepare.Problems), len(r.job.Processes))
		for _, p := range prepare.Problems {
			reason := strings.ReplaceAll(p.Err.Error(), filepath.Join(r.dir, workDir), "the run's directory")
			info.Problems = append(info.Problems, message.Problem{Process: p.Name, Reason: reason})
		}
	}
	r.slog.Warn("run refused", "reason", err)
	r.event(message.Event{Kind: message.Refused, Refused: info})
	r.end()
}

// giveWay lets an elder run have the host, if this one still can.
func (r *run) giveWay() {
	switch {
	case !r.wounded:
	case r.state == Preparing:
		r.cancel() // the outcome comes by mail, and then the host is yielded
	case r.state == Ready:
		r.yield()
	}
}

// yield gives the host back and waits for it again.
func (r *run) yield() {
	r.discard()
	r.wounded = false
	r.to(Waiting)
	r.slog.Info("an older run takes the host")
	r.w.desk.yield(r)
}

// discard kills a set that was never released: none of its processes has
// executed an instruction, and that takes no time worth speaking of.
func (r *run) discard() {
	if r.set == nil {
		return
	}
	r.set.Stop(time.Now(), 0)
	<-r.set.Done()
	r.set = nil
}

// spec turns the job into what the runner takes, in a fresh directory.
func (r *run) spec() (runner.Spec, error) {
	work := filepath.Join(r.dir, workDir)
	if err := os.RemoveAll(work); err != nil {
		return runner.Spec{}, fmt.Errorf("clear the run's directory: %w", err)
	}
	if err := os.Mkdir(work, 0o700); err != nil {
		return runner.Spec{}, fmt.Errorf("make the run's directory: %w", err)
	}
	spec := runner.Spec{Sink: (*sink)(r), Mark: marks(r.job)}
	for i := range r.job.Processes {
		p := &r.job.Processes[i]
		dir := p.Dir
		if !filepath.IsAbs(dir) {
			dir = filepath.Join(work, dir)
		}
		spec.Commands = append(spec.Commands, runner.Command{
			Name: p.Name, Argv: p.Argv, Dir: dir, Env: r.w.environment(r.job, p, dir), Delay: p.Delay(),
			Search: []string{r.w.config.Dir},
		})
	}
	return spec, nil
}

// sink is what the runner sees of a run.
type sink run

func (s *sink) Started(command, pid int, at time.Time) { s.mail.post(begun{command, pid, at}) }

func (s *sink) Output(command int, stream runner.Stream, at time.Time, data []byte) {
	s.journal.output(command, stream, at, data)
}

func (s *sink) Exited(command int, exit runner.Exit) { s.mail.post(exited{command, exit}) }

// reply sends an unlogged event.
func (r *run) reply(e message.Event) {
	e.Run = r.job.Run
	e.Time = r.clock.Now()
	r.replies.Go(func() { r.w.send(r.job.ReplyTo, e, r.leaseFor()) })
}

// close removes what is left of a run that is over.
func (r *run) close() {
	if err := r.w.forget(r); err != nil {
		r.slog.Warn("something of the run is left on the disk", "error", err)
	}
}
