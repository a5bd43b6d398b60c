package experiment

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"downbeat/internal/message"
)

// DefaultStepTimeout is how long a step of the setup or teardown may take where
// the file says nothing.
const DefaultStepTimeout = time.Minute

// maxFileSteps bounds the steps of a file: more than that is a program.
const maxFileSteps = 100

// A Step is one command of a run's setup or teardown and the host it is on.
type Step struct {
	Host string
	message.Step
}

// Steps are all of a run's steps, those of the setup first.
func (d *Datapoint) Steps() []Step {
	return append(slices.Clone(d.Setup), d.Teardown...)
}

// steps reads a setup or a teardown: a command, or a list of them.
func (d *decoder) steps(n *node, field string) []*command {
	switch {
	case n == nil:
		return nil
	case n.kind == stringNode, n.kind == mapNode:
		return []*command{d.step(n, field, field, 0)}
	case n.kind != listNode:
		d.add(n.pos, field, "such as ./prepare, or a list of commands", "must be a command or a list of commands, not %s", n.kind)
	case len(n.items) == 0:
		d.add(n.pos, field, "leave it out", "the list of commands is empty")
	case len(n.items) > maxFileSteps:
		d.add(n.pos, field, "put them into a script", "more than %d commands", maxFileSteps)
	}
	var steps []*command
	for i, item := range n.items {
		steps = append(steps, d.step(item, fmt.Sprintf("%s[%d]", field, i), field, i))
	}
	return steps
}

// step reads one of them: a command line, a list of arguments, or a map.
func (d *decoder) step(n *node, path, of string, index int) *command {
	d.keys = stepKeys
	defer func() { d.keys = allKeys }()
	c := newCommand(n.pos, path)
	if n.kind == mapNode {
		fields := d.fields(n, path, stepFields)
		c = d.commandFields(n.pos, fields, path)
		if on := fields["on"]; on != nil {
			c.on = d.names(on, path+".on", "host", hostNames(d.file.Hosts))
		}
		if timeout := fields["timeout"]; timeout != nil {
			c.timeout = d.stepTimeout(timeout, path+".timeout")
		}
	} else {
		d.run(c, n, path)
	}
	c.name = &text{n.pos, path, message.ProcessName(of, index)}
	return c
}

func (d *decoder) stepTimeout(n *node, path string) *text {
	if n.kind == stringNode && strings.Contains(n.text, "{{") {
		return d.text(n, path, stepKeys)
	}
	return &text{n.pos, path, short(d.duration(n, path, false))}
}

// expandSteps makes those of the file for the hosts that take part.
func (x *expansion) expandSteps(of []*command, hosts []Host) []Step {
	var all []Step
	for _, c := range of {
		for _, h := range hosts {
			if len(c.on) > 0 && !slices.Contains(c.on, h.Name) {
				continue
			}
			made := x.expandStep(c, h)
			if !x.account(c, h.Name, made.Dir, made.Argv, made.Env) {
				return nil
			}
			all = append(all, made)
		}
	}
	return all
}

func (x *expansion) expandStep(c *command, h Host) Step {
	data := x.data()
	data["host"], data["address"], data["name"] = h.Name, h.Address, c.name.src
	made := Step{Host: h.Name, Step: message.Step{Name: c.name.src, OKExit: slices.Clone(c.ok), Pty: c.pty, TimeoutMS: DefaultStepTimeout.Milliseconds()}}
	made.Argv = x.argv(c, stepKeys, data)
	made.Env = x.environment(c, stepKeys, data)
	if c.dir != nil {
		made.Dir, _ = x.evaluate(c.dir, stepKeys, data)
	}
	if t := c.timeout; t != nil {
		if text, ok := x.evaluate(t, stepKeys, data); ok {
			v, err := parseDuration(strings.TrimSpace(text), false)
			if err != nil {
				x.fail(t, err)
			}
			made.TimeoutMS = v.Milliseconds()
		}
	}
	return made
}

// checkStepNames reports a process that would share its files with a step.
func (x *expansion) checkStepNames(d *Datapoint) {
	taken := make(map[string]string)
	for _, s := range d.Steps() {
		taken[s.Host+"/"+s.Name] = s.Name
	}
	for _, p := range x.all {
		if name, ok := taken[p.Host+"/"+strings.ToLower(p.Name)]; ok {
			at := p.command.whole
			if p.command.name != nil {
				at = p.command.name
			}
			of, _, _ := strings.Cut(name, ".")
			x.fail(at, &textError{fmt.Sprintf("a process on host %s is called %q, as is a command of the %s there", p.Host, p.Name, of), "give it another name"})
		}
	}
}

// stepChanges says what differs between the steps of two datapoints.
func stepChanges(steps, before []Step) []string {
	var list []string
	old := make(map[string]Step, len(before))
	for _, s := range before {
		old[s.Host+"/"+s.Name] = s
	}
	for _, s := range steps {
		key := s.Host + "/" + s.Name
		if was, ok := old[key]; !ok {
			list = append(list, key+" is new")
		} else if what := s.changes(was); what != "" {
			list = append(list, key+": "+what)
		}
		delete(old, key)
	}
	for _, key := range slices.Sorted(maps.Keys(old)) {
		list = append(list, key+" is gone")
	}
	return list
}

// changes says what differs between two steps of one name.
func (s Step) changes(was Step) string {
	if s.TimeoutMS != was.TimeoutMS {
		return fmt.Sprintf("the timeout is %s, was %s", s.Timeout(), was.Timeout())
	}
	return asProcess(s).changes(asProcess(was))
}

// asProcess gives a step as a process that does the same.
func asProcess(s Step) Process {
	return Process{OKExit: s.OKExit, Process: message.Process{Argv: s.Argv, Env: s.Env, Dir: s.Dir, Pty: s.Pty}}
}
