package worker

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"downbeat/internal/message"
	"downbeat/internal/queue"
	"downbeat/internal/queue/mem"
	"downbeat/internal/testkit"
	"downbeat/internal/worker/course"
	"downbeat/internal/worker/runlog"
)

const (
	testNamespace = "test"
	testHost      = "alpha"

	// patience bounds every wait of these tests for something that has to come.
	patience = 20 * time.Second
)

// A site is a broker and a state directory, where a worker is under test and
// the test plays its publisher.
type site struct {
	t        *testing.T
	broker   *mem.Broker
	state    string
	id       string
	consumer queue.Consumer
	heard    map[string]*heard
	here     []*message.Event
}

// heard is what has come of one run.
type heard struct {
	events []*message.Event // logged or not, that were not awaited yet
	logged map[uint64]bool
	last   uint64                     // the newest of logged
	output map[string]string          // by process and stream
	pieces map[uint64][]message.Piece // of files, by number
	serial uint64
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{
		t: t, broker: mem.New(queue.Options{}), state: t.TempDir(), id: message.NewPublisher(), heard: make(map[string]*heard),
	}
	events := message.EventsQueue(testNamespace, s.id)
	for _, spec := range []queue.Spec{
		{Name: events},
		{Name: message.JobsQueue(testNamespace, testHost), Group: message.JobsGroup(testNamespace)},
	} {
		check(t, s.broker.Declare(t.Context(), spec))
	}
	var err error
	s.consumer, err = s.broker.Consume(t.Context(), events, 1000)
	check(t, err)
	t.Cleanup(func() { check(t, s.broker.Close()) })
	return s
}

// A service is a worker that is serving its host.
type service struct {
	t      *testing.T
	w      *Worker
	cancel context.CancelFunc
	done   chan error
	ended  bool
}

func (s *site) config() Config {
	return Config{
		Broker: s.broker, Runner: testRunner, Namespace: testNamespace, Host: testHost, StateDir: s.state, Dir: s.state,
		Trust: message.Trust{Unsigned: true}, Environ: os.Environ(), Lease: patience, Version: "v9",
	}
}

// serve starts a worker; change, if any, adapts its configuration.
func (s *site) serve(change func(*Config)) *service {
	s.t.Helper()
	config := s.config()
	if change != nil {
		change(&config)
	}
	w, err := New(config)
	check(s.t, err)
	check(s.t, w.Declare(s.t.Context()))
	ctx, cancel := context.WithCancel(context.WithoutCancel(s.t.Context()))
	v := &service{t: s.t, w: w, cancel: cancel, done: make(chan error, 1)}
	go func() { v.done <- w.Run(ctx) }()
	s.t.Cleanup(func() { // what the test has left need not be delivered
		check(s.t, s.broker.Delete(context.WithoutCancel(s.t.Context()), message.EventsQueue(testNamespace, s.id)))
		for _, r := range w.present() {
			r.mail.post(course.PublisherGone{})
		}
		v.stop()
	})
	return v
}

// present are the runs that are not over.
func (w *Worker) present() []*run {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []*run
	for _, r := range w.runs {
		all = append(all, r)
	}
	return all
}

// stop does what SIGTERM does, and waits for the worker to return.
func (v *service) stop() {
	v.t.Helper()
	v.cancel()
	v.wait()
}

func (v *service) wait() {
	v.t.Helper()
	if v.ended {
		return
	}
	v.ended = true
	select {
	case err := <-v.done:
		check(v.t, err)
	case <-time.After(patience):
		v.t.Fatal("the worker does not return")
	}
	check(v.t, v.w.Close())
}

// runDir is where the worker keeps what it knows of a run.
func (s *site) runDir(job *message.Job) string {
	return filepath.Join(s.state, testNamespace, testHost, "runs", job.Run)
}

// removed waits until nothing of the run is on the disk.
func (s *site) removed(job *message.Job) {
	s.t.Helper()
	testkit.WaitFor(s.t, "the run's directory is removed", func() bool {
		_, err := os.Stat(s.runDir(job))
		return errors.Is(err, os.ErrNotExist)
	})
}

