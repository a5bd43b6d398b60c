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

// Numbered picks points by their numbers, such as "3", and ranges of them, such as
// "3-5". Without any it returns all points. It fails if one is not a number, or there is
// no such point.
func Numbered(points []Point, numbers []string) ([]Point, error) {
	if len(numbers) == 0 {
		return points, nil
	}
	known, wanted := make(map[int]bool), make(map[int]bool)
	for _, p := range points {
		known[p.Index] = true
	}
	for _, text := range numbers {
		first, last, err := numberRange(text)
		if err != nil {
			return nil, err
		}
		for n := first; n <= last; n++ {
			if !known[n] {
				return nil, fmt.Errorf("there is no datapoint %d: they are numbered from 1 to %d (publish check lists them)", n, len(points))
			}
			wanted[n] = true
		}
	}
	return slices.DeleteFunc(slices.Clone(points), func(p Point) bool { return !wanted[p.Index] }), nil
}

// numberRange reads "3" or "3-5".
func numberRange(text string) (first, last int, err error) {
	from, to, isRange := strings.Cut(text, "-")
	if !isRange {
		to = from
	}
	first, err = strconv.Atoi(strings.TrimSpace(from))
	if err == nil {
		last, err = strconv.Atoi(strings.TrimSpace(to))
	}
	switch {
	case err != nil:
		return 0, 0, fmt.Errorf("%q is not the number of a datapoint, nor a range such as 3-5", text)
	case last < first:
		return 0, 0, fmt.Errorf("%q is a range backwards: write %d-%d", text, last, first)
	}
	return first, last, nil
}

// SetRepeat sets how many repetitions of each combination there are, whatever number or rule the
// file has. It fails if those are more than [MaxDatapoints] datapoints.
func (f *File) SetRepeat(n int) error {
	if all := len(f.combinations) * n; all > MaxDatapoints {
		return fmt.Errorf("%d repetitions of %d combinations are more than %d datapoints", n, len(f.combinations), MaxDatapoints)
	}
	f.Repeat, f.Until = n, nil
	return nil
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
