package worker

import (
	"errors"
	"fmt"
	"time"

	"downbeat/internal/message"
	"downbeat/internal/runner"
)

// drainTime is how long a worker that shuts down goes on sending what a run
// reported at its end; what is not acknowledged by then is sent at its next start.
const drainTime = 5 * time.Second

// errLeaving is why a worker that is told to shut down breaks things off.
var errLeaving = errors.New("the worker on this host is shutting down")

// control does what the publisher asks for. Each is idempotent, since a
// publisher that hears nothing asks again.
func (r *run) control(c *message.Control, taken time.Time) {
	if !r.leaving || r.state < Collecting {
		r.lease.Reset(r.leaseFor())
	}
	switch c.Kind {
	case message.Keepalive:
		r.keepalive(c, taken)
	case message.Commit:
		r.commit(c, taken)
	case message.Uncommit:
		r.uncommit()
	case message.Start:
		r.arm(c.At)
	case message.Stop:
		at := time.Now()
		if !c.At.IsZero() {
			at = r.clock.Local(c.At)
		}
		r.drop(stopping{cause: c.Cause, reason: c.Reason, at: at, grace: c.Grace()})
	}
}

func (r *run) keepalive(c *message.Control, taken time.Time) {
	if r.recovered && r.state >= Collecting && c.Ack > r.log.Last() {
		r.forgetful()
		return
	}
	r.sender.ack(c.Ack, c.Resend)
	info := &message.HeartbeatInfo{Last: r.log.Last(), Ack: c.Ack, Probe: r.probed(c, taken)}
	r.reply(message.Event{Kind: message.Heartbeat, Heartbeat: info})
}

// probed is a control's probe with the host's times, if it has one.
func (r *run) probed(c *message.Control, taken time.Time) *message.Probe {
	if c.Probe == nil {
		return nil
	}
	probe := *c.Probe
	probe.TakenAt, probe.AnswerAt = r.clock.At(taken), r.clock.Now()
	return &probe
}

// forgetful ends a run whose publisher has more than the log that was found at the
// worker's start: the machine went down with it, and the log's end was not on the
// disk. Its numbers would be taken for old ones now.
func (r *run) forgetful() {
	r.slog.Warn("the end of the run log was lost")
	r.reply(message.Event{Kind: message.Done, Done: &message.DoneInfo{
		Outcome: message.HostLost, Reason: fmt.Sprintf("%s went down in mid-run, and the end of its run log with it", r.job.Host),
	}})
	r.to(Over)
}

// commit keeps the held processes for this run, whatever comes. Where the host
// was given away just before, the publisher has been told that it waits.
func (r *run) commit(c *message.Control, taken time.Time) {
	if r.state == Ready {
		r.to(Committed)
	}
	if r.state == Committed {
		r.event(message.Event{Kind: message.Committed, Committed: &message.CommittedInfo{Probe: r.probed(c, taken)}})
	}
}

// uncommit lets go again, and says so: the publisher has to know which of the
// commits that it hears of still hold.
func (r *run) uncommit() {
	if r.state != Committed || !r.to(Ready) {
		return
	}
	r.giveWay()
	if r.state == Ready {
		r.reportReady()
	}
}

// arm sets the release.
func (r *run) arm(at time.Time) {
	if r.state != Committed || !r.to(Armed) {
		return
	}
	r.noteNeighbours()
	set, local := r.set, r.clock.Local(at)
	go func() { r.mail.post(released{set.Release(local)}) }()
}

func (r *run) released(err error) {
	if err != nil {
		r.slog.Error("release", "error", err)
	}
	if r.state == Armed {
		r.to(Running)
	}
}

// hush is how long a worker keeps to itself that processes have begun: what it
// and the broker would do about it takes time from the processes' first steps,
// where they are on the same machine. An exit ends it.
const hush = 20 * time.Millisecond

// noteStarted reports the processes that have been released, in one event as
// far as they were released together.
func (r *run) noteStarted() {
	if len(r.started) == 0 {
		return
	}
	r.event(message.Event{Kind: message.Started, Started: r.started})
	r.started = nil
}

func (r *run) exited(m exited) {
	if r.state == Armed {
		r.to(Running) // it was quicker than the news of its release
	}
	r.noteStarted()
	r.event(message.Event{Kind: message.Exited, Exited: r.exitedInfo(r.processes[m.command], &m.exit)})
}

// exitedInfo is the end of a command on the run's clock.
func (r *run) exitedInfo(command int, e *runner.Exit) *message.ExitedInfo {
	info := &message.ExitedInfo{
		Command: command, ExitCode: e.Code, Signal: e.Signal,
		UserUS: e.User.Microseconds(), SystemUS: e.System.Microseconds(), MaxRSSBytes: e.MaxRSS,
		Stopped: e.Stopped, Killed: e.Killed,
	}
	if !e.Started.IsZero() {
		info.StartedAt, info.EndedAt = r.clock.At(e.Started), r.clock.At(e.Ended)
	}
	if e.Err != nil {
		info.Reason, info.Left = e.Err.Error(), errors.Is(e.Err, runner.ErrNotEnded)
	}
	return info
}

