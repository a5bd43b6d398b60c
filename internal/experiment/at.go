package experiment

import (
	"fmt"
	"slices"

	"downbeat/internal/message"
)

// An action is something that the file has done to a run while its processes run.
type action struct {
	command  // of a run: what is run and where
	signal   *text
	to       []*target
	stop     []*target
	start    []*target
	pause    []*target
	pauseFor *text // of a pause
	// t is how long after the trigger; nil: at once. The trigger is the beat of since
	// or, if that is empty, the last; or else the mark or the line.
	t        *text
	since    string
	mark     string
	lineOf   *text
	of       []*target
	times    *text
	optional bool

	number int
	do     message.ActionKind
}

// verbs are the fields of which one says what an action does.
var verbs = []string{"signal", "stop", "start", "pause", "run"}

// onCommand binds a field of the command that an action runs.
func onCommand(f field[command]) field[action] {
	b := f.is
	lifted := field[action]{name: f.name, unset: f.unset, otherwise: f.otherwise, about: f.about, is: binding[action]{
		words: b.words, schema: b.schema, read: func(v value, a *action) { b.read(v, &a.command) },
	}}
	return lifted
}

// actionCommandFields are the fields of the command that an action runs.
func actionCommandFields() (fields []field[action]) {
	for _, f := range commandFields {
		if f.in == 0 || f.in&ofAction != 0 {
			fields = append(fields, onCommand(f))
		}
	}
	return fields
}

// actions read the list of actions.
var actions = binding[File]{
	words: "map, or list of maps", inner: []*table{actionFields.table()},
	schema: anyOf(ref(actionFields.def), schema{"type": "array", "items": ref(actionFields.def), "minItems": 1, "maxItems": message.MaxActions}),
	read: func(v value, f *File) {
		items := v.oneOrMany()
		switch {
		case len(items) == 0:
			v.wrong("leave it out", "the list of actions is empty")
		case len(items) > message.MaxActions:
			v.wrong("", "more than %d actions", message.MaxActions)
		}
		for i, item := range items {
			a := &action{command: *newCommand(item), number: i}
			a.name = &text{item.pos, item.path, message.ProcessName(string(message.PhaseAction), i)}
			if item.isMap("such as {t: 20s, signal: KILL, to: server.0}", "an action must be a map") {
				actionFields.read(item.with(phaseKeys), a)
			}
			f.actions = append(f.actions, a)
		}
	},
}

// checkAction checks what depends on several fields of an action.
func checkAction(v value, a *action, given found) {
	is := given.among(verbs...)
	switch {
	case len(is) > 1:
		second, _ := given.get(is[1])
		second.wrong("write two actions", "it does two things: %s and %s", is[0], is[1])
	case len(is) == 0 && !given.meant(verbs...):
		v.in.add(v.at, v.path, "signal, stop, start, pause or run", "it does not say what is done")
	}
	if len(is) != 1 {
		return
	}
	a.do = message.ActionKind(is[0])
	checkGoesWith(v, a, given)
	checkTrigger(v, a, given)
	checkThat(v, a)
	if run, ok := given.get("run"); ok {
		checkLine(run, &a.command)
		warnOfVariables(v.in, a.env)
	}
}

// checkGoesWith checks the fields that only some actions have.
func checkGoesWith(v value, a *action, given found) {
	goes := []struct {
		name string
		with message.ActionKind
	}{{"to", message.ActSignal}, {"for", message.ActPause}}
	for _, f := range actionCommandFields() {
		if f.name != "run" {
			goes = append(goes, struct {
				name string
				with message.ActionKind
			}{f.name, message.ActRun})
		}
	}
	for _, f := range goes {
		if field, ok := given.get(f.name); ok && a.do != f.with {
			hint := "remove it"
			if f.name == "to" {
				hint = fmt.Sprintf("write %s: and the process", a.do)
			}
			v.wrongKey(field, hint, "%q goes with %s, not with %s", f.name, f.with, a.do)
		}
	}
	if a.do == message.ActSignal && !given.meant("to") {
		v.in.add(v.at, v.path, "such as to: server.0", `"to" is missing: it is who gets the signal`)
	}
	if a.do == message.ActPause && !given.meant("for") {
		v.in.add(v.at, v.path, "such as for: 5s", `"for" is missing: it is how long the pause lasts`)
	}
}