// job describes a run of these shell scripts, one process each.
func (s *site) job(scripts ...string) *message.Job {
	j := &message.Job{
		Run: message.NewRun(s.id), Host: testHost, ReplyTo: message.EventsQueue(testNamespace, s.id), Experiment: "locks", Datapoint: 1,
		LeaseMS: patience.Milliseconds(), GraceMS: 1000, WindowBytes: 8 << 20,
	}
	j.Since = j.Run
	for i, script := range scripts {
		j.Commands = append(j.Commands, message.Command{
			Name: message.ProcessName("p", i), Phase: message.PhaseRun, OKExit: []int{0}, Group: "p", Index: i, Rank: i, Local: i, Argv: []string{"/bin/sh", "-c", script},
		})
	}
	return j
}

// aged makes the job older than any that is made by job.
func aged(job *message.Job) *message.Job {
	job.Since = "00" + job.Run[2:]
	return job
}

// log makes the journal of a job as the worker does.
func (s *site) log(job *message.Job) *runlog.Log {
	s.t.Helper()
	body, err := message.Seal(s.address(job), job, nil)
	check(s.t, err)
	check(s.t, os.MkdirAll(s.runDir(job), 0o700))
	log, err := runlog.Create(filepath.Join(s.runDir(job), logDir), body)
	check(s.t, err)
	return log
}

// stay is a script that says that it is there, and stays.
const stay = "echo here; exec sleep 1000"

// address is what the job is sealed with, as publishers do.
func (s *site) address(job *message.Job) message.Address {
	return message.Address{
		Purpose: message.PurposeJob, Namespace: testNamespace, Host: testHost, Run: job.Run, Expires: time.Now().Add(time.Hour),
	}
}

// send publishes a job and returns its bytes.
func (s *site) send(job *message.Job) []byte {
	s.t.Helper()
	body, err := message.Seal(s.address(job), job, nil)
	check(s.t, err)
	s.publish(body)
	return body
}

// publish puts bytes on the host's queue of jobs.
func (s *site) publish(body []byte) {
	s.t.Helper()
	check(s.t, s.broker.Publish(s.t.Context(), message.JobsQueue(testNamespace, testHost), queue.Message{Body: body}))
}

// tell sends a control.
func (s *site) tell(job *message.Job, c message.Control) {
	s.t.Helper()
	of := s.of(job)
	of.serial++
	body, err := message.Seal(message.Address{
		Purpose: message.PurposeControl, Namespace: testNamespace, Host: testHost, Run: job.Run, Serial: of.serial,
		Expires: time.Now().Add(time.Hour),
	}, c, nil)
	check(s.t, err)
	check(s.t, s.broker.Publish(s.t.Context(), message.ControlQueue(testNamespace, testHost), queue.Message{Body: body}))
}

func (s *site) of(job *message.Job) *heard { return s.ofRun(job.Run) }

func (s *site) ofRun(run string) *heard {
	of := s.heard[run]
	if of == nil {
		of = &heard{logged: make(map[uint64]bool), output: make(map[string]string), pieces: make(map[uint64][]message.Piece)}
		s.heard[run] = of
	}
	return of
}

// receive takes one delivery in.
func (s *site) receive() error {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	d, err := s.consumer.Receive(ctx)
	if err != nil {
		return err
	}
	check(s.t, d.Ack(ctx))
	switch message.FrameKindOf(d.Body) {
	case 0:
	case message.FrameOutput:
		o, err := message.DecodeOutput(d.Body)
		check(s.t, err)
		s.ofRun(o.Run).take(o)
		return nil
	default:
		f, err := message.DecodeFiles(d.Body)
		check(s.t, err)
		pieces, _, err := f.Pieces(nil)
		check(s.t, err)
		of := s.ofRun(f.Run)
		of.logged[f.Seq], of.pieces[f.Seq] = true, slices.Collect(pieces)
		return nil
	}
	e, err := message.DecodeEvent(d.Body)
	check(s.t, err)
	if e.Kind == message.Here {
		s.here = append(s.here, e)
		return nil
	}
	of := s.ofRun(e.Run)
	if e.Seq == 0 || !of.logged[e.Seq] {
		of.logged[e.Seq] = true
		of.last = max(of.last, e.Seq)
		of.events = append(of.events, e)
	}
	return nil
}

