package experiment

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A placement says on which hosts the processes of a group run.
type placement struct {
	whole *text // its place
	// hosts name the hosts, or with pick those to choose from; empty then: all.
	hosts []*text
	pick  *text // how many to choose; nil: all
	// not are groups whose hosts are not chosen, and hosts that are not.
	not []string
}

// placements read where a group's processes run: hosts, or how to choose them.
var placements = binding[command]{
	words: "host, list of hosts, or map", inner: []*table{pickFields.table()},
	schema: anyOf(hostSchema, schema{"type": "array", "items": hostSchema, "minItems": 1}, pickFields.table().schema()),
	read: func(v value, c *command) {
		c.place = placement{whole: &text{at: v.pos, field: v.path}}
		if v.kind == mapNode {
			pickFields.read(v, &c.place)
			return
		}
		c.place.hosts = someHosts.read(v)
	},
}

// hostSchema is the name of a host, or a template.
var hostSchema = schema{"type": "string", "pattern": namePattern + "|" + templatePattern}

// someHosts are names of hosts that may be templates.
var someHosts = shape[[]*text]{orList("host"), orListSchema(hostSchema), func(v value) (list []*text) {
	items := v.oneOrMany()
	if len(items) == 0 {
		v.wrong("", "the list is empty: it names no host")
	}
	seen := make(map[string]bool)
	for _, item := range items {
		item.path = v.path
		t := item.with(countKeys).text()
		if t == nil {
			continue
		}
		if t.constant() {
			if err := v.in.file.checkHost(v.in.report, t.src, seen); err != nil {
				v.in.problem(t, err)
				continue
			}
		}
		list = append(list, t)
	}
	return list
}}

// checkHost reports a name that no host has, or that has been seen before.
func (f *File) checkHost(r *report, name string, seen map[string]bool) error {
	switch {
	case !slices.ContainsFunc(f.Hosts, func(h Host) bool { return h.Name == name }):
		hint := r.didYouMean(name, hostNames(f.Hosts))
		if len(f.Hosts) == 0 {
			hint = "there are no hosts"
		}
		return &textError{fmt.Sprintf("no host %q", name), hint}
	case seen[name]:
		return &textError{fmt.Sprintf("host %q occurs twice", name), ""}
	}
	seen[name] = true
	return nil
}

// howMany is a whole number of at least 1, or a template that gives it.
func howMany(most int, keys []string) shape[*text] {
	return shape[*text]{"number, or template", anyOf(
		schema{"type": "integer", "minimum": 1, "maximum": most}, schema{"type": "string", "pattern": templatePattern},
	), func(v value) *text {
		if v.templated() {
			return templateOf(keys).read(v)
		}
		return &text{v.pos, v.path, strconv.Itoa(v.integer(1, most))}
	}}
}

// number gives the whole number of a text, from 1; 0 after an error.
func (e *evaluator) number(t *text, most int, keys []string, data map[string]any) int {
	s, ok := e.evaluate(t, keys, data)
	if !ok {
		return 0
	}
	n, err := wholeNumber(strings.TrimSpace(s))
	if err != nil || n < 1 || n > most {
		e.fail(t, &textError{fmt.Sprintf("must be a whole number from 1 to %d, not %q", most, strings.TrimSpace(s)), ""})
		return 0
	}
	return n
}

// excluded are names of groups and hosts.
var excludedNames = shape[[]string]{"host or group, or list of them", orListSchema(nameSchema), func(v value) []string {
	hosts, groups := hostNames(v.in.file.Hosts), groupNames(v.in.file.Groups)
	names := v.names("host or group", slices.Concat(hosts, groups))
	for _, name := range names {
		if slices.Contains(hosts, name) && slices.Contains(groups, name) {
			v.wrong("rename one", "%q is a host and a group", name)
		}
	}
	return names
}}

// checkPick reports a choice that has nothing to choose from.
func checkPick(v value, p *placement, given found) {
	if p.pick == nil || !p.pick.constant() || given.has("not") || len(p.hosts) == 0 {
		return
	}
	constant := !slices.ContainsFunc(p.hosts, func(t *text) bool { return !t.constant() })
	if n, err := strconv.Atoi(p.pick.src); err == nil && constant && n > len(p.hosts) {
		v.in.problem(p.pick, &textError{fmt.Sprintf("%d can't be chosen of %d", n, len(p.hosts)), ""})
	}
}

