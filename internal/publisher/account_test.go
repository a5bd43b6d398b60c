package publisher

import (
	"strings"
	"testing"
	"time"

	"downbeat/internal/experiment"
	"downbeat/internal/message"
	"downbeat/internal/outcome"
	"downbeat/internal/queue"
	"downbeat/internal/results"
	"downbeat/internal/testkit"
)

// ends reports the end of these processes, which is right.
func (s *scripted) ends(processes ...int) {
	s.t.Helper()
	for _, i := range processes {
		s.exit(i, 0)
	}
}

// says closes the account, changed.
func (s *scripted) says(change func(*message.DoneInfo)) {
	s.t.Helper()
	done := &message.DoneInfo{Outcome: message.HostDone, Totals: s.totals}
	change(done)
	s.event(message.Event{Kind: message.Done, Done: done})
}

// end is how process 0 ended, changed.
func (s *scripted) end(change func(*message.ExitedInfo)) {
	s.t.Helper()
	info := message.ExitedInfo{StartedAt: s.clock.Now(), EndedAt: s.clock.Now()}
	change(&info)
	s.exited(info)
}

// A report of a host, of two processes, a.0 and a.1, is not whole, or one part of
// it contradicts another. The run did not succeed then, and it is said by which host
// and why.
func TestReportThatCannotBeTrueIsNotASuccess(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		report func(*scripted) // after the processes were started
		want   string
	}{
		"done, and nothing else": {func(s *scripted) { s.done(message.HostDone) }, "there is no end of a.0"},
		"one process has no end": {func(s *scripted) { s.ends(0); s.done(message.HostDone) }, "there is no end of a.1"},
		"lost without a reason":  {func(s *scripted) { s.ends(0, 1); s.done(message.HostLost) }, "lost the run, and gives no reason"},
		"totals absent":          {func(s *scripted) { s.ends(0, 1); s.says(func(d *message.DoneInfo) { d.Totals = nil }) }, "totals for 0 commands, but has 2"},
		"totals empty":           {func(s *scripted) { s.ends(0, 1); s.says(func(d *message.DoneInfo) { d.Totals = []message.Total{} }) }, "totals for 0 commands"},
		"totals too few":         {func(s *scripted) { s.ends(0, 1); s.says(func(d *message.DoneInfo) { d.Totals = d.Totals[:1] }) }, "totals for 1 commands"},
		"totals too many": {func(s *scripted) {
			s.ends(0, 1)
			s.says(func(d *message.DoneInfo) { d.Totals = make([]message.Total, 3) })
		}, "totals for 3 commands"},
		"totals less than what came": {func(s *scripted) {
			s.output(0, message.Stdout, "x\n", 1)
			s.ends(0, 1)
			s.totals[0] = message.Total{}
			s.done(message.HostDone)
		}, "output of a.0 is missing"},
		"outcome unknown":               {func(s *scripted) { s.ends(0, 1); s.done("splendid") }, `its outcome is said to be "splendid"`},
		"outcome empty":                 {func(s *scripted) { s.ends(0, 1); s.done("") }, `its outcome is said to be ""`},
		"outcome of a run":              {func(s *scripted) { s.ends(0, 1); s.done("succeeded") }, `its outcome is said to be "succeeded"`},
		"swept less than none":          {func(s *scripted) { s.ends(0, 1); s.says(func(d *message.DoneInfo) { d.Swept = -1 }) }, "-1 processes are said to have been swept"},
		"command 99 exited":             {func(s *scripted) { s.exit(99, 0) }, "command 99 is said to have exited, but it has 2"},
		"process -1 exited":             {func(s *scripted) { s.exit(-1, 0) }, "command -1 is said to have exited"},
		"process after the last exited": {func(s *scripted) { s.exit(2, 0) }, "command 2 is said to have exited"},
		"exited twice":                  {func(s *scripted) { s.ends(0, 0) }, "a.0 is said to have exited twice"},
		"started twice":                 {func(s *scripted) { s.started(s.clock.Now()) }, "a.0 is said to have started twice"},
		"started again after its end":   {func(s *scripted) { s.ends(0); s.started(s.clock.Now()) }, "a.0 is said to have started twice"},
		"process 7 started": {func(s *scripted) {
			s.event(message.Event{Kind: message.Started, Started: []message.StartedInfo{{Command: 7, StartedAt: s.clock.Now()}}})
		}, "command 7 is said to have started"},
		"started, and could not be": {func(s *scripted) { s.end(func(e *message.ExitedInfo) { e.Reason = "no such program" }) }, "a.0 is said to have started, and then that it could not be"},
		"neither status nor signal": {func(s *scripted) { s.end(func(e *message.ExitedInfo) { e.ExitCode = -1 }) }, "exit_code -1 without a signal of a.0"},
		"status and signal":         {func(s *scripted) { s.end(func(e *message.ExitedInfo) { e.ExitCode, e.Signal = 3, "SIGTERM" }) }, `exit_code 3 with signal "SIGTERM"`},
		"status that none can have": {func(s *scripted) { s.end(func(e *message.ExitedInfo) { e.ExitCode = -7 }) }, "exit_code -7"},
		"status that is too large":  {func(s *scripted) { s.end(func(e *message.ExitedInfo) { e.ExitCode = 1 << 20 }) }, "exit_code 1048576"},
		"negative CPU time":         {func(s *scripted) { s.end(func(e *message.ExitedInfo) { e.UserUS = -1 }) }, "a negative amount (-1) of a.0"},
		"negative memory":           {func(s *scripted) { s.end(func(e *message.ExitedInfo) { e.MaxRSSBytes = -9 }) }, "a negative amount (-9) of a.0"},
		"ended without a time":      {func(s *scripted) { s.end(func(e *message.ExitedInfo) { e.EndedAt = time.Time{} }) }, "is said to have ended"},
		"ended before its start": {func(s *scripted) {
			s.end(func(e *message.ExitedInfo) { e.EndedAt = e.StartedAt.Add(-9 * time.Second) })
		}, "a.0 is said to have ended 9s before it started"},
		"ended in a hundred years": {func(s *scripted) { s.end(func(e *message.ExitedInfo) { e.EndedAt = e.EndedAt.AddDate(100, 0, 0) }) }, "the end of a.0 is said to have been at 2"},
		"started in 1970":          {func(s *scripted) { s.end(func(e *message.ExitedInfo) { e.StartedAt = time.Unix(9, 0) }) }, "the start of a.0 is said to have been at 1970-01-01"},
		"stopped by itself, and done": {func(s *scripted) {
			s.stops()
			s.end(func(e *message.ExitedInfo) { e.Stopped = true })
			s.ends(1)
			s.done(message.HostDone)
		}, "it is said to have stopped its processes (lease), which nobody had asked for"},
		"stop in 1970": {func(s *scripted) {
			s.event(message.Event{Kind: message.Stopping, Time: time.Unix(9, 0), Stopping: &message.StoppingInfo{Cause: message.StopRule}})
		}, "the stop is said to have been at 1970-01-01"},
		"output of process 9": {func(s *scripted) {
			s.publish(batchOf(s, message.Segment{Command: 9, At: s.clock.Now(), Data: []byte("x")}))
		}, "output of command 9 comes, but it has 2"},
		"output that goes on elsewhere": {func(s *scripted) {
			s.publish(batchOf(s, message.Segment{Offset: 7, At: s.clock.Now(), Data: []byte("x")}))
		}, "standard output of a.0 goes on after 7 bytes, and 0 have come"},
		"ready again": {func(s *scripted) { s.ready() }, `"ready" comes after the host has said that it keeps its processes`},
		"waiting":     {func(s *scripted) { s.waiting(message.NewRun(message.NewPublisher())) }, `"waiting" comes after`},
		"setting up":  {func(s *scripted) { s.settingUp() }, `"setting_up" comes after`},
		"refused": {func(s *scripted) {
			s.event(message.Event{Kind: message.Refused, Refused: &message.RefusedInfo{Reason: "no"}})
		}, `"refused" comes after processes were started`},
		"committed": {func(s *scripted) { s.committed() }, `"committed" comes after processes were started`},
		"refused outside of its log": {func(s *scripted) {
			s.send(s.job.ReplyTo, message.Event{Kind: message.Refused, Run: s.job.Run, Refused: &message.RefusedInfo{Reason: "no"}})
		}, "it is said not to have taken the job, of which it has reported: no"},
		"done outside of its log": {func(s *scripted) {
			s.ends(0, 1)
			s.send(s.job.ReplyTo, message.Event{Kind: message.Done, Run: s.job.Run, Done: &message.DoneInfo{Outcome: message.HostDone}})
		}, "it is said to be over outside of its log"},
		"stopped outside of its log": {func(s *scripted) {
			s.ends(0, 1)
			s.send(s.job.ReplyTo, message.Event{Kind: message.Done, Run: s.job.Run, Done: &message.DoneInfo{Outcome: message.HostStopped, Totals: s.totals}})
		}, "it is said to be over outside of its log"},
		"no process left, and two are":         {func(s *scripted) { s.event(message.Event{Kind: message.Ended}) }, "no process is said to be left, and there is no end of a.0"},
		"timed out, without a time of its own": {func(s *scripted) { s.end(func(e *message.ExitedInfo) { e.Stopped, e.TimedOut = true, true }) }, "the time of a.0 is said to have been over, and it has none of its own"},
		"an event twice, and not alike":        {func(s *scripted) { s.ends(0); s.renumber(s.seq - 1); s.exit(0, 3) }, "has come twice, and not alike"},
		"numbers that begin anew":              {func(s *scripted) { s.renumber(0); s.ready() }, "event 1 has come twice, and not alike"},
		"heartbeat behind what came":           {func(s *scripted) { s.claims(func(uint64) uint64 { return 1 }) }, "its log is said to end with event 1"},
		"heartbeat of nothing":                 {func(s *scripted) { s.claims(func(uint64) uint64 { return 0 }) }, "its log is said to end with event 0"},
		"heartbeat behind, without probe": {func(s *scripted) {
			s.send(s.job.ReplyTo, message.Event{Kind: message.Heartbeat, Run: s.job.Run, Heartbeat: &message.HeartbeatInfo{Last: 1, Ack: 3}})
		}, "its log is said to end with event 1, and event 3 has come"},
		"done, and more is logged": {func(s *scripted) {
			s.ends(0, 1)
			s.claims(func(last uint64) uint64 { return last + 2 })
			s.keptAlive(2)
			s.done(message.HostDone)
		}, "event 6 is said to be its last, and it has logged event 7"},
		"an event after the last": {func(s *scripted) { s.ends(0, 1); s.done(message.HostDone); s.ends(1) }, "event 6 was to be its last, and it has logged event 7"},
		"a heartbeat after the last event": {func(s *scripted) {
			s.ends(0, 1)
			s.done(message.HostDone)
			s.send(s.job.ReplyTo, message.Event{Kind: message.Heartbeat, Run: s.job.Run, Heartbeat: &message.HeartbeatInfo{Last: 9}})
		}, "event 6 was to be its last, and it has logged event 9"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, nil)
			alpha, bravo := l.worker("alpha"), l.worker("bravo")
			run := l.start(l.datapoint(proc("alpha", "a", 0), proc("alpha", "a", 1), proc("bravo", "b", 0)))
			release(alpha, bravo)
			l.seen("alpha", Started)
			test.report(alpha)
			bravo.obeySoon(0)
			isLostBy(t, run.wait(), "alpha", test.want)
		})
	}
}

