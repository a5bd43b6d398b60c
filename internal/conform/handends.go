package conform

import (
	"fmt"
	"syscall"
	"time"

	"downbeat/internal/message"
	"downbeat/internal/queue"
)

// Cases in which something goes wrong while a run is under way.

func playResend(s *stage) error {
	p, err := s.serve()
	if err != nil {
		return err
	}
	j := p.newJob("for i in 1 2 3 4 5 6 7 8 9 10; do echo $i; sleep 0.02; done")
	r, err := p.send(j, sealing{})
	if err != nil {
		return err
	}
	if _, err := p.await(r, message.Ready); err != nil {
		return err
	}
	p.holds(func() bool { r.silent = true; return true })
	if err := p.startAll(r); err != nil {
		return err
	}
	if err := p.until("done", func() bool { return r.has(message.Done) }); err != nil {
		return err
	}
	// Everything after the first event is wanted once more.
	count := func() int {
		n := 0
		for _, m := range s.trace.Messages() {
			if h, err := message.HeaderOf(m.Body); err == nil && m.From == Subject && h.Run == j.Run && h.Seq > 1 {
				n++
			}
		}
		return n
	}
	before, want := count(), 0
	p.holds(func() bool { want = int(r.next) - 1 - 1; return true }) // a few
	if err := p.resend(r, 1); err != nil {
		return err
	}
	err = p.until(fmt.Sprintf("all of the %d messages after the first once more", want), func() bool { return count() >= before+want })
	if err != nil {
		return err
	}
	p.holds(func() bool { r.silent = false; return true })
	return s.leave()
}

// resend asks for all after ack again.
func (p *handPublisher) resend(r *handRun, ack uint64) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	r.serial++
	c := message.Control{Kind: message.Keepalive, Ack: ack, Resend: true}
	body, err := p.seal(message.Address{Purpose: message.PurposeControl, Run: r.job.Run, Serial: r.serial}, c, sealing{})
	if err != nil {
		return err
	}
	return p.s.broker.Publish(p.s.ctx, message.ControlQueue(p.s.namespace, p.s.host), queue.Message{Body: body, TTL: time.Minute})
}

func playLease(s *stage) error {
	p, err := s.serve()
	if err != nil {
		return err
	}
	j := p.newJob(sleeps)
	j.LeaseMS = 1500
	r, err := p.send(j, sealing{})
	if err == nil {
		err = p.startAll(r)
	}
	if err != nil {
		return err
	}
	p.holds(func() bool { r.silent = true; return true })
	if err := p.finish(r, message.HostStopped); err != nil {
		return err
	}
	if err := p.complete(p.newJob("true")); err != nil {
		return err
	}
	return s.leave()
}

func playKilled(s *stage) error {
	p, err := s.serve()
	if err != nil {
		return err
	}
	r, err := p.send(p.newJob("setsid sleep 600 & "+sleeps), sealing{})
	if err == nil {
		err = p.startAll(r)
	}
	if err != nil {
		return err
	}
	s.mayEnd = true
	s.subject.signal(syscall.SIGKILL)
	if _, err := s.subject.wait(s.ctx); err != nil {
		return err
	}
	if err := s.startWorker(); err != nil {
		return err
	}
	if err := p.finish(r, message.HostLost); err != nil {
		return err
	}
	if err := p.complete(p.newJob("true")); err != nil {
		return err
	}
	return s.leave()
}

func playSIGTERM(s *stage) error {
	p, err := s.serve()
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
	s.mayEnd = true
	s.subject.signal(syscall.SIGTERM)
	if err := p.finish(r, message.HostStopped); err != nil {
		return err
	}
	return s.end(s.kit.Timeout, 0, "as it was sent SIGTERM")
}