// drop ends the run for that reason, from whatever state it is in.
func (r *run) drop(s stopping) {
	if (r.closing || r.left != nil) && r.state < Collecting || r.state == TearingDown && r.after != thenYield {
		return // it is ending, and how is known
	}
	if r.state >= Collecting {
		if s.cause == message.StopLease && r.state != Over {
			r.to(Over)
		}
		return
	}
	if s.own {
		r.slog.Warn("stopping the run", "reason", s.reason)
		s.grace = r.job.Grace()
	}
	again := r.stop != nil
	if !again {
		r.stop = &s
	}
	switch r.state {
	case Waiting:
		r.finish()
	case SettingUp, Preparing:
		r.cancel()
	case Ready, Committed:
		r.discard()
		r.tearDown(thenFinish)
	case Armed, Running:
		r.to(Stopping)
		r.set.Stop(s.at, s.grace)
	case Stopping:
		r.set.Stop(s.at, s.grace) // the earlier deadline wins
	default: // tearing down: after that it does not wait for the host again
	}
}

// ended goes on when no process is left.
func (r *run) ended() {
	select {
	case <-r.stopped():
		r.noteStop()
	default:
	}
	r.tearDown(thenFinish)
}

// noteStop reports when the processes were sent TERM.
func (r *run) noteStop() {
	r.noticed = true
	if r.stop == nil {
		return // the set ended by itself and only swept what its processes left behind
	}
	r.event(message.Event{
		Kind: message.Stopping, Time: r.clock.At(r.set.StoppedAt()),
		Stopping: &message.StoppingInfo{Cause: r.stop.cause, Reason: r.stop.reason},
	})
}

// finish closes the account once nothing is left but files that are still to be
// collected.
func (r *run) finish() {
	if r.left != nil {
		r.left.Totals = r.totals()
		r.complete(r.left)
		return
	}
	done := &message.DoneInfo{Outcome: message.HostDone, Totals: r.totals()}
	if r.stop != nil && r.stop.own {
		done.Outcome, done.Reason = message.HostStopped, r.stop.reason
	}
	if r.set != nil {
		result := r.set.Result()
		done.Swept = result.Swept
		r.remains.add(result.Left)
		for i, t := range result.Totals {
			done.Totals[r.processes[i]] = message.Total(t)
		}
	}
	if len(r.job.Collect) > 0 && r.set != nil {
		r.beginCollecting(done, false)
		return
	}
	r.complete(done)
}

// complete removes the run's directory and journals the last event. Where the log can't take even that, or
// can't be read any more, the publisher is told outside the log, and that
// something is missing.
func (r *run) complete(done *message.DoneInfo) {
	r.clear(func() { r.settle(done) })
}

func (r *run) settle(done *message.DoneInfo) {
	r.remains.into(done)
	if len(r.remains.left) > 0 || r.remains.unseen != "" {
		r.w.noteHung(r.job.Run)
	}
	r.free()
	err := r.journal.last(done)
	if err == nil {
		err = r.mute
	}
	if err != nil {
		r.confess(done, err)
	}
	r.end()
	if err != nil {
		r.to(Over)
	}
}

// confess tells the publisher that something is missing, and why.
func (r *run) confess(done *message.DoneInfo, err error) {
	done.Outcome, done.Reason = message.HostLost, fmt.Sprintf("output is missing: %v", err)
	r.reply(message.Event{Kind: message.Done, Done: done})
}

// fallMute ends the run because its log can't be read back.
func (r *run) fallMute(err error) {
	r.mute = err
	switch r.state {
	case Finished:
		r.confess(&message.DoneInfo{}, err)
		r.to(Over)
	case Collecting:
		r.collect.stop(err)
	default:
		r.drop(stopping{cause: message.StopFailure, reason: "the run log can't be read back: " + err.Error(), at: time.Now(), own: true})
	}
}

// free gives the host to the run that comes next, if that was not done before.
// It comes before the publisher is told: what it sends then must not find the host
// still taken.
func (r *run) free() { r.w.desk.leave(r) }

// end leaves the run to wait for the publisher to acknowledge the rest.
func (r *run) end() {
	r.to(Finished)
	r.lease.Reset(r.drainFor())
}

// totals are what was written, by command.
func (r *run) totals() []message.Total { return r.journal.totals() }

func (r *run) drainFor() time.Duration {
	if r.leaving {
		return drainTime
	}
	return r.leaseFor()
}

// settled reports whether the publisher has everything.
func (r *run) settled() bool { return r.sender.allAcked() }

// expire is called when the publisher has been silent for the lease, or the
// time to drain is over.
func (r *run) expire() {
	silence := fmt.Sprintf("no word from the publisher for %s", r.leaseFor())
	switch {
	case r.state == Collecting && r.leaving:
		r.collect.stop(errLeaving)
		return
	case r.state >= Collecting:
		if !r.leaving { // else the next start sends it
			r.slog.Warn("giving up what the publisher has not taken", "reason", silence)
		}
		r.to(Over)
		return
	}
	r.drop(stopping{cause: message.StopLease, reason: silence, at: time.Now(), own: true})
}

// leave ends the run because the worker is told to shut down.
func (r *run) leave() {
	r.leaving = true
	if r.state >= Collecting {
		r.lease.Reset(drainTime)
		return
	}
	r.drop(stopping{cause: message.StopAbort, reason: errLeaving.Error(), at: time.Now(), own: true})
}
