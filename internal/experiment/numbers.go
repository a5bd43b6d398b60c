package experiment

import (
	"cmp"
	"fmt"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Numbers in templates: a parameter of 1.0 is the int 1, one of 0.5 a float64, and
// templates treat both as numbers. Anything that Go would print as %!d(string=x) or
// <no value> is an error.

// exact: a float64 represents all whole numbers up to this one.
const exact = 1 << 53

// whole makes an int of a number that is whole.
func whole(v float64) any {
	if v == math.Trunc(v) && math.Abs(v) < exact {
		return int(v)
	}
	return v
}

// numberOf gives the value of a number, whatever its type.
func numberOf(v any) (float64, bool) {
	r := reflect.ValueOf(v)
	switch {
	case !r.IsValid():
		return 0, false
	case r.CanInt():
		return float64(r.Int()), true
	case r.CanUint():
		return float64(r.Uint()), true
	case r.CanFloat():
		return r.Float(), true
	}
	return 0, false
}

// wholeNumber reads a whole number of the file, also one that is written as
// 1e3 or 3.0.
func wholeNumber(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err == nil {
		return n, nil
	}
	v, floatErr := strconv.ParseFloat(s, 64)
	if i, ok := whole(v).(int); floatErr == nil && ok {
		return i, nil
	}
	return 0, err
}

// fold makes a function of two or more numbers, from left to right. It works on
// ints where all are, so that no digit gets lost.
func fold(name string, ints func(a, b int) int, floats func(a, b float64) float64) func(a, b any, more ...any) (any, error) {
	return func(a, b any, more ...any) (any, error) {
		sum := a
		for _, next := range slices.Concat([]any{b}, more) {
			x, isInt := sum.(int)
			y, alsoInt := next.(int)
			if isInt && alsoInt {
				sum = ints(x, y)
				continue
			}
			v, ok := numberOf(sum)
			w, also := numberOf(next)
			if !ok || !also {
				return nil, &textError{fmt.Sprintf("template: %s takes numbers, not %s and %s", name, shown(sum), shown(next)), ""}
			}
			sum = whole(floats(v, w))
		}
		return sum, nil
	}
}

// foldWhole is fold for what is defined on whole numbers alone.
func foldWhole(name string, op func(a, b int) int) func(a, b any, more ...any) (any, error) {
	return func(a, b any, more ...any) (any, error) {
		numbers := slices.Concat([]any{a, b}, more)
		for i, n := range numbers {
			v, ok := numberOf(n)
			w, isInt := whole(v).(int)
			switch {
			case !ok || !isInt:
				return nil, &textError{fmt.Sprintf("template: %s takes whole numbers, not %s", name, shown(n)), ""}
			case w == 0 && i > 0:
				return nil, &textError{"template: division by zero", ""}
			}
			numbers[i] = w
		}
		result := numbers[0].(int)
		for _, n := range numbers[1:] {
			result = op(result, n.(int))
		}
		return result, nil
	}
}

// shown describes a value in a message.
func shown(v any) string {
	switch v := v.(type) {
	case nil:
		return "nothing"
	case string:
		return fmt.Sprintf("the string %.40q", v)
	case member:
		return v.String()
	}
	switch reflect.ValueOf(v).Kind() {
	case reflect.Slice, reflect.Array:
		return "a list"
	case reflect.Map:
		return "a map"
	default:
		return fmt.Sprint(v)
	}
}

// compare orders two numbers or two strings; ok is false for all else.
func compare(a, b any) (order int, ok bool) {
	x, isInt := a.(int)
	y, alsoInt := b.(int)
	if isInt && alsoInt {
		return cmp.Compare(x, y), true
	}
	v, isNumber := numberOf(a)
	w, alsoNumber := numberOf(b)
	if isNumber && alsoNumber {
		return cmp.Compare(v, w), true
	}
	s, isString := stringOf(a)
	t, alsoString := stringOf(b)
	return cmp.Compare(s, t), isString && alsoString
}

// stringOf gives a string, or the name of a host or process.
func stringOf(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case member:
		return v.String(), true
	}
	return "", false
}

