package worker

import (
	"bytes"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"downbeat/internal/clock"
	"downbeat/internal/message"
	"downbeat/internal/testkit"
	"downbeat/internal/worker/course"
)

// A pid in the journal may by now be anybody's. What a crash has left is known by
// the environment that it was started with, and by nothing else.
func TestPidThatBelongsToSomebodyElseIsNotSignalled(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	job := s.job("true")
	other := s.job("true")
	strangers := map[string]*exec.Cmd{}
	for name, env := range map[string][]string{
		"nothing of ours":             nil,
		"another run on this host":    marks(other),
		"this run on another host":    {"DOWNBEAT_RUN=" + job.Run, "DOWNBEAT_HOST=bravo"},
		"this run's id in a variable": {"NOTE=DOWNBEAT_RUN=" + job.Run, "DOWNBEAT_HOST=" + testHost},
		"the beginning of its id":     {"DOWNBEAT_RUN=" + job.Run[:25], "DOWNBEAT_HOST=" + testHost},
	} {
		strangers[name], _ = background(t, env...)
	}
	strangers["another environment since"] = reborn(t, marks(job)...)
	left, leftEnded := background(t, marks(job)...)

	log := s.log(job)
	j := newJournal(job, clock.New(0), log, func(err error) { t.Error(err) })
	for _, p := range strangers {
		testkit.Check(t, j.event(message.Event{Kind: message.Started, Started: []message.StartedInfo{{Command: 0, PID: p.Process.Pid}}}))
	}
	testkit.Check(t, j.event(message.Event{Kind: message.Started, Started: []message.StartedInfo{{Command: 0, PID: left.Process.Pid}}}))
	testkit.Check(t, log.Close())
	s.serve(nil)
	if done := s.finish(job); done.Swept != 1 {
		t.Errorf("%d processes were ended, want the one that was left", done.Swept)
	}
	testkit.Receive(t, leftEnded, "what the crash has left ends")
	for name, p := range strangers {
		if err := p.Process.Signal(syscall.Signal(0)); err != nil {
			t.Errorf("%s: ended: %v", name, err)
		}
	}
}

// reborn starts a process with that environment, which then becomes another
// program without it.
func reborn(t *testing.T, env ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("/bin/sh", "-c", "exec env -i sleep 1000")
	cmd.Env = append(os.Environ(), env...)
	testkit.Check(t, cmd.Start())
	t.Cleanup(func() {
		testkit.Check(t, cmd.Process.Kill())
		_ = cmd.Wait() // killed
	})
	testkit.WaitFor(t, "the process has become sleep", func() bool {
		line, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(cmd.Process.Pid), "cmdline"))
		testkit.Check(t, err)
		return strings.HasPrefix(string(line), "sleep")
	})
	return cmd
}

// A job that comes again after the worker was started anew is not run again, be
// its run over or not.
func TestJobDeliveredAgainAfterARestartIsNotRunAgain(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	first := s.serve(nil)
	trace := filepath.Join(t.TempDir(), "trace")
	over, running := s.job("echo over >>"+trace), s.job("echo running >>"+trace+"; "+stay)
	bodies := [][]byte{s.Send(over)}
	s.Await(over, message.Ready)
	s.Commit(over)
	s.Release(over)
	s.finish(over)
	bodies = append(bodies, s.Send(running))
	s.Await(running, message.Ready)
	s.Commit(running)
	s.Release(running)
	s.AwaitOutput(running, 0, "here\n")
	first.stop() // the run is not acknowledged: it stays in the journal

	second := s.serve(nil)
	for _, body := range bodies {
		s.Publish(testHost, body)
		s.Publish(testHost, body)
	}
	next := s.job("true")
	s.Start(next)
	s.finish(next)
	if got, err := os.ReadFile(trace); err != nil || string(got) != "over\nrunning\n" {
		t.Errorf("the processes left %q (%v), want each once", got, err)
	}
	if got := second.w.Stats().Taken; got != 1 {
		t.Errorf("%d jobs were taken, want the next alone", got)
	}
}