// isLostBy makes sure that the run was lost by the host, for that reason.
func isLostBy(t *testing.T, got results.Record, host, want string) {
	t.Helper()
	if got.Outcome != outcome.RunLost || !strings.Contains(got.Reason, host) || !strings.Contains(got.Reason, want) {
		t.Errorf("outcome %s (%s), want lost, %s and (%s)", got.Outcome, got.Reason, host, want)
	}
	if h := hostOf(t, got, host); h.Outcome != outcome.HostLost || !strings.Contains(h.Reason, want) {
		t.Errorf("%s %s (%s), want lost (%s)", host, h.Outcome, h.Reason, want)
	}
}

// stops reports that the host stops by itself.
func (s *scripted) stops() {
	s.t.Helper()
	s.event(message.Event{Kind: message.Stopping, Stopping: &message.StoppingInfo{Cause: message.StopLease}})
}

func (s *scripted) claims(claim func(uint64) uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.claim = claim
}

// renumber has the next event follow that number.
func (s *scripted) renumber(last uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seq = last
}

// batchOf is a batch with that one segment, logged.
func batchOf(s *scripted, segment message.Segment) []byte {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seq++
	var b message.Batch
	b.Reset(s.job.Run, s.host, s.seq, s.clock.Now())
	b.Add(segment)
	data := b.Bytes()
	s.sent = append(s.sent, data)
	return data
}

