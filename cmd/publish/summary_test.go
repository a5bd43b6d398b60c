package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"downbeat/internal/experiment"
	"downbeat/internal/outcome"
	"downbeat/internal/results"
)

// The summary says how far apart the stops were where there were several, and on
// how many hosts there were any.
func TestStopping(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		stopped, hosts int
		want           string
	}{
		{2, 2, " within 400 µs ± 30 µs (on every host; the last exit came 6.5 ms ± 30 µs after the first signal)"},
		{2, 3, " within 400 µs ± 30 µs (on 2 of 3 hosts; the last exit came 6.5 ms ± 30 µs after the first signal)"},
		{1, 2, " (on 1 of 2 hosts; the last exit came 6.5 ms ± 30 µs after the first signal)"},
		{1, 1, " (on every host; the last exit came 6.5 ms ± 30 µs after the first signal)"},
	} {
		r := results.Record{StopSkewUS: 400, StopErrorUS: 30, StopExitUS: 6500, StopExitErrorUS: 30, Hosts: make([]results.HostRecord, c.hosts)}
		for i := range c.stopped {
			r.Hosts[i].StoppedAt = at
		}
		if got := stopping(r); got != c.want {
			t.Errorf("%d of %d: got %q, want %q", c.stopped, c.hosts, got, c.want)
		}
	}
}

// The summary tells of the beats, and how far apart the processes of the widest one started: not
// of the last, which may have a single process.
func TestStarting(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		beats   []results.BeatRecord
		started int
		want    string
	}{
		{nil, 1, ""},
		{nil, 2, " within 400 µs ± 30 µs"},
		{[]results.BeatRecord{{ReleasedAt: at}}, 2, " within 400 µs ± 30 µs"},
		{[]results.BeatRecord{{ReleasedAt: at, StartSkewUS: 700, StartErrorUS: 30}, {ReleasedAt: at, StartErrorUS: 1}}, 3, " in 2 beats, each within 700 µs ± 30 µs"},
		{[]results.BeatRecord{{ReleasedAt: at, StartSkewUS: 70, StartErrorUS: 90}, {}}, 2, " in 1 of 2 beats, each within < 90 µs"},
		{[]results.BeatRecord{{ReleasedAt: at, StartErrorUS: 1}, {ReleasedAt: at, StartErrorUS: 1}}, 2, " in 2 beats"},
	} {
		if got := starting(results.Record{StartSkewUS: 400, StartErrorUS: 30, Beats: c.beats}, c.started); got != c.want {
			t.Errorf("%+v: got %q, want %q", c.beats, got, c.want)
		}
	}
}

// A command of an action that failed is listed with its last words; one that did not is not.
func TestFailedActionsAreListed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "alpha"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "alpha", "action.0.err"), []byte("cannot connect\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	step := func(name string, word outcome.Command, reason string) results.StepRecord {
		return results.StepRecord{Name: name, CommandRecord: results.CommandRecord{Outcome: word, Reason: reason}}
	}
	r := results.Record{Hosts: []results.HostRecord{{Host: "alpha", Acted: []results.StepRecord{
		step("action.0", outcome.CommandFailed, "exited with status 4"), step("action.1", outcome.CommandSucceeded, ""), step("action.2", outcome.CommandStopped, ""),
	}}}}
	var b strings.Builder
	failures(&b, r, dir, nil)
	if got, want := b.String(), "  alpha/action.0 failed: exited with status 4\n    \"cannot connect\"\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// What the reason of a process that did not become ready quotes is not printed once more.
func TestLastWordsInTheReasonAreNotRepeated(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "alpha"), 0o755); err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("long ", 60)
	for name, text := range map[string]string{"a.0.err": "no port\n", "a.1.err": long + "\n", "a.2.err": "other\n"} {
		if err := os.WriteFile(filepath.Join(dir, "alpha", name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for process, test := range map[string]struct {
		reason string
		again  bool
	}{
		"a.0": {`did not become ready (port 1): it has ended; its last lines: "x", "no port"`, false},
		"a.1": {"did not become ready (port 1): it has ended; its last lines: " + strconv.Quote(long[:160]), false},
		"a.2": {`did not become ready (port 1): it has ended; its last lines: "no port"`, true},
	} {
		got := lastWords(results.ProcessRecord{Host: "alpha", Process: process, CommandRecord: results.CommandRecord{Outcome: outcome.CommandFailed, Reason: test.reason}}, dir)
		if (got != "") != test.again {
			t.Errorf("%s: after %s: %q", process, test.reason, got)
		}
	}
}

// A metric that a program gives, in some runs under names of its own, is empty in as many runs of
// all of them.
func TestCoverageOfWhatAProgramGives(t *testing.T) {
	t.Parallel()
	c := coverage{"lin": {runs: 1, empty: 1}, "lin.a": {runs: 3}, "lin.b": {runs: 2}, "linear": {runs: 9}}
	m := &experiment.Metric{Name: "lin", Program: &experiment.Program{}}
	if got := c.runsOf(m); got != 4 {
		t.Errorf("got %d runs, want 4", got)
	}
	if got := c.runsOf(&experiment.Metric{Name: "lin"}); got != 1 {
		t.Errorf("without a program: got %d runs, want 1", got)
	}
}
