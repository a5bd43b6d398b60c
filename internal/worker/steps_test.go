package worker

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"downbeat/internal/clock"
	"downbeat/internal/message"
	"downbeat/internal/outcome"
	"downbeat/internal/streams"
	"downbeat/internal/testkit"
	"downbeat/internal/testkit/fakepublisher"
	"downbeat/internal/worker/course"
)

// add has the job run shell scripts in that phase, after what it has, and gives the
// commands.
func add(job *message.Job, phase message.Phase, scripts ...string) []message.Command {
	first := len(job.Commands)
	for _, script := range scripts {
		job.Commands = append(job.Commands, message.Command{
			Name: message.ProcessName(string(phase), job.Count(phase)), Phase: phase,
			Argv: []string{"/bin/sh", "-c", script}, OKExit: []int{0}, TimeoutMS: testkit.Timeout.Milliseconds(),
		})
	}
	return job.Commands[first:]
}

// around gives a job a setup and a teardown of one script each.
func around(job *message.Job, setup, teardown string) *message.Job {
	add(job, message.PhaseSetup, setup)
	add(job, message.PhaseTeardown, teardown)
	return job
}

// trace is a file that scripts append words to.
type trace string

func newTrace(t *testing.T) trace { return trace(filepath.Join(t.TempDir(), "trace")) }

// add is a script that leaves a word.
func (tr trace) add(word string) string { return "echo " + word + " >>" + string(tr) + "; " }

// words are what was left.
func (tr trace) words(t *testing.T) []string {
	t.Helper()
	data, err := os.ReadFile(string(tr))
	if !os.IsNotExist(err) {
		testkit.Check(t, err)
	}
	return strings.Fields(string(data))
}

// has waits until the word is there.
func (tr trace) has(t *testing.T, word string) {
	t.Helper()
	testkit.WaitFor(t, "the word "+word+" in the trace", func() bool { return slices.Contains(tr.words(t), word) })
}

func (tr trace) want(t *testing.T, words ...string) {
	t.Helper()
	if got := tr.words(t); !slices.Equal(got, words) {
		t.Errorf("what was run: %q, want %q", got, words)
	}
}

// endless is a script that stays until it is stopped.
const endless = "exec sleep 1000"

func TestSetupAndTeardownAreAroundTheProcesses(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.serve(nil)
	tr := newTrace(t)
	job := s.job(tr.add("process") + "cat made; ./tool")
	job.Commands[0].Argv = []string{"./tool"}
	add(job, message.PhaseSetup,
		tr.add("setup.0")+`printf '#!/bin/sh\necho tool; echo process >>`+string(tr)+`' >tool; chmod +x tool; echo one; printf two >&2`,
		tr.add("setup.1")+"echo $DOWNBEAT_RUN $DOWNBEAT_HOST $DOWNBEAT_PROCESS")
	add(job, message.PhaseTeardown, tr.add("teardown.0")+"ls; exit 4", tr.add("teardown.1")+"echo bye")

	s.Send(job)
	s.Await(job, message.SettingUp)
	first := s.exited(job, 1)
	s.Await(job, message.Ready)
	tr.want(t, "setup.0", "setup.1")
	s.Commit(job)
	s.Release(job)
	done := s.finish(job)

	tr.want(t, "setup.0", "setup.1", "process", "teardown.0", "teardown.1")
	if first.ExitCode != 0 || first.Stopped || first.StartedAt.IsZero() || first.EndedAt.Before(first.StartedAt) {
		t.Errorf("the first command of the setup: %+v", first)
	}
	failed := s.exited(job, 3)
	if word, reason := judged(job, failed); word != outcome.CommandFailed || failed.ExitCode != 4 || !strings.HasPrefix(reason, "exited with status 4 after ") {
		t.Errorf("the teardown that failed: %+v", failed)
	}
	if done.Outcome != message.HostDone {
		t.Errorf("done: %+v; a failed teardown must not change that", done)
	}
	totals := []streams.Total{
		{StdoutLines: 1, StdoutBytes: 5},
		{StdoutLines: 1, StdoutBytes: 4, StderrLines: 1, StderrBytes: 3},
		{StdoutLines: 1, StdoutBytes: uint64(len(job.Run) + len(" alpha setup.1\n"))},
		{StdoutLines: 1, StdoutBytes: 5},
		{StdoutLines: 1, StdoutBytes: 4},
	}
	if !slices.Equal(done.Totals, totals) {
		t.Errorf("totals %+v, want %+v", done.Totals, totals)
	}
	for key, want := range map[string]string{
		"stdout.0": "tool\n", "stdout.1": "one\n", "stderr.1": "two", "stdout.2": job.Run + " alpha setup.1\n", "stdout.3": "tool\n", "stdout.4": "bye\n",
	} {
		if got := s.Of(job).Output[key]; got != want {
			t.Errorf("%s: %q, want %q", key, got, want)
		}
	}
}

