package sim

import (
	"slices"
	"time"

	"downbeat/internal/message"
	"downbeat/internal/outcome"
)

// The outcome of a run follows from its plan alone if nothing goes wrong but its own
// commands. Here it is worked out in another way than by the rules: from the scripts of
// all commands at once.

// expected is how a run must end; empty where that can't be said, because of what else
// goes wrong, or because two things happen at about the same time.
func (p *Plan) expected(pub *Publisher, r *RunPlan) outcome.Run {
	n := &p.Network
	if !p.calm() || n.LossPercent > 5 || len(r.Beats) > 0 {
		return ""
	}
	margin := 500*time.Millisecond + 10*n.Jitter
	if n.LossPercent > 0 { // what is lost is sent again; so often that it comes at last
		if r.Lease < 15*time.Second {
			return ""
		}
		margin += 6 * time.Second
	}
	refused := false
	for i := range r.Parts {
		h := &p.Hosts[r.Parts[i].Host]
		if h.Unserved || r.FullAfter > 0 || (h.Offset-pub.Offset).Abs() > time.Minute/2 {
			return ""
		}
		switch r.Parts[i].prospect(r, margin, p.alone()) {
		case unclear:
			return ""
		case refuses:
			refused = true
		case willing:
		}
	}
	if refused {
		return outcome.RunRefused
	}
	return r.course(margin)
}

// calm reports whether nothing goes wrong with machines, and nothing takes long on its
// way or to be collected.
func (p *Plan) calm() bool {
	if len(p.Faults) > 0 || p.Network.SlowPercent > 0 {
		return false
	}
	hangs := func(f Collected) bool { return f.Takes > 5*time.Second }
	for i := range p.Publishers {
		for k := range p.Publishers[i].Runs {
			for _, part := range p.Publishers[i].Runs[k].Parts {
				if slices.ContainsFunc(part.Collect, hangs) {
					return false
				}
			}
		}
	}
	return true
}

// alone reports whether there is one run, which no other can take a host from.
func (p *Plan) alone() bool { return len(p.Publishers) == 1 && len(p.Publishers[0].Runs) == 1 }

// A prospect is whether a host will be ready.
type prospect uint8

const (
	willing prospect = iota
	refuses
	unclear
)

// prospect is whether the part's host gets ready. Where the run is not alone, nobody is
// too slow: a host that has waited for another run is given all the time.
func (part *Part) prospect(r *RunPlan, margin time.Duration, alone bool) prospect {
	takes := time.Duration(0)
	for i := range part.Commands {
		c := &part.Commands[i]
		life := &c.Life
		switch {
		case life.Unkillable:
			return unclear
		case c.Phase == message.PhaseSetup && life.PrepareTakes > 0:
			takes += life.PrepareTakes
		}
	}
	if takes > margin || slices.ContainsFunc(part.Ships, func(s Shipped) bool { return s.Gone }) {
		return unclear // it counts as the setup's time, or depends on what is there
	}
	for i := range part.Commands {
		c := &part.Commands[i]
		if c.Phase == message.PhaseSetup {
			switch {
			case c.Life.Runs > 0 && (c.Life.Runs-c.Timeout).Abs() < margin:
				return unclear
			case c.Life.Unprepared, c.Life.Unstarted, c.Life.Runs == 0, c.Life.Runs > c.Timeout, !c.good():
				return refuses
			}
		}
	}
	slowest, unprepared := time.Duration(0), false
	for i := range part.Commands {
		if c := &part.Commands[i]; c.Phase == message.PhaseRun {
			slowest = max(slowest, c.Life.PrepareTakes)
			unprepared = unprepared || c.Life.Unprepared
		}
	}
	switch {
	case slowest > r.ReadyTimeout && !alone, (slowest - r.ReadyTimeout).Abs() < max(6*time.Second, 2*margin):
		return unclear // also as others wait a moment for those that are late, and what is lost is missed late
	case slowest > r.ReadyTimeout && slices.ContainsFunc(part.Commands, func(c Command) bool { return c.Phase != message.PhaseRun }):
		return unclear // a setup, and also one that is empty, has more time
	case slowest > r.ReadyTimeout, unprepared:
		return refuses
	}
	return willing
}

// good reports whether the command's own end is no failure.
func (c *Command) good() bool {
	return slices.Contains(c.OKExit, outcome.Status(c.Life.Code, c.Life.Signal))
}

// course is how the run must end once all hosts are ready: what comes first decides.
func (r *RunPlan) course(margin time.Duration) outcome.Run {
	const forever = time.Duration(1 << 60)
	failure, last, rule, started := forever, time.Duration(0), forever, time.Duration(0)
	waited := -time.Second
	for i := range r.Parts {
		first := forever
		for k := range r.Parts[i].Commands {
			c := &r.Parts[i].Commands[k]
			if c.Phase != message.PhaseRun {
				continue
			}
			ends := c.Delay + c.Life.Runs
			first = min(first, c.Delay)
			switch {
			case c.Life.Unstarted:
				ends = c.Delay
				failure = min(failure, ends)
			case c.Life.Runs == 0:
				ends = forever
			case !c.good():
				failure = min(failure, ends)
			}
			last = max(last, ends)
			if slices.Contains(r.StopWhen, c.Group) {
				waited = max(waited, ends)
			}
		}
		started = max(started, first)
	}
	if len(r.StopWhen) > 0 {
		rule = max(waited, started)
	}
	if r.StopAfter > 0 {
		rule = min(rule, max(r.StopAfter, started))
	}
	return r.decide(failure, last, rule, margin)
}

// decide says what comes first: the first failure, the last end, or the stop rule.
func (r *RunPlan) decide(failure, last, rule, margin time.Duration) outcome.Run {
	first := min(last, rule, r.Timeout)
	if r.StopOnFailure {
		first = min(first, failure)
	}
	good := min(last, rule)
	for _, pair := range [][2]time.Duration{{failure, good}, {failure, r.Timeout}, {good, r.Timeout}} {
		if (pair[0]-pair[1]).Abs() < margin && min(pair[0], pair[1]) <= first+margin {
			return ""
		}
	}
	switch {
	case r.StopOnFailure && failure == first:
		return outcome.RunFailed
	case first == r.Timeout:
		return outcome.RunTimedOut
	case failure < first:
		return outcome.RunFailed
	}
	return outcome.RunSucceeded
}
