package experiment

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"downbeat/internal/message"
)

// A command is what the file says about one command, as templates.
type command struct {
	// whole is the place of the command itself; it has no source.
	whole *text
	// line is a command line, argv a list of arguments; one of them is set.
	line  *text
	argv  []*text
	shell bool
	pty   bool
	name  *text
	env   []variable
	dir   *text
	delay *text
	ok    []int
	// timeout is that of a setup or teardown command; nil: DefaultStepTimeout.
	timeout *text

	on         []string
	count      *text  // nil: one on each host
	group      string // "" in the small form
	groupIndex int    // in File.Groups
	collect    []*text
	// Of the small form: the command's index on its host, and how many
	// there are.
	base, of int
}

func newCommand(at pos, field string) *command {
	return &command{whole: &text{at: at, field: field}, ok: []int{0}}
}

type variable struct {
	key   string
	value *text
}

// command reads a command of the small form: a line, a list, or a map.
func (d *decoder) command(n *node, path string) *command {
	if n.kind == mapNode {
		return d.commandFields(n.pos, d.fields(n, path, commandFields), path)
	}
	c := newCommand(n.pos, path)
	d.run(c, n, path)
	return c
}

// commandFields reads a command that is a map. What is no field of a command
// is left to the caller.
func (d *decoder) commandFields(at pos, fields map[string]*node, path string) *command {
	c := newCommand(at, path)
	if n := fields["shell"]; n != nil {
		c.shell = d.boolean(n, path+".shell")
	}
	if n := fields["pty"]; n != nil {
		c.pty = d.boolean(n, path+".pty")
	}
	if n := fields["run"]; n != nil {
		d.run(c, n, path+".run")
	} else {
		d.add(at, path, `such as run: ./client --fast`, `"run" is missing: it is the command`)
	}
	if n := fields["name"]; n != nil {
		c.name = d.text(n, path+".name", nameKeys)
	}
	if n := fields["env"]; n != nil {
		c.env = d.env(n, path+".env")
	}
	if n := fields["dir"]; n != nil {
		if c.dir = d.text(n, path+".dir", d.keys); c.dir != nil && c.dir.src == "" {
			d.add(n.pos, path+".dir", "leave it out to start in the run's directory", "is empty")
		}
	}
	if n := fields["delay"]; n != nil {
		c.delay = d.delay(n, path+".delay")
	}
	if n := fields["ok_exit"]; n != nil {
		c.ok = d.exits(n, path+".ok_exit")
	}
	d.variables(c.env)
	if c.dir != nil && (home.MatchString(c.dir.src) || inherited.MatchString(c.dir.src)) {
		d.notExpanded(c.dir, c.dir.src, "write the path out")
	}
	return c
}

