package conform

import (
	"bytes"
	"os"
	"time"

	"downbeat/internal/message"
	"downbeat/internal/queue"
)

// handCases have a publisher that is played by hand.
func handCases() []Case {
	return []Case{
		{Name: "hello", Shows: "A hello is answered with here, its nonce and its probe, also one to all hosts.", play: playHello},
		{Name: "unknown-need", Shows: "A job that needs what the worker doesn't know is refused, by that name.", play: playUnknownNeed},
		{Name: "bad-signature", Shows: "A job that a stranger has signed, or that was changed, or is not signed, is refused, and the next one is not.", play: playBadSignature},
		{Name: "expired", Shows: "A job that has expired is refused, and so is one that expires too far ahead.", play: playExpired},
		{Name: "job-twice", Shows: "A job that comes twice, or again when its run is over, is run once.", play: playJobTwice},
		{Name: "early-stop", Shows: "A job whose stop came before it is not begun.", play: playEarlyStop},
		{Name: "wounded", Shows: "An older run takes a host that is ready, and the younger one has it back afterwards.", play: playWounded},
		{
			Name: "setup-wounded", Shows: "An older run takes a host that is being set up: the setup is stopped, the teardown run, and all of it again later.",
			Needs: []message.Feature{message.FeatureSetup, message.FeatureTeardown}, play: playSetupWounded,
		},
		{Name: "committed", Shows: "A committed run keeps the host, and lets go when the commit is taken back.", play: playCommitted},
		{Name: "uncommit", Shows: "A commit is taken back, and given again.", play: playUncommit},
		{Name: "used-serial", Shows: "A control whose serial was used is ignored.", play: playUsedSerial},
		{Name: "foreign-control", Shows: "A control that a stranger has signed, and one of an unknown kind, are dead letters.", play: playForeignControl},
		{Name: "resend", Shows: "What is not acknowledged is sent again when that is asked for, the same, byte by byte.", play: playResend},
		{Name: "lease", Shows: "When the publisher falls silent, the run is stopped by the lease, and nothing is left.", play: playLease},
		{Name: "killed", Shows: "A worker that was killed and starts again reports the run as lost, and leaves nothing.", play: playKilled},
		{Name: "sigterm", Shows: "SIGTERM stops the run, which is told to the publisher, and the worker exits with status 0.", play: playSIGTERM},
		{Name: "version-1", Shows: "A job of version 1 of the protocol is refused at once, with a reason that names both versions.", play: playVersionOne},
		{Name: "junk", Shows: "What is not a job at all is a dead letter, and the worker goes on.", play: playJunk},
	}
}

// sleeps is a process that says that it is there, and stays.
const sleeps = "echo here; exec sleep 600"

// complete has a run of a job succeed, which shows that the worker still works.
func (p *handPublisher) complete(j *message.Job) error {
	r, err := p.send(j, sealing{})
	if err == nil {
		err = p.startAll(r)
	}
	if err != nil {
		return err
	}
	return p.finish(r, message.HostDone)
}

// finish waits for the end of a run.
func (p *handPublisher) finish(r *handRun, outcome string) error {
	e, err := p.await(r, message.Done)
	if err != nil {
		return err
	}
	if e.Done.Outcome != outcome {
		return p.s.failed(RuleCase, "done has outcome %q and should have %q: %s", e.Done.Outcome, outcome, e.Done.Reason)
	}
	return p.s.sweep(p.s.ctx, r.job.Run)
}

// stopRun stops a run, and waits for its end.
func (p *handPublisher) stopRun(r *handRun) error {
	if err := p.stopNow(r); err != nil {
		return err
	}
	return p.finish(r, message.HostDone)
}

