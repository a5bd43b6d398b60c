package publisher

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"downbeat/internal/message"
	"downbeat/internal/outcome"
)

func TestRefusalByOneHostStopsTheOthers(t *testing.T) {
	t.Parallel()
	l := newLab(t, nil)
	alpha, bravo := l.worker("alpha"), l.worker("bravo")
	run := l.start(l.datapoint(proc("alpha", "a", 0), proc("bravo", "b", 0), proc("bravo", "b", 1)))
	alpha.take()
	alpha.ready()
	l.seen("alpha", Ready)
	bravo.take()
	bravo.event(message.Event{Kind: message.Refused, Refused: &message.RefusedInfo{
		Reason: "1 of 2 commands can't be run", Problems: []message.Problem{{Process: "b.1", Reason: "no such program"}},
	}})
	if stop := alpha.expect(message.Stop); stop.Cause != message.StopFailure {
		t.Errorf("stopped for %s, want failure", stop.Cause)
	}
	alpha.done(message.HostDone)

	got := run.wait()
	if want := "bravo refused: b.1: no such program"; got.Outcome != outcome.RunRefused || got.Reason != want {
		t.Errorf("outcome %s (%s), want refused (%s)", got.Outcome, got.Reason, want)
	}
	if h := hostOf(t, got, "alpha"); h.Outcome != outcome.HostStopped {
		t.Errorf("alpha %s, want stopped", h.Outcome)
	}
	if h := hostOf(t, got, "bravo"); h.Outcome != outcome.HostRefused {
		t.Errorf("bravo %s, want refused", h.Outcome)
	}
	reasons := map[string]string{"a.0": "", "b.0": "", "b.1": "no such program"}
	for _, p := range got.Processes {
		if p.Outcome != outcome.CommandNotStarted || p.Reason != reasons[p.Process] {
			t.Errorf("%s %s (%q), want not_started (%q)", p.Process, p.Outcome, p.Reason, reasons[p.Process])
		}
	}
}

func TestJobThatAWorkerWouldNotTakeIsRefused(t *testing.T) {
	t.Parallel()
	l := newLab(t, nil)
	alpha := l.worker("alpha")
	run := l.start(l.datapoint(proc("alpha", "a", 0)))
	job := alpha.take()
	alpha.send(job.ReplyTo, message.Event{Kind: message.Refused, Run: job.Run, Refused: &message.RefusedInfo{Reason: "not signed"}})
	if got, want := run.wait(), "alpha refused: not signed"; got.Outcome != outcome.RunRefused || got.Reason != want {
		t.Errorf("outcome %s (%s), want refused (%s)", got.Outcome, got.Reason, want)
	}
}

func TestHostThatFallsSilentIsLost(t *testing.T) {
	t.Parallel()
	l := newLab(t, func(c *Config) { c.Lease = 2 * time.Second })
	alpha, bravo := l.worker("alpha"), l.worker("bravo")
	run := l.start(l.datapoint(proc("alpha", "a", 0), proc("bravo", "b", 0)))
	release(alpha, bravo)
	bravo.mute()
	alpha.obey(0)
	got := run.wait()
	if want := "no word from bravo for 2s"; got.Outcome != outcome.RunLost || !strings.Contains(got.Reason, want) {
		t.Errorf("outcome %s (%s), want lost (%s...)", got.Outcome, got.Reason, want)
	}
	if h := hostOf(t, got, "bravo"); h.Outcome != outcome.HostLost {
		t.Errorf("bravo %s, want lost", h.Outcome)
	}
	if p := processOf(t, got, "bravo", "b.0"); p.Outcome != outcome.CommandLost || p.PID != 100 {
		t.Errorf("b.0 %s (pid %d), want lost, with its pid", p.Outcome, p.PID)
	}
	if p := processOf(t, got, "alpha", "a.0"); p.Outcome != outcome.CommandStopped {
		t.Errorf("a.0 %s, want stopped", p.Outcome)
	}
}

func TestWorkerThatDiedInMidRunIsLost(t *testing.T) {
	t.Parallel()
	_, alpha, run := alone(t, nil)
	alpha.event(message.Event{Kind: message.Done, Done: &message.DoneInfo{
		Outcome: message.HostLost, Reason: "the worker on alpha died", Swept: 2, Totals: alpha.totals,
	}})
	got := run.wait()
	if h := hostOf(t, got, "alpha"); got.Outcome != outcome.RunLost || h.Outcome != outcome.HostLost || h.Reason != "the worker on alpha died" || h.Swept != 2 {
		t.Errorf("outcome %s, alpha %+v, want lost with the worker's reason and 2 swept", got.Outcome, h)
	}
}

func TestWorkerToldToLeaveAbortsItsPart(t *testing.T) {
	t.Parallel()
	_, alpha, run := alone(t, nil)
	alpha.event(message.Event{Kind: message.Done, Done: &message.DoneInfo{
		Outcome: message.HostStopped, Reason: "shutting down", Totals: alpha.totals,
	}})
	got := run.wait()
	if h := hostOf(t, got, "alpha"); got.Outcome != outcome.RunLost || h.Outcome != outcome.HostAborted || !strings.Contains(got.Reason, "shutting down") {
		t.Errorf("outcome %s (%s), alpha %s, want lost with the worker's reason, and aborted", got.Outcome, got.Reason, h.Outcome)
	}
}

