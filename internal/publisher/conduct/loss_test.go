package conduct

import (
	"strings"
	"testing"
	"time"

	"downbeat/internal/message"
	"downbeat/internal/outcome"
	"downbeat/internal/streams"
)

func TestRefusalByOneHostStopsTheOthers(t *testing.T) {
	t.Parallel()
	l := newHarness(t)
	alpha, bravo := l.worker("alpha", proc("a", 0)), l.worker("bravo", proc("b", 0), proc("b", 1))
	l.start()
	alpha.ready()
	bravo.refusing("1 of 2 commands can't be run", message.Problem{Process: "b.1", Reason: "no such program"})
	if stop := alpha.expect(message.Stop); stop.Cause != message.StopFailure {
		t.Errorf("stopped for %s, want failure", stop.Cause)
	}
	alpha.done(message.HostDone)
	res := l.end()
	if want := "bravo refused: b.1: no such program"; res.Outcome != outcome.RunRefused || res.Reason != want {
		t.Errorf("outcome %s (%s), want refused (%s)", res.Outcome, res.Reason, want)
	}
	if a, b := l.hostOf(res, "alpha").Outcome, l.hostOf(res, "bravo").Outcome; a != outcome.HostStopped || b != outcome.HostRefused {
		t.Errorf("alpha %s, bravo %s, want stopped and refused", a, b)
	}
	reasons := map[string]string{"a.0": "", "b.0": "", "b.1": "no such program"}
	for _, p := range res.Processes {
		if p.Outcome != outcome.CommandNotStarted || p.Reason != reasons[p.Name] {
			t.Errorf("%s %s (%q), want not_started (%q)", p.Name, p.Outcome, p.Reason, reasons[p.Name])
		}
	}
}

func TestJobThatAWorkerWouldNotTakeIsRefused(t *testing.T) {
	t.Parallel()
	for reason, want := range map[string]string{"not signed": "alpha refused: not signed", "": "alpha refused: its worker gives no reason"} {
		l := newHarness(t)
		alpha := l.worker("alpha", proc("a", 0))
		l.start()
		alpha.unlogged(message.Event{Kind: message.Refused, Refused: &message.RefusedInfo{Reason: reason}})
		l.wants(l.end(), outcome.RunRefused, want)
	}
}

// Several mistakes on one host are told with the first.
func TestRefusalWithSeveralProblemsNamesTheFirst(t *testing.T) {
	t.Parallel()
	l := newHarness(t)
	alpha := l.worker("alpha", proc("a", 0), proc("a", 1))
	l.start()
	alpha.refusing("2 of 2 commands can't be run", message.Problem{Process: "a.0", Reason: "no"}, message.Problem{Process: "a.1", Reason: "neither"})
	l.wants(l.end(), outcome.RunRefused, "alpha refused: 2 of 2 commands can't be run, the first: a.0: no")
}

func TestHostThatFallsSilentIsLost(t *testing.T) {
	t.Parallel()
	l, alpha, bravo := pair(t, lease(2*time.Second))
	release(alpha, bravo)
	bravo.muted = true
	l.advance(oneWay) // what is on its way
	heard := l.run.hosts[1].contact.heard
	alpha.obey(0)
	if took := l.now.Sub(heard); took > 2*time.Second+10*time.Millisecond {
		t.Errorf("it took %s since it was last heard, want the lease", took)
	}
	bravo.expect(message.Stop) // it may hear us though we don't hear it
	res := l.end()
	l.wants(res, outcome.RunLost, "no word from bravo for 2s: the host, its worker or its network is gone")
	if h := l.hostOf(res, "bravo"); h.Outcome != outcome.HostLost {
		t.Errorf("bravo %s, want lost", h.Outcome)
	}
	if a, b := res.Processes[0], res.Processes[1]; a.Outcome != outcome.CommandStopped || b.Outcome != outcome.CommandLost || b.PID != 100 {
		t.Errorf("a.0 %s, b.0 %s (pid %d), want stopped, and lost with its pid", a.Outcome, b.Outcome, b.PID)
	}
}

func TestWorkerThatDiedInMidRunIsLost(t *testing.T) {
	t.Parallel()
	l, alpha := alone(t)
	alpha.says(func(d *message.DoneInfo) {
		d.Outcome, d.Reason, d.Swept = message.HostLost, "the worker on alpha died", 2
	})
	res := l.end()
	if h := res.Hosts[0]; res.Outcome != outcome.RunLost || h.Outcome != outcome.HostLost || h.Reason != "the worker on alpha died" || h.Swept != 2 {
		t.Errorf("outcome %s, alpha %+v, want lost with the worker's reason and 2 swept", res.Outcome, h)
	}
}

