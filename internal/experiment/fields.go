package experiment

import (
	"time"

	"downbeat/internal/message"
)

// This is the table of the file's fields: names, types, defaults, meaning, and
// where each goes. Files are read by it, the JSON Schema is made from it (make
// schema), and docs/file.md is checked against it. Fields are read in the order of
// the table, so a field stands after those that it depends on.

// fileFields are the file's own.
var fileFields = &object[File]{
	title: "## Fields",
	fields: []field[File]{
		{
			name: "$schema", is: into(anyString, func(f *File) *string { return &f.schema }),
			about: "the path or URL of the schema, for editors; Downbeat ignores it",
		},
		{
			name: "name", is: into(aName, func(f *File) *string { return &f.Name }), otherwise: "the file's name without its extension",
			about: "what the results directory is called",
		},
		{
			name: "matrix", is: into(matrix, func(f *File) *[][]Parameter { return &f.combinations }),
			about: "parameters and their values: each combination is a datapoint",
		},
		{
			name: "repeat", is: repeat, unset: "1",
			about: "how many times each combination is run, or until when",
		},
		{
			name: "order", is: into(choice("order", inOrder, atRandom), func(f *File) *order { return &f.order }), unset: "file",
			about: "the order of the datapoints",
		},
		{
			name: "seed", is: into(seed, func(f *File) *uint64 { return &f.Seed }), unset: "1",
			about: "which random order, and what is chosen at random; the same seed gives the same",
		},
		{
			name: "pause", is: into(duration(zeroToo), func(f *File) *time.Duration { return &f.Pause }), unset: "0s",
			about: "the wait between the end of one run and the next datapoint",
		},
		{
			name: "retries", is: into(between(0, MaxRetries), func(f *File) *int { return &f.Retries }), unset: "0",
			about: "how many times a datapoint that did not succeed is retried",
		},
		{
			name: "hosts", is: hosts, missing: "it names the hosts", such: `hosts: {alpha: ["echo hello"]}`,
			about: "the hosts, by the names that their workers have",
		},
		{
			name: "groups", is: groups,
			about: "the groups of processes",
		},
		{
			name: "setup", is: commandsOf(message.PhaseSetup, func(f *File) *[]*command { return &f.setup }),
			about: "what each host runs before the processes",
		},
		{
			name: "teardown", is: commandsOf(message.PhaseTeardown, func(f *File) *[]*command { return &f.teardown }),
			about: "what each host runs when no process is left",
		},
		{
			name: "files", is: files,
			about: "files put into the run's directory on each host before the start",
		},
		{
			name: "collect", is: into(patterns, func(f *File) *[]*text { return &f.collect }),
			about: "files brought home from the run's directory on each host",
		},
		{
			name: "sample", is: into(sampleEvery, func(f *File) *time.Duration { return &f.sample }), otherwise: "no samples are taken",
			about: "how often what processes and hosts are using is sampled, 100ms or more",
		},
		{
			name: "timeout", is: into(limit(notZero, limitKeys), func(f *File) **text { return &f.timeout }), unset: "1h",
			about: "a run that is not over by then is stopped and has failed",
		},
		{
			name: "grace", is: into(limit(zeroToo, limitKeys), func(f *File) **text { return &f.stop.grace }), unset: "10s",
			about: "how long a process that is being stopped has between TERM and KILL",
		},
		{
			name: "stop", is: nested(stopFields, "such as {when: client, after: 60s}", func(f *File) *stop { return &f.stop }),
			about: "what ends a run before all processes have ended",
		},
		{
			name: "at", is: actions,
			about: "what is done to the processes, or run beside them, in the course of the run",
		},
		{
			name: "windows", is: windows,
			about: "parts of a run's time over which numbers are taken",
		},
		{
			name: "metrics", is: metrics,
			about: "numbers taken from what each run leaves",
		},
		{
			name: "require", is: requirements,
			about: "limits that a run must keep",
		},
	},
	check: checkFile,
}

