package worker

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"downbeat/internal/message"
	"downbeat/internal/secrecy"
	"downbeat/internal/streams"
	"downbeat/internal/testkit"
	"downbeat/internal/testkit/fakepublisher"
	"downbeat/internal/worker/course"
)

func TestRunGoesFromJobToNothingLeft(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.serve(nil)
	job := s.job(`printf 'one\ntwo'; echo oh >&2; exit 3`, stay)

	s.Ready(job)
	s.Commit(job)
	before := time.Now()
	pids := s.Release(job)
	exited := s.Await(job, message.Exited)
	s.AwaitOutput(job, 1, "here\n")
	s.Tell(job, message.Control{Kind: message.Stop, Cause: message.StopRule, GraceMS: 1000})
	s.Await(job, message.Stopping)
	last := s.Await(job, message.Exited).Exited
	done := s.Await(job, message.Done)

	if e := exited.Exited; e.Command != 0 || e.ExitCode != 3 || e.Stopped || e.StartedAt.Before(before) || e.EndedAt.Before(e.StartedAt) {
		t.Errorf("the first to exit: %+v, want process 0 with status 3", e)
	}
	if last.Command != 1 || last.Signal != "SIGTERM" || !last.Stopped || last.Killed {
		t.Errorf("the last to exit: %+v, want process 1 stopped by TERM", last)
	}
	totals := []streams.Total{{StdoutLines: 2, StdoutBytes: 7, StderrLines: 1, StderrBytes: 3}, {StdoutLines: 1, StdoutBytes: 5}}
	if done.Done.Outcome != message.HostDone || !slices.Equal(done.Done.Totals, totals) {
		t.Errorf("done: %+v, want totals %+v", done.Done, totals)
	}
	gone(t, pids)
	s.Ack(job)
	s.removed(job)
	of := s.Of(job)
	if got := of.Complete(); got != done.Seq {
		t.Errorf("events up to %d have come, the last is %d", got, done.Seq)
	}
	for key, want := range map[string]string{"stdout.0": "one\ntwo", "stderr.0": "oh\n", "stdout.1": "here\n"} {
		if got := of.Output[key]; got != want {
			t.Errorf("%s: %q, want %q", key, got, want)
		}
	}
}

func TestCommandsThatCannotRunAreRefusedByName(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.serve(nil)
	mark := filepath.Join(t.TempDir(), "executed")
	job := s.job("touch "+mark, "")
	job.Commands[1].Argv = []string{"./not-there"}
	s.Send(job)
	refused := s.Await(job, message.Refused).Refused
	contains(t, "the reason", refused.Reason, "1 of 2 commands can't be run")
	if len(refused.Problems) != 1 || refused.Problems[0].Process != "p.1" {
		t.Errorf("problems %+v, want one of p.1", refused.Problems)
	}
	s.Ack(job)
	s.removed(job)
	if _, err := os.Stat(mark); err == nil {
		t.Error("the other command has been executed")
	}
}

func TestJobDeliveredAgainIsNotRunAgain(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	v := s.serve(nil)
	trace := filepath.Join(t.TempDir(), "trace")
	job := s.job("echo x >>" + trace)
	body := s.Send(job)
	s.Await(job, message.Ready)
	s.Publish(testHost, body) // at once
	s.Commit(job)
	s.Release(job)
	s.finish(job)
	s.Publish(testHost, body) // and after it is over
	next := s.job("true")
	s.Start(next)
	s.finish(next)
	if got, err := os.ReadFile(trace); err != nil || string(got) != "x\n" {
		t.Errorf("the process left %q (%v), want one x", got, err)
	}
	if got := v.w.Stats().Taken; got != 2 {
		t.Errorf("%d jobs were taken, want 2", got)
	}
}

func TestControlDeliveredAgainIsIgnored(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.serve(nil)
	job := s.job(stay)
	s.Ready(job)
	s.Commit(job)
	s.Of(job).Serial-- // the next one takes the number of the commit
	s.Tell(job, message.Control{Kind: message.Uncommit})
	s.Release(job) // which needs the commit
}