// The same before anything was released.
func TestReportThatCannotBeTrueBeforeTheReleaseIsNotASuccess(t *testing.T) {
	t.Parallel()
	setup := func(dp *experiment.Datapoint) {
		dp.Setup = []experiment.Command{stepOn("alpha", message.PhaseSetup, 0)}
		dp.Teardown = []experiment.Command{stepOn("alpha", message.PhaseTeardown, 0)}
	}
	for name, test := range map[string]struct {
		change func(*experiment.Datapoint)
		report func(*scripted)
		want   string
	}{
		"done at once":               {nil, func(s *scripted) { s.done(message.HostDone) }, "it is said to be done before it was told to start"},
		"done right after ready":     {nil, func(s *scripted) { s.ready(); s.done(message.HostDone) }, "it is said to be done before it was told to start"},
		"exited before it started":   {nil, func(s *scripted) { s.ready(); s.exit(0, 0) }, "a.0 is said to have exited, and not to have started"},
		"started before it was told": {nil, func(s *scripted) { s.ready(); s.started(s.clock.Now()) }, "processes are said to have started before it was told to"},
		"not started before told":    {nil, func(s *scripted) { s.ready(); s.end(func(e *message.ExitedInfo) { e.Reason = "no" }) }, "before it was told to start it"},
		"a step before the setup":    {setup, func(s *scripted) { s.stepped(1, 0) }, "setup.0 is said to have started before it can have begun"},
		"a teardown before its time": {setup, func(s *scripted) { s.settingUp(); s.stepped(2, 0) }, "teardown.0 is said to have started before it can have begun"},
		"ready without setup":        {setup, func(s *scripted) { s.ready() }, "setup.0 is not said to have succeeded"},
		"ready after a setup failed": {setup, func(s *scripted) { s.settingUp(); s.stepped(1, 3); s.ready() }, "setup.0 is not said to have succeeded"},
		"a step twice": {setup, func(s *scripted) {
			s.settingUp()
			s.stepped(1, 0)
			s.stepped(1, 0)
		}, "setup.0 is said to have started twice"},
		"a setup ends twice": {setup, func(s *scripted) {
			s.settingUp()
			s.stepped(1, 0)
			s.exit(1, 0)
		}, "setup.0 is said to have exited twice"},
		"a setup ends before it":            {setup, func(s *scripted) { s.exit(1, 0) }, "setup.0 is said to have exited before it can have begun"},
		"refused without totals":            {setup, func(s *scripted) { s.settingUp(); s.totals = nil; s.refusing("no") }, "totals for 0 commands, but has 3"},
		"a setup exited that had not begun": {setup, func(s *scripted) { s.settingUp(); s.exit(1, 0) }, "setup.0 is said to have exited, and not to have started"},
		"ready after a setup was stopped": {setup, func(s *scripted) {
			s.settingUp()
			s.exited(message.ExitedInfo{Command: 1, ExitCode: -1, Stopped: true})
			s.ready()
		}, "setup.0 is not said to have succeeded"},
		"ready after a setup that could not be run": {setup, func(s *scripted) {
			s.settingUp()
			s.exited(message.ExitedInfo{Command: 1, Reason: "no such program"})
			s.ready()
		}, "setup.0 is not said to have succeeded"},
		"ready after a setup that took too long": {setup, func(s *scripted) {
			s.settingUp()
			at := s.clock.Now()
			s.event(message.Event{Kind: message.Started, Started: []message.StartedInfo{{Command: 1, PID: 7, StartedAt: at}}})
			s.exited(message.ExitedInfo{Command: 1, Stopped: true, TimedOut: true, StartedAt: at, EndedAt: at})
			s.ready()
		}, "setup.0 is not said to have succeeded"},
		"refused, having been ready": {nil, func(s *scripted) {
			s.ready()
			s.send(s.job.ReplyTo, message.Event{Kind: message.Refused, Run: s.job.Run, Refused: &message.RefusedInfo{Reason: "no"}})
		}, "it is said not to have taken the job"},
		"totals of a refusal too many": {setup, func(s *scripted) { s.settingUp(); s.totals = make([]message.Total, 9); s.refusing("no") }, "totals for 9 commands"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, nil)
			alpha := l.worker("alpha")
			dp := l.datapoint(proc("alpha", "a", 0))
			if test.change != nil {
				test.change(dp)
			}
			run := l.start(dp)
			alpha.take()
			testkit.WaitFor(t, "its clock is known", func() bool { return alpha.keepalives.Load() >= quickProbes })
			test.report(alpha)
			isLostBy(t, run.wait(), "alpha", test.want)
		})
	}
}

