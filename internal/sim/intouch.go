package sim

import (
	"slices"
	"strconv"
	"time"

	"downbeat/internal/message"
)

// GenerateInTouch makes a plan of a seed in which much is done to the processes of a run, and
// these ask each other for things: on top of what [GenerateInTime] makes. In half of the plans
// nothing else goes wrong, so that it can be told what must come of that.
func GenerateInTouch(seed uint64, size Size) *Plan {
	p := GenerateInTime(seed, size)
	r := &random{state: mix(seed ^ 0x746f756368)}
	if r.oneIn(2) {
		p.Publishers, p.Faults = p.Publishers[:1], nil
		p.Network.LossPercent, p.Network.SlowPercent = 0, 0
	}
	for i := range p.Publishers {
		for k := range p.Publishers[i].Runs {
			run := &p.Publishers[i].Runs[k]
			touch := &toucher{random: r, run: run}
			for n := range run.Parts {
				for m := range run.Parts[n].Commands {
					if run.Parts[n].Commands[m].Phase == message.PhaseRun {
						touch.processes = append(touch.processes, Target{n, m})
					}
				}
			}
			touch.all()
		}
	}
	p.directly(&random{state: mix(seed ^ 0x646972656374)})
	return p
}

// directly has the clocks of some runs compared without the broker.
func (p *Plan) directly(r *random) {
	for i := range p.Hosts {
		p.Hosts[i].Shut = r.oneIn(6)
	}
	for i := range p.Publishers {
		for k := range p.Publishers[i].Runs {
			p.Publishers[i].Runs[k].Direct = r.oneIn(2)
		}
	}
}

// A toucher adds to a run what is done to its processes, and what they ask for.
type toucher struct {
	*random
	run       *RunPlan
	processes []Target
}

func (t *toucher) all() {
	for _, who := range t.processes {
		c := t.command(who)
		if t.oneIn(5) {
			c.Stop.Signal = pick(t.random, "INT", "QUIT", "TERM", "USR2")
		}
		if t.oneIn(5) {
			c.Stop.Own, c.Stop.Grace = true, t.within(0, pick(t.random, time.Second, 10*time.Second, 100*time.Second)).Truncate(time.Millisecond)
			c.Life.IgnoresTerm = c.Life.IgnoresTerm || c.Stop.Grace > 70*time.Second // so that it takes that
		}
		if t.oneIn(5) {
			for range t.between(1, 3) {
				c.Life.Says = append(c.Life.Says, t.soon(c))
			}
		}
	}
	for n := range t.below(3) {
		t.barrier("barrier" + strconv.Itoa(n))
	}
	for n := range t.below(3) {
		t.value("value" + strconv.Itoa(n))
	}
	for n := range t.below(3) {
		for range t.between(1, 3) {
			t.ask(t.one(), Asking{What: message.AskMark, Name: markName(n)})
		}
	}
	for range t.below(5) {
		t.action()
	}
}

func markName(n int) string { return "mark" + strconv.Itoa(n) }

func (t *toucher) command(who Target) *Command {
	return &t.run.Parts[who.Part].Commands[who.Command]
}

// one is one of the processes: for what goes on for some time there is more to be done.
func (t *toucher) one() Target {
	who := t.processes[t.below(len(t.processes))]
	if c := t.command(who); c.Life.Runs > 0 && c.Life.Runs < time.Second {
		who = t.processes[t.below(len(t.processes))]
	}
	return who
}

// soon is a time in the life of a process.
func (t *toucher) soon(c *Command) time.Duration {
	longest := pick(t.random, 100*time.Millisecond, time.Second, 5*time.Second)
	if c.Life.Runs > 0 {
		longest = min(longest, c.Life.Runs)
	}
	return t.within(0, longest)
}

func (t *toucher) ask(who Target, a Asking) {
	c := t.command(who)
	a.After = t.soon(c)
	c.Life.Asks = append(c.Life.Asks, a)
}

