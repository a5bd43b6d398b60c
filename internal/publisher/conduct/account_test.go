package conduct

import (
	"strings"
	"testing"
	"time"

	"downbeat/internal/message"
	"downbeat/internal/outcome"
	"downbeat/internal/streams"
)

// A report of a host, of two processes, a.0 and a.1, is not whole, or one part of
// it contradicts another. The run did not succeed then, and it is said by which host
// and why.
func TestReportThatCannotBeTrueIsNotASuccess(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		report func(*worker) // after the processes were started
		want   string
	}{
		"done, and nothing else": {func(s *worker) { s.done(message.HostDone) }, "there is no end of a.0"},
		"one process has no end": {func(s *worker) { s.ends(0); s.done(message.HostDone) }, "there is no end of a.1"},
		"lost without a reason":  {func(s *worker) { s.ends(0, 1); s.done(message.HostLost) }, "lost the run, and gives no reason"},
		"totals absent":          {func(s *worker) { s.ends(0, 1); s.says(func(d *message.DoneInfo) { d.Totals = nil }) }, "totals for 0 commands, but has 2"},
		"totals empty":           {func(s *worker) { s.ends(0, 1); s.says(func(d *message.DoneInfo) { d.Totals = []streams.Total{} }) }, "totals for 0 commands"},
		"totals too few":         {func(s *worker) { s.ends(0, 1); s.says(func(d *message.DoneInfo) { d.Totals = d.Totals[:1] }) }, "totals for 1 commands"},
		"totals too many": {func(s *worker) {
			s.ends(0, 1)
			s.says(func(d *message.DoneInfo) { d.Totals = make([]streams.Total, 3) })
		}, "totals for 3 commands"},
		"totals less than what came": {func(s *worker) {
			s.output(0, streams.Stdout, "x\n")
			s.ends(0, 1)
			s.totals[0] = streams.Total{}
			s.done(message.HostDone)
		}, "output of a.0 is missing"},
		"outcome unknown":               {func(s *worker) { s.ends(0, 1); s.done("splendid") }, `its outcome is said to be "splendid"`},
		"outcome empty":                 {func(s *worker) { s.ends(0, 1); s.done("") }, `its outcome is said to be ""`},
		"outcome of a run":              {func(s *worker) { s.ends(0, 1); s.done("succeeded") }, `its outcome is said to be "succeeded"`},
		"swept less than none":          {func(s *worker) { s.ends(0, 1); s.says(func(d *message.DoneInfo) { d.Swept = -1 }) }, "-1 processes are said to have been swept"},
		"command 99 exited":             {func(s *worker) { s.exit(99, 0) }, "command 99 is said to have exited, but it has 2"},
		"process -1 exited":             {func(s *worker) { s.exit(-1, 0) }, "command -1 is said to have exited"},
		"process after the last exited": {func(s *worker) { s.exit(2, 0) }, "command 2 is said to have exited"},
		"exited twice":                  {func(s *worker) { s.ends(0, 0) }, "a.0 is said to have exited twice"},
		"started twice":                 {func(s *worker) { s.started(s.clock()) }, "a.0 is said to have started twice"},
		"started again after its end":   {func(s *worker) { s.ends(0); s.started(s.clock()) }, "a.0 is said to have started twice"},
		"process 7 started": {func(s *worker) {
			s.event(message.Event{Kind: message.Started, Started: []message.StartedInfo{{Command: 7, StartedAt: s.clock()}}})
		}, "command 7 is said to have started"},
		"started, and could not be": {func(s *worker) { s.end(func(e *message.ExitedInfo) { e.Reason = "no such program" }) }, "a.0 is said to have started, and then that it could not be"},
		"neither status nor signal": {func(s *worker) { s.end(func(e *message.ExitedInfo) { e.ExitCode = -1 }) }, "exit_code -1 without a signal of a.0"},
		"status and signal":         {func(s *worker) { s.end(func(e *message.ExitedInfo) { e.ExitCode, e.Signal = 3, "SIGTERM" }) }, `exit_code 3 with signal "SIGTERM"`},
		"status that none can have": {func(s *worker) { s.end(func(e *message.ExitedInfo) { e.ExitCode = -7 }) }, "exit_code -7"},
		"status that is too large":  {func(s *worker) { s.end(func(e *message.ExitedInfo) { e.ExitCode = 1 << 20 }) }, "exit_code 1048576"},
		"negative CPU time":         {func(s *worker) { s.end(func(e *message.ExitedInfo) { e.UserUS = -1 }) }, "a negative amount (-1) of a.0"},
		"negative memory":           {func(s *worker) { s.end(func(e *message.ExitedInfo) { e.MaxRSSBytes = -9 }) }, "a negative amount (-9) of a.0"},
		"ended without a time":      {func(s *worker) { s.end(func(e *message.ExitedInfo) { e.EndedAt = time.Time{} }) }, "is said to have ended"},
		"ended before its start": {func(s *worker) {
			s.end(func(e *message.ExitedInfo) { e.EndedAt = e.StartedAt.Add(-9 * time.Second) })
		}, "a.0 is said to have ended 9s before it started"},
		"ended in a hundred years": {func(s *worker) { s.end(func(e *message.ExitedInfo) { e.EndedAt = e.EndedAt.AddDate(100, 0, 0) }) }, "the end of a.0 is said to have been at 2"},
		"started in 1970":          {func(s *worker) { s.end(func(e *message.ExitedInfo) { e.StartedAt = time.Unix(9, 0) }) }, "the start of a.0 is said to have been at 1970-01-01"},
		"stopped by itself, and done": {func(s *worker) {
			s.stops()
			s.end(func(e *message.ExitedInfo) { e.Stopped = true })
			s.ends(1)
			s.done(message.HostDone)
		}, "it is said to have stopped its processes (lease), which nobody had asked for"},
		"stop in 1970": {func(s *worker) {
			s.event(message.Event{Kind: message.Stopping, Time: time.Unix(9, 0), Stopping: &message.StoppingInfo{Cause: message.StopRule}})
		}, "the stop is said to have been at 1970-01-01"},
		"output of process 9": {func(s *worker) {
			s.sends(s.logs(segments(message.Segment{Command: 9, At: s.clock(), Data: []byte("x")}), 100))
		}, "output of command 9 comes, but it has 2"},
		"output that goes on elsewhere": {func(s *worker) {
			s.sends(s.logs(segments(message.Segment{Offset: 7, At: s.clock(), Data: []byte("x")}), 100))
		}, "standard output of a.0 goes on after 7 bytes, and 0 have come"},
		"ready again": {func(s *worker) { s.ready() }, `"ready" comes after the host has said that it keeps its processes`},
		"waiting":     {func(s *worker) { s.waiting(message.NewRun(message.NewPublisher())) }, `"waiting" comes after`},
		"setting up":  {func(s *worker) { s.settingUp() }, `"setting_up" comes after`},
		"refused": {func(s *worker) {
			s.event(message.Event{Kind: message.Refused, Refused: &message.RefusedInfo{Reason: "no"}})
		}, `"refused" comes after processes were started`},
		"committed": {func(s *worker) { s.committed() }, `"committed" comes after processes were started`},
		"refused outside of its log": {func(s *worker) {
			s.unlogged(message.Event{Kind: message.Refused, Refused: &message.RefusedInfo{Reason: "no"}})
		}, "it is said not to have taken the job, of which it has reported: no"},
		"done outside of its log": {func(s *worker) {
			s.ends(0, 1)
			s.unlogged(message.Event{Kind: message.Done, Done: &message.DoneInfo{Outcome: message.HostDone}})
		}, "it is said to be over outside of its log"},
		"stopped outside of its log": {func(s *worker) {
			s.ends(0, 1)
			s.unlogged(message.Event{Kind: message.Done, Done: &message.DoneInfo{Outcome: message.HostStopped, Totals: s.totals}})
		}, "it is said to be over outside of its log"},
		"no process left, and two are":         {func(s *worker) { s.event(message.Event{Kind: message.Ended}) }, "no process is said to be left, and there is no end of a.0"},
		"timed out, without a time of its own": {func(s *worker) { s.end(func(e *message.ExitedInfo) { e.Stopped, e.TimedOut = true, true }) }, "the time of a.0 is said to have been over, and it has none of its own"},
		"an event twice, and not alike":        {func(s *worker) { s.ends(0); s.renumber(s.seq - 1); s.exit(0, 3) }, "has come twice, and not alike"},
		"numbers that begin anew":              {func(s *worker) { s.renumber(0); s.ready() }, "event 1 has come twice, and not alike"},
		"heartbeat behind what came":           {func(s *worker) { s.claim = func(uint64) uint64 { return 1 }; s.l.advance(time.Second) }, "its log is said to end with event 1"},
		"heartbeat of nothing":                 {func(s *worker) { s.claim = func(uint64) uint64 { return 0 }; s.l.advance(time.Second) }, "its log is said to end with event 0"},
		"heartbeat behind, without probe": {func(s *worker) {
			s.unlogged(message.Event{Kind: message.Heartbeat, Heartbeat: &message.HeartbeatInfo{Last: 1, Ack: 3}})
		}, "its log is said to end with event 1, and event 3 has come"},
		"done, and more is logged": {func(s *worker) {
			s.ends(0, 1)
			s.claim = func(last uint64) uint64 { return last + 2 }
			s.l.advance(2 * time.Second)
			s.done(message.HostDone)
		}, "event 6 is said to be its last, and it has logged event 7"},
		"an event after the last": {func(s *worker) { s.ends(0, 1); s.done(message.HostDone); s.ends(1) }, "event 6 was to be its last, and it has logged event 7"},
		"a heartbeat after the last event": {func(s *worker) {
			s.ends(0, 1)
			s.done(message.HostDone)
			s.unlogged(message.Event{Kind: message.Heartbeat, Heartbeat: &message.HeartbeatInfo{Last: 9}})
		}, "event 6 was to be its last, and it has logged event 9"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newHarness(t)
			alpha, bravo := l.worker("alpha", proc("a", 0), proc("a", 1)), l.worker("bravo", proc("b", 0))
			l.start()
			release(alpha, bravo)
			test.report(alpha)
			bravo.obey(0)
			l.lostBy(alpha, test.want)
		})
	}
}

