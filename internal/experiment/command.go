package experiment

import (
	"slices"
	"strconv"
	"strings"

	"downbeat/internal/message"
)

// A command is one command of the file with its templates: of a host, a group, the
// setup or the teardown.
type command struct {
	whole *text // the place of the command itself; it has no source
	// line is a command line, argv a list of arguments; one of them is set.
	line  *text
	argv  []*text
	shell bool
	pty   bool
	// name is nil for a process that is named after its group and index. In the
	// setup and the teardown it is set and is not a template.
	name    *text
	env     []variable
	dir     *text
	delay   *text // of a process
	timeout *text // of a command of the setup or teardown
	ok      []int

	on    []string  // of the setup or teardown: empty where it is all hosts; in the small form: the host
	place placement // of a group
	// Of a group: when it begins, when its processes can be used, and what is done when
	// they end, and to end them.
	waits      *text // the place of after; nil: it waits for nothing
	after      []*awaited
	ready      *readiness
	restart    *restart
	ending     *ending
	count      *text  // nil: one on each host
	group      string // "" in the small form
	groupIndex int    // in File.Groups
	collect    []*text
	// Of the small form: the command's index on its host, and how many
	// there are.
	base, of int
}

type variable struct {
	key   string
	value *text
}

func newCommand(v value) *command { return &command{whole: &text{at: v.at, field: v.path}} }

// commandsIn is the table of fields of the commands in one place.
func commandsIn(in where, title, def string) *object[command] {
	o := &object[command]{title: title, def: def, check: checkCommand}
	for _, f := range commandFields {
		if f.in == 0 || f.in&in != 0 {
			o.fields = append(o.fields, f)
		}
	}
	return o
}

// readCommand reads a command: a line, a list of arguments, or a map.
func readCommand(v value, fields *object[command]) *command {
	c := newCommand(v)
	if v.kind == mapNode {
		fields.read(v, c)
		return c
	}
	fields.fill(v, c)
	commandLine.read(v, c)
	checkLine(v, c)
	return c
}

// checkCommand checks what depends on several fields of a command, and warns about
// values that look as if a shell would expand them.
func checkCommand(v value, c *command, given found) {
	if run, ok := given.get("run"); ok {
		checkLine(run, c)
	}
	warnOfVariables(v.in, c.env)
	if c.dir != nil && (home.MatchString(c.dir.src) || inherited.MatchString(c.dir.src)) {
		notExpanded(v.in, c.dir, c.dir.src, "write the path out")
	}
}

var argumentsSchema = schema{"type": "array", "minItems": 1, "items": scalarSchema}

// commandLine is a line, or a list of arguments.
var commandLine = binding[command]{words: "string or list", schema: anyOf(nonEmpty, argumentsSchema), read: func(v value, c *command) {
	switch v.kind {
	case stringNode:
		c.line = v.text()
	case listNode:
		if len(v.items) == 0 {
			v.wrong("", "the command is empty")
		}
		for _, item := range v.list() {
			c.argv = append(c.argv, item.scalar())
		}
	default:
		v.wrong("", "must be a command line or a list of arguments, not %s", v.kind)
	}
}}

// checkLine checks the command line at v, as far as it isn't a template.
func checkLine(v value, c *command) {
	switch {
	case c.shell && v.kind == listNode:
		v.wrong("write one string", "a shell takes one command line, not a list")
	case len(c.argv) > 0:
		if first := c.argv[0]; first != nil && first.src == "" {
			v.in.problem(first, errNoCommand)
		}
	case c.line != nil:
		if c.line.constant() {
			if _, err := c.words(c.line.src); err != nil {
				v.in.problem(c.line, err)
			}
		}
		warnOfLiteral(v.in, c)
	}
}

var errNoCommand = &textError{"the command is empty", ""}

// words makes the argument list of a command line.
func (c *command) words(line string) ([]string, error) {
	if c.shell {
		if strings.TrimSpace(line) == "" {
			return nil, errNoCommand
		}
		return []string{"/bin/sh", "-c", line}, nil
	}
	words, err := splitWords(line)
	if err == nil && (len(words) == 0 || words[0] == "") {
		err = errNoCommand
	}
	return words, err
}

var environment = shape[[]variable]{"map", schema{
	"type": "object", "additionalProperties": scalarSchema,
	"propertyNames": schema{"pattern": "^[^=]+$", "not": schema{"pattern": "^" + message.EnvPrefix}},
}, func(v value) (env []variable) {
	if !v.isMap("such as {LEVEL: debug}", "must be a map") {
		return nil
	}
	for _, child := range v.pairs() {
		switch {
		case child.key == "":
			v.wrongKey(child, "", "a variable has no name")
		case strings.ContainsAny(child.key, "=\x00"):
			v.wrongKey(child, "", "%q can't name a variable: it contains '=' or NUL", child.key)
		case strings.HasPrefix(child.key, message.EnvPrefix):
			v.wrongKey(child, "Downbeat sets those itself", "variables that begin with %s are reserved", message.EnvPrefix)
		default:
			env = append(env, variable{child.key, child.scalar()})
		}
	}
	return env
}}

// exits are the exit statuses that are not failures.
var exits = shape[[]int]{orList("number"), orListSchema(schema{"type": "integer", "minimum": 0, "maximum": 255}), func(v value) (codes []int) {
	items := v.oneOrMany()
	if len(items) == 0 {
		v.wrong("", "the list is empty: the process could only fail")
	}
	for _, item := range items {
		code, err := strconv.Atoi(item.node.text)
		switch {
		case item.kind != numberNode || err != nil || code < 0 || code > 255:
			item.path = v.path
			item.wrong("128+n stands for signal n", "an exit status must be a whole number from 0 to 255")
		case !slices.Contains(codes, code):
			codes = append(codes, code)
		}
	}
	return codes
}}

// count is a number of processes, or a template that gives it.
var count = shape[*text]{"number, or template", anyOf(
	schema{"type": "integer", "minimum": 0, "maximum": MaxProcesses}, schema{"type": "string", "pattern": `^\s*[0-9]+\s*$|` + templatePattern},
), func(v value) *text {
	if v.kind != numberNode && v.kind != stringNode {
		v.wrong("", "must be a number, not %s", v.kind)
		return nil
	}
	t := v.with(countKeys).scalar()
	if t != nil && t.constant() {
		if _, err := parseCount(t.src); err != nil {
			v.in.problem(t, err)
		}
	}
	return t
}}

func parseCount(s string) (int, error) {
	s = strings.TrimSpace(s)
	n, err := wholeNumber(s)
	switch {
	case err != nil && strings.Trim(s, "0123456789") == "" && s != "", n > MaxProcesses:
		return 0, &textError{s + " processes are too many", "at most " + strconv.Itoa(MaxProcesses)}
	case err != nil:
		return 0, &textError{strconv.Quote(s) + " is not a whole number", ""}
	case n < 0:
		return 0, &textError{"a group can't have " + s + " processes", "0 makes it empty"}
	}
	return n, nil
}