// A host that was asked for more than processes has to account for that too.
func TestEverythingThatWasAskedForIsAccountedFor(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(*experiment.Datapoint)
		report func(*scripted)
		want   string
	}{
		"no teardown": {
			func(dp *experiment.Datapoint) {
				dp.Teardown = []experiment.Command{stepOn("alpha", message.PhaseTeardown, 0)}
			},
			func(s *scripted) { s.ends(0); s.done(message.HostDone) }, "there is no end of teardown.0",
		},
		"half a teardown": {
			func(dp *experiment.Datapoint) {
				dp.Teardown = []experiment.Command{stepOn("alpha", message.PhaseTeardown, 0), stepOn("alpha", message.PhaseTeardown, 1)}
			},
			func(s *scripted) {
				s.ends(0)
				s.tearingDown()
				s.stepped(1, 0)
				s.done(message.HostDone)
			}, "there is no end of teardown.1",
		},
		"no files": {
			func(dp *experiment.Datapoint) { dp.Collect = map[string][]string{"alpha": {"*"}} },
			func(s *scripted) { s.ends(0); s.event(message.Event{Kind: message.Ended}); s.done(message.HostDone) },
			"nothing is said of the files that it was to collect",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, nil)
			alpha := l.worker("alpha")
			dp := l.datapoint(proc("alpha", "a", 0))
			test.change(dp)
			run := l.start(dp)
			release(alpha)
			test.report(alpha)
			isLostBy(t, run.wait(), "alpha", test.want)
		})
	}
}

