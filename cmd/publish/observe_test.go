package main

import (
	"bytes"
	"testing"

	"downbeat/internal/experiment"
	"downbeat/internal/message"
	"downbeat/internal/results"
)

// What the stop of a run has forestalled is told in one line; an action that could not be done
// before is told by itself.
func TestActionsThatTheStopForestallsAreToldInOneLine(t *testing.T) {
	t.Parallel()
	failed := results.ActionRecord{Action: 1, Text: "signal USR1 to a", Target: "a.0", Host: "alpha", Reason: "it has ended"}
	for _, test := range []struct {
		before, after int
		want          string
	}{
		{1, 0, "publish: action 1 (signal USR1 to a) was not done to a.0 on alpha: it has ended\n"},
		{0, 1, "publish: action 1 (signal USR1 to a) was not done to a.0 on alpha: the run was stopped before\n"},
		{0, 40, "publish: 40 actions that were still to come were not done: the run was stopped before\n"},
		{0, 0, ""},
	} {
		var said bytes.Buffer
		p := &progress{app: &app{outputs: &outputs{err: &said}}}
		for range test.before {
			p.Acted(failed)
		}
		p.Stopping(message.StopAbort, "interrupted")
		for range test.after {
			p.Acted(failed)
		}
		p.tellUndone()
		if got := said.String(); got != test.want {
			t.Errorf("%d before the stop and %d after it: got %q, want %q", test.before, test.after, got, test.want)
		}
	}
}

// The live line says which beat a run has come to, and whose processes begin on it.
func TestLiveLineNamesTheGroupsOfABeat(t *testing.T) {
	t.Parallel()
	process := func(group string, beat int) experiment.Command {
		return experiment.Command{Command: message.Command{Group: group, Beat: beat}}
	}
	p := &progress{beats: 3, dp: &experiment.Datapoint{Processes: []experiment.Command{
		process("server", 0), process("server", 0), process("load", 1), process("a", 2), process("b", 2), process("c", 2), process("d", 2),
	}}}
	for beat, want := range []string{", beat 1 of 3 (server)", ", beat 2 of 3 (load)", ", beat 3 of 3 (a b c ...)"} {
		p.beat = beat
		if got := p.course(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
