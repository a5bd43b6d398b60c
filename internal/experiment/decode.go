package experiment

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"downbeat/internal/message"
)

// What the file may say, by place.
var (
	topFields = []string{
		"name", "hosts", "matrix", "repeat", "order", "seed", "pause", "retries", "groups", "stop", "timeout", "grace", "setup", "teardown",
		"files", "collect", "metrics", "require",
	}
	hostFields    = []string{"address"}
	commandFields = []string{"run", "name", "env", "dir", "delay", "ok_exit", "shell", "pty"}
	groupFields   = append([]string{"on", "count", "collect"}, commandFields...)
	stepFields    = []string{"run", "on", "env", "dir", "timeout", "ok_exit", "shell", "pty"}
	stopFields    = []string{"when", "after", "grace", "on_failure"}
	metricFields  = []string{"file", "output", "format", "field", "where", "pattern", "group", "host", "reduce", "scale", "unit", "partial"}
	reduceFields  = []string{"lines", "processes"}
)

// schemaField names the schema of the file, for editors; it means nothing here.
const schemaField = "$schema"

// A decoder turns the tree into a [File] and reports all that is wrong with it.
type decoder struct {
	*report
	file *File
	keys []string        // those that templates of commands may use, at this place
	used map[string]bool // the template keys that occur
	// anyKey: the matrix can't be read, so that any key may be a parameter.
	anyKey bool
}

func (d *decoder) decode(root *node) {
	if root.kind != mapNode {
		d.add(root.pos, "", `begin with "name" and "hosts"`, "an experiment must be a map, not %s", root.kind)
		return
	}
	fields := d.fields(root, "", append([]string{schemaField}, topFields...))
	if n := fields[schemaField]; n != nil {
		d.str(n, schemaField)
	}
	d.name(fields["name"])
	d.plan(fields)
	d.file.collect = d.patterns(fields["collect"], "collect")
	d.hosts(root, fields["hosts"])
	d.groups(fields["groups"])
	d.file.setup, d.file.teardown = d.steps(fields["setup"], message.SetupName), d.steps(fields["teardown"], message.TeardownName)
	d.files(fields["files"])
	d.limits(fields)
	d.metrics(fields["metrics"])
	d.require(fields["require"])
	d.uncollected()
	if len(d.file.commands) == 0 && len(d.errors) == 0 {
		d.add(root.pos, "", "give hosts commands, or add groups", "there is no process to run")
	}
	for _, name := range d.file.parameters() {
		if !d.used[name] {
			d.warn(fields["matrix"].pos, "matrix."+name, "no template uses .%s", name)
		}
	}
}

// warn tells of what is allowed but hardly meant.
func (d *decoder) warn(at pos, field, format string, args ...any) {
	d.file.Warnings = append(d.file.Warnings, d.errorf(at, field, "", format, args...))
}

// name takes the experiment's name from the file, or else from its file name.
func (d *decoder) name(n *node) {
	if n != nil {
		if s, ok := d.str(n, "name"); ok {
			d.file.Name = s
			if err := message.CheckName(s); err != nil {
				d.add(n.pos, "name", "", "%v", err)
			}
		}
		return
	}
	if d.file.Name != "" { // see Origin
		return
	}
	base := filepath.Base(d.report.file)
	d.file.Name = strings.TrimSuffix(base, filepath.Ext(base))
	if message.CheckName(d.file.Name) != nil {
		d.file.Name = "experiment"
	}
}

// fields indexes a map's pairs, and reports unknown and repeated ones.
func (d *decoder) fields(n *node, path string, known []string) map[string]*node {
	found := make(map[string]*node, len(n.pairs))
	for _, p := range d.pairs(n, path) {
		switch {
		case slices.Contains(known, p.key):
			found[p.key] = p.value
		default:
			d.add(p.pos, path, d.didYouMean(p.key, known), "unknown field %q", p.key)
		}
	}
	return found
}

// pairs gives a map's pairs without repeated keys, which it reports.
func (d *decoder) pairs(n *node, path string) []pair {
	seen := make(map[string]pos, len(n.pairs))
	out := make([]pair, 0, len(n.pairs))
	for _, p := range n.pairs {
		if first, ok := seen[p.key]; ok {
			d.add(p.pos, path, "", "%q occurs twice: first in line %d", p.key, first.line)
			continue
		}
		seen[p.key] = p.pos
		out = append(out, p)
	}
	return out
}

// named is pairs for maps whose keys are names of hosts or groups.
func (d *decoder) named(n *node, path, what string) []pair {
	folded := make(map[string]string, len(n.pairs))
	pairs := d.pairs(n, path)
	for _, p := range pairs {
		if err := message.CheckName(p.key); err != nil {
			d.add(p.pos, path, "", "%v", err)
		}
		lower := strings.ToLower(p.key)
		if other, ok := folded[lower]; ok {
			d.add(p.pos, path, "results of both would be in one place on file systems that ignore case",
				"%ss %q and %q differ in case alone", what, other, p.key)
		}
		folded[lower] = p.key
	}
	return pairs
}

