package sim

import "downbeat/internal/message"

// A pastLife is a life of a process that another one has followed.
type pastLife struct {
	start        instant
	exit         exit
	exited, gone bool
}

// keepPast keeps the life that was the last one.
func (c *ledgerCommand) keepPast() {
	if c.lives > 0 && (c.script.Restart.AtMost > 0 || c.starts > 1 || c.starts > 0 && c.script.Phase == message.PhaseRun) {
		c.past = append(c.past, pastLife{c.start, c.exit, c.exited, c.gone})
	}
}

// asOf is what was true of a command during that life of it, for a record that knows of no later.
func (c *ledgerCommand) asOf(life int) *ledgerCommand {
	if life >= len(c.past) {
		return c
	}
	then := *c
	p := &c.past[life]
	then.start, then.exit, then.exited, then.gone = p.start, p.exit, p.exited, p.gone
	return &then
}

// mayBeginAnew reports whether the process has not had all of its lives.
func (c *ledgerCommand) mayBeginAnew() bool {
	return c.lives > 0 && c.lives <= c.script.Restart.AtMost+c.starts
}

// starts is how often actions may have a command begin, at most.
func (r *RunPlan) starts(part, command int) (n int) {
	for i := range r.Actions {
		if a := &r.Actions[i]; (a.Do == message.ActStart || a.Do == message.ActRun) && a.does(part, command) {
			n += max(a.Times, 1)
		}
	}
	return n
}

// betweenLives reports whether the process has ended so that its policy has it begin anew, which
// it has not yet. One that was not ready by then can be in its next life; not one whose
// time for that was over.
func (c *ledgerCommand) betweenLives() bool {
	ready, asked := &c.script.Ready, c.exit.stopped || c.exit.killed || c.exit.acted
	late := ready.Within > 0 && c.readyAt == 0 && c.exit.ended >= c.start.add(ready.Within)
	if c.starts > 0 { // as far as can be told
		return c.exited && c.mayBeginAnew() && !late
	}
	return c.exited && c.mayBeginAnew() && !asked && !late && (c.script.Restart.Always || c.failed())
}