// Not every process is said to have started, and then the file's rule stops the run.
func TestProcessWithoutAStartIsNotASuccess(t *testing.T) {
	t.Parallel()
	l := newLab(t, nil)
	alpha := l.worker("alpha")
	dp := l.datapoint(proc("alpha", "client", 0), proc("alpha", "server", 0))
	dp.Stop.When = []string{"client"}
	run := l.start(dp)
	hold(alpha)
	at := alpha.expect(message.Start).At
	alpha.event(message.Event{Kind: message.Started, Started: []message.StartedInfo{{PID: 7, StartedAt: at}}})
	alpha.exit(0, 0)
	alpha.obey()
	isLostBy(t, run.wait(), "alpha", "there is no start of server.0")
}

// A process whose delay was not over when the run was stopped needs no start.
func TestProcessThatWasNotDueNeedsNoStart(t *testing.T) {
	t.Parallel()
	l := newLab(t, nil)
	alpha := l.worker("alpha")
	late := proc("alpha", "server", 0)
	late.DelayMS = time.Hour.Milliseconds()
	dp := l.datapoint(proc("alpha", "client", 0), late)
	dp.Stop.When = []string{"client"}
	run := l.start(dp)
	hold(alpha)
	at := alpha.expect(message.Start).At
	alpha.event(message.Event{Kind: message.Started, Started: []message.StartedInfo{{PID: 7, StartedAt: at}}})
	alpha.exit(0, 0)
	alpha.obey()
	if got := run.wait(); got.Outcome != outcome.RunSucceeded {
		t.Errorf("outcome %s (%s), want succeeded", got.Outcome, got.Reason)
	}
}

