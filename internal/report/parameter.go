package report

import (
	"cmp"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
)

// A parameter is one that differs between the runs.
type parameter struct {
	name    string
	numeric bool
	values  []any // each once, in order: numbers by size, others as they came
}

// place is where a value stands on the axis: the number itself, or which of the
// categories it is.
func (p *parameter) place(value any) float64 {
	if v, ok := value.(float64); ok && p.numeric {
		return v
	}
	return float64(slices.IndexFunc(p.values, func(v any) bool { return show(v) == show(value) }))
}

// varying returns the parameters with more than one value among the runs, by name, and those
// with only one, as text.
func varying(runs []*run) (varying []*parameter, constant []string) {
	for _, name := range names(runs, func(r *run) []string { return keys(r.record.Parameters) }) {
		p := newParameter(name, runs)
		switch len(p.values) {
		case 0:
		case 1:
			constant = append(constant, p.name+" = "+show(p.values[0]))
		default:
			varying = append(varying, p)
		}
	}
	return varying, constant
}

func newParameter(name string, runs []*run) *parameter {
	p := &parameter{name: name, numeric: true}
	seen := map[string]bool{}
	for _, r := range runs {
		value, ok := r.record.Parameters[name]
		if !ok {
			continue
		}
		if _, number := value.(float64); !number {
			p.numeric = false
		}
		if !seen[show(value)] {
			seen[show(value)] = true
			p.values = append(p.values, value)
		}
	}
	slices.SortStableFunc(p.values, func(a, b any) int {
		if p.numeric {
			return cmp.Compare(a.(float64), b.(float64))
		}
		return cmp.Compare(show(a), show(b))
	})
	return p
}

// names are all names that of returns for the runs, sorted.
func names(runs []*run, of func(*run) []string) []string {
	var all []string
	for _, r := range runs {
		all = append(all, of(r)...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func keys[V any](m map[string]V) []string {
	all := make([]string, 0, len(m))
	for key := range m {
		all = append(all, key)
	}
	return all
}

// show formats a parameter's value as in the file.
func show(value any) string {
	switch v := value.(type) {
	case string:
		return v
	case float64:
		return number(v)
	}
	data, err := json.Marshal(value)
	if err != nil {
		return "?"
	}
	return string(data)
}

func number(v float64) string {
	text := strconv.FormatFloat(v, 'g', -1, 64)
	if strings.Contains(text, "e") && v < 1e15 && v > -1e15 {
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return text
}
