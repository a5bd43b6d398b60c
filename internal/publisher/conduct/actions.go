package conduct

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"downbeat/internal/clock"
	"downbeat/internal/message"
	"downbeat/internal/outcome"
)

// An Action is something that is done to a run while its processes run. Those at a time
// after a beat are in the jobs, and the hosts carry them out by their own clocks. Those after
// a mark or a line are called: each host concerned is told when.
type Action struct {
	Number   int // its position in the file's list
	Do       message.ActionKind
	Text     string // for people: what is done, to whom, when
	Optional bool   // the run has not failed where it could not be done
	Trigger  Trigger
	// Targets are the numbers of what it is done to; with ThatOne it is done to the one that
	// has written the line, or made the mark.
	Targets []int
	ThatOne bool
}

// A Trigger says when an action is done: After the release of Beat or, if one of them is
// set, after the first Mark of that name, or after a Line, which the hosts look for.
type Trigger struct {
	Beat  int
	Mark  string
	Line  bool
	Times int // of a line: after how many of them at most
	After time.Duration
}

// An Act is one action on one command.
type Act struct {
	Action   *Action
	Turn     int // which time it was called, from 0
	Command  int
	Life     int           // of the process; of a start, the one that has begun
	DueAt    time.Time     // the agreed instant; zero: it never came to that
	At       clock.Instant // when it was done, or found out that it can't be; zero: neither is known
	Reason   string        // why it can't be
	Reported bool
}

// An action is an Action's part in a run.
type action struct {
	Action
	turns [][]Act // of each, what it is done to. One at a time has a single turn.
}

// A call tells a host to carry out a turn of an action, until all has come of that.
type call struct {
	action, turn int
	commands     []int // of the host's job, that nothing has come of
	at           time.Time
	repeatAt     time.Time
	since        time.Time // from when on the host owes an answer
}

func (t *Trigger) timed() bool { return t.Mark == "" && !t.Line }

// name is what people call an action.
func (a *Action) name() string { return fmt.Sprintf("action %d (%s)", a.Number, a.Text) }

// newActions takes the actions of a run up.
func (r *Run) newActions() {
	for _, a := range r.spec.Actions {
		made := &action{Action: a}
		if a.Trigger.timed() {
			made.turns = [][]Act{made.acts(0, a.Targets)}
		}
		r.actions = append(r.actions, made)
	}
}

// acts makes what there is to be done in a turn.
func (a *action) acts(turn int, targets []int) []Act {
	var acts []Act
	for _, n := range targets {
		acts = append(acts, Act{Action: &a.Action, Turn: turn, Command: n})
	}
	return acts
}

// action finds one by its number; nil: there is none.
func (r *Run) action(number int) *action {
	i := slices.IndexFunc(r.actions, func(a *action) bool { return a.Number == number })
	if i < 0 {
		return nil
	}
	return r.actions[i]
}

// callAhead is how long before its instant a host is told of an action at the earliest.
const callAhead = 2 * time.Second

// call has an action carried out at that time after what has triggered it.
func (r *Run) call(a *action, since time.Time, targets []int) {
	turn := len(a.turns)
	acts := a.acts(turn, targets)
	a.turns = append(a.turns, acts)
	at := r.now.Add(stopMargin(r.hosts))
	if want := since.Add(a.Trigger.After); want.After(at) {
		at = want
	}
	for i := range r.hosts {
		h := &r.hosts[i]
		var commands []int
		for n := range acts {
			t := &acts[n]
			t.DueAt = at
			// One whose word of the release has not come yet is told once it has.
			if local := slices.Index(h.numbers, t.Command); local >= 0 && h.phase <= Released {
				commands = append(commands, local)
			} else if local >= 0 {
				t.Reason, t.Reported = "nothing of the run is left there", true
				r.out.put(Acted{Act: *t})
			}
		}
		if len(commands) > 0 {
			h.touch()
			h.account.calledFor(a, turn, commands)
			c := &call{action: a.Number, turn: turn, commands: commands, at: at, repeatAt: at.Add(-callAhead), since: at}
			h.calls = append(h.calls, c)
			if h.phase == Released && !r.now.Before(c.repeatAt) {
				r.tellCall(h, c)
			}
		}
	}
}

