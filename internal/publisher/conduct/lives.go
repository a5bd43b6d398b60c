package conduct

import (
	"fmt"
	"slices"

	"downbeat/internal/clock"
	"downbeat/internal/message"
	"downbeat/internal/outcome"
)

// A Life is one start of a process and its end.
type Life struct {
	PID                int
	StartedAt, EndedAt clock.Instant
	Exit               *message.ExitedInfo // nil: it is not known to have ended
	Outcome            outcome.Command
	Reason             string
}

// life is the life of the process that is told of now.
func (p *Ran) life() Life {
	return Life{PID: p.PID, StartedAt: p.StartedAt, EndedAt: p.EndedAt, Exit: p.Exit, Outcome: p.Outcome, Reason: p.Reason}
}

// Lives are all of a process's.
func (p *Ran) Lives() []Life { return append(slices.Clone(p.Earlier), p.life()) }

// Began is when the first of its lives began.
func (p *Ran) Began() clock.Instant {
	if len(p.Earlier) > 0 {
		return p.Earlier[0].StartedAt
	}
	return p.StartedAt
}

// over reports whether a process has ended and won't begin anew, as far as is known.
func (c *command) over() bool { return c.ended() && !c.Exit.Again }

// failed reports whether a process has failed: in its last life, or as it did not become
// ready. One that begins anew has not.
func (c *command) failed() bool {
	return c.unready != "" || c.Outcome == outcome.CommandFailed && (c.Exit == nil || !c.Exit.Again)
}

// whichLife continues the reason of a failure where no other life follows, though the process is
// restarted.
func (c *command) whichLife() string {
	if c.Restart == nil || len(c.Earlier) == 0 {
		return ""
	}
	return fmt.Sprintf(" (life %d, restarted at most %d times)", len(c.Earlier)+1, c.Restart.AtMost)
}

// failedAt is when that was.
func (c *command) failedAt() clock.Instant {
	if c.unready != "" {
		return c.unreadyAt
	}
	return c.EndedAt
}

// lives moves a process of a host to its next life.
func (r *Run) lives(h *host, c *command, life int) {
	if life == 0 {
		h.beats[c.Beat].unborn--
		return
	}
	if c.over() {
		r.isBack(c)
		r.count(c, 1)
	}
	c.Earlier = append(c.Earlier, c.life())
	c.PID, c.StartedAt, c.EndedAt, c.Exit, c.Outcome, c.Reason = 0, clock.Instant{}, clock.Instant{}, nil, "", ""
	c.acted, c.unasked = nil, false
}

// processStarts takes a host's word that a process has begun.
func (r *Run) processStarts(h *host, n int, s message.StartedInfo) {
	c := &r.commands[n]
	r.lives(h, c, s.Life)
	c.start(s.PID, h.contact.instant(s.StartedAt, r.now))
	r.alive(h, c, 1)
	if c.Ready == nil {
		r.usable(c, c.StartedAt)
	}
	r.out.put(Started{Command: n, Life: s.Life, PID: s.PID, At: c.StartedAt.Time})
}

// processEnds takes a host's word that a life of a process has ended.
func (r *Run) processEnds(h *host, n int, e told) {
	c := &r.commands[n]
	switch {
	case e.Exited.Life != len(c.Earlier): // it could not be started
		r.lives(h, c, e.Exited.Life)
	case !c.StartedAt.IsZero():
		r.alive(h, c, -1)
	default:
		h.beats[c.Beat].unborn--
	}
	c.end(e, &h.contact, r.now)
	known := circumstances(&r.ending, h, c)
	if a := r.endedBy(c); a != nil {
		c.unasked = false
		known.Stop, known.StopReason = outcome.StopAction, a.Text
	}
	c.Outcome, c.Reason = outcome.Judge(c.Exit.Exit(), known)
	if c.Outcome == outcome.CommandFailed && !c.Exit.Again {
		c.Reason += c.whichLife()
	}
	if c.unready != "" {
		c.Outcome = outcome.CommandFailed
	}
	if c.over() {
		r.count(c, -1)
		r.isOver(c)
	}
	r.out.put(Exited{Command: n, Ran: &c.Ran})
	if c.failed() && r.rule.OnFailure {
		r.halt(message.StopFailure, describeFailure(c))
	}
}

// count adds a process to those that are not over, or takes it away.
func (r *Run) count(c *command, by int) {
	c.host.left += by
	r.rule.count(c.Command, by)
}

// alive adds a process to those that have started and not ended, or takes it away.
func (r *Run) alive(h *host, c *command, by int) {
	h.beats[c.Beat].alive += by
	r.beatOf(c).alive += by
}

// cutOff judges a process whose next life never began.
func (c *command) cutOff() {
	reason := "the run was over before it began anew"
	if c.Reason != "" {
		reason += "; before, it " + c.Reason
	}
	c.Outcome, c.Reason = outcome.CommandStopped, reason
}
