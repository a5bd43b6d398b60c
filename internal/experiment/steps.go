package experiment

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"downbeat/internal/message"
)

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

// commandsOf are those of a setup or a teardown: a command, or a list of them.
func commandsOf(phase string, into func(f *File) *[]*command) binding[File] {
	step := ref(phaseCommand.def)
	return binding[File]{
		words: "command, or list of commands", inner: []*table{phaseCommand.table()},
		schema: anyOf(nonEmpty, step, schema{
			"type": "array", "minItems": 1, "maxItems": maxFileSteps, "items": anyOf(nonEmpty, argumentsSchema, step),
		}),
		read: func(v value, f *File) { *into(f) = readCommands(v.with(stepKeys), phase) },
	}
}

func readCommands(v value, phase string) []*command {
	items := []value{v}
	switch {
	case v.kind == stringNode, v.kind == mapNode:
	case v.kind != listNode:
		v.wrong("such as ./prepare, or a list of commands", "must be a command or a list of commands, not %s", v.kind)
		return nil
	case len(v.items) == 0:
		v.wrong("leave it out", "the list of commands is empty")
		return nil
	default:
		items = v.list()
	}
	if len(items) > maxFileSteps {
		v.wrong("put them into a script", "more than %d commands", maxFileSteps)
	}
	commands := make([]*command, len(items))
	for i, item := range items {
		commands[i] = readCommand(item, phaseCommand)
		commands[i].name = &text{item.pos, item.path, message.ProcessName(phase, i)}
	}
	return commands
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
	made := Step{Host: h.Name, Step: message.Step{Name: c.name.src, OKExit: slices.Clone(c.ok), Pty: c.pty}}
	made.Argv = x.argv(c, stepKeys, data)
	made.Env = x.environment(c, stepKeys, data)
	if c.dir != nil {
		made.Dir, _ = x.evaluate(c.dir, stepKeys, data)
	}
	made.TimeoutMS = x.limit(c.timeout, notZero, stepKeys, data).Milliseconds()
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
