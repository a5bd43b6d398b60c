package sim

import (
	"slices"
	"time"

	"downbeat/internal/clock"
	"downbeat/internal/message"
	"downbeat/internal/publisher/conduct"
)

// Checks of runs with several beats, or processes that become ready.

// A told is an instant that a host was told of; late: it had gone by, and at is when it heard.
type told struct {
	at, due instant
	late    bool
}

// agreed enters that a host is told of an instant, and how well its clock is known: where
// messages are held up on their way, that may be badly for a while.
func (h *ledgerHost) agreed(c *message.Control, clock *clock.Offset) {
	if c.At.IsZero() {
		return
	}
	bound := clock.Instant(c.At).Error
	h.blur = max(h.blur, bound)
	if c.Kind == message.Start {
		h.starts[c.Beat] = max(h.starts[c.Beat], bound)
	}
}

// heard enters how well the clock of a host is known when it tells of its processes.
func (h *ledgerHost) heard(e *message.Event, clock *clock.Offset) {
	switch e.Kind {
	case message.Started, message.Exited, message.ProcessReady:
		h.blur = max(h.blur, clock.Instant(e.Time).Error)
	default:
	}
}

// slackOf is how far an instant may be off that was agreed with a host.
func (l *ledger) slackOf(h *ledgerHost) time.Duration { return max(l.slack(), h.blur+time.Millisecond) }

// release enters when a host releases a beat.
func (h *ledgerHost) release(beat int, at instant) {
	l := h.host.w.ledger
	if h.releases[beat].at != 0 {
		l.violate("at most once: %s releases beat %d of %s again", h.host.name, beat, l.w.short(h.run.id))
	}
	h.releases[beat] = told{max(at, l.w.e.now), at, at <= l.w.e.now}
}

// stop enters when a host stops what begins from a beat on; the first time counts.
func (h *ledgerHost) stop(from int, at instant) {
	if h.stops[from].at == 0 {
		h.stops[from] = told{at, at, at <= h.host.w.e.now.add(time.Microsecond)}
	}
}

// ready enters that a process can be used.
func (l *ledger) ready(s *set, m *member) {
	if m.ledger.readyAt == 0 {
		m.ledger.readyAt = l.w.e.now
	}
	if l.w.notes != nil {
		l.w.note("%s: %s of %s is ready", s.host.name, m.script.Name, l.w.short(s.run))
	}
}

// readyInTime reports whether the process became ready while it was still looked for.
func (c *ledgerCommand) readyInTime() bool {
	return c.script.Ready.Within == 0 || c.readyAt != 0 && c.readyAt <= c.start.add(c.script.Ready.Within+5*time.Millisecond)
}

// mayBeUnready reports whether the process may be said not to have become ready: it did not,
// or so late that nobody had to see it.
func (h *ledgerHost) mayBeUnready(c *ledgerCommand) bool {
	if c.script.Ready.Within == 0 {
		return false
	}
	until := c.start.add(c.script.Ready.Within)
	if c.exited {
		until = min(until, c.exit.ended)
	}
	stalled := slices.ContainsFunc(h.host.w.plan.Faults, func(f Fault) bool { return f.Kind == Stalled && f.Who == h.host.number })
	return c.readyAt == 0 || stalled || c.lives > 1 || c.readyAt.add(lookEvery+5*time.Millisecond) > until
}

// knewUnready is when the host must have known, at the latest, that a process which was not ready
// would not be; lines that it wrote at last may come a moment after its end, and a machine that
// stands still knows nothing.
func (h *ledgerHost) knewUnready(c *ledgerCommand) instant {
	at := c.start.add(c.script.Ready.Within)
	if c.exited {
		at = min(at, c.exit.ended)
	}
	return max(at, h.host.stalled).add(500 * time.Millisecond)
}

// inTurn checks that a process begins after all that its beat waits for.
func (l *ledger) inTurn(h *ledgerHost, c *ledgerCommand) {
	if c.script.Beat == 0 || c.script.Beat >= len(h.run.plan.Beats) {
		return
	}
	for _, want := range h.run.plan.Beats[c.script.Beat].After {
		for i := range h.run.hosts {
			o := &h.run.hosts[i]
			for k := range o.commands {
				if m := &o.commands[k]; m.script.Phase == message.PhaseRun && m.script.Group == want.Group {
					l.inTurnOf(h, c, o, m, want)
				}
			}
		}
	}
}

func (l *ledger) inTurnOf(h *ledgerHost, c *ledgerCommand, o *ledgerHost, m *ledgerCommand, want Condition) {
	since, what := m.first, "has not begun"
	holds := m.lives > 0
	switch {
	case want.Ended && m.starts > 0: // an action may have had it begin anew since
		holds, since, what = m.wellAt != 0, m.wellAt, "has never ended well"
	case want.Ended:
		holds, since, what = m.exited && !m.failed(), m.exit.ended, "has not ended well"
	case m.script.Ready.Within > 0:
		holds, since, what = m.readyAt != 0, m.readyAt, "is not ready"
	}
	switch {
	case !holds:
		l.violate("in turn: %s of %s begins on %s, and %s on %s %s", c.script.Name, l.w.short(h.run.id), h.host.name, m.script.Name, o.host.name, what)
	case l.w.e.now.add(max(l.slackOf(h), l.slackOf(o))) < since.add(want.Delay):
		l.violate("in turn: %s of %s begins on %s too soon after %s on %s", c.script.Name, l.w.short(h.run.id), h.host.name, m.script.Name, o.host.name)
	}
}

// judgeBeats checks that no process has begun before the instant that was agreed on for its
// beat, nor one of a beat for which none was; and that what each host was told of the instant
// was right, as far as its clock was said to be known.
func (l *ledger) judgeBeats(c *publisherRun, res *conduct.Result) {
	for i := range c.ledger.hosts {
		h := &c.ledger.hosts[i]
		for k, at := range h.releases {
			if off := c.clock.at(at.due).Sub(res.Beats[k].At); at.at != 0 && off.Abs() > h.starts[k]+time.Microsecond {
				l.violate("together: %s is told to release beat %d of %s %s off the agreed instant, and its clock is said to be known to ±%s", h.host.name, k, l.w.short(c.id), off, h.starts[k])
			}
		}
		for k := range h.commands {
			m := &h.commands[k]
			if m.script.Phase != message.PhaseRun || m.lives == 0 || m.script.Beat >= len(res.Beats) {
				continue
			}
			if at := res.Beats[m.script.Beat].At; at.IsZero() || c.clock.at(m.start).Before(at.Add(-l.slackOf(h))) {
				l.violate("in turn: %s of %s begins on %s before the instant of its beat", m.script.Name, l.w.short(c.id), h.host.name)
			}
		}
	}
}
