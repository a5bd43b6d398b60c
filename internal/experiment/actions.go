package experiment

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"downbeat/internal/message"
)

// An Action is something that is done to a run while its processes run.
type Action struct {
	Number   int                // its position in the file's list, from 0
	Do       message.ActionKind // what is done
	Optional bool               // the run does not fail if it can't be
	// Text says in words what is done, to whom and when.
	Text string
	// After counts from the release of Beat; or, if one of them is set, from Mark, or from
	// a line that matches Line on one of the processes Of, for at most Times of them.
	After time.Duration
	Beat  int
	Mark  string
	Line  string
	Of    []int
	Times int
	// Targets are what it is done to, by their numbers among [Datapoint.Commands]: processes
	// or, of a run, its own commands. With ThatOne it is the one of them that wrote the line, or made the mark.
	Targets []int
	ThatOne bool
	Signal  string        // without SIG
	For     time.Duration // how long a pause lasts
}

// Timed reports whether the action is done at a time that is known beforehand.
func (a *Action) Timed() bool { return a.Mark == "" && a.Line == "" }

// act expands the actions. The processes, setup and teardown of d are known.
func (x *expansion) act(d *Datapoint) {
	x.done = make(map[int]resolved)
	commands := len(d.Commands())
	for _, a := range x.file.actions {
		made := x.action(a)
		var words string
		if a.do == message.ActRun {
			steps := x.actionCommands(a, d.Hosts)
			for i := range steps {
				made.Targets = append(made.Targets, commands+i)
			}
			commands += len(steps)
			d.Acts = append(d.Acts, steps...)
			words = runWords(steps)
		} else {
			made.Targets, words = x.targets(a, &made)
		}
		if len(made.Targets) == 0 {
			continue // it is optional, or there is an error
		}
		made.Text = x.words(a, &made, words)
		d.Actions = append(d.Actions, made)
	}
	all := d.Commands()
	for i := range d.Actions {
		if !x.accountAction(&d.Actions[i], all) {
			return
		}
	}
	x.warnOfStarts(d)
}

// accountAction adds an action to the load, and reports one that is too large for a job.
func (x *expansion) accountAction(a *Action, commands []Command) bool {
	const each = 6 // the number of a command, and a comma
	whole := x.file.actions[a.Number].whole
	for _, n := range slices.Concat(a.Targets, a.Of) {
		x.load.add(commands[n].Host, each)
		if x.load.hosts[commands[n].Host] > maxJob {
			x.add(whole.at, whole.field, "name fewer processes", "the actions and commands of host %s are too much for one job: more than %d MiB", commands[n].Host, maxJob>>20)
			return false
		}
	}
	return true
}

// action expands all but whom it is done to.
func (x *expansion) action(a *action) Action {
	data := x.data()
	made := Action{Number: a.number, Do: a.do, Optional: a.optional, Mark: a.mark, After: x.limit(a.t, zeroToo, limitKeys, data)}
	if a.signal != nil {
		made.Signal = x.signal(a.signal, false, limitKeys, data)
	}
	made.For = x.limit(a.pauseFor, notZero, limitKeys, data)
	if a.lineOf != nil {
		made.Line = x.checkedText(a.lineOf, limitKeys, data, checkRegexp)
		made.Times = x.number(a.times, message.MaxLives, limitKeys, data)
		made.Of = x.watched(a)
	}
	if a.timed() {
		made.Beat = len(x.beats) - 1
		if a.since != "" {
			made.Beat = x.sinceBeat(a)
		}
	}
	x.checkTime(a, &made)
	return made
}

// sinceBeat is the beat of the group from which an action's time counts. If that is
// empty, the action comes as if the group were there.
func (x *expansion) sinceBeat(a *action) int {
	if beat, ok := x.beatOf[a.since]; ok {
		return beat
	}
	if !a.optional {
		x.fail(a.whole, &textError{fmt.Sprintf("%s has no process whose release its time could count from", a.since), "optional: true leaves the action out then"})
	}
	return -1
}

// checkTime reports an action that comes when the run is over.
func (x *expansion) checkTime(a *action, made *Action) {
	if a.t == nil || x.timeout == 0 || made.Beat < 0 {
		return
	}
	if made.After == 0 && made.Timed() && made.Do != message.ActRun && !x.failed[a.t] {
		x.fail(a.t, &textError{"must be longer than 0: at the release the processes only begin", ""})
	}
	from, at := "", made.After
	if made.Timed() && made.Beat > 0 {
		at += x.earliest[made.Beat]
		if at > made.After {
			from = fmt.Sprintf(", which is %s after the start,", short(at))
		}
	}
	last := made.Timed() && made.Beat == len(x.beats)-1
	switch {
	case at >= x.timeout:
		x.fail(a.t, &textError{fmt.Sprintf("%s%s is not before the timeout of %s", short(made.After), from, short(x.timeout)), "the run is over by then"})
	case last && x.stop.After > 0 && made.After >= x.stop.After:
		x.fail(a.t, &textError{fmt.Sprintf("%s is not before stop.after, %s", short(made.After), short(x.stop.After)), "the run is over by then"})
	case made.Do == message.ActPause && at+made.For >= x.timeout:
		x.warnOf(a.pauseFor, "", "the pause does not end before the timeout of %s", short(x.timeout))
	}
}

