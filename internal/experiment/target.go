package experiment

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A target says to which processes something is done. One of its fields is set.
type target struct {
	whole   *text
	name    *text    // a process, HOST/PROCESS, or a group
	any     []string // groups, of whose processes one is chosen
	allBut  []string // groups, of whose processes one is left out
	that    *int     // the number of an action before: what that was done to
	thatOne string   // line or mark: whoever wrote the line, or made the mark, that the action waits for
}

var targetKinds = []string{"any", "all_but_one", "that"}

// targetFields are those of a target that is a map.
var targetFields = &object[target]{
	title: "### Actions", prefix: "to.",
	fields: []field[target]{
		{
			name: "any", is: into(groupsOf, func(t *target) *[]string { return &t.any }),
			about: "one of the processes of these groups, chosen at random",
		},
		{
			name: "all_but_one", is: into(groupsOf, func(t *target) *[]string { return &t.allBut }),
			about: "all processes of these groups but one, chosen at random",
		},
		{
			name: "that", is: thatOf,
			about: "the number of an action further up: the processes that it is done to. Or line, or mark: the process that wrote the line, or made the mark",
		},
	},
	check: checkTarget, further: exactlyOne(targetKinds...),
}

var thatOf = binding[target]{
	words: "number, line or mark", schema: anyOf(schema{"type": "integer", "minimum": 0}, schema{"enum": []string{"line", "mark"}}),
	read: func(v value, t *target) {
		if v.kind == stringNode && (v.node.text == "line" || v.node.text == "mark") {
			t.thatOne = v.node.text
			return
		}
		n, err := strconv.Atoi(v.node.text)
		if v.kind != numberNode || err != nil || n < 0 {
			v.wrong("such as 0 for the first in the list", "must be the number of an action, line or mark, not %s", v.shown())
			return
		}
		t.that = &n
	},
}

func checkTarget(v value, _ *target, given found) {
	kinds := 0
	for _, name := range targetKinds {
		if given.has(name) {
			kinds++
		}
	}
	if kinds > 1 || kinds == 0 && !given.meant(targetKinds...) {
		v.wrong("such as {any: server}", "must have one of the fields any, all_but_one and that")
	}
}

// targets are one or several of them.
var targets = shape[[]*target]{
	"process or group, map, or list of them",
	anyOf(nonEmpty, targetFields.table().schema(), schema{"type": "array", "minItems": 1, "items": anyOf(nonEmpty, targetFields.table().schema())}),
	func(v value) (list []*target) {
		items := v.oneOrMany()
		if len(items) == 0 {
			v.wrong("", "the list is empty: it names nobody")
		}
		for _, item := range items {
			t := &target{whole: &text{at: item.pos, field: item.path}}
			if item.kind == mapNode {
				targetFields.read(item, t)
			} else {
				t.name = filled(limitKeys, "").read(item)
			}
			list = append(list, t)
		}
		return list
	},
}

// resolve gives the processes of targets, in the order of ranks. What says what is chosen
// at random.
func (x *expansion) resolve(list []*target, what string) (ranks []int, words []string) {
	for i, t := range list {
		found, text := x.resolveOne(t, fmt.Sprintf("%s/%d", what, i))
		ranks, words = append(ranks, found...), append(words, text)
	}
	slices.Sort(ranks)
	return slices.Compact(ranks), words
}

func (x *expansion) resolveOne(t *target, what string) (ranks []int, words string) {
	switch {
	case t.name != nil:
		name, ok := x.evaluate(t.name, limitKeys, x.data())
		if !ok {
			return nil, ""
		}
		return x.called(t.name, strings.TrimSpace(name)), name
	case len(t.any) > 0:
		all := x.ranksOf(t.any)
		if len(all) == 0 {
			return nil, "any of " + strings.Join(t.any, ", ")
		}
		one := all[x.point.choose(what, len(all), 1)[0]]
		return []int{one}, fmt.Sprintf("%s (any of %s)", x.all[one].Name, strings.Join(t.any, ", "))
	case len(t.allBut) > 0:
		all := x.ranksOf(t.allBut)
		if len(all) == 0 {
			return nil, "all but one of " + strings.Join(t.allBut, ", ")
		}
		spared := x.point.choose(what, len(all), 1)[0]
		name := x.all[all[spared]].Name
		return slices.Delete(all, spared, spared+1), fmt.Sprintf("all of %s but %s", strings.Join(t.allBut, ", "), name)
	case t.that != nil:
		return x.before(t)
	}
	return nil, "the process that wrote the line"
}

// ranksOf are the processes of groups.
func (x *expansion) ranksOf(groups []string) (ranks []int) {
	for _, g := range groups {
		for _, p := range x.group(g) {
			ranks = append(ranks, p.Rank)
		}
	}
	return ranks
}

// called are the processes that a name means: a group's, or that of the name.
func (x *expansion) called(t *text, name string) []int {
	isGroup := slices.ContainsFunc(x.file.Groups, func(g Group) bool { return g.Name == name })
	host, process, hasHost := strings.Cut(name, "/")
	if !hasHost {
		process = name
	}
	var ranks []int
	for _, p := range x.byName[process] {
		if !hasHost || p.Host == host {
			ranks = append(ranks, p.Rank)
		}
	}
	switch {
	case isGroup && len(ranks) > 0:
		x.fail(t, &textError{fmt.Sprintf("%q is a group and a process", name), "rename one"})
	case isGroup:
		return x.ranksOf([]string{name})
	case len(ranks) > 1:
		p := x.all[ranks[0]]
		x.fail(t, &textError{fmt.Sprintf("%d hosts have a process %q", len(ranks), name), fmt.Sprintf("name the host: %s/%s", p.Host, p.Name)})
	}
	return ranks
}
