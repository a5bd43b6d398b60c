package metric

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"
)

// maxDocument is the largest JSON text that is taken as a whole, in bytes; a larger one is read by
// lines.
const maxDocument = 16 << 20

var errTooLarge = errors.New("too large to be taken as a whole")

// document reads a stream as a whole, unless it is too large.
func document(r io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxDocument+1))
	if err == nil && len(data) > maxDocument {
		return nil, errTooLarge
	}
	return data, err
}

func trimBOM(data []byte) []byte { return bytes.TrimPrefix(data, []byte("\ufeff")) }

// jsonLine takes the value of a line.
func (s *search) jsonLine(line []byte, into *reducer) {
	line = bytes.TrimSpace(line)
	if len(line) == 0 {
		return
	}
	if s.isOutput() && line[0] != '{' {
		// Other output of the process.
		s.note(noLine, "no line of %s is an object of JSON", s.place)
		return
	}
	if !gjson.ValidBytes(line) {
		var ok bool
		if line, ok = oneText(line); !ok {
			s.left.note(s.place, s.row, "is not JSON")
			return
		}
	}
	s.jsonRow(gjson.ParseBytes(line), into)
}

func (s *search) jsonRow(row gjson.Result, into *reducer) {
	m := s.metric
	for _, c := range m.Where {
		met := false
		if !lookUp(row, c.Field, func(v gjson.Result) { met = met || same(scalar(v), c.Value) }) {
			s.lacks(row, c.Field)
			return
		}
		if !met {
			s.known = true
			s.note(noMatch, "%s has no row where %s is %q", s.place, c.Field, c.Value)
			return
		}
	}
	if !lookUp(row, m.Field, func(v gjson.Result) { s.jsonValue(v, into) }) {
		s.lacks(row, m.Field)
		return
	}
	s.known = true
}

// jsonValue takes a value, or all of a list.
func (s *search) jsonValue(v gjson.Result, into *reducer) {
	switch {
	case v.Type == gjson.Null:
		s.note(noValue, "%s has nothing but null for %q", s.place, s.metric.Field)
	case v.IsArray():
		s.note(noValue, "%s has nothing but lists without a value for %q", s.place, s.metric.Field)
		v.ForEach(func(_, item gjson.Result) bool {
			if item.Type != gjson.Null {
				s.value(scalar(item), into)
			}
			return true
		})
	default:
		s.value(scalar(v), into)
	}
}

// lacks notes that a row does not have a field, and which it has.
func (s *search) lacks(row gjson.Result, field string) {
	if s.here.near >= noField {
		return
	}
	if !row.IsObject() {
		s.note(noField, "%s has no %q: a row is %s", s.place, field, quoted(row.Raw))
		return
	}
	if len(row.Map()) == 0 {
		s.note(noField, "%s has no field %q; the first row is empty", s.place, field)
		return
	}
	s.note(noField, "%s has no field %q; the first row has %s", s.place, field, listed(slices.Sorted(maps.Keys(row.Map()))))
}

// lookUp visits what a path such as latency.p99, jobs.0.iops or jobs.*.iops leads to: * stands
// for all members of a list or an object. A key that has dots, or is *, itself comes first. It
// reports whether there is such a place; with * it may be empty.
func lookUp(v gjson.Result, path string, visit func(gjson.Result)) bool {
	head, rest, more := strings.Cut(path, ".")
	whole, first := members(v, path, head)
	switch {
	case whole.Exists():
		visit(whole)
		return true
	case first.IsObject(), first.IsArray():
		return more && lookUp(first, rest, visit)
	case head != "*" || first.Exists() || !v.IsObject() && !v.IsArray():
		return false
	}
	found, empty := false, true
	v.ForEach(func(_, value gjson.Result) bool {
		empty = false
		if !more {
			visit(value)
		}
		found = !more || lookUp(value, rest, visit) || found
		return true
	})
	return found || empty
}

// members gives those of an object or a list that a path and its head name.
func members(v gjson.Result, path, head string) (whole, first gjson.Result) {
	i := 0
	v.ForEach(func(key, value gjson.Result) bool {
		if v.IsArray() {
			key.Str = strconv.Itoa(i)
			i++
		}
		switch key.Str {
		case path:
			whole = value
		case head:
			first = value
		}
		return !whole.Exists()
	})
	return whole, first
}

// scalar formats a string, a number, true or false as text, and everything else as JSON.
func scalar(v gjson.Result) string {
	if v.Type == gjson.String {
		return v.Str
	}
	return v.Raw
}
