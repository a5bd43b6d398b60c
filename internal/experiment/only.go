package experiment

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Only picks points by conditions such as "clients=4": a point must have one of the
// values given for each parameter. Without conditions it returns all points. It
// fails if there is no such parameter or no such point.
func (f *File) Only(points []Point, conditions []string) ([]Point, error) {
	if len(conditions) == 0 {
		return points, nil
	}
	wanted := make(map[string][]string)
	for _, condition := range conditions {
		name, value, ok := strings.Cut(condition, "=")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		if !ok {
			return nil, fmt.Errorf("%q is not a condition: write it as PARAMETER=VALUE", condition)
		}
		if err := f.checkParameter(name); err != nil {
			return nil, err
		}
		wanted[name] = append(wanted[name], value)
	}
	picked := slices.DeleteFunc(slices.Clone(points), func(p Point) bool { return !p.meets(wanted) })
	if len(picked) == 0 {
		return nil, fmt.Errorf("no datapoint has %s (publish check lists them)", strings.Join(conditions, ", "))
	}
	return picked, nil
}

func (f *File) checkParameter(name string) error {
	known := f.parameters()
	switch {
	case slices.Contains(known, name):
		return nil
	case len(known) == 0:
		return fmt.Errorf("no parameter %q: the file has no matrix", name)
	}
	if near := nearest(name, known); near != "" {
		return fmt.Errorf("no parameter %q (did you mean %q?)", name, near)
	}
	return fmt.Errorf("no parameter %q (known: %s)", name, strings.Join(known, ", "))
}

// meets reports whether the point has one of the values wanted of each parameter.
func (p Point) meets(wanted map[string][]string) bool {
	met := 0
	for _, v := range p.Parameters {
		if values, ok := wanted[v.Name]; ok && slices.ContainsFunc(values, v.is) {
			met++
		}
	}
	return met == len(wanted)
}

// is reports whether text names the parameter's value. Numbers are compared as
// such: 1.0 and 1e0 both name 1.
func (p Parameter) is(text string) bool {
	if fmt.Sprint(p.Value) == text {
		return true
	}
	switch value := p.Value.(type) {
	case bool:
		return strings.EqualFold(text, fmt.Sprint(value))
	case int, float64:
		v, _ := numberOf(value)
		w, err := strconv.ParseFloat(text, 64)
		return err == nil && v == w
	}
	return false
}
