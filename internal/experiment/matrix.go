package experiment

import (
	"cmp"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// MaxDatapoints is how many datapoints a file can have.
const MaxDatapoints = 10_000

// parameterName matches what a template can have after a dot.
var parameterName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// An axis is a parameter of the matrix with its values.
type axis struct {
	name   string
	values []any
}

// oneCombination is that of a file without a matrix.
var oneCombination = [][]Parameter{nil}

// MaxRetries is how many times a datapoint can be retried.
const MaxRetries = 100

// An order is the one in which the datapoints are run.
type order string

const (
	inOrder  order = "file"
	atRandom order = "random"
)

var seed = shape[uint64]{"whole number", schema{"type": "integer", "minimum": 0}, func(v value) uint64 {
	return uint64(v.integer(0, math.MaxInt32)) // never negative
}}

// checkPlan checks the fields that make the datapoints together.
func checkPlan(in *scope, f *File, given found) {
	f.Random = f.order == atRandom
	if v, ok := given.get("seed"); ok && !f.Random && !f.chooses() {
		v.wrong("set order: random, or remove it", "the seed has no effect in the order of the file: nothing else is chosen at random")
	}
	if v, ok := given.get("repeat"); ok && len(f.combinations)*f.repetitions() > MaxDatapoints {
		v.wrong("", "%d repetitions of %d combinations are more than %d datapoints", f.repetitions(), len(f.combinations), MaxDatapoints)
	}
	checkAims(in, f)
}

// matrix is read into its combinations, without those excluded and with those
// included, as in GitHub Actions.
var matrix = shape[[][]Parameter]{"map", schema{
	"type": "object", "propertyNames": schema{"pattern": parameterPattern},
	"additionalProperties": schema{"type": "array", "minItems": 1, "uniqueItems": true, "items": scalarSchema},
	"properties": schema{
		"include": rulesSchema("Added to every combination whose values in the matrix it agrees with; one that agrees with none is a combination of its own."),
		"exclude": rulesSchema("A combination that has all these values is left out."),
	},
}, readMatrix}

func rulesSchema(about string) schema {
	return schema{"type": "array", "description": about, "items": schema{
		"type": "object", "propertyNames": schema{"pattern": parameterPattern}, "additionalProperties": scalarSchema, "minProperties": 1,
	}}
}

func readMatrix(v value) [][]Parameter {
	if !v.isMap("such as {mode: [fast, safe], clients: [1, 2, 4]}", "must be a map of lists") {
		v.in.anyKey = true
		return oneCombination
	}
	var axes []axis
	rules := make(map[string]value)
	before := len(v.in.errors)
	for _, child := range v.pairs() {
		if child.key == "include" || child.key == "exclude" {
			rules[child.key] = child
			continue
		}
		axes = append(axes, axis{child.key, readAxis(child)})
	}
	combinations := product(v, axes)
	if exclude, ok := rules["exclude"]; ok {
		combinations = excluded(exclude, axes, combinations)
	}
	if include, ok := rules["include"]; ok {
		combinations = included(include, axes, combinations)
	}
	if len(combinations) == 0 && len(v.in.errors) == before {
		v.wrong("", "no combination is left: there is nothing to run")
	}
	if len(v.in.errors) > before {
		combinations = [][]Parameter{named(axes, rules["include"])}
	}
	for i, c := range combinations {
		slices.SortFunc(c, func(a, b Parameter) int { return cmp.Compare(a.Name, b.Name) })
		combinations[i] = c
	}
	return combinations
}

// named gives the parameters of a matrix with errors, so that templates that use
// them are not reported too.
func named(axes []axis, include value) []Parameter {
	var all []Parameter
	for _, a := range axes {
		all = append(all, Parameter{a.name, ""})
	}
	if include.node == nil {
		return all
	}
	for _, item := range include.items {
		for _, p := range item.pairs {
			all = append(all, Parameter{p.key, ""})
		}
	}
	return all
}

func readAxis(v value) []any {
	checkParameter(v)
	switch {
	case v.kind != listNode:
		v.wrong("such as [1, 2, 4]", "must be a list of values, not %s", v.kind)
	case len(v.items) == 0:
		v.wrong("give it values, or remove it", "the axis is empty: no combination would be left")
	}
	var values []any
	for _, item := range v.list() {
		p, ok := readParameter(item, inMatrix)
		if !ok {
			continue
		}
		if slices.Contains(values, p) {
			v.in.add(item.pos, v.path, "for repetitions there is repeat", "%v occurs twice", p)
		}
		values = append(values, p)
	}
	return values
}

// checkParameter checks the name of one.
func checkParameter(v value) {
	switch {
	case !parameterName.MatchString(v.key):
		v.in.add(v.at, v.path, "letters, digits and _, so that templates can say {{.name}}", "%q can't be the name of a parameter", v.key)
	case slices.Contains(allKeys, v.key):
		v.in.add(v.at, v.path, "choose another", "templates know .%s as something else", v.key)
	}
}

const inMatrix = "a value of the matrix"

// readParameter reads the value of one. A number that is whole is an int.
func readParameter(v value, what string) (any, bool) {
	switch v.kind {
	case stringNode:
		s, ok := v.str()
		if strings.Contains(s, "{{") {
			v.wrong("", "%s is not a template", what)
		}
		return s, ok
	case boolNode:
		return strings.EqualFold(v.node.text, "true"), true
	case numberNode:
		return readNumber(v)
	default:
		v.wrong("", "must be a string, a number, true or false, not %s", v.kind)
		return nil, false
	}
}

// leadingZero matches numbers that could be meant as octal or decimal.
var leadingZero = regexp.MustCompile(`^[-+]?0[0-9]`)

// readNumber reads a parameter that is a number. It refuses a number whose value
// templates would not show exactly.
func readNumber(v value) (any, bool) {
	const hint = "put it in quotes to keep it as written"
	s := v.node.text
	if leadingZero.MatchString(s) {
		v.wrong(hint, "%s can be meant as octal or as decimal", s)
		return nil, false
	}
	if i, err := strconv.Atoi(s); err == nil {
		return i, true
	}
	n, err := strconv.ParseFloat(s, 64)
	switch {
	case err != nil || math.IsInf(n, 0) || math.IsNaN(n):
		v.wrong(hint, "%s is not a number that can be computed with", s)
	case math.Abs(n) >= exact && !strings.ContainsAny(s, ".eE"):
		v.wrong(hint, "%s has more digits than a number can have here", s)
	default:
		return whole(n), true
	}
	return nil, false
}

// product makes every combination; the last axis changes fastest.
func product(v value, axes []axis) [][]Parameter {
	if len(axes) == 0 {
		return nil
	}
	all := [][]Parameter{nil}
	for _, a := range axes {
		if len(all)*len(a.values) > MaxDatapoints {
			v.wrong("", "the combinations are more than %d datapoints", MaxDatapoints)
			return nil
		}
		longer := make([][]Parameter, 0, len(all)*len(a.values))
		for _, c := range all {
			for _, p := range a.values {
				longer = append(longer, append(slices.Clone(c), Parameter{a.name, p}))
			}
		}
		all = longer
	}
	return all
}

// readRules reads the entries of include or exclude. With known, they have no other
// parameters than these.
func readRules(v value, known []string) [][]Parameter {
	if v.kind != listNode {
		v.wrong("such as [{mode: fast, clients: 1}]", "must be a list of maps, not %s", v.kind)
		return nil
	}
	var rules [][]Parameter
	for _, item := range v.list() {
		if item.kind != mapNode || len(item.node.pairs) == 0 {
			item.wrong("such as {mode: fast, clients: 1}", "must be a map with parameters, not %s", item.describeEmpty())
			continue
		}
		var rule []Parameter
		for _, child := range item.pairs() {
			if known != nil && !slices.Contains(known, child.key) {
				item.wrongKey(child, v.in.didYouMean(child.key, known), "the matrix has no %q", child.key)
				continue
			}
			checkParameter(child)
			if p, ok := readParameter(child, inMatrix); ok {
				rule = append(rule, Parameter{child.key, p})
			}
		}
		rules = append(rules, rule)
	}
	return rules
}

// excluded removes the combinations that have all of an entry's values.
func excluded(v value, axes []axis, combinations [][]Parameter) [][]Parameter {
	names := make([]string, len(axes))
	for i, a := range axes {
		names[i] = a.name
	}
	for i, rule := range readRules(v, names) {
		before := len(combinations)
		combinations = slices.DeleteFunc(combinations, func(c []Parameter) bool { return agrees(c, rule, nil) })
		if len(combinations) == before && len(v.in.errors) == 0 {
			item := v.list()[i]
			v.in.warn(item.pos, item.path, "", "no combination matches this: nothing is excluded")
		}
	}
	return combinations
}

// included adds an entry's parameters to every combination where that changes no
// value of the axes; where there is none, the entry is a combination of its own.
func included(v value, axes []axis, combinations [][]Parameter) [][]Parameter {
	original := len(combinations)
	isAxis := func(name string) bool {
		return slices.ContainsFunc(axes, func(a axis) bool { return a.name == name })
	}
	for _, rule := range readRules(v, nil) {
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
