package sim

import (
	"downbeat/internal/message"
	"downbeat/internal/publisher/conduct"
)

// judgeAsks checks what the record says of what processes have asked for: each mark is one that
// was made, once, and each that its process was told of is there; and the members of a barrier
// have gone on at one instant.
func (l *ledger) judgeAsks(c *publisherRun, res *conduct.Result) {
	for i := range res.Marks {
		m := &res.Marks[i]
		if q := c.ledger.markOf(m, c); q != nil {
			q.recorded = true
			continue
		}
		l.violate("nothing invented: %s of %s has made mark %s, or made it then", m.Process, l.w.short(c.id), m.Name)
	}
	for _, q := range c.ledger.questions {
		if q.asked.What == message.AskMark && q.good && !q.recorded {
			l.violate("nothing lost: %s has made mark %s in %s, and the record does not have it", q.command.script.Name, q.asked.Name, l.w.short(c.id))
		}
		if q.asked.What == message.AskBarrier && q.good {
			l.judgeBarrier(c, res, q)
		}
	}
}

// markOf is what was asked for that a mark of the record is: the first that it can be.
func (r *ledgerRun) markOf(m *conduct.Mark, c *publisherRun) *question {
	for _, q := range r.questions {
		if q.of(message.AskMark, m.Name) && !q.recorded && q.command.script.Name == m.Process && q.host == &r.hosts[m.Host] &&
			within("", m.At.Earliest(), m.At.Latest(), c.clock.at(q.at)) == "" {
			return q
		}
	}
	return nil
}

// judgeBarrier checks that who came to a barrier has gone on when it opened, or as soon as it
// was told of that.
func (l *ledger) judgeBarrier(c *publisherRun, res *conduct.Result, q *question) {
	at := c.clock.at(q.goes)
	for i := range res.Barriers {
		b := &res.Barriers[i]
		if b.Name != q.asked.Name || b.Count != q.asked.Count {
			continue
		}
		if off := at.Sub(b.OpenedAt); off.Abs() <= l.slackOf(q.host) || q.late && off > 0 {
			return
		}
	}
	l.violate("together: %s of %s goes on from barrier %s when it does not open", q.command.script.Name, l.w.short(c.id), q.asked.Name)
}

// who is the process that has asked.
func (q *question) who() Target {
	for i := range q.host.run.hosts {
		if &q.host.run.hosts[i] != q.host {
			continue
		}
		for k := range q.host.commands {
			if &q.host.commands[k] == q.command {
				return Target{i, k}
			}
		}
	}
	return Target{-1, -1}
}
