package experiment

import (
	"fmt"
	"slices"
	"strings"

	"downbeat/internal/message"
)

// maxPhaseCommands bounds the commands of a setup or teardown: more than that is a
// program.
const maxPhaseCommands = 100

// commandsOf reads a setup or a teardown: a command, or a list of them.
func commandsOf(phase message.Phase, into func(f *File) *[]*command) binding[File] {
	step := ref(phaseCommand.def)
	return binding[File]{
		words: "command, or list of commands", inner: []*table{phaseCommand.table()},
		schema: anyOf(nonEmpty, step, schema{
			"type": "array", "minItems": 1, "maxItems": maxPhaseCommands, "items": anyOf(nonEmpty, argumentsSchema, step),
		}),
		read: func(v value, f *File) { *into(f) = readCommands(v.with(phaseKeys), phase) },
	}
}

func readCommands(v value, phase message.Phase) []*command {
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
	if len(items) > maxPhaseCommands {
		v.wrong("put them into a script", "more than %d commands", maxPhaseCommands)
	}
	commands := make([]*command, len(items))
	for i, item := range items {
		commands[i] = readCommand(item, phaseCommand)
		commands[i].name = &text{item.pos, item.path, message.ProcessName(string(phase), i)}
	}
	return commands
}

// expandPhase makes the commands of one phase for the hosts that take part.
func (x *expansion) expandPhase(phase message.Phase, of []*command, hosts []Host) []Command {
	var all []Command
	for _, c := range of {
		for _, h := range hosts {
			if len(c.on) > 0 && !slices.Contains(c.on, h.Name) {
				continue
			}
			made := x.expandOn(phase, c, h)
			if !x.account(c, &made) {
				return nil
			}
			all = append(all, made)
		}
	}
	return all
}

func (x *expansion) expandOn(phase message.Phase, c *command, h Host) Command {
	data := x.dataOn(h.Name, h.Address)
	data["name"] = c.name.src
	made := Command{Host: h.Name, Command: message.Command{Name: c.name.src, Phase: phase}}
	x.self = on(h.Name)
	defer func() { x.self = nil }()
	x.fillCommand(&made.Command, c, phaseKeys, data)
	made.TimeoutMS = x.limit(c.timeout, notZero, phaseKeys, data).Milliseconds()
	return made
}

// checkPhaseNames reports a process that would share its files with a command of
// the setup or teardown.
func (x *expansion) checkPhaseNames(d *Datapoint) {
	taken := make(map[string]string)
	for _, s := range slices.Concat(d.Setup, d.Teardown, d.Acts) {
		taken[s.Host+"/"+s.Name] = s.Name
	}
	for _, p := range x.all {
		if name, ok := taken[p.Host+"/"+strings.ToLower(p.Name)]; ok {
			at := p.command.whole
			if p.command.name != nil {
				at = p.command.name
			}
			of, _, _ := strings.Cut(name, ".")
			of = map[bool]string{true: "an action", false: "the " + of}[of == string(message.PhaseAction)]
			x.fail(at, &textError{fmt.Sprintf("a process on host %s is called %q, as is a command of %s there", p.Host, p.Name, of), "give it another name"})
		}
	}
}
