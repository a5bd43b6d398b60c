package sim

import (
	"slices"
	"time"

	"downbeat/internal/message"
	"downbeat/internal/outcome"
	"downbeat/internal/publisher/conduct"
)

// A due is an act as the record has it, with what was truly done.
type due struct {
	conduct.Act
	action *Action
	who    Target
	at     time.Time // when it was to be done; zero: it never came to that
	done   *deed     // nil: it was not
}

// dues are the acts of a run, each with the deed that it was. Deeds that are none of them are
// given, too, as far as a restart does not explain them.
func (l *ledger) dues(c *publisherRun, res *conduct.Result) (all []due, strange []Target) {
	for i := range res.Acts {
		d := due{Act: res.Acts[i], action: &c.plan.Actions[res.Acts[i].Action.Number], who: c.target(res.Acts[i].Command)}
		d.at = d.DueAt
		if b := d.action.Beat; d.action.timed() && b < len(res.Beats) && !res.Beats[b].At.IsZero() {
			d.at = res.Beats[b].At.Add(d.action.After)
		}
		all = append(all, d)
	}
	for i := range c.ledger.hosts {
		for k := range c.ledger.hosts[i].commands {
			if l.settle(c, all, Target{i, k}) {
				strange = append(strange, Target{i, k})
			}
		}
	}
	return all, strange
}

// settle finds which acts the deeds were that were done to a command: first those that are said
// to have been done then, and then those of which nothing is said. It reports whether there are
// more.
func (l *ledger) settle(c *publisherRun, all []due, who Target) (more bool) {
	m, restarts := c.ledger.at(who), 0
	settled := make([]bool, len(m.deeds))
	for _, said := range []bool{true, false} {
		for n := range m.deeds {
			did := &m.deeds[n]
			if settled[n] || did.timeout {
				continue
			}
			best := -1 // of those that it can be, the first that none later can be
			for i := range all {
				d := &all[i]
				can := d.who == who && d.done == nil && d.Reported == said && d.Reason == "" && l.canBe(c, d, did)
				if can && (best < 0 || d.latest().Before(all[best].latest())) {
					best = i
				}
			}
			if best >= 0 {
				all[best].done, settled[n] = did, true
			} else if !said && did.do == message.ActStart {
				restarts++
			} else if !said {
				more = true
			}
		}
	}
	return more || restarts > m.script.Restart.AtMost
}

// latest is when the act was done, or due, at the latest.
func (d *due) latest() time.Time {
	if d.Reported {
		return d.At.Latest()
	}
	return d.at
}

// canBe reports whether a deed can have been an act, by its kind and its time.
func (l *ledger) canBe(c *publisherRun, d *due, did *deed) bool {
	at, h := c.clock.at(did.at), &c.ledger.hosts[d.who.Part]
	switch {
	case d.action.Do != did.do || d.action.Signal != did.signal || d.action.For != did.pause:
		return false
	case d.Reported && within("", d.At.Earliest(), d.At.Latest(), at) != "":
		return false
	case d.at.IsZero():
		return !d.action.timed() && did.do != message.ActStart // the stop came before the word of it; a start may be the process's own
	case at.Sub(d.at).Abs() <= l.slackOf(h):
		return true
	}
	return at.After(d.at) && (did.late || d.action.timed() && h.releases[d.action.Beat].late)
}

// target is the command of that number of the run.
func (c *publisherRun) target(number int) Target {
	for i := range c.hosts {
		if local := c.local(i, number); local >= 0 {
			return Target{i, local}
		}
	}
	return Target{-1, -1}
}

// judgeActions checks that what was done to commands was asked for, at its time and once, that the
// record says so, and that a run has not succeeded in which something was not done.
func (l *ledger) judgeActions(c *publisherRun, res *conduct.Result) {
	if len(c.plan.Actions) == 0 {
		return
	}
	all, strange := l.dues(c, res)
	for _, who := range strange {
		h := &c.ledger.hosts[who.Part]
		l.violate("actions: something is done to %s of %s on %s that is not due then", h.commands[who.Command].script.Name, l.w.short(c.id), h.host.name)
	}
	for i := range c.plan.Actions {
		if what := l.undone(c, all, i); what != "" && res.Outcome == outcome.RunSucceeded && !c.plan.Actions[i].Optional {
			l.violate("actions: %s has succeeded, and action %d %s", l.w.short(c.id), i, what)
		}
		if a := &c.plan.Actions[i]; !a.timed() {
			l.judgeCalls(c, a, all, i)
		}
	}
	for i := range all {
		if what := all[i].wronglyTold(); what != "" {
			d := &all[i]
			l.violate("actions: action %d of %s on %s of %s %s", d.Action.Number, l.w.short(c.id), c.ledger.at(d.who).script.Name, c.ledger.hosts[d.who.Part].host.name, what)
		}
	}
}

