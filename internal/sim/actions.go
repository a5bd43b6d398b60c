package sim

import (
	"slices"
	"time"

	"downbeat/internal/message"
	"downbeat/internal/publisher/conduct"
)

// What is done to a run in its course, as the rules are given it.

func (a *Action) timed() bool { return a.Mark == "" && len(a.Watched) == 0 }

// does reports whether the action may be done to a command.
func (a *Action) does(part, command int) bool {
	return slices.Contains(a.Targets, Target{part, command})
}

// action is what the publisher's rules are given of it.
func (a *Action) action(number int, hosts []conduct.HostSpec) conduct.Action {
	made := conduct.Action{Number: number, Do: a.Do, Text: "does something", Optional: a.Optional, ThatOne: a.ThatOne, Trigger: conduct.Trigger{After: a.After}}
	switch {
	case a.timed():
		made.Trigger.Beat = a.Beat
	case a.Mark != "":
		made.Trigger.Mark = a.Mark
	default:
		made.Trigger.Line, made.Trigger.Times = true, a.Times
	}
	for _, n := range a.Targets {
		made.Targets = append(made.Targets, hosts[n.Part].Numbers[n.Command])
	}
	return made
}

// addActions puts what a host has to do with into its job.
func (r *RunPlan) addActions(part *Part, job *message.Job) {
	on := func(all []Target) (commands []int) {
		for _, n := range all {
			if &r.Parts[n.Part] == part {
				commands = append(commands, n.Command)
			}
		}
		return commands
	}
	for i := range r.Actions {
		a := &r.Actions[i]
		if list := on(a.Targets); len(list) > 0 {
			made := message.Action{Number: i, Do: a.Do, Signal: a.Signal, ForMS: a.For.Milliseconds()}
			if a.timed() {
				made.Beat, made.AfterMS, made.Commands = a.Beat, a.After.Milliseconds(), list
			} else {
				made.Called = true
			}
			job.Actions = append(job.Actions, made)
		}
		if list := on(a.Watched); len(list) > 0 {
			job.Watches = append(job.Watches, message.Watch{Action: i, Line: "said", Commands: list, Most: a.Times})
		}
	}
}

// message is how the process is stopped, as its worker is told; nil: as others are.
func (s *Stop) message() *message.CommandStop {
	if s.Signal == "" && !s.Own {
		return nil
	}
	made := &message.CommandStop{Signal: s.Signal}
	if s.Own {
		made.GraceMS = new(s.Grace.Milliseconds())
	}
	return made
}

// grace is how long the process has to end in a stop that gives others that long.
func (s *Stop) grace(others time.Duration) time.Duration {
	if s.Own {
		return s.Grace
	}
	return max(others, 0)
}

// signal is the name of what asks it to end.
func (s *Stop) signal() string {
	if s.Signal == "" {
		return "SIGTERM"
	}
	return "SIG" + s.Signal
}

// asks reports whether a process of the part asks for something.
func (part *Part) asks() bool {
	return slices.ContainsFunc(part.Commands, func(c Command) bool { return len(c.Life.Asks) > 0 })
}

// asksForEnd reports whether whoever gets that signal is to end, whatever its end looks like.
func asksForEnd(signal string) bool {
	return slices.Contains([]string{"", "TERM", "KILL", "INT", "QUIT"}, signal)
}

// isHeld reports whether the command is prepared and held with the processes.
func (c *Command) isHeld() bool {
	return c.Phase == message.PhaseRun || c.Phase == message.PhaseAction
}
