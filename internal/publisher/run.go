package publisher

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"downbeat/internal/clock"
	"downbeat/internal/experiment"
	"downbeat/internal/message"
	"downbeat/internal/outcome"
	"downbeat/internal/queue"
	"downbeat/internal/results"
)

// A Spec is one run to be made.
type Spec struct {
	Datapoint *experiment.Datapoint
	// Since is the run id of the first attempt; empty: this is it.
	Since   string
	Attempt int // from 1
	// Definition is what the datapoint's definition hashes to.
	Definition string
	// Source is what the experiment's file hashes to.
	Source   string
	Results  *results.Run // its files are made when the jobs are on their way
	Observer Observer
	// Gate, if not nil, holds the release back until it is closed: the hosts
	// prepare the run meanwhile. A run whose ctx ends before that is unwanted:
	// see [ErrUnwanted].
	Gate <-chan struct{}
	// Ended, if not nil, is called once, from the run's own goroutine, when no
	// process of the run is left on any host and the next run can have them.
	// How it ended is as far as is known by then.
	Ended func(outcome.Run)
	// Judge, if any, completes the record once all that the run left is in its
	// files, and before the record is written. It may change the outcome.
	Judge func(*results.Record)
}

// ErrUnwanted is what Run returns when ctx ended while the gate was closed:
// no process was executed, and the run has left nothing on the disk.
var ErrUnwanted = errors.New("the run was given up before its release")

// ErrCancelled is the cause of an abort that `publish cancel` asked for.
var ErrCancelled = errors.New("cancelled")

// stage is where a run stands as a whole.
//
//	gathering ⇄ committing → starting → running → stopping → over
//
// and from each to stopping.
type stage uint8

const (
	gathering  stage = iota // waiting until every host is ready
	committing              // every host was ready; waiting until each says it keeps its processes
	starting                // the instant of the release is out
	running                 // every host has released
	stopping                // the end is out; waiting for what comes yet
)

// A run is one call of Run: its state, owned by the goroutine that made the call.
type run struct {
	p         *Publisher
	spec      Spec
	dp        *experiment.Datapoint
	clock     *clock.Clock
	arrivals  chan arrival
	faults    chan fault
	over      chan struct{}
	abort     chan string // a cancel's reason
	hosts     []*host
	byName    map[string]*host
	processes []process
	steps     []step // those of setups first

	stage      stage
	jobsSentAt time.Time // or when the broker came back since
	enqueuedAt time.Time // these three on the publisher's clock
	releaseAt  time.Time
	stopAt     time.Time
	declinedAt time.Time       // local: when the first host that can't take part was known
	stop       message.Control // what was sent to stop
	notices    int             // how many have been given of hosts that don't answer
	decided    decision        // what has decided about the run, beside what the hosts report
	lost       []*host         // those that the run is lost by, in the order in which that became known
	resultsErr error
	repeatAt   time.Time // when what has shown no effect is sent again
	// committingAt is when the hosts were last asked to commit, and committedAt
	// when the last of them had: local.
	committingAt, committedAt time.Time
	endedTold                 bool   // Spec.Ended has been called
	unpacked                  []byte // of the batch of files being taken
	shipping                  sync.WaitGroup
	sending                   context.Context //nolint:containedctx // of all that is sent for the run
}

// A process is one process's part in a run.
type process struct {
	experiment.Command
	record results.ProcessRecord
	host   *host
	ended  bool
	// startedAt and endedAt are what the record says, with their bounds; endedAt
	// also of one that could not be started.
	startedAt, endedAt clock.Instant
	unasked            bool // its host says that it was sent TERM, and nobody had asked for that
	tally              message.Tally
}

// start notes when the process started.
func (p *process) start(at clock.Instant) {
	p.startedAt = at
	p.record.StartedAt, p.record.StartedErrorUS = at.Time, at.ErrorUS()
}

// end notes when the process ended.
func (p *process) end(at clock.Instant) {
	p.endedAt = at
	p.record.EndedAt, p.record.EndedErrorUS = at.Time, at.ErrorUS()
}

type fault struct {
	host string
	err  error
}

