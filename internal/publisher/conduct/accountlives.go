package conduct

import (
	"fmt"

	"downbeat/internal/message"
)

// An anew is what an account knows of how a process begins again and again.
type anew struct {
	life  int  // which is told of, from 0
	again bool // it has ended, and is said to begin another one
}

// beginAnew enters that another life of a process begins, or another execution of the
// command of an action.
func (a *account) beginAnew(command, life int) string {
	c, p := &a.job.Commands[command], &a.anew[command]
	switch {
	case c.Phase == message.PhaseAction && life == 0 && a.lives[command] >= dead:
	case life == 0, c.Phase != message.PhaseRun:
		return fmt.Sprintf("%s is said to have started twice", c.Name)
	case life != p.life+1:
		return fmt.Sprintf("%s is said to begin life %d after life %d", c.Name, life, p.life)
	case a.lives[command] < dead:
		return fmt.Sprintf("%s is said to begin anew, and has not ended", c.Name)
	case !p.again && !a.startable(command):
		return fmt.Sprintf("%s is said to have begun anew, which nothing asks for", c.Name)
	}
	p.life, p.again = life, false
	a.lives[command] = unborn
	return ""
}

// returns reports whether a process that has ended can be known to begin anew: as its own
// restart or an action at a known time says.
func (a *account) returns(command int) bool {
	return a.job.Commands[command].Restart != nil || a.startable(command)
}

// startable reports whether an action can have a process begin anew.
func (a *account) startable(command int) bool { return false }

// arm enters that the host knows when a beat is released.
func (a *account) arm(info *message.ArmedInfo, o *orders) string {
	switch k := info.Beat; {
	case len(a.armed) < 2:
		return "a beat is said to be known, and its processes begin all together"
	case k < 0 || k >= len(a.armed) || o.begin(k).IsZero():
		return fmt.Sprintf("it is said to know when beat %d is released, which it was not told", k)
	case a.armed[k]:
		return fmt.Sprintf("it is said twice to know when beat %d is released", k)
	default:
		a.armed[k] = true
	}
	return ""
}

// ready says what is wrong with the word that a process is ready, or isn't.
func (a *account) ready(info *message.ProcessReadyInfo) string {
	if what := a.known(info.Command, "become ready"); what != "" {
		return what
	}
	c, p := &a.job.Commands[info.Command], &a.anew[info.Command]
	switch {
	case c.Ready == nil:
		return fmt.Sprintf("%s is said to be ready or not, which nothing asks for", c.Name)
	case a.lives[info.Command] == unborn && p.life == 0, info.Life < 0 || info.Life > p.life:
		return fmt.Sprintf("%s is said to be ready or not before it has started", c.Name)
	}
	return ""
}