func TestSetupThatDoesNotSucceedIsRefusedAndTornDown(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		setup   string
		change  func(*message.Command)
		outcome outcome.Command
		reason  string
	}{
		"status": {
			"echo on the way; echo 'no such  database' >&2; exit 3", nil, outcome.CommandFailed,
			`setup.0 (/bin/sh -c echo on the way; echo 'no such database' >&2; ...) exited with status 3 after`,
		},
		"words":  {"echo said; exit 3", nil, outcome.CommandFailed, `; its last words: "said"`},
		"signal": {"kill -9 $$", nil, outcome.CommandFailed, "was ended by SIGKILL after"},
		"not there": {
			"", func(c *message.Command) { c.Argv = []string{"./not-there"} }, outcome.CommandFailed,
			`setup.0 (./not-there) can't be run: `,
		},
		"too long": {
			"echo begun; " + endless, func(c *message.Command) { c.TimeoutMS = 300 }, outcome.CommandTimedOut,
			`was not over within 300ms; its last words: "begun"`,
		},
		"deaf": {
			"trap '' TERM; while :; do sleep 0.05; done", func(c *message.Command) { c.TimeoutMS = 300 }, outcome.CommandTimedOut,
			"was not over within 300ms, ignored TERM for 1s and was killed",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			s.serve(nil)
			tr := newTrace(t)
			job := s.job(tr.add("process"))
			setup := add(job, message.PhaseSetup, tt.setup, tr.add("setup.1"))
			if tt.change != nil {
				tt.change(&setup[0])
			}
			add(job, message.PhaseTeardown, tr.add("teardown")+"echo down")
			s.Send(job)
			if word, reason := judged(job, s.exited(job, 1)); word != tt.outcome {
				t.Errorf("the setup %s (%s), want it %s", word, reason, tt.outcome)
			}
			refused := s.Await(job, message.Refused).Refused
			contains(t, "the reason", refused.Reason, tt.reason)
			if strings.Contains(refused.Reason, s.runDir(job)) {
				t.Errorf("the reason %q shows the worker's own paths", refused.Reason)
			}
			if len(refused.Totals) != 4 || refused.Totals[3].StdoutBytes != 5 {
				t.Errorf("totals %+v, want those of the teardown in them", refused.Totals)
			}
			tr.want(t, "teardown")
			s.Ack(job)
			s.removed(job)
		})
	}
}

func TestProcessThatCannotBePreparedIsTornDown(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.serve(nil)
	tr := newTrace(t)
	job := around(s.job(""), tr.add("setup"), tr.add("teardown"))
	job.Commands[0].Argv = []string{"./not-there"}
	s.Send(job)
	if refused := s.Await(job, message.Refused).Refused; len(refused.Problems) != 1 {
		t.Errorf("refused for %+v, want the process named", refused)
	}
	tr.want(t, "setup", "teardown")
}

