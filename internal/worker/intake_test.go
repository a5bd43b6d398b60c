package worker

import (
	"context"
	"crypto/ed25519"
	"errors"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"downbeat/internal/message"
	"downbeat/internal/queue"
	"downbeat/internal/testkit"
)

// refusing is a broker that does not declare that queue.
type refusing struct {
	queue.Broker
	name string
}

// Declare implements [queue.Broker].
func (b refusing) Declare(ctx context.Context, spec queue.Spec) error {
	if spec.Name == b.name {
		return queue.ErrDenied
	}
	return b.Broker.Declare(ctx, spec)
}

// A publisher that finds a queue for its job finds the one for its stop, too:
// else the job of a run that is given up keeps the host for a lease.
func TestQueueOfControlsIsThereBeforeThatOfJobs(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	config := s.config()
	config.Host = "bravo"
	config.Broker = refusing{s.broker, message.ControlQueue(testNamespace, config.Host)}
	w, err := New(config)
	testkit.Check(t, err)
	defer func() { testkit.Check(t, w.Close()) }()
	if err := w.Declare(t.Context()); !errors.Is(err, queue.ErrDenied) {
		t.Errorf("declaring: %v, want the broker's refusal", err)
	}
	err = s.broker.Publish(t.Context(), message.JobsQueue(testNamespace, config.Host), queue.Message{Body: []byte("job")})
	if !errors.Is(err, queue.ErrNoQueue) {
		t.Errorf("publishing a job: %v, want no queue yet", err)
	}
}

func TestWhatCannotBeAcceptedIsDeadLetteredWithItsReason(t *testing.T) {
	t.Parallel()
	trusted, key, err := ed25519.GenerateKey(nil)
	testkit.Check(t, err)
	_, stranger, err := ed25519.GenerateKey(nil)
	testkit.Check(t, err)
	seal := func(key ed25519.PrivateKey, change func(*message.Address)) func(*site, *message.Job) []byte {
		return func(s *site, job *message.Job) []byte {
			a := s.Address(job)
			change(&a)
			body, err := message.Seal(a, job, key)
			testkit.Check(s.t, err)
			return body
		}
	}
	asIs := func(*message.Address) {}
	for name, test := range map[string]struct {
		body func(*site, *message.Job) []byte
		want error
		told bool // the publisher is told, since it is known
	}{
		"expired":           {seal(key, func(a *message.Address) { a.Expires = time.Now().Add(-time.Second) }), message.ErrExpired, true},
		"unsigned":          {seal(nil, asIs), message.ErrUnsigned, true},
		"signed by another": {seal(stranger, asIs), message.ErrUntrusted, true},
		"for a namespace":   {seal(key, func(a *message.Address) { a.Namespace = "other" }), message.ErrMisdirect, true},
		"for a host": {func(s *site, job *message.Job) []byte {
			job.Host = "bravo"
			return seal(key, func(a *message.Address) { a.Host = "bravo" })(s, job)
		}, message.ErrMisdirect, true},
		"changed on its way": {func(s *site, job *message.Job) []byte {
			return []byte(strings.Replace(string(seal(key, asIs)(s, job)), "/bin/sh", "/bin/rm", 1))
		}, message.ErrForged, true},
		"garbage":   {func(*site, *message.Job) []byte { return []byte("\x00garbage") }, message.ErrMalformed, false},
		"truncated": {func(s *site, job *message.Job) []byte { b := seal(key, asIs)(s, job); return b[:len(b)/2] }, message.ErrMalformed, false},
		"of another version": {func(s *site, job *message.Job) []byte {
			return []byte(strings.Replace(string(seal(key, asIs)(s, job)), `"downbeat":2`, `"downbeat":3`, 1))
		}, message.ErrVersion, true},
		"oversized": {func(*site, *message.Job) []byte { return make([]byte, message.MaxSigned+1) }, message.ErrTooLarge, false},
		"a control": {func(s *site, job *message.Job) []byte {
			a := s.Address(job)
			a.Purpose = message.PurposeControl
			body, err := message.Seal(a, message.Control{Kind: message.Commit}, key)
			testkit.Check(s.t, err)
			return body
		}, message.ErrMisdirect, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			v := s.serve(func(c *Config) { c.Trust = message.Trust{Keys: []ed25519.PublicKey{trusted}} })
			job := s.job("true")
			body := test.body(s, job)
			s.Publish(testHost, body)
			dead := s.deadLetter()
			contains(t, "the reason", dead.Header[queue.HeaderReason], test.want.Error())
			if got, want := dead.Header[queue.HeaderSource], message.JobsQueue(testNamespace, testHost); got != want {
				t.Errorf("it is said to come from %s, want %s", got, want)
			}
			if kept := body[:min(len(body), 64<<10)]; string(dead.Body) != string(kept) {
				t.Error("the dead letter is not what came, as far as it is kept")
			}
			if test.told {
				contains(t, "what the publisher is told", s.Await(job, message.Refused).Refused.Reason, test.want.Error())
			}
			good := s.job("true")
			s.Publish(testHost, seal(key, asIs)(s, good)) // the worker goes on
			s.Await(good, message.Ready)
			if got := v.w.Stats(); got.Refused != 1 || got.Taken != 1 {
				t.Errorf("stats %+v, want one refused and one taken", got)
			}
		})
	}
}

