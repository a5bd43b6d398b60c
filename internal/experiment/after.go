package experiment

import (
	"fmt"
	"slices"
	"strings"
)

// endedSuffix makes of a group's name the condition that it has ended.
const endedSuffix = ".ended"

// An awaited is a condition of `after`: groups that have to be ready, or to have ended,
// and how long after that.
type awaited struct {
	whole *text
	names []string // of groups, or with endedSuffix
	delay *text    // nil: none
}

// awaitedGroup tells which group a name means, and whether it is awaited that it ends.
func (f *File) awaitedGroup(name string) (group string, ended bool) {
	if f.commandOf(name) != nil {
		return name, false
	}
	return strings.CutSuffix(name, endedSuffix)
}

// awaitedSchema is the name of a group, or with endedSuffix.
var awaitedSchema = schema{"type": "string", "pattern": `^[A-Za-z0-9_][A-Za-z0-9._-]{0,68}$`}

// afterwards reads what a group waits for: names, maps with a delay, or a list of both.
var afterwards = binding[command]{
	words: "group, map, or list of them", inner: []*table{afterFields.table()},
	schema: anyOf(awaitedSchema, afterFields.table().schema(), schema{
		"type": "array", "minItems": 1, "items": anyOf(awaitedSchema, afterFields.table().schema()),
	}),
	read: func(v value, c *command) {
		items := v.oneOrMany()
		if len(items) == 0 {
			v.wrong("leave it out to begin with the first beat", "the list is empty")
		}
		c.waits = &text{at: v.pos, field: v.path}
		for _, item := range items {
			a := &awaited{whole: &text{at: item.pos, field: item.path}}
			if item.kind == mapNode {
				afterFields.read(item, a)
			} else {
				a.names = conditionNames.read(item)
			}
			c.after = append(c.after, a)
		}
	},
}

// conditionNames are names of groups, some of them with endedSuffix.
var conditionNames = shape[[]string]{"group, or list of groups", orListSchema(awaitedSchema), func(v value) []string {
	groups := groupNames(v.in.file.Groups)
	exist := slices.Clone(groups)
	for _, g := range groups {
		exist = append(exist, g+endedSuffix)
	}
	var names []string
	for _, item := range v.oneOrMany() {
		name, ok := item.str()
		switch {
		case !ok:
		case !slices.Contains(exist, name):
			item.wrong(v.in.groupHint(name, groups, exist), "no group %q", strings.TrimSuffix(name, endedSuffix))
		default:
			names = append(names, name)
		}
	}
	return names
}}

// groupHint proposes a condition, or else lists the groups.
func (s *scope) groupHint(name string, groups, exist []string) string {
	if near := nearest(name, exist); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	return s.didYouMean(strings.TrimSuffix(name, endedSuffix), groups)
}

// awaits are the groups that a command waits for.
func (f *File) awaits(c *command) (groups []string) {
	for _, a := range c.after {
		for _, name := range a.names {
			group, _ := f.awaitedGroup(name)
			groups = append(groups, group)
		}
	}
	return groups
}

// checkCircles reports groups that wait for each other in a circle.
func checkCircles(in *scope) {
	for _, circle := range circles(in.file, in.file.awaits) {
		c := in.file.commandOf(circle[0])
		if len(circle) == 1 {
			in.problem(c.waits, &textError{circle[0] + " waits for itself", ""})
			continue
		}
		parts := make([]string, len(circle))
		for i, g := range circle {
			parts[i] = g + " waits for " + circle[(i+1)%len(circle)]
		}
		in.problem(c.waits, &textError{"a circle: " + strings.Join(parts, ", "), "none of them could begin"})
	}
}