// hostFields are those of a host that is a map.
var hostFields = &object[hostEntry]{
	title: "### Hosts",
	fields: []field[hostEntry]{
		{
			name: "address", is: into(address, func(h *hostEntry) *string { return &h.Address }), otherwise: "the host's name",
			about: "where the processes of other hosts reach it: an IP address or a name in DNS",
		},
	},
	others: &others[hostEntry]{scalarSchema, readVariable},
}

// pickFields are those of hosts that are chosen.
var pickFields = &object[placement]{
	title: "### Groups", prefix: "on.",
	fields: []field[placement]{
		{
			name: "pick", is: into(howMany(MaxProcesses, countKeys), func(p *placement) **text { return &p.pick }), missing: "it is how many hosts to choose", such: "{pick: 2, of: [alpha, bravo, charlie]}",
			about: "how many hosts to choose at random",
		},
		{
			name: "of", is: into(someHosts, func(p *placement) *[]*text { return &p.hosts }), otherwise: "all hosts of the file",
			about: "the hosts to choose from",
		},
		{
			name: "not", is: into(excludedNames, func(p *placement) *[]string { return &p.not }),
			about: "hosts that are not chosen, and groups whose hosts are not",
		},
	},
	check: checkPick,
}

// stopFields say when a run is stopped.
var stopFields = &object[stop]{
	title: "### The end of a run", prefix: "stop.",
	fields: []field[stop]{
		{
			name: "when", is: into(groupsOf, func(s *stop) *[]string { return &s.when }),
			about: "once every process of these groups has ended",
		},
		{
			name: "after", is: into(limit(notZero, limitKeys), func(s *stop) **text { return &s.after }),
			about: "that long after the release of the last beat",
		},
		{
			name: "on_failure", is: into(boolean, func(s *stop) *bool { return &s.onFailure }), unset: "true",
			about: "as soon as any process exits with a status outside its ok_exit",
		},
		{
			name: "grace", is: into(limit(zeroToo, limitKeys), func(s *stop) **text { return &s.grace }), otherwise: "that of grace",
			about: "the same setting as grace: give one of them",
		},
		{
			name: "order", is: into(choice("order", together, lastBeatFirst), func(s *stop) *stopOrder { return &s.order }), unset: "together",
			about: "last-beat-first: after when or after, each beat is stopped once those after it are over",
		},
	},
}

// where says where in the file a command may stand.
type where uint8

const (
	ofHost   where = 1 << iota // in a host's own list
	ofGroup                    // it is what a group runs
	ofPhase                    // of a setup or a teardown
	ofAction                   // it is what an action runs
)