func (r *ledgerRun) at(who Target) *ledgerCommand { return &r.hosts[who.Part].commands[who.Command] }

// wronglyTold says what is wrong with what the record says of an act.
func (d *due) wronglyTold() string {
	switch {
	case !d.Reported || d.Reason != "":
		return ""
	case d.done == nil:
		return "is said to be done, and it was not, or not then"
	}
	return ""
}

// undone says why an action was not carried out; empty: it was.
func (l *ledger) undone(c *publisherRun, all []due, action int) string {
	turns, a := 0, &c.plan.Actions[action]
	for i := range all {
		d := &all[i]
		if d.Action.Number != action {
			continue
		}
		turns++
		m := c.ledger.at(d.who)
		switch {
		case d.done == nil:
			return "was not done to " + m.script.Name
		case a.Do == message.ActRun && m.everFailed():
			return "has run " + m.script.Name + ", which has not ended well"
		}
	}
	if turns == 0 {
		return "was never done"
	}
	return ""
}

// hasFailed reports whether a process has failed: where actions may have it begin anew, the run may
// have been over by the time that one did.
func (c *ledgerCommand) hasFailed() bool {
	for life := range len(c.past) {
		if c.starts > 0 && c.asOf(life).failed() {
			return true
		}
	}
	return c.failed()
}

// everFailed reports whether a command of an action has failed, or had its time, in one of its
// executions. That the run's stop came first is no failure.
func (c *ledgerCommand) everFailed() bool {
	for life := range len(c.past) + 1 {
		if m := c.asOf(life); m.exited && (m.exit.timedOut || !m.exit.stopped && m.failed()) {
			return true
		}
	}
	return false
}

// allDone reports whether everything was done that had to be.
func (l *ledger) allDone(c *publisherRun, res *conduct.Result) bool {
	all, _ := l.dues(c, res)
	for i := range c.plan.Actions {
		if !c.plan.Actions[i].Optional && l.undone(c, all, i) != "" {
			return false
		}
	}
	return true
}

// A trigger is when something happened that an action waits for, and who did it.
type trigger struct {
	at  instant
	who Target
}

// triggers are what has had an action called, or could have.
func (r *ledgerRun) triggers(a *Action) (all []trigger) {
	for _, q := range r.questions {
		if q.of(message.AskMark, a.Mark) {
			all = append(all, trigger{q.at, q.who()})
		}
	}
	for _, said := range r.lines {
		if slices.Contains(a.Watched, said.who) {
			all = append(all, trigger{said.at, said.who})
		}
	}
	return all
}

// judgeCalls checks that an action was called for a mark or a line that there was, and not more
// often; and, where nothing gets lost, that it was if there was one.
func (l *ledger) judgeCalls(c *publisherRun, a *Action, all []due, number int) {
	triggers, turns := c.ledger.triggers(a), 0
	soon := 300*time.Millisecond + 20*(l.w.plan.Network.Delay+l.w.plan.Network.Jitter)
	surely := l.w.calm() && l.w.plan.Network.LossPercent == 0
	for i := range all {
		d := &all[i]
		if d.Action.Number != number {
			continue
		}
		turns = max(turns, d.Turn+1)
		fits := d.at.IsZero() || slices.ContainsFunc(triggers, func(t trigger) bool {
			at := c.clock.at(t.at).Add(a.After)
			return (!a.ThatOne || t.who == d.who) && !at.After(d.at.Add(l.slack())) && (!surely || d.at.Before(at.Add(soon)))
		})
		if !fits {
			l.violate("actions: action %d of %s is called for %s, without what it waits for", number, l.w.short(c.id), c.ledger.at(d.who).script.Name)
		}
	}
	if most := min(max(a.Times, 1), len(triggers)); turns > most {
		l.violate("actions: action %d of %s is called %d times, and may be %d times", number, l.w.short(c.id), turns, most)
	}
	until := c.endAt
	if c.stopSent != 0 {
		until = c.stopSent
	}
	if surely && turns == 0 {
		for _, t := range triggers {
			if t.at.add(soon) < until && (!a.ThatOne || a.does(t.who.Part, t.who.Command)) {
				l.violate("actions: action %d of %s is not called, and what it waits for has come (%s)", number, l.w.short(c.id), time.Duration(t.at))
				return
			}
		}
	}
}
