package conform

import (
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"runtime"
	"sync"
	"time"

	"downbeat/internal/message"
	"downbeat/internal/queue"
	"downbeat/internal/streams"
)

// A handWorker is a worker that says what a case has it say, where the real one never
// would, or not at that moment. By itself it only answers keepalives, and sends again
// what it is asked for. It starts no processes.
type handWorker struct {
	s       *stage
	host    string
	jobs    queue.Consumer
	orders  queue.Consumer
	stop    context.CancelFunc
	running sync.WaitGroup

	mu       sync.Mutex
	changed  chan struct{} // closed, and made anew, when something has come
	job      *message.Job
	controls []*message.Control
	log      [][]byte // by number, from 1
	tallies  []streams.Tally
	silent   bool // nothing is answered any more

	startedAt time.Time // by the goroutine that plays the case
}

func (s *stage) newHandWorker(host string) (*handWorker, error) {
	w := &handWorker{s: s, host: host, changed: make(chan struct{})}
	for _, spec := range []queue.Spec{
		{Name: message.DeadQueue(s.namespace), MaxMessages: 10_000, MaxBytes: 256 << 20},
		{Name: message.ControlQueue(s.namespace, host)},
		{Name: message.JobsQueue(s.namespace, host), Group: message.JobsGroup(s.namespace)},
	} {
		if err := s.broker.Declare(s.ctx, spec); err != nil {
			return nil, err
		}
	}
	var err error
	if w.jobs, err = s.broker.ConsumeAlone(s.ctx, message.JobsQueue(s.namespace, host), 4, queue.Claim{Holder: host}); err != nil {
		return nil, err
	}
	if w.orders, err = s.broker.ConsumeAlone(s.ctx, message.ControlQueue(s.namespace, host), 64, queue.Claim{}); err != nil {
		return nil, errors.Join(err, w.jobs.Close())
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(s.ctx))
	w.stop = stop
	for _, c := range []queue.Consumer{w.jobs, w.orders} {
		w.running.Go(func() { w.take(ctx, c) })
	}
	s.closers = append(s.closers, w.close)
	return w, nil
}