// commandFields are those of commands, wherever they stand.
var commandFields = []field[command]{
	{
		name: "on", in: ofGroup, is: placements, missing: "it names the hosts", such: "on: [alpha, bravo]",
		about: "where the processes run",
	},
	{
		name: "count", in: ofGroup, is: into(count, func(c *command) **text { return &c.count }), otherwise: "one on each host of on",
		about: "how many processes; 0 makes an empty group",
	},
	{
		name: "collect", in: ofGroup, is: into(patterns, func(c *command) *[]*text { return &c.collect }),
		about: "as the file's own, from the hosts on which the group has processes",
	},
	{
		name: "run", is: commandLine, missing: "it is the command", such: "run: ./client --fast",
		about: "the command line or the arguments",
	},
	{
		name: "on", in: ofPhase, is: into(hostNamesOf, func(c *command) *[]string { return &c.on }), otherwise: "all",
		about: "the hosts that run it; those that take no part in the datapoint are left out",
	},
	{
		name: "on", in: ofAction, is: into(hostNamesOf, func(c *command) *[]string { return &c.on }), otherwise: "all that take part",
		about: "with run: the hosts that run it",
	},
	{
		name: "after", in: ofGroup, is: afterwards, otherwise: "it begins with the first beat",
		about: "the groups that have to be ready, or to have ended, before this one begins",
	},
	{
		name: "ready", in: ofGroup, is: optionally(readyFields, "such as {port: 7000}", func(c *command) **readiness { return &c.ready }), otherwise: "once it has started",
		about: "when a process of the group can be used",
	},
	{
		name: "restart", in: ofGroup, is: optionally(restartFields, "such as {on: failure, at_most: 3}", func(c *command) **restart { return &c.restart }), otherwise: "never",
		about: "whether a process that has ended begins anew",
	},
	{
		name: "stop", in: ofGroup, is: optionally(endingFields, "such as {signal: INT, grace: 20s}", func(c *command) **ending { return &c.ending }), otherwise: "TERM, and the grace of the stop",
		about: "how the processes of the group are stopped",
	},
	{
		name: "name", in: ofHost | ofGroup, is: into(filled(nameKeys, "leave it out"), func(c *command) **text { return &c.name }), otherwise: "GROUP.INDEX, in the small form INDEX",
		about: "the process's name, unique on its host",
	},
	{
		name: "env", is: into(environment, func(c *command) *[]variable { return &c.env }),
		about: "variables, set on top of the worker's environment",
	},
	{
		name: "dir", is: into(filled(nil, "leave it out to start in the run's directory"), func(c *command) **text { return &c.dir }), otherwise: "the run's directory",
		about: "where the process starts",
	},
	{
		name: "delay", in: ofHost | ofGroup, is: into(limit(zeroToo, allKeys), func(c *command) **text { return &c.delay }), unset: "0s",
		about: "how long after the others the process starts",
	},
	{
		name: "timeout", in: ofPhase | ofAction, is: into(limit(notZero, phaseKeys), func(c *command) **text { return &c.timeout }), unset: "1m",
		about: "how long it may take",
	},
	{
		name: "ok_exit", is: into(exits, func(c *command) *[]int { return &c.ok }), unset: "0",
		about: "exit statuses that are not failures; 128+n stands for signal n",
	},
	{
		name: "shell", is: into(boolean, func(c *command) *bool { return &c.shell }), unset: "false",
		about: "have /bin/sh -c run the string",
	},
	{
		name: "pty", is: into(boolean, func(c *command) *bool { return &c.pty }), unset: "false",
		about: "give the process a terminal, so that it prints line by line",
	},
}

// The commands by their places.
var (
	hostCommand  = commandsIn(ofHost, "### Commands", "command")
	groupCommand = commandsIn(ofGroup, "### Groups", "group")
	phaseCommand = commandsIn(ofPhase, "### Setup and teardown", "step")
)

// shipmentFields are those of a file to ship that is a map.
var shipmentFields = &object[shipment]{
	title: "### Shipping files", def: "file",
	fields: []field[shipment]{
		{
			name: "from", is: into(filled(limitKeys, ""), func(s *shipment) **text { return &s.from }),
			about: "the file, or the directory with everything in it; relative to the directory of the experiment file, or with publish - to the working directory. If the template comes out empty, nothing is shipped",
		},
		{
			name: "text", is: into(templateOf(textKeys), func(s *shipment) **text { return &s.text }),
			about: "instead: what is in the file; at most 128 KiB",
		},
		{
			name: "mode", is: into(permissions, func(s *shipment) *uint32 { return &s.mode }), otherwise: "those of the source; 0644 for a text",
			about: "who may read, write and execute it",
		},
		{
			name: "on", is: into(hostNamesOf, func(s *shipment) *[]string { return &s.on }), otherwise: "all that take part",
			about: "the hosts that get it",
		},
	},
	check: checkShipment, further: oneOf("from", "text"),
}

// windowFields are those of a window.
var windowFields = &object[window]{
	title: "### Windows", def: "window",
	fields: []field[window]{
		{
			name: "from", is: boundaryAt(func(w *window) **boundary { return &w.from }), otherwise: "the last release",
			about: "where it begins",
		},
		{
			name: "to", is: boundaryAt(func(w *window) **boundary { return &w.to }), otherwise: "the end of the run",
			about: "where it ends",
		},
	},
}

