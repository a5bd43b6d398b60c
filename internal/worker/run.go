package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
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
	cancel  context.CancelFunc // of the setup or the preparation under way
	wounded bool               // an elder run wants the host
	stop    *stopping          // why the run has to end, once it has
	started []message.StartedInfo
	// processes are the numbers of the commands of [message.PhaseRun], as the set counts
	// them. It doesn't change.
	processes []int
	owed      bool              // the teardown, as the host is or was this run's
	after     aftermath         // what the teardown is followed by
	refusal   error             // if that is a refusal: why
	left      *message.DoneInfo // of a run that a worker has left that died: how it ends
	noticed   bool              // the stopping event is journaled
	mute      error             // why no event can be sent any more
	// recovered: the log was found at the worker's start.
	recovered bool
	leaving   bool // the worker is shutting down
	lease     *time.Timer
	replies   sync.WaitGroup // unlogged events under way
	collect   gathering
	remains   remains
	work      *os.Root // the run's directory, opened before a process could change what its name leads to
	elsewhere string   // where the teardown runs, if the run's directory can't be had; else empty
	// closing: the run has ended on this host, and how is known; its directory is
	// being removed, and then comes then.
	closing  bool
	then     func()
	clearing clearing
	chunks   chan *message.Chunk // of files that were asked for
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
	// unreadable: the log can't be read back, so no event can be sent any more.
	unreadable struct{ err error }
)

// newRun makes the run of a job whose log is in dir/log.
func (w *Worker) newRun(job *message.Job, dir string, log *runlog.Log) *run {
	r := &run{
		w: w, job: job, dir: dir, log: log, mail: newMailbox(), clock: clock.New(w.skew()),
		chunks: make(chan *message.Chunk, 2*partBytes/message.MaxChunk),
		slog:   w.slog.With("run", job.Run, "experiment", job.Experiment),
	}
	for n := range job.In(message.PhaseRun) {
		r.processes = append(r.processes, n)
	}
	r.journal = newJournal(job, r.clock, log, func(err error) {
		r.mail.post(dropped{stopping{cause: message.StopFailure, reason: "the run log can't be written: " + err.Error(), at: time.Now(), own: true}})
	})
	r.sender = newSender(w.config.Broker, job.ReplyTo, int(job.WindowBytes), log, r.slog, func() {
		r.mail.post(dropped{stopping{cause: message.StopLease, reason: "the publisher is gone: its queue has been deleted", at: time.Now(), own: true}})
	})
	r.sender.onUnreadable = func(err error) { r.mail.post(unreadable{err}) }
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
			r.ended()
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
	r.clearing.wait(ctx)
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
	if r.set == nil || r.closing || r.state.held() || r.state >= TearingDown {
		return nil
	}
	return r.set.Done()
}

func (r *run) readMail(ctx context.Context) {
	for _, item := range r.mail.take() {
		switch m := item.(type) {
		case granted:
			r.enter(ctx)
		case setUp:
			r.setUp(ctx, m.err)
		case tornDown:
			r.conclude()
		case queued:
			if r.left == nil {
				r.event(message.Event{Kind: message.Waiting, Waiting: &message.WaitingInfo{Behind: m.behind}})
			}
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
			r.started = append(r.started, message.StartedInfo{Command: r.processes[m.command], PID: m.pid, StartedAt: r.clock.At(m.at)})
		case announce:
			r.noteStarted()
		case exited:
			r.exited(m)
		case dropped:
			r.drop(m.stopping)
		case remained:
			r.remains.add(m.left)
		case cleared:
			r.cleared(m)
		case unreadable:
			r.fallMute(m.err)
		case collectAnew:
			r.beginCollecting(m.done, true)
		case collected:
			r.collected(m)
		}
	}
}

// event journals e. The journal itself tells the run when it can't.
func (r *run) event(e message.Event) { _ = r.journal.event(e) }

// enter begins with the host, which is the run's now.
func (r *run) enter(ctx context.Context) {
	if r.state != Waiting { // it has ended meanwhile
		r.w.desk.leave(r)
		return
	}
	if r.left != nil {
		r.tearDown(thenFinish)
		return
	}
	if err := r.freshDir(); err != nil {
		r.refuse(err)
		return
	}
	if r.hasSteps() {
		r.setup(ctx)
		return
	}
	r.prepare(ctx)
}

func (r *run) hasSteps() bool {
	return r.job.Has(message.PhaseSetup) || r.job.Has(message.PhaseTeardown)
}

