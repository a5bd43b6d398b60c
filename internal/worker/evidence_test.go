package worker

import (
	"os"
	"testing"
	"time"

	"downbeat/internal/message"
	"downbeat/internal/testkit"
)

// What is true of the host, and what its processes execute, is told before the end, also of
// a run that is over at once.
func TestFactsAreTold(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.serve(nil)
	job := s.job("true", stay)
	job.Facts = true
	s.released(job)
	s.awaitExit(job, 0)
	done := s.stop(job)
	info := s.Await(job, message.Facts).Facts
	name, _ := os.Hostname()
	if h := info.Host; h.Machine != name || h.CPUs <= 0 || h.Arch == "" {
		t.Errorf("the host: %+v", h)
	}
	if len(info.Programs) != 1 || len(info.Programs[0].Commands) != 2 || len(info.Programs[0].Program.SHA256) != 64 {
		t.Errorf("the programs: %+v", info.Programs)
	}
	if done.Outcome != message.HostDone {
		t.Errorf("done: %+v", done)
	}
}

func TestNoFactsAreToldUnasked(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.serve(nil)
	job := s.job("true")
	s.released(job)
	s.Await(job, message.Done)
	for _, e := range s.Of(job).Events {
		if e.Kind == message.Facts {
			t.Error("facts are told that nobody has asked for")
		}
	}
}

func TestHelloCanAskForFacts(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.serve(nil)
	body, err := message.Seal(message.Address{
		Purpose: message.PurposeControl, Namespace: testNamespace, Host: testHost, Expires: time.Now().Add(time.Hour),
	}, message.Control{Kind: message.Hello, ReplyTo: s.Events(), Nonce: "n", Probe: new(message.Probe), Facts: true}, nil)
	testkit.Check(t, err)
	s.Publish(testHost, body)
	if h := s.AwaitHere().Here; h.Nonce != "n" || h.Facts == nil || h.Facts.Arch == "" {
		t.Errorf("here: %+v, want it with facts", h)
	}
	s.Publish(testHost, s.Hello(testHost, s.Events()))
	if h := s.AwaitHere().Here; h.Facts != nil {
		t.Error("facts are told that nobody has asked for")
	}
}
