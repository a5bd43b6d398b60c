package experiment

import (
	"cmp"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// MaxDatapoints is how many datapoints a file can have.
const MaxDatapoints = 10_000

// parameterName is what a template can write after a dot.
var parameterName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// An axis is a parameter of the matrix with its values.
type axis struct {
	name   string
	values []any
}

// plan reads what makes datapoints out of the file, and their order.
func (d *decoder) plan(fields map[string]*node) {
	f := d.file
	f.Repeat, f.Seed = 1, 1
	f.combinations = [][]Parameter{nil}
	if n := fields["matrix"]; n != nil {
		d.matrix(n)
	}
	if n := fields["repeat"]; n != nil {
		f.Repeat = d.integer(n, "repeat", 1, MaxDatapoints)
	}
	if n := fields["retries"]; n != nil {
		f.Retries = d.integer(n, "retries", 0, MaxRetries)
	}
	if n := fields["pause"]; n != nil {
		f.Pause = d.duration(n, "pause", true)
	}
	d.order(fields["order"], fields["seed"])
	if len(f.combinations)*f.Repeat > MaxDatapoints {
		d.add(fields["repeat"].pos, "repeat", "", "%d repetitions of %d combinations are more than %d datapoints",
			f.Repeat, len(f.combinations), MaxDatapoints)
	}
}

// MaxRetries is how often a datapoint can be tried again.
const MaxRetries = 100

func (d *decoder) order(order, seed *node) {
	if order != nil {
		switch s, ok := d.str(order, "order"); {
		case !ok:
		case s == "random":
			d.file.Random = true
		case s != "file":
			d.add(order.pos, "order", "it is file or random", "unknown order %q", s)
		}
	}
	if seed == nil {
		return
	}
	d.file.Seed = uint64(d.integer(seed, "seed", 0, math.MaxInt32)) //nolint:gosec // not negative
	if !d.file.Random {
		d.add(seed.pos, "seed", "set order: random, or remove it", "the seed has no effect in the order of the file")
	}
}

// integer reads a whole number between least and most.
func (d *decoder) integer(n *node, path string, least, most int) int {
	v, err := wholeNumber(n.text)
	if n.kind != numberNode || err != nil || v < least || v > most {
		what := n.kind.String()
		if n.kind == numberNode {
			what = n.text
		}
		d.add(n.pos, path, "", "must be a whole number from %d to %d, not %s", least, most, what)
		return least
	}
	return v
}

// matrix reads the axes, and makes all combinations but those excluded, and
// those included, as GitHub Actions does.
func (d *decoder) matrix(n *node) {
	if n.kind != mapNode {
		d.add(n.pos, "matrix", "such as {mode: [fast, safe], clients: [1, 2, 4]}", "must be a map of lists, not %s", n.kind)
		d.anyKey = true
		return
	}
	var axes []axis
	var include, exclude *node
	before := len(d.errors)
	for _, p := range d.pairs(n, "matrix") {
		switch p.key {
		case "include":
			include = p.value
		case "exclude":
			exclude = p.value
		default:
			axes = append(axes, axis{p.key, d.axis(p)})
		}
	}
	combinations := d.product(n, axes)
	if exclude != nil {
		combinations = d.exclude(exclude, axes, combinations)
	}
	if include != nil {
		combinations = d.include(include, axes, combinations)
	}
	if len(combinations) == 0 && len(d.errors) == before {
		d.add(n.pos, "matrix", "", "no combination is left: there is nothing to run")
	}
	if len(d.errors) > before {
		combinations = [][]Parameter{named(axes, include)}
	}
	for i, c := range combinations {
		slices.SortFunc(c, func(a, b Parameter) int { return cmp.Compare(a.Name, b.Name) })
		combinations[i] = c
	}
	d.file.combinations = combinations
}

// named gives all parameters of a matrix that is wrong: templates that use them
// are not wrong, too.
func named(axes []axis, include *node) []Parameter {
	var all []Parameter
	for _, a := range axes {
		all = append(all, Parameter{a.name, ""})
	}
	if include != nil {
		for _, item := range include.items {
			for _, p := range item.pairs {
				all = append(all, Parameter{p.key, ""})
			}
		}
	}
	return all
}

func (d *decoder) axis(p pair) []any {
	path := "matrix." + p.key
	d.parameter(p, path)
	switch {
	case p.value.kind != listNode:
		d.add(p.value.pos, path, "such as [1, 2, 4]", "must be a list of values, not %s", p.value.kind)
	case len(p.value.items) == 0:
		d.add(p.value.pos, path, "give it values, or remove it", "the axis is empty: no combination would be left")
	}
	var values []any
	for i, item := range p.value.items {
		v, ok := d.value(item, fmt.Sprintf("%s[%d]", path, i))
		if !ok {
			continue
		}
		if slices.Contains(values, v) {
			d.add(item.pos, path, "for repetitions there is repeat", "%v occurs twice", v)
		}
		values = append(values, v)
	}
	return values
}

// parameter checks the name of one.
func (d *decoder) parameter(p pair, path string) {
	switch {
	case !parameterName.MatchString(p.key):
		d.add(p.pos, path, "letters, digits and _, so that templates can say {{.name}}", "%q can't be the name of a parameter", p.key)
	case slices.Contains(allKeys, p.key):
		d.add(p.pos, path, "choose another", "templates know .%s as something else", p.key)
	}
}

// value reads a parameter's. A number that is whole is an int.
func (d *decoder) value(n *node, path string) (any, bool) {
	switch n.kind {
	case stringNode:
		s, ok := d.str(n, path)
		if strings.Contains(s, "{{") {
			d.add(n.pos, path, "", "a value of the matrix is not a template")
		}
		return s, ok
	case boolNode:
		return strings.EqualFold(n.text, "true"), true
	case numberNode:
		return d.numeric(n, path)
	default:
		d.add(n.pos, path, "", "must be a string, a number, true or false, not %s", n.kind)
		return nil, false
	}
}

// leadingZero begins a number that is octal to some and decimal to others.
var leadingZero = regexp.MustCompile(`^[-+]?0[0-9]`)

// numeric reads a parameter that is a number. A number that templates would show
// otherwise than it is written, beyond the notation, is refused.
func (d *decoder) numeric(n *node, path string) (any, bool) {
	const hint = "put it in quotes to have it as it is written"
	if leadingZero.MatchString(n.text) {
		d.add(n.pos, path, hint, "%s can be meant as octal or as decimal", n.text)
		return nil, false
	}
	if i, err := strconv.Atoi(n.text); err == nil {
		return i, true
	}
	v, err := strconv.ParseFloat(n.text, 64)
	switch {
	case err != nil || math.IsInf(v, 0) || math.IsNaN(v):
		d.add(n.pos, path, hint, "%s is not a number that can be computed with", n.text)
	case math.Abs(v) >= exact && !strings.ContainsAny(n.text, ".eE"):
		d.add(n.pos, path, hint, "%s has more digits than a number here can hold", n.text)
	default:
		return whole(v), true
	}
	return nil, false
}

// product makes every combination; the last axis changes fastest.
func (d *decoder) product(n *node, axes []axis) [][]Parameter {
	if len(axes) == 0 {
		return nil
	}
	all := [][]Parameter{nil}
	for _, a := range axes {
		if len(all)*len(a.values) > MaxDatapoints {
			d.add(n.pos, "matrix", "", "the combinations are more than %d datapoints", MaxDatapoints)
			return nil
		}
		longer := make([][]Parameter, 0, len(all)*len(a.values))
		for _, c := range all {
			for _, v := range a.values {
				longer = append(longer, append(slices.Clone(c), Parameter{a.name, v}))
			}
		}
		all = longer
	}
	return all
}

// rules reads the entries of include or exclude.
func (d *decoder) rules(n *node, path string, known []string) [][]Parameter {
	if n.kind != listNode {
		d.add(n.pos, path, "such as [{mode: fast, clients: 1}]", "must be a list of maps, not %s", n.kind)
		return nil
	}
	var rules [][]Parameter
	for i, item := range n.items {
		at := fmt.Sprintf("%s[%d]", path, i)
		if item.kind != mapNode || len(item.pairs) == 0 {
			d.add(item.pos, at, "such as {mode: fast, clients: 1}", "must be a map with parameters, not %s", describeEmpty(item))
			continue
		}
		var rule []Parameter
		for _, p := range d.pairs(item, at) {
			if known != nil && !slices.Contains(known, p.key) {
				d.add(p.pos, at, d.didYouMean(p.key, known), "the matrix has no %q", p.key)
				continue
			}
			d.parameter(p, at+"."+p.key)
			if v, ok := d.value(p.value, at+"."+p.key); ok {
				rule = append(rule, Parameter{p.key, v})
			}
		}
		rules = append(rules, rule)
	}
	return rules
}

func describeEmpty(n *node) string {
	if n.kind == mapNode {
		return "an empty one"
	}
	return n.kind.String()
}

// exclude removes the combinations that have all of an entry's values.
func (d *decoder) exclude(n *node, axes []axis, combinations [][]Parameter) [][]Parameter {
	names := make([]string, len(axes))
	for i, a := range axes {
		names[i] = a.name
	}
	for i, rule := range d.rules(n, "matrix.exclude", names) {
		before := len(combinations)
		combinations = slices.DeleteFunc(combinations, func(c []Parameter) bool { return agrees(c, rule, nil) })
		if len(combinations) == before && len(d.errors) == 0 {
			d.warn(n.items[i].pos, fmt.Sprintf("matrix.exclude[%d]", i), "no combination is like this: nothing is excluded")
		}
	}
	return combinations
}

// include adds an entry's parameters to every combination where that changes no
// value of the axes; where there is none, the entry is a combination of its own.
func (d *decoder) include(n *node, axes []axis, combinations [][]Parameter) [][]Parameter {
	original := len(combinations)
	isAxis := func(name string) bool {
		return slices.ContainsFunc(axes, func(a axis) bool { return a.name == name })
	}
	for _, rule := range d.rules(n, "matrix.include", nil) {
		added := false
		for i, c := range combinations[:original] {
			if agrees(c, rule, isAxis) {
				combinations[i] = merged(c, rule)
				added = true
			}
		}
		if !added {
			combinations = append(combinations, rule)
		}
	}
	return combinations
}

// agrees reports whether c has all values of rule; with only, those for which
// it is true.
func agrees(c, rule []Parameter, only func(name string) bool) bool {
	for _, v := range rule {
		if (only == nil || only(v.Name)) && !slices.Contains(c, v) {
			return false
		}
	}
	return true
}

// merged is c with the values of rule, which replace those of the same name.
func merged(c, rule []Parameter) []Parameter {
	all := slices.DeleteFunc(slices.Clone(c), func(v Parameter) bool {
		return slices.ContainsFunc(rule, func(r Parameter) bool { return r.Name == v.Name })
	})
	return append(all, rule...)
}

// limit reads a duration of the run's end into value, or gives the template
// that makes it for each datapoint.
func (d *decoder) limit(n *node, path string, zero bool, value *time.Duration) *text {
	if n.kind == stringNode && strings.Contains(n.text, "{{") {
		return d.text(n, path, limitKeys)
	}
	*value = d.duration(n, path, zero)
	return nil
}
