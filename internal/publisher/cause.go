package publisher

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"downbeat/internal/message"
	"downbeat/internal/outcome"
)

// A decision is what a run came to for another reason than what its processes
// did: it took too long, was aborted, refused, or its results can't be written.
type decision struct {
	outcome outcome.Run
	reason  string
	at      time.Time // on the publisher's clock
}

// conclude decides how a run ends, and stops it. Only the first call decides.
func (r *run) conclude(cause message.StopCause, word outcome.Run, reason string) {
	if r.decided.outcome == "" {
		r.decided = decision{word, reason, r.clock.Now()}
	}
	r.halt(cause, reason)
}

// outcome says how the run ended as a whole, as far as is known. The stop goes
// out with the first thing that is known to be wrong; what was the cause of all is
// settled here, once the rest has come, as it may come in any order: a host that
// is lost takes with it processes elsewhere that talk to it, and one process that
// fails takes others.
func (r *run) outcome() (outcome.Run, string) {
	failed := r.failures()
	switch d := r.decided; {
	case d.outcome == outcome.RunRefused:
		return d.outcome, cmp.Or(r.refusals(), d.reason)
	case d.outcome != "" && d.outcome != outcome.RunTimedOut:
		return d.outcome, d.reason
	case len(r.lost) > 0:
		return outcome.RunLost, r.loss(failed)
	case d.outcome == outcome.RunTimedOut && !r.failedBefore(d, failed):
		return d.outcome, d.reason
	case len(failed) > 0:
		return outcome.RunFailed, cause(failed)
	}
	return r.proved()
}

// proved says whether nothing but success is left to explain the run, all being
// known that nothing speaks against it.
func (r *run) proved() (outcome.Run, string) {
	for _, h := range r.hosts {
		if h.outcome != "" {
			return outcome.RunLost, fmt.Sprintf("%s: %s", h.name, h.reason)
		}
	}
	if left := r.leftovers(); left != "" {
		return outcome.RunFailed, left
	}
	switch {
	case r.stop.Cause != "" && r.stop.Cause != message.StopRule:
		return outcome.RunFailed, r.stop.Reason
	case r.releaseAt.IsZero():
		return outcome.RunFailed, "its processes were never released"
	}
	return outcome.RunSucceeded, ""
}

// failures are the processes that failed, in the order in which they ended by
// the common clock.
func (r *run) failures() []*process {
	var failed []*process
	for i := range r.processes {
		if p := &r.processes[i]; p.record.Outcome == outcome.CommandFailed {
			failed = append(failed, p)
		}
	}
	slices.SortStableFunc(failed, func(a, b *process) int { return a.endedAt.Time.Compare(b.endedAt.Time) })
	return failed
}

// failedBefore reports whether a process had certainly failed when it was decided
// about the run, and the run would have been stopped for it had that been known.
func (r *run) failedBefore(d decision, failed []*process) bool {
	return r.dp.Stop.OnFailure && len(failed) > 0 && failed[0].endedAt.Latest().Before(d.at)
}

// loss says by which host the run was lost, and what else went wrong.
func (r *run) loss(failed []*process) string {
	reason := r.lost[0].lostAs
	if len(r.lost) > 1 {
		var names []string
		for _, h := range r.lost[1:] {
			names = append(names, h.name)
		}
		reason += "; lost too: " + joinNames(names)
	}
	if r.decided.outcome != "" {
		reason += "; the run was being stopped: " + r.decided.reason
	}
	failed = slices.DeleteFunc(failed, func(p *process) bool { return p.host.lostAs != "" })
	if len(failed) > 0 {
		reason += "; " + namesOf(failed) + " failed meanwhile"
	}
	return reason
}

// cause names the process that failed first. Where the clocks can't tell which of
// several hosts' it was, it names them all.
func cause(failed []*process) string {
	first := failed[0]
	candidates := []string{describeFailure(first)}
	bound := first.endedAt.Error
	seen := map[*host]bool{first.host: true}
	var rest []*process
	for _, p := range failed[1:] {
		if seen[p.host] || p.endedAt.Earliest().After(first.endedAt.Latest()) {
			rest = append(rest, p)
			continue
		}
		seen[p.host] = true
		bound = max(bound, p.endedAt.Error)
		candidates = append(candidates, describeFailure(p))
	}
	reason := joinNames(candidates)
	if len(candidates) > 1 {
		reason += fmt.Sprintf(" (which was first can't be told: the clocks are known to ±%s)", bound.Round(time.Microsecond))
	}
	if len(rest) > 0 {
		reason += "; then " + namesOf(rest) + " failed"
	}
	return reason
}

// describeFailure says of a process that has failed which it is, and how.
func describeFailure(p *process) string {
	return fmt.Sprintf("%s on %s %s", p.Name, p.Host, p.record.Reason)
}

// namesOf names one process, or two, and how many more there are.
func namesOf(processes []*process) string {
	const most = 2
	var names []string
	for _, p := range processes[:min(most, len(processes))] {
		names = append(names, p.Name+" on "+p.Host)
	}
	if more := len(processes) - most; more > 0 {
		names = append(names, fmt.Sprintf("%d more", more))
	}
	return joinNames(names)
}

// refusals lists the hosts that can't take part, each with its reason. Those that
// have said why come before those that have not answered.
func (r *run) refusals() string {
	const most = 3
	var names, reasons []string
	for _, outcome := range []outcome.Host{outcome.HostRefused, outcome.HostNotReady} {
		for _, h := range r.hosts {
			if h.outcome == outcome {
				names, reasons = append(names, h.name), append(reasons, h.reason)
			}
		}
	}
	switch {
	case len(names) < 2:
		return strings.Join(reasons, "")
	case len(reasons) > most:
		reasons = append(reasons[:most], fmt.Sprintf("and %d more", len(reasons)-most))
	}
	return joinNames(names) + " can't take part; " + strings.Join(reasons, "; ")
}