// barrier has some processes come to one: in most cases as many as it is for.
func (t *toucher) barrier(name string) {
	come := t.between(1, min(6, len(t.processes)))
	count := come
	if t.oneIn(5) {
		count++
	}
	for i := range come {
		a := Asking{What: message.AskBarrier, Name: name, Count: count, Within: t.patience(100 * time.Millisecond)}
		if i > 0 && t.oneIn(30) {
			a.Count++
		}
		t.ask(t.one(), a)
	}
}

// patience is how long somebody waits, at least.
func (t *toucher) patience(least time.Duration) time.Duration {
	return t.within(least, pick(t.random, time.Second, 10*time.Second, 40*time.Second)).Truncate(time.Millisecond)
}

// value has some processes put a value, and others get it.
func (t *toucher) value(name string) {
	for range t.below(4) {
		t.ask(t.one(), Asking{What: message.AskPut, Name: name})
	}
	for range t.between(1, 4) {
		a := Asking{What: message.AskGet, Name: name}
		if t.oneIn(2) {
			a.Within = t.patience(time.Millisecond)
		}
		t.ask(t.one(), a)
	}
}

// action adds something that is done, at a time, after a mark, or after a line.
func (t *toucher) action() {
	a := Action{
		Do:    pick(t.random, message.ActSignal, message.ActStop, message.ActPause, message.ActStart, message.ActStart, message.ActRun),
		After: t.within(0, pick(t.random, 50*time.Millisecond, time.Second, 10*time.Second)).Truncate(time.Millisecond), Optional: t.oneIn(2),
	}
	for range t.between(1, 3) {
		if who := t.one(); !slices.Contains(a.Targets, who) {
			a.Targets = append(a.Targets, who)
		}
	}
	switch t.below(3) {
	case 0:
		a.Beat = t.command(a.Targets[0]).Beat
	case 1:
		a.Mark = markName(t.below(2))
		a.ThatOne = a.Do != message.ActRun && t.oneIn(3)
	case 2:
		a.Times = t.between(1, 3)
		for _, who := range t.processes {
			if len(t.command(who).Life.Says) > 0 && (len(a.Watched) == 0 || t.oneIn(2)) {
				a.Watched = append(a.Watched, who)
			}
		}
		a.ThatOne = a.Do != message.ActRun && t.oneIn(3)
	}
	if a.timed() {
		a.Times = 0
	}
	if a.ThatOne {
		a.Targets = slices.Clone(t.processes)
	}
	switch a.Do {
	case message.ActSignal:
		a.Signal = pick(t.random, "TERM", "KILL", "INT", "USR1", "WINCH")
	case message.ActPause:
		a.For = t.within(time.Millisecond, pick(t.random, 100*time.Millisecond, 3*time.Second)).Truncate(time.Millisecond) + time.Millisecond
	case message.ActRun:
		t.commands(&a)
	default:
	}
	t.run.Actions = append(t.run.Actions, a)
}

// commands gives an action commands to run, one on each host that it concerns.
func (t *toucher) commands(a *Action) {
	var targets []Target
	for _, who := range a.Targets {
		part := &t.run.Parts[who.Part]
		if slices.ContainsFunc(targets, func(o Target) bool { return o.Part == who.Part }) {
			continue
		}
		c := Command{
			Name: "action" + strconv.Itoa(len(t.run.Actions)) + "." + strconv.Itoa(who.Part), Phase: message.PhaseAction, OKExit: okZero,
			Timeout: t.within(time.Second, 5*time.Second).Truncate(time.Millisecond), Life: generateLife(t.random, false, t.oneIn(4)),
		}
		c.Life.Unprepared, c.Life.Unstarted = false, false
		c.Life.Runs = t.within(time.Millisecond, pick(t.random, 500*time.Millisecond, 4*time.Second))
		part.Commands = append(part.Commands, c)
		targets = append(targets, Target{who.Part, len(part.Commands) - 1})
	}
	a.Targets = targets
}