func (d *decoder) hosts(root, n *node) {
	switch {
	case n == nil:
		if !slices.ContainsFunc(root.pairs, func(p pair) bool { return nearest(p.key, []string{"hosts"}) != "" }) {
			d.add(root.pos, "hosts", `such as "hosts": {"alpha": ["echo hello"]}`, "there are no hosts")
		}
		return
	case n.kind != mapNode:
		d.add(n.pos, "hosts", "such as {alpha: null, bravo: {address: 10.0.0.2}}",
			"must be a map of hosts, not %s", n.kind)
		return
	case len(n.pairs) == 0:
		d.add(n.pos, "hosts", "", "there are no hosts")
	case len(n.pairs) > MaxProcesses:
		d.add(n.pos, "hosts", "", "more than %d hosts", MaxProcesses)
		return
	}
	for _, p := range d.named(n, "hosts", "host") {
		path := "hosts." + p.key
		if strings.EqualFold(p.key, "run.json") {
			d.add(p.pos, path, "", "no host can have this name: it is that of a file in the results")
		}
		d.file.Hosts = append(d.file.Hosts, Host{Name: p.key})
		d.host(&d.file.Hosts[len(d.file.Hosts)-1], p.value, path)
	}
}

func (d *decoder) host(h *Host, n *node, path string) {
	switch n.kind {
	case nullNode:
	case mapNode:
		if address := d.fields(n, path, hostFields)["address"]; address != nil {
			h.Address = d.address(address, path+".address")
		}
	case listNode:
		if len(n.items) == 0 {
			d.add(n.pos, path, "write null for a host without commands of its own", "the list of commands is empty")
		}
		for i, item := range n.items {
			c := d.command(item, fmt.Sprintf("%s[%d]", path, i))
			c.on, c.base, c.of = []string{h.Name}, i, len(n.items)
			d.file.commands = append(d.file.commands, c)
		}
	default:
		d.add(n.pos, path, `such as ["./server --port 7000"], {"address": "10.0.0.1"} or null`,
			"must be a list of commands or a map, not %s", n.kind)
	}
}

func (d *decoder) address(n *node, path string) string {
	s, ok := d.str(n, path)
	if !ok {
		return ""
	}
	switch {
	case s == "":
		d.add(n.pos, path, "leave it out", "the address is empty")
	case strings.Contains(s, "{{"):
		d.add(n.pos, path, "", "an address is not a template")
	case strings.ContainsAny(s, " \t\r\n/[]@"):
		d.add(n.pos, path, "such as 10.0.0.1, fd00::1 or nevis.example.org", "%q is not an address", s)
	}
	return s
}

func (d *decoder) groups(n *node) {
	if n == nil {
		return
	}
	if n.kind != mapNode {
		d.add(n.pos, "groups", `such as {"client": {"on": ["alpha"], "run": "./client"}}`,
			"must be a map of groups, not %s", n.kind)
		return
	}
	for _, p := range d.named(n, "groups", "group") {
		path := "groups." + p.key
		d.file.Groups = append(d.file.Groups, Group{Name: p.key})
		if p.value.kind != mapNode {
			d.add(p.value.pos, path, `such as {"on": ["alpha"], "run": "./client"}`, "a group must be a map, not %s", p.value.kind)
			continue
		}
		d.group(len(d.file.Groups)-1, p, path)
	}
}

func (d *decoder) group(index int, p pair, path string) {
	fields := d.fields(p.value, path, groupFields)
	c := d.commandFields(p.pos, fields, path)
	c.group, c.groupIndex = p.key, index
	on := fields["on"]
	if on == nil {
		d.add(p.pos, path, `such as on: [alpha, bravo]`, `"on" is missing: it names the hosts`)
	} else {
		c.on = d.names(on, path+".on", "host", hostNames(d.file.Hosts))
		d.file.Groups[index].On = c.on
	}
	if count := fields["count"]; count != nil {
		c.count = d.count(count, path+".count")
	}
	c.collect = d.patterns(fields["collect"], path+".collect")
	d.file.commands = append(d.file.commands, c)
}

// names reads a name or a list of names out of those that exist.
func (d *decoder) names(n *node, path, what string, exist []string) []string {
	items := []*node{n}
	if n.kind == listNode {
		items = n.items
	}
	if len(items) == 0 {
		d.add(n.pos, path, "", "the list is empty: it names no %s", what)
	}
	known, seen := make(map[string]bool, len(exist)), make(map[string]bool, len(items))
	for _, name := range exist {
		known[name] = true
	}
	var names []string
	for _, item := range items {
		s, ok := d.str(item, path)
		switch {
		case !ok:
		case !known[s]:
			hint := d.didYouMean(s, exist)
			if len(exist) == 0 {
				hint = fmt.Sprintf("there are no %ss", what)
			}
			d.add(item.pos, path, hint, "no %s %q", what, s)
		case seen[s]:
			d.add(item.pos, path, "", "%s %q occurs twice", what, s)
		default:
			seen[s] = true
			names = append(names, s)
		}
	}
	return names
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
