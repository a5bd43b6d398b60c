package publisher

import (
	"context"
	"strings"
	"time"

	"downbeat/internal/message"
	"downbeat/internal/publisher/conduct"
)

// begin sends the jobs.
func (r *run) begin() {
	r.connectedAt = time.Now()
	r.conduct = conduct.New(r.plan, r.clock.At(r.connectedAt))
	r.step(nil)
}

// loop takes in what happens until every host has completed. What is to be done at some
// time is done when it is due, by one timer.
func (r *run) loop(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	interrupted, gate := ctx.Done(), r.spec.Gate
	for !r.conduct.Over() {
		timer.Reset(time.Until(r.clock.Local(r.conduct.Next())))
		select {
		case in := <-r.inputs:
			r.step(in)
		case <-interrupted:
			interrupted = nil
			r.step(conduct.Interrupted{Reason: context.Cause(ctx).Error()})
		case <-gate:
			gate = nil
			r.step(conduct.GateOpened{})
		case <-timer.C:
			r.step(nil)
		}
	}
}

// step has an input taken in, and all that comes of it.
func (r *run) step(in conduct.Input) {
	r.carryOut(r.conduct.Step(r.clock.Now(), in))
	if at := r.p.config.Broker.ConnectedAt(); at.After(r.connectedAt) {
		r.connectedAt = at
		r.came = append(r.came, conduct.Reconnected{})
	}
	for len(r.came) > 0 || !r.conduct.Over() && !r.conduct.Next().After(r.clock.Now()) {
		var next conduct.Input
		if len(r.came) > 0 {
			next, r.came = r.came[0], r.came[1:]
		}
		r.carryOut(r.conduct.Step(r.clock.Now(), next))
	}
}

// post hands an input to the run, from any goroutine. It waits for the run to take it: so
// a run that is slow to write its results holds the broker back, not the memory.
func (r *run) post(ctx context.Context, in conduct.Input) {
	select {
	case r.inputs <- in:
	case <-r.over:
	case <-ctx.Done():
	}
}

// gateOpen reports whether the run may be released.
func (r *run) gateOpen() bool {
	if r.spec.Gate == nil {
		return true
	}
	select {
	case <-r.spec.Gate:
		return true
	default:
		return false
	}
}

// carryOut does what was decided.
func (r *run) carryOut(effects []conduct.Effect) {
	for _, e := range effects {
		switch e := e.(type) {
		case conduct.SendJob:
			r.hosts[e.Host].outbox.sendJob(r.sending)
		case conduct.Send:
			r.hosts[e.Host].outbox.put(e.Control)
		case conduct.Inquire:
			r.beside.Go(func() { r.inquire(e) })
		case conduct.Measure:
			r.beside.Go(func() { r.askClock(e) })
		case conduct.Ship:
			r.shipPart(r.hosts[e.Host], e)
		case conduct.Store:
			r.store(r.hosts[e.Host], e.Pieces)
		case conduct.StoreFiles:
			r.storeFiles(e.Host, e.Pieces)
		case conduct.StoreSamples:
			r.storeSamples(e)
		case conduct.CloseFiles:
			r.closeFiles(e)
		case conduct.Flush:
			r.flush()
		case conduct.HostsFree:
			if r.spec.Ended != nil {
				r.spec.Ended(e.Outcome)
			}
		case conduct.HostMoved:
			r.spec.Observer.Host(r.hosts[e.Host].name, e.Phase, e.Detail)
		case conduct.BeatBegins:
			r.spec.Observer.Beat(e.Beat, e.Groups, e.At)
		case conduct.Started:
			r.spec.Observer.Started(e.Command, e.PID, e.At)
		case conduct.ProcessReady:
			r.spec.Observer.ProcessReady(e.Command, e.At)
		case conduct.Acted:
			r.spec.Observer.Acted(r.actionRecord(&e.Act))
		case conduct.Marked:
			r.spec.Observer.Marked(r.markRecord(&e.Mark))
		case conduct.Exited:
			r.tellExit(e)
		case conduct.StopBegun:
			r.spec.Observer.Stopping(e.Cause, e.Reason)
		case conduct.Warn:
			r.warn(e)
		}
	}
}