// Run makes one run of the datapoint and returns its record, which is also on
// the disk then. When ctx ends, the run is stopped on every host first. An error
// means that there is no complete record: the results could not be written, or
// it is [ErrUnwanted].
func (p *Publisher) Run(ctx context.Context, spec Spec) (results.Record, error) {
	r, err := p.newRun(spec)
	if err != nil {
		return results.Record{}, err
	}
	p.mu.Lock()
	p.runs[r.dp.Run] = r
	p.mu.Unlock()
	sending, stop := context.WithCancel(context.WithoutCancel(ctx))
	r.sending = sending
	err = r.enqueue(sending)
	if err == nil {
		if err := spec.Results.CreateFiles(); err != nil { // while the hosts begin to prepare
			r.broken(err)
		}
		r.loop(ctx)
		close(r.over)
		r.farewell()
	}
	p.mu.Lock()
	delete(p.runs, r.dp.Run)
	p.mu.Unlock()
	stop()
	for _, h := range r.hosts {
		h.outbox.wait()
	}
	r.shipping.Wait()
	if err != nil {
		return results.Record{}, errors.Join(err, spec.Results.Abandon())
	}
	if ctx.Err() != nil && !r.gateOpen() {
		return results.Record{}, errors.Join(ErrUnwanted, spec.Results.Discard())
	}
	record := r.record()
	if err := spec.Results.Flush(); err == nil && spec.Judge != nil { // Finish returns that error too
		spec.Judge(&record)
	}
	err = spec.Results.Finish(record)
	if r.resultsErr != nil {
		err = r.resultsErr // which is what Finish would say again
	}
	return record, err
}

func (p *Publisher) newRun(spec Spec) (*run, error) {
	if _, err := message.PublisherOf(spec.Datapoint.Run); err != nil {
		return nil, err
	}
	r := &run{
		p: p, spec: spec, dp: spec.Datapoint, clock: clock.New(0),
		arrivals: make(chan arrival, 16), faults: make(chan fault), over: make(chan struct{}), abort: make(chan string, 1),
		byName: make(map[string]*host), sending: context.Background(),
	}
	for _, job := range r.dp.Jobs() {
		job.ReplyTo, job.Since, job.LeaseMS = p.events, spec.Since, p.config.Lease.Milliseconds()
		job.WindowBytes = windowFor(len(r.dp.Hosts))
		if job.Since == "" {
			job.Since = job.Run
		}
		job.Needs, job.Codecs = job.Uses(), message.Codecs()
		h := &host{name: job.Host, job: job, inbox: inbox{next: 1, window: int(job.WindowBytes)}, probing: quickProbes}
		h.account = newAccount(&h.job)
		h.outbox = p.newOutbox(job.Run, job.Host, r.clock, r.fault)
		r.hosts = append(r.hosts, h)
		r.byName[h.name] = h
	}
	for i, dp := range r.dp.Processes {
		h := r.byName[dp.Host]
		h.processes = append(h.processes, i)
		r.processes = append(r.processes, process{Command: dp, host: h, record: results.ProcessRecord{
			Host: dp.Host, Process: dp.Name, Group: dp.Group, Index: dp.Index, Rank: dp.Rank, DelayUS: dp.Delay().Microseconds(), CommandRecord: results.CommandRecord{Argv: dp.Argv, ExitCode: -1},
		}})
	}
	r.addSteps()
	return r, nil
}

// windowFor divides what may be under way to this publisher, unacknowledged and
// so in the broker's memory, among the hosts.
func windowFor(hosts int) int64 {
	const all, most, least = 128 << 20, 8 << 20, 512 << 10
	return min(max(all/int64(hosts), least), most)
}

// fault is called by outboxes.
func (r *run) fault(host string, err error) {
	select {
	case r.faults <- fault{host, err}:
	case <-r.over:
	}
}

// cancel is called from another goroutine, when somebody asks for it.
func (r *run) cancel(reason string) {
	select {
	case r.abort <- reason:
	default: // it is being cancelled already
	}
}

// jobSlack is added to the time that a job is valid: the worker's clock may be
// wrong by so much.
const jobSlack = time.Minute

// MaxReadyTimeout is the longest that hosts may be given to become ready: a job that
// waits for them must not be valid for longer than workers accept, by clocks that
// may differ.
const MaxReadyTimeout = message.MaxAhead - time.Hour

