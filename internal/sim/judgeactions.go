package sim

import (
	"slices"
	"time"

	"downbeat/internal/outcome"
	"downbeat/internal/publisher/conduct"
)

// judgeActions checks that what was done to processes was asked for, at that time and once,
// and that a run has not succeeded in which something was not done.
func (l *ledger) judgeActions(c *publisherRun, res *conduct.Result) {
	for i := range c.ledger.hosts {
		h := &c.ledger.hosts[i]
		for k := range h.commands {
			due, must := c.dueTo(res, i, k)
			m := &h.commands[k]
			for _, at := range m.deeds {
				if !take(&due, c.clock.at(at), l.slackOf(h)) && !h.releases[m.script.Beat].late {
					l.violate("actions: something is done to %s of %s on %s that is not due then", m.script.Name, l.w.short(c.id), h.host.name)
				}
			}
			if len(m.deeds) < must && res.Outcome == outcome.RunSucceeded {
				l.violate("actions: %s has succeeded, and %d of %d actions were done to %s on %s", l.w.short(c.id), len(m.deeds), must, m.script.Name, h.host.name)
			}
		}
	}
}

// allDone reports whether everything was done that had to be.
func (l *ledger) allDone(c *publisherRun) bool {
	for i := range c.ledger.hosts {
		for k := range c.ledger.hosts[i].commands {
			must := 0
			for n := range c.plan.Actions {
				if a := &c.plan.Actions[n]; a.Part == i && slices.Contains(a.Commands, k) {
					must++
				}
			}
			if len(c.ledger.hosts[i].commands[k].deeds) < must {
				return false
			}
		}
	}
	return true
}

// dueTo is when something is due to a command, and how often that must be done.
func (c *publisherRun) dueTo(res *conduct.Result, part, command int) (due []time.Time, must int) {
	for i := range c.plan.Actions {
		a := &c.plan.Actions[i]
		for _, n := range a.Commands {
			if a.Part != part || n != command {
				continue
			}
			if !a.Optional {
				must++
			}
			if a.Beat < len(res.Beats) && !res.Beats[a.Beat].At.IsZero() {
				due = append(due, res.Beats[a.Beat].At.Add(a.After))
			}
		}
	}
	return due, must
}

// take takes out the one that is at that time, if there is one.
func take(due *[]time.Time, at time.Time, slack time.Duration) bool {
	for i, d := range *due {
		if at.Sub(d).Abs() <= slack {
			*due = append((*due)[:i:i], (*due)[i+1:]...)
			return true
		}
	}
	return false
}
