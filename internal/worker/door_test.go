package worker

import (
	"crypto/ed25519"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"downbeat/internal/message"
	"downbeat/internal/queue"
	"downbeat/internal/testkit"
)

// A feature that a newer publisher needs, and this worker doesn't know, is refused at once
// and by name.
func TestJobThatNeedsWhatIsNotKnownIsRefusedByName(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	v := s.serve(nil)
	job := s.job("true")
	job.Needs = []message.Feature{message.FeatureSetup, "lasers", "tempo"}
	job.Commands = nil // such a job may lack what this build wants
	s.Send(job)
	info := s.Await(job, message.Refused).Refused
	contains(t, "the refusal", info.Reason, "job needs what this worker doesn't know: `lasers`, `tempo` (the worker on alpha is of version v9")
	if info.Version != "v9" || len(info.Features) != len(message.Features()) {
		t.Errorf("the refusal is by version %q with %v", info.Version, info.Features)
	}
	contains(t, "the reason", s.deadLetter().Header[queue.HeaderReason], message.ErrNeeds.Error())
	known := s.job("true")
	known.Needs = message.Features()
	s.Send(known)
	if ready := s.Await(known, message.Ready).Ready; ready.Version != "v9" || len(ready.Features) != len(message.Features()) {
		t.Errorf("ready is version %q with %v", ready.Version, ready.Features)
	}
	if v.w.lookup(job.Run) != nil {
		t.Error("the job was begun")
	}
}

// Other unknown fields of a newer publisher do no harm.
func TestUnknownMembersOfAJobAreIgnored(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.serve(nil)
	job := s.job("true")
	s.Publish(testHost, []byte(strings.Replace(string(s.Seal(job)), `\"since\"`, `\"colour\":{\"of\":[1]},\"since\"`, 1)))
	s.Await(job, message.Ready)
}

// A publisher of another version is told at once, with both versions, wherever it
// has put its address.
func TestPublisherOfAnotherVersionIsTold(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ body, speaks string }{
		"version 1, as it is": {`{"downbeat":1,"purpose":"job","namespace":"test","host":"alpha","run":%[1]q,"expires":"2026-11-23T12:01:00.123456789Z","payload":"{\"run\":\"%[1]s\",\"host\":\"alpha\",\"reply_to\":\"%[2]s\",\"since\":\"01JD5W9M4QX3T0C9V8Z7Y6R5PK\",\"experiment\":\"locks\",\"datapoint\":1,\"processes\":[{\"name\":\"server.0\",\"group\":\"server\",\"index\":0,\"rank\":0,\"local\":0,\"argv\":[\"sleep\",\"1\"],\"env\":{\"A\":\"ü\"}}],\"lease_ms\":30000,\"window_bytes\":8388608,\"grace_ms\":10000}","key":"af06a3e3291714e4","signature":"tF5MceMM2wdUxy23pNLey3ZLTwtjOltxnac4ILXX9SrLX8tPR3jHOBaZ7iJKzAKIjJjD8Dc2nfkElCtnhrZzBA=="}`, "1"},
		"as now":              {`{"downbeat":3,"payload":"{\"run\":\"%[1]s\",\"reply_to\":\"%[2]s\",\"beats\":[{}]}","signed":"x"}`, "3"},
		"as object":           {`{"downbeat":3,"run":%[1]q,"reply_to":%[2]q,"payload":{"beats":[]}}`, "3"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			s.serve(nil)
			job := s.job("true")
			s.Publish(testHost, fmt.Appendf(nil, test.body, job.Run, job.ReplyTo))
			e := s.Await(job, message.Refused)
			contains(t, "the refusal", e.Refused.Reason, "other protocol version: the sender speaks "+test.speaks+", this build 2 (the worker on alpha is of version v9")
			if e.Host != testHost || e.Refused.Version != "v9" {
				t.Errorf("it is refused by %q of version %q", e.Host, e.Refused.Version)
			}
		})
	}
}

