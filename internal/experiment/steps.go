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

// A step is what the file says about one.
type step struct {
	*command
	name    string
	timeout *text // nil: DefaultStepTimeout
}

// steps reads a setup or a teardown: a command, or a list of them.
func (d *decoder) steps(n *node, field string) []*step {
	switch {
	case n == nil:
		return nil
	case n.kind == stringNode, n.kind == mapNode:
		return []*step{d.step(n, field, field, 0)}
	case n.kind != listNode:
		d.add(n.pos, field, "such as ./prepare, or a list of commands", "must be a command or a list of commands, not %s", n.kind)
	case len(n.items) == 0:
		d.add(n.pos, field, "leave it out", "the list of commands is empty")
	case len(n.items) > maxFileSteps:
		d.add(n.pos, field, "put them into a script", "more than %d commands", maxFileSteps)
	}
	var steps []*step
	for i, item := range n.items {
		steps = append(steps, d.step(item, fmt.Sprintf("%s[%d]", field, i), field, i))
	}
	return steps
}

// step reads one of them: a command line, a list of arguments, or a map.
func (d *decoder) step(n *node, path, of string, index int) *step {
	s := &step{name: message.ProcessName(of, index)}
	d.keys = stepKeys
	defer func() { d.keys = allKeys }()
	if n.kind != mapNode {
		s.command = newCommand(n.pos, path)
		d.run(s.command, n, path)
		return s
	}
	fields := d.fields(n, path, stepFields)
	s.command = d.commandFields(n.pos, fields, path)
	if on := fields["on"]; on != nil {
		s.on = d.names(on, path+".on", "host", hostNames(d.file.Hosts))
	}
	if timeout := fields["timeout"]; timeout != nil {
		s.timeout = d.stepTimeout(timeout, path+".timeout")
	}
	return s
}

func (d *decoder) stepTimeout(n *node, path string) *text {
	if n.kind == stringNode && strings.Contains(n.text, "{{") {
		return d.text(n, path, stepKeys)
	}
	return &text{n.pos, path, short(d.duration(n, path, false))}
}

// expandSteps makes those of the file for the hosts that take part.
func (x *expansion) expandSteps(of []*step, hosts []Host) []Step {
	var all []Step
	for _, s := range of {
		for _, h := range hosts {
			if len(s.on) > 0 && !slices.Contains(s.on, h.Name) {
				continue
			}
			made := x.expandStep(s, h)
			if !x.account(s.command, h.Name, made.Dir, made.Argv, made.Env) {
				return nil
			}
			all = append(all, made)
		}
	}
	return all
}

func (x *expansion) expandStep(s *step, h Host) Step {
	data := x.data()
	data["host"], data["address"], data["name"] = h.Name, h.Address, s.name
	made := Step{Host: h.Name, Step: message.Step{Name: s.name, OKExit: slices.Clone(s.ok), Pty: s.pty, TimeoutMS: DefaultStepTimeout.Milliseconds()}}
	made.Argv = x.argv(s.command, stepKeys, data)
	made.Env = x.environment(s.command, stepKeys, data)
	if s.dir != nil {
		made.Dir, _ = x.evaluate(s.dir, stepKeys, data)
	}
	if t := s.timeout; t != nil {
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
