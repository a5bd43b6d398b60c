package experiment

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"downbeat/internal/facts"
	"downbeat/internal/message"
)

// The names of what is measured in every run and can be required.
const (
	StartSkew  = "start_skew"
	StopSkew   = "stop_skew"
	ClockError = "clock_error"
)

var measured = []string{StartSkew, StopSkew, ClockError}

// ofGroupPrefix begins the names of the skews of single beats.
const ofGroupPrefix = StartSkew + "."

// SkewOf gives the group whose beat's skew the name means.
func SkewOf(name string) (group string, ok bool) { return strings.CutPrefix(name, ofGroupPrefix) }

// A Requirement is a limit that a run must keep to succeed.
type Requirement struct {
	// Name is StartSkew, StopSkew, ClockError, StartSkew with a dot and a group, that of
	// a metric, or else that of a fact of the hosts.
	Name string
	// Fact: it is about what is true of each host. One that is a text has to be one of Allowed.
	Fact    bool
	Allowed []string
	// Operator is one of <, <=, > and >=. Limit is microseconds for what is
	// measured of every run.
	Operator string
	Limit    float64
	// Text is the condition as the file has it: "< 5ms"; or the program's command line.
	Text string
	// Metric is the name of the metric that it is about, where it is one of samples that the file
	// doesn't have.
	Metric string
	// Program, if set, decides instead. Definition is a hash of it.
	Program    *Program
	Definition string
}

// Permits reports whether a text is one of those allowed.
func (r *Requirement) Permits(text string) bool { return slices.Contains(r.Allowed, text) }

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
	judge
	fact bool // of the hosts
}

// requirements reads the conditions: one or a list of them for each name, or a program.
var requirements = binding[File]{
	words: "map", inner: []*table{checkFields.table()}, schema: requireSchema(),
	read: func(v value, f *File) {
		if !v.isMap(`such as {start_skew: "< 5ms"}`, "must be a map of limits") {
			return
		}
		names := slices.Clone(measured)
		for _, g := range f.Groups {
			names = append(names, ofGroupPrefix+g.Name)
		}
		for _, m := range f.metrics {
			names = append(names, m.Name)
		}
		for _, child := range v.pairs() {
			if child.kind == mapNode {
				f.require = append(f.require, readCheck(child, names)...)
				continue
			}
			if _, ok := f.sampledBy(child.key); ok && !slices.Contains(names, child.key) {
				if f.sample == 0 {
					v.wrongKey(child, "add sample: 1s to the file", "no samples are taken")
				}
				f.require = append(f.require, readRequirements(child)...)
				continue
			}
			given := slices.ContainsFunc(f.metrics, func(m *metric) bool { return m.gives(child.key) })
			if !given && !slices.Contains(names, child.key) {
				if _, ok := facts.RowOf(child.key); ok {
					f.require = append(f.require, readFacts(child)...)
					continue
				}
				if group, ok := SkewOf(child.key); ok {
					v.wrongKey(child, v.in.didYouMean(group, groupNames(f.Groups)), "no group %q", group)
				} else {
					hint := v.in.didYouMean(child.key, names)
					if near := nearest(child.key, slices.Concat(names, facts.Names())); near != "" {
						hint = fmt.Sprintf("did you mean %q?", near)
					}
					v.wrongKey(child, hint, "no metric %q", child.key)
				}
				continue
			}
			f.require = append(f.require, readRequirements(child)...)
		}
	},
}

// readCheck reads a requirement that a program checks.
func readCheck(v value, taken []string) []requirement {
	if err := message.CheckName(v.key); err != nil {
		v.wrongKey(v, "", "%v", err)
		return nil
	}
	if isDuration(v.key) || slices.Contains(taken, v.key) {
		v.wrong(exampleOf(v.key), "%s is a number, which has to have a condition", v.key)
		return nil
	}
	if row, ok := facts.RowOf(v.key); ok {
		v.wrong("another name", "%s is what the hosts say of themselves: %s", v.key, row.Label)
		return nil
	}
	r := requirement{name: v.key}
	checkFields.read(v, &r)
	if r.command == nil {
		return nil
	}
	return []requirement{r}
}

// readRequirements reads a condition or a list of them.
func readRequirements(v value) (list []requirement) {
	items := v.oneOrMany()
	if len(items) == 0 {
		v.wrong(exampleOf(v.key), "the list is empty")
	}
	for _, item := range items {
		if item.kind != stringNode {
			item.wrong(exampleOf(v.key), "must be a condition, not %s", item.kind)
			continue
		}
		t := item.with(limitKeys).text()
		if t == nil {
			continue
		}
		if t.constant() {
			if _, err := v.in.file.parseRequirement(v.key, t.src); err != nil {
				v.in.problem(t, err)
			}
		}
		list = append(list, requirement{name: v.key, text: t})
	}
	return list
}

// isDuration reports whether the name is one of those measured in every run.
func isDuration(name string) bool {
	_, ofBeat := SkewOf(name)
	return ofBeat || slices.Contains(measured, name)
}

func exampleOf(name string) string {
	if isDuration(name) {
		return `such as "< 5ms"`
	}
	return `such as "> 1000"`
}

// parseRequirement reads what a condition looks like: "< 5ms", ">= 1000".
func (f *File) parseRequirement(name, s string) (Requirement, error) {
	s = strings.TrimSpace(s)
	rest := strings.TrimLeft(s, "<=>")
	r := Requirement{Name: name, Operator: s[:len(s)-len(rest)], Text: s}
	example := exampleOf(name)
	of, isSampled := f.sampledBy(name)
	if isSampled = isSampled && !slices.ContainsFunc(f.metrics, func(m *metric) bool { return m.Name == name }); isSampled {
		example = of.example()
	}
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
	if isSampled {
		var err error
		r.Limit, err = of.limit(rest)
		return r, err
	}
	v, err := strconv.ParseFloat(rest, 64)
	if err != nil || math.IsInf(v, 0) || math.IsNaN(v) {
		return r, &textError{fmt.Sprintf("%q is not a number", rest), example}
	}
	r.Limit = v
	return r, nil
}
