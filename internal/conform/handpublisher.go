package conform

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"downbeat/internal/message"
	"downbeat/internal/queue"
)

// A handPublisher is a publisher that does what a case says, where the real one never
// would, or not at that moment. By itself it only takes what comes, and keeps the
// worker's lease with keepalives that acknowledge all that has come.
type handPublisher struct {
	s        *stage
	id       string
	events   string
	consumer queue.Consumer
	stop     context.CancelFunc
	running  sync.WaitGroup

	mu      sync.Mutex
	changed chan struct{} // closed, and made anew, when something has come
	runs    map[string]*handRun
	heard   []*message.Event // what is no run's
}

// A handRun is a run of a handPublisher's. Its fields are guarded by the
// handPublisher's mu.
type handRun struct {
	job      *message.Job
	serial   uint64
	next     uint64 // the number of the next event
	early    map[uint64]*seen
	log      []*message.Event // in the order of their numbers, without output
	output   map[int][2][]byte
	unlogged []*message.Event
	silent   bool // no keepalives
	farewell int  // how many keepalives were sent after the last event
}

func (s *stage) newHandPublisher() (*handPublisher, error) {
	p := &handPublisher{s: s, id: message.NewPublisher(), changed: make(chan struct{}), runs: make(map[string]*handRun)}
	p.events = message.EventsQueue(s.namespace, p.id)
	if err := s.broker.Declare(s.ctx, queue.Spec{Name: p.events, Expires: 10 * time.Minute}); err != nil {
		return nil, err
	}
	s.queues = append(s.queues, p.events)
	var err error
	if p.consumer, err = s.broker.Consume(s.ctx, p.events, 256); err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(s.ctx)
	p.stop = stop
	p.running.Go(func() { p.take(ctx) })
	p.running.Go(func() { p.keepAlive(ctx) })
	s.closers = append(s.closers, p.close)
	return p, nil
}

func (p *handPublisher) close() error {
	p.stop()
	p.running.Wait()
	if err := p.consumer.Close(); err != nil && !errors.Is(err, queue.ErrClosed) {
		return err
	}
	return nil
}

// take takes what comes.
func (p *handPublisher) take(ctx context.Context) {
	for {
		d, err := p.consumer.Receive(ctx)
		if err != nil {
			return
		}
		s := &seen{Message: Message{From: Subject, Queue: p.events, Body: d.Body}}
		s.open(nil)
		p.receive(s)
		_ = d.Ack(ctx) // the case is over if it can't be
	}
}

func (p *handPublisher) receive(s *seen) {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.changed)
	p.changed = make(chan struct{})
	r := p.runs[s.head.Run]
	switch {
	case s.err != nil && s.event == nil: // the judge sees it
	case s.head.Seq == 0 && r != nil && s.event != nil && s.event.Kind != message.Here:
		r.unlogged = append(r.unlogged, s.event)
	case s.head.Seq == 0 || r == nil:
		if s.event != nil {
			p.heard = append(p.heard, s.event)
		}
	case s.head.Seq >= r.next:
		r.early[s.head.Seq] = s
		for ; r.early[r.next] != nil; r.next++ {
			r.apply(r.early[r.next])
			delete(r.early, r.next)
		}
	}
}

func (r *handRun) apply(s *seen) {
	if s.event != nil {
		r.log = append(r.log, s.event)
	}
	if s.output == nil {
		return
	}
	for segment := range s.output.Segments() {
		streams := r.output[segment.Command]
		streams[segment.Stream] = append(streams[segment.Stream], segment.Data...)
		r.output[segment.Command] = streams
	}
}

// keepAlive sends keepalives for all runs that are not silent.
func (p *handPublisher) keepAlive(ctx context.Context) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for _, r := range p.kept() {
			_ = p.control(r, message.Control{Kind: message.Keepalive}) // the case is over if it can't be
		}
	}
}

// kept are the runs that a keepalive is due for.
func (p *handPublisher) kept() []*handRun {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []*handRun
	for _, r := range p.runs {
		if r.silent || r.farewell == 5 {
			continue
		}
		if r.over() {
			r.farewell++
		}
		all = append(all, r)
	}
	return all
}

