package main

import (
	"fmt"
	"regexp"
	"slices"

	"downbeat/internal/results"
	"downbeat/internal/terminal"
)

// sameRefusals is after how many refusals of the same kind in a row an experiment is
// stopped: what a host has refused three times it will refuse all night.
const sameRefusals = 3

// A brake decides when an experiment is to be stopped before its end, by the runs and
// the datapoints that did not succeed. It knows nothing else of them.
type brake struct {
	failFast    bool
	keepGoing   bool // whatever is refused
	maxFailures int  // 0: there is no such bound
	failed      int  // datapoints that did not succeed
	refusals    streak
}

// see takes in a run that is over.
func (b *brake) see(r results.Record) { b.refusals = b.refusals.after(r) }

// fail takes in a datapoint that did not succeed, whatever number of attempts it had.
func (b *brake) fail() { b.failed++ }

// futile reports whether the run that was seen last is not worth another attempt: it
// was refused for the same reason as the one before it, which is one of a file or a
// host. That a command of a setup failed is none: it may well work the third time.
func (b *brake) futile() bool {
	for _, r := range b.refusals {
		if r.last && r.times > 1 && !r.setup {
			return true
		}
	}
	return false
}

// stops says why no further datapoint is to be begun, so that "stopped" can stand
// before it; empty: there is no reason.
func (b *brake) stops() string {
	refusal, n := b.refusals.longest()
	switch {
	case n >= sameRefusals && !b.keepGoing:
		return fmt.Sprintf(": the same refusal came %d times in a row: %s", n, refusal)
	case b.failFast && b.failed > 0:
		return " at the first datapoint that did not succeed (--fail-fast)"
	case b.reached(b.failed):
		return fmt.Sprintf(" after %s that did not succeed (--max-failures)", terminal.Count(uint64(max(b.failed, 0)), "datapoint")) //nolint:gosec // not below 0
	}
	return ""
}

// stopsAtNext reports whether one more datapoint that does not succeed would be the
// last, so that the next need not be prepared.
func (b *brake) stopsAtNext() bool { return b.failFast || b.reached(b.failed+1) }

func (b *brake) reached(failed int) bool { return b.maxFailures > 0 && failed >= b.maxFailures }

// A refusal is what a host said, but for what differs from run to run.
type refusal struct{ host, essence string }

// A streak counts how often in a row, up to the latest run, each host refused for the
// same reason.
type streak map[refusal]repeated

type repeated struct {
	times  int
	reason string // as it was said last
	setup  bool   // a command of the setup failed
	last   bool   // it was said of the latest run
}

// after is the streak once that run is over. A run that was not refused ends all, also
// one for which a host was not ready: it may have been away for a moment. What a host
// said before stands as long as it has no chance to say it again, because another one
// was quicker to refuse.
func (s streak) after(r results.Record) streak {
	next := make(streak)
	if r.Outcome != results.RunRefused {
		return next
	}
	for _, h := range r.Hosts {
		switch h.Outcome {
		case results.HostRefused:
			key := refusal{h.Host, essence(h.Reason)}
			next[key] = repeated{s[key].times + 1, h.Reason, slices.ContainsFunc(h.Setup, failed), true}
		case results.HostStopped:
			next.keep(h.Host, s)
		default:
		}
	}
	return next
}

// keep takes over what a host has said before.
func (s streak) keep(host string, before streak) {
	for key, r := range before {
		if key.host == host {
			r.last = false
			s[key] = r
		}
	}
}

func failed(s results.StepRecord) bool { return s.Outcome != results.ProcessSucceeded }

// longest is the reason for the latest run that came most often in a row, and how often.
func (s streak) longest() (reason string, times int) {
	for _, r := range s {
		if !r.last {
			continue
		}
		if r.times > times || r.times == times && r.reason < reason {
			reason, times = r.reason, r.times
		}
	}
	return reason, times
}

// varying is what two reasons may differ in and be the same: ids of runs, hashes,
// durations, sizes and any other numbers.
var varying = regexp.MustCompile(`\b[0-9A-HJKMNP-TV-Z]{26}\b` +
	`|\b[0-9a-f]*[0-9][0-9a-f]{7,}\b` +
	`|(?:[0-9]+(?:\.[0-9]+)?(?:ns|µs|us|ms|s|m|h))+\b` +
	`|[0-9]+(?:[.,:][0-9]+)*(?: (?:µs|ms|s|B|kB|MB|GB|TB)\b)?`)

func essence(reason string) string { return varying.ReplaceAllString(reason, "#") }
