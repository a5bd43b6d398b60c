package experiment

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"downbeat/internal/message"
)

// Shapes that several kinds of map use.
var (
	anyString = shape[string]{"string", schema{"type": "string"}, func(v value) string {
		s, _ := v.str()
		return s
	}}
	aName = shape[string]{"name", nameSchema, func(v value) string {
		s, ok := v.str()
		if ok {
			if err := message.CheckName(s); err != nil {
				v.wrong("", "%v", err)
			}
		}
		return s
	}}
	boolean = shape[bool]{"true or false", schema{"type": "boolean"}, func(v value) bool {
		if v.kind != boolNode {
			v.wrong("", "must be true or false, not %s", v.kind)
			return false
		}
		return strings.EqualFold(v.node.text, "true")
	}}
	hostNamesOf = oneOrMany("host", func(v value) []string { return v.names("host", hostNames(v.in.file.Hosts)) })
	groupsOf    = oneOrMany("group", func(v value) []string { return v.names("group", groupNames(v.in.file.Groups)) })
)

// oneOrMany is the name of something in the file, or a list of such names.
func oneOrMany(what string, read func(v value) []string) shape[[]string] {
	return shape[[]string]{orList(what), orListSchema(nameSchema), read}
}

func orList(what string) string { return fmt.Sprintf("%s, or list of %ss", what, what) }

// names reads a name or a list of names out of those that exist.
func (v value) names(what string, exist []string) []string {
	items := v.oneOrMany()
	if len(items) == 0 {
		v.wrong("", "the list is empty: it names no %s", what)
	}
	known, seen := make(map[string]bool, len(exist)), make(map[string]bool, len(items))
	for _, name := range exist {
		known[name] = true
	}
	var names []string
	for _, item := range items {
		item.path = v.path
		s, ok := item.str()
		switch {
		case !ok:
		case !known[s]:
			hint := v.in.didYouMean(s, exist)
			if len(exist) == 0 {
				hint = fmt.Sprintf("there are no %ss", what)
			}
			item.wrong(hint, "no %s %q", what, s)
		case seen[s]:
			item.wrong("", "%s %q occurs twice", what, s)
		default:
			seen[s] = true
			names = append(names, s)
		}
	}
	return names
}

// between is a whole number of a range.
func between(least, most int) shape[int] {
	return shape[int]{
		fmt.Sprintf("%s to %s", grouped(least), grouped(most)),
		schema{"type": "integer", "minimum": least, "maximum": most},
		func(v value) int { return v.integer(least, most) },
	}
}

// grouped writes 10000 as 10,000.
func grouped(n int) string {
	if n < 1000 {
		return strconv.Itoa(n)
	}
	return fmt.Sprintf("%s,%03d", grouped(n/1000), n%1000)
}

// integer reads a whole number between least and most.
func (v value) integer(least, most int) int {
	n, err := wholeNumber(v.node.text)
	if v.kind != numberNode || err != nil || n < least || n > most {
		v.wrong("", "must be a whole number from %d to %d, not %s", least, most, v.shown())
		return least
	}
	return n
}

// shown gives a number as written, and the kind of anything else.
func (v value) shown() string {
	if v.kind == numberNode {
		return v.node.text
	}
	return v.kind.String()
}

// factor is a number other than 0.
var factor = shape[float64]{"number", schema{"type": "number", "not": schema{"const": 0}}, func(v value) float64 {
	n, err := strconv.ParseFloat(v.node.text, 64)
	if v.kind != numberNode || err != nil || n == 0 || math.IsInf(n, 0) || math.IsNaN(n) {
		v.wrong("such as 0.001", "must be a number other than 0, not %s", v.shown())
		return 1
	}
	return n
}}

// choice is one of a few words, read as "" if it is none of them.
func choice[S ~string](what string, words ...S) shape[S] {
	names := make([]string, len(words))
	for i, w := range words {
		names[i] = string(w)
	}
	last := len(names) - 1
	all := strings.Join(names[:last], ", ") + " or " + names[last]
	return shape[S]{all, schema{"enum": names}, func(v value) S {
		s, ok := v.str()
		if ok && !slices.Contains(names, s) {
			hint := "it is " + all
			if near := nearest(s, names); near != "" {
				hint = fmt.Sprintf("did you mean %q?", near)
			}
			v.wrong(hint, "unknown %s %q", what, s)
			return ""
		}
		return S(s)
	}}
}