func (w *handWorker) close() error {
	w.stop()
	w.running.Wait()
	var errs []error
	for _, c := range []queue.Consumer{w.jobs, w.orders} {
		if err := c.Close(); !errors.Is(err, queue.ErrClosed) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func (w *handWorker) take(ctx context.Context, c queue.Consumer) {
	for {
		d, err := c.Receive(ctx)
		if err != nil {
			return
		}
		m := seen{Message: Message{From: Subject, Body: d.Body}}
		m.open(nil)
		w.receive(ctx, &m, d.ReceivedAt)
		_ = d.Ack(ctx) // the case is over if it can't be
	}
}

func (w *handWorker) receive(ctx context.Context, m *seen, at time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	close(w.changed)
	w.changed = make(chan struct{})
	switch {
	case m.job != nil && w.job == nil:
		w.job = m.job
		w.tallies = make([]streams.Tally, len(m.job.Commands))
	case m.control != nil && m.control.Kind == message.Hello:
		w.here(ctx, m.control, at)
	case m.control != nil:
		w.controls = append(w.controls, m.control)
		if m.control.Kind == message.Keepalive && w.job != nil && !w.silent {
			w.heartbeat(ctx, m.control, at)
		}
	}
}

// answered is a probe as it is sent back.
func answered(p *message.Probe, at time.Time) *message.Probe {
	if p == nil {
		return nil
	}
	return &message.Probe{SentAt: p.SentAt, TakenAt: at.UTC(), AnswerAt: time.Now().UTC()}
}

func (w *handWorker) here(ctx context.Context, c *message.Control, at time.Time) {
	info := &message.HereInfo{
		Version: "conform", Features: message.Features(), OS: runtime.GOOS, Arch: runtime.GOARCH, Nonce: c.Nonce, Probe: answered(c.Probe, at),
	}
	w.publish(ctx, c.ReplyTo, message.Event{Kind: message.Here, Here: info})
}

// heartbeat answers a keepalive, and sends again what is asked for.
func (w *handWorker) heartbeat(ctx context.Context, c *message.Control, at time.Time) {
	info := &message.HeartbeatInfo{Last: uint64(len(w.log)), Ack: c.Ack, Probe: answered(c.Probe, at)}
	w.publish(ctx, w.job.ReplyTo, message.Event{Kind: message.Heartbeat, Run: w.job.Run, Heartbeat: info})
	if c.Resend && c.Ack < uint64(len(w.log)) {
		for _, body := range w.log[c.Ack:] {
			w.enqueue(ctx, w.job.ReplyTo, body)
		}
	}
}

// publish sends an event without a number.
func (w *handWorker) publish(ctx context.Context, to string, e message.Event) {
	e.Host, e.Time = w.host, time.Now().UTC()
	if body, err := e.Encode(); err == nil {
		w.enqueue(ctx, to, body)
	}
}

func (w *handWorker) enqueue(ctx context.Context, to string, body []byte) {
	_ = w.s.broker.Publish(ctx, to, queue.Message{Body: body, TTL: time.Minute}) // the publisher may have left
}

// event logs an event of the run and sends it.
func (w *handWorker) event(e message.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	e.Run, e.Host, e.Seq, e.Time = w.job.Run, w.host, uint64(len(w.log))+1, time.Now().UTC()
	if body, err := e.Encode(); err == nil {
		w.append(body)
	}
}

// append logs a message and sends it. mu is held.
func (w *handWorker) append(body []byte) {
	w.log = append(w.log, body)
	w.enqueue(w.s.ctx, w.job.ReplyTo, body)
}

// foreign sends an event of version 1 of the protocol.
func (w *handWorker) foreign(e message.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	e.Version, e.Run, e.Host, e.Time = 1, w.job.Run, w.host, time.Now().UTC()
	if body, err := e.Encode(); err == nil {
		w.enqueue(w.s.ctx, w.job.ReplyTo, body)
	}
}

// output logs what a command is said to have written to standard output.
func (w *handWorker) output(command int, text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	count := &w.tallies[command][streams.Stdout]
	var b message.Batch
	now := time.Now()
	b.Reset(w.job.Run, w.host, uint64(len(w.log))+1, now)
	b.Add(message.Segment{Command: command, At: now, Offset: count.Bytes, Line: count.Newlines, Data: []byte(text)})
	count.Add([]byte(text))
	w.append(append([]byte(nil), b.Bytes()...))
}

// frame logs a frame of a kind that nobody knows.
func (w *handWorker) frame() {
	w.mu.Lock()
	defer w.mu.Unlock()
	var b message.Batch
	b.Reset(w.job.Run, w.host, uint64(len(w.log))+1, time.Now())
	body := append([]byte(nil), b.Bytes()...)
	body[2] = 'Z' // the kind
	sum := len(body) - crc32.Size
	binary.LittleEndian.PutUint32(body[sum:], crc32.ChecksumIEEE(body[:sum]))
	w.append(body)
}

// until waits until holds, which is called with mu held.
func (w *handWorker) until(what string, holds func() bool) error {
	ctx, cancel := context.WithTimeout(w.s.ctx, w.s.kit.Timeout)
	defer cancel()
	for {
		w.mu.Lock()
		ok, changed := holds(), w.changed
		w.mu.Unlock()
		if ok {
			return nil
		}
		select {
		case <-changed:
		case <-w.s.unexpectedEnd():
			return w.s.failed(RuleExit, "%s has not come to %s, and the program has ended with status %d", what, w.host, w.s.subject.status())
		case <-ctx.Done():
			return w.s.failed(RuleCase, "%s has not come to %s within %s", what, w.host, w.s.kit.Timeout)
		}
	}
}

// awaitJob waits for the job.
func (w *handWorker) awaitJob() error {
	return w.until("a job", func() bool { return w.job != nil })
}

// await waits for a control of that kind that has not been awaited yet.
func (w *handWorker) await(k message.ControlKind) (c *message.Control, err error) {
	return c, w.until(string(k), func() bool {
		for i, one := range w.controls {
			if one.Kind == k {
				c = one
				w.controls = append(w.controls[:i:i], w.controls[i+1:]...)
				return true
			}
		}
		return false
	})
}

// ready says that the processes are held.
func (w *handWorker) ready() {
	w.event(message.Event{Kind: message.Ready, Ready: &message.ReadyInfo{Hold: "none", Version: "conform", Features: message.Features()}})
}

// commit waits to be committed, and says that it is.
func (w *handWorker) commit() error {
	c, err := w.await(message.Commit)
	if err == nil {
		w.event(message.Event{Kind: message.Committed, Committed: &message.CommittedInfo{Probe: answered(c.Probe, time.Now())}})
	}
	return err
}

// started waits for the instant, and says that all processes have started.
func (w *handWorker) started() error {
	c, err := w.await(message.Start)
	if err != nil {
		return err
	}
	if err := w.s.pause(time.Until(c.At)); err != nil {
		return err
	}
	w.startedAt = time.Now().UTC()
	var list []message.StartedInfo
	for i := range w.job.In(message.PhaseRun) {
		list = append(list, message.StartedInfo{Command: i, PID: 1000 + i, StartedAt: w.startedAt})
	}
	w.event(message.Event{Kind: message.Started, Started: list})
	return nil
}

// begin plays a run up to where its processes have started.
func (w *handWorker) begin() error {
	if err := w.awaitJob(); err != nil {
		return err
	}
	w.ready()
	if err := w.commit(); err != nil {
		return err
	}
	return w.started()
}

// exit says that all processes have ended with status 0.
func (w *handWorker) exit() {
	for i := range w.job.In(message.PhaseRun) {
		w.event(message.Event{Kind: message.Exited, Exited: &message.ExitedInfo{Command: i, StartedAt: w.startedAt, EndedAt: time.Now().UTC()}})
	}
}

// done closes the account; change, if any, has it say something else.
func (w *handWorker) done(change func(*message.DoneInfo)) {
	info := &message.DoneInfo{Outcome: message.HostDone}
	for i := range w.tallies {
		info.Totals = append(info.Totals, w.tallies[i].Total())
	}
	if change != nil {
		change(info)
	}
	w.event(message.Event{Kind: message.Done, Done: info})
}