func TestLostEventIsAskedForAgain(t *testing.T) {
	t.Parallel()
	_, alpha, run := alone(t, func(c *Config) { c.Lease = 10 * time.Second })
	before := alpha.seq
	alpha.log(message.Event{Kind: message.Exited, Exited: &message.ExitedInfo{StartedAt: alpha.clock.Now(), EndedAt: alpha.clock.Now()}})
	alpha.done(message.HostDone)
	if got := within(t, alpha.resends, "nothing is asked for again"); got != before {
		t.Errorf("asked for everything after %d, want %d", got, before)
	}
	alpha.resend(before)
	got := run.wait()
	if p := processOf(t, got, "alpha", "a.0"); got.Outcome != outcome.RunSucceeded || p.Outcome != outcome.CommandSucceeded {
		t.Errorf("outcome %s, process %s, want both succeeded", got.Outcome, p.Outcome)
	}
}

func TestTotalsThatDoNotFitAreALoss(t *testing.T) {
	t.Parallel()
	_, alpha, run := alone(t, nil)
	alpha.output(0, message.Stdout, "one\n", 1)
	alpha.exit(0, 0)
	alpha.totals[0] = message.Total{StdoutBytes: 9, StdoutLines: 3}
	alpha.done(message.HostDone)
	got := run.wait()
	want := "output of a.0 is missing: 4 of 9 bytes and 1 of 3 lines on standard output, 0 of 0 bytes and 0 of 0 lines on standard error have come"
	if h := hostOf(t, got, "alpha"); got.Outcome != outcome.RunLost || h.Outcome != outcome.HostLost || h.Reason != want {
		t.Errorf("outcome %s, alpha %s (%s), want lost (%s)", got.Outcome, h.Outcome, h.Reason, want)
	}
}

func TestHostWithoutQueueIsNotReadyAtOnce(t *testing.T) {
	t.Parallel()
	l := newLab(t, nil)
	run := l.start(l.datapoint(proc("ghost", "a", 0)))
	got := run.wait()
	if want := "no worker has ever served host ghost in namespace test"; got.Outcome != outcome.RunRefused || !strings.Contains(got.Reason, want) {
		t.Errorf("outcome %s (%s), want refused (%s...)", got.Outcome, got.Reason, want)
	}
	if h := got.Hosts[0]; h.Outcome != outcome.HostNotReady {
		t.Errorf("ghost %s, want not_ready", h.Outcome)
	}
}

func TestHostThatIsNotReadyInTimeIsNamed(t *testing.T) {
	t.Parallel()
	l := newLab(t, func(c *Config) { c.ReadyTimeout = 300 * time.Millisecond })
	l.worker("alpha") // takes the job and says nothing
	run := l.start(l.datapoint(proc("alpha", "a", 0)))
	got := run.wait()
	want := "alpha was not ready within 300ms: its worker has the job and answers, and has not prepared the processes yet"
	if got.Outcome != outcome.RunRefused || got.Reason != want || got.Hosts[0].Outcome != outcome.HostNotReady {
		t.Errorf("outcome %s (%s), host %s, want refused (%s), not_ready", got.Outcome, got.Reason, got.Hosts[0].Outcome, want)
	}
}

func TestResultsThatCannotBeWrittenFailTheRun(t *testing.T) {
	t.Parallel()
	l, alpha, run := alone(t, nil)
	check(t, os.RemoveAll(filepath.Join(l.results.Dir(), "alpha")))
	alpha.output(0, message.Stdout, "one\n", 1)
	alpha.obey(0)
	got := run.wait()
	if want := "the results can't be written: "; got.Outcome != outcome.RunFailed || !strings.HasPrefix(got.Reason, want) {
		t.Errorf("outcome %s (%s), want failed (%s...)", got.Outcome, got.Reason, want)
	}
	if !errors.Is(run.err, os.ErrNotExist) {
		t.Errorf("error %v, want the one of writing", run.err)
	}
}

func TestFilesThatCannotBeMadeFailTheRun(t *testing.T) {
	t.Parallel()
	l := newLab(t, nil)
	alpha := l.worker("alpha")
	run := l.start(l.datapoint(proc("alpha", "a", 0)), func(s *Spec) { check(t, os.RemoveAll(s.Results.Dir())) })
	alpha.take()
	if got := alpha.expect(message.Stop); !strings.HasPrefix(got.Reason, "the results can't be written: create run in ") {
		t.Errorf("stopped because %q, want what could not be made", got.Reason)
	}
	if got := run.wait(); got.Outcome != outcome.RunFailed || !errors.Is(run.err, os.ErrNotExist) {
		t.Errorf("outcome %s, error %v, want failed, and that the directory isn't there", got.Outcome, run.err)
	}
}
