package publisher

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"downbeat/internal/clock"
	"downbeat/internal/message"
	"downbeat/internal/queue"
	"downbeat/internal/queue/mem"
	"downbeat/internal/testkit"
)

// hostSkew is how far ahead the clocks of scripted workers are.
const hostSkew = 5 * time.Second

// A scripted worker speaks the protocol as the test tells it to: the test says
// which events it sends, in any order. By itself it only answers hellos and
// keepalives, as long as it is not muted.
type scripted struct {
	t      *testing.T
	host   string
	broker *mem.Broker
	clock  *clock.Clock
	trust  message.Trust

	jobs     chan *message.Job
	controls chan *message.Control // all but keepalives
	chunks   chan *message.Chunk   // of files
	resends  chan uint64           // what keepalives with Resend acknowledge

	job        *message.Job        // once taken
	last       message.ControlKind // that was expected
	hushed     *message.Control    // a start that it has carried out and not reported yet
	keepalives atomic.Int64

	mu     sync.Mutex
	muted  bool
	claim  func(last uint64) uint64 // what heartbeats say instead of the last number
	seq    uint64
	sent   [][]byte // every event by number, from 1
	acked  uint64
	totals []message.Total
	// commitProbe is the answer to the latest commit's.
	commitProbe *message.Probe
}

func newScripted(t *testing.T, broker *mem.Broker, host string) *scripted {
	t.Helper()
	s := &scripted{
		t: t, host: host, broker: broker, clock: clock.New(hostSkew), trust: message.Trust{Unsigned: true},
		jobs: make(chan *message.Job, 4), controls: make(chan *message.Control, 64), resends: make(chan uint64, 64),
		chunks: make(chan *message.Chunk, 100),
	}
	s.consume(queue.Spec{Name: message.JobsQueue(testNamespace, host), Group: message.JobsGroup(testNamespace)}, s.onJobs)
	s.consume(queue.Spec{Name: message.ControlQueue(testNamespace, host)}, s.onControl)
	return s
}

func (s *scripted) consume(spec queue.Spec, take func(*message.Payload, *queue.Delivery)) {
	s.t.Helper()
	check(s.t, s.broker.Declare(s.t.Context(), spec))
	consumer, err := s.broker.Consume(s.t.Context(), spec.Name, 64)
	check(s.t, err)
	var ended sync.WaitGroup
	ended.Go(func() {
		for {
			d, err := consumer.Receive(context.Background())
			if err != nil {
				return
			}
			if message.FrameKindOf(d.Body) == message.FrameChunk {
				c, err := message.DecodeChunk(d.Body)
				if err != nil {
					s.t.Error(err)
				} else {
					s.chunks <- c
				}
				_ = d.Ack(context.Background()) // in memory it can't fail
				continue
			}
			envelope, err := message.OpenEnvelope(d.Body, s.trust, time.Now())
			if err == nil {
				err = envelope.For(testNamespace, s.host)
			}
			if err != nil {
				s.t.Errorf("%s was sent what it can't take: %v", s.host, err)
			} else {
				take(envelope, d)
			}
			_ = d.Ack(context.Background()) // in memory it can't fail
		}
	})
	s.t.Cleanup(func() {
		check(s.t, consumer.Close())
		ended.Wait()
	})
}

func (s *scripted) onJobs(envelope *message.Payload, d *queue.Delivery) {
	if envelope.Purpose == message.PurposeJob {
		job, err := envelope.Job()
		if err != nil {
			s.t.Error(err)
			return
		}
		s.jobs <- job
		return
	}
	c, err := envelope.Control()
	if err != nil {
		s.t.Error(err)
		return
	}
	if s.silent() {
		return
	}
	s.send(c.ReplyTo, message.Event{Kind: message.Here, Here: &message.HereInfo{Version: "v9", OS: "plan9", Arch: "mips", Nonce: c.Nonce, Probe: s.probed(c, d)}})
}

func (s *scripted) onControl(envelope *message.Payload, d *queue.Delivery) {
	c, err := envelope.Control()
	if err != nil {
		s.t.Error(err)
		return
	}
	if c.Kind != message.Keepalive {
		if c.Kind == message.Commit {
			s.mu.Lock()
			s.commitProbe = s.probed(c, d)
			s.mu.Unlock()
		}
		s.controls <- c
		return
	}
	s.mu.Lock()
	last := s.seq
	if s.claim != nil {
		last = s.claim(last)
	}
	s.acked = max(s.acked, c.Ack)
	s.mu.Unlock()
	s.keepalives.Add(1)
	if c.Resend {
		s.resends <- c.Ack
	}
	if s.silent() {
		return
	}
	s.send(message.EventsQueue(testNamespace, publisherOf(s.t, envelope.Run)), message.Event{
		Kind: message.Heartbeat, Run: envelope.Run, Heartbeat: &message.HeartbeatInfo{Last: last, Ack: c.Ack, Probe: s.probed(c, d)},
	})
}

