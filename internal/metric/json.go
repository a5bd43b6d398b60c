package metric

import (
	"bytes"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"
)

// maxDocument is the largest JSON text that is taken as a whole, in bytes.
const maxDocument = 16 << 20

// document reads a stream as a whole. One that is too large comes back as rest,
// to be read by lines.
func document(r io.Reader) (whole []byte, rest io.Reader, err error) {
	data, err := io.ReadAll(io.LimitReader(r, maxDocument+1))
	if err != nil {
		return nil, nil, err
	}
	if len(data) > maxDocument {
		return nil, io.MultiReader(bytes.NewReader(data), r), nil
	}
	return trimBOM(data), nil, nil
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
		v := lookUp(row, c.Field)
		if !v.Exists() {
			s.lacks(row, c.Field)
			return
		}
		if !same(scalar(v), c.Value) {
			s.known = true
			s.note(noMatch, "%s has no row where %s is %q", s.place, c.Field, c.Value)
			return
		}
	}
	v := lookUp(row, m.Field)
	s.known = s.known || v.Exists()
	switch {
	case !v.Exists():
		s.lacks(row, m.Field)
	case v.Type == gjson.Null:
		s.note(noValue, "%s has nothing but null for %q", s.place, m.Field)
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

// lookUp follows a path such as latency.p99 or jobs.0.iops. A key that has dots
// itself comes first.
func lookUp(v gjson.Result, path string) gjson.Result {
	head, rest, more := strings.Cut(path, ".")
	var whole, first gjson.Result
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
	if whole.Exists() || !more || !first.IsObject() && !first.IsArray() {
		return whole
	}
	return lookUp(first, rest)
}

// scalar formats a string, a number, true or false as text, and everything else as JSON.
func scalar(v gjson.Result) string {
	if v.Type == gjson.String {
		return v.Str
	}
	return v.Raw
}