func (r *Run) tellCall(h *host, c *call) {
	c.repeatAt = r.now.Add(repeatEvery)
	r.out.hurry(Send{Host: h.index, Control: &message.Control{
		Kind: message.Act, Action: c.action, Turn: c.turn, Commands: c.commands, At: h.contact.clock.Theirs(c.at),
	}})
}

// callMarked calls the actions that come after a mark: the first of its name, or, where
// they are done to whoever made it, the first of a process that is known.
func (r *Run) callMarked(m *Mark) {
	for _, a := range r.actions {
		if a.Trigger.Mark != m.Name || len(a.turns) > 0 || r.ending.stopped() {
			continue
		}
		targets := a.Targets
		if a.ThatOne {
			targets = r.hosts[m.Host].named(m.Process)
		}
		if len(targets) > 0 {
			r.call(a, m.At.Time, targets)
		}
	}
}

// named is the number of the host's process of that name, if there is one.
func (h *host) named(name string) []int {
	for local, c := range h.job.In(message.PhaseRun) {
		if c.Name == name {
			return []int{h.numbers[local]}
		}
	}
	return nil
}

// seesLine takes a host's word that a line has come that an action waits for.
func seesLine(r *Run, h *host, e told) string {
	a := r.action(e.Seen.Action)
	if a == nil || !a.Trigger.Line || len(a.turns) >= max(a.Trigger.Times, 1) || r.ending.stopped() {
		return ""
	}
	targets := a.Targets
	if a.ThatOne {
		targets = []int{h.numbers[e.Seen.Command]}
	}
	at := h.contact.instant(e.Time, r.now)
	r.call(a, at.Time, targets)
	return ""
}

// acts takes a host's word that an action was carried out on a command, or can't be.
func acts(r *Run, h *host, e told) string {
	info := e.Acted
	n := h.numbers[info.Command]
	h.endCall(info)
	a := r.action(info.Action)
	if a == nil || info.Turn >= len(a.turns) {
		return ""
	}
	for i := range a.turns[info.Turn] {
		if t := &a.turns[info.Turn][i]; t.Command == n && !t.Reported {
			t.Reported, t.Life, t.Reason, t.At = true, info.Life, info.Reason, h.contact.instant(e.Time, r.now)
			t.DueAt = r.dueAt(a, t)
			r.out.put(Acted{Act: *t})
			if c := &r.commands[n]; info.Reason == "" && (a.Do == message.ActSignal || a.Do == message.ActStop) {
				c.acted = append(c.acted, a.Number)
			}
		}
	}
	return ""
}

// dueAt is when an act is due: zero, as long as its beat is not.
func (r *Run) dueAt(a *action, t *Act) time.Time {
	if !a.Trigger.timed() {
		return t.DueAt
	}
	if b := a.Trigger.Beat; b < len(r.beats) && !r.beats[b].at.IsZero() {
		return r.beats[b].at.Add(a.Trigger.After)
	}
	return time.Time{}
}

// endCall takes a command out of what a host is to do.
func (h *host) endCall(info *message.ActedInfo) {
	for _, c := range h.calls {
		if c.action == info.Action && c.turn == info.Turn {
			c.commands = slices.DeleteFunc(slices.Clone(c.commands), func(n int) bool { return n == info.Command })
		}
	}
	h.calls = slices.DeleteFunc(h.calls, func(c *call) bool { return len(c.commands) == 0 })
}

// endedBy is the action that a host says has ended a process, if it can be: it was carried
// out on it before.
func (r *Run) endedBy(c *command) *action {
	if a := c.Exit.Action; a != nil && slices.Contains(c.acted, *a) {
		return r.action(*a)
	}
	return nil
}

// stays reports whether the host waits for the stop when its processes have ended, as actions
// may have something begin there.
func (w *work) stays() bool {
	return w.job.Has(message.PhaseAction) ||
		slices.ContainsFunc(w.job.Actions, func(a message.Action) bool { return a.Called || a.Do == message.ActStart })
}

