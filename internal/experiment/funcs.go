package experiment

import (
	"fmt"
	"hash/fnv"
	"maps"
	"math"
	"net"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"text/template"
)

// The keys of template data. A count comes before there are processes, a name
// before they have names. Neither depends on the attempt: all of a datapoint have the
// same processes.
var (
	pointKeys = []string{"run", "experiment", "datapoint", "repetition"}
	limitKeys = append(slices.Clone(pointKeys), "attempt")
	countKeys = append(slices.Clone(pointKeys), "group")
	nameKeys  = append(slices.Clone(countKeys), "index", "rank", "local", "count", "host", "address")
	allKeys   = append(slices.Clone(nameKeys), "attempt", "name")
	phaseKeys = append(slices.Clone(limitKeys), "host", "address", "name")
)

// hostKeys are those that every host has.
var hostKeys = []string{"name", "address"}

// A member is a host or a process in a template: it prints as its name, and has
// keys.
type member map[string]any

// String gives the name, so that a list of them can be joined.
func (m member) String() string { return m["name"].(string) }

// calls are the functions of templates for one datapoint. They know its hosts, and
// its processes as far as these have been placed and named.
type calls struct {
	hints   *report
	file    *File
	run     string
	params  []string // the names of all parameters
	hosts   map[string]Host
	groups  [][]*placed // by group, in the order of File.Groups
	byName  map[string][]*placed
	counted bool // groups is complete
	named   bool // byName is complete
	turns   int  // of all loops so far

	// Of the template that is executed: the process that it is of, or where it is; nil for
	// others. And the lists of processes that it has got so far.
	self  *placed
	lists map[*string]string // groups, by the first entry
}

// functions gives the calls by name. c may be nil if templates are only parsed.
func (c *calls) functions() template.FuncMap {
	return template.FuncMap{
		"host": c.hostByName, "hosts": c.hostsOf,
		"address": c.addressOf, "addresses": c.addressesOf, "endpoints": c.endpointsOf,
		"others": c.others, "peers": c.peersOf,
		"port": c.port, "join": join, "quote": quote,
		"add": fold("add", func(a, b int) int { return a + b }, func(a, b float64) float64 { return a + b }),
		"sub": fold("sub", func(a, b int) int { return a - b }, func(a, b float64) float64 { return a - b }),
		"mul": fold("mul", func(a, b int) int { return a * b }, func(a, b float64) float64 { return a * b }),
		"div": foldWhole("div", func(a, b int) int { return a / b }), "mod": foldWhole("mod", func(a, b int) int { return a % b }),
		"eq": equal, "ne": unequal,
		"lt": ordered("lt", func(order int) bool { return order < 0 }), "le": ordered("le", func(order int) bool { return order <= 0 }),
		"gt": ordered("gt", func(order int) bool { return order > 0 }), "ge": ordered("ge", func(order int) bool { return order >= 0 }),
		"seq": c.sequence, "index": c.index, "_step": c.step, "_text": printable,
		// Go's own, which would make texts of any length.
		"print": printer(fmt.Sprint), "println": printer(fmt.Sprintln), "printf": formatted,
		"html": printer(template.HTMLEscaper), "js": printer(template.JSEscaper), "urlquery": printer(template.URLQueryEscaper),
	}
}

// functionNames are those that error messages propose.
func functionNames(funcs template.FuncMap) []string {
	names := slices.Sorted(maps.Keys(funcs))
	return slices.DeleteFunc(names, func(n string) bool { return strings.HasPrefix(n, "_") })
}

// listed is how many items of a list cost as much as one turn of a loop.
const listed = 10

func (c *calls) step() (string, error) { return "", c.steps(1) }

func (c *calls) steps(n int) error {
	if c.turns += n; c.turns > maxSteps || n > maxSteps {
		return &textError{"template: the loops of this file have more than 300,000 turns", ""}
	}
	return nil
}

// hostByName gives a host of the file.
func (c *calls) hostByName(name string) (member, error) {
	if h, ok := c.hosts[name]; ok {
		return c.hostValue(h), nil
	}
	return nil, &textError{fmt.Sprintf("template: no host %q", name), c.hints.didYouMean(name, hostNames(c.file.Hosts))}
}

func (c *calls) hostValue(h Host) member {
	m := member{"name": h.Name, "address": c.file.address(h)}
	c.file.addVariables(m, h.Name)
	return m
}

