package experiment

import "downbeat/internal/message"

// actionFields are those of an action.
var actionFields = &object[action]{
	title: "### Actions", def: "action",
	fields: append([]field[action]{
		{
			name: "t", is: into(limit(zeroToo, limitKeys), func(a *action) **text { return &a.t }), otherwise: "at once, after a mark or a line; else required",
			about: "how long after the release of the last beat, or after what the next fields name",
		},
		{
			name: "since", is: into(aGroup, func(a *action) *string { return &a.since }), otherwise: "the last beat",
			about: "the group from the release of whose beat t counts",
		},
		{
			name: "mark", is: into(aMark, func(a *action) *string { return &a.mark }),
			about: "the mark from which t counts",
		},
		{
			name: "line", is: into(lineOf, func(a *action) **text { return &a.lineOf }),
			about: "a regular expression: t counts from the line that matches",
		},
		{
			name: "of", is: into(targets, func(a *action) *[]*target { return &a.of }), otherwise: "all processes",
			about: "with line: whose lines are looked at",
		},
		{
			name: "times", is: into(howMany(message.MaxLives, limitKeys), func(a *action) **text { return &a.times }), unset: "1",
			about: "with line: for how many of the lines it is done, at most",
		},
		{
			name: "signal", is: into(aSignal(false, limitKeys), func(a *action) **text { return &a.signal }),
			about: "a signal is sent to the process groups of to",
		},
		{
			name: "to", is: into(targets, func(a *action) *[]*target { return &a.to }).with(targetFields.table()),
			about: "with signal: who gets it",
		},
		{
			name: "stop", is: into(targets, func(a *action) *[]*target { return &a.stop }),
			about: "these are stopped, as at the end of the run",
		},
		{
			name: "start", is: into(targets, func(a *action) *[]*target { return &a.start }),
			about: "these begin anew, with the same command in the same place; they have to have ended",
		},
		{
			name: "pause", is: into(targets, func(a *action) *[]*target { return &a.pause }),
			about: "these and all that they have started are halted (STOP), and go on after for (CONT)",
		},
		{
			name: "for", is: into(limit(notZero, limitKeys), func(a *action) **text { return &a.pauseFor }),
			about: "with pause: how long",
		},
		{
			name: "optional", is: into(boolean, func(a *action) *bool { return &a.optional }), unset: "false",
			about: "the run does not fail if it can't be done",
		},
	}, actionCommandFields()...),
	check: checkAction, further: exactlyOne(verbs...),
}
