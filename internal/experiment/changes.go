package experiment

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"
)

// Changes lists in words how d differs from the datapoint before, apart from run
// ids and numbers. It is empty if both would measure the same. Expand both for the
// same run.
func (d *Datapoint) Changes(before *Datapoint) []string {
	var list []string
	say := func(format string, args ...any) { list = append(list, fmt.Sprintf(format, args...)) }
	if d.Name != before.Name {
		say("the name is %s, was %s", d.Name, before.Name)
	}
	if !slices.Equal(d.Hosts, before.Hosts) {
		say("the hosts are %s, were %s", hostList(d.Hosts), hostList(before.Hosts))
	}
	list = append(list, commandChanges("process ", d.Processes, before.Processes)...)
	list = append(list, commandChanges("", slices.Concat(d.Setup, d.Teardown, d.Acts), slices.Concat(before.Setup, before.Teardown, before.Acts))...)
	list = append(list, beatChanges(d.Beats, before.Beats)...)
	list = append(list, actionChanges(d.Actions, before.Actions)...)
	if d.Timeout != before.Timeout {
		say("the timeout is %s, was %s", d.Timeout, before.Timeout)
	}
	if d.Sample != before.Sample {
		say("samples are taken %s, were %s", often(d.Sample), often(before.Sample))
	}
	list = append(list, d.Stop.changes(before.Stop)...)
	for _, h := range d.Hosts {
		if now, was := d.Collect[h.Name], before.Collect[h.Name]; !slices.Equal(now, was) {
			say("what is collected from %s is %v, was %v", h.Name, now, was)
		}
		if names := changedFiles(d.Files[h.Name], before.Files[h.Name]); len(names) > 0 {
			say("what is shipped to %s has changed: %s", h.Name, strings.Join(names, ", "))
		}
	}
	return list
}

// often says how often samples are taken.
func often(d time.Duration) string {
	if d == 0 {
		return "never"
	}
	return "every " + d.String()
}

// changedFiles names the shipped files that are new, gone or different.
func changedFiles(now, was []ShippedFile) []string {
	old := make(map[string]ShippedFile, len(was))
	for _, f := range was {
		old[f.Path] = f
	}
	var names []string
	for _, f := range now {
		if before, ok := old[f.Path]; !ok || before.File != f.File {
			names = append(names, f.Path)
		}
		delete(old, f.Path)
	}
	return append(names, slices.Sorted(maps.Keys(old))...)
}

// commandChanges says what differs between the commands of two datapoints. The prefix
// goes before the name of each.
func commandChanges(prefix string, now, was []Command) []string {
	var list []string
	old := make(map[string]Command, len(was))
	for _, c := range was {
		old[c.Host+"/"+c.Name] = c
	}
	for _, c := range now {
		key := c.Host + "/" + c.Name
		if before, ok := old[key]; !ok {
			list = append(list, prefix+key+" is new")
		} else if what := c.changes(before); what != "" {
			list = append(list, prefix+key+": "+what)
		}
		delete(old, key)
	}
	for _, key := range slices.Sorted(maps.Keys(old)) {
		list = append(list, prefix+key+" is gone")
	}
	return list
}

// beatChanges says which groups begin after something else than before.
func beatChanges(now, was []Beat) (list []string) {
	after := func(beats []Beat) map[string]string {
		conditions := make(map[string]string)
		for _, b := range beats {
			for _, g := range b.Groups {
				conditions[g] = b.Begins()
			}
		}
		return conditions
	}
	before := after(was)
	for _, b := range now {
		for _, g := range b.Groups {
			if old, ok := before[g]; ok && old != b.Begins() {
				list = append(list, fmt.Sprintf("%s begins %s, began %s", g, b.Begins(), old))
			}
		}
	}
	return list
}

// actionChanges says what differs between the actions of two datapoints.
func actionChanges(now, was []Action) (list []string) {
	old := make(map[int]Action, len(was))
	for _, a := range was {
		old[a.Number] = a
	}
	for _, a := range now {
		before, ok := old[a.Number]
		switch {
		case !ok:
			list = append(list, fmt.Sprintf("action %d is new: %s", a.Number, a.Text))
		case a.Text != before.Text:
			list = append(list, fmt.Sprintf("action %d is %s, was %s", a.Number, a.Text, before.Text))
		case a.Optional != before.Optional:
			list = append(list, fmt.Sprintf("action %d: optional is %t, was %t", a.Number, a.Optional, before.Optional))
		}
		delete(old, a.Number)
	}
	for _, number := range slices.Sorted(maps.Keys(old)) {
		list = append(list, fmt.Sprintf("action %d is gone: %s", number, old[number].Text))
	}
	return list
}

// changes says what differs between two commands of one name.
func (c Command) changes(was Command) string {
	switch {
	case c.TimeoutMS != was.TimeoutMS:
		return fmt.Sprintf("the timeout is %s, was %s", c.Timeout(), was.Timeout())
	case !slices.Equal(c.Argv, was.Argv):
		return fmt.Sprintf("the command is %q, was %q", strings.Join(c.Argv, " "), strings.Join(was.Argv, " "))
	case !maps.Equal(c.Env, was.Env):
		return "the environment has changed"
	case c.Dir != was.Dir:
		return fmt.Sprintf("the directory is %q, was %q", c.Dir, was.Dir)
	case c.Pty != was.Pty:
		return fmt.Sprintf("pty is %t, was %t", c.Pty, was.Pty)
	case c.DelayMS != was.DelayMS:
		return fmt.Sprintf("the delay is %s, was %s", c.Delay(), was.Delay())
	case !reflect.DeepEqual(c.Ready, was.Ready):
		return fmt.Sprintf("it is ready %s, was %s", readyWords(c.Ready), readyWords(was.Ready))
	case !reflect.DeepEqual(c.Restart, was.Restart):
		return "its restarts have changed"
	case !reflect.DeepEqual(c.Stop, was.Stop):
		return "it is stopped in another way"
	case !slices.Equal(c.OKExit, was.OKExit):
		return fmt.Sprintf("ok_exit is %v, was %v", c.OKExit, was.OKExit)
	case c.Group != was.Group || c.Index != was.Index || c.Rank != was.Rank || c.Local != was.Local:
		return "its place among the others has changed"
	}
	return ""
}

func (s StopRule) changes(was StopRule) []string {
	var list []string
	if !slices.Equal(s.When, was.When) {
		list = append(list, fmt.Sprintf("stop.when is %v, was %v", s.When, was.When))
	}
	for _, limit := range []struct {
		name     string
		now, was time.Duration
	}{{"stop.after", s.After, was.After}, {"the grace", s.Grace, was.Grace}} {
		if limit.now != limit.was {
			list = append(list, fmt.Sprintf("%s is %s, was %s", limit.name, limit.now, limit.was))
		}
	}
	if s.LastBeatFirst != was.LastBeatFirst {
		order := map[bool]stopOrder{false: together, true: lastBeatFirst}
		list = append(list, fmt.Sprintf("stop.order is %s, was %s", order[s.LastBeatFirst], order[was.LastBeatFirst]))
	}
	if s.OnFailure != was.OnFailure {
		list = append(list, fmt.Sprintf("stop.on_failure is %t, was %t", s.OnFailure, was.OnFailure))
	}
	return list
}

func hostList(hosts []Host) string {
	names := make([]string, len(hosts))
	for i, h := range hosts {
		if names[i] = h.Name; h.Address != h.Name {
			names[i] += " (" + h.Address + ")"
		}
	}
	return strings.Join(names, ", ")
}
