package publisher

import (
	"context"
	"errors"
	"sync"
	"time"

	"downbeat/internal/clock"
	"downbeat/internal/experiment"
	"downbeat/internal/facts"
	"downbeat/internal/message"
	"downbeat/internal/outcome"
	"downbeat/internal/publisher/conduct"
	"downbeat/internal/results"
	"downbeat/internal/udpclock"
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
	Source string
	// Git is the state of the repository that the file is in; nil if it is in none.
	Git      *facts.Git
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

// A run is one call of Run: it carries out what a [conduct.Run] decides. All of it
// belongs to the goroutine that made the call, but what is said to be another's.
type run struct {
	p       *Publisher // safe for all
	spec    Spec
	dp      *experiment.Datapoint
	clock   *clock.Clock // read by all
	conduct *conduct.Run
	plan    conduct.Spec
	hosts   []*host
	// commands are the datapoint's, by their numbers.
	commands []experiment.Command
	index    map[string]int // of the hosts; read by all

	inputs  chan conduct.Input // from all
	over    chan struct{}      // closed when nothing more is taken from inputs
	sending context.Context    // of all that is sent for the run
	beside  sync.WaitGroup     // the goroutines that answer effects later

	connectedAt time.Time       // when the broker was, when the jobs were sent last
	came        []conduct.Input // of effects that were carried out
	resultsErr  error           // the first; nothing is stored any more
}

// A host is what carries out what is decided about one host.
type host struct {
	name    string
	target  *udpclock.Target // its clock, if that is asked for directly; of one goroutine at a time
	outbox  *outbox
	parts   chan part // that it lacks of files, for the goroutine that ships them; nil where there is none
	missing missing   // of its files
	errors  lineErrors
}

// Run makes one run of the datapoint and returns its record, which is also on
// the disk then. When ctx ends, the run is stopped on every host first. An error
// means that there is no complete record: the results could not be written, or
// it is [ErrUnwanted].
func (p *Publisher) Run(ctx context.Context, spec Spec) (results.Record, error) {
	sending, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	r, err := p.newRun(sending, spec)
	if err != nil {
		return results.Record{}, err
	}
	p.enter(r)
	r.begin()
	if err := spec.Results.CreateFiles(); err != nil { // while the hosts begin to prepare
		r.broken(err)
	}
	r.loop(ctx)
	close(r.over)
	r.farewell()
	p.leave(r)
	stop()
	for _, h := range r.hosts {
		h.outbox.wait()
	}
	p.remember(r)
	r.beside.Wait()
	r.forgetClocks()
	if ctx.Err() != nil && !r.gateOpen() {
		return results.Record{}, errors.Join(ErrUnwanted, spec.Results.Discard())
	}
	return r.finish()
}

// finish writes the record.
func (r *run) finish() (results.Record, error) {
	record := r.record()
	if err := r.spec.Results.Flush(); err == nil && r.spec.Judge != nil { // Finish returns that error too
		r.spec.Judge(&record)
	}
	err := r.spec.Results.Finish(record)
	if r.resultsErr != nil {
		err = r.resultsErr // which is what Finish would say again
	}
	return record, err
}

// newRun makes a run with its jobs, sealed, so that they can be sent at once.
func (p *Publisher) newRun(sending context.Context, spec Spec) (*run, error) {
	if _, err := message.PublisherOf(spec.Datapoint.Run); err != nil {
		return nil, err
	}
	dp := spec.Datapoint
	r := &run{
		p: p, spec: spec, dp: dp, clock: clock.New(0), index: make(map[string]int),
		inputs: make(chan conduct.Input, 16), over: make(chan struct{}), sending: sending,
		plan: conduct.Spec{
			Run: dp.Run, Timeout: dp.Timeout, ReadyTimeout: p.config.ReadyTimeout, Lease: p.config.Lease,
			CompleteWithin: p.completeWithin, Gated: spec.Gate != nil, Direct: p.config.Clocks != nil,
			Stop: stopRuleOf(&dp.Stop), Beats: beatsOf(dp), Actions: actionsOf(dp),
		},
	}
	jobs := dp.Jobs()
	for i := range jobs {
		job := &jobs[i]
		h := &host{name: job.Host, target: r.completeJob(job)}
		r.hosts = append(r.hosts, h)
		body, err := r.sealJob(job)
		if err != nil {
			r.forgetClocks()
			return nil, errors.Join(err, spec.Results.Abandon())
		}
		h.outbox = r.newOutbox(i, job.Host, body)
		r.index[job.Host] = i
		r.plan.Hosts = append(r.plan.Hosts, conduct.HostSpec{Job: job})
	}
	r.commands = dp.Commands()
	for n, c := range r.commands {
		h := &r.plan.Hosts[r.index[c.Host]]
		h.Numbers = append(h.Numbers, n)
	}
	return r, nil
}

// completeJob fills in what the publisher knows, and makes the key with which the host's clock
// can be asked for, if it can.
func (r *run) completeJob(job *message.Job) *udpclock.Target {
	job.ReplyTo, job.Since, job.LeaseMS = r.p.events, r.spec.Since, r.p.config.Lease.Milliseconds()
	job.WindowBytes = windowFor(len(r.dp.Hosts))
	if job.Since == "" {
		job.Since = job.Run
	}
	job.Needs, job.Codecs, job.Sync, job.Facts = job.Uses(), message.Codecs(), true, true
	if r.p.config.Clocks == nil {
		return nil
	}
	key := udpclock.NewKey()
	job.ClockKey = key.String()
	return r.p.config.Clocks.Target(key, r.clock)
}

// windowFor divides what may be under way to this publisher, unacknowledged and
// so in the broker's memory, among the hosts.
func windowFor(hosts int) int64 {
	const all, most, least = 128 << 20, 8 << 20, 512 << 10
	return min(max(all/int64(hosts), least), most)
}

// jobSlack is added to the time that a job is valid: the worker's clock may be
// wrong by so much.
const jobSlack = time.Minute

// MaxReadyTimeout is the longest that hosts may be given to become ready: a job that
// waits for them must not be valid for longer than workers accept, by clocks that
// may differ.
const MaxReadyTimeout = message.MaxAhead - time.Hour

// jobValid is how long a job is valid.
func (p *Publisher) jobValid() time.Duration { return p.config.ReadyTimeout + jobSlack }

// sealJob gives a job's wire form.
func (r *run) sealJob(job *message.Job) ([]byte, error) {
	return message.Seal(message.Address{
		Purpose: message.PurposeJob, Namespace: r.p.config.Namespace, Host: job.Host, Run: r.dp.Run,
		Expires: time.Now().Add(r.p.jobValid()),
	}, job, r.p.config.Key)
}
