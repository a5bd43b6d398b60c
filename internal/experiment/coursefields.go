package experiment

import "downbeat/internal/message"

// These are the parts of the table of fields about the course of a run; see fields.go.
// Those of actions are in actionfields.go.

// afterFields are those of a condition with a delay.
var afterFields = &object[awaited]{
	title: "### Beats", prefix: "after.",
	fields: []field[awaited]{
		{
			name: "of", is: into(conditionNames, func(a *awaited) *[]string { return &a.names }), missing: "it is the group to wait for", such: "{of: server, delay: 2s}",
			about: "the groups to wait for: GROUP, or GROUP.ended",
		},
		{
			name: "delay", is: into(limit(zeroToo, limitKeys), func(a *awaited) **text { return &a.delay }), unset: "0s",
			about: "how long after that",
		},
	},
}

// readyFields say when a process can be used.
var readyFields = &object[readiness]{
	title: "### Readiness", prefix: "ready.",
	fields: []field[readiness]{
		{
			name: "port", is: into(aPort, func(r *readiness) **text { return &r.port }),
			about: "it accepts TCP connections on this port",
		},
		{
			name: "address", is: into(filled(allKeys, ""), func(r *readiness) **text { return &r.address }), otherwise: "that of the host, as .address has it",
			about: "with port: where",
		},
		{
			name: "line", is: into(aRegexp, func(r *readiness) **text { return &r.line }),
			about: "it writes a line that matches, to standard output or error",
		},
		{
			name: "http", is: into(aURL, func(r *readiness) **text { return &r.http }),
			about: "a GET of this URL, from its own host, is answered with status",
		},
		{
			name: "status", is: into(between(100, 599), func(r *readiness) *int { return &r.status }), unset: "200",
			about: "with http: which status",
		},
		{
			name: "file", is: into(aFile, func(r *readiness) **text { return &r.file }),
			about: "this file is in the run's directory",
		},
		{
			name: "run", is: probe(commandLine),
			about: "this command exits with 0, in the process's own place and environment",
		},
		{
			name: "shell", is: probe(into(boolean, func(c *command) *bool { return &c.shell })), otherwise: "false",
			about: "with run: have /bin/sh -c run the string",
		},
		{
			name: "within", is: into(limit(notZero, allKeys), func(r *readiness) **text { return &r.within }), unset: "60s",
			about: "how long it may take, from the process's start",
		},
		{
			name: "every", is: into(limit(notZero, allKeys), func(r *readiness) **text { return &r.every }), otherwise: "50ms; with run 250ms",
			about: "how long until the worker looks again",
		},
	},
	check: checkReady, further: exactlyOne(readyKinds...),
}

// restartFields say when a process begins anew.
var restartFields = &object[restart]{
	title: "### Lives", prefix: "restart.",
	fields: []field[restart]{
		{
			name: "on", is: into(choice("end", message.RestartOnFailure, message.RestartAlways), func(r *restart) *message.RestartOn { return &r.on }), missing: "it says after which ends", such: "{on: failure, at_most: 3}",
			about: "after which ends: those outside ok_exit, or all",
		},
		{
			name: "at_most", is: into(howMany(maxRestarts, allKeys), func(r *restart) **text { return &r.atMost }), unset: "3",
			about: "how many times",
		},
		{
			name: "wait", is: into(limit(zeroToo, allKeys), func(r *restart) **text { return &r.wait }), unset: "0s",
			about: "how long after the end",
		},
	},
}

// endingFields say how processes of a group are stopped.
var endingFields = &object[ending]{
	title: "### Lives", prefix: "stop.",
	fields: []field[ending]{
		{
			name: "signal", is: into(aSignal(true, allKeys), func(e *ending) **text { return &e.signal }), otherwise: "TERM",
			about: "what they are sent",
		},
		{
			name: "grace", is: into(limit(zeroToo, allKeys), func(e *ending) **text { return &e.grace }), otherwise: "that of the stop",
			about: "how long they have until KILL",
		},
	},
}
