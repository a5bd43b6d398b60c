package conform

import (
	"time"

	"downbeat/internal/message"
)

// Cases in which two runs want the host, or a commit is taken back.

func playWounded(s *stage) error {
	p, err := s.serve()
	if err != nil {
		return err
	}
	mark := s.path("younger")
	younger, err := p.send(p.newJob("touch "+mark), sealing{})
	if err != nil {
		return err
	}
	if _, err := p.await(younger, message.Ready); err != nil {
		return err
	}
	elder, err := p.send(older(p.newJob("test ! -e "+mark)), sealing{})
	if err != nil {
		return err
	}
	e, err := p.await(younger, message.Waiting)
	if err != nil {
		return err
	}
	if e.Waiting.Behind != elder.job.Run {
		return s.failed(RuleCase, "the younger run waits behind %q, and the older one is %q", e.Waiting.Behind, elder.job.Run)
	}
	if err := p.startAll(elder); err != nil {
		return err
	}
	if err := p.finish(elder, message.HostDone); err != nil {
		return err
	}
	if _, err := p.awaitThe(younger, message.Ready, 2); err != nil {
		return err
	}
	if err := p.startAll(younger); err != nil {
		return err
	}
	if err := p.finish(younger, message.HostDone); err != nil {
		return err
	}
	if e := p.exitOf(elder); e == nil || e.ExitCode != 0 {
		return s.failed(RuleCase, "the younger run was started although the older one had the host")
	}
	return s.leave()
}

// playSetupWounded has a setup that takes for ever the first time.
func playSetupWounded(s *stage) error {
	p, err := s.serve()
	if err != nil {
		return err
	}
	steps := s.path("steps")
	j := p.newJob("echo run >> " + steps)
	j.Needs = []message.Feature{message.FeatureSetup, message.FeatureTeardown}
	for phase, script := range map[message.Phase]string{
		message.PhaseSetup:    "echo setup >> " + steps + "; test $(grep -c setup " + steps + ") -gt 1 || exec sleep 600",
		message.PhaseTeardown: "echo teardown >> " + steps,
	} {
		j.Commands = append(j.Commands, message.Command{
			Name: string(phase), Phase: phase, Argv: []string{"/bin/sh", "-c", script}, OKExit: []int{0}, TimeoutMS: time.Hour.Milliseconds(),
		})
	}
	younger, err := p.send(j, sealing{})
	if err != nil {
		return err
	}
	if _, err := p.await(younger, message.Started); err != nil { // of the setup
		return err
	}
	elder, err := p.send(older(p.newJob("true")), sealing{})
	if err != nil {
		return err
	}
	if _, err := p.await(younger, message.Waiting); err != nil {
		return err
	}
	if err := p.startAll(elder); err != nil {
		return err
	}
	if err := p.finish(elder, message.HostDone); err != nil {
		return err
	}
	if err := p.startAll(younger); err != nil {
		return err
	}
	if err := p.finish(younger, message.HostDone); err != nil {
		return err
	}
	if err := checkLines("DIR/steps", "setup", "teardown", "setup", "run", "teardown")(s, nil); err != nil {
		return err
	}
	return s.leave()
}

// exitOf is how the first process of a run ended.
func (p *handPublisher) exitOf(r *handRun) (info *message.ExitedInfo) {
	p.holds(func() bool {
		if e := r.find(message.Exited); e != nil {
			info = e.Exited
		}
		return true
	})
	return info
}

func playCommitted(s *stage) error {
	p, err := s.serve()
	if err != nil {
		return err
	}
	younger, err := p.send(p.newJob("true"), sealing{})
	if err != nil {
		return err
	}
	if err := p.commit(younger); err != nil {
		return err
	}
	elder, err := p.send(older(p.newJob("true")), sealing{})
	if err != nil {
		return err
	}
	if _, err := p.await(elder, message.Waiting); err != nil {
		return err
	}
	if err := s.pause(300 * time.Millisecond); err != nil {
		return err
	}
	if p.holds(func() bool { return younger.has(message.Waiting) || elder.has(message.Ready) }) {
		return s.failed(RuleCommit, "a committed run has let go for an older one, and nobody took the commit back")
	}
	if err := p.control(younger, message.Control{Kind: message.Uncommit}); err != nil {
		return err
	}
	if _, err := p.await(younger, message.Waiting); err != nil {
		return err
	}
	if err := p.startAll(elder); err != nil {
		return err
	}
	if err := p.finish(elder, message.HostDone); err != nil {
		return err
	}
	if _, err := p.awaitThe(younger, message.Ready, 2); err != nil {
		return err
	}
	if err := p.stopRun(younger); err != nil {
		return err
	}
	return s.leave()
}

// commit waits until a run is ready, and commits it.
func (p *handPublisher) commit(r *handRun) error {
	if _, err := p.await(r, message.Ready); err != nil {
		return err
	}
	if err := p.control(r, message.Control{Kind: message.Commit}); err != nil {
		return err
	}
	_, err := p.await(r, message.Committed)
	return err
}

func playUncommit(s *stage) error {
	p, err := s.serve()
	if err != nil {
		return err
	}
	r, err := p.send(p.newJob("true"), sealing{})
	if err != nil {
		return err
	}
	if err := p.commit(r); err != nil {
		return err
	}
	if err := p.control(r, message.Control{Kind: message.Uncommit}); err != nil {
		return err
	}
	if _, err := p.awaitThe(r, message.Ready, 2); err != nil {
		return err
	}
	if err := p.control(r, message.Control{Kind: message.Commit}); err != nil {
		return err
	}
	if _, err := p.awaitThe(r, message.Committed, 2); err != nil {
		return err
	}
	if err := p.control(r, message.Control{Kind: message.Start, At: time.Now().Add(200 * time.Millisecond).UTC()}); err != nil {
		return err
	}
	if err := p.finish(r, message.HostDone); err != nil {
		return err
	}
	return s.leave()
}
