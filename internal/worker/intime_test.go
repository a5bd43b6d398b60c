package worker

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"downbeat/internal/message"

	"downbeat/internal/testkit"
)

// Real processes in a run that has more than a beginning and an end. Which rules there are
// is tested in package course.

// inTime has a job name what it needs.
func inTime(job *message.Job) *message.Job {
	job.Needs = job.Uses()
	return job
}

// released takes a job to where beat 0 is armed, and tells for when.
func (s *site) released(job *message.Job) time.Time {
	s.t.Helper()
	s.Ready(inTime(job))
	s.Commit(job)
	return s.beat(job, 0)
}

// beat has a beat released soon, and tells when.
func (s *site) beat(job *message.Job, beat int) time.Time {
	s.t.Helper()
	at := time.Now().Add(10 * time.Millisecond)
	s.Tell(job, message.Control{Kind: message.Start, Beat: beat, At: at})
	if job.Beats() > 1 {
		if armed := s.Await(job, message.Armed).Armed; armed.Beat != beat || !armed.At.Equal(at) {
			s.t.Errorf("armed: %+v, want beat %d", armed, beat)
		}
	}
	return at
}

// awaitStart waits for the start of a life of a command.
func (s *site) awaitStart(job *message.Job, command, life int) message.StartedInfo {
	s.t.Helper()
	for {
		for _, info := range s.Await(job, message.Started).Started {
			if info.Command == command && info.Life == life {
				return info
			}
		}
	}
}

// awaitExit waits for the end of a life of a command.
func (s *site) awaitExit(job *message.Job, command int) *message.ExitedInfo {
	s.t.Helper()
	for {
		if e := s.Await(job, message.Exited).Exited; e.Command == command {
			return e
		}
	}
}

// awaitLine waits until a command's standard output has that in it.
func (s *site) awaitLine(job *message.Job, command int, want string) {
	s.t.Helper()
	for !strings.Contains(s.Of(job).Output[keyOf(command)], want) {
		s.Receive()
	}
}

func keyOf(command int) string { return message.ProcessName("stdout", command) }

// stop ends a run as its file's rule does, and waits for its last event.
func (s *site) stop(job *message.Job) *message.DoneInfo {
	s.t.Helper()
	s.Tell(job, message.Control{Kind: message.Stop, Cause: message.StopRule, GraceMS: 5000})
	return s.finish(job)
}

func TestBeatsBeginAtTheirOwnInstants(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.serve(nil)
	job := s.job("true", "echo second", "echo third")
	job.Commands[1].Beat, job.Commands[2].Beat = 1, 2
	s.released(job)
	s.awaitExit(job, 0)
	if got := s.Of(job).Output; len(got) > 0 {
		t.Errorf("before its beat a process has written %q", got)
	}
	at := s.beat(job, 1)
	started := s.awaitStart(job, 1, 0)
	if started.StartedAt.Before(at) {
		t.Errorf("it started %s before the instant", at.Sub(started.StartedAt))
	}
	s.AwaitOutput(job, 1, "second\n")
	s.awaitExit(job, 1)
	if done := s.stop(job); done.Outcome != message.HostDone || done.Totals[2].StdoutLines != 0 {
		t.Errorf("done: %+v; the third has not begun", done)
	}
}

// A stop of the last beats alone leaves the others running, and uses their own signals.
func TestBeatsAreStoppedFromTheLastOn(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.serve(nil)
	trap := func(signal string) string {
		return "trap 'echo got " + signal + "; exit 0' " + signal + "; echo up; while :; do sleep 0.05; done"
	}
	job := s.job(trap("TERM"), trap("INT"))
	job.Commands[1].Beat, job.Commands[1].Stop = 1, &message.CommandStop{Signal: "INT"}
	s.released(job)
	s.beat(job, 1)
	s.awaitLine(job, 0, "up")
	s.awaitLine(job, 1, "up")
	s.Tell(job, message.Control{Kind: message.Stop, Cause: message.StopRule, FromBeat: 1, GraceMS: 5000})
	if from := s.Await(job, message.Stopping).Stopping.FromBeat; from != 1 {
		t.Errorf("it stops from beat %d, want 1", from)
	}
	if e := s.awaitExit(job, 1); e.ExitCode != 0 || !e.Stopped || e.Killed {
		t.Errorf("the second: %+v", e)
	}
	s.awaitLine(job, 1, "got INT")
	s.Tell(job, message.Control{Kind: message.Stop, Cause: message.StopRule, GraceMS: 5000})
	if from := s.Await(job, message.Stopping).Stopping.FromBeat; from != 0 {
		t.Errorf("it stops from beat %d, want 0", from)
	}
	s.awaitLine(job, 0, "got TERM")
	s.finish(job)
}