// equal reports whether a is one of others. A number is never equal to a
// string: an axis may have both.
func equal(a any, others ...any) (bool, error) {
	if len(others) == 0 {
		return false, &textError{"template: eq takes two values or more", ""}
	}
	for _, b := range others {
		for _, v := range []any{a, b} {
			switch reflect.ValueOf(v).Kind() {
			case reflect.Slice, reflect.Array, reflect.Map, reflect.Func:
				if _, ok := v.(member); !ok {
					return false, &textError{fmt.Sprintf("template: eq compares single values, not %s", shown(v)), ""}
				}
			default: // one that can be compared
			}
		}
		if order, ok := compare(a, b); ok && order == 0 || !ok && comparableOf(a) == comparableOf(b) {
			return true, nil
		}
	}
	return false, nil
}

// comparableOf is a value of a type that == works on.
func comparableOf(v any) any {
	if s, ok := stringOf(v); ok {
		return s
	}
	return v
}

func unequal(a, b any) (bool, error) {
	same, err := equal(a, b)
	return !same, err
}

// ordered makes the function of a comparison.
func ordered(name string, holds func(order int) bool) func(a, b any) (bool, error) {
	return func(a, b any) (bool, error) {
		order, ok := compare(a, b)
		if !ok {
			return false, &textError{fmt.Sprintf("template: %s compares two numbers or two strings, not %s and %s", name, shown(a), shown(b)), ""}
		}
		return holds(order), nil
	}
}

// A numeral formats a number with any verb that suits it: %d a whole one, %.2f any,
// %s and %v as a template prints it.
type numeral struct{ value any }

// Format implements [fmt.Formatter].
func (n numeral) Format(f fmt.State, verb rune) {
	v, _ := numberOf(n.value)
	value := n.value
	switch {
	case strings.ContainsRune("eEfFgG", verb):
		value = v
	case strings.ContainsRune("dbcoOqxXU", verb):
		value = whole(v)
	case verb == 's':
		value = fmt.Sprint(n.value)
	}
	_, _ = fmt.Fprintf(f, fmt.FormatString(f, verb), value)
}

var (
	width   = regexp.MustCompile(`[0-9]{4,}`)
	starred = regexp.MustCompile(`%[-+# 0-9.\[\]]*\*`)
	misfits = regexp.MustCompile(`%!.{0,40}`)
)

// formatted is printf with bounded widths, and with errors instead of the marks
// that Go prints for verbs that don't fit.
func formatted(format string, args ...any) (string, error) {
	if width.MatchString(format) {
		return "", &textError{"template: printf takes a width of at most 999", ""}
	}
	if starred.MatchString(format) {
		return "", &textError{"template: printf does not take * for a width", "write the number in its place"}
	}
	// At worst every verb prints the whole of what is given.
	if verbs := strings.Count(format, "%"); verbs > 0 && verbs*(len(fmt.Sprint(args...))+999) > 64*maxText {
		return "", errTooLong
	}
	harmless := make([]any, len(args)) // no text of theirs looks like such a mark
	for i, arg := range args {
		if s, ok := stringOf(arg); ok {
			args[i], harmless[i] = s, strings.ReplaceAll(s, "%", "p")
			continue
		}
		if _, ok := numberOf(arg); ok {
			args[i] = numeral{arg}
		} else if _, ok := arg.(bool); !ok {
			return "", &textError{fmt.Sprintf("template: printf prints single values, not %s", shown(arg)), `join "," makes a string of a list`}
		}
		harmless[i] = args[i]
	}
	if bad := misfits.FindString(fmt.Sprintf(strings.ReplaceAll(format, "%%", ""), harmless...)); bad != "" {
		return "", &textError{fmt.Sprintf("template: printf %q does not fit what it is given: it would print %s", format, bad), ""}
	}
	return bounded(fmt.Sprintf(format, args...))
}