func TestTeardownRunsHoweverTheRunEnds(t *testing.T) {
	t.Parallel()
	stop := func(s *site, job *message.Job, _ *service) {
		s.Tell(job, message.Control{Kind: message.Stop, Cause: message.StopAbort, GraceMS: 1000})
	}
	for name, tt := range map[string]struct {
		until func(s *site, job *message.Job)
		end   func(s *site, job *message.Job, v *service)
		want  string
	}{
		"stopped when ready":     {(*site).Ready, stop, message.HostDone},
		"stopped when committed": {func(s *site, job *message.Job) { s.Ready(job); s.Commit(job) }, stop, message.HostDone},
		"stopped when running":   {func(s *site, job *message.Job) { s.Start(job) }, stop, message.HostDone},
		"worker leaves":          {func(s *site, job *message.Job) { s.Start(job) }, func(_ *site, _ *message.Job, v *service) { v.cancel() }, message.HostStopped},
		"lease": {func(s *site, job *message.Job) { s.Start(job) }, func(_ *site, job *message.Job, v *service) {
			v.w.lookup(job.Run).mail.post(course.PublisherGone{})
		}, message.HostStopped},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			v := s.serve(nil)
			tr := newTrace(t)
			job := around(s.job(endless), tr.add("setup"), tr.add("teardown"))
			tt.until(s, job)
			tt.end(s, job, v)
			s.Await(job, message.TearingDown)
			if done := s.finish(job); done.Outcome != tt.want {
				t.Errorf("done %+v, want %s", done, tt.want)
			}
			tr.want(t, "setup", "teardown")
		})
	}
}

func TestStopInSetupEndsItAndTearsDown(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.serve(nil)
	tr := newTrace(t)
	job := around(s.job(tr.add("process")), tr.add("setup")+endless, tr.add("teardown"))
	s.Send(job)
	tr.has(t, "setup")
	s.Tell(job, message.Control{Kind: message.Keepalive}) // a setup doesn't keep it from answering
	s.Await(job, message.Heartbeat)
	s.Tell(job, message.Control{Kind: message.Stop, Cause: message.StopAbort, GraceMS: 1000})
	info := s.exited(job, 1)
	if word, reason := judged(job, info); word != outcome.CommandStopped || reason != "was stopped, as the run can't go on here" || info.Signal != "SIGTERM" {
		t.Errorf("the setup: %+v, %s (%s), want it stopped by TERM", info, word, reason)
	}
	if done := s.finish(job); done.Outcome != message.HostDone {
		t.Errorf("done %+v", done)
	}
	tr.want(t, "setup", "teardown")
}

func TestElderRunTakesTheHostFromASetup(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.serve(nil)
	tr := newTrace(t)
	// The first time it stays, so that the elder finds it there.
	once := filepath.Join(t.TempDir(), "once")
	younger := around(s.job(tr.add("younger")), "[ -e "+once+" ] || { touch "+once+"; printf half; "+tr.add("setup")+endless+"; }; "+tr.add("setup")+"echo whole", tr.add("teardown"))
	elder := fakepublisher.Aged(s.job(tr.add("elder")))
	s.Send(younger)
	tr.has(t, "setup")
	s.Send(elder)
	if word, reason := judged(younger, s.exited(younger, 1)); word != outcome.CommandStopped {
		t.Errorf("the setup %s (%s), want it stopped", word, reason)
	}
	s.Await(younger, message.TearingDown)
	if got := s.Await(younger, message.Waiting).Waiting.Behind; got != elder.Run {
		t.Errorf("the younger waits behind %s, want %s", got, elder.Run)
	}
	tr.want(t, "setup", "teardown") // all of it before the elder gets the host
	s.Await(elder, message.Ready)
	s.Commit(elder)
	s.Release(elder)
	s.finish(elder)
	s.Await(younger, message.Ready)
	s.Commit(younger)
	s.Release(younger)
	done := s.finish(younger)
	tr.want(t, "setup", "teardown", "elder", "setup", "younger", "teardown")
	if got, want := done.Totals[1], (streams.Total{StdoutLines: 1, StdoutBytes: 10}); got != want {
		t.Errorf("of both setups came %+v, want %+v", got, want)
	}
}

