package sim

import (
	"fmt"
	"strings"

	"downbeat/internal/message"
)

// Messages in the words of the trace.

// words tell of an event.
func (w *world) words(e *message.Event) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s", e.Kind)
	switch e.Kind {
	case message.Waiting:
		fmt.Fprintf(&b, " behind %s", w.short(e.Waiting.Behind))
	case message.Refused:
		fmt.Fprintf(&b, " (%s)", e.Refused.Reason)
	case message.Started:
		for _, s := range e.Started {
			fmt.Fprintf(&b, " %d", s.Command)
		}
	case message.Exited:
		fmt.Fprintf(&b, " %d: %s", e.Exited.Command, exitWords(e.Exited))
	case message.Stopping:
		fmt.Fprintf(&b, " (%s: %s)", e.Stopping.Cause, e.Stopping.Reason)
	case message.Done:
		fmt.Fprintf(&b, " %s %s", e.Done.Outcome, e.Done.Reason)
	case message.Heartbeat:
		fmt.Fprintf(&b, " last %d", e.Heartbeat.Last)
	case message.Want:
		fmt.Fprintf(&b, " %s", e.Want.Path)
	default:
	}
	return strings.TrimSpace(b.String())
}

func exitWords(e *message.ExitedInfo) string {
	text := fmt.Sprintf("status %d", e.ExitCode)
	if e.Signal != "" {
		text = e.Signal
	}
	for _, more := range []struct {
		is   bool
		what string
	}{{e.Stopped, "stopped"}, {e.Killed, "killed"}, {e.TimedOut, "timed out"}, {e.Left, "left"}} {
		if more.is {
			text += ", " + more.what
		}
	}
	if e.Reason != "" {
		text += " (" + e.Reason + ")"
	}
	return text
}

// control tells of a control.
func (w *world) control(c *message.Control) string {
	text := string(c.Kind)
	if c.Kind == message.Keepalive {
		text += fmt.Sprintf(" ack %d", c.Ack)
	}
	if c.Resend {
		text += " resend"
	}
	if c.Cause != "" {
		text += fmt.Sprintf(" (%s: %s)", c.Cause, c.Reason)
	}
	return text
}

// routine reports whether a message goes back and forth all the time, and says nothing
// that people would want to read.
func (p *parcel) routine() bool {
	switch {
	case p.kind == controlParcel:
		return p.control.Kind == message.Keepalive && !p.control.Resend
	case p.kind == eventParcel && p.record.event != nil:
		return p.record.event.Kind == message.Heartbeat
	}
	return false
}

// parcel tells of a message that arrives.
func (w *world) parcel(p *parcel) string {
	switch p.kind {
	case jobParcel:
		return "the job of " + w.short(p.run)
	case controlParcel, cancelParcel:
		return fmt.Sprintf("%s of %s, serial %d", w.control(p.control), w.short(p.run), p.serial)
	case chunkParcel:
		return "a file of " + w.short(p.run)
	case eventParcel:
	}
	r := p.record
	var what string
	switch {
	case r.event != nil:
		what = w.words(r.event)
	case r.output != nil:
		what = fmt.Sprintf("output, %d pieces", len(r.output))
	case r.samples != nil:
		what = "samples"
	default:
		what = fmt.Sprintf("files, %d pieces", len(r.files))
	}
	if p.host == "" {
		return fmt.Sprintf("%s, %s", what, w.short(p.run))
	}
	if p.seq == 0 {
		return fmt.Sprintf("%s of %s on %s", what, w.short(p.run), p.host)
	}
	return fmt.Sprintf("%d %s of %s on %s", p.seq, what, w.short(p.run), p.host)
}
