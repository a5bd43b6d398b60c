package worker

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"downbeat/internal/message"
	"downbeat/internal/queue"
	"downbeat/internal/testkit"
)

// second is a worker for the same host from another state directory, as on another
// machine.
func (s *site) second(t *testing.T) *Worker {
	t.Helper()
	config := s.config()
	config.StateDir = t.TempDir()
	w, err := New(config)
	testkit.Check(t, err)
	w.self.Machine = "elsewhere"
	w.hurry = 50
	return w
}

// running runs a worker until the test ends it.
func running(t *testing.T, w *Worker) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	return func() {
		cancel()
		testkit.Check(t, <-done)
		testkit.Check(t, w.Close())
	}
}

// awaitServed waits until a worker takes the host's jobs.
func (s *site) awaitServed() {
	s.t.Helper()
	testkit.WaitFor(s.t, "a worker serves the host", func() bool {
		info, err := s.broker.Inspect(s.t.Context(), message.JobsQueue(testNamespace, testHost))
		return err == nil && info.Consumers == 1
	})
}

// whoIsThere asks the host's worker who it is.
func (s *site) whoIsThere() *message.HereInfo {
	s.t.Helper()
	s.Publish(testHost, s.Hello(testHost, s.Events()))
	return s.AwaitHere().Here
}

// A second worker for a host waits, and is told of by the first one; when that has
// gone it serves the host.
func TestSecondWorkerForAHostWaitsUntilTheFirstHasGone(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	first := s.serve(nil)
	s.awaitServed()
	second := s.second(t)
	stop := running(t, second)
	defer func() { stop() }()
	testkit.WaitFor(t, "the first one knows of the second", func() bool { return len(first.w.waiting()) == 1 })
	if !second.Stats().Outside {
		t.Error("the second one doesn't say that it waits")
	}
	here := s.whoIsThere()
	if here.Worker == nil || here.Worker.Machine == "elsewhere" || here.Worker.PID != os.Getpid() {
		t.Errorf("%v answers, want the first one", here.Worker)
	}
	if len(here.Waiting) != 1 || here.Waiting[0].Machine != "elsewhere" {
		t.Errorf("%v wait, want the second one", here.Waiting)
	}
	first.stop()
	testkit.WaitFor(t, "the second one serves the host", func() bool { return !second.Stats().Outside })
	if here := s.whoIsThere(); here.Worker.Machine != "elsewhere" {
		t.Errorf("%v answers, want the second one", here.Worker)
	}
}

// A name that is free for a moment, as while its worker reconnects, is not taken by
// one who waits.
func TestNameThatIsFreeForAMomentIsNotTaken(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	jobs := message.JobsQueue(testNamespace, testHost)
	holder, err := s.broker.ConsumeAlone(t.Context(), jobs, 1, queue.Claim{Holder: "h"})
	testkit.Check(t, err)
	second := s.second(t)
	second.hurry = 4 // it looks each 250 ms, and the name would have to be free for 2 s
	stop := running(t, second)
	defer func() { stop() }()
	testkit.WaitFor(t, "the second one waits", func() bool { return second.Stats().Outside })
	for range 3 {
		testkit.Check(t, holder.Close())
		<-time.After(300 * time.Millisecond) // long enough to be seen
		if holder, err = s.broker.ConsumeAlone(t.Context(), jobs, 1, queue.Claim{Holder: "h"}); err != nil {
			t.Fatalf("the name is gone: %v", err)
		}
	}
}

// A check says who serves the host, and does not show up as one who waits; where
// nobody does, it leaves nothing in the queues.
func TestCheckTellsWhoServesTheHost(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	second := s.second(t)
	defer func() { testkit.Check(t, second.Close()) }()
	testkit.Check(t, second.Check(t.Context()))
	for _, q := range []string{message.JobsQueue(testNamespace, testHost), message.ControlQueue(testNamespace, testHost)} {
		if info, err := s.broker.Inspect(t.Context(), q); info != (queue.Info{}) || err != nil && !errors.Is(err, queue.ErrNoQueue) {
			t.Errorf("%s after a check: %+v, %v, want nothing there", q, info, err)
		}
	}
	if _, err := s.broker.Inspect(t.Context(), message.ControlQueue(testNamespace, testHost)); !errors.Is(err, queue.ErrNoQueue) {
		t.Errorf("the queue of controls, which was not there before: %v", err)
	}
	first := s.serve(nil)
	s.awaitServed()
	err := second.Check(t.Context())
	if _, ok := errors.AsType[*Contention](err); !ok || !strings.Contains(err.Error(), first.w.self.String()) {
		t.Errorf("got %v, want a contention that names %s", err, first.w.self)
	}
	if waiting := first.w.waiting(); len(waiting) != 0 {
		t.Errorf("%v wait, want nobody", waiting)
	}
}

// A check leaves the jobs that wait for the worker where they are.
func TestCheckLeavesJobsThatWait(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	w := s.second(t)
	defer func() { testkit.Check(t, w.Close()) }()
	jobs := message.JobsQueue(testNamespace, testHost)
	testkit.Check(t, s.broker.Publish(t.Context(), jobs, queue.Message{Body: []byte("a job")}))
	testkit.Check(t, w.Check(t.Context()))
	c, err := s.broker.Consume(t.Context(), jobs, 1)
	testkit.Check(t, err)
	d, err := c.Receive(t.Context())
	testkit.Check(t, err)
	if string(d.Body) != "a job" {
		t.Errorf("got %q", d.Body)
	}
}

// The number of contenders that are remembered is bounded, and no answer goes to a queue
// that isn't a publisher's.
func TestContendersAreBounded(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.serve(nil)
	testkit.Check(t, s.broker.Declare(t.Context(), queue.Spec{Name: "other"}))
	for i := range 5 * maxContenders {
		c := message.Contender{Namespace: testNamespace, Host: testHost, ReplyTo: "other", Waits: true, Worker: message.WorkerInfo{Machine: "m", PID: i}}
		body, err := c.Encode()
		testkit.Check(t, err)
		testkit.Check(t, s.broker.Publish(t.Context(), message.JobsQueue(testNamespace, testHost), queue.Message{Body: body}))
	}
	if here := s.whoIsThere(); len(here.Waiting) != maxContenders {
		t.Errorf("%d are remembered, want %d", len(here.Waiting), maxContenders)
	}
	if info, err := s.broker.Inspect(t.Context(), "other"); err != nil || info.Messages != 0 {
		t.Errorf("a queue that is no publisher's: %+v, %v", info, err)
	}
}