func TestProcessesBecomeReady(t *testing.T) {
	t.Parallel()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	testkit.Check(t, err)
	t.Cleanup(func() { testkit.Check(t, listener.Close()) })
	for name, test := range map[string]struct {
		script string
		ready  message.Readiness
	}{
		"port":   {stay, message.Readiness{Port: listener.Addr().(*net.TCPAddr).Port, Address: "127.0.0.1"}},
		"line":   {"echo one; echo we are up >&2; " + stay, message.Readiness{Line: "are up$"}},
		"file":   {"echo > here; " + stay, message.Readiness{File: "here"}},
		"run":    {"echo > here; " + stay, message.Readiness{Run: []string{"test", "-e", "here"}}},
		"no end": {"printf 'we are up'", message.Readiness{Line: "are up$"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			s.serve(nil)
			job := s.job(test.script)
			test.ready.WithinMS = testkit.Timeout.Milliseconds()
			job.Commands[0].Ready = &test.ready
			s.released(job)
			e := s.Await(job, message.ProcessReady)
			if e.ProcessReady.Reason != "" || e.ProcessReady.Life != 0 {
				t.Errorf("%+v", e.ProcessReady)
			}
			s.stop(job)
		})
	}
}

func TestProcessesThatDoNotBecomeReady(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		script string
		ready  message.Readiness
		want   string
	}{
		"in time":          {stay, message.Readiness{File: "here", WithinMS: 50}, "it was not ready within 50ms: "},
		"by a line":        {stay, message.Readiness{Line: "up", WithinMS: 50}, "it was not ready within 50ms"},
		"before their end": {"exit 3", message.Readiness{File: "here", WithinMS: 60_000}, "it exited with status 3 after"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			s.serve(nil)
			job := s.job(test.script)
			job.Commands[0].Ready = &test.ready
			s.released(job)
			contains(t, "the reason", s.Await(job, message.ProcessReady).ProcessReady.Reason, test.want)
			s.stop(job)
		})
	}
}

// A process that fails begins again in the same place, and its output goes on.
func TestProcessIsRestarted(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.serve(nil)
	job := s.job("echo life; if test -e was; then exit 0; fi; echo > was; exit 1")
	job.Commands[0].Restart = &message.Restart{On: message.RestartOnFailure, AtMost: 5, WaitMS: 10}
	job.Commands[0].Ready = &message.Readiness{Run: []string{"true"}, WithinMS: testkit.Timeout.Milliseconds()}
	s.released(job)
	first := s.Await(job, message.Exited).Exited
	if first.ExitCode != 1 || !first.Again || first.Life != 0 {
		t.Errorf("the first life: %+v", first)
	}
	last := s.Await(job, message.Exited).Exited
	if last.ExitCode != 0 || last.Again || last.Life != 1 {
		t.Errorf("the last life: %+v", last)
	}
	if wait := last.StartedAt.Sub(first.EndedAt); wait < 10*time.Millisecond {
		t.Errorf("it began again after %s", wait)
	}
	if done := s.finish(job); done.Totals[0].StdoutLines != 2 {
		t.Errorf("done: %+v, want two lines", done)
	}
	s.AwaitOutput(job, 0, "life\nlife\n")
}

