package worker

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"downbeat/internal/message"
	"downbeat/internal/testkit"
	"downbeat/internal/worker/rendezvous"
)

func rendezvousPath(dir string) string { return rendezvous.Path(dir) }

// A process finds the socket in its environment, and what it asks for there comes back
// from the publisher.
func TestProcessesAsk(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.serve(nil)
	job := s.job("echo $DOWNBEAT_SYNC; " + stay)
	job.Sync = true
	s.released(job)
	s.awaitLine(job, 0, "\n")
	path, _, _ := strings.Cut(s.Of(job).Output[keyOf(0)], "\n")
	if want := rendezvous.Path(s.runDir(job)); path != want {
		t.Errorf("the socket is said to be %q, want %q", path, want)
	}
	type answer struct {
		value []byte
		err   error
		at    time.Time
	}
	ask := func(r rendezvous.Request) <-chan answer {
		got := make(chan answer, 1)
		go func() {
			value, err := rendezvous.Call(context.WithoutCancel(t.Context()), path, r)
			got <- answer{value, err, time.Now()}
		}()
		return got
	}

	got := ask(rendezvous.Request{What: message.AskGet, Name: "leader", Within: time.Minute})
	asked := s.Await(job, message.Asked)
	if a := asked.Asked; a.ID != 1 || a.What != message.AskGet || a.Name != "leader" || a.WithinMS != 60_000 || asked.Seq == 0 {
		t.Errorf("asked: %+v", a)
	}
	at := time.Now().Add(50 * time.Millisecond)
	s.Tell(job, message.Control{Kind: message.Respond, Answers: []message.Answer{{ID: 1, At: at, Value: []byte("10.0.0.1")}}})
	if a := testkit.Receive(t, got, "the value comes"); string(a.value) != "10.0.0.1" || a.err != nil || a.at.Before(at) {
		t.Errorf("the value: %q (%v), %s before its instant", a.value, a.err, at.Sub(a.at))
	}

	got = ask(rendezvous.Request{What: message.AskBarrier, Name: "loaded", Count: 2, Within: time.Minute})
	for logged := false; !logged; { // the first may have come again
		e := s.Await(job, message.Asked)
		logged = e.Seq != 0
		if logged && (e.Asked.ID != 2 || e.Asked.Count != 2) {
			t.Errorf("asked: %+v", e.Asked)
		}
	}
	for again := false; !again; { // unlogged, until it is answered
		e := s.Await(job, message.Asked)
		again = e.Seq == 0 && e.Asked.ID == 2
	}
	s.Tell(job, message.Control{Kind: message.Stop, Cause: message.StopRule, GraceMS: 5000})
	if a := testkit.Receive(t, got, "nobody waits in a run that is stopped"); !errors.Is(a.err, rendezvous.ErrRefused) {
		t.Errorf("the barrier: %v", a.err)
	}
	s.finish(job)
	if _, err := rendezvous.Call(t.Context(), path, rendezvous.Request{What: message.AskMark, Name: "m"}); err == nil {
		t.Error("something can be asked for after the end")
	}
}
