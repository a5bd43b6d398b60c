package sim

import (
	"strconv"
	"time"

	"downbeat/internal/message"
	"downbeat/internal/publisher/conduct"
)

// Runs whose course has several beats, and processes that become ready.

// inTime puts the course of the run into what its rules are given.
func (r *RunPlan) inTime(spec *conduct.Spec) {
	if r.LastBeatFirst {
		spec.Stop.Order = conduct.LastBeatFirst
	}
	for _, b := range r.Beats {
		var beat conduct.Beat
		for _, c := range b.After {
			beat.After = append(beat.After, conduct.Condition{Group: c.Group, Ended: c.Ended, Delay: c.Delay})
		}
		spec.Beats = append(spec.Beats, beat)
	}
}

// readiness is what the worker is to look for; nil: nothing.
func (r *Ready) readiness() *message.Readiness {
	switch {
	case r.Within == 0:
		return nil
	case r.Line:
		return &message.Readiness{Line: "ready", WithinMS: r.Within.Milliseconds()}
	}
	return &message.Readiness{Port: 1, WithinMS: r.Within.Milliseconds()}
}

// restart is the policy as the worker is told; nil: there is none.
func (r *Restart) restart() *message.Restart {
	if r.AtMost == 0 {
		return nil
	}
	on := message.RestartOnFailure
	if r.Always {
		on = message.RestartAlways
	}
	return &message.Restart{On: on, AtMost: r.AtMost, WaitMS: r.Wait.Milliseconds()}
}

// GenerateInTime makes a plan of a seed whose runs have beats, and processes that become
// ready. [Generate] makes none of these.
func GenerateInTime(seed uint64, size Size) *Plan {
	p := Generate(seed, size)
	r := &random{state: mix(seed ^ 0x6265617473)}
	for i := range p.Publishers {
		for k := range p.Publishers[i].Runs {
			generateCourse(r, &p.Publishers[i].Runs[k])
		}
	}
	return p
}

// groupOf is the name of a beat's group.
func groupOf(beat int) string { return "beat" + strconv.Itoa(beat) }

// generateCourse spreads a run's processes over beats, each of which waits for some before.
func generateCourse(r *random, run *RunPlan) {
	beats, troubled := r.between(2, 4), r.oneIn(3)
	var all []*Command
	for i := range run.Parts {
		for k := range run.Parts[i].Commands {
			if c := &run.Parts[i].Commands[k]; c.Phase == message.PhaseRun {
				all = append(all, c)
			}
		}
	}
	beats = min(beats, len(all))
	ended := make([]bool, beats) // somebody waits for their end
	run.Beats = make([]Beat, beats)
	for k := 1; k < beats; k++ {
		for range r.between(1, 2) {
			c := Condition{Ended: r.oneIn(4), Delay: r.within(0, pick(r, 1, time.Second, 5*time.Second))}
			on := r.below(k)
			c.Group, ended[on] = groupOf(on), ended[on] || c.Ended
			run.Beats[k].After = append(run.Beats[k].After, c)
		}
	}
	run.LastBeatFirst = r.oneIn(2)
	if len(run.StopWhen) > 0 {
		run.StopWhen = []string{groupOf(r.below(beats))}
	}
	for i, c := range all {
		c.Beat = r.below(beats)
		if i < beats {
			c.Beat = i // none is empty
		}
		c.Group = groupOf(c.Beat)
		c.Name = c.Group + "." + c.Name[len(c.Name)-len(number(c.Name)):]
		if c.Life.Runs == 0 && ended[c.Beat] {
			c.Life.Runs = r.within(time.Millisecond, 5*time.Second)
		}
		if r.oneIn(3) {
			generateReady(r, c, troubled)
		}
		if r.oneIn(4) {
			generateLives(r, c)
		}
	}
	if r.oneIn(3) {
		generateActions(r, run)
	}
}

// generateActions has some processes of a run told to end in its course.
func generateActions(r *random, run *RunPlan) {
	for range r.between(1, 3) {
		part := r.below(len(run.Parts))
		n := r.below(len(run.Parts[part].Commands))
		c := &run.Parts[part].Commands[n]
		if c.Phase != message.PhaseRun {
			continue
		}
		run.Actions = append(run.Actions, Action{
			Do: message.ActSignal, Beat: c.Beat, After: r.within(0, pick(r, 50*time.Millisecond, 5*time.Second, 20*time.Second)).Truncate(time.Millisecond),
			Targets: []Target{{part, n}}, Signal: pick(r, "", "TERM", "KILL"), Optional: r.oneIn(2),
		})
		if a := &run.Actions[len(run.Actions)-1]; a.Signal == "" {
			a.Do = message.ActStop
		}
	}
}

// generateLives has a process begin anew, in most cases until a life of it ends well.
func generateLives(r *random, c *Command) {
	c.Restart = Restart{AtMost: r.between(1, 4), Always: r.oneIn(4), Wait: r.within(0, pick(r, 1, 100*time.Millisecond, 3*time.Second))}
	c.Life.Unstarted = false
	if c.Life.Runs > 0 {
		c.Life.Runs = r.within(time.Millisecond, 4*time.Second)
	}
	if r.oneIn(2) {
		c.Life.Code = r.between(1, 255)
	}
	if !r.oneIn(4) {
		c.Restart.Heals = r.between(1, c.Restart.AtMost)
	}
}

// number is what comes after the point of a command's name.
func number(name string) string {
	for i := len(name) - 1; ; i-- {
		if name[i] == '.' {
			return name[i+1:]
		}
	}
}

// generateReady has a process become ready, mostly before it ends.
func generateReady(r *random, c *Command, troubled bool) {
	c.Ready = Ready{Within: r.within(time.Second, 10*time.Second), After: r.within(0, pick(r, 1, 100*time.Millisecond, 900*time.Millisecond)), Line: r.oneIn(2)}
	if c.Life.Runs > 0 && !troubled {
		c.Ready.After = min(c.Ready.After, c.Life.Runs/2)
	}
	if !troubled {
		return
	}
	switch r.below(8) {
	case 0:
		c.Ready.Never = true
	case 1: // at about the time that it has
		c.Ready.After = c.Ready.Within + r.within(-50*time.Millisecond, 50*time.Millisecond)
	case 2: // at about its end
		if c.Life.Runs > 0 {
			c.Ready.After = max(0, c.Life.Runs+r.within(-20*time.Millisecond, 20*time.Millisecond))
		}
	}
}