// templateOf is a template with these keys; nil: those of its place.
func templateOf(keys []string) shape[*text] {
	return shape[*text]{"template", schema{"type": "string"}, func(v value) *text {
		if keys != nil {
			v = v.with(keys)
		}
		return v.text()
	}}
}

// filled is a template that is not empty; hint says what to do about an empty one.
func filled(keys []string, hint string) shape[*text] {
	return shape[*text]{"template", nonEmpty, func(v value) *text {
		t := templateOf(keys).read(v)
		if t != nil && t.src == "" {
			v.wrong(hint, "is empty")
			return nil
		}
		return t
	}}
}

// Whether a duration may be 0.
const (
	zeroToo = true
	notZero = false
)

const durationExample = `such as "10s", "1m30s" or "500ms"`

// duration is a duration that can't be a template.
func duration(zero bool) shape[time.Duration] {
	return shape[time.Duration]{"duration", durationSchema, func(v value) time.Duration { return v.duration(zero) }}
}

// limit is a duration, or a template that gives one.
func limit(zero bool, keys []string) shape[*text] {
	return shape[*text]{"duration, or template", limitSchema, func(v value) *text {
		if v.templated() {
			return templateOf(keys).read(v)
		}
		before := len(v.in.errors)
		if d := v.duration(zero); len(v.in.errors) == before {
			return &text{v.pos, v.path, d.String()}
		}
		return nil
	}}
}

// leastBin is the narrowest piece of time: lines are read every few milliseconds.
const leastBin = 10 * time.Millisecond

// binWidth is how wide the pieces of a series are.
var binWidth = shape[time.Duration]{"duration", durationSchema, func(v value) time.Duration {
	before := len(v.in.errors)
	d := v.duration(notZero)
	if len(v.in.errors) == before && d < leastBin {
		v.wrong("such as 1s", "%s is narrower than %s", short(d), short(leastBin))
	}
	return d
}}

// duration reads a positive duration, or 0 where that is allowed.
func (v value) duration(zero bool) time.Duration {
	if v.kind != stringNode {
		v.wrong(durationExample, "must be a duration, not %s", v.kind)
		return 0
	}
	d, err := parseDuration(v.node.text, zero)
	if err != nil {
		v.in.problem(&text{v.pos, v.path, v.node.text}, err)
	}
	return d
}

// signed is a duration, which may be negative, or a template that gives one.
var signed = shape[*text]{"duration, or template", signedSchema, func(v value) *text {
	if v.templated() {
		return templateOf(limitKeys).read(v)
	}
	if v.kind != stringNode {
		v.wrong(signedExample, "must be a duration, not %s", v.kind)
		return nil
	}
	t := &text{v.pos, v.path, v.node.text}
	if _, err := parseSigned(t.src); err != nil {
		v.in.problem(t, err)
		return nil
	}
	return t
}}

const signedExample = `such as "15s" or "-5s"`

// parseSigned is parseDuration for one that may be negative.
func parseSigned(s string) (time.Duration, error) {
	unsigned, negative := strings.CutPrefix(s, "-")
	if _, err := time.ParseDuration(s); err != nil {
		return 0, &textError{strconv.Quote(s) + " is not a duration", signedExample}
	}
	d, err := parseDuration(unsigned, zeroToo)
	if negative {
		d = -d
	}
	return d, err
}

// parseDuration reads what durations of the file look like. Jobs carry them in
// milliseconds, so a finer one could not be carried out.
func parseDuration(s string, zero bool) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	switch {
	case err != nil:
		return 0, &textError{strconv.Quote(s) + " is not a duration", durationExample}
	case d < 0:
		return 0, &textError{s + " is negative", ""}
	case d == 0 && !zero:
		return 0, &textError{"must be longer than 0", ""}
	case d%time.Millisecond != 0:
		return 0, &textError{s + " is finer than a millisecond", ""}
	case d > maxDuration:
		return 0, &textError{s + " is longer than a year", ""}
	}
	return d, nil
}

const maxDuration = 366 * 24 * time.Hour

// short prints 1h0m0s as 1h.
func short(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