func TestElderRunTakesTheHostWhenTheSetupIsOver(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.serve(nil)
	tr := newTrace(t)
	younger, elder := around(s.job("true"), tr.add("setup"), tr.add("teardown")), fakepublisher.Aged(s.job(tr.add("elder")))
	owed := filepath.Join(s.runDir(younger), owedFile)
	s.Ready(younger)
	if _, err := os.Stat(owed); err != nil {
		t.Errorf("a worker that dies now would not know that the teardown is owed: %v", err)
	}
	s.Send(elder)
	s.Await(younger, message.Waiting)
	if _, err := os.Stat(owed); !os.IsNotExist(err) {
		t.Errorf("a worker that dies now would tear down again (%v)", err)
	}
	s.Await(elder, message.Ready)
	tr.want(t, "setup", "teardown")
}

// A run that is stopped while it gives way must not wait for the host again.
func TestStopWhileGivingWayEndsTheRun(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.serve(nil)
	tr := newTrace(t)
	until := filepath.Join(t.TempDir(), "on")
	younger := around(s.job("true"), tr.add("setup"), tr.add("teardown")+"until [ -e "+until+" ]; do sleep 0.01; done")
	elder := fakepublisher.Aged(s.job("true"))
	s.Ready(younger)
	s.Send(elder)
	tr.has(t, "teardown")
	s.Tell(younger, message.Control{Kind: message.Stop, Cause: message.StopAbort})
	s.Tell(younger, message.Control{Kind: message.Keepalive})
	s.Await(younger, message.Heartbeat) // so that the stop has been read
	testkit.Check(t, os.WriteFile(until, nil, 0o600))
	s.finish(younger)
	s.Await(elder, message.Ready)
	tr.want(t, "setup", "teardown")
}

// exited waits for the end of that command; ends may come in any order.
func (s *site) exited(job *message.Job, number int) *message.ExitedInfo {
	s.t.Helper()
	for {
		if e := s.Await(job, message.Exited); e.Exited.Command == number {
			return e.Exited
		}
	}
}

// judged is how a command ended.
func judged(job *message.Job, e *message.ExitedInfo) (outcome.Command, string) {
	return outcome.Judge(e.Exit(), job.Circumstances(&job.Commands[e.Command]))
}

// The start of a setup's and a teardown's command is reported as that of a process is,
// and before its end.
func TestStartsOfSetupAndTeardownAreReported(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.serve(nil)
	job := around(s.job("true"), "echo $$; sleep 0.1", "true")
	s.Ready(job)
	s.Commit(job)
	s.Tell(job, message.Control{Kind: message.Start, At: time.Now()})
	s.finish(job)
	events := s.Of(job).Events
	slices.SortFunc(events, func(a, b *message.Event) int { return cmp.Compare(a.Seq, b.Seq) })
	started := make(map[int]message.StartedInfo)
	for _, e := range events {
		for _, c := range e.Started {
			started[c.Command] = c
		}
		if e.Kind == message.Exited && !started[e.Exited.Command].StartedAt.Equal(e.Exited.StartedAt) {
			t.Errorf("%s ended having started at %s, and was reported to have started at %s", job.Commands[e.Exited.Command].Name, e.Exited.StartedAt, started[e.Exited.Command].StartedAt)
		}
	}
	if len(started) != 3 || fmt.Sprintln(started[1].PID) != s.Of(job).Output["stdout.1"] {
		t.Errorf("started %+v, want all three, and the setup with the pid %q", started, s.Of(job).Output["stdout.1"])
	}
}

func TestTeardownThatHangsIsEnded(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.serve(nil)
	tr := newTrace(t)
	job := around(s.job("true"), "true", "(trap '' TERM; exec setsid sleep 1000) & trap '' TERM; "+endless)
	job.Commands[2].TimeoutMS, job.GraceMS = 200, 200
	add(job, message.PhaseTeardown, tr.add("last"))
	s.Start(job)
	info := s.exited(job, 2)
	if word, _ := judged(job, info); word != outcome.CommandTimedOut || info.Signal != "SIGKILL" || info.Swept != 1 {
		t.Errorf("the teardown: %+v, %s, want it killed", info, word)
	}
	s.finish(job)
	tr.want(t, "last")
	next := s.job("true")
	s.Ready(next) // the host is free
}