// tellExit shows how a command ended.
func (r *run) tellExit(e conduct.Exited) {
	switch {
	case e.Ran.Phase != message.PhaseRun:
		r.spec.Observer.Step(e.Command, stepRecord(e.Ran))
	case e.Ran.Exit.Again:
		lives := lifeRecords(e.Ran)
		r.spec.Observer.LifeEnded(e.Command, lives[len(lives)-1])
	default:
		r.spec.Observer.Exited(e.Command, r.processRecord(e.Command, e.Ran))
	}
}

// warn writes to the log.
func (r *run) warn(w conduct.Warn) {
	log := r.p.slog.With("run", r.dp.Run, "host", r.hosts[w.Host].name)
	switch w.What {
	case conduct.Unnumbered:
		log.Warn("what has to have a number and has none is ignored", "event", w.Detail)
	case conduct.SamplesUnasked:
		log.Warn("samples that were not asked for are ignored")
	case conduct.FilesUnasked:
		log.Warn("files that were not asked for are ignored")
	case conduct.WantStrange:
		log.Warn("a host wants a file that is not its own", "sha256", w.Detail)
	case conduct.VersionIgnored:
		log.Warn("an event of another version of the protocol is ignored", "version", w.Detail)
	case conduct.KindUnknown:
		log.Warn("an event of a kind that this build doesn't know is passed over, and so are others of the host: update publish", "event", w.Detail)
	case conduct.NotTold:
		log.Warn("a host can't be told something", "error", w.Detail)
	}
}

// store puts output into the results, and shows it.
func (r *run) store(h *host, pieces []conduct.Piece) {
	for _, p := range pieces {
		h.errors.note(p.At)
		if err := r.spec.Results.Output(p.Command, p.Stream, p.At.Time, p.Data); err != nil {
			r.broken(err)
		}
		r.spec.Observer.Output(p.Command, p.Stream, p.At.Time, p.Data)
	}
}

// storeSamples puts a block of samples into the results.
func (r *run) storeSamples(e conduct.StoreSamples) {
	if err := r.spec.Results.Samples(r.hosts[e.Host].name, e.Block); err != nil {
		r.broken(err)
	}
}

// flush puts what was received onto the disk. Once that has failed, the run has
// too, and is only to come to its end: so that is acknowledged all the same.
func (r *run) flush() {
	if r.resultsErr == nil {
		if err := r.spec.Results.Flush(); err != nil {
			r.broken(err)
		}
	}
}

// broken ends a run whose results can't be written.
func (r *run) broken(err error) {
	if r.resultsErr == nil {
		r.resultsErr = err
		r.came = append(r.came, conduct.NotStored{Why: err.Error()})
	}
}

// inquire finds out what the broker knows of a host that doesn't answer, from a goroutine
// of its own, so that the run is not held up.
func (r *run) inquire(e conduct.Inquire) {
	why := r.p.absent(r.sending, r.hosts[e.Host].name)
	r.post(r.sending, conduct.Inquired{Host: e.Host, Late: e.Late, Why: why})
}

// cancel has the run stopped, from another goroutine.
func (r *run) cancel(ctx context.Context, reason string) {
	r.post(ctx, conduct.Cancelled{Reason: strings.TrimSpace(reason)})
}

// farewellTime is how long a run that is over waits for its last words to go out.
const farewellTime = 2 * time.Second

// farewell gives what is still to be sent to the hosts a moment.
func (r *run) farewell() {
	for _, h := range r.hosts {
		h.outbox.close()
	}
	sent := make(chan struct{})
	r.beside.Go(func() {
		defer close(sent)
		for _, h := range r.hosts {
			h.outbox.wait()
		}
	})
	timer := time.NewTimer(farewellTime)
	defer timer.Stop()
	select {
	case <-sent:
	case <-timer.C:
	}
}
