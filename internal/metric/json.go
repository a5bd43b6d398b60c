package metric

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// maxDocument is the largest JSON text that is taken as a whole, in bytes.
const maxDocument = 16 << 20

// document reads a stream that is one text of JSON. One that is not, or is too
// large, comes back as rest, to be read by lines.
func document(r io.Reader) (whole []byte, rest io.Reader, err error) {
	data, err := io.ReadAll(io.LimitReader(r, maxDocument+1))
	if err != nil {
		return nil, nil, err
	}
	if text := trimBOM(data); len(data) <= maxDocument && json.Valid(text) {
		return text, nil, nil
	}
	return nil, io.MultiReader(bytes.NewReader(data), r), nil
}

func trimBOM(data []byte) []byte { return bytes.TrimPrefix(data, []byte("\ufeff")) }

// jsonDocument takes the values of a text: of its rows, if it is a list.
func (s *search) jsonDocument(whole []byte, into *reducer) {
	var rows []json.RawMessage
	if json.Unmarshal(whole, &rows) != nil || rows == nil {
		rows = []json.RawMessage{whole}
	}
	for _, row := range rows {
		s.row++
		s.jsonRow(row, into)
	}
}

// jsonLine takes the value of a line.
func (s *search) jsonLine(line []byte, into *reducer) {
	if s.row == 1 {
		line = trimBOM(line)
	}
	line = bytes.TrimSpace(line)
	switch {
	case len(line) == 0:
	case s.isOutput() && line[0] != '{':
		// Something else that the process had to say.
		s.miss.note(noLine, "no line of %s is an object of JSON", s.place)
	case !json.Valid(line):
		s.left.note(s.place, s.row, "is not JSON")
	default:
		s.jsonRow(line, into)
	}
}

func (s *search) jsonRow(row json.RawMessage, into *reducer) {
	m := s.metric
	for _, c := range m.Where {
		v, ok := lookUp(row, c.Field)
		if !ok {
			s.lacks(row, c.Field)
			return
		}
		if text, ok := scalar(v); !ok || !same(text, c.Value) {
			s.miss.note(noMatch, "%s has no row where %s is %q", s.place, c.Field, c.Value)
			return
		}
	}
	v, ok := lookUp(row, m.Field)
	if !ok {
		s.lacks(row, m.Field)
		return
	}
	switch text, ok := scalar(v); {
	case ok:
		s.value(text, into)
	case string(v) == "null":
		s.miss.note(noValue, "%s has nothing but null for %q", s.place, m.Field)
	default:
		s.left.note(s.place, s.row, "%s is no number", quoted(string(v)))
	}
}

// lacks notes that a row does not have a field, and which it has.
func (s *search) lacks(row json.RawMessage, field string) {
	if s.miss.near >= noField {
		return
	}
	var object map[string]json.RawMessage
	if json.Unmarshal(row, &object) != nil {
		s.miss.note(noField, "%s has no %q: a row is %s", s.place, field, quoted(string(row)))
		return
	}
	s.miss.note(noField, "%s has no field %q; the first row has %s", s.place, field, listed(slices.Sorted(maps.Keys(object))))
}

// lookUp follows a path such as latency.p99 or jobs.0.iops. A key that has dots
// itself comes first.
func lookUp(data json.RawMessage, path string) (json.RawMessage, bool) {
	head, rest, more := strings.Cut(path, ".")
	switch data[0] {
	case '{':
		var object map[string]json.RawMessage
		if json.Unmarshal(data, &object) != nil {
			return nil, false
		}
		if v, ok := object[path]; ok {
			return v, true
		}
		data = object[head]
	case '[':
		var list []json.RawMessage
		i, err := strconv.Atoi(head)
		if err != nil || json.Unmarshal(data, &list) != nil || i < 0 || i >= len(list) {
			return nil, false
		}
		data = list[i]
	default:
		return nil, false
	}
	if data == nil || !more {
		return data, data != nil
	}
	return lookUp(data, rest)
}

// scalar gives a string, a number, true or false as text.
func scalar(v json.RawMessage) (string, bool) {
	switch v[0] {
	case '{', '[', 'n':
		return "", false
	case '"':
		var s string
		err := json.Unmarshal(v, &s)
		return s, err == nil
	}
	return string(v), true
}
