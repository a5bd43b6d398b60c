package conduct

import (
	"fmt"
	"slices"

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
	case life == 0, c.Phase != message.PhaseRun && c.Phase != message.PhaseAction:
		return fmt.Sprintf("%s is said to have started twice", c.Name)
	case life != p.life+1:
		return fmt.Sprintf("%s is said to begin life %d after life %d", c.Name, life, p.life)
	case a.lives[command] < dead:
		return fmt.Sprintf("%s is said to begin anew, and has not ended", c.Name)
	case c.Phase == message.PhaseRun && !p.again && !a.startable(command):
		return fmt.Sprintf("%s is said to have begun anew, which nothing asks for", c.Name)
	}
	p.life, p.again = life, false
	a.lives[command] = unborn
	return ""
}

// returns reports whether a command that has ended can be known to begin anew: as its own
// restart or an action at a known time says.
func (a *account) returns(command int) bool {
	return a.job.Commands[command].Restart != nil || a.startable(command)
}

// startable reports whether an action can have a process begin anew, or run a command again.
func (a *account) startable(command int) bool {
	for i := range a.job.Actions {
		act := &a.job.Actions[i]
		if act.Do != message.ActStart && act.Do != message.ActRun {
			continue
		}
		if slices.Contains(act.Commands, command) || act.Called && a.called[calledAct{number: act.Number, command: command}] {
			return true
		}
	}
	return false
}

// A calledAct is an action that a host was told to carry out on a command, in that turn; or,
// without a turn, in any.
type calledAct struct{ number, turn, command int }

// calledFor enters that the host is told to carry out an action.
func (a *account) calledFor(act *action, turn int, commands []int) {
	if a.called == nil {
		a.called, a.told = make(map[calledAct]bool), make(map[calledAct]bool)
	}
	for _, n := range commands {
		a.called[calledAct{number: act.Number, command: n}] = true
		a.told[calledAct{act.Number, turn, n}] = true
	}
}

// act enters that an action was carried out on a command, or can't be.
func (a *account) act(e *message.Event, o *orders) string {
	info := e.Acted
	if what := a.known(info.Command, "been acted on"); what != "" {
		return what
	}
	c, did := &a.job.Commands[info.Command], calledAct{info.Action, info.Turn, info.Command}
	act := a.job.Action(info.Action)
	switch {
	case act == nil:
		return fmt.Sprintf("action %d is said to have been carried out, which is not one of its", info.Action)
	case act.Called && !a.told[did], !act.Called && (info.Turn != 0 || !slices.Contains(act.Commands, info.Command) || o.begin(act.Beat).IsZero()):
		return fmt.Sprintf("action %d is said to have been carried out on %s, which nobody had asked for", info.Action, c.Name)
	case a.carriedOut[did]:
		return fmt.Sprintf("action %d is said to have been carried out on %s twice", info.Action, c.Name)
	}
	if a.carriedOut == nil {
		a.carriedOut = make(map[calledAct]bool)
	}
	a.carriedOut[did] = true
	return o.outside("action on ", c.Name, e.Time)
}

// see says what is wrong with the word that a line has come.
func (a *account) see(info *message.SeenInfo) string {
	if what := a.known(info.Command, "written a line"); what != "" {
		return what
	}
	for i := range a.job.Watches {
		if w := &a.job.Watches[i]; w.Action == info.Action && slices.Contains(w.Commands, info.Command) {
			return ""
		}
	}
	return fmt.Sprintf("a line of %s is told of for action %d, which does not wait for one", a.job.Commands[info.Command].Name, info.Action)
}

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

// ask says what is wrong with the word that a process asks for something. What can't be asked
// for is answered.
func (a *account) ask(info *message.AskedInfo) string {
	switch {
	case !a.job.Sync:
		return "a process is said to ask for something, and has no place for that"
	case info.ID <= a.asked:
		return fmt.Sprintf("request %d of its processes comes after request %d", info.ID, a.asked)
	}
	a.asked = info.ID
	return ""
}