// members gives the processes of a group, in the order of their indexes.
func (c *calls) members(group string) ([]*placed, error) {
	if !c.counted {
		return nil, &textError{"template: where processes run is not known before they are counted", ""}
	}
	for i, g := range c.file.Groups {
		if g.Name == group {
			return c.groups[i], nil
		}
	}
	return nil, &textError{fmt.Sprintf("template: no group %q", group), c.hints.didYouMean(group, groupNames(c.file.Groups))}
}

// hostsOf gives the hosts on which a group has processes, each once, in the
// order of the group's first processes there.
func (c *calls) hostsOf(group string) ([]member, error) {
	members, err := c.members(group)
	if err != nil {
		return nil, err
	}
	var hosts []member
	for _, p := range members {
		if p.Local == 0 {
			hosts = append(hosts, c.hostValue(p.host))
		}
	}
	return hosts, nil
}

// addressOf gives the address of the host on which the process of that name runs.
func (c *calls) addressOf(process string) (string, error) {
	if !c.named {
		return "", &textError{"template: where processes run is not known before they have names", ""}
	}
	found := c.byName[process]
	switch len(found) {
	case 0:
		return "", &textError{fmt.Sprintf("template: no process %q", process), c.hints.didYouMean(process, slices.Sorted(maps.Keys(c.byName)))}
	case 1:
		return c.file.address(found[0].host), nil
	}
	return "", &textError{
		fmt.Sprintf("template: %d hosts have a process %q", len(found), process),
		fmt.Sprintf("name the host: (host %q).address", found[0].host.Name),
	}
}

// addressesOf gives the address of each process of a group, by index.
func (c *calls) addressesOf(group string) ([]string, error) {
	members, err := c.members(group)
	if err != nil {
		return nil, err
	}
	if err := c.steps(len(members)/listed + 1); err != nil {
		return nil, err
	}
	list := make([]string, len(members))
	for i, p := range members {
		list[i] = c.file.address(p.host)
	}
	c.remember(list, group)
	return list, nil
}

// endpointsOf gives address:port of each process of a group, by index, where
// process i listens on port+i.
func (c *calls) endpointsOf(group string, port int) ([]string, error) {
	list, err := c.addressesOf(group)
	if err != nil {
		return nil, err
	}
	if port < 1 || port+len(list)-1 > math.MaxUint16 {
		return nil, &textError{fmt.Sprintf("template: ports %d to %d are not all between 1 and 65535", port, port+len(list)-1), ""}
	}
	for i := range list {
		list[i] = net.JoinHostPort(list[i], strconv.Itoa(port+i))
	}
	return list, nil
}

// The ports that port gives lie below those that Linux (32768) and macOS
// (49152) hand out to outgoing connections.
const (
	firstPort = 20_000
	portBases = 11_000
	ownPorts  = 1_000
)

// port gives a port of this run's own, the same on every host: the first one, or
// the n-th after it. So processes left over from an earlier run are not mistaken
// for this one's, and simultaneous runs on one machine rarely collide.
func (c *calls) port(n ...int) (int, error) {
	if len(n) > 1 || len(n) == 1 && (n[0] < 0 || n[0] >= ownPorts) {
		return 0, &textError{fmt.Sprintf("template: port takes nothing or one number from 0 to %d", ownPorts-1), ""}
	}
	h := fnv.New32a()
	h.Write([]byte(c.run))
	port := firstPort + int(h.Sum32()%portBases)
	for _, i := range n {
		port += i
	}
	return port, nil
}

// sequence counts from first to last, both included: seq LAST (from 1) or seq
// FIRST LAST, as the command of that name.
func (c *calls) sequence(bounds ...int) ([]int, error) {
	first := 1
	switch len(bounds) {
	case 1:
	case 2:
		first = bounds[0]
	default:
		return nil, &textError{"template: seq takes one or two numbers", ""}
	}
	last := bounds[len(bounds)-1]
	if last < first {
		return nil, nil
	}
	if uint64(last)-uint64(first) >= MaxProcesses {
		return nil, &textError{fmt.Sprintf("template: seq %d %d is longer than %d", first, last, MaxProcesses), ""}
	}
	if err := c.steps((last-first)/listed + 1); err != nil {
		return nil, err
	}
	list := make([]int, last-first+1)
	for i := range list {
		list[i] = first + i
	}
	return list, nil
}