// Nothing is published anywhere but on a queue of events of the namespace, signed or not.
func TestReplyToIsAQueueOfEvents(t *testing.T) {
	t.Parallel()
	trusted, key, err := ed25519.GenerateKey(nil)
	testkit.Check(t, err)
	for name, replyTo := range map[string]string{
		"jobs": "test.jobs.alpha", "dead letters": "test.dead", "another's": "elsewhere", "another namespace": "other.events.X",
		"below": "test.events.X.Y", "none": "test.events.", "with a blank": "test.events.X Y", "long": "test.events." + strings.Repeat("X", 65), "empty": "",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			v := s.serve(func(c *Config) { c.Trust = message.Trust{Keys: []ed25519.PublicKey{trusted}} })
			if name != "dead letters" && name != "jobs" && replyTo != "" {
				testkit.Check(t, s.broker.Declare(t.Context(), queue.Spec{Name: replyTo}))
			}
			job := s.job("true")
			job.ReplyTo = replyTo
			for _, with := range []ed25519.PrivateKey{key, nil} {
				body, err := message.Seal(s.Address(job), job, with)
				testkit.Check(t, err)
				s.Publish(testHost, body)
				s.deadLetter()
			}
			if v.w.lookup(job.Run) != nil {
				t.Error("the job was begun")
			}
			if replyTo == "" {
				return
			}
			if info, err := s.broker.Inspect(t.Context(), replyTo); err != nil || info.Messages != 0 {
				t.Errorf("%d messages are on %s (%v)", info.Messages, replyTo, err)
			}
		})
	}
}

// A job is valid for less long than its mark is kept: what was run is never run again.
func TestMarksAreKeptLongerThanAJobIsValid(t *testing.T) {
	t.Parallel()
	if seenFor <= message.MaxAhead {
		t.Fatalf("runs are remembered for %s, and jobs may be valid for %s", seenFor, message.MaxAhead)
	}
	s := newSite(t)
	v := s.serve(nil)
	long := s.job("true")
	a := s.Address(long)
	a.Expires = time.Now().Add(message.MaxAhead + time.Minute)
	body, err := message.Seal(a, long, nil)
	testkit.Check(t, err)
	s.Publish(testHost, body)
	contains(t, "what the publisher is told", s.Await(long, message.Refused).Refused.Reason, message.ErrFarAhead.Error())
	if exists(filepath.Join(v.w.runsDir(), long.Run)) {
		t.Error("the job was begun")
	}
}

// The same goes for controls.
func TestControlThatIsValidForTooLongIsRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	v := s.serve(nil)
	job := s.job(stay)
	s.Ready(job)
	body, err := message.Seal(message.Address{
		Purpose: message.PurposeControl, Namespace: testNamespace, Host: testHost, Run: job.Run, Serial: 1000,
		Expires: time.Now().Add(message.MaxAhead + time.Hour),
	}, message.Control{Kind: message.Stop, Cause: message.StopAbort}, nil)
	testkit.Check(t, err)
	testkit.Check(t, s.broker.Publish(t.Context(), message.ControlQueue(testNamespace, testHost), queue.Message{Body: body}))
	contains(t, "the reason", s.deadLetter().Header[queue.HeaderReason], message.ErrFarAhead.Error())
	if v.w.lookup(job.Run) == nil {
		t.Error("the run was stopped")
	}
}

// A control that can't be taken is refused like a job, where it says whom to tell and
// its run is not here.
func TestRefusedControlIsAnswered(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.serve(nil)
	running, other := s.job(stay), s.job("true")
	s.Ready(running) // with a run here, controls are taken
	dance := func(job *message.Job) {
		t.Helper()
		a := s.Address(job)
		a.Purpose, a.Serial = message.PurposeControl, 1
		body, err := message.Seal(a, message.Control{Kind: "dance", ReplyTo: job.ReplyTo}, nil)
		testkit.Check(t, err)
		testkit.Check(t, s.Broker.Publish(t.Context(), message.ControlQueue(testNamespace, testHost), queue.Message{Body: body}))
		s.deadLetter()
	}
	dance(running)
	dance(other)
	contains(t, "the refusal", s.Await(other, message.Refused).Refused.Reason, `control "dance": unknown kind`)
	for _, e := range s.Of(running).Events {
		if e.Kind == message.Refused {
			t.Errorf("the run that is here is said to be refused: %s", e.Refused.Reason)
		}
	}
}