func TestProcessSeesWhoItIsAndNoSecrets(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.serve(func(c *Config) {
		environ := append(os.Environ(), "DOWNBEAT_QUEUE_URL=amqp://user:secret@broker", "AWS_SECRET_ACCESS_KEY=secret", "FROM_WORKER=yes", "SHARED=worker")
		c.Environ = secrecy.Environ(environ, nil)
	})
	job := s.job("env; pwd")
	job.Commands[0].Env = map[string]string{"SHARED": "job"}
	job.Commands[0].Rank = 7
	s.Start(job)
	s.finish(job)
	lines := strings.Split(s.Of(job).Output["stdout.0"], "\n")
	work := filepath.Join(s.runDir(job), workDir)
	for _, want := range []string{
		"FROM_WORKER=yes", "SHARED=job", "DOWNBEAT_RUN=" + job.Run, "DOWNBEAT_HOST=alpha", "DOWNBEAT_PROCESS=p.0", "DOWNBEAT_GROUP=p",
		"DOWNBEAT_INDEX=0", "DOWNBEAT_RANK=7", "DOWNBEAT_LOCAL=0", "PWD=" + work, work,
	} {
		if !slices.Contains(lines, want) {
			t.Errorf("%q is missing in %q", want, lines)
		}
	}
	for _, line := range lines {
		if strings.Contains(line, "secret") || line == "SHARED=worker" {
			t.Errorf("the process sees %q", line)
		}
	}
}

func TestProgramIsFoundFromTheWorkersDirectory(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	dir := t.TempDir()
	testkit.Check(t, os.WriteFile(filepath.Join(dir, "prog"), []byte("#!/bin/sh\necho found\n"), 0o700))
	s.serve(func(c *Config) { c.Dir = dir })
	job := s.job("")
	job.Commands[0].Argv = []string{"./prog"}
	s.Start(job)
	s.finish(job)
	if got := s.Of(job).Output["stdout.0"]; got != "found\n" {
		t.Errorf("output %q, want found", got)
	}
}

// states take a run to states from which it may have to end, with and without the host;
// they return its processes, if they run.
var states = map[string]func(s *site, job *message.Job) []int{
	"waiting": func(s *site, job *message.Job) []int {
		older := fakepublisher.Aged(s.job(stay))
		s.Ready(older)
		s.Send(job)
		s.Await(job, message.Waiting)
		return nil
	},
	"running": (*site).Start,
}

func TestSilentPublisherEndsTheRun(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.serve(nil)
	job := s.job(stay)
	job.LeaseMS = 3000 // longer than the machine ever stalls
	pids := s.Start(job)
	done := s.Await(job, message.Done).Done
	if done.Outcome != message.HostStopped || done.Reason != "no word from the publisher for 3s" {
		t.Errorf("done %+v, want stopped for the publisher's silence", done)
	}
	gone(t, pids)
	s.removed(job) // without any acknowledgement: nobody is there
}

func TestDeletedEventsQueueEndsTheRun(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.serve(nil)
	job := s.job("while :; do echo x; sleep 0.01; done")
	pids := s.Start(job)
	testkit.Check(t, s.broker.Delete(t.Context(), job.ReplyTo))
	s.removed(job)
	gone(t, pids)
}

func TestShutdownEndsTheRun(t *testing.T) {
	t.Parallel()
	for name, reach := range states {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			v := s.serve(nil)
			job := s.job(stay)
			pids := reach(s, job)
			v.stop()
			gone(t, pids)
			done := s.Await(job, message.Done).Done
			if done.Outcome != message.HostStopped || done.Reason != "the worker on this host is shutting down" {
				t.Errorf("done %+v, want stopped as the worker shuts down", done)
			}

			// Nothing has been acknowledged: the next start sends it again.
			s.Forget(job)
			s.serve(nil)
			if again := s.Await(job, message.Done).Done; again.Outcome != done.Outcome || again.Reason != done.Reason {
				t.Errorf("the next start says %+v, want %+v", again, done)
			}
			s.Ack(job)
			s.removed(job)
		})
	}
}

func TestShutdownWaitsNoLongerThanForTheAcknowledgement(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	v := s.serve(nil)
	job := s.job(stay)
	pids := s.Start(job)
	v.cancel()
	s.finish(job)
	v.wait()
	gone(t, pids)
}

