package experiment

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"downbeat/internal/message"
)

// A Beat is what begins together, at one instant on all hosts: the groups that wait for
// the same things.
type Beat struct {
	// Groups are those that have processes, in the order of the file. The commands of
	// hosts are on the first beat.
	Groups []string
	// After are the conditions that must all hold; the first beat has none.
	After []Wait
}

// A Wait is a condition of a beat: a group, which has processes, is ready or, with Ended,
// over, and the delay has passed since.
type Wait struct {
	Group string
	Ended bool
	Delay time.Duration
}

// String says from when on the condition holds.
func (c Wait) String() string {
	when := "after " + c.Group
	if c.Ended {
		when += endedSuffix
	}
	if c.Delay > 0 {
		return short(c.Delay) + " " + when
	}
	return when
}

// Begins says when the beat comes.
func (b Beat) Begins() string {
	if len(b.After) == 0 {
		return "first"
	}
	words := make([]string, len(b.After))
	for i, w := range b.After {
		words[i] = w.String()
	}
	return strings.Join(words, " and ")
}

// String names the beat's groups.
func (b Beat) String() string { return strings.Join(b.Groups, ", ") }

// A beating finds the beats of a datapoint.
type beating struct {
	*expansion
	conditions map[string][]Wait // of groups, as far as they are known
	of         map[string]int    // the beat of each group
	earliest   []time.Duration   // after the first beat, by beat
	over       [][]string        // the groups that have ended when it comes, by beat
}

// beat finds on which beat each group is.
func (x *expansion) beat() {
	b := &beating{expansion: x, conditions: make(map[string][]Wait), of: make(map[string]int)}
	x.beats, b.earliest, b.over = []Beat{{}}, []time.Duration{0}, [][]string{nil}
	var waiting []*command
	for _, c := range x.file.commands {
		switch {
		case c.group == "" || len(x.group(c.group)) == 0:
		case len(b.after(c)) == 0:
			b.join(0, c)
		default:
			waiting = append(waiting, c)
		}
	}
	for len(waiting) > 0 {
		i := slices.IndexFunc(waiting, func(c *command) bool { return b.known(b.after(c)) })
		b.begin(waiting[i])
		waiting = slices.DeleteFunc(waiting, func(c *command) bool { _, known := b.of[c.group]; return known })
		if len(x.beats) > message.MaxBeats {
			x.add(pos{}, "groups", "", "the run would have more than %d beats", message.MaxBeats)
			return
		}
	}
	for i := range x.all {
		x.all[i].Beat = b.of[x.all[i].Group]
	}
	x.beatOf, x.earliest = b.of, b.earliest
}

// join puts a group on a beat.
func (b *beating) join(beat int, c *command) {
	b.of[c.group] = beat
	b.beats[beat].Groups = append(b.beats[beat].Groups, c.group)
}

// known reports whether the beats of all groups are known that the conditions are about.
func (b *beating) known(conditions []Wait) bool {
	return !slices.ContainsFunc(conditions, func(c Wait) bool { _, known := b.of[c.Group]; return !known })
}

// begin makes the next beat, with all groups that wait for the same.
func (b *beating) begin(first *command) {
	conditions := b.after(first)
	var earliest time.Duration
	for _, c := range conditions {
		earliest = max(earliest, b.earliest[b.of[c.Group]]+c.Delay)
	}
	beat := len(b.beats)
	b.beats, b.earliest = append(b.beats, Beat{After: conditions}), append(b.earliest, earliest)
	for _, c := range b.file.commands {
		if c.group != "" && len(b.group(c.group)) > 0 && slices.Equal(b.after(c), conditions) {
			b.join(beat, c)
		}
	}
	if b.timeout > 0 && earliest >= b.timeout {
		b.fail(first.waits, &textError{fmt.Sprintf("it can't come: with all delays it is %s after the start, which is not before the timeout of %s", short(earliest), short(b.timeout)), "set a longer timeout"})
	}
	ended := b.ended(conditions)
	b.over = append(b.over, ended)
	if len(b.stop.When) > 0 && !slices.ContainsFunc(b.stop.When, func(g string) bool { return !slices.Contains(ended, g) }) {
		b.fail(first.waits, &textError{fmt.Sprintf("it can't come: once %s has ended, stop.when stops the run", strings.Join(b.stop.When, " and ")), "name another group in stop.when"})
	}
}

// ended are the groups that have ended once the conditions hold.
func (b *beating) ended(conditions []Wait) (groups []string) {
	for _, c := range conditions {
		if c.Ended {
			groups = append(groups, c.Group)
		}
		groups = append(groups, b.over[b.of[c.Group]]...)
	}
	slices.Sort(groups)
	return slices.Compact(groups)
}

// after are the conditions of a command, in the order of the groups in the file. A
// condition on an empty group is replaced by that group's own: it is ready, and has
// ended, as soon as it would begin.
func (b *beating) after(c *command) []Wait {
	if known, ok := b.conditions[c.group]; ok {
		return known
	}
	var all []Wait
	for _, a := range c.after {
		delay := b.limit(a.delay, zeroToo, limitKeys, b.data())
		for _, name := range a.names {
			group, ended := b.file.awaitedGroup(name)
			if len(b.group(group)) > 0 {
				all = addWait(all, Wait{group, ended, delay})
				continue
			}
			for _, inner := range b.after(b.file.commandOf(group)) {
				inner.Delay += delay
				all = addWait(all, inner)
			}
		}
	}
	place := func(c Wait) int {
		return 2*b.file.commandOf(c.Group).groupIndex + map[bool]int{true: 1}[c.Ended]
	}
	slices.SortFunc(all, func(c, d Wait) int { return place(c) - place(d) })
	b.conditions[c.group] = all
	return all
}

// addWait adds a condition; of two that differ in delay, the longer one counts.
func addWait(all []Wait, c Wait) []Wait {
	for i := range all {
		if all[i].Group == c.Group && all[i].Ended == c.Ended {
			all[i].Delay = max(all[i].Delay, c.Delay)
			return all
		}
	}
	return append(all, c)
}
