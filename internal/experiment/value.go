package experiment

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"downbeat/internal/message"
)

// A scope is shared by all values of a file: what has been read so far, and where
// errors and warnings go. It belongs to the goroutine that parses.
type scope struct {
	*report
	file *File
	used map[string]bool // the template keys that occur
	// anyKey: the matrix can't be read, so any key may be a parameter.
	anyKey bool
}

// warn adds a warning, for what is allowed but probably not meant.
func (s *scope) warn(at pos, field, hint, format string, args ...any) {
	s.file.Warnings = append(s.file.Warnings, s.errorf(at, field, hint, format, args...))
}

// A value is a node of the file together with where it stands.
type value struct {
	*node
	key  string   // in a map
	at   pos      // of that key; else of the node
	path string   // such as groups.client.on
	keys []string // those that templates may use here
	in   *scope
}

// wrong reports an error at the value; hint may be empty.
func (v value) wrong(hint, format string, args ...any) {
	v.in.add(v.pos, v.path, hint, format, args...)
}

// wrongKey reports an error at the key of a value in the map v.
func (v value) wrongKey(child value, hint, format string, args ...any) {
	v.in.add(child.at, v.path, hint, format, args...)
}

// with is the value with other keys for its templates.
func (v value) with(keys []string) value {
	v.keys = keys
	return v
}

// child is the value of one of the map's pairs.
func (v value) child(p pair) value {
	return value{p.value, p.key, p.pos, strings.TrimPrefix(v.path+"."+p.key, "."), v.keys, v.in}
}

// lookup gives the value of a key, the first if it occurs twice.
func (v value) lookup(key string) (value, bool) {
	for _, p := range v.node.pairs {
		if p.key == key {
			return v.child(p), true
		}
	}
	return value{}, false
}

// list gives the items of a list.
func (v value) list() []value {
	items := make([]value, len(v.items))
	for i, n := range v.items {
		items[i] = value{n, "", n.pos, fmt.Sprintf("%s[%d]", v.path, i), v.keys, v.in}
	}
	return items
}

// oneOrMany gives the items of a list, or else the value itself.
func (v value) oneOrMany() []value {
	if v.kind == listNode {
		return v.list()
	}
	return []value{v}
}

// pairs gives the values of a map without repeated keys, which it reports.
func (v value) pairs() []value {
	seen := make(map[string]pos, len(v.node.pairs))
	out := make([]value, 0, len(v.node.pairs))
	for _, p := range v.node.pairs {
		child := v.child(p)
		if first, ok := seen[p.key]; ok {
			v.wrongKey(child, "", "%q occurs twice: first in line %d", p.key, first.line)
			continue
		}
		seen[p.key] = p.pos
		out = append(out, child)
	}
	return out
}

// named is pairs for maps whose keys are names of hosts or groups.
func (v value) named(what string) []value {
	folded := make(map[string]string, len(v.node.pairs))
	children := v.pairs()
	for _, c := range children {
		if err := message.CheckName(c.key); err != nil {
			v.wrongKey(c, "", "%v", err)
		}
		lower := strings.ToLower(c.key)
		if other, ok := folded[lower]; ok {
			v.wrongKey(c, "results of both would be in one place on file systems that ignore case",
				"%ss %q and %q differ in case alone", what, other, c.key)
		}
		folded[lower] = c.key
	}
	return children
}

// found are the fields of one map.
type found struct {
	values map[string]value
	// misspelt are the fields that an unknown one was probably meant to be.
	misspelt map[string]bool
}

func (f found) get(name string) (value, bool) {
	v, ok := f.values[name]
	return v, ok
}

func (f found) has(name string) bool {
	_, ok := f.values[name]
	return ok
}

// among gives those of the fields that are there, in the order of the names.
func (f found) among(names ...string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(n string) bool { return !f.has(n) })
}

// meant reports whether one of the fields is there, perhaps misspelt.
func (f found) meant(names ...string) bool {
	return slices.ContainsFunc(names, func(n string) bool { return f.has(n) || f.misspelt[n] })
}

// fields indexes a map's pairs, and reports unknown and repeated ones. With others, it
// hands over those that are not like any known one.
func (v value) fields(known []string, others func(v value)) found {
	f := found{make(map[string]value, len(known)), make(map[string]bool)}
	for _, c := range v.pairs() {
		if slices.Contains(known, c.key) {
			f.values[c.key] = c
			continue
		}
		if others != nil && nearest(c.key, known) == "" {
			others(c)
			continue
		}
		if len(v.in.errors) <= maxShown { // see didYouMean
			f.misspelt[nearest(c.key, known)] = true
		}
		v.wrongKey(c, v.in.didYouMean(c.key, known), "unknown field %q", c.key)
	}
	return f
}

// isMap reports a value that is not a map, as "WHAT, not a list".
func (v value) isMap(hint, what string) bool {
	if v.kind != mapNode {
		v.wrong(hint, "%s, not %s", what, v.kind)
	}
	return v.kind == mapNode
}

// describeEmpty describes a value that should be a map with entries.
func (v value) describeEmpty() string {
	if v.kind == mapNode {
		return "an empty one"
	}
	return v.kind.String()
}

// str reads a string.
func (v value) str() (string, bool) {
	if v.kind != stringNode {
		hint := ""
		switch v.kind {
		case numberNode, boolNode:
			hint = "put it in quotes"
		case nullNode:
			hint = `if it is meant to be empty, write ""`
		default: // the type says enough
		}
		v.wrong(hint, "must be a string, not %s", v.kind)
		return "", false
	}
	if strings.Contains(v.node.text, "\x00") {
		v.wrong("", "contains a NUL byte")
		return "", false
	}
	return v.node.text, true
}

// text reads a string that may be a template.
func (v value) text() *text {
	s, ok := v.str()
	if !ok {
		return nil
	}
	t := &text{v.pos, v.path, s}
	if !t.constant() {
		if _, err := t.compile((*calls)(nil).functions(), v.in.vocabulary(s, v.keys)); err != nil {
			v.in.problem(t, err)
			return nil
		}
	}
	return t
}

// words matches what could be a parameter in a template.
var words = regexp.MustCompile(`[A-Za-z_][A-Za-z0-9_]*`)

// vocabulary is what a template may name: these keys, the parameters and, where
// there is a host, its variables.
func (s *scope) vocabulary(template string, keys []string) vocabulary {
	v := vocabulary{slices.Concat(s.file.known(keys), s.file.parameters()), s.file.variables, s.used}
	if s.anyKey {
		v.keys = append(v.keys, words.FindAllString(template, -1)...)
	}
	return v
}

// scalar is text for places where a number or a boolean is taken as written, such
// as an argument.
func (v value) scalar() *text {
	if v.kind == numberNode || v.kind == boolNode {
		return &text{v.pos, v.path, v.node.text}
	}
	return v.text()
}

// templated reports whether the value is a template.
func (v value) templated() bool { return v.kind == stringNode && strings.Contains(v.node.text, "{{") }

// problem reports what is wrong with a text.
func (r *report) problem(t *text, err error) {
	hint := ""
	switch e := err.(type) { //nolint:errorlint // both are made here, unwrapped
	case *textError:
		hint = e.hint
	case *wordError:
		hint = e.hint
	}
	r.add(t.at, t.field, hint, "%v", err)
}
