package experiment

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// What is measured of every run, by the names by which it can be required.
const (
	StartSkew  = "start_skew"
	StopSkew   = "stop_skew"
	ClockError = "clock_error"
)

var measured = []string{StartSkew, StopSkew, ClockError}

// A Requirement is a limit that a run has to keep to count as succeeded.
type Requirement struct {
	Name string // StartSkew, StopSkew, ClockError, or that of a metric
	// Operator is one of <, <=, > and >=. Limit is microseconds for what is
	// measured of every run.
	Operator string
	Limit    float64
	// Text is the condition as the file has it: "< 5ms".
	Text string
}

// Met reports whether a value, in the limit's unit, is within it.
func (r *Requirement) Met(v float64) bool {
	switch r.Operator {
	case "<":
		return v < r.Limit
	case "<=":
		return v <= r.Limit
	case ">":
		return v > r.Limit
	}
	return v >= r.Limit
}

// A requirement is one of the file's conditions, as a template.
type requirement struct {
	name string
	text *text
}

func (d *decoder) require(n *node) {
	if n == nil {
		return
	}
	if n.kind != mapNode {
		d.add(n.pos, "require", `such as {start_skew: "< 5ms"}`, "must be a map of limits, not %s", n.kind)
		return
	}
	names := slices.Clone(measured)
	for _, m := range d.file.metrics {
		names = append(names, m.Name)
	}
	for _, p := range d.pairs(n, "require") {
		if !slices.Contains(names, p.key) {
			d.add(p.pos, "require", d.didYouMean(p.key, names), "no metric %q", p.key)
			continue
		}
		d.requirement(p)
	}
}

// requirement reads a condition or a list of them.
func (d *decoder) requirement(p pair) {
	path, items := "require."+p.key, []*node{p.value}
	if p.value.kind == listNode {
		items = p.value.items
		if len(items) == 0 {
			d.add(p.value.pos, path, exampleOf(p.key), "the list is empty")
		}
	}
	for i, item := range items {
		if p.value.kind == listNode {
			path = fmt.Sprintf("require.%s[%d]", p.key, i)
		}
		if item.kind != stringNode {
			d.add(item.pos, path, exampleOf(p.key), "must be a condition, not %s", item.kind)
			continue
		}
		t := d.text(item, path, limitKeys)
		if t == nil {
			continue
		}
		if t.constant() {
			if _, err := parseRequirement(p.key, t.src); err != nil {
				d.problem(t, err)
			}
		}
		d.file.require = append(d.file.require, requirement{p.key, t})
	}
}

// isDuration reports whether what has that name is measured of every run.
func isDuration(name string) bool { return slices.Contains(measured, name) }

func exampleOf(name string) string {
	if isDuration(name) {
		return `such as "< 5ms"`
	}
	return `such as "> 1000"`
}

// parseRequirement reads what a condition looks like: "< 5ms", ">= 1000".
func parseRequirement(name, s string) (Requirement, error) {
	s = strings.TrimSpace(s)
	rest := strings.TrimLeft(s, "<=>")
	r := Requirement{Name: name, Operator: s[:len(s)-len(rest)], Text: s}
	example := exampleOf(name)
	if !slices.Contains([]string{"<", "<=", ">", ">="}, r.Operator) {
		return r, &textError{fmt.Sprintf("%q must begin with <, <=, > or >=", s), example}
	}
	rest = strings.TrimSpace(rest)
	if isDuration(name) {
		v, err := time.ParseDuration(rest)
		switch {
		case err != nil:
			return r, &textError{fmt.Sprintf("%q is not a duration", rest), example}
		case v < 0:
			return r, &textError{rest + " is negative", ""}
		}
		r.Limit = float64(v) / float64(time.Microsecond)
		return r, nil
	}
	v, err := strconv.ParseFloat(rest, 64)
	if err != nil || math.IsInf(v, 0) || math.IsNaN(v) {
		return r, &textError{fmt.Sprintf("%q is not a number", rest), example}
	}
	r.Limit = v
	return r, nil
}