// The same before anything was released.
func TestReportThatCannotBeTrueBeforeTheReleaseIsNotASuccess(t *testing.T) {
	t.Parallel()
	setup := []message.Command{step(message.PhaseSetup, 0), step(message.PhaseTeardown, 0)}
	for name, test := range map[string]struct {
		beside []message.Command
		report func(*worker)
		want   string
	}{
		"done at once":               {nil, func(s *worker) { s.done(message.HostDone) }, "it is said to be done before it was told to start"},
		"done right after ready":     {nil, func(s *worker) { s.ready(); s.done(message.HostDone) }, "it is said to be done before it was told to start"},
		"exited before it started":   {nil, func(s *worker) { s.ready(); s.exit(0, 0) }, "a.0 is said to have exited, and not to have started"},
		"started before it was told": {nil, func(s *worker) { s.ready(); s.started(s.clock()) }, "processes are said to have started before it was told to"},
		"not started before told":    {nil, func(s *worker) { s.ready(); s.end(func(e *message.ExitedInfo) { e.Reason = "no" }) }, "before it was told to start it"},
		"a step before the setup":    {setup, func(s *worker) { s.step(1, 0) }, "setup.0 is said to have started before it can have begun"},
		"a teardown before its time": {setup, func(s *worker) { s.settingUp(); s.step(2, 0) }, "teardown.0 is said to have started before it can have begun"},
		"ready without setup":        {setup, func(s *worker) { s.ready() }, "setup.0 is not said to have succeeded"},
		"ready after a setup failed": {setup, func(s *worker) { s.settingUp(); s.step(1, 3); s.ready() }, "setup.0 is not said to have succeeded"},
		"a step twice": {setup, func(s *worker) {
			s.settingUp()
			s.step(1, 0)
			s.step(1, 0)
		}, "setup.0 is said to have started twice"},
		"a setup ends twice": {setup, func(s *worker) {
			s.settingUp()
			s.step(1, 0)
			s.exit(1, 0)
		}, "setup.0 is said to have exited twice"},
		"a setup ends before it":            {setup, func(s *worker) { s.exit(1, 0) }, "setup.0 is said to have exited before it can have begun"},
		"refused without totals":            {setup, func(s *worker) { s.settingUp(); s.totals = nil; s.refusing("no") }, "totals for 0 commands, but has 3"},
		"a setup exited that had not begun": {setup, func(s *worker) { s.settingUp(); s.exit(1, 0) }, "setup.0 is said to have exited, and not to have started"},
		"ready after a setup was stopped": {setup, func(s *worker) {
			s.settingUp()
			s.exited(message.ExitedInfo{Command: 1, ExitCode: -1, Stopped: true})
			s.ready()
		}, "setup.0 is not said to have succeeded"},
		"ready after a setup that could not be run": {setup, func(s *worker) {
			s.settingUp()
			s.exited(message.ExitedInfo{Command: 1, Reason: "no such program"})
			s.ready()
		}, "setup.0 is not said to have succeeded"},
		"ready after a setup that took too long": {setup, func(s *worker) {
			s.settingUp()
			at := s.clock()
			s.event(message.Event{Kind: message.Started, Started: []message.StartedInfo{{Command: 1, PID: 7, StartedAt: at}}})
			s.exited(message.ExitedInfo{Command: 1, Stopped: true, TimedOut: true, StartedAt: at, EndedAt: at})
			s.ready()
		}, "setup.0 is not said to have succeeded"},
		"refused, having been ready": {nil, func(s *worker) {
			s.ready()
			s.unlogged(message.Event{Kind: message.Refused, Refused: &message.RefusedInfo{Reason: "no"}})
		}, "it is said not to have taken the job"},
		"totals of a refusal too many": {setup, func(s *worker) { s.settingUp(); s.totals = make([]streams.Total, 9); s.refusing("no") }, "totals for 9 commands"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newHarness(t)
			alpha := l.worker("alpha", append([]message.Command{proc("a", 0)}, test.beside...)...)
			l.start()
			l.advance(10 * oneWay) // so that its clock is known
			test.report(alpha)
			l.lostBy(alpha, test.want)
		})
	}
}