// A run that is over ignores everything, and the log says so.
func TestControlForARunThatIsOverIsIgnored(t *testing.T) {
	t.Parallel()
	var log testkit.Buffer
	s := newSite(t)
	s.serve(func(c *Config) {
		c.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	over, current := s.job("true"), s.job(stay)
	s.Start(over)
	s.finish(over)
	s.Start(current)
	controls := []message.Control{
		{Kind: message.Keepalive, Ack: 1, Resend: true},
		{Kind: message.Commit},
		{Kind: message.Uncommit},
		{Kind: message.Start, At: time.Now()},
		{Kind: message.Stop, Cause: message.StopAbort},
	}
	before := len(s.Of(over).Events)
	for _, c := range controls {
		s.Tell(over, c)
	}
	s.Tell(current, message.Control{Kind: message.Keepalive})
	s.Await(current, message.Heartbeat) // controls are taken in their order
	for _, c := range controls {
		if want := "control=" + string(c.Kind); !log.HasLine("control ignored: the run is over", "run="+over.Run, want) {
			t.Errorf("the log does not tell of the %s", c.Kind)
		}
	}
	if got := len(s.Of(over).Events); got != before {
		t.Errorf("%d more events have come of the run that is over", got-before)
	}
}

// A log that a bad disk has changed is not sent, nor is the rest kept for ever: the
// publisher is told at once, be the run over or not.
func TestLogThatCannotBeReadBackIsReported(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		script string
		events uint64
	}{
		"running": {"echo one; sleep 0.2; echo two; exec sleep 1000", 5},
		"over":    {"echo one; sleep 0.2; echo two", 7},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			v := s.serve(nil)
			job := s.job(test.script)
			job.WindowBytes = 1 // so that what follows waits in the log
			s.Ready(job)
			s.Ack(job)
			s.Commit(job)
			s.Ack(job)
			s.Tell(job, message.Control{Kind: message.Start, At: time.Now()})
			s.AckUntil(job, message.Started)
			spoil(t, s, job, v.w.lookup(job.Run), test.events)
			done := s.AckUntil(job, message.Done).Done
			if want := "output is missing: run log is damaged"; done.Outcome != message.HostLost || !strings.Contains(done.Reason, want) {
				t.Errorf("done %+v, want lost (%s)", done, want)
			}
			s.removed(job)
		})
	}
}

// spoil waits until that many events are in the log, and then changes what
// the process wrote last.
func spoil(t *testing.T, s *site, job *message.Job, r *run, events uint64) {
	t.Helper()
	testkit.WaitFor(t, "the events are in the log", func() bool { return r.log.Last() >= events })
	path := filepath.Join(s.runDir(job), logDir, "00000000000000000001.log")
	data, err := os.ReadFile(path)
	testkit.Check(t, err)
	at := bytes.LastIndex(data, []byte("two\n"))
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	testkit.Check(t, err)
	_, err = f.WriteAt([]byte("TWO"), int64(at))
	testkit.Check(t, err)
	testkit.Check(t, f.Close())
}

// A power failure can take the end of a log that was sent and acknowledged. What is
// logged after it would pass for something old, so the publisher is told otherwise.
func TestLogThatLostItsEndIsReported(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	job := s.job("true")
	log := s.log(job)
	j := newJournal(job, clock.New(0), log, func(err error) { t.Error(err) })
	testkit.Check(t, j.event(message.Event{Kind: message.Ready, Ready: &message.ReadyInfo{}}))
	testkit.Check(t, log.Close())
	s.serve(nil)
	s.Await(job, message.Done)
	s.Tell(job, message.Control{Kind: message.Keepalive, Ack: 40})
	done := s.Await(job, message.Done)
	if want := "alpha went down in mid-run, and the end of its run log with it"; done.Seq != 0 || done.Done.Outcome != message.HostLost || done.Done.Reason != want {
		t.Errorf("done %d: %+v, want unlogged, lost (%s)", done.Seq, done.Done, want)
	}
	s.removed(job)
}

// A worker that is never started anew does not remember runs for ever.
func TestRunsOfLongAgoAreForgotten(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	v := s.serve(nil)
	old := filepath.Join(v.w.seenDir(), s.job("true").Run)
	mark := filepath.Join(t.TempDir(), "mark")
	testkit.Check(t, os.WriteFile(mark, nil, 0o600))
	testkit.Check(t, os.Chtimes(mark, time.Time{}, time.Now().Add(-seenFor-time.Minute)))
	testkit.Check(t, os.Rename(mark, old))
	job := s.job("true")
	s.Start(job)
	s.finish(job)
	testkit.WaitFor(t, "the old run is forgotten", func() bool { return v.w.judgeJob(filepath.Base(old)) == course.Accept })
	if v.w.judgeJob(job.Run) != course.Again {
		t.Error("the new run is forgotten, too")
	}
}
