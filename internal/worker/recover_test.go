package worker

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"downbeat/internal/clock"
	"downbeat/internal/message"
	"downbeat/internal/streams"
	"downbeat/internal/testkit"
)

// background starts a process with these entries in its environment; the channel
// is closed when it has ended.
func background(t *testing.T, env ...string) (*exec.Cmd, <-chan struct{}) {
	t.Helper()
	cmd := exec.Command("sleep", "1000")
	cmd.Env = append(os.Environ(), env...)
	testkit.Check(t, cmd.Start())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait() // how it ended is in its state
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended
		<-ended
	})
	return cmd, ended
}

func TestRunOfACrashedWorkerIsEndedAndReportedLost(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	job := s.job("true", "true")
	log := s.log(job)
	j := newJournal(job, clock.New(0), log, func(err error) { t.Error(err) })
	testkit.Check(t, j.event(message.Event{Kind: message.Started, Started: []message.StartedInfo{{Command: 0, PID: 1}}}))
	j.output(0, streams.Stdout, time.Now(), []byte("one\ntwo\n"))
	j.output(1, streams.Stderr, time.Now(), []byte("oh\n"))
	testkit.Check(t, j.event(message.Event{Kind: message.Exited, Exited: &message.ExitedInfo{Command: 1}}))
	testkit.Check(t, log.Close())
	work := filepath.Join(s.runDir(job), workDir)
	testkit.Check(t, os.Mkdir(work, 0o700))
	left, leftEnded := background(t, marks(job)...)
	stranger, _ := background(t, "DOWNBEAT_RUN="+job.Run, "DOWNBEAT_HOST=bravo") // of another worker's

	s.serve(nil)
	done := s.Await(job, message.Done)
	totals := []streams.Total{{StdoutLines: 2, StdoutBytes: 8}, {StderrLines: 1, StderrBytes: 3}}
	if d := done.Done; d.Outcome != message.HostLost || d.Swept != 1 || d.Reason != "the worker on alpha died in mid-run" || !slices.Equal(d.Totals, totals) {
		t.Errorf("done %+v, want lost, one process swept, totals %+v", d, totals)
	}
	testkit.Receive(t, leftEnded, "what the crash has left ends")
	if got := left.ProcessState.String(); got != "signal: killed" {
		t.Errorf("what the crash has left has ended by %q, want to be killed", got)
	}
	if err := stranger.Process.Signal(syscall.Signal(0)); err != nil {
		t.Errorf("a stranger was ended: %v", err)
	}
	testkit.WaitFor(t, "the processes' directory is removed", func() bool {
		_, err := os.Stat(work)
		return errors.Is(err, os.ErrNotExist)
	})
	s.Ack(job)
	s.removed(job)
	if got := s.Of(job).Output["stdout.0"]; got != "one\ntwo\n" {
		t.Errorf("output %q, want what was journaled", got)
	}
}

func TestRunThatHadEndedBeforeTheCrashIsNotLost(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	job := s.job("true")
	log := s.log(job)
	j := newJournal(job, clock.New(0), log, func(err error) { t.Error(err) })
	testkit.Check(t, j.event(message.Event{Kind: message.Done, Done: &message.DoneInfo{Outcome: message.HostDone, Totals: make([]streams.Total, 1)}}))
	testkit.Check(t, log.Close())
	s.serve(nil)
	if done := s.finish(job); done.Outcome != message.HostDone {
		t.Errorf("done %+v, want what was journaled", done)
	}
}

func TestJobOfACrashedWorkerIsNotRunAgain(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	job := s.job("true")
	testkit.Check(t, s.log(job).Close())
	s.Send(job) // as the acknowledgement was lost in the crash
	s.serve(nil)
	if done := s.finish(job); done.Outcome != message.HostLost {
		t.Errorf("done %+v, want lost", done)
	}
	next := s.job("true")
	s.Ready(next)
	for _, e := range s.Of(job).Events {
		if e.Kind == message.Ready {
			t.Error("the run was prepared again")
		}
	}
}

func TestDamagedJournalIsRemovedAndItsProcessesEnded(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	job := s.job("true")
	testkit.Check(t, os.MkdirAll(filepath.Join(s.runDir(job), logDir), 0o700))
	_, ended := background(t, marks(job)...)
	s.serve(nil)
	testkit.Receive(t, ended, "what the crash has left ends")
	s.removed(job)
	next := s.job("true")
	s.Ready(next)
}