func TestForeignControlIsDeadLettered(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.serve(nil)
	job := s.job(stay)
	s.Ready(job)
	testkit.Check(t, s.broker.Publish(t.Context(), message.ControlQueue(testNamespace, testHost), queue.Message{Body: []byte("garbage")}))
	dead := s.deadLetter()
	contains(t, "the reason", dead.Header[queue.HeaderReason], message.ErrMalformed.Error())
	s.Commit(job)
}

func TestHelloIsAnswered(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.serve(nil)
	events := s.Events()

	s.Publish(testHost, s.Hello(testHost, events))
	e := s.AwaitHere()
	if h := e.Here; e.Host != testHost || h.Version != "v9" || h.Run != "" || h.OS == "" || h.Arch == "" || h.Probe == nil || h.Nonce != "n" {
		t.Errorf("answer of %s: %+v, want an idle v9 with the probe and the nonce", e.Host, h)
	}

	job := s.job(stay)
	s.Ready(job)
	body := s.Hello(message.AnyHost, events)
	testkit.Check(t, s.broker.Broadcast(t.Context(), message.JobsGroup(testNamespace), queue.Message{Body: body}))
	if h := s.AwaitHere().Here; h.Run != job.Run || h.Experiment != "locks" {
		t.Errorf("answer: %+v, want it busy with %s of locks", h, job.Run)
	}
}

// A run can be cancelled while its job waits in the queue: the stop is faster.
func TestJobWhoseStopCameFirstIsNotBegun(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	v := s.serve(nil)
	running, late := s.job(stay), s.job("true")
	s.Ready(running) // with a run here, controls are taken
	s.Tell(late, message.Control{Kind: message.Stop, Cause: message.StopAbort})
	s.Tell(running, message.Control{Kind: message.Keepalive})
	s.Await(running, message.Heartbeat) // controls are taken in their order: the stop is known
	s.Send(late)
	s.Publish(testHost, s.Hello(testHost, s.Events()))
	s.AwaitHere() // so are jobs: the late one has been answered
	if v.w.lookup(late.Run) != nil || len(s.Of(late).Events) > 0 {
		t.Errorf("the job was begun: %v", s.Of(late).Events)
	}
}

// A run's first controls may be faster than its job, too: it gets them with it.
func TestControlsThatCameBeforeTheirJobAreKeptForIt(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.serve(nil)
	running, late := s.job("true"), s.job("true")
	s.Ready(running) // with a run here, controls are taken
	sent := []time.Time{time.Unix(1, 0), time.Unix(2, 0)}
	for _, at := range sent {
		s.Tell(late, message.Control{Kind: message.Keepalive, Probe: &message.Probe{SentAt: at}})
	}
	s.Tell(running, message.Control{Kind: message.Keepalive})
	s.Await(running, message.Heartbeat) // controls are taken in their order: those of the late run are here
	s.Send(late)
	answered := map[int64]bool{}
	for range 2 {
		e := s.Await(late, message.Heartbeat)
		answered[e.Heartbeat.Probe.SentAt.Unix()] = true
	}
	if !answered[1] || !answered[2] {
		t.Errorf("the probes answered are %v, want both", answered)
	}
}

func TestHelloCannotMakeTheWorkerWriteAnywhere(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.serve(nil)
	s.Publish(testHost, s.Hello(testHost, message.JobsQueue(testNamespace, testHost)))
	contains(t, "the reason", s.deadLetter().Header[queue.HeaderReason], "which is not a queue of events")
}

func TestOneWorkerServesAHost(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	config := Config{Broker: s.broker, Runner: testRunner, Namespace: testNamespace, Host: testHost, StateDir: s.state}
	first, err := New(config)
	testkit.Check(t, err)
	if _, err := New(config); err == nil {
		t.Error("a second worker for the host has started")
	} else {
		contains(t, "the error", err.Error(), "another worker on this machine serves it already")
	}
	// A child that is being started has the lock's file for a moment.
	child, err := unix.Dup(int(first.lock.Fd()))
	testkit.Check(t, err)
	defer func() { testkit.Check(t, unix.Close(child)) }()
	testkit.Check(t, first.Close())
	second, err := New(config)
	testkit.Check(t, err)
	testkit.Check(t, second.Close())
}

// No refusal is sent for a run that is here: a forged job, or one that is delivered again
// when it has expired, would otherwise make its publisher believe that the run is refused.
func TestForgedJobDoesNotRefuseARunThatIsHere(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	v := s.serve(nil)
	job, stranger := s.job("true"), s.job("true")
	s.Send(job)
	s.Await(job, message.Ready)
	for _, j := range []*message.Job{job, stranger} {
		address := s.Address(j)
		address.Expires = time.Now().Add(-time.Hour)
		body, err := message.Seal(address, j, nil)
		testkit.Check(t, err)
		s.Publish(testHost, body)
	}
	if got := s.Await(stranger, message.Refused).Refused; got == nil {
		t.Error("a job that has expired is not refused")
	}
	for _, e := range s.Of(job).Events {
		if e.Kind == message.Refused {
			t.Errorf("the run that is here is refused: %s", e.Refused.Reason)
		}
	}
	if got := v.w.Stats().Refused; got != 2 {
		t.Errorf("%d messages were refused, want 2", got)
	}
}
