package metric

import (
	"bytes"
	"encoding/json"
	"strings"
)

// maxDepth is how deep lists and objects of JSON may be nested.
const maxDepth = 1000

// A jsonText finds the end of a JSON text, and the values in it that are not JSON although
// programs write them: NaN and the infinities.
type jsonText struct {
	data []byte
	odd  []span // NaN and the like, in order
}

type span struct{ begin, end int }

// value finds the end of the value that begins at i, or where it stops being one.
func (j *jsonText) value(i, depth int) (end int, ok bool) {
	i = j.blank(i)
	switch {
	case i >= len(j.data), depth > maxDepth:
		return i, false
	case j.data[i] == '{':
		return j.items(i, '}', depth, j.member)
	case j.data[i] == '[':
		return j.items(i, ']', depth, j.value)
	case j.data[i] == '"':
		return j.str(i)
	}
	return j.word(i)
}

// items finds the end of an object or a list.
func (j *jsonText) items(i int, closing byte, depth int, item func(i, depth int) (int, bool)) (end int, ok bool) {
	if i = j.blank(i + 1); i < len(j.data) && j.data[i] == closing {
		return i + 1, true
	}
	for {
		if i, ok = item(i, depth+1); !ok {
			return i, false
		}
		switch i = j.blank(i); {
		case i >= len(j.data):
			return i, false
		case j.data[i] == closing:
			return i + 1, true
		case j.data[i] != ',':
			return i, false
		}
		i++
	}
}

// member finds the end of a key and its value.
func (j *jsonText) member(i, depth int) (end int, ok bool) {
	if i = j.blank(i); i >= len(j.data) || j.data[i] != '"' {
		return i, false
	}
	if i, ok = j.str(i); !ok {
		return i, false
	}
	if i = j.blank(i); i >= len(j.data) || j.data[i] != ':' {
		return i, false
	}
	return j.value(i+1, depth)
}

func (j *jsonText) blank(i int) int {
	for i < len(j.data) && isBlank(j.data[i]) {
		i++
	}
	return i
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

// str finds the end of a string.
func (j *jsonText) str(i int) (end int, ok bool) {
	for k := i + 1; k < len(j.data); k++ {
		switch c := j.data[k]; {
		case c < ' ':
			return k, false
		case c == '\\':
			k++
		case c == '"':
			return k + 1, json.Valid(j.data[i : k+1])
		}
	}
	return len(j.data), false
}

// word finds the end of a number, true, false, null, or of what is not a number.
func (j *jsonText) word(i int) (end int, ok bool) {
	end = i
	for end < len(j.data) && !isBlank(j.data[end]) && bytes.IndexByte([]byte(`,]}{[":`), j.data[end]) < 0 {
		end++
	}
	word := j.data[i:end]
	switch {
	case json.Valid(word):
		return end, true
	case notFinite(string(word)):
		j.odd = append(j.odd, span{i, end})
		return end, true
	}
	return i, false
}

// notFinite reports whether a word is one of the forms of NaN or infinity that programs write:
// NaN,
// -nan, Infinity, inf, 1.#INF, -nan(ind).
func notFinite(word string) bool {
	word = strings.ToLower(strings.TrimLeft(word, "+-"))
	switch word {
	case "nan", "inf", "infinity":
		return true
	}
	return strings.HasPrefix(word, "nan(") && strings.HasSuffix(word, ")") || strings.HasPrefix(word, "1.#")
}

// strict returns the text from begin to end as JSON, with NaN and the infinities as strings.
func (j *jsonText) strict(begin, end int) []byte {
	if len(j.odd) == 0 {
		return j.data[begin:end]
	}
	var text []byte
	for _, s := range j.odd {
		text = append(append(text, j.data[begin:s.begin]...), '"')
		text = append(append(text, j.data[s.begin:s.end]...), '"')
		begin = s.end
	}
	return append(text, j.data[begin:end]...)
}

// oneText gives a text that is JSON and nothing else.
func oneText(data []byte) ([]byte, bool) {
	j := jsonText{data: data}
	begin := j.blank(0)
	end, ok := j.value(begin, 0)
	if !ok || j.blank(end) < len(data) {
		return nil, false
	}
	return j.strict(begin, end), true
}
