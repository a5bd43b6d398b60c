// Package fakeworker is a worker that speaks the protocol as a test tells it to: the test
// says which events it sends, in any order. By itself it only answers hellos and
// keepalives, as long as it is not muted. So a publisher can be tested without a worker,
// and against one that says the wrong thing at the wrong time.
package fakeworker

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"downbeat/internal/clock"
	"downbeat/internal/message"
	"downbeat/internal/queue"
	"downbeat/internal/streams"
	"downbeat/internal/testkit"
)

// Skew is by how much the clocks of these workers are ahead.
const Skew = 5 * time.Second

// A Worker serves one host. Its methods are for the goroutine of the test.
type Worker struct {
	Clock  *clock.Clock // which is wrong
	Job    *message.Job // once Take has returned
	Chunks chan *message.Chunk

	t         testing.TB
	host      string
	namespace string
	broker    queue.Broker

	jobs       chan *message.Job
	controls   chan *message.Control // all but keepalives
	last       message.ControlKind   // that was expected
	keepalives atomic.Int64

	mu     sync.Mutex // of what follows, which its consumers use too
	muted  bool
	seq    uint64
	acked  uint64
	taken  map[serial]bool // controls
	latest []byte          // the latest event
	totals []streams.Total
	commit *message.Probe // the answer to the latest commit's
}

// A serial is the number of a control of a run.
type serial struct {
	run    string
	number uint64
}

// New starts the worker of a host. It takes unsigned messages alone, and ends with the
// test.
func New(t testing.TB, broker queue.Broker, namespace, host string) *Worker {
	t.Helper()
	w := &Worker{
		t: t, host: host, namespace: namespace, broker: broker, Clock: clock.New(Skew), Chunks: make(chan *message.Chunk, 100),
		taken: make(map[serial]bool), jobs: make(chan *message.Job, 4), controls: make(chan *message.Control, 64),
	}
	w.consume(queue.Spec{Name: message.JobsQueue(namespace, host), Group: message.JobsGroup(namespace)}, w.takeJob)
	w.consume(queue.Spec{Name: message.ControlQueue(namespace, host)}, w.takeControl)
	return w
}

// consume takes from a queue, in a goroutine that ends with the test.
func (w *Worker) consume(spec queue.Spec, take func(*message.Payload, *queue.Delivery) error) {
	w.t.Helper()
	testkit.Check(w.t, w.broker.Declare(w.t.Context(), spec))
	consumer, err := w.broker.Consume(w.t.Context(), spec.Name, 64)
	testkit.Check(w.t, err)
	var ended sync.WaitGroup
	ended.Go(func() {
		for {
			d, err := consumer.Receive(context.Background())
			if err != nil {
				return
			}
			if err := w.open(d, take); err != nil {
				w.t.Errorf("%s was sent what it can't take: %v", w.host, err)
			}
			_ = d.Ack(context.Background()) // what comes again does no harm
		}
	})
	w.t.Cleanup(func() {
		testkit.Check(w.t, consumer.Close())
		ended.Wait()
	})
}

func (w *Worker) open(d *queue.Delivery, take func(*message.Payload, *queue.Delivery) error) error {
	if message.FrameKindOf(d.Body) == message.FrameChunk {
		c, err := message.DecodeChunk(d.Body)
		if err == nil {
			w.Chunks <- c
		}
		return err
	}
	p, err := message.OpenEnvelope(d.Body, message.Trust{Unsigned: true}, time.Now())
	if err != nil {
		return err
	}
	if err := p.For(w.namespace, w.host); err != nil {
		return err
	}
	return take(p, d)
}

func (w *Worker) takeJob(p *message.Payload, d *queue.Delivery) error {
	if p.Purpose == message.PurposeJob {
		job, err := p.Job()
		if err == nil {
			w.jobs <- job
		}
		return err
	}
	c, err := p.Control()
	if err != nil || w.isMuted() {
		return err
	}
	w.Send(c.ReplyTo, message.Event{Kind: message.Here, Here: &message.HereInfo{Version: "v9", OS: "plan9", Arch: "mips", Nonce: c.Nonce, Probe: w.probed(c, d)}})
	return nil
}

