package worker

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"downbeat/internal/message"
	"downbeat/internal/queue"
	"downbeat/internal/queue/mem"
	"downbeat/internal/testkit"
	"downbeat/internal/testkit/fakepublisher"
	"downbeat/internal/worker/course"
	"downbeat/internal/worker/runlog"
)

const (
	testNamespace = "test"
	testHost      = "alpha"
)

// A site is a broker and a state directory, where a worker is under test and
// the test plays its publisher.
type site struct {
	*fakepublisher.Publisher
	t      *testing.T
	broker *mem.Broker
	state  string
}

func newSite(t *testing.T) *site {
	t.Helper()
	broker := mem.New(queue.Options{})
	t.Cleanup(func() { testkit.Check(t, broker.Close()) })
	jobs := message.JobsQueue(testNamespace, testHost)
	testkit.Check(t, broker.Declare(t.Context(), queue.Spec{Name: jobs, Group: message.JobsGroup(testNamespace)}))
	return &site{Publisher: fakepublisher.New(t, broker, testNamespace), t: t, broker: broker, state: t.TempDir()}
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
		Trust: message.Trust{Unsigned: true}, Environ: os.Environ(), Lease: testkit.Timeout, Version: "v9",
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
	testkit.Check(s.t, err)
	testkit.Check(s.t, w.Declare(s.t.Context()))
	ctx, cancel := context.WithCancel(context.WithoutCancel(s.t.Context()))
	v := &service{t: s.t, w: w, cancel: cancel, done: make(chan error, 1)}
	go func() { v.done <- w.Run(ctx) }()
	s.t.Cleanup(func() { // what the test has left need not be delivered
		testkit.Check(s.t, s.broker.Delete(context.WithoutCancel(s.t.Context()), s.Events()))
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
		testkit.Check(v.t, err)
	case <-time.After(testkit.Timeout):
		v.t.Fatal("the worker does not return")
	}
	testkit.Check(v.t, v.w.Close())
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
func (s *site) job(scripts ...string) *message.Job { return s.Job(testHost, scripts...) }

// log makes the journal of a job as the worker does.
func (s *site) log(job *message.Job) *runlog.Log {
	s.t.Helper()
	testkit.Check(s.t, os.MkdirAll(s.runDir(job), 0o700))
	log, err := runlog.Create(filepath.Join(s.runDir(job), logDir), s.Seal(job))
	testkit.Check(s.t, err)
	return log
}

// stay is a script that says that it is there, and stays.
const stay = "echo here; exec sleep 1000"

// finish waits for the end of a run and lets the worker forget it.
func (s *site) finish(job *message.Job) *message.DoneInfo {
	s.t.Helper()
	done := s.Await(job, message.Done).Done
	s.Ack(job)
	s.removed(job)
	return done
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

// deadLetter waits for the next dead letter and returns it.
func (s *site) deadLetter() *queue.Delivery {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), testkit.Timeout)
	defer cancel()
	consumer, err := s.broker.Consume(ctx, message.DeadQueue(testNamespace), 1)
	testkit.Check(s.t, err)
	d, err := consumer.Receive(ctx)
	testkit.Check(s.t, err)
	testkit.Check(s.t, d.Ack(ctx))
	testkit.Check(s.t, consumer.Close())
	return d
}

func contains(t *testing.T, what, got, want string) {
	t.Helper()
	if !strings.Contains(got, want) {
		t.Errorf("%s is %q, want %q in it", what, got, want)
	}
}