// boundaryFields are those of a window's boundary that is a map.
var boundaryFields = &object[boundary]{
	title: "### Windows", prefix: "from.",
	fields: []field[boundary]{
		{
			name: "mark", is: into(aMark, func(b *boundary) *string { return &b.Mark }),
			about: "counted from this mark, when it was first made",
		},
		{
			name: "action", is: into(anAction, func(b *boundary) *int { return &b.Action }),
			about: "counted from this action of at, when it was first done",
		},
		{
			name: "since", is: into(aGroup, func(b *boundary) *string { return &b.Group }),
			about: "counted from the release of this group",
		},
		{
			name: "t", is: into(signed, func(b *boundary) **text { return &b.t }), unset: "0s",
			about: "how long after that; negative: before",
		},
	},
	check:   checkBoundary,
	further: schema{"oneOf": []schema{{"required": []string{"mark"}}, {"required": []string{"action"}}, {"required": []string{"since"}}}},
}

// metricFields are those of a metric.
var metricFields = &object[metric]{
	title: "### Numbers", def: "metric",
	fields: []field[metric]{
		{
			name: "file", is: into(globs, func(m *metric) **text { return &m.file }),
			about: "the values are in the files that were collected and match this pattern, a path in the run's directory such as client.jsonl or logs/**/*.csv",
		},
		{
			name: "output", is: into(choice("output", "stdout", "stderr"), func(m *metric) *string { return &m.stream }),
			about: "the values are in what processes wrote to this stream",
		},
		{
			name: "run", is: programLine(judgeOfMetric),
			about: "the value is what this command prints, which is run on the publisher's machine with the run's results directory as its last argument",
		},
		{
			name: "timeout", is: programTimeout(judgeOfMetric), unset: "1m",
			about: "with run: how long it may take",
		},
		{
			name: "sample", is: into(quantity, func(m *metric) *string { return &m.Sample }),
			about: "the values are samples of this: cpu, rss, ... of processes; steal, load, ... of hosts",
		},
		{
			name: "field", is: into(filled(limitKeys, ""), func(m *metric) **text { return &m.field }),
			about: "the values are in this column of a table, or at this path in JSON: latency.p99, jobs.0.iops, jobs.*.iops",
		},
		{
			name: "pattern", is: into(filled(limitKeys, ""), func(m *metric) **text { return &m.pattern }),
			about: "a value is what the group of this regular expression matches in a line (Go's syntax)",
		},
		{
			name: "format", is: into(choice("format", formats...), func(m *metric) *Format { return &m.Format }), otherwise: "by the end of file",
			about: "with field: how the values are written; hdr: histograms, without field. Required with output",
		},
		{
			name: "tag", is: into(filled(limitKeys, ""), func(m *metric) **text { return &m.tag }), otherwise: "those without a tag",
			about: "with format hdr: the tag of the histograms that count; \"*\": all of them",
		},
		{
			name: "parse", is: into(choice("parse", NotationNumber, NotationDuration, NotationSI), func(m *metric) *Notation { return &m.Parse }), unset: "number",
			about: "how a value is read: 12.5, a duration such as 1.13ms, or a number with a prefix such as 9.19k",
		},
		{
			name: "where", is: into(conditions, func(m *metric) *[]variable { return &m.where }), otherwise: "every row",
			about: "with field: only rows in which these fields have these values",
		},
		{
			name: "group", is: into(groupsOf, func(m *metric) *[]string { return &m.groups }), otherwise: "all processes",
			about: "whose output counts; with file, the files on hosts where the group has processes",
		},
		{
			name: "host", is: into(hostNamesOf, func(m *metric) *[]string { return &m.hosts }), otherwise: "all hosts",
			about: "only these hosts count",
		},
		{
			name: "window", is: into(aWindow, func(m *metric) *string { return &m.Window }), otherwise: "the whole run",
			about: "with output, sample or format hdr: only values that were read in this window count",
		},
		{
			name: "reduce", is: reduction, otherwise: "required without run",
			about: "how several values become one: sum, or {lines: mean, processes: sum}",
		},
		{
			name: "series", is: into(binWidth, func(m *metric) *time.Duration { return &m.Series }),
			about: "with output, sample or format hdr: the metric is also computed for each such piece of the run's time, and drawn over it",
		},
		{
			name: "scale", is: into(factor, func(m *metric) *float64 { return &m.Scale }), unset: "1",
			about: "the result is multiplied by it",
		},
		{
			name: "unit", is: into(unit, func(m *metric) *string { return &m.Unit }),
			about: "the unit of the result, for people: ms, req/s",
		},
		{
			name: "better", is: into(choice("direction", Lower, Higher), func(m *metric) *Direction { return &m.Better }),
			about: "which values are better, so that publish compare can say faster and slower",
		},
		{
			name: "partial", is: into(boolean, func(m *metric) *bool { return &m.Partial }), unset: "false",
			about: "the result may rest on fewer processes, or files, than there are",
		},
	},
	check: checkMetric, further: schema{
		"oneOf": []schema{{"required": []string{"file"}}, {"required": []string{"output"}}, {"required": []string{"run"}}, {"required": []string{"sample"}}},
		"if":    schema{"required": []string{"run"}},
		"then":  schema{"properties": schema{"tag": false, "pattern": false, "format": false, "where": false, "group": false, "host": false, "window": false, "reduce": false, "series": false}},
		"else": schema{
			"required": []string{"reduce"}, "properties": schema{"timeout": false}, "oneOf": []schema{
				{"required": []string{"field"}, "properties": schema{"format": schema{"not": schema{"const": HDR}}}}, {"required": []string{"pattern"}}, {"not": anyOf(schema{"required": []string{"field"}}, schema{"required": []string{"pattern"}}), "anyOf": []schema{
					{"properties": schema{"format": schema{"const": HDR}}, "required": []string{"format"}},
					{"properties": schema{"file": schema{"pattern": `\.hlog$`}}, "required": []string{"file"}},
					{"required": []string{"sample"}},
				}},
			},
			"dependentSchemas": schema{
				"pattern": schema{"properties": schema{"format": false, "where": false}},
				"sample":  schema{"properties": schema{"field": false, "pattern": false, "format": false, "parse": false, "where": false, "tag": false}},
			},
		},
	},
}

