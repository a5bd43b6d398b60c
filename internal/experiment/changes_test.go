package experiment

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"downbeat/internal/message"
)

// first expands the first datapoint of a file.
func first(t *testing.T, source string) *Datapoint {
	t.Helper()
	file, err := Parse("x.yaml", []byte(source))
	if err != nil {
		t.Fatal(err)
	}
	d, err := file.Points()[0].Expand(trialRun)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// Each difference between two datapoints is told in words.
func TestChangesAreTold(t *testing.T) {
	t.Parallel()
	const base = "name: x\nhosts: {alpha: , bravo: }\ngroups: {g: {on: [alpha, bravo], count: 2, run: ./run}}\n"
	for _, c := range []struct{ from, to, want string }{
		{"", "", ""},
		{"name: x", "name: y", "the name is y, was x"},
		{"alpha: ,", "alpha: {address: 10.0.0.1},", "the hosts are alpha (10.0.0.1), bravo, were alpha, bravo"},
		{"count: 2", "count: 3", "process alpha/g.2 is new"},
		{"count: 2", "count: 1", "the hosts are alpha, were alpha, bravo; process bravo/g.1 is gone"},
		{"./run", "./run -v", `process alpha/g.0: the command is "./run -v", was "./run"; process bravo/g.1: the command is "./run -v", was "./run"`},
		{"[alpha, bravo], count: 2", "alpha, delay: 1s", "the hosts are alpha, were alpha, bravo; process alpha/g.0: the delay is 1s, was 0s; process bravo/g.1 is gone"},
		{"run: ./run", "run: ./run, env: {A: b}", "process alpha/g.0: the environment has changed; process bravo/g.1: the environment has changed"},
		{"count: 2", "count: 2, pty: true", "process alpha/g.0: pty is true, was false; process bravo/g.1: pty is true, was false"},
		{"name: x", "name: x\nsetup: {run: a, on: alpha}", "alpha/setup.0 is new"},
		{"name: x", "name: x\ncollect: a", "what is collected from alpha is [a], was []; what is collected from bravo is [a], was []"},
		{"name: x", "name: x\nfiles: {c: {text: x, on: alpha}}", "what is shipped to alpha has changed: c"},
		{"name: x", "name: x\ntimeout: 5s", "the timeout is 5s, was 1h0m0s"},
		{"name: x", "name: x\nstop: {when: g, after: 2s, grace: 3s, on_failure: false}", "stop.when is [g], was []; stop.after is 2s, was 0s; the grace is 3s, was 10s; stop.on_failure is false, was true"},
	} {
		got := strings.Join(first(t, strings.Replace(base, c.from, c.to, 1)).Changes(first(t, base)), "; ")
		if got != c.want {
			t.Errorf("%q to %q: got %s, want %s", c.from, c.to, got, c.want)
		}
	}
}

// So is each difference in the course of a run.
func TestChangesOfTheCourseAreTold(t *testing.T) {
	t.Parallel()
	const base = "hosts: {a: }\ngroups: {s: {on: a, run: x, count: 2, ready: {port: 70}}, c: {on: a, run: y, after: s}}\nat: [{t: 2s, signal: KILL, to: s.1}]\nstop: {after: 9s}\n"
	for _, c := range []struct{ from, to, want string }{
		{"after: s}", "after: s.ended}", "c begins after s.ended, began after s"},
		{"after: s}", "after: {of: s, delay: 3s}}", "c begins 3s after s, began after s"},
		{", after: s}", "}", "c begins first, began after s; action 0 is KILL to s.1, 2s after the release, was KILL to s.1, 2s after the release of c"},
		{"port: 70", "port: 71", "process a/s.0: it is ready by port 71 at a within 1m, was by port 70 at a within 1m; process a/s.1: it is ready by port 71 at a within 1m, was by port 70 at a within 1m"},
		{"{port: 70}", "{port: 70, within: 5s}", "process a/s.0: it is ready by port 70 at a within 5s, was by port 70 at a within 1m; process a/s.1: it is ready by port 70 at a within 5s, was by port 70 at a within 1m"},
		{", ready: {port: 70}", "", "process a/s.0: it is ready once it has started, was by port 70 at a within 1m; process a/s.1: it is ready once it has started, was by port 70 at a within 1m"},
		{"run: y", "run: y, restart: {on: always}", "process a/c.0: its restarts have changed"},
		{"run: y", "run: y, stop: {signal: INT}", "process a/c.0: it is stopped in another way"},
		{"KILL", "TERM", "action 0 is TERM to s.1, 2s after the release of c, was KILL to s.1, 2s after the release of c"},
		{"to: s.1", "to: s.1, optional: true", "action 0: optional is true, was false"},
		{"to: s.1}", "to: s.1}, {mark: m, pause: c, for: 3s}", "action 1 is new: pause c for 3s, after the mark m"},
		{"at: [{t: 2s, signal: KILL, to: s.1}]", "", "action 0 is gone: KILL to s.1, 2s after the release of c"},
		{"at: [", "at: [{t: 1s, run: z}, ", "a/action.0 is new; action 0 is run `z` on a, 1s after the release of c, was KILL to s.1, 2s after the release of c; " +
			"action 1 is new: KILL to s.1, 2s after the release of c"},
		{"at: [", "sample: 1s\nat: [", "samples are taken every 1s, were never"},
		{"after: 9s", "after: 9s, order: last-beat-first", "stop.order is last-beat-first, was together"},
	} {
		got := strings.Join(first(t, strings.Replace(base, c.from, c.to, 1)).Changes(first(t, base)), "; ")
		if got != c.want {
			t.Errorf("%q to %q: got\n%s\nwant\n%s", c.from, c.to, got, c.want)
		}
	}
}

// So is each difference between setups and teardowns.
func TestChangesOfStepsAreTold(t *testing.T) {
	t.Parallel()
	const base = "hosts: {alpha: [x]}\nsetup: [a]\nteardown: {run: b}\n"
	for _, c := range []struct{ from, to, want string }{
		{"[a]", "[a c]", `alpha/setup.0: the command is "a c", was "a"`},
		{"setup: [a]\n", "", "alpha/setup.0 is gone"},
		{"[a]", "[a, b]", "alpha/setup.1 is new"},
		{"run: b", "run: b, timeout: 3s", "alpha/teardown.0: the timeout is 3s, was 1m0s"},
		{"run: b", "run: b, ok_exit: 4", "alpha/teardown.0: ok_exit is [4], was [0]"},
	} {
		got := strings.Join(first(t, strings.Replace(base, c.from, c.to, 1)).Changes(first(t, base)), "; ")
		if got != c.want {
			t.Errorf("%q to %q: got %s, want %s", c.from, c.to, got, c.want)
		}
	}
}

// No field of a datapoint that is part of its definition is forgotten: whoever
// adds one has to say here how its change is told.
func TestChangesKnowEveryField(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		of    any
		known []string
	}{
		{Datapoint{}, []string{"Name", "Index", "Repetition", "Parameters", "Run", "Hosts", "Picked", "Processes", "Stop", "Timeout", "Setup", "Teardown", "Acts", "Beats", "Actions", "Collect", "Files", "Sample", "Measures"}}, // the last is not part of it, and the processes tell who was picked
		{Command{}, []string{"Host", "Command"}},
		{message.Command{}, []string{"Name", "Phase", "Group", "Index", "Rank", "Local", "Argv", "Env", "Dir", "Pty", "OKExit", "DelayMS", "TimeoutMS", "Beat", "Ready", "Restart", "Stop"}},
		{StopRule{}, []string{"When", "After", "LastBeatFirst", "Grace", "OnFailure"}},
		{Beat{}, []string{"Groups", "After"}},
		{Wait{}, []string{"Group", "Ended", "Delay"}},
		// The text of an action tells what it does.
		{Action{}, []string{"Number", "Do", "Optional", "Text", "After", "Beat", "Mark", "Line", "Of", "Times", "Targets", "ThatOne", "Signal", "For"}},
	} {
		for _, field := range reflect.VisibleFields(reflect.TypeOf(c.of)) {
			if len(field.Index) == 1 && !slices.Contains(c.known, field.Name) {
				t.Errorf("%T has the field %s, whose change is not told", c.of, field.Name)
			}
		}
	}
}