func TestWorkerToldToLeaveAbortsItsPart(t *testing.T) {
	t.Parallel()
	l, alpha := alone(t)
	alpha.says(func(d *message.DoneInfo) { d.Outcome, d.Reason = message.HostStopped, "shutting down" })
	res := l.end()
	l.wants(res, outcome.RunLost, "shutting down")
	if h := res.Hosts[0]; h.Outcome != outcome.HostAborted {
		t.Errorf("alpha %s, want aborted", h.Outcome)
	}
}

// A worker that ends the run by itself and gives no reason leaves no empty one.
func TestWorkerThatGivesNoReasonIsSaidToGiveNone(t *testing.T) {
	t.Parallel()
	l, alpha := alone(t)
	alpha.ends(0)
	alpha.done(message.HostStopped)
	l.wants(l.end(), outcome.RunLost, "alpha: its worker ended the run by itself, and gives no reason")
}

func TestTotalsThatDoNotFitAreALoss(t *testing.T) {
	t.Parallel()
	l, alpha := alone(t)
	alpha.output(0, streams.Stdout, "one\n")
	alpha.exit(0, 0)
	alpha.totals[0] = streams.Total{StdoutBytes: 9, StdoutLines: 3}
	alpha.done(message.HostDone)
	res := l.end()
	want := "output of a.0 is missing: 4 of 9 bytes and 1 of 3 lines on standard output, 0 of 0 bytes and 0 of 0 lines on standard error have come"
	l.wants(res, outcome.RunLost, "alpha: "+want)
	if h := res.Hosts[0]; h.Outcome != outcome.HostLost || h.Reason != want {
		t.Errorf("alpha %s (%s), want lost (%s)", h.Outcome, h.Reason, want)
	}
}

func TestHostThatCannotBeSentItsJobIsNotReadyAtOnce(t *testing.T) {
	t.Parallel()
	l := newHarness(t)
	l.worker("ghost", proc("a", 0))
	l.start()
	l.input(Unsendable{Reason: "no worker has ever served host ghost"})
	res := l.end()
	l.wants(res, outcome.RunRefused, "no worker has ever served host ghost")
	if h := res.Hosts[0]; h.Outcome != outcome.HostNotReady || !l.now.Equal(epoch) {
		t.Errorf("ghost %s after %s, want not_ready at once", h.Outcome, l.now.Sub(epoch))
	}
}

// A job that is sent again, to a host that has it, is not what a run fails for.
func TestJobThatCannotBeSentAgainIsForTheLog(t *testing.T) {
	t.Parallel()
	l, alpha := alone(t)
	l.input(Unsendable{Reason: "the broker has no such queue"})
	alpha.exit(0, 0)
	alpha.done(message.HostDone)
	l.wants(l.end(), outcome.RunSucceeded, "")
	if len(l.warned) != 1 || l.warned[0] != NotTold {
		t.Errorf("warnings %v", l.warned)
	}
}

func TestResultsThatCannotBeWrittenFailTheRun(t *testing.T) {
	t.Parallel()
	l, alpha := alone(t)
	l.input(NotStored{Why: "no space left on device"})
	alpha.obey(0)
	l.wants(l.end(), outcome.RunFailed, "the results can't be written: no space left on device")
}

// It is known last, when the run is over, that they can't.
func TestResultsThatCannotBeWrittenInTheEndFailTheRunToo(t *testing.T) {
	t.Parallel()
	l, alpha := alone(t)
	alpha.exit(0, 0)
	alpha.done(message.HostDone)
	l.end()
	l.input(NotStored{Why: "no space left on device"})
	l.wants(l.run.Result(), outcome.RunFailed, "the results can't be written: no space left on device")
}

// All hosts that can't take part are named, with their reasons; those that have said why
// come first.
func TestEveryRefusalIsNamed(t *testing.T) {
	t.Parallel()
	l := newHarness(t)
	ghost, alpha, bravo := l.worker("ghost", proc("g", 0)), l.worker("alpha", proc("a", 0)), l.worker("bravo", proc("b", 0))
	l.start()
	l.input(Unsendable{Host: ghost.index, Reason: "no worker has ever served host ghost"})
	l.advance(time.Second)
	alpha.refusing("no disk on alpha")
	bravo.refusing("no disk on bravo")
	l.wants(l.end(), outcome.RunRefused, "alpha, bravo and ghost can't take part; alpha refused: no disk on alpha; bravo refused: no disk on bravo; no worker has ever served host ghost")
}