func (d *decoder) run(c *command, n *node, path string) {
	switch {
	case n.kind == stringNode:
		if c.line = d.text(n, path, d.keys); c.line != nil && c.line.constant() {
			if _, err := c.words(c.line.src); err != nil {
				d.problem(c.line, err)
			}
		}
		d.literal(c)
	case n.kind == listNode && c.shell:
		d.add(n.pos, path, "write one string", "a shell takes one command line, not a list")
	case n.kind == listNode && len(n.items) == 0:
		d.add(n.pos, path, "", "the command is empty")
	case n.kind == listNode:
		for i, item := range n.items {
			c.argv = append(c.argv, d.scalar(item, fmt.Sprintf("%s[%d]", path, i), d.keys))
		}
		if first := c.argv[0]; first != nil && first.src == "" {
			d.problem(first, errNoCommand)
		}
	default:
		d.add(n.pos, path, "", "must be a command line or a list of arguments, not %s", n.kind)
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

func (d *decoder) env(n *node, path string) []variable {
	if n.kind != mapNode {
		d.add(n.pos, path, "such as {LEVEL: debug}", "must be a map, not %s", n.kind)
		return nil
	}
	var env []variable
	for _, p := range d.pairs(n, path) {
		switch {
		case p.key == "":
			d.add(p.pos, path, "", "a variable has no name")
		case strings.ContainsAny(p.key, "=\x00"):
			d.add(p.pos, path, "", "%q can't name a variable: it contains '=' or NUL", p.key)
		case strings.HasPrefix(p.key, message.EnvPrefix):
			d.add(p.pos, path, "Downbeat sets those itself", "variables that begin with %s are reserved", message.EnvPrefix)
		default:
			env = append(env, variable{p.key, d.scalar(p.value, path+"."+p.key, d.keys)})
		}
	}
	return env
}

func (d *decoder) delay(n *node, path string) *text {
	if n.kind == stringNode && strings.Contains(n.text, "{{") {
		return d.text(n, path, d.keys)
	}
	if v := d.duration(n, path, true); v > 0 {
		return &text{n.pos, path, v.String()}
	}
	return nil
}

// exits reads an exit status or a list of them.
func (d *decoder) exits(n *node, path string) []int {
	items := []*node{n}
	if n.kind == listNode {
		items = n.items
	}
	if len(items) == 0 {
		d.add(n.pos, path, "", "the list is empty: the process could not but fail")
	}
	var codes []int
	for _, item := range items {
		code, err := strconv.Atoi(item.text)
		switch {
		case item.kind != numberNode || err != nil || code < 0 || code > 255:
			d.add(item.pos, path, "128+n stands for signal n", "an exit status must be a whole number from 0 to 255")
		case !slices.Contains(codes, code):
			codes = append(codes, code)
		}
	}
	return codes
}

// limits reads what ends a run: stop, timeout and grace.
func (d *decoder) limits(fields map[string]*node) {
	f := d.file
	f.Timeout, f.Stop.Grace, f.Stop.OnFailure = DefaultTimeout, DefaultGrace, true
	if n := fields["timeout"]; n != nil {
		f.timeout = d.limit(n, "timeout", false, &f.Timeout)
	}
	if n := fields["grace"]; n != nil {
		f.grace = d.limit(n, "grace", true, &f.Stop.Grace)
	}
	n := fields["stop"]
	if n == nil {
		return
	}
	if n.kind != mapNode {
		d.add(n.pos, "stop", "such as {when: client, after: 60s}", "must be a map, not %s", n.kind)
		return
	}
	d.stop(d.fields(n, "stop", stopFields), fields["grace"])
}

func (d *decoder) stop(fields map[string]*node, grace *node) {
	f := d.file
	if n := fields["when"]; n != nil {
		f.Stop.When = d.names(n, "stop.when", "group", groupNames(f.Groups))
	}
	if n := fields["after"]; n != nil {
		f.after = d.limit(n, "stop.after", false, &f.Stop.After)
		if f.after == nil && f.timeout == nil && f.Timeout > 0 {
			if err := checkAfter(f.Stop.After, f.Timeout); err != nil {
				d.problem(&text{n.pos, "stop.after", n.text}, err)
			}
		}
	}
	if n := fields["on_failure"]; n != nil {
		f.Stop.OnFailure = d.boolean(n, "stop.on_failure")
	}
	if n := fields["grace"]; n != nil {
		if grace != nil {
			d.add(n.pos, "stop.grace", fmt.Sprintf("remove one: line %d has the same setting", grace.pos.line), "grace is given twice")
		}
		f.grace = d.limit(n, "stop.grace", true, &f.Stop.Grace)
	}
}

// checkAfter reports a stop that would come too late to be one.
func checkAfter(after, timeout time.Duration) error {
	if after < timeout {
		return nil
	}
	return &textError{fmt.Sprintf("%s is not before the timeout of %s", short(after), short(timeout)), "set a longer timeout"}
}

// delayOf checks what a delay template gave against the run's end.
func delayOf(s string, timeout, after time.Duration) (time.Duration, error) {
	v, err := parseDuration(strings.TrimSpace(s), true)
	switch {
	case err != nil:
		return 0, err
	case v >= timeout:
		return 0, &textError{fmt.Sprintf("a delay of %s is not before the timeout of %s", short(v), short(timeout)), ""}
	case after > 0 && v >= after:
		return 0, &textError{fmt.Sprintf("a delay of %s is not before the stop after %s", short(v), short(after)), ""}
	}
	return v, nil
}