func judgeOfMetric(m *metric) *judge { return &m.judge }

// checkFields are those of a requirement that a program checks.
var checkFields = &object[requirement]{
	title: "### Requirements", prefix: "require.NAME.", def: "check",
	fields: []field[requirement]{
		{
			name: "run", is: programLine(judgeOfRequirement), missing: "it is the command", such: "run: ./check.py",
			about: "the command, run on the publisher's machine with the run's results directory as its last argument; status 0: it is met",
		},
		{
			name: "timeout", is: programTimeout(judgeOfRequirement), unset: "1m",
			about: "how long it may take",
		},
	},
}

func judgeOfRequirement(r *requirement) *judge { return &r.judge }

// reduceFields are those of a reduction in two steps.
var reduceFields = &object[metric]{
	title: "### Numbers", prefix: "reduce.",
	fields: []field[metric]{
		{
			name: "lines", is: into(aReduction, func(m *metric) *Reduction { return &m.Lines }), missing: "it makes one value of those of a process", such: "{lines: mean, processes: sum}",
			about: "makes one value of all that a process, or a file, has",
		},
		{
			name: "processes", is: into(aReduction, func(m *metric) *Reduction { return &m.Processes }), missing: "it makes one number of the values of the processes", such: "{lines: mean, processes: sum}",
			about: "makes one number of these values",
		},
	},
}
