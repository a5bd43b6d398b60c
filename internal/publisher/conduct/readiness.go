package conduct

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"downbeat/internal/clock"
	"downbeat/internal/message"
	"downbeat/internal/outcome"
)

// A group is what is to be known of the processes of one name that something waits for.
type group struct {
	commands []*command
	usable   gathering // those that can be used, or could once
	over     gathering // those that are over, none having failed
}

// A gathering counts processes of a group of which something has come to be true.
type gathering struct {
	n     int
	last  time.Time // when of the last of them
	never string    // why it can't come to be true of all; empty: it can
}

// since is from when on it has been true of so many; zero: it is not. Of none it always
// has been.
func (g *gathering) since(all int) time.Time {
	switch {
	case all == 0:
		return time.Unix(0, 0)
	case g.n < all || g.never != "":
		return time.Time{}
	}
	return g.last
}

func (g *gathering) add(at time.Time) {
	g.n++
	if at.After(g.last) {
		g.last = at
	}
}

// group gives the group of that name, which is watched from now on.
func (r *Run) group(name string) *group {
	if g := r.groups[name]; g != nil {
		return g
	}
	g := &group{}
	for i := range r.commands {
		if c := &r.commands[i]; c.Phase == message.PhaseRun && c.Group == name {
			g.commands = append(g.commands, c)
		}
	}
	if r.groups == nil {
		r.groups = make(map[string]*group)
	}
	r.groups[name] = g
	return g
}

// usable notes that a process can be used: once it has started or, where the file says
// how that is seen, once that was. It stays so, whatever becomes of it.
func (r *Run) usable(c *command, at clock.Instant) {
	if c.usable {
		return
	}
	c.usable, c.tail = true, nil
	if g := r.groups[c.Group]; g != nil {
		g.usable.add(at.Time)
	}
}

// isOver notes that a process has ended and won't begin anew, as far as is known.
func (r *Run) isOver(c *command) {
	g := r.groups[c.Group]
	if g == nil {
		return
	}
	g.over.add(c.EndedAt.Time)
	if c.failed() && g.over.never == "" {
		g.over.never = describeFailure(c)
	}
	if c.unasked && g.over.never == "" {
		g.over.never = c.Name + " on " + c.host.name + " was stopped by its worker"
	}
	if !c.usable && c.Ready == nil && g.usable.never == "" { // it could not be started
		g.usable.never = describeFailure(c)
	}
}

// isBack takes back that a process was over.
func (r *Run) isBack(c *command) {
	if g := r.groups[c.Group]; g != nil {
		g.over.n--
	}
}

// processReady takes a host's word that a process can be used, or did not become ready.
func processReady(r *Run, h *host, e told) string {
	n := h.numbers[e.ProcessReady.Command]
	c, at := &r.commands[n], h.contact.instant(e.Time, r.now)
	switch {
	case c.usable || c.unready != "":
	case e.ProcessReady.Reason == "":
		c.ReadyAt = at
		r.usable(c, at)
		r.out.put(ProcessReady{Command: n, At: at.Time})
	case !r.ending.of(c.Beat).before(at.Time, 0): // else the stop came first
		c.unready, c.unreadyAt = e.ProcessReady.Reason, at
		if c.ended() {
			c.Outcome = outcome.CommandFailed
		}
		if g := r.groups[c.Group]; g != nil {
			g.usable.never = describeFailure(c)
		}
		if r.rule.OnFailure {
			r.halt(message.StopFailure, describeFailure(c))
		}
	}
	return ""
}

// describeUnready continues a sentence that begins with the name of a process that did not
// become ready.
func describeUnready(c *command) string {
	text := fmt.Sprintf("did not become ready (%s): %s%s", c.Ready, c.unready, c.whichLife())
	if lines := c.tail.last(); len(lines) > 0 {
		text += "; its last lines: " + strings.Join(lines, ", ")
	}
	return text
}

// A tail is the end of what a process has written, as long as it is not ready.
type tail []byte

const (
	tailLines  = 3
	tailWidth  = 160 // of a line, in bytes
	tailLength = tailLines * 1024
)

// add appends what was written, and forgets what is too long ago.
func (t *tail) add(data []byte) {
	*t = append(*t, data[max(len(data)-tailLength, 0):]...)
	if over := len(*t) - tailLength; over > 0 {
		*t = append((*t)[:0], (*t)[over:]...)
	}
}

// last gives the last lines that are not blank, quoted.
func (t tail) last() []string {
	var lines []string
	for line := range strings.Lines(string(t)) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, strconv.Quote(line[:min(len(line), tailWidth)]))
		}
	}
	return lines[max(len(lines)-tailLines, 0):]
}