func (w *Worker) takeControl(p *message.Payload, d *queue.Delivery) error {
	c, err := p.Control()
	if err != nil {
		return err
	}
	w.mu.Lock()
	if c.Kind == message.Commit {
		w.commit = w.probed(c, d)
	}
	if s := (serial{p.Run, p.Serial}); w.taken[s] {
		w.t.Errorf("%s was sent two controls with the serial %d: a worker takes the first alone", w.host, p.Serial)
	} else {
		w.taken[s] = true
	}
	w.acked = max(w.acked, c.Ack)
	last, muted := w.seq, w.muted
	w.mu.Unlock()
	if c.Kind != message.Keepalive {
		w.controls <- c
		return nil
	}
	w.keepalives.Add(1)
	if muted {
		return nil
	}
	id, err := message.PublisherOf(p.Run)
	w.Send(message.EventsQueue(w.namespace, id), message.Event{
		Kind: message.Heartbeat, Run: p.Run, Heartbeat: &message.HeartbeatInfo{Last: last, Ack: c.Ack, Probe: w.probed(c, d)},
	})
	return err
}

// probed answers a control's probe.
func (w *Worker) probed(c *message.Control, d *queue.Delivery) *message.Probe {
	if c.Probe == nil {
		return nil
	}
	probe := *c.Probe
	probe.TakenAt, probe.AnswerAt = w.Clock.At(d.ReceivedAt), w.Clock.Now()
	return &probe
}

func (w *Worker) isMuted() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.muted
}

// Mute makes the worker as good as dead: it answers nothing more.
func (w *Worker) Mute() { w.setMuted(true) }

// Unmute makes it answer again.
func (w *Worker) Unmute() { w.setMuted(false) }

func (w *Worker) setMuted(muted bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.muted = muted
}

// Take waits for the job.
func (w *Worker) Take() *message.Job {
	w.t.Helper()
	w.Job = testkit.Receive(w.t, w.jobs, w.host+" gets a job")
	w.mu.Lock()
	defer w.mu.Unlock()
	w.totals = make([]streams.Total, len(w.Job.Commands))
	return w.Job
}

// Expect waits for the next control, which must be of that kind. The one before
// may come again first: publishers ask again for what is slow to come.
func (w *Worker) Expect(kind message.ControlKind) *message.Control {
	w.t.Helper()
	for {
		c := testkit.Receive(w.t, w.controls, w.host+" gets a "+string(kind))
		if c.Kind == kind {
			w.last = kind
			return c
		}
		if c.Kind != w.last {
			w.t.Fatalf("%s got a %s (%s), want a %s", w.host, c.Kind, c.Reason, kind)
		}
	}
}

// ExpectNothing makes sure that the publisher has nothing to ask for now: it
// waits for keepalives, which come in line with everything else.
func (w *Worker) ExpectNothing() {
	w.t.Helper()
	for range 3 {
		before := w.keepalives.Load()
		testkit.WaitFor(w.t, w.host+" is kept alive", func() bool { return w.keepalives.Load() > before })
	}
	w.expectNothingMore()
}

// ExpectNothingAfter is the same for a run that is over: what was acknowledged to
// the last event has nothing else behind it.
func (w *Worker) ExpectNothingAfter() {
	w.t.Helper()
	testkit.WaitFor(w.t, w.host+" has everything acknowledged", func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.acked == w.seq
	})
	w.expectNothingMore()
}

func (w *Worker) expectNothingMore() {
	w.t.Helper()
	for {
		select {
		case c := <-w.controls:
			if c.Kind != w.last {
				w.t.Fatalf("%s got a %s, want nothing", w.host, c.Kind)
			}
		default:
			return
		}
	}
}
