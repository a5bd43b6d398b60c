package experiment

import (
	"slices"
	"strings"
)

// A variable of a host is a field of its that Downbeat gives no meaning to: a key in
// the templates of what runs there.

// A hostEntry is a host as the file describes it.
type hostEntry struct {
	Host
	variables []Parameter
}

// readVariable reads a field of a host that is not one of Downbeat's own.
func readVariable(v value, h *hostEntry) {
	const named = "choose another name"
	switch {
	case !parameterName.MatchString(v.key):
		v.in.add(v.at, v.path, "letters, digits and _, so that templates can say {{.name}}", "%q can't be the name of a host's variable", v.key)
		return
	case slices.Contains(allKeys, v.key):
		v.in.add(v.at, v.path, named, "templates know .%s as something else", v.key)
		return
	case slices.Contains(v.in.file.parameters(), v.key):
		v.in.add(v.at, v.path, named, "the matrix has a parameter .%s, too", v.key)
		return
	}
	if p, ok := readParameter(v, "a host's variable"); ok {
		h.variables = append(h.variables, Parameter{v.key, p})
	}
}

// findVariables finds the names of all variables before any template of a host is
// read, where they may occur.
func (f *File) findVariables(hosts []value) {
	for _, h := range hosts {
		if h.kind != mapNode {
			continue
		}
		for _, p := range h.node.pairs {
			others := slices.Concat(f.variables, allKeys, f.parameters())
			if parameterName.MatchString(p.key) && nearest(p.key, hostFields.names()) == "" && !slices.Contains(others, p.key) {
				f.variables = append(f.variables, p.key)
			}
		}
	}
	slices.Sort(f.variables)
}

// known are these keys of a template and, where one of them is a host, its variables.
func (f *File) known(keys []string) []string {
	if slices.Contains(keys, "host") {
		return slices.Concat(keys, f.variables)
	}
	return keys
}

// addVariables adds a host's variables to template data.
func (f *File) addVariables(data map[string]any, host string) {
	for _, v := range f.hostVariables[host] {
		data[v.Name] = v.Value
	}
}

// warnOfVariablesUnused warns about variables that no template can mean: one of them
// may be a field that was misspelt.
func warnOfVariablesUnused(in *scope, hosts value) {
	told := make(map[string]bool)
	for _, h := range hosts.node.pairs {
		if h.value.kind != mapNode {
			continue
		}
		child := hosts.child(h)
		for _, v := range child.node.pairs {
			if slices.Contains(in.file.variables, v.key) && !in.used["."+v.key] && !told[v.key] {
				told[v.key] = true
				in.warn(v.pos, strings.Join([]string{"hosts", h.key, v.key}, "."), "a host's own fields: "+strings.Join(hostFields.names(), ", "), "no template uses .%s", v.key)
			}
		}
	}
}