// watched are the processes on whose lines an action looks.
func (x *expansion) watched(a *action) []int {
	if len(a.of) == 0 {
		return x.everybody()
	}
	ranks, _ := x.resolve(a.of, fmt.Sprintf("of %d", a.number))
	if len(ranks) == 0 && !a.optional {
		x.fail(a.of[0].whole, &textError{"there is no such process whose lines could be looked at", x.nobody(a.of)})
	}
	return ranks
}

// everybody is all processes, by rank.
func (x *expansion) everybody() []int {
	all := make([]int, len(x.all))
	for i := range all {
		all[i] = i
	}
	return all
}

// A resolved action has its processes.
type resolved struct {
	ranks []int
	words string
}

// targets are the processes that an action is done to, and words for them.
func (x *expansion) targets(a *action, made *Action) ([]int, string) {
	to := a.toWhom()
	made.ThatOne = a.toOne() != ""
	if a.lineOf != nil && len(made.Of) == 0 || made.Beat < 0 {
		return nil, ""
	}
	switch a.toOne() {
	case "line":
		return made.Of, "the process that wrote the line"
	case "mark":
		return x.everybody(), "the process that made the mark"
	}
	ranks, words := x.resolve(to, fmt.Sprintf("to %d", a.number))
	if len(ranks) == 0 && !a.optional {
		x.fail(to[0].whole, &textError{"that is nobody", x.nobody(to)})
	}
	x.checkStarted(a, made, ranks)
	x.done[a.number] = resolved{ranks, strings.Join(words, ", ")}
	return ranks, strings.Join(words, ", ")
}

// checkStarted reports an action that is done to a process before it starts.
func (x *expansion) checkStarted(a *action, made *Action, ranks []int) {
	for _, rank := range ranks {
		p := x.all[rank]
		if made.Timed() && !a.optional && p.Beat == made.Beat && p.Delay() >= made.After && p.DelayMS > 0 {
			x.fail(a.t, &textError{fmt.Sprintf("%s only starts %s after the release", p.Name, short(p.Delay())), ""})
		}
	}
}

// nobody says what to do about targets that are no process of this datapoint.
func (x *expansion) nobody(list []*target) string {
	for _, t := range list {
		if t.name == nil {
			continue
		}
		name, _ := x.evaluate(t.name, limitKeys, x.data())
		known := groupNames(x.file.Groups)
		for _, p := range x.all {
			known = append(known, p.Name, p.Host+"/"+p.Name)
		}
		if slices.Contains(known, name) {
			break
		}
		if near := nearest(name, known); near != "" {
			return fmt.Sprintf("did you mean %q?", near)
		}
		return fmt.Sprintf("no process and no group is called %q", name)
	}
	return "optional: true leaves the action out where there is nobody"
}

// before are the processes of the action that t refers to.
func (x *expansion) before(t *target) ([]int, string) {
	was := x.done[*t.that]
	return slices.Clone(was.ranks), was.words
}

// actionCommands are those that an action runs, one on each of its hosts.
func (x *expansion) actionCommands(a *action, hosts []Host) []Command {
	for _, name := range a.on {
		if !a.optional && !slices.ContainsFunc(hosts, func(h Host) bool { return h.Name == name }) {
			x.fail(a.whole, &textError{fmt.Sprintf("host %s takes no part: no process is placed there", name), "optional: true leaves it out then"})
		}
	}
	return x.expandPhase(message.PhaseAction, []*command{&a.command}, hosts)
}

// warnOfStarts warns about processes that are started again though nothing ends them.
func (x *expansion) warnOfStarts(d *Datapoint) {
	ended := make(map[int]bool)
	for i := range d.Actions {
		a := &d.Actions[i]
		if a.Do == message.ActStop || a.Do == message.ActSignal && !slices.Contains(notEnding, a.Signal) {
			for _, rank := range a.Targets {
				ended[rank] = true
			}
		}
	}
	for i := range d.Actions {
		a := &d.Actions[i]
		if a.Do != message.ActStart || a.Optional {
			continue
		}
		for _, rank := range a.Targets {
			if !ended[rank] {
				x.warnOf(x.file.actions[a.Number].start[0].whole, "a process that still runs can't be started", "no action ends %s before it is started again", x.all[rank].Name)
				break
			}
		}
	}
}
