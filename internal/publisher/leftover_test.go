package publisher

import (
	"slices"
	"testing"

	"downbeat/internal/message"
	"downbeat/internal/outcome"
)

// A run of which a process could not be ended, or of which nobody knows whether one
// is left, has not succeeded; its reason and its record name what is left. What
// else the host notes is in the record, and changes nothing.
func TestRunThatLeavesProcessesHasNotSucceeded(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		done    message.DoneInfo
		outcome outcome.Run
		reason  string
	}{
		"left": {
			message.DoneInfo{Left: []message.Leftover{{PID: 42, Command: "dd\x1b[2J if=/dev/nfs"}, {PID: 43, Command: "sh"}}},
			outcome.RunFailed,
			"alpha: could not be ended, and may still be there: dd\\x1b[2J if=/dev/nfs (pid 42) and sh (pid 43)",
		},
		"unseen": {
			message.DoneInfo{Unseen: "open /proc: too many open files"},
			outcome.RunFailed,
			"alpha: it can't be told whether processes are left: open /proc: too many open files",
		},
		"notes": {message.DoneInfo{Notes: []string{"left /x behind: why"}}, outcome.RunSucceeded, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, nil)
			alpha := l.worker("alpha")
			run := l.start(l.datapoint(proc("alpha", "client", 0)))
			start := release(alpha)
			alpha.exited(message.ExitedInfo{StartedAt: start.At, EndedAt: start.At})
			c.done.Outcome, c.done.Totals = message.HostDone, make([]message.Total, 1)
			alpha.event(message.Event{Kind: message.Done, Done: &c.done})
			got := run.wait()
			check(t, run.err)
			if got.Outcome != c.outcome || got.Reason != c.reason {
				t.Errorf("%s: %q, want %s: %q", got.Outcome, got.Reason, c.outcome, c.reason)
			}
			h := hostOf(t, got, "alpha")
			if len(h.Left) != len(c.done.Left) || h.Unseen != c.done.Unseen || !slices.Equal(h.Notes, c.done.Notes) {
				t.Errorf("the record: %+v", h)
			}
			if want := map[bool]outcome.Host{true: outcome.HostFailed, false: outcome.HostSucceeded}[c.reason != ""]; h.Outcome != want {
				t.Errorf("host %s, want %s", h.Outcome, want)
			}
		})
	}
}

// A process that its host could not end has failed for that reason, not because it
// could not be started.
func TestProcessThatCannotBeEndedIsSaidToBe(t *testing.T) {
	t.Parallel()
	l := newLab(t, nil)
	alpha := l.worker("alpha")
	run := l.start(l.datapoint(proc("alpha", "client", 0)))
	start := release(alpha)
	alpha.exited(message.ExitedInfo{ExitCode: -1, StartedAt: start.At, EndedAt: start.At, Reason: "it does not react to KILL", Left: true})
	alpha.obey()
	alpha.done(message.HostDone)
	got := run.wait()
	if p := got.Processes[0]; p.Outcome != outcome.CommandFailed || p.Reason != "could not be ended: it does not react to KILL" {
		t.Errorf("%s: %q", p.Outcome, p.Reason)
	}
}