// checkTrigger checks that it is clear when the action is done.
func checkTrigger(v value, a *action, given found) {
	is := given.among("since", "mark", "line")
	words := map[string]string{"since": "the release of a group", "mark": "a mark", "line": "a line"}
	switch {
	case len(is) > 1:
		second, _ := given.get(is[1])
		second.wrong("write two actions", "it is done after %s or after %s, not both", words[is[0]], words[is[1]])
	case a.t == nil && len(is) == 0 && !given.meant("t", "mark", "line"):
		v.in.add(v.at, v.path, "such as t: 20s", `"t" is missing: it is how long after the release of the last beat`)
	case len(is) == 1 && is[0] == "since" && !given.meant("t"):
		v.in.add(v.at, v.path, "such as t: 20s", `"t" is missing: it is how long after the release of %s`, a.since)
	}
	for _, name := range []string{"of", "times"} {
		if other, ok := given.get(name); ok && !given.meant("line") {
			v.wrongKey(other, "remove it", "%q goes with line", name)
		}
	}
}

// toWhom are the targets of an action that is done to processes.
func (a *action) toWhom() []*target { return slices.Concat(a.to, a.stop, a.start, a.pause) }

// toOne is line or mark where the action is done to whoever wrote the line, or made the
// mark; else it is empty.
func (a *action) toOne() string {
	for _, t := range a.toWhom() {
		if t.thatOne != "" {
			return t.thatOne
		}
	}
	return ""
}

// timed reports whether the action is done at a time after a beat.
func (a *action) timed() bool { return a.mark == "" && a.lineOf == nil }

// checkThat checks what an action says of another one, or of its line.
func checkThat(v value, a *action) {
	for _, t := range slices.Concat(a.toWhom(), a.of) {
		switch {
		case t.thatOne != "" && len(a.toWhom()) > 1:
			v.in.problem(t.whole, &textError{fmt.Sprintf("{that: %s} stands alone", t.thatOne), "write two actions"})
		case t.thatOne == "line" && a.lineOf == nil:
			v.in.problem(t.whole, &textError{"there is no line that somebody could have written", "add line: and what it looks like"})
		case t.thatOne == "mark" && a.mark == "":
			v.in.problem(t.whole, &textError{"there is no mark that somebody could have made", "add mark: and its name"})
		case t.thatOne != "" && slices.Contains(a.of, t):
			v.in.problem(t.whole, &textError{"of says whose lines are looked at", "such as of: server"})
		case t.that != nil && *t.that >= a.number:
			v.in.problem(t.whole, &textError{fmt.Sprintf("action %d is not further up: this is action %d, the first is 0", *t.that, a.number), ""})
		case t.that != nil:
			checkThatAction(v, t, v.in.file.actions[*t.that])
		}
	}
}

func checkThatAction(v value, t *target, other *action) {
	switch {
	case other.do == message.ActRun:
		v.in.problem(t.whole, &textError{fmt.Sprintf("action %d runs a command: it is done to no process", other.number), ""})
	case other.toOne() != "":
		is := other.toOne()
		v.in.problem(t.whole, &textError{
			fmt.Sprintf("who action %d is done to is only known when the %s has come", other.number, is),
			fmt.Sprintf("give this action the same %s, and write {that: %s}", is, is),
		})
	}
}

// aMark is the name of a mark.
var aMark = shape[string]{"name", nameSchema, func(v value) string { return aName.read(v) }}

// aGroup is the name of one group.
var aGroup = shape[string]{"group", nameSchema, func(v value) string {
	names := groupNames(v.in.file.Groups)
	s, ok := v.str()
	if ok && !slices.Contains(names, s) {
		v.wrong(v.in.didYouMean(s, names), "no group %q", s)
	}
	return s
}}