// A host that was asked for more than processes has to account for that too.
func TestEverythingThatWasAskedForIsAccountedFor(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		beside  []message.Command
		collect []string
		report  func(*worker)
		want    string
	}{
		"no teardown": {
			[]message.Command{step(message.PhaseTeardown, 0)},
			nil,
			func(s *worker) { s.ends(0); s.done(message.HostDone) }, "there is no end of teardown.0",
		},
		"half a teardown": {
			[]message.Command{step(message.PhaseTeardown, 0), step(message.PhaseTeardown, 1)},
			nil,
			func(s *worker) {
				s.ends(0)
				s.tearingDown()
				s.step(1, 0)
				s.done(message.HostDone)
			}, "there is no end of teardown.1",
		},
		"no files": {
			nil,
			[]string{"*"},
			func(s *worker) { s.ends(0); s.event(message.Event{Kind: message.Ended}); s.done(message.HostDone) },
			"nothing is said of the files that it was to collect",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newHarness(t)
			alpha := l.worker("alpha", append([]message.Command{proc("a", 0)}, test.beside...)...)
			alpha.job.Collect = test.collect
			l.start()
			release(alpha)
			test.report(alpha)
			l.lostBy(alpha, test.want)
		})
	}
}

// Not every process is said to have started, and then the file's rule stops the run.
func TestProcessWithoutAStartIsNotASuccess(t *testing.T) {
	t.Parallel()
	l := newHarness(t)
	l.spec.Stop.When = []string{"client"}
	alpha := l.worker("alpha", proc("client", 0), proc("server", 0))
	l.start()
	hold(alpha)
	at := alpha.expect(message.Start).At
	alpha.event(message.Event{Kind: message.Started, Started: []message.StartedInfo{{PID: 7, StartedAt: at}}})
	alpha.exit(0, 0)
	alpha.obey()
	l.lostBy(alpha, "there is no start of server.0")
}