// prepare begins to prepare the processes; the result comes by mail.
func (r *run) prepare(ctx context.Context) {
	if !r.to(Preparing) {
		return
	}
	// A worker that shuts down cancels it by itself, so as to say why.
	ctx, r.cancel = context.WithCancel(context.WithoutCancel(ctx))
	spec := r.spec()
	go func() {
		if !r.hasSteps() { // else the setup has found them there
			if err := r.supply(ctx); err != nil {
				r.mail.post(prepared{err: err})
				return
			}
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
		r.tearDown(thenFinish)
	case r.wounded:
		r.discard()
		r.tearDown(thenYield)
	case p.err != nil:
		r.refusal = p.err
		r.tearDown(thenRefuse)
	default:
		r.to(Ready)
		r.reportReady()
	}
}

func (r *run) reportReady() {
	r.event(message.Event{Kind: message.Ready, Ready: &message.ReadyInfo{
		Hold: string(r.set.Hold()), Unheld: r.set.Unheld(), Version: r.w.config.Version, Features: message.Features(),
	}})
}

// refuse ends a run whose setup has failed, or whose processes can't be prepared.
func (r *run) refuse(err error) {
	info := &message.RefusedInfo{Reason: err.Error(), Version: r.w.config.Version, Features: message.Features()}
	if r.hasSteps() {
		info.Totals = r.totals()
	}
	if prepare, ok := errors.AsType[*runner.PrepareError](err); ok {
		info.Reason = fmt.Sprintf("%d of %d commands can't be run", len(prepare.Problems), len(r.processes))
		for _, p := range prepare.Problems {
			info.Problems = append(info.Problems, message.Problem{Process: p.Name, Reason: r.withoutDir(p.Err.Error())})
		}
	}
	r.slog.Warn("run refused", "reason", err)
	r.clear(func() {
		info.Left, info.Unseen, info.Notes = r.remains.left, r.remains.unseen, r.remains.notes
		r.free()
		r.event(message.Event{Kind: message.Refused, Refused: info})
		r.end()
	})
}

// giveWay lets an elder run have the host, if this one still can.
func (r *run) giveWay() {
	switch {
	case !r.wounded:
	case r.state == SettingUp, r.state == Preparing:
		r.cancel() // the outcome comes by mail, and then the host is yielded
	case r.state == Ready:
		r.discard()
		r.tearDown(thenYield)
	}
}

// yield gives the host back and waits for it again.
func (r *run) yield() {
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

// freshDir makes the directory that the processes start in, empty.
func (r *run) freshDir() error {
	if err := r.w.clearWork(context.Background(), r.job.Run); err != nil {
		r.remains.note("%v", err)
	}
	work := r.inWork("")
	if err := os.MkdirAll(work, 0o700); err != nil {
		return fmt.Errorf("make the run's directory: %w", err)
	}
	r.closeWork()
	var err error
	if r.work, err = os.OpenRoot(work); err != nil {
		return fmt.Errorf("open the run's directory: %w", err)
	}
	return nil
}

func (r *run) closeWork() {
	if r.work != nil {
		_ = r.work.Close() // only read
		r.work = nil
	}
}

// spec turns the job into what the runner takes.
func (r *run) spec() runner.Spec {
	spec := runner.Spec{Sink: (*sink)(r), Mark: marks(r.job)}
	for _, n := range r.processes {
		spec.Commands = append(spec.Commands, r.command(&r.job.Commands[n]))
	}
	return spec
}

// command is a command of the job as the runner takes it.
func (r *run) command(c *message.Command) runner.Command {
	dir := r.inWork(c.Dir)
	return runner.Command{
		Name: c.Name, Argv: c.Argv, Dir: dir, Delay: c.Delay(), Pty: c.Pty,
		Env:    r.w.environment(c.Env, message.Identity(r.job, c), dir, c.Pty),
		Search: []string{r.w.config.Dir},
	}
}

// sink is what the runner sees of a run.
type sink run

func (s *sink) Started(command, pid int, at time.Time) { s.mail.post(begun{command, pid, at}) }

func (s *sink) Output(command int, stream runner.Stream, at time.Time, data []byte) {
	s.journal.output(s.processes[command], stream, at, data)
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
	r.closeWork()
	if err := r.w.forget(r); err != nil {
		r.slog.Warn("something of the run is left on the disk", "error", err)
	}
}