func publisherOf(t *testing.T, run string) string {
	id, err := message.PublisherOf(run)
	if err != nil {
		t.Error(err)
	}
	return id
}

// probed answers a control's probe, on a clock that is wrong.
func (s *scripted) probed(c *message.Control, d *queue.Delivery) *message.Probe {
	if c.Probe == nil {
		return nil
	}
	probe := *c.Probe
	probe.TakenAt, probe.AnswerAt = s.clock.At(d.ReceivedAt), s.clock.Now()
	return &probe
}

func (s *scripted) silent() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.muted
}

// mute makes the worker as good as dead, and unmute alive again.
func (s *scripted) mute()   { s.setMuted(true) }
func (s *scripted) unmute() { s.setMuted(false) }

func (s *scripted) setMuted(muted bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.muted = muted
}

func (s *scripted) send(to string, e message.Event) {
	e.Host, e.Time = s.host, s.clock.Now()
	data, err := e.Encode()
	if err == nil {
		err = s.broker.Publish(context.Background(), to, queue.Message{Body: data})
	}
	if err != nil {
		s.t.Error(err)
	}
}

// take waits for the job.
func (s *scripted) take() *message.Job {
	s.t.Helper()
	s.job = within(s.t, s.jobs, s.host+" gets no job")
	s.totals = make([]message.Total, len(s.job.Commands))
	return s.job
}

// expect waits for the next control, which must be of that kind. The one before
// may come again first: publishers ask again for what is slow to come.
func (s *scripted) expect(kind message.ControlKind) *message.Control {
	s.t.Helper()
	for {
		c := within(s.t, s.controls, s.host+" gets no "+string(kind))
		if c.Kind == kind {
			s.last = kind
			return c
		}
		if c.Kind != s.last {
			s.t.Fatalf("%s got a %s, want a %s", s.host, c.Kind, kind)
		}
	}
}

// expectNothing makes sure that the publisher has nothing to ask for now: it
// waits for keepalives, which come in line with everything else.
func (s *scripted) expectNothing() {
	s.t.Helper()
	s.keptAlive(3)
	s.expectNothingMore()
}

// keptAlive waits for so many more keepalives, answered or not.
func (s *scripted) keptAlive(times int) {
	s.t.Helper()
	for range times {
		before := s.keepalives.Load()
		testkit.WaitFor(s.t, s.host+" is kept alive", func() bool { return s.keepalives.Load() > before })
	}
}

// expectNothingAfter is the same for a run that is over: what was acknowledged to
// the last event has nothing else behind it.
func (s *scripted) expectNothingAfter(run *ending) {
	s.t.Helper()
	run.wait()
	testkit.WaitFor(s.t, s.host+" has everything acknowledged", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.acked == s.seq
	})
	s.expectNothingMore()
}

func (s *scripted) expectNothingMore() {
	s.t.Helper()
	for {
		select {
		case c := <-s.controls:
			if c.Kind != s.last {
				s.t.Fatalf("%s got a %s, want nothing", s.host, c.Kind)
			}
		default:
			return
		}
	}
}

func within[T any](t *testing.T, ch <-chan T, otherwise string) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(patience):
		t.Fatal(otherwise)
		panic("unreachable")
	}
}

// log gives an event its number without sending it.
func (s *scripted) log(e message.Event) []byte {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seq++
	e.Run, e.Host, e.Seq = s.job.Run, s.host, s.seq
	if e.Time.IsZero() {
		e.Time = s.clock.Now()
	}
	data, err := e.Encode()
	check(s.t, err)
	s.sent = append(s.sent, data)
	return data
}

func (s *scripted) publish(data []byte) {
	s.t.Helper()
	check(s.t, s.broker.Publish(s.t.Context(), s.job.ReplyTo, queue.Message{Body: data}))
}

// event logs an event and sends it.
func (s *scripted) event(e message.Event) {
	s.t.Helper()
	s.publish(s.log(e))
}

// resend sends everything after a number again.
func (s *scripted) resend(after uint64) {
	s.t.Helper()
	for _, data := range s.sent[after:] {
		s.publish(data)
	}
}