// over reports whether the last event has come.
func (r *handRun) over() bool { return r.has(message.Done) || r.has(message.Refused) }

// has reports whether a logged event of that kind has come.
func (r *handRun) has(k message.EventKind) bool { return r.count(k) > 0 }

// count is how many logged events of that kind have come.
func (r *handRun) count(k message.EventKind) int {
	n := 0
	for _, e := range r.log {
		if e.Kind == k {
			n++
		}
	}
	return n
}

// find gives the newest event of that kind, logged or not.
func (r *handRun) find(k message.EventKind) *message.Event {
	for _, list := range [][]*message.Event{r.log, r.unlogged} {
		for _, e := range slices.Backward(list) {
			if e.Kind == k {
				return e
			}
		}
	}
	return nil
}

// newJob makes a job of shell scripts, one process each, for a run of its own.
func (p *handPublisher) newJob(scripts ...string) *message.Job {
	j := &message.Job{
		Run: message.NewRun(p.id), Host: p.s.host, ReplyTo: p.events, Experiment: "conform", Datapoint: 1,
		LeaseMS: 20_000, GraceMS: 1000, WindowBytes: 1 << 20, Codecs: message.Codecs(),
	}
	j.Since = j.Run
	p.s.runs = append(p.s.runs, j.Run)
	for i, script := range scripts {
		j.Commands = append(j.Commands, message.Command{
			Name: message.ProcessName("p", i), Phase: message.PhaseRun, Group: "p", Index: i, Rank: i, Local: i,
			Argv: []string{"/bin/sh", "-c", script}, OKExit: []int{0},
		})
	}
	return j
}

// older makes the job older than any that newJob makes.
func older(j *message.Job) *message.Job {
	j.Since = "00" + j.Run[2:]
	return j
}

// A sealing says how an envelope is made that is not as it should be.
type sealing struct {
	key     ed25519.PrivateKey // nil: that of the case
	expires time.Duration      // from now; 0: ten minutes
	serial  uint64             // 0: the next
	change  func(body []byte) []byte
}

func (p *handPublisher) seal(a message.Address, content any, how sealing) ([]byte, error) {
	if how.key == nil {
		how.key = p.s.key
	}
	if how.expires == 0 {
		how.expires = 10 * time.Minute
	}
	a.Namespace, a.Host, a.Expires = p.s.namespace, p.s.host, time.Now().Add(how.expires)
	body, err := message.Seal(a, content, how.key)
	if err == nil && how.change != nil {
		body = how.change(body)
	}
	return body, err
}

// enter makes the run known, so that what comes of it is taken.
func (p *handPublisher) enter(j *message.Job) *handRun {
	p.mu.Lock()
	defer p.mu.Unlock()
	r := &handRun{job: j, next: 1, early: make(map[uint64]*seen), output: make(map[int][2][]byte)}
	p.runs[j.Run] = r
	return r
}

// send seals a job and publishes it.
func (p *handPublisher) send(j *message.Job, how sealing) (*handRun, error) {
	r := p.enter(j)
	return r, p.sendAgain(r, how)
}

// sendAgain publishes a job again, sealed anew.
func (p *handPublisher) sendAgain(r *handRun, how sealing) error {
	body, err := p.seal(message.Address{Purpose: message.PurposeJob, Run: r.job.Run}, r.job, how)
	if err != nil {
		return err
	}
	return p.s.broker.Publish(p.s.ctx, message.JobsQueue(p.s.namespace, p.s.host), queue.Message{Body: body, Persistent: true})
}

// control sends a control for a run, with the next serial, and, as far as that is
// usual, the acknowledgement of all that has come, and a probe.
func (p *handPublisher) control(r *handRun, c message.Control) error {
	return p.controlAs(r, c, sealing{})
}