// A run that is given the host at the moment of the shutdown is not refused for
// that: its publisher is to hear of the shutdown.
func TestPreparationOutlivesTheSignalToLeave(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	w, err := New(s.config())
	testkit.Check(t, err)
	defer func() { testkit.Check(t, w.Close()) }()
	job := s.job(stay)
	log := s.log(job)
	defer func() { testkit.Check(t, log.Close()) }()
	r := w.newRun(job, log)
	w.turns.admit(r)
	r.readMail() // it prepares
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		r.loop(ctx)
	}()
	if done := s.Await(job, message.Done).Done; done.Reason != "the worker on this host is shutting down" {
		t.Errorf("done %+v, want it stopped by the worker's end", done)
	}
	r.mail.post(course.PublisherGone{})
	<-ended
}

func TestElderRunTakesTheHostFromAYoungerThatIsReady(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.serve(nil)
	elder, younger := fakepublisher.Aged(s.job("true")), s.job("true")
	s.Ready(younger)
	s.Send(elder)
	if got := s.Await(younger, message.Waiting).Waiting.Behind; got != elder.Run {
		t.Errorf("the younger waits behind %s, want %s", got, elder.Run)
	}
	s.Await(elder, message.Ready)
	s.Commit(elder)
	s.Release(elder)
	s.finish(elder)
	s.Await(younger, message.Ready)
	s.Commit(younger)
	s.Release(younger)
	if got := s.finish(younger).Outcome; got != message.HostDone {
		t.Errorf("the younger ended as %s, want done", got)
	}
}

func TestElderRunWaitsForAYoungerThatIsCommitted(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.serve(nil)
	elder, younger := fakepublisher.Aged(s.job("true")), s.job("true")
	s.Ready(younger)
	s.Commit(younger)
	s.Send(elder)
	if got := s.Await(elder, message.Waiting).Waiting.Behind; got != younger.Run {
		t.Errorf("the elder waits behind %s, want %s", got, younger.Run)
	}
	s.Release(younger)
	s.finish(younger)
	s.Await(elder, message.Ready)
}

func TestUncommitLetsTheElderIn(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.serve(nil)
	elder, younger := fakepublisher.Aged(s.job("true")), s.job("true")
	s.Ready(younger)
	s.Commit(younger)
	s.Tell(younger, message.Control{Kind: message.Uncommit})
	s.Await(younger, message.Ready) // nobody wants the host yet
	s.Commit(younger)
	s.Send(elder)
	s.Await(elder, message.Waiting)
	s.Tell(younger, message.Control{Kind: message.Uncommit})
	s.Await(younger, message.Waiting)
	s.Await(elder, message.Ready)
}

func TestHeartbeatTellsHowFarTheLogIs(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.serve(nil)
	job := s.job(stay)
	s.Ready(job)
	s.Tell(job, message.Control{Kind: message.Keepalive, Ack: 1})
	if got := s.Await(job, message.Heartbeat).Heartbeat; got.Last != 1 || got.Ack != 1 || got.Probe != nil {
		t.Errorf("heartbeat %+v, want 1 event, the number acknowledged, and no probe as there was none", got)
	}
}

func TestProbesAreAnsweredOnTheHostsClock(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.serve(func(c *Config) { c.Skew = func() time.Duration { return 10 * time.Minute } })
	job := s.job(stay)
	s.Ready(job)
	for _, answer := range []struct {
		control message.ControlKind
		event   message.EventKind
		probe   func(*message.Event) *message.Probe
	}{
		{message.Keepalive, message.Heartbeat, func(e *message.Event) *message.Probe { return e.Heartbeat.Probe }},
		{message.Commit, message.Committed, func(e *message.Event) *message.Probe { return e.Committed.Probe }},
	} {
		sent := time.Now()
		s.Tell(job, message.Control{Kind: answer.control, Probe: &message.Probe{SentAt: sent}})
		got := answer.probe(s.Await(job, answer.event))
		if got == nil || !got.SentAt.Equal(sent) {
			t.Fatalf("the %s tells %+v, want the probe", answer.event, got)
		}
		if early := sent.Add(9 * time.Minute); got.TakenAt.Before(early) || got.AnswerAt.Before(got.TakenAt) {
			t.Errorf("%s: taken at %s, answered at %s, not on the host's clock", answer.event, got.TakenAt, got.AnswerAt)
		}
	}
}
