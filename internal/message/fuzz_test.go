package message

import (
	"encoding/json"
	"strings"
	"testing"
)

// inside is a payload around that content.
func inside(purpose Purpose, content string) *Payload {
	p := &Payload{Address: Address{Purpose: purpose, Namespace: "downbeat", Host: "alpha", Run: testRun}, ReplyTo: "downbeat.events.X"}
	if purpose == PurposeJob {
		p.job = json.RawMessage(content)
	} else {
		p.control = json.RawMessage(content)
	}
	return p
}

// A job that is accepted names nothing that could not be part of a path, and has
// its numbers where the worker counts on them.
func FuzzJob(f *testing.F) {
	good, err := json.Marshal(testJob())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(good))
	f.Add(`{"since":"01JD5W9M4QX3T0C9V8Z7Y6R5PK","lease_ms":1,"window_bytes":1,"processes":[{"name":"../x","argv":[""]}]}`)
	f.Add(strings.Repeat(`{"processes":[`, 100))
	f.Fuzz(func(t *testing.T, payload string) {
		j, err := inside(PurposeJob, payload).Job()
		if err != nil {
			return
		}
		for _, p := range j.Commands {
			if strings.ContainsAny(p.Name+j.Host+j.Run, "/\x00\n ") || strings.HasPrefix(p.Name, ".") || len(p.Argv) == 0 || p.Delay() < 0 {
				t.Errorf("accepted: %q", payload)
			}
		}
		if j.Lease() <= 0 || j.Grace() < 0 || !j.Has(PhaseRun) {
			t.Errorf("accepted: lease %s, grace %s, %d commands", j.Lease(), j.Grace(), len(j.Commands))
		}
	})
}

// A control that is accepted is one of those that there are, with all that it needs.
func FuzzControl(f *testing.F) {
	for _, c := range []Control{
		{Kind: Keepalive, Ack: 7, Resend: true, Probe: &Probe{SentAt: testTime}},
		{Kind: Start, At: testTime},
		{Kind: Stop, Cause: StopRule, Reason: "r", GraceMS: 10},
		{Kind: Hello, Nonce: "n"},
	} {
		data, err := json.Marshal(c)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(data), testRun)
	}
	f.Add(`{"control":"stop","cause":"rule","grace_ms":9223372036854775807}`, testRun)
	f.Add(`{"control":"start","at":"0000-01-01T00:00:00Z"}`, testRun)
	f.Fuzz(func(t *testing.T, payload, run string) {
		e := inside(PurposeControl, payload)
		e.Run = run
		c, err := e.Control()
		if err != nil {
			return
		}
		if c.Grace() < 0 || c.Kind == Start && c.At.IsZero() {
			t.Errorf("accepted: grace %s, at %s", c.Grace(), c.At)
		}
	})
}

// A line of a file of keys is a key, or it is refused.
func FuzzPublicKey(f *testing.F) {
	f.Add("ed25519 11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo= comment")
	f.Add("ed25519 AAAA")
	f.Add("")
	f.Fuzz(func(t *testing.T, line string) {
		if key, err := ParsePublicKey(line); err == nil {
			_ = KeyID(key)
		}
	})
}

// An accepted message can be encoded again, and means the same.
func FuzzEventRoundTrip(f *testing.F) {
	f.Add([]byte(`{"downbeat":2,"event":"done","run":"r","host":"a","seq":3,"time":"2026-11-24T00:00:00Z","done":{"outcome":"done","totals":[{}]}}`))
	f.Add([]byte(`{"downbeat":2,"event":"started","started":[{"process":-1,"pid":1,"started_at":"9999-12-31T23:59:59.999999999Z"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := DecodeEvent(data)
		if err != nil {
			return
		}
		again, err := e.Encode()
		if err != nil {
			t.Fatalf("accepted, but can't be encoded: %v", err)
		}
		if _, err := DecodeEvent(again); err != nil {
			t.Fatalf("%s: %v", again, err)
		}
	})
}