func playHello(s *stage) error {
	p, err := s.serve()
	if err != nil {
		return err
	}
	here, err := p.hello()
	if err != nil {
		return err
	}
	if here.Here.Probe == nil {
		return s.failed(RuleHeartbeat, "here does not echo the probe")
	}
	c := message.Control{Kind: message.Hello, ReplyTo: p.events, Nonce: "to everybody", Version: "conform"}
	a := message.Address{Purpose: message.PurposeControl, Namespace: s.namespace, Host: message.AnyHost, Expires: time.Now().Add(time.Minute)}
	body, err := message.Seal(a, c, s.key)
	if err != nil {
		return err
	}
	if err := s.broker.Broadcast(s.ctx, message.JobsGroup(s.namespace), queue.Message{Body: body, TTL: time.Minute}); err != nil {
		return err
	}
	if _, err := p.awaitHere("to everybody"); err != nil {
		return err
	}
	return s.leave()
}

func playJobTwice(s *stage) error {
	p, err := s.serve()
	if err != nil {
		return err
	}
	path := s.path("once")
	j := p.newJob("echo run >> " + path)
	r, err := p.send(j, sealing{})
	if err != nil {
		return err
	}
	if err := p.sendAgain(r, sealing{}); err != nil {
		return err
	}
	if err := p.startAll(r); err != nil {
		return err
	}
	if err := p.finish(r, message.HostDone); err != nil {
		return err
	}
	if err := p.sendAgain(r, sealing{}); err != nil {
		return err
	}
	// Jobs are taken in their order: once this one is over, the last one was looked at.
	if err := p.complete(p.newJob("true")); err != nil {
		return err
	}
	data, err := os.ReadFile(path)
	if err != nil || string(data) != "run\n" {
		return s.failed(RuleCase, "the process was run %d times (%v), and its job was one", bytes.Count(data, []byte("\n")), err)
	}
	return s.leave()
}

func playEarlyStop(s *stage) error {
	p, err := s.serve()
	if err != nil {
		return err
	}
	// A run that goes on has the worker take controls.
	first, err := p.send(older(p.newJob(sleeps)), sealing{})
	if err == nil {
		err = p.startAll(first)
	}
	if err != nil {
		return err
	}
	r := p.enter(p.newJob("true"))
	if err := p.stopNow(r); err != nil {
		return err
	}
	if err := s.pause(300 * time.Millisecond); err != nil { // so that the stop comes first
		return err
	}
	if err := p.sendAgain(r, sealing{}); err != nil {
		return err
	}
	if _, err := p.hello(); err != nil { // jobs are taken in their order: once this is answered, that one was looked at
		return err
	}
	if err := s.pause(300 * time.Millisecond); err != nil { // in which it could be prepared
		return err
	}
	if p.holds(func() bool { return r.has(message.Ready) }) {
		return s.failed(RuleCase, "a run is ready that was stopped before its job came")
	}
	if err := p.stopRun(first); err != nil {
		return err
	}
	return s.leave()
}

func playUsedSerial(s *stage) error {
	p, err := s.serve()
	if err != nil {
		return err
	}
	r, err := p.send(p.newJob("true"), sealing{})
	if err != nil {
		return err
	}
	if _, err := p.await(r, message.Ready); err != nil {
		return err
	}
	if _, err := p.await(r, message.Heartbeat); err != nil {
		return err
	}
	if err := p.controlAs(r, message.Control{Kind: message.Commit}, sealing{serial: 1}); err != nil { // that of the first keepalive
		return err
	}
	before := p.heartbeats(r)
	if err := p.until("heartbeat, as the answer to later keepalives,", func() bool { return countUnlogged(r, message.Heartbeat) >= before+3 }); err != nil {
		return err
	}
	if p.holds(func() bool { return r.has(message.Committed) }) {
		return s.failed(RuleCase, "a commit was taken whose serial had been used")
	}
	if err := p.stopRun(r); err != nil {
		return err
	}
	return s.leave()
}

func countUnlogged(r *handRun, k message.EventKind) int {
	n := 0
	for _, e := range r.unlogged {
		if e.Kind == k {
			n++
		}
	}
	return n
}

func (p *handPublisher) heartbeats(r *handRun) (n int) {
	p.holds(func() bool { n = countUnlogged(r, message.Heartbeat); return true })
	return n
}