// enqueue sends each host its job.
func (r *run) enqueue(ctx context.Context) error {
	valid := r.p.config.ReadyTimeout + jobSlack
	bodies := make([][]byte, len(r.hosts))
	for i, h := range r.hosts {
		body, err := message.Seal(message.Address{
			Purpose: message.PurposeJob, Namespace: r.p.config.Namespace, Host: h.name, Run: r.dp.Run,
			Expires: time.Now().Add(valid),
		}, h.job, r.p.config.Key)
		if err != nil {
			return err
		}
		bodies[i] = body
	}
	now := time.Now()
	r.enqueuedAt, r.jobsSentAt = r.clock.At(now), now
	for i, h := range r.hosts {
		h.heard, h.progress, h.readyBy = now, now, now.Add(r.p.config.ReadyTimeout)
		h.keepaliveAt = now
		h.outbox.start(ctx, bodies[i], valid)
		r.observe(h, "")
	}
	return nil
}

func (r *run) observe(h *host, detail string) { r.spec.Observer.Host(h.name, h.phase, detail) }

// tick is how often deadlines are looked at. Nothing that matters for the skew
// waits for it.
const tick = 50 * time.Millisecond

// loop runs until every host has completed.
func (r *run) loop(ctx context.Context) {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	aborted, gate := ctx.Done(), r.spec.Gate
	for !r.allOver() {
		select {
		case a := <-r.arrivals:
			r.arrive(a)
		case f := <-r.faults:
			r.faulted(f)
		case reason := <-r.abort:
			r.conclude(message.StopAbort, outcome.RunAborted, strings.TrimSuffix("cancelled: "+reason, ": "))
		case <-aborted:
			aborted = nil
			r.conclude(message.StopAbort, outcome.RunAborted, context.Cause(ctx).Error())
		case <-gate:
			gate = nil
		case <-ticker.C:
		}
		r.step(time.Now())
		r.tellEnded()
	}
}

