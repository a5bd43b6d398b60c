package conform

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	"downbeat/internal/message"
	"downbeat/internal/queue"
)

// Cases in which something is not to be accepted.

// refused sends a job, waits for its refusal, and looks for words in the reason.
func (p *handPublisher) refused(j *message.Job, how sealing, words ...string) error {
	r, err := p.send(j, how)
	if err != nil {
		return err
	}
	var e *message.Event
	err = p.until("refused", func() bool {
		e = r.find(message.Refused)
		return e != nil || r.has(message.Ready)
	})
	switch {
	case err != nil:
		return err
	case e == nil:
		return p.s.failed(RuleCase, "the job was taken, and should have been refused")
	}
	for _, word := range words {
		if !strings.Contains(e.Refused.Reason, word) {
			return p.s.failed(RuleCase, "the reason of the refusal does not name %s: %s", word, e.Refused.Reason)
		}
	}
	return nil
}

func playUnknownNeed(s *stage) error {
	p, err := s.serve()
	if err != nil {
		return err
	}
	j := p.newJob("true")
	j.Needs = append(j.Needs, "time_travel")
	if err := p.refused(j, sealing{}, "time_travel"); err != nil {
		return err
	}
	if err := p.complete(p.newJob("true")); err != nil {
		return err
	}
	return s.leave()
}

func playBadSignature(s *stage) error {
	p, err := s.serve()
	if err != nil {
		return err
	}
	_, stranger, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	mark := s.path("started")
	for _, how := range []sealing{
		{key: stranger},
		{change: func(body []byte) []byte { return bytes.Replace(body, []byte(`touch`), []byte(`mkdir`), 1) }},
		{change: unsigned},
	} {
		if err := p.refused(p.newJob("touch "+mark), how); err != nil {
			return err
		}
	}
	if err := s.deadLetters(3); err != nil {
		return err
	}
	if err := p.complete(p.newJob("true")); err != nil {
		return err
	}
	if _, err := os.Stat(mark); !os.IsNotExist(err) {
		return s.failed(RuleSignature, "a job was run whose signature is not right")
	}
	return s.leave()
}

// unsigned takes the signature off an envelope.
func unsigned(body []byte) []byte {
	var e message.Envelope
	if json.Unmarshal(body, &e) == nil {
		e.Key, e.Signature = "", ""
		body, _ = json.Marshal(e) //nolint:errchkjson // it was one
	}
	return body
}

// deadLetters waits until there are so many.
func (s *stage) deadLetters(n int) error {
	deadline := time.After(s.kit.Timeout)
	for {
		info, err := s.plain.Inspect(s.ctx, message.DeadQueue(s.namespace))
		if err == nil && info.Messages >= n {
			break
		}
		select {
		case <-deadline:
			return s.failed(RuleCase, "%d dead letters are in %s and should be %d (%v)", info.Messages, message.DeadQueue(s.namespace), n, err)
		case <-s.ctx.Done():
			return s.ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
	c, err := s.broker.Consume(s.ctx, message.DeadQueue(s.namespace), n)
	if err != nil {
		return err
	}
	for range n {
		d, err := c.Receive(s.ctx) // the trace has it
		if err != nil {
			return err
		}
		if err := d.Ack(s.ctx); err != nil {
			return err
		}
	}
	return c.Close()
}

func playExpired(s *stage) error {
	p, err := s.serve()
	if err != nil {
		return err
	}
	for _, expires := range []time.Duration{-time.Minute, 72 * time.Hour} {
		if err := p.refused(p.newJob("true"), sealing{expires: expires}); err != nil {
			return err
		}
	}
	if err := s.deadLetters(2); err != nil {
		return err
	}
	if err := p.complete(p.newJob("true")); err != nil {
		return err
	}
	return s.leave()
}

func playForeignControl(s *stage) error {
	p, err := s.serve()
	if err != nil {
		return err
	}
	_, stranger, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	r, err := p.send(p.newJob(sleeps), sealing{})
	if err == nil {
		err = p.startAll(r)
	}
	if err != nil {
		return err
	}
	stop := message.Control{Kind: message.Stop, Cause: message.StopAbort}
	if err := p.controlAs(r, stop, sealing{key: stranger}); err != nil {
		return err
	}
	if err := p.control(r, message.Control{Kind: "levitate"}); err != nil {
		return err
	}
	if err := s.deadLetters(2); err != nil {
		return err
	}
	if p.holds(func() bool { return r.has(message.Stopping) || r.over() }) {
		return s.failed(RuleSignature, "a run was stopped by a stranger")
	}
	if err := p.stopRun(r); err != nil {
		return err
	}
	return s.leave()
}

func playVersionOne(s *stage) error {
	p, err := s.serve()
	if err != nil {
		return err
	}
	j := p.newJob("true")
	r := p.enter(j)
	job := map[string]any{
		"run": j.Run, "host": s.host, "reply_to": p.events, "since": j.Since, "experiment": "old", "datapoint": 1, "lease_ms": 10_000, "window_bytes": 1 << 20, "grace_ms": 1000,
		"processes": []any{map[string]any{"name": "0", "index": 0, "rank": 0, "local": 0, "argv": []string{"true"}}},
	}
	payload, err := json.Marshal(job)
	if err != nil {
		return err
	}
	body, err := json.Marshal(map[string]any{
		"downbeat": 1, "purpose": "job", "namespace": s.namespace, "host": s.host, "run": j.Run,
		"expires": time.Now().Add(time.Hour).UTC(), "payload": string(payload), "key": "0000000000000000", "signature": "",
	})
	if err != nil {
		return err
	}
	if err := s.broker.Publish(s.ctx, message.JobsQueue(s.namespace, s.host), queue.Message{Body: body}); err != nil {
		return err
	}
	e, err := p.await(r, message.Refused)
	if err != nil {
		return err
	}
	for _, version := range []string{"1", fmt.Sprint(message.Version)} {
		if !strings.Contains(e.Refused.Reason, version) {
			return s.failed(RuleCase, "the reason does not name version %s: %s", version, e.Refused.Reason)
		}
	}
	if err := p.complete(p.newJob("true")); err != nil {
		return err
	}
	return s.leave()
}

func playJunk(s *stage) error {
	p, err := s.serve()
	if err != nil {
		return err
	}
	junk := []string{"", "junk", "[]", `{"downbeat": 2}`, `{"downbeat": 2, "payload": "{}", "extra": 1}`, `{"downbeat": 2, "downbeat": 2, "payload": "{}"}`, "DBO\x02\x00"}
	for _, body := range junk {
		if err := s.broker.Publish(s.ctx, message.JobsQueue(s.namespace, s.host), queue.Message{Body: []byte(body)}); err != nil {
			return err
		}
	}
	if err := s.deadLetters(len(junk)); err != nil {
		return err
	}
	if err := p.complete(p.newJob("true")); err != nil {
		return err
	}
	return s.leave()
}
