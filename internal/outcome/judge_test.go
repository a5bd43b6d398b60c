package outcome_test

import (
	"testing"
	"time"

	"downbeat/internal/outcome"
)

// Each way in which a command can end has its word and its reason.
func TestJudge(t *testing.T) {
	t.Parallel()
	began := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	exit := func(change func(*outcome.Exit)) outcome.Exit {
		e := outcome.Exit{StartedAt: began, EndedAt: began.Add(3*time.Millisecond + 400*time.Microsecond)}
		change(&e)
		return e
	}
	status := func(code int) outcome.Exit { return exit(func(e *outcome.Exit) { e.Code = code }) }
	signalled := func(name string) outcome.Exit {
		return exit(func(e *outcome.Exit) { e.Code, e.Signal = -1, name })
	}
	stopped := exit(func(e *outcome.Exit) { e.Code, e.Signal, e.Stopped = -1, "SIGTERM", true })
	killed := exit(func(e *outcome.Exit) { e.Code, e.Signal, e.Stopped, e.Killed = -1, "SIGKILL", true, true })
	heeded := exit(func(e *outcome.Exit) { e.Stopped = true }) // TERM, and left with status 0
	unbegun := outcome.Exit{Code: -1, Reason: "no such program"}
	left := exit(func(e *outcome.Exit) { e.Code, e.Reason, e.Left = -1, "it does not react to KILL", true })

	// The other circumstances: the stop in which a process ended, and a command of a setup
	// or teardown.
	process := func(stop outcome.Stop, after bool) outcome.Circumstances {
		return outcome.Circumstances{OKExit: []int{0}, Grace: 10 * time.Second, Stop: stop, StopReason: "of something", AfterStop: after}
	}
	none := process(outcome.NoStop, false)
	setup := outcome.Circumstances{OKExit: []int{0, 3}, Grace: 10 * time.Second, Timeout: 30 * time.Second, Stop: outcome.StopHost}
	ok := func(codes ...int) outcome.Circumstances { return outcome.Circumstances{OKExit: codes} }

	for name, test := range map[string]struct {
		exit   outcome.Exit
		in     outcome.Circumstances
		word   outcome.Command
		reason string
	}{
		"status 0":                   {status(0), none, outcome.CommandSucceeded, ""},
		"status 1":                   {status(1), none, outcome.CommandFailed, "exited with status 1 after 3ms"},
		"status that is ok":          {status(3), ok(0, 3), outcome.CommandSucceeded, ""},
		"status 0 that is not ok":    {status(0), ok(3), outcome.CommandFailed, "exited with status 0 after 3ms"},
		"nothing is ok":              {status(0), ok(), outcome.CommandFailed, "exited with status 0 after 3ms"},
		"signal":                     {signalled("SIGKILL"), none, outcome.CommandFailed, "was ended by SIGKILL after 3ms"},
		"signal that is ok":          {signalled("SIGTERM"), ok(143), outcome.CommandSucceeded, ""},
		"signal that is not known":   {signalled("SIGRT3"), none, outcome.CommandFailed, "was ended by SIGRT3 after 3ms"},
		"status that looks like one": {status(143), ok(143), outcome.CommandSucceeded, ""},

		"could not be started":          {unbegun, none, outcome.CommandFailed, "could not be started: no such program"},
		"could not be started, stopped": {unbegun, process(outcome.StopRule, true), outcome.CommandFailed, "could not be started: no such program"},
		"could not be ended":            {left, none, outcome.CommandFailed, "could not be ended: it does not react to KILL"},
		"could not be ended in a stop":  {left, process(outcome.StopRule, true), outcome.CommandFailed, "could not be ended: it does not react to KILL"},
		"never began":                   {outcome.Exit{}, none, outcome.CommandFailed, "is said to have ended, and never to have begun"},

		"stopped by nobody":     {stopped, none, outcome.CommandFailed, "is said to have been stopped, which nobody had asked for"},
		"killed by nobody":      {killed, none, outcome.CommandFailed, "is said to have been stopped, which nobody had asked for"},
		"left for nobody":       {heeded, none, outcome.CommandFailed, "is said to have been stopped, which nobody had asked for"},
		"stopped by its worker": {stopped, process(outcome.StopWorker, false), outcome.CommandStopped, "its worker stopped the run by itself: of something"},
		"killed by its worker":  {killed, process(outcome.StopWorker, false), outcome.CommandStopped, "its worker stopped the run by itself: of something"},

		"stopped by the rule":           {stopped, process(outcome.StopRule, true), outcome.CommandStopped, ""},
		"status 0 on TERM":              {heeded, process(outcome.StopRule, true), outcome.CommandStopped, ""},
		"killed in the rule's stop":     {killed, process(outcome.StopRule, true), outcome.CommandKilled, "ignored TERM for 10s and was killed"},
		"stopped at the timeout":        {stopped, process(outcome.StopTimeout, true), outcome.CommandTimedOut, "was still running when the time was over"},
		"killed at the timeout":         {killed, process(outcome.StopTimeout, true), outcome.CommandKilled, "ignored TERM for 10s and was killed"},
		"stopped with the run":          {stopped, process(outcome.StopRun, true), outcome.CommandStopped, "the run was stopped: of something"},
		"killed with the run":           {killed, process(outcome.StopRun, true), outcome.CommandKilled, "ignored TERM for 10s and was killed"},
		"stopped a little before":       {stopped, process(outcome.StopRule, false), outcome.CommandStopped, ""},
		"status 0 after the stop":       {status(0), process(outcome.StopRun, true), outcome.CommandStopped, "the run was stopped: of something"},
		"status 1 after the stop":       {status(1), process(outcome.StopRule, true), outcome.CommandStopped, ""},
		"status 1 after the timeout":    {status(1), process(outcome.StopTimeout, true), outcome.CommandTimedOut, "was still running when the time was over"},
		"status 0 before the stop":      {status(0), process(outcome.StopRun, false), outcome.CommandSucceeded, ""},
		"status 1 before the stop":      {status(1), process(outcome.StopRule, false), outcome.CommandFailed, "exited with status 1 after 3ms"},
		"after a stop that was not":     {status(0), process(outcome.NoStop, true), outcome.CommandSucceeded, ""},
		"signal after the stop":         {signalled("SIGSEGV"), process(outcome.StopRun, true), outcome.CommandStopped, "the run was stopped: of something"},
		"setup":                         {status(3), setup, outcome.CommandSucceeded, ""},
		"setup that fails":              {status(1), setup, outcome.CommandFailed, "exited with status 1 after 3ms"},
		"setup that is ended":           {signalled("SIGKILL"), setup, outcome.CommandFailed, "was ended by SIGKILL after 3ms"},
		"setup that can't be run":       {unbegun, setup, outcome.CommandFailed, "can't be run: no such program"},
		"setup that could not be ended": {left, setup, outcome.CommandFailed, "could not be ended: it does not react to KILL"},
		"setup that is stopped":         {stopped, setup, outcome.CommandStopped, "was stopped, as the run can't go on here"},
		"setup that is killed":          {killed, setup, outcome.CommandStopped, "was stopped, as the run can't go on here, ignored TERM for 10s and was killed"},
		"setup stopped before":          {outcome.Exit{Code: -1, Stopped: true}, setup, outcome.CommandStopped, "was stopped, as the run can't go on here"},
		"setup that takes long": {
			exit(func(e *outcome.Exit) { e.Code, e.Stopped, e.TimedOut = 0, true, true }), setup, outcome.CommandTimedOut, "was not over within 30s",
		},
		"setup that takes long, and is deaf": {
			exit(func(e *outcome.Exit) {
				e.Code, e.Signal, e.Stopped, e.Killed, e.TimedOut = -1, "SIGKILL", true, true, true
			}), setup,
			outcome.CommandTimedOut, "was not over within 30s, ignored TERM for 10s and was killed",
		},
		"setup that takes long to begin": {outcome.Exit{Code: -1, Stopped: true, TimedOut: true}, setup, outcome.CommandTimedOut, "was not over within 30s"},
	} {
		if word, reason := outcome.Judge(test.exit, test.in); word != test.word || reason != test.reason {
			t.Errorf("%s: %s (%s), want %s (%s)", name, word, reason, test.word, test.reason)
		}
	}
}