// tellEnded tells, once, that the hosts are free.
func (r *run) tellEnded() {
	if r.endedTold || r.spec.Ended == nil || !r.all(Ended) {
		return
	}
	r.endedTold = true
	word, _ := r.outcome()
	r.spec.Ended(word)
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

func (r *run) allOver() bool {
	return !slices.ContainsFunc(r.hosts, func(h *host) bool { return !h.over() })
}

// step moves the run on as far as it can go now.
func (r *run) step(now time.Time) {
	r.reconnected()
	for _, h := range r.hosts {
		if !h.over() {
			r.watch(h, now)
		}
	}
	r.applyDeclined(now)
	switch r.stage {
	case gathering:
		if r.declinedAt.IsZero() && r.all(Ready) && !r.any(Committed) && r.measured(now) {
			r.stage, r.committingAt, r.repeatAt = committing, now, time.Time{}
			r.repeat(now)
		}
	case committing:
		if r.all(Committed) && r.gateOpen() {
			r.release(now)
		}
	case starting:
		if r.all(Started) {
			r.stage = running
		}
	}
	if r.stage >= starting && r.stage < stopping && !r.all(Ended) {
		r.applyRule(now)
	}
	r.repeat(now)
}

// all reports whether every host has come at least to that phase.
func (r *run) all(phase Phase) bool {
	return !slices.ContainsFunc(r.hosts, func(h *host) bool { return h.phase < phase })
}

// any reports whether a host stands at that phase. While gathering, a host that
// is committed has not answered the uncommit yet: were it counted as ready, its
// commit of before could be taken for one that still holds.
func (r *run) any(phase Phase) bool {
	return slices.ContainsFunc(r.hosts, func(h *host) bool { return h.phase == phase })
}

// quickProbes is how many exchanges measure each host's clock, one after the other,
// as soon as it has its job. They are few, as the hosts have other things to do then,
// and only cover for the two that follow when the host is quiet: when it is ready,
// and with the commit. No host is committed before these have come.
const quickProbes = 2

// measured reports whether every host's clock is known well enough, or has been
// tried for long enough.
func (r *run) measured(now time.Time) bool {
	return !slices.ContainsFunc(r.hosts, func(h *host) bool {
		n := h.clock.Samples()
		return n == 0 || n < quickProbes && now.Sub(h.readyAt) < time.Second
	})
}

// release agrees on the instant: far enough ahead that the news of it reaches
// every host before. The commits have just gone to all hosts in the same way:
// twice what they took, until the last was answered, is four times the way.
func (r *run) release(now time.Time) {
	r.stage = starting
	margin := max(2*r.committedAt.Sub(r.committingAt), minStartMargin)
	r.releaseAt = r.clock.At(now.Add(min(margin, maxMargin)))
	r.repeatAt = time.Time{}
	r.repeat(now)
	r.probeAll()
}

// probeAll compares all hosts' clocks once more, just before something that is to
// be translated: the answers come while the hosts wait for the instant.
func (r *run) probeAll() {
	for _, h := range r.hosts {
		if !h.over() {
			h.outbox.put(message.Control{Kind: message.Keepalive, Ack: h.acked, Probe: new(message.Probe)})
		}
	}
}

const (
	minStartMargin = 12 * time.Millisecond
	minStopMargin  = 5 * time.Millisecond
	maxMargin      = 2 * time.Second
)

// stopMargin is how far ahead a stop is set: three times what the exchange with
// the farthest host usually takes, both ways. The slowest exchanges don't count:
// the first of a run waits for the worker to look at its controls.
func (r *run) stopMargin() time.Duration {
	margin := minStopMargin
	for _, h := range r.hosts {
		margin = max(margin, 3*h.clock.RoundTrip(0.75))
	}
	return min(margin, maxMargin)
}

// repeatEvery is how long a control may take to show its effect before it is
// sent again.
const repeatEvery = time.Second

// repeat sends what the stage asks of each host that has not shown it yet: at
// once when the stage begins, and again and again after.
func (r *run) repeat(now time.Time) {
	if now.Before(r.repeatAt) {
		return
	}
	r.repeatAt = now.Add(repeatEvery)
	for _, h := range r.hosts {
		switch {
		case h.phase >= Ended:
		case r.stage == gathering && h.phase == Committed:
			h.outbox.put(message.Control{Kind: message.Uncommit})
		case r.stage == committing && h.phase == Ready:
			h.outbox.put(message.Control{Kind: message.Commit, Probe: new(message.Probe)})
		case r.stage == starting && h.phase == Committed:
			h.outbox.put(message.Control{Kind: message.Start, At: h.clock.Theirs(r.releaseAt)})
		case r.stage == stopping && h.stoppedAt.IsZero():
			stop := r.stop
			stop.At = h.clock.Theirs(r.stopAt)
			h.outbox.put(stop)
		}
	}
}

// farewell acknowledges what the hosts reported last, so that they need not keep
// it, and gives that a moment to be sent.
func (r *run) farewell() {
	sent := make(chan struct{})
	for _, h := range r.hosts {
		if h.next > 1 {
			h.outbox.put(message.Control{Kind: message.Keepalive, Ack: h.next - 1})
		}
		h.outbox.close()
	}
	go func() {
		defer close(sent)
		for _, h := range r.hosts {
			h.outbox.wait()
		}
	}()
	select {
	case <-sent:
	case <-time.After(farewellTime):
	}
}

// farewellTime is how long a run that is over waits for its last words to go out.
const farewellTime = 2 * time.Second

// faulted takes word that something could not be sent to a host.
func (r *run) faulted(f fault) {
	h := r.byName[f.host]
	if errors.Is(f.err, queue.ErrNoQueue) && h.phase == Asked {
		r.decline(h, outcome.HostNotReady, fmt.Sprintf("no worker has ever served host %s in namespace %s: start one there, with DOWNBEAT_HOST=%s and the same queue and namespace",
			h.name, r.p.config.Namespace, h.name))
		return
	}
	if errors.Is(f.err, queue.ErrDenied) && h.phase == Asked {
		r.decline(h, outcome.HostNotReady, fmt.Sprintf("the broker does not let publish send host %s its job: %v", h.name, f.err))
		return
	}
	if n, ok := errors.AsType[notice](f.err); ok {
		r.tell(h, n)
		return
	}
	if o, ok := errors.AsType[overdue](f.err); ok {
		if h.phase == Asked {
			r.tooLate(h, string(o))
		}
		return
	}
	if s, ok := errors.AsType[*shipError](f.err); ok {
		if !h.over() && h.phase < Ready {
			h.outbox.put(message.Control{Kind: message.Stop, Cause: message.StopFailure, Reason: s.Error()})
			r.decline(h, outcome.HostRefused, fmt.Sprintf("%s can't have its files: %v", h.name, s))
		}
		return
	}
	r.p.slog.Warn("a host can't be told something", "host", f.host, "error", f.err)
}
