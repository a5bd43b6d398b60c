package conduct

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"downbeat/internal/message"
	"downbeat/internal/outcome"
)

// outcome says how the run ended as a whole, as far as is known. The stop goes out with
// the first thing that is known to be wrong; what was the cause of all is settled here,
// once the rest has come, as it may come in any order: a host that is lost takes with it
// processes elsewhere that talk to it, and one process that fails takes others.
func (r *Run) outcome() (outcome.Run, string) {
	failed := failures(r.commands)
	switch d := r.ending.decided; {
	case d.word == outcome.RunRefused:
		return d.word, cmp.Or(refusals(r.hosts), d.reason)
	case d.word != "" && d.word != outcome.RunTimedOut:
		return d.word, d.reason
	case len(r.ending.lost) > 0:
		return outcome.RunLost, r.ending.loss(failed)
	case d.word == outcome.RunTimedOut && (!r.rule.OnFailure || !failedBefore(d, failed)):
		return d.word, d.reason
	case len(failed) > 0 && r.barred != "":
		return outcome.RunFailed, cause(failed) + "; so " + r.barred
	case len(failed) > 0:
		return outcome.RunFailed, cause(failed)
	}
	return proved(r)
}

// proved says whether nothing but success is left to explain the run, all being known that
// nothing speaks against it.
func proved(r *Run) (outcome.Run, string) {
	for i := range r.hosts {
		if h := &r.hosts[i]; h.outcome != "" {
			return outcome.RunLost, fmt.Sprintf("%s: %s", h.name, h.reason)
		}
	}
	if left := leftovers(r.hosts); left != "" {
		return outcome.RunFailed, left
	}
	switch {
	case r.ending.failing():
		return outcome.RunFailed, r.ending.control.Reason
	case r.releaseAt.IsZero():
		return outcome.RunFailed, "its processes were never released"
	}
	if undone := r.undone(); undone != "" {
		return outcome.RunFailed, undone
	}
	return outcome.RunSucceeded, ""
}

// failures are the processes that failed, in the order in which they ended by the common
// clock.
func failures(commands []command) []*command {
	var failed []*command
	for i := range commands {
		if c := &commands[i]; c.Phase == message.PhaseRun && c.failed() {
			failed = append(failed, c)
		}
	}
	slices.SortStableFunc(failed, func(a, b *command) int { return a.failedAt().Time.Compare(b.failedAt().Time) })
	return failed
}

// failedBefore reports whether a process had certainly failed when it was decided about
// the run: had that been known, the run would have been stopped for it.
func failedBefore(d decision, failed []*command) bool {
	if len(failed) == 0 {
		return false
	}
	at := failed[0].failedAt()
	return at.Latest().Before(d.at)
}

// loss says by which host the run was lost, and what else went wrong.
func (e *ending) loss(failed []*command) string {
	reason := e.lost[0].lostAs
	if len(e.lost) > 1 {
		var names []string
		for _, h := range e.lost[1:] {
			names = append(names, h.name)
		}
		reason += "; lost too: " + joinNames(names)
	}
	if e.decided.word != "" {
		reason += "; the run was being stopped: " + e.decided.reason
	}
	failed = slices.DeleteFunc(failed, func(p *command) bool { return p.host.lostAs != "" })
	if len(failed) > 0 {
		reason += "; " + namesOf(failed) + " failed meanwhile"
	}
	return reason
}

// cause names the process that failed first. Where the clocks can't tell which of several
// hosts' it was, it names them all.
func cause(failed []*command) string {
	first := failed[0]
	candidates := []string{describeFailure(first)}
	at := first.failedAt()
	bound := at.Error
	seen := map[*host]bool{first.host: true}
	var rest []*command
	for _, c := range failed[1:] {
		if seen[c.host] || c.failedAt().Earliest().After(at.Latest()) {
			rest = append(rest, c)
			continue
		}
		seen[c.host] = true
		bound = max(bound, c.failedAt().Error)
		candidates = append(candidates, describeFailure(c))
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
func describeFailure(c *command) string {
	if c.unready != "" {
		return fmt.Sprintf("%s on %s %s", c.Name, c.host.name, describeUnready(c))
	}
	return fmt.Sprintf("%s on %s %s", c.Name, c.host.name, c.Reason)
}
