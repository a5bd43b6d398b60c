package faults

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"downbeat/internal/outcome"
	"downbeat/internal/results"
	"downbeat/internal/testkit"
	"downbeat/internal/worker"
)

// relay has one process on each host print in turn, each after it has seen the
// file of the one before; bravo's stays until it is stopped.
const relay = `
name: relay
hosts: {alpha: {}, bravo: {}, charlie: {}}
groups:
  first: {on: [alpha], shell: true, run: 'touch %[1]s/up; until test -e %[1]s/stepped; do sleep 0.1; done; echo one; sleep 0.4; touch %[1]s/1'}
  second: {on: [bravo], shell: true, run: 'until test -e %[1]s/1; do sleep 0.1; done; echo two; sleep 0.4; touch %[1]s/2; exec sleep 1000'}
  third: {on: [charlie], shell: true, run: 'until test -e %[1]s/2; do sleep 0.1; done; echo three'}
stop: {when: third}
`

// A host's clock that is wrong, and another's that jumps in mid-run, neither move
// the release and the stop nor the order of lines; how wrong they are is reported.
func TestClocksThatAreWrongAndSteppedMoveNothing(t *testing.T) {
	t.Parallel()
	c := newCluster(t, "mem")
	var bravo atomic.Int64
	bravo.Store(int64(-5 * time.Second))
	for host, skew := range map[string]func() time.Duration{
		"alpha": func() time.Duration { return 5 * time.Second }, "bravo": func() time.Duration { return time.Duration(bravo.Load()) }, "charlie": nil,
	} {
		c.serve(c.skewed(host, skew))
	}
	files := scratch(t)
	stepped := make(chan struct{})
	go func() {
		defer close(stepped)
		testkit.WaitFor(t, "the run has begun", func() bool { _, err := os.Stat(filepath.Join(files, "up")); return err == nil })
		bravo.Store(int64(time.Hour)) // every control has expired on this clock
		testkit.Check(t, os.WriteFile(filepath.Join(files, "stepped"), nil, 0o600))
	}()
	p := c.publisher(c.connect())
	got, dir := run(t, p, fmt.Sprintf(relay, files))
	<-stepped
	if got.Outcome != outcome.RunSucceeded {
		t.Fatalf("outcome %s (%s), want succeeded", got.Outcome, got.Reason)
	}
	for i, want := range []time.Duration{5 * time.Second, -5 * time.Second, 0} {
		h := got.Hosts[i]
		if wrong := h.ClockOffsetUS - want.Microseconds(); max(wrong, -wrong) > h.ClockErrorUS+1 {
			t.Errorf("%s is said to be %d µs off, with an error of at most %d, want %s", h.Host, h.ClockOffsetUS, h.ClockErrorUS, want)
		}
	}
	const least = 4_000_000 // what a clock that was believed would make of it
	if got.StartSkewUS > least || got.StopSkewUS > least {
		t.Errorf("start and stop were spread over %d and %d µs", got.StartSkewUS, got.StopSkewUS)
	}
	if lines := merged(t, dir); lines != "one two three" {
		t.Errorf("lines in the order of time: %s, want one two three", lines)
	}

	again, _ := run(t, p, "name: again\nhosts: {bravo: [echo well]}\n")
	if want := "message has expired: it was valid until"; again.Outcome != outcome.RunRefused || !strings.Contains(again.Reason, want) {
		t.Errorf("with a clock that is an hour ahead: %s (%s), want refused (%s)", again.Outcome, again.Reason, want)
	}
}

func (c *cluster) skewed(host string, skew func() time.Duration) worker.Config {
	config := c.config(host, c.connect())
	config.Skew = skew
	return config
}

// merged is what all processes of a run wrote, in the order of the common clock.
func merged(t *testing.T, dir string) string {
	t.Helper()
	r, err := results.Open(dir)
	testkit.Check(t, err)
	var lines []string
	for line, err := range r.Logs(results.Filter{}) {
		testkit.Check(t, err)
		lines = append(lines, string(line.Text))
	}
	return strings.Join(lines, " ")
}