// checkPlacements reports groups each of which has to be placed before the other.
func checkPlacements(in *scope) {
	waits := func(c *command) []string { return c.place.not }
	for _, circle := range circles(in.file, waits) {
		c := in.file.commandOf(circle[0])
		in.problem(c.place.whole, &textError{"these groups are each to avoid the hosts of another: " + strings.Join(append(circle, circle[0]), ", "), "remove one of the conditions"})
	}
}

// commandOf is what a group runs; nil where there is no such group.
func (f *File) commandOf(group string) *command { return f.byGroup[group] }

// circles finds groups that wait for each other: each in the order in which they do,
// and each group in one circle at most.
func circles(f *File, waits func(*command) []string) [][]string {
	const (
		unseen = iota
		open
		done
	)
	var (
		found [][]string
		path  []string
		visit func(c *command)
		state = make(map[string]int)
	)
	visit = func(c *command) {
		state[c.group] = open
		path = append(path, c.group)
		for _, name := range waits(c) {
			next := f.commandOf(name)
			switch {
			case next == nil:
			case state[name] == unseen:
				visit(next)
			case state[name] == open:
				circle := slices.Clone(path[slices.Index(path, name):])
				found = append(found, circle)
			}
		}
		path = path[:len(path)-1]
		state[c.group] = done
	}
	for _, c := range f.commands {
		if c.group != "" && state[c.group] == unseen {
			visit(c)
		}
	}
	return found
}

// A placing finds out how many processes each command makes, and on which hosts.
type placing struct {
	*evaluator
	counts map[*command]int // -1: one on each host
	hosts  map[*command][]string
}

// on gives the hosts of a command, to which its processes are dealt out; none after
// an error.
func (p *placing) on(c *command) []string {
	if c.group == "" {
		return c.on
	}
	if hosts, ok := p.hosts[c]; ok {
		return hosts
	}
	p.hosts[c] = nil // in a circle, which was reported
	hosts := p.named(c)
	if c.place.pick != nil {
		hosts = p.picked(c, hosts)
	}
	p.hosts[c] = hosts
	return hosts
}

// count is how many processes a command makes.
func (p *placing) count(c *command) int {
	if n := p.counts[c]; n >= 0 {
		return n
	}
	return len(p.on(c))
}

// used are the hosts on which a command has processes.
func (p *placing) used(c *command) []string {
	hosts := p.on(c)
	return hosts[:min(len(hosts), p.count(c))]
}

// named are the hosts that a placement names. A template may name several, with blanks
// or commas between them.
func (p *placing) named(c *command) (names []string) {
	if len(c.place.hosts) == 0 && c.place.pick != nil {
		return hostNames(p.file.Hosts)
	}
	seen := make(map[string]bool)
	data := p.data()
	data["group"] = c.group
	for _, t := range c.place.hosts {
		s, ok := p.evaluate(t, countKeys, data)
		if !ok {
			continue
		}
		list := strings.FieldsFunc(s, func(r rune) bool { return r == ',' || strings.ContainsRune(" \t\r\n", r) })
		if len(list) == 0 {
			p.fail(t, &textError{"template: the result names no host", ""})
		}
		for _, name := range list {
			if err := p.file.checkHost(p.report, name, seen); err != nil {
				p.fail(t, err)
				continue
			}
			names = append(names, name)
		}
	}
	return names
}

// picked chooses among hosts.
func (p *placing) picked(c *command, hosts []string) []string {
	var avoided []string
	for _, name := range c.place.not {
		avoided = append(avoided, name)
		if other := p.file.commandOf(name); other != nil {
			avoided = append(avoided, p.used(other)...)
		}
	}
	hosts = slices.DeleteFunc(slices.Clone(hosts), func(h string) bool { return slices.Contains(avoided, h) })
	data := p.data()
	data["group"] = c.group
	n := p.number(c.place.pick, MaxProcesses, countKeys, data)
	if n > len(hosts) {
		hint := ""
		if len(avoided) > 0 {
			hint = "not counting those of " + strings.Join(c.place.not, " and ")
		}
		p.fail(c.place.pick, &textError{fmt.Sprintf("%d can't be chosen of %d", n, len(hosts)), hint})
		return nil
	}
	chosen := make([]string, n)
	for i, k := range p.point.choose("on "+c.group, len(hosts), n) {
		chosen[i] = hosts[k]
	}
	return chosen
}
