package experiment

import (
	"path/filepath"
	"strings"

	"downbeat/internal/message"
)

// decode reads the tree of a file into f, and reports all that is wrong with it.
func decode(r *report, root *node, f *File) {
	in := &scope{report: r, file: f, used: make(map[string]bool)}
	v := value{node: root, at: root.pos, keys: allKeys, in: in}
	f.combinations, f.hostVariables, f.byGroup = oneCombination, make(map[string][]Parameter), make(map[string]*command)
	if v.isMap(`begin with "name" and "hosts"`, "an experiment must be a map") {
		fileFields.read(v, f)
	}
}

// checkFile checks what depends on several fields of the file.
func checkFile(v value, f *File, given found) {
	if !given.has("name") {
		f.nameByPath(v.in.path)
	}
	checkPlan(v.in, f, given)
	checkStop(f, given)
	if len(f.commands) == 0 && len(v.in.errors) == 0 {
		v.wrong("give hosts commands, or add groups", "there is no process to run")
	}
	warnOfUncollected(v.in)
	if hosts, ok := given.get("hosts"); ok && hosts.kind == mapNode {
		warnOfVariablesUnused(v.in, hosts)
	}
	for _, name := range f.parameters() {
		if !v.in.used[name] {
			matrix, _ := given.get("matrix")
			v.in.warn(matrix.pos, "matrix."+name, "", "no template uses .%s", name)
		}
	}
}

// nameByPath names an experiment without a name after its file.
func (f *File) nameByPath(path string) {
	if f.Name != "" { // see Origin
		return
	}
	base := filepath.Base(path)
	f.Name = strings.TrimSuffix(base, filepath.Ext(base))
	if message.CheckName(f.Name) != nil {
		f.Name = "experiment"
	}
}

// hosts reads the hosts with the commands of their own.
var hosts = binding[File]{
	words: "map", inner: []*table{hostFields.table(), hostCommand.table()},
	schema: schema{
		"type": "object", "minProperties": 1, "propertyNames": schema{"pattern": namePattern},
		"additionalProperties": anyOf(schema{"type": "null"}, hostFields.table().schema(), schema{
			"type": "array", "minItems": 1, "items": anyOf(nonEmpty, argumentsSchema, ref("command")),
		}),
	},
	read: func(v value, f *File) {
		switch {
		case !v.isMap("such as {alpha: null, bravo: {address: 10.0.0.2}}", "must be a map of hosts"):
			return
		case len(v.node.pairs) == 0:
			v.wrong("", "there are no hosts")
		case len(v.node.pairs) > MaxProcesses:
			v.wrong("", "more than %d hosts", MaxProcesses)
			return
		}
		children := v.named("host")
		f.findVariables(children)
		for _, child := range children {
			if strings.EqualFold(child.key, "run.json") {
				v.in.add(child.at, child.path, "", "a host can't have this name: a file in the results has it")
			}
			h := hostEntry{Host: Host{Name: child.key}}
			readHost(child, &h, f)
			f.Hosts = append(f.Hosts, h.Host)
			if len(h.variables) > 0 {
				f.hostVariables[h.Name] = h.variables
			}
		}
	},
}

func readHost(v value, h *hostEntry, f *File) {
	switch v.kind {
	case nullNode:
	case mapNode:
		hostFields.read(v, h)
	case listNode:
		if len(v.items) == 0 {
			v.wrong("write null for a host without commands of its own", "the list of commands is empty")
		}
		for i, item := range v.list() {
			c := readCommand(item, hostCommand)
			c.on, c.base, c.of = []string{h.Name}, i, len(v.items)
			f.commands = append(f.commands, c)
		}
	default:
		v.wrong(`such as ["./server --port 7000"], {"address": "10.0.0.1"} or null`, "must be a list of commands or a map, not %s", v.kind)
	}
}

var address = shape[string]{"address", nonEmpty, func(v value) string {
	s, ok := v.str()
	switch {
	case !ok:
	case s == "":
		v.wrong("leave it out", "the address is empty")
	case strings.Contains(s, "{{"):
		v.wrong("", "an address is not a template")
	case strings.ContainsAny(s, " \t\r\n/[]@"):
		v.wrong("such as 10.0.0.1, fd00::1 or nevis.example.org", "%q is not an address", s)
	}
	return s
}}

// groups reads the groups with their commands.
var groups = binding[File]{
	words: "map", inner: []*table{groupCommand.table()}, schema: mapSchema(ref("group")),
	read: func(v value, f *File) {
		const such = `{"on": ["alpha"], "run": "./client"}`
		if !v.isMap(`such as {"client": `+such+`}`, "must be a map of groups") {
			return
		}
		children := v.named("group")
		for _, child := range children { // what is said of one group may name another
			f.Groups = append(f.Groups, Group{Name: child.key})
		}
		for i, child := range children {
			if child.isMap("such as "+such, "a group must be a map") {
				c := newCommand(child)
				c.group, c.groupIndex = child.key, i
				groupCommand.read(child, c)
				f.commands = append(f.commands, c)
				f.byGroup[c.group] = c
			}
		}
		checkPlacements(v.in)
		checkCircles(v.in)
	},
}

func hostNames(hosts []Host) []string {
	names := make([]string, len(hosts))
	for i, h := range hosts {
		names[i] = h.Name
	}
	return names
}

func groupNames(groups []Group) []string {
	names := make([]string, len(groups))
	for i, g := range groups {
		names[i] = g.Name
	}
	return names
}