// Timed actions are carried out by the worker's own clock: one kills a process, the next
// starts it again; a command of an action is run beside them.
func TestTimedActions(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.serve(nil)
	job := s.job("echo life; "+stay, stay)
	job.Commands = append(job.Commands, message.Command{
		Name: "action.0", Phase: message.PhaseAction, Argv: []string{"/bin/echo", "compacted"}, OKExit: []int{0}, TimeoutMS: testkit.Timeout.Milliseconds(),
	})
	job.Actions = []message.Action{
		{Number: 0, Do: message.ActSignal, Signal: "KILL", AfterMS: 50, Commands: []int{0}},
		{Number: 1, Do: message.ActStart, AfterMS: 300, Commands: []int{0}},
		{Number: 2, Do: message.ActPause, ForMS: 20, AfterMS: 60, Commands: []int{1}},
		{Number: 3, Do: message.ActStop, AfterMS: 500, Commands: []int{1}},
		{Number: 4, Do: message.ActRun, AfterMS: 20, Commands: []int{2}},
		{Number: 5, Do: message.ActSignal, Signal: "USR1", AfterMS: 600, Commands: []int{1}},
	}
	at := s.released(job)
	acted := make(map[int]*message.Event)
	for len(acted) < len(job.Actions) {
		e := s.Await(job, message.Acted)
		a := e.Acted
		acted[a.Action] = e
		if after := job.Action(a.Action).After(); !a.DueAt.Equal(at.Add(after)) || e.Time.Before(a.DueAt) {
			t.Errorf("action %d was due %s after the release, and done %s after that", a.Action, a.DueAt.Sub(at), e.Time.Sub(a.DueAt))
		}
		if (a.Reason != "") != (a.Action == 5) {
			t.Errorf("action %d: %q", a.Action, a.Reason)
		}
	}
	if life := acted[1].Acted.Life; life != 1 {
		t.Errorf("life %d was begun, want 1", life)
	}
	ends := make(map[int]*message.ExitedInfo)
	for len(ends) < 3 {
		e := s.Await(job, message.Exited).Exited
		ends[e.Command] = e
	}
	if e := ends[0]; e.Signal != "SIGKILL" || e.Action == nil || *e.Action != 0 || !e.Again {
		t.Errorf("what was killed: %+v", e)
	}
	if e := ends[1]; e.Signal != "SIGTERM" || e.Action == nil || *e.Action != 3 || e.Again {
		t.Errorf("what was stopped: %+v", e)
	}
	s.AwaitOutput(job, 2, "compacted\n")
	s.AwaitOutput(job, 0, "life\nhere\nlife\nhere\n")
	if done := s.stop(job); done.Outcome != message.HostDone || done.Totals[2].StdoutLines != 1 {
		t.Errorf("done: %+v", done)
	}
}

// An action is called when a line was seen, say.
func TestCalledActionAfterALine(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.serve(nil)
	job := s.job("echo became leader; echo became leader; "+stay, "echo follower; "+stay)
	job.Actions = []message.Action{{Number: 7, Do: message.ActSignal, Signal: "KILL", Called: true}}
	job.Watches = []message.Watch{{Action: 7, Line: "became leader", Commands: []int{0, 1}, Most: 1}}
	s.released(job)
	seen := s.Await(job, message.Seen).Seen
	if seen.Action != 7 || seen.Command != 0 {
		t.Errorf("seen: %+v", seen)
	}
	s.Tell(job, message.Control{Kind: message.Act, Action: 7, At: time.Now().Add(10 * time.Millisecond), Commands: []int{0}})
	if a := s.Await(job, message.Acted).Acted; a.Reason != "" || a.Command != 0 || a.Turn != 0 {
		t.Errorf("acted: %+v", a)
	}
	if e := s.awaitExit(job, 0); e.Action == nil || *e.Action != 7 {
		t.Errorf("the end: %+v", e)
	}
	s.stop(job)
	if slices.ContainsFunc(s.Of(job).Events, func(e *message.Event) bool { return e.Kind == message.Seen }) {
		t.Error("a second line is told, of which one was asked for")
	}
}

// A command of an action that is not over in time is stopped.
func TestCommandOfAnActionHasItsTime(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.serve(nil)
	job := s.job(stay)
	job.Commands = append(job.Commands, message.Command{
		Name: "action.0", Phase: message.PhaseAction, Argv: []string{"sleep", "1000"}, OKExit: []int{0}, TimeoutMS: 50,
	})
	job.Actions = []message.Action{{Number: 0, Do: message.ActRun, Commands: []int{1}}}
	s.released(job)
	if e := s.awaitExit(job, 1); !e.TimedOut || e.Signal != "SIGTERM" {
		t.Errorf("its end: %+v", e)
	}
	s.stop(job)
}

// A worker removes the rendezvous socket of one that died.
func TestRestartedWorkerFreesTheSocket(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	job := s.job("true")
	job.Sync = true
	testkit.Check(t, s.log(job).Close())
	socket := rendezvousPath(s.runDir(job))
	testkit.Check(t, os.MkdirAll(filepath.Dir(socket), 0o700))
	testkit.Check(t, os.WriteFile(socket, nil, 0o600))
	s.serve(nil)
	if d := s.Await(job, message.Done).Done; d.Outcome != message.HostLost {
		t.Errorf("done: %+v", d)
	}
	if _, err := os.Lstat(socket); err == nil {
		t.Error("the socket is still there")
	}
}