// A worker's word that a process was stopped, when nobody had asked for that, is
// a failure of the process; nor does a stop that comes later explain it.
func TestStopThatNobodyAskedForIsAFailure(t *testing.T) {
	t.Parallel()
	for name, e := range map[string]message.ExitedInfo{
		"stopped":            {Signal: "SIGTERM", Stopped: true},
		"stopped, status 0":  {Stopped: true},
		"killed":             {Signal: "SIGKILL", Killed: true},
		"stopped and killed": {Signal: "SIGKILL", Stopped: true, Killed: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, alpha, run := alone(t, nil)
			alpha.end(func(info *message.ExitedInfo) {
				e.StartedAt, e.EndedAt = info.StartedAt, info.EndedAt
				*info = e
			})
			alpha.obey()
			want := "a.0 on alpha is said to have been stopped, which nobody had asked for"
			if got := run.wait(); got.Outcome != outcome.RunFailed || got.Reason != want {
				t.Errorf("outcome %s (%s), want failed (%s)", got.Outcome, got.Reason, want)
			}
		})
	}
}

// Heartbeats of before, which come late or twice, contradict nothing.
func TestHeartbeatThatComesLateIsNotBehind(t *testing.T) {
	t.Parallel()
	_, alpha, run := alone(t, nil)
	now := alpha.clock.Now()
	old := message.Event{Kind: message.Heartbeat, Run: alpha.job.Run, Host: "alpha", Time: now.Add(-time.Second), Heartbeat: &message.HeartbeatInfo{Last: 1}}
	for _, probe := range []*message.Probe{nil, {SentAt: now.Add(-hostSkew - time.Second), TakenAt: now, AnswerAt: now}} {
		old.Heartbeat.Probe = probe
		data, err := old.Encode()
		check(t, err)
		check(t, alpha.broker.Publish(t.Context(), alpha.job.ReplyTo, queue.Message{Body: data}))
	}
	alpha.exit(0, 0)
	alpha.done(message.HostDone)
	if got := run.wait(); got.Outcome != outcome.RunSucceeded {
		t.Errorf("outcome %s (%s), want succeeded", got.Outcome, got.Reason)
	}
}

// A worker that ends the run by itself and gives no reason leaves no empty one.
func TestWorkerThatGivesNoReasonIsSaidToGiveNone(t *testing.T) {
	t.Parallel()
	l := newLab(t, nil)
	alpha := l.worker("alpha")
	run := l.start(l.datapoint(proc("alpha", "a", 0)))
	release(alpha)
	l.seen("alpha", Started)
	alpha.ends(0)
	alpha.done(message.HostStopped)
	if got, want := run.wait().Reason, "alpha: its worker ended the run by itself, and gives no reason"; got != want {
		t.Errorf("reason %q, want %q", got, want)
	}
}