// The others have two seconds to answer, and more than three reasons are counted.
func TestManyRefusalsAreCounted(t *testing.T) {
	t.Parallel()
	l := newHarness(t)
	for _, host := range []string{"a", "b", "c", "d"} {
		l.worker(host, proc("p", 0))
	}
	silent := l.worker("e", proc("p", 0))
	l.start()
	for _, w := range l.hosts[:4] {
		w.refusing("no")
	}
	res := l.end()
	l.wants(res, outcome.RunRefused, "a, b, c and d can't take part; a refused: no; b refused: no; c refused: no; and 1 more")
	if took := l.now.Sub(epoch); took != 2*time.Second || silent.jobs != 1 {
		t.Errorf("it took %s, want the 2 s that the fifth has to answer", took)
	}
}

// A run of which nothing is known has not succeeded, though nothing speaks against it.
func TestRunThatWasNeverReleasedHasNotSucceeded(t *testing.T) {
	t.Parallel()
	if word, reason := proved(new(Run)); word != outcome.RunFailed || reason != "its processes were never released" {
		t.Errorf("got %s, %q", word, reason)
	}
}

// A host that doesn't come to its end after a stop is given up, with the time that its
// teardown may take.
func TestHostThatDoesNotCompleteIsLost(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		commands []message.Command
		want     time.Duration
	}{
		"as it is":        {[]message.Command{proc("a", 0)}, time.Minute},
		"with a teardown": {[]message.Command{proc("a", 0), step(message.PhaseTeardown, 0)}, time.Minute + 23*time.Second},
	} {
		l := newHarness(t)
		alpha := l.worker("alpha", test.commands...)
		l.start()
		release(alpha)
		l.input(Interrupted{Reason: "interrupted"})
		stopped := l.run.ending.at
		l.advance(30 * time.Second)
		l.wants(l.end(), outcome.RunAborted, "interrupted")
		if took := l.now.Sub(stopped); took != 7*time.Second+test.want {
			t.Errorf("%s: given up after %s, want the grace and %s", name, took, test.want)
		}
		if got, want := l.details["alpha"], "alpha did not complete within "+test.want.String()+" after it was told to stop"; got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

// A host that has nothing left to run comes to its end, or is given up: also where nobody
// has stopped the run, and the host answers.
func TestHostThatDoesNotComeToItsEndIsLost(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		come    func(alpha, bravo *worker)
		running []int // on bravo
		want    string
	}{
		"after its last process": {func(alpha, bravo *worker) {
			release(alpha, bravo)
			alpha.exit(0, 0)
		}, []int{0}, "nothing has come of the end of alpha for 1m23s"},
		"in its teardown": {func(alpha, bravo *worker) {
			release(alpha, bravo)
			alpha.exit(0, 0)
			alpha.tearingDown()
		}, []int{0}, "nothing has come of the teardown of alpha for 1m23s"},
		"in a teardown before the release": {func(alpha, bravo *worker) {
			offer(alpha, bravo)
			alpha.tearingDown()
		}, nil, "nothing has come of the teardown of alpha for 1m23s"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newHarness(t)
			alpha, bravo := l.worker("alpha", proc("a", 0), step(message.PhaseTeardown, 0)), l.worker("bravo", proc("b", 0))
			l.start()
			test.come(alpha, bravo)
			at := l.now
			for l.run.Stage() != Stopping && l.now.Sub(at) < 10*time.Minute {
				l.advance(time.Second)
			}
			if took := l.now.Sub(at); took != 83*time.Second {
				t.Errorf("it is given up after %s, want 1m23s", took)
			}
			bravo.controls = nil // what it was asked before
			bravo.obey(test.running...)
			l.wants(l.end(), outcome.RunLost, test.want)
		})
	}
}

// As long as something of it comes, it is waited for.
func TestHostThatGoesOnReportingAfterAStopIsWaitedFor(t *testing.T) {
	t.Parallel()
	l, alpha := alone(t)
	l.input(Interrupted{Reason: "interrupted"})
	for range 5 {
		l.advance(50 * time.Second)
		alpha.output(0, streams.Stdout, "bye\n")
	}
	alpha.obey(0)
	res := l.end()
	if h := res.Hosts[0]; h.Outcome != outcome.HostAborted {
		t.Errorf("alpha %s (%s), want aborted", h.Outcome, h.Reason)
	}
}

// Hosts that are lost after the first are named too, and why the run was being stopped.
func TestEveryLostHostIsNamed(t *testing.T) {
	t.Parallel()
	l, alpha, bravo := pair(t, func(s *Spec) { s.Timeout, s.Lease = 10*time.Second, 20*time.Second })
	release(alpha, bravo)
	l.advance(8 * time.Second)
	alpha.muted, bravo.muted = true, true
	res := l.end()
	l.wants(res, outcome.RunLost, "no word from alpha for 20s: the host, its worker or its network is gone; lost too: bravo; the run was being stopped: it was not over within 10s")
	for _, h := range res.Hosts {
		if h.Outcome != outcome.HostLost || !strings.HasPrefix(h.Reason, "no word from") {
			t.Errorf("host: %+v", h)
		}
	}
}