func (p *handPublisher) controlAs(r *handRun, c message.Control, how sealing) error {
	p.mu.Lock()
	defer p.mu.Unlock() // so that serials are published in their order
	serial := how.serial
	if serial == 0 {
		r.serial++
		serial = r.serial
	}
	if c.Kind == message.Keepalive {
		c.Ack = r.next - 1
		c.Resend = len(r.early) > 0
	}
	if c.Kind == message.Keepalive || c.Kind == message.Commit {
		c.Probe = &message.Probe{SentAt: time.Now().UTC()}
	}
	body, err := p.seal(message.Address{Purpose: message.PurposeControl, Run: r.job.Run, Serial: serial}, c, how)
	if err != nil {
		return err
	}
	return p.s.broker.Publish(p.s.ctx, message.ControlQueue(p.s.namespace, p.s.host), queue.Message{Body: body, TTL: time.Minute})
}

// stopNow asks for the end of a run.
func (p *handPublisher) stopNow(r *handRun) error {
	return p.control(r, message.Control{Kind: message.Stop, Cause: message.StopAbort, Reason: "the case is over", GraceMS: 500})
}

// hello asks the worker who it is.
func (p *handPublisher) hello() (*message.Event, error) {
	nonce := message.NewRun(p.id)
	c := message.Control{Kind: message.Hello, ReplyTo: p.events, Nonce: nonce, Probe: &message.Probe{SentAt: time.Now().UTC()}, Version: "conform"}
	body, err := p.seal(message.Address{Purpose: message.PurposeControl}, c, sealing{})
	if err != nil {
		return nil, err
	}
	if err := p.s.broker.Publish(p.s.ctx, message.JobsQueue(p.s.namespace, p.s.host), queue.Message{Body: body, TTL: time.Minute}); err != nil {
		return nil, err
	}
	return p.awaitHere(nonce)
}

func (p *handPublisher) awaitHere(nonce string) (here *message.Event, err error) {
	return here, p.until("here, as the answer to hello", func() bool {
		for _, e := range p.heard {
			if e.Kind == message.Here && e.Here.Nonce == nonce {
				here = e
			}
		}
		return here != nil
	})
}

// until waits until holds, which is called with mu held.
func (p *handPublisher) until(what string, holds func() bool) error {
	ctx, cancel := context.WithTimeout(p.s.ctx, p.s.kit.Timeout)
	defer cancel()
	for {
		p.mu.Lock()
		ok, changed := holds(), p.changed
		p.mu.Unlock()
		if ok {
			return nil
		}
		select {
		case <-changed:
		case <-p.s.unexpectedEnd():
			return p.s.failed(RuleExit, "%s has not come, and the program has ended with status %d", what, p.s.subject.status())
		case <-ctx.Done():
			return p.s.failed(RuleCase, "%s has not come within %s", what, p.s.kit.Timeout)
		}
	}
}

// await waits for an event of the run, logged or not.
func (p *handPublisher) await(r *handRun, k message.EventKind) (*message.Event, error) {
	return p.awaitThe(r, k, 1)
}

// awaitThe waits until n events of that kind have come.
func (p *handPublisher) awaitThe(r *handRun, k message.EventKind, n int) (e *message.Event, err error) {
	what := string(k)
	if n > 1 {
		what = fmt.Sprintf("%s, for the %dth time,", k, n)
	}
	return e, p.until(what, func() bool {
		count := 0
		for _, list := range [][]*message.Event{r.unlogged, r.log} {
			for _, one := range list {
				if one.Kind == k {
					e = one
					count++
				}
			}
		}
		return count >= n
	})
}

// holds reports whether it is so now, with mu held.
func (p *handPublisher) holds(f func() bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return f()
}

// startAll commits a run that is ready, and starts it a little later.
func (p *handPublisher) startAll(r *handRun) error {
	if _, err := p.await(r, message.Ready); err != nil {
		return err
	}
	if err := p.control(r, message.Control{Kind: message.Commit}); err != nil {
		return err
	}
	e, err := p.await(r, message.Committed)
	if err != nil {
		return err
	}
	at := time.Now()
	if e.Committed != nil && e.Committed.Probe != nil && e.Committed.Probe.AnswerAt.After(at) { // its clock is ahead
		at = e.Committed.Probe.AnswerAt
	}
	if err := p.control(r, message.Control{Kind: message.Start, At: at.Add(100 * time.Millisecond).UTC()}); err != nil {
		return err
	}
	_, err = p.await(r, message.Started)
	return err
}
