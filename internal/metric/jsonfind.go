package metric

import (
	"bytes"

	"github.com/tidwall/gjson"
)

// texts takes the values of the JSON texts in data: either data is one JSON text, or such texts
// are among other lines, each starting at the beginning of a line.
func (s *search) texts(data []byte, into *reducer) {
	text := trimBOM(data)
	f := &finder{search: s, into: into, text: jsonText{data: text}, skipped: len(data) - len(text), line: 1, broken: -1}
	data = text
	if whole, ok := oneText(data); ok {
		f.document(whole, f.text.blank(0), len(bytes.TrimRight(data, " \t\r\n")))
		return
	}
	for i := 0; i < len(data); {
		i = f.next(i)
	}
}

// A finder finds texts of JSON among other lines.
type finder struct {
	search *search
	into   *reducer
	text   jsonText

	skipped int // bytes before the text
	line    int // at counted
	counted int
	// broken is the indentation of a text that broke off: lines that are indented further
	// belong to it. It is -1 if there is none.
	broken int
}

// next looks at what begins at or behind i, and gives where to go on.
func (f *finder) next(i int) int {
	data := f.text.data
	begin := f.text.blank(i)
	if begin == len(data) {
		return begin
	}
	f.search.row = f.lineAt(begin)
	indent := len(data[:begin]) - len(bytes.TrimRight(data[:begin], " \t"))
	switch {
	case f.broken >= 0 && indent > f.broken:
		return f.nextLine(begin)
	case data[begin] != '{' && data[begin] != '[':
		f.noise()
		return f.nextLine(begin)
	}
	f.text.odd = f.text.odd[:0]
	end, ok := f.text.value(begin, 0)
	switch {
	case ok && (data[begin] == '{' || f.hasRows(begin)):
		f.broken = -1
		f.document(f.text.strict(begin, end), begin, end)
		return end
	case ok, data[begin] == '[' && end < f.nextLine(begin):
		f.noise() // such as [1/2]
		return f.nextLine(begin)
	}
	f.broken = indent
	f.search.left.note(f.search.place, f.search.row, "begins a text of JSON that is broken at line %d", f.lineIn(end))
	return max(f.nextLine(begin), f.lineStart(end))
}

// noise notes a line that is not JSON, which the output of a process may have.
func (f *finder) noise() {
	if s := f.search; s.isOutput() {
		s.note(noLine, "no line of %s is an object of JSON", s.place)
	} else {
		s.left.note(s.place, s.row, "is not JSON")
	}
}

// hasRows reports whether the list that begins there has an object or a list in it.
func (f *finder) hasRows(begin int) bool {
	first := f.text.blank(begin + 1)
	return f.text.data[first] == '{' || f.text.data[first] == '['
}

// document takes the values of one text: of its rows, if it is a list. It was read when its end
// was.
func (f *finder) document(text []byte, begin, end int) {
	s := f.search
	if s.stamps != nil {
		s.stamps.restore(f.skipped + end - 1)
	}
	s.row = f.lineAt(begin)
	value := gjson.ParseBytes(text)
	if !value.IsArray() {
		s.jsonRow(value, f.into)
		return
	}
	s.known = s.known || !value.Get("0").Exists() // none of what there might have been
	counted := 0
	value.ForEach(func(_, row gjson.Result) bool {
		if row.Index > counted {
			s.row += bytes.Count(text[counted:row.Index], []byte("\n"))
			counted = row.Index
		}
		s.jsonRow(row, f.into)
		return true
	})
}

// lineAt gives the number of the line at i, which is never before the last one
// that was asked for.
func (f *finder) lineAt(i int) int {
	f.line = f.lineIn(i)
	f.counted = i
	return f.line
}

func (f *finder) lineIn(i int) int {
	return f.line + bytes.Count(f.text.data[f.counted:i], []byte("\n"))
}

func (f *finder) nextLine(i int) int {
	if n := bytes.IndexAny(f.text.data[i:], "\r\n"); n >= 0 {
		return i + n + 1
	}
	return len(f.text.data)
}

func (f *finder) lineStart(i int) int {
	return 1 + bytes.LastIndexAny(f.text.data[:i], "\r\n")
}