// quote makes one word of a value.
func quote(v any) (string, error) {
	if _, err := printable(v); err != nil {
		return "", err
	}
	return bounded(quoteWord(fmt.Sprint(v)))
}

// join puts separator between the items of list.
func join(separator string, list any) (string, error) {
	v := reflect.ValueOf(list)
	if v.Kind() != reflect.Slice {
		return "", &textError{fmt.Sprintf("template: join takes a separator and a list, not %T", list), `such as join "," (addresses "server")`}
	}
	var out limited
	for i := range v.Len() {
		if i > 0 {
			if _, err := out.Write([]byte(separator)); err != nil {
				return "", err
			}
		}
		if _, err := fmt.Fprint(&out, v.Index(i).Interface()); err != nil {
			return "", err
		}
	}
	return out.String(), nil
}

func bounded(s string) (string, error) {
	if len(s) > maxText {
		return "", errTooLong
	}
	return s, nil
}

func printer(write func(...any) string) func(...any) (string, error) {
	return func(args ...any) (string, error) {
		for _, arg := range args {
			if _, err := printable(arg); err != nil {
				return "", err
			}
		}
		return bounded(write(args...))
	}
}

// printable accepts single values, which print as a person expects. Every action of
// a template ends with it.
func printable(v any) (any, error) {
	if _, ok := v.(member); ok {
		return v, nil
	}
	switch reflect.ValueOf(v).Kind() {
	case reflect.Slice, reflect.Array:
		return nil, &textError{"template: a list can't be printed", `join "," makes a string of it`}
	case reflect.Map:
		return nil, &textError{"template: a map can't be printed", "name one of its keys"}
	case reflect.Invalid:
		return nil, &textError{"template: there is no value to print", ""}
	default:
		return v, nil
	}
}

// index gives an entry of a list, or the value of a key. A parameter that this
// combination of the matrix lacks is empty.
func (c *calls) index(item any, keys ...any) (any, error) {
	for _, key := range keys {
		var err error
		switch of := item.(type) {
		case map[string]any:
			item, err = c.entry(of, key)
		case member:
			item, err = c.memberEntry(of, key)
		default:
			item, err = listEntry(of, key)
		}
		if err != nil {
			return nil, err
		}
	}
	return item, nil
}

func (c *calls) entry(data map[string]any, key any) (any, error) {
	name, ok := stringOf(key)
	if !ok {
		return nil, &textError{fmt.Sprintf("template: index of a map takes a name, not %s", shown(key)), ""}
	}
	if v, ok := data[name]; ok {
		return v, nil
	}
	if slices.Contains(c.params, name) || slices.Contains(c.file.variables, name) {
		return "", nil
	}
	known := slices.Sorted(maps.Keys(data))
	return nil, &textError{fmt.Sprintf("template: index: there is no .%s here", name), c.hints.didYouMean(name, known)}
}

func (c *calls) memberEntry(m member, key any) (any, error) {
	name, _ := stringOf(key)
	if v, ok := m[name]; ok {
		return v, nil
	}
	if slices.Contains(c.file.variables, name) {
		return "", nil
	}
	what := "a host"
	if _, ok := m["index"]; ok {
		what = "a process"
	}
	return nil, &textError{fmt.Sprintf("template: index: %s has no %s", what, shown(key)), "it has " + dotted(slices.Sorted(maps.Keys(m)))}
}

func listEntry(list, key any) (any, error) {
	v := reflect.ValueOf(list)
	if kind := v.Kind(); kind != reflect.Slice && kind != reflect.Array && kind != reflect.String {
		return nil, &textError{fmt.Sprintf("template: index takes a list or a map, not %s", shown(list)), ""}
	}
	n, ok := numberOf(key)
	i, isInt := whole(n).(int)
	if !ok || !isInt {
		return nil, &textError{fmt.Sprintf("template: index: a list is indexed by a whole number, not by %s", shown(key)), "the first is 0"}
	}
	if i < 0 || i >= v.Len() {
		return nil, &textError{fmt.Sprintf("template: index: no entry %s in a list of %d", shown(key), v.Len()), "the first is 0"}
	}
	return v.Index(i).Interface(), nil
}