func (of *heard) take(o *message.Output) {
	if of.logged[o.Seq] {
		return
	}
	of.logged[o.Seq] = true
	for seg := range o.Segments() {
		of.output[outputKey(seg.Command, seg.Stream)] += string(seg.Data)
	}
}

func outputKey(command int, stream message.Stream) string {
	return message.ProcessName(stream.String(), command)
}

// complete is the number up to which everything has come.
func (of *heard) complete() uint64 {
	var n uint64
	for of.logged[n+1] {
		n++
	}
	return n
}

// await waits for the run's next event of that kind. Others may overtake it: a
// worker has several on their way at a time.
func (s *site) await(job *message.Job, kind message.EventKind) *message.Event {
	s.t.Helper()
	of := s.of(job)
	for {
		for i, e := range of.events {
			if e.Kind == kind {
				of.events = slices.Delete(of.events, i, i+1)
				return e
			}
		}
		if err := s.receive(); err != nil {
			s.t.Fatalf("no %s comes: %v", kind, err)
		}
	}
}

// awaitOutput waits until a process has written that to its standard output.
func (s *site) awaitOutput(job *message.Job, process int, want string) {
	s.t.Helper()
	for s.of(job).output[outputKey(process, message.Stdout)] != want {
		check(s.t, s.receive())
	}
}

// awaitHere waits for an answer to a hello.
func (s *site) awaitHere() *message.Event {
	s.t.Helper()
	for len(s.here) == 0 {
		check(s.t, s.receive())
	}
	e := s.here[0]
	s.here = s.here[1:]
	return e
}

// ready sends a job and waits until it is ready.
func (s *site) ready(job *message.Job) {
	s.t.Helper()
	s.send(job)
	s.await(job, message.Ready)
}

// commit has the host keep its processes for the run.
func (s *site) commit(job *message.Job) {
	s.t.Helper()
	s.tell(job, message.Control{Kind: message.Commit})
	s.await(job, message.Committed)
}

// run releases the processes of a job that is committed, and returns their pids.
func (s *site) run(job *message.Job) []int {
	s.t.Helper()
	s.tell(job, message.Control{Kind: message.Start, At: time.Now().Add(5 * time.Millisecond)})
	var pids []int
	for len(pids) < job.Count(message.PhaseRun) {
		for _, c := range s.await(job, message.Started).Started {
			if job.Commands[c.Command].Phase == message.PhaseRun {
				pids = append(pids, c.PID)
			}
		}
	}
	return pids
}

// start takes a job all the way to where its processes run.
func (s *site) start(job *message.Job) []int {
	s.t.Helper()
	s.ready(job)
	s.commit(job)
	return s.run(job)
}

// finish waits for the end of a run and lets the worker forget it.
func (s *site) finish(job *message.Job) *message.DoneInfo {
	s.t.Helper()
	done := s.await(job, message.Done).Done
	s.ack(job)
	s.removed(job)
	return done
}

// ack acknowledges everything, once it has come.
func (s *site) ack(job *message.Job) {
	s.t.Helper()
	of := s.of(job)
	for of.complete() < of.last {
		check(s.t, s.receive())
	}
	s.tell(job, message.Control{Kind: message.Keepalive, Ack: of.complete()})
}

// gone makes sure that the processes are not there any more.
func gone(t *testing.T, pids []int) {
	t.Helper()
	for _, pid := range pids {
		if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
			t.Errorf("process %d is still there (%v)", pid, err)
		}
	}
}

// chunk sends a part of a file, as publishers do when asked.
func (s *site) chunk(c *message.Chunk) {
	s.t.Helper()
	check(s.t, s.broker.Publish(s.t.Context(), message.ControlQueue(testNamespace, testHost), queue.Message{Body: c.Encode()}))
}

// deadLetter waits for the next dead letter and returns it.
func (s *site) deadLetter() *queue.Delivery {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	consumer, err := s.broker.Consume(ctx, message.DeadQueue(testNamespace), 1)
	check(s.t, err)
	d, err := consumer.Receive(ctx)
	check(s.t, err)
	check(s.t, d.Ack(ctx))
	check(s.t, consumer.Close())
	return d
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func contains(t *testing.T, what, got, want string) {
	t.Helper()
	if !strings.Contains(got, want) {
		t.Errorf("%s is %q, want %q in it", what, got, want)
	}
}