func (s *scripted) ready() {
	s.t.Helper()
	s.event(message.Event{Kind: message.Ready, Ready: &message.ReadyInfo{Hold: "ptrace", Version: "v9", Features: message.Features()}})
}

func (s *scripted) waiting(behind string) {
	s.t.Helper()
	s.last = "" // whatever it was, nobody may ask for it now
	s.event(message.Event{Kind: message.Waiting, Waiting: &message.WaitingInfo{Behind: behind}})
}

func (s *scripted) committed() {
	s.t.Helper()
	s.mu.Lock()
	probe := s.commitProbe
	s.mu.Unlock()
	s.event(message.Event{Kind: message.Committed, Committed: &message.CommittedInfo{Probe: probe}})
}

// started reports that all processes began at that time on the host's clock.
func (s *scripted) started(at time.Time) {
	s.t.Helper()
	var infos []message.StartedInfo
	for i := range s.job.In(message.PhaseRun) {
		infos = append(infos, message.StartedInfo{Command: i, PID: 100 + i, StartedAt: at})
	}
	s.event(message.Event{Kind: message.Started, Started: infos})
}

// output sends one piece of one stream.
func (s *scripted) output(command int, stream message.Stream, text string, lines uint64) {
	s.t.Helper()
	s.publish(s.logOutput(command, stream, text, lines))
}

// lost is output that is logged and does not come.
func (s *scripted) lost(command int, stream message.Stream, text string) {
	s.t.Helper()
	s.logOutput(command, stream, text, uint64(strings.Count(text, "\n")))
}

// logOutput gives a piece of output its number without sending it.
func (s *scripted) logOutput(command int, stream message.Stream, text string, lines uint64) []byte {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seq++
	total := &s.totals[command]
	sum, count := &total.StdoutBytes, &total.StdoutLines
	if stream == message.Stderr {
		sum, count = &total.StderrBytes, &total.StderrLines
	}
	var b message.Batch
	b.Reset(s.job.Run, s.host, s.seq, s.clock.Now())
	b.Add(message.Segment{Command: command, Stream: stream, At: s.clock.Now(), Offset: *sum, Line: *count, Data: []byte(text)})
	data := b.Bytes()
	s.sent = append(s.sent, data)
	*sum += uint64(len(text))
	*count += lines
	return data
}

// exited reports the end of a command.
func (s *scripted) exited(info message.ExitedInfo) {
	s.t.Helper()
	s.event(message.Event{Kind: message.Exited, Exited: &info})
}

func (s *scripted) exit(process, code int) {
	s.t.Helper()
	s.exited(message.ExitedInfo{Command: process, ExitCode: code, StartedAt: s.clock.Now(), EndedAt: s.clock.Now()})
}

// obey carries a stop out: every process given ends by TERM.
func (s *scripted) obey(processes ...int) *message.Control {
	s.t.Helper()
	stop := s.expect(message.Stop)
	if s.hushed != nil {
		s.started(s.hushed.At)
	}
	s.event(message.Event{Kind: message.Stopping, Time: stop.At, Stopping: &message.StoppingInfo{Cause: stop.Cause}})
	for _, i := range processes {
		s.exited(message.ExitedInfo{Command: i, ExitCode: -1, Signal: "SIGTERM", Stopped: true, StartedAt: stop.At, EndedAt: stop.At})
	}
	s.done(message.HostDone)
	return stop
}

// obeySoon does the same, whatever it is asked for before.
func (s *scripted) obeySoon(processes ...int) {
	s.t.Helper()
	for c := range s.controls {
		if c.Kind == message.Stop {
			s.controls <- c
			s.last = message.Stop
			s.obey(processes...)
			return
		}
	}
}

// done closes the account with what was really sent.
func (s *scripted) done(outcome string) {
	s.t.Helper()
	s.event(message.Event{Kind: message.Done, Done: &message.DoneInfo{Outcome: outcome, Totals: s.totals}})
}

// offer takes the workers to where they have been asked to commit.
func offer(workers ...*scripted) {
	for _, s := range workers {
		s.t.Helper()
		s.take()
		s.ready()
	}
	for _, s := range workers {
		s.expect(message.Commit)
	}
}

// hold takes the workers to where they keep their processes for the run.
func hold(workers ...*scripted) {
	offer(workers...)
	for _, s := range workers {
		s.committed()
	}
}

// release takes the workers to where their processes run, and returns the start.
func release(workers ...*scripted) *message.Control {
	hold(workers...)
	var start *message.Control
	for _, s := range workers {
		s.t.Helper()
		start = s.expect(message.Start)
		s.started(start.At)
	}
	return start
}