// A process whose delay was not over when the run was stopped needs no start.
func TestProcessThatWasNotDueNeedsNoStart(t *testing.T) {
	t.Parallel()
	l := newHarness(t)
	l.spec.Stop.When = []string{"client"}
	late := proc("server", 0)
	late.DelayMS = time.Hour.Milliseconds()
	alpha := l.worker("alpha", proc("client", 0), late)
	l.start()
	hold(alpha)
	at := alpha.expect(message.Start).At
	alpha.event(message.Event{Kind: message.Started, Started: []message.StartedInfo{{PID: 7, StartedAt: at}}})
	alpha.exit(0, 0)
	alpha.obey()
	l.wants(l.end(), outcome.RunSucceeded, "")
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
			l, alpha := alone(t)
			alpha.end(func(info *message.ExitedInfo) {
				e.StartedAt, e.EndedAt = info.StartedAt, info.EndedAt
				*info = e
			})
			alpha.obey()
			want := "a.0 on alpha is said to have been stopped, which nobody had asked for"
			if res := l.end(); res.Outcome != outcome.RunFailed || res.Reason != want {
				t.Errorf("outcome %s (%s), want failed (%s)", res.Outcome, res.Reason, want)
			}
		})
	}
}

// lostBy makes sure that the run is lost by the host, for that reason.
func (l *harness) lostBy(w *worker, want string) {
	l.t.Helper()
	res := l.end()
	l.wants(res, outcome.RunLost, want)
	if h := l.hostOf(res, w.host); h.Outcome != outcome.HostLost || !strings.Contains(h.Reason, want) || !strings.Contains(res.Reason, w.host) {
		l.t.Errorf("%s %s (%s), want lost (%s)", w.host, h.Outcome, h.Reason, want)
	}
}

// renumber has the next event follow that number, with other bytes.
func (w *worker) renumber(last uint64) { w.seq = last }

// An event in a phase in which it can't come contradicts those before it.
func TestEventThatCannotComeInThatPhaseIsAContradiction(t *testing.T) {
	t.Parallel()
	l := newHarness(t)
	alpha := l.worker("alpha", proc("a", 0))
	l.start()
	alpha.committed()
	l.lostBy(alpha, `"committed" comes from a host that is asked`)
}

// Heartbeats of before, which come late or twice, contradict nothing.
func TestHeartbeatThatComesLateIsNotBehind(t *testing.T) {
	t.Parallel()
	l, alpha := alone(t)
	at := alpha.clock()
	for _, probe := range []*message.Probe{nil, {SentAt: l.now.Add(-time.Second), TakenAt: at, AnswerAt: at}} {
		alpha.unlogged(message.Event{Kind: message.Heartbeat, Time: at.Add(-time.Second), Heartbeat: &message.HeartbeatInfo{Last: 1, Ack: 1, Probe: probe}})
	}
	alpha.exit(0, 0)
	alpha.done(message.HostDone)
	l.wants(l.end(), outcome.RunSucceeded, "")
}