func TestWhatSetupLeavesBehindIsEndedWithIt(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.serve(nil)
	tr := newTrace(t)
	job := around(s.job(endless), "setsid sh -c 'trap \""+tr.add("asked")+"exit\" TERM; "+tr.add("there")+"while :; do sleep 0.01; done' & until [ -e "+string(tr)+" ]; do sleep 0.01; done", "true")
	s.Ready(job)
	tr.want(t, "there", "asked")
}

func TestCrashedWorkersTeardownIsRunBeforeTheRunIsReportedLost(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	tr := newTrace(t)
	job := around(s.job("true"), "true", tr.add("teardown")+"echo down")
	log := s.log(job)
	j := newJournal(job, clock.New(0), log, func(err error) { t.Error(err) })
	testkit.Check(t, j.event(message.Event{Kind: message.SettingUp}))
	testkit.Check(t, log.Close())
	testkit.Check(t, os.WriteFile(filepath.Join(s.runDir(job), owedFile), nil, 0o600))
	testkit.Check(t, os.Mkdir(filepath.Join(s.runDir(job), workDir), 0o700))
	next := s.job("true")
	s.serve(nil)
	s.Send(next)

	s.Await(job, message.TearingDown)
	done := s.finish(job)
	if done.Outcome != message.HostLost || done.Reason != "the worker on alpha died in mid-run" || done.Totals[2].StdoutBytes != 5 {
		t.Errorf("done %+v, want lost, with the teardown's output", done)
	}
	tr.want(t, "teardown")
	if got := s.Of(job).Output["stdout.2"]; got != "down\n" {
		t.Errorf("the teardown wrote %q", got)
	}
	s.Await(next, message.Ready)
}

func TestCrashedWorkersTeardownIsNotRunWhereTheHostWasNotTheRuns(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	tr := newTrace(t)
	job := around(s.job("true"), tr.add("setup"), tr.add("teardown"))
	testkit.Check(t, s.log(job).Close())
	s.serve(nil)
	if done := s.finish(job); done.Outcome != message.HostLost {
		t.Errorf("done %+v, want lost", done)
	}
	tr.want(t)
}

func TestTerminalIsSaidToBeDumb(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.serve(func(c *Config) { c.Environ = append(os.Environ(), "TERM=xterm-256color") })
	job := s.job(`test -t 1 && echo $TERM`, `test -t 1 && echo $TERM`, `test -t 1 || echo $TERM`)
	job.Commands[0].Pty, job.Commands[1].Pty = true, true
	job.Commands[1].Env = map[string]string{"TERM": "vt100"}
	s.Start(job)
	s.finish(job)
	for key, want := range map[string]string{"stdout.0": "dumb\n", "stdout.1": "vt100\n", "stdout.2": "xterm-256color\n"} {
		if got := s.Of(job).Output[key]; got != want {
			t.Errorf("%s: %q, want %q", key, got, want)
		}
	}
}

func TestVariablesAreThereOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.serve(func(c *Config) { c.Environ = append(os.Environ(), "SHARED=worker", "PWD=elsewhere") })
	job := s.job("")
	job.Commands[0].Argv = []string{"cat", "/proc/self/environ"}
	job.Commands[0].Env = map[string]string{"SHARED": "job"}
	s.Start(job)
	s.finish(job)
	seen := map[string]string{}
	for entry := range strings.SplitSeq(strings.TrimSuffix(s.Of(job).Output["stdout.0"], "\x00"), "\x00") {
		name, value, _ := strings.Cut(entry, "=")
		if _, twice := seen[name]; twice {
			t.Errorf("%s is there twice: which one counts depends on the program", name)
		}
		seen[name] = value
	}
	if seen["SHARED"] != "job" {
		t.Errorf("SHARED is %q, want the job's", seen["SHARED"])
	}
}