// A signal counts as a shell counts it.
func TestStatus(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		code   int
		signal string
		want   int
	}{
		{0, "", 0}, {255, "", 255}, {-1, "SIGHUP", 129}, {-1, "SIGKILL", 137}, {-1, "SIGTERM", 143}, {-1, "SIGSYS", 159}, {-1, "SIGNONE", 128},
	} {
		e := outcome.Exit{Code: test.code, Signal: test.signal}
		if got := e.Status(); got != test.want || outcome.Status(test.code, test.signal) != test.want {
			t.Errorf("status %d, signal %q count as %d, want %d", test.code, test.signal, got, test.want)
		}
	}
}

// The words are in results that people keep, and in scripts that read them.
func TestWordsArePinned(t *testing.T) {
	t.Parallel()
	for got, want := range map[string]string{
		join(outcome.CommandSucceeded, outcome.CommandFailed, outcome.CommandStopped, outcome.CommandTimedOut, outcome.CommandKilled, outcome.CommandLost, outcome.CommandNotStarted): "succeeded failed stopped timed_out killed lost not_started",
		join(outcome.HostSucceeded, outcome.HostFailed, outcome.HostTimedOut, outcome.HostAborted, outcome.HostLost, outcome.HostRefused, outcome.HostNotReady, outcome.HostStopped):  "succeeded failed timed_out aborted lost refused not_ready stopped",
		join(outcome.RunSucceeded, outcome.RunFailed, outcome.RunTimedOut, outcome.RunAborted, outcome.RunLost, outcome.RunRefused):                                                   "succeeded failed timed_out aborted lost refused",
	} {
		if got != want {
			t.Errorf("the words are %s, want %s", got, want)
		}
	}
}

func join[T ~string](words ...T) string {
	text := ""
	for i, w := range words {
		if i > 0 {
			text += " "
		}
		text += string(w)
	}
	return text
}