// isEmpty reports whether every process has ended, and hosts wait for the stop.
func isEmpty(r *Run) bool {
	return !r.ending.stopped() && r.rule.left == 0 &&
		slices.ContainsFunc(r.hosts, func(h host) bool { return h.waits && h.phase == Released })
}

func stopEmpty(r *Run) {
	r.halt(message.StopRule, "every process has ended")
	r.tellStop()
}

func callDue(r *Run, h *host) time.Time {
	var at time.Time
	if r.ending.stopped() || h.phase != Released {
		return at
	}
	for _, c := range h.calls {
		at = sooner(at, c.repeatAt)
	}
	return at
}

func tellCalls(r *Run, h *host) {
	for _, c := range h.calls {
		if isDue(c.repeatAt, r.now) {
			r.tellCall(h, c)
		}
	}
}

func actedDue(r *Run, h *host) time.Time {
	var at time.Time
	if r.ending.stopped() || h.phase != Released {
		return at
	}
	for _, c := range h.calls {
		at = sooner(at, whileHeard(r, h, c.since.Add(r.spec.asking())))
	}
	return at
}

// notActed gives up a host that answers and does not do what it is told.
func notActed(r *Run, h *host) {
	for _, c := range h.calls {
		if isDue(c.since.Add(r.spec.asking()), r.now) {
			r.lose(h, fmt.Sprintf("%s did not carry out %s within %s, though it answers", h.name, r.action(c.action).name(), r.spec.asking()))
			return
		}
	}
}

// allActs are all that was to be done, in the order of the actions and their turns.
func (r *Run) allActs() []Act {
	var all []Act
	for _, a := range r.actions {
		for _, turn := range a.turns {
			for _, t := range turn {
				if t.DueAt = r.dueAt(a, &t); !t.Reported && r.ending.stopped() && t.DueAt.After(r.ending.first().at) {
					t.DueAt = time.Time{}
				}
				all = append(all, t)
			}
		}
	}
	return all
}

// undone says which actions were not carried out that had to be: the first of them, why, and
// how many more there are. It is empty if all were.
func (r *Run) undone() string {
	var whys []string
	for _, a := range r.actions {
		if why := r.notDone(a); why != "" && !a.Optional {
			whys = append(whys, fmt.Sprintf("%s %s", a.name(), why))
		}
	}
	switch n := len(whys); n {
	case 0:
		return ""
	case 1:
		return whys[0]
	default:
		return fmt.Sprintf("%s; nor were %d more actions carried out", whys[0], n-1)
	}
}

// notDone continues a sentence that begins with an action that was not carried out.
func (r *Run) notDone(a *action) string {
	if len(a.turns) == 0 {
		if a.Trigger.Line {
			return "was not carried out: no such line came before the run ended"
		}
		return fmt.Sprintf("was not carried out: no process has set the mark %s before the run ended", a.Trigger.Mark)
	}
	for _, turn := range a.turns {
		for i := range turn {
			t := &turn[i]
			c := &r.commands[t.Command]
			switch {
			case t.Reason != "":
				return fmt.Sprintf("was not carried out on %s on %s: %s", c.Name, c.host.name, t.Reason)
			case !t.Reported:
				return "was not carried out: the run ended before"
			}
		}
	}
	if a.Do != message.ActRun {
		return ""
	}
	return r.commandFailed(a)
}

// commandFailed says which command of an action has failed, if one has.
func (r *Run) commandFailed(a *action) string {
	for _, n := range a.Targets {
		c := &r.commands[n]
		for i := range c.host.acted {
			if ran := &c.host.acted[i]; ran.Name == c.Name && ran.Outcome != outcome.CommandSucceeded && ran.Outcome != outcome.CommandStopped {
				return fmt.Sprintf("has failed: %s on %s %s", c.Name, c.host.name, strings.TrimSpace(ran.Reason))
			}
		}
	}
	return ""
}
