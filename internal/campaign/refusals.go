package campaign

import (
	"regexp"
	"slices"

	"downbeat/internal/outcome"
	"downbeat/internal/results"
)

// Refusals count how often in a row, up to the latest run, each host refused for the
// same reason.
type refusals map[refusal]repeated

// A refusal is what a host said, but for what differs from run to run.
type refusal struct{ host, essence string }

type repeated struct {
	times  int
	reason string // as it was said last
	setup  bool   // a command of the setup failed
	last   bool   // it was said of the latest run
}

// after gives the refusals once that run is over. A run that was not refused ends them
// all, and so does one for which a host was not ready: it may have been away for a
// moment. A host that was stopped, because another one was quicker to refuse, had no
// chance to say again what it said before: that stands.
func (s refusals) after(r results.Record) refusals {
	next := make(refusals)
	if r.Outcome != outcome.RunRefused {
		return next
	}
	for _, h := range r.Hosts {
		switch h.Outcome {
		case outcome.HostRefused:
			key := refusal{h.Host, essence(h.Reason)}
			next[key] = repeated{s[key].times + 1, h.Reason, slices.ContainsFunc(h.Setup, failed), true}
		case outcome.HostStopped:
			next.keep(h.Host, s)
		default:
		}
	}
	return next
}

// keep takes over what a host has said before.
func (s refusals) keep(host string, before refusals) {
	for key, r := range before {
		if key.host == host {
			r.last = false
			s[key] = r
		}
	}
}

func failed(s results.StepRecord) bool { return s.Outcome != outcome.CommandSucceeded }

// futile reports whether the latest run is not worth another attempt: it was refused
// for the same reason as the one before it, which lies with the file or a host. A
// command of a setup that failed is not such a reason: it may work the third time.
func (s refusals) futile() bool {
	for _, r := range s {
		if r.last && r.times > 1 && !r.setup {
			return true
		}
	}
	return false
}

// longest is the reason for the latest run that came most often in a row, and how often.
func (s refusals) longest() (reason string, times int) {
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

// varying is what two reasons may differ in and still be the same: ids of runs, hashes,
// durations, sizes and any other numbers.
var varying = regexp.MustCompile(`\b[0-9A-HJKMNP-TV-Z]{26}\b` +
	`|\b[0-9a-f]*[0-9][0-9a-f]{7,}\b` +
	`|(?:[0-9]+(?:\.[0-9]+)?(?:ns|µs|us|ms|s|m|h))+\b` +
	`|[0-9]+(?:[.,:][0-9]+)*(?: (?:µs|ms|s|B|kB|MB|GB|TB)\b)?`)

func essence(reason string) string { return varying.ReplaceAllString(reason, "#") }
