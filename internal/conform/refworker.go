package conform

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"downbeat/internal/message"
	"downbeat/internal/queue"
	"downbeat/internal/worker"
)

// startHost has the real worker serve a host, on a clock that is wrong by skew.
func (s *stage) startHost(host string, skew time.Duration) error {
	if err := os.MkdirAll(s.path("state"), 0o700); err != nil {
		return err
	}
	w, err := worker.New(worker.Config{
		Broker: s.broker, Runner: s.kit.Runner, Namespace: s.namespace, Host: host, StateDir: s.path("state"), Dir: s.dir,
		Trust: message.Trust{Keys: []ed25519.PublicKey{s.public()}}, Environ: s.kit.Environ, Lease: 30 * time.Second, Version: "conform",
		Skew: func() time.Duration { return skew },
	})
	if err != nil {
		return err
	}
	if err := w.Declare(s.ctx); err != nil {
		return errors.Join(err, w.Close())
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(s.ctx))
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	s.closers = append(s.closers, func() error {
		stop()
		err := <-done
		if errors.Is(err, context.Canceled) {
			err = nil // the case was over before the worker had begun
		}
		return errors.Join(err, w.Close())
	})
	if s.skew == nil {
		s.skew = make(map[string]time.Duration)
	}
	s.skew[host] = skew
	return nil
}

// A publication is an experiment that the publisher under test is to run.
type publication struct {
	// hosts are those that the real worker serves, each with how wrong its clock is.
	hosts map[string]time.Duration
	// file is the experiment, with DIR for a directory that only this case uses.
	file string
	// status is how the publisher is to end.
	status int
	// lines are what is to be printed to standard output, for each tag of HOST/PROCESS.
	lines map[string][]string
	// names have to occur in one line of what is printed to standard error.
	names []string
	// stops is the cause for which each process that was started is to be stopped;
	// empty: none is.
	stops message.StopCause
	// slow: the end may take as long as the publisher's lease, whatever that is.
	slow bool
	// check, if any, looks at what else has come of it.
	check func(*stage) error
}

// play runs the experiment to its end.
func (p publication) play(s *stage) error {
	for host, skew := range p.hosts {
		if err := s.startHost(host, skew); err != nil {
			return err
		}
	}
	if err := s.publish(p.file); err != nil {
		return err
	}
	return p.conclude(s)
}

// publish starts the publisher under test.
func (s *stage) publish(file string) error {
	path := s.path("experiment.json")
	file = strings.ReplaceAll(file, "DIR", s.dir)
	if !json.Valid([]byte(file)) {
		return fmt.Errorf("the case's experiment is not JSON: %s", file)
	}
	if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
		return err
	}
	return s.launch(s.command("{file}", path), s.environ(
		"DOWNBEAT_KEY="+s.path("keys", message.PrivateKeyFile), "DOWNBEAT_RESULTS="+s.path("results"), "DOWNBEAT_LEASE=8s", "DOWNBEAT_READY_TIMEOUT=10s",
	))
}

// conclude waits for the end of the publisher, and looks at what it has said and left.
func (p publication) conclude(s *stage) error {
	s.mayEnd = true
	within := s.kit.Timeout
	if p.slow {
		within = max(within, 90*time.Second)
	}
	if err := s.end(within, p.status, "as docs/protocol.md says of the kit's publishers"); err != nil {
		return err
	}
	if p.status == 0 {
		if err := p.compareLines(s); err != nil {
			return err
		}
	}
	if !slices.ContainsFunc(strings.Split(s.subject.stderr.String(), "\n"), p.isNamed) {
		return s.failed(RuleCase, "standard error has no line that names %s", strings.Join(p.names, ", "))
	}
	if err := s.eventsGone(); err != nil {
		return err
	}
	if p.stops != "" {
		if err := s.stoppedFor(p.stops); err != nil {
			return err
		}
	}
	if p.check != nil {
		return p.check(s)
	}
	return nil
}

// isNamed reports whether a line has all names in it.
func (p publication) isNamed(line string) bool {
	return !slices.ContainsFunc(p.names, func(name string) bool { return !strings.Contains(line, name) })
}

// compareLines compares standard output, process by process: the lines of different
// ones may come in any order.
func (p publication) compareLines(s *stage) error {
	got := make(map[string][]string)
	for line := range strings.SplitSeq(strings.TrimSuffix(s.subject.stdout.String(), "\n"), "\n") {
		tag, text, ok := strings.Cut(line, " | ")
		if line == "" {
			continue
		}
		if !ok || !strings.Contains(tag, "/") {
			return s.failed(RuleCase, "standard output has the line %q, and should have those of processes alone, each after HOST/PROCESS and a bar", line)
		}
		tag = strings.TrimSpace(tag)
		got[tag] = append(got[tag], text)
	}
	for tag, want := range p.lines {
		if !slices.Equal(got[tag], want) {
			return s.failed(RuleCase, "of %s %d lines were printed, %.200q, and should have been %d, %.200q", tag, len(got[tag]), got[tag], len(want), want)
		}
	}
	for tag := range got {
		if p.lines[tag] == nil {
			return s.failed(RuleCase, "lines of %s were printed, and it wrote none", tag)
		}
	}
	return nil
}

// received are the jobs and controls that the publisher has sent.
func (s *stage) received() []seen {
	var all []seen
	own := make(map[string]bool)
	for _, m := range look(s.trace.Messages(), nil) {
		if m.From == Peer {
			own[string(m.Body)] = true
		} else if m.payload != nil && !own[string(m.Body)] {
			all = append(all, m)
		}
	}
	return all
}

// eventsGone makes sure that the publisher has deleted its queue of events.
func (s *stage) eventsGone() error {
	for _, m := range s.received() {
		if m.job == nil {
			continue
		}
		if _, err := s.plain.Inspect(s.ctx, m.job.ReplyTo); !errors.Is(err, queue.ErrNoQueue) {
			return s.failed(RuleLeft, "the publisher has not deleted its queue %s (%v)", m.job.ReplyTo, err)
		}
	}
	return nil
}

// stoppedFor makes sure that each run that was started was stopped, and for that cause.
func (s *stage) stoppedFor(cause message.StopCause) error {
	stopped := false
	for _, m := range s.received() {
		if m.control == nil || m.control.Kind != message.Stop {
			continue
		}
		if stopped = true; m.control.Cause != cause {
			return s.failed(RuleStop, "a stop has the cause %q, and should have %q", m.control.Cause, cause)
		}
	}
	if !stopped {
		return s.failed(RuleStop, "no host was sent stop")
	}
	return nil
}

// await waits until a message is seen that it is called for.
func (s *stage) await(what string, is func(*seen) bool) error {
	deadline := time.After(s.kit.Timeout)
	for looked := 0; ; {
		messages := s.trace.Messages()
		for ; looked < len(messages); looked++ {
			m := seen{Message: messages[looked]}
			if m.open(nil); is(&m) {
				return nil
			}
		}
		select {
		case <-s.unexpectedEnd():
			return s.failed(RuleExit, "%s has not come, and the program has ended with status %d", what, s.subject.status())
		case <-deadline:
			return s.failed(RuleCase, "%s has not come within %s", what, s.kit.Timeout)
		case <-s.ctx.Done():
			return s.ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// notStarted makes sure that a process was not started which would have left a mark.
func notStarted(s *stage) error {
	if _, err := os.Stat(s.path("started")); !os.IsNotExist(err) {
		return s.failed(RuleTogether, "a process was started")
	}
	return nil
}
