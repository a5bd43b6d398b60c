package metric

import (
	"errors"
	"fmt"
	"io"
	"io/fs"

	"downbeat/internal/experiment"
)

// read takes the values of one source, and reports whether it had any.
func (s *search) read(name string) bool {
	s.place, s.row, s.known = name, 0, false
	into, before := &s.over, s.over.n
	if s.metric.Lines != "" {
		s.lines = reducer{reduction: s.metric.Lines}
		into, before = &s.lines, 0
	}
	s.left.here = ""
	switch err := s.scan(name, into); {
	case errors.Is(err, fs.ErrNotExist):
		// A stream without output has no file.
		s.note(noLine, "%s is empty", name)
	case err != nil:
		s.left.note(name, 0, "can't be read: %v", bare(err))
		s.here.note(noValue, "%s can't be read: %v", name, bare(err))
		return false
	}
	got := into.n > before
	if s.metric.Inner() == experiment.Count && s.countable() {
		into.looked, got = true, true
	}
	if s.over.reduction == experiment.Count && s.countable() {
		s.over.looked = true
	}
	if into != &s.over && got {
		v, _ := into.result()
		s.over.add(v)
	}
	if !got && s.left.here != "" {
		s.here.note(noValue+1, "%s", s.left.here)
	}
	return got
}

// countable reports whether 0 is a valid count of values: lines that match a pattern can always
// be counted, rows only if there are, or might be, such rows.
func (s *search) countable() bool {
	return s.metric.Pattern != nil || s.known || s.row == 0 && s.metric.Format != experiment.CSV && s.metric.Format != experiment.TSV
}

// note tells why nothing was found, here and over all.
func (s *search) note(near int, format string, args ...any) {
	s.here.note(near, format, args...)
	s.miss.note(near, format, args...)
}

// bare returns an error without the path, which is printed before it anyway.
func bare(err error) error {
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		return pathErr.Err
	}
	return err
}

func (s *search) scan(name string, into *reducer) error {
	f, err := s.run.files.Open(name)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // only read
	return s.stream(f, into)
}

// stream takes the values out of one stream.
func (s *search) stream(r io.Reader, into *reducer) error {
	r = newPlain(r)
	if s.metric.Pattern == nil && s.metric.Format == experiment.JSON {
		whole, rest, err := document(r)
		if err != nil {
			return err
		}
		if rest == nil {
			s.texts(whole, into)
			if s.row == 0 {
				s.note(noLine, "%s is empty", s.place)
			}
			return nil
		}
		r = rest
	}
	read := s.reader(into)
	lines := newLines(r, s.longest())
	for lines.next() {
		text := lines.text
		if s.row == 0 {
			text = trimBOM(text)
		}
		s.row = lines.number
		if lines.tooLong {
			s.left.note(s.place, s.row, "is longer than %d MiB", lines.most>>20)
			continue
		}
		read(text)
	}
	if s.row == 0 && lines.err == nil {
		s.note(noLine, "%s is empty", s.place)
	}
	return lines.err
}

// longest is how long a line may be.
func (s *search) longest() int {
	if s.metric.Pattern == nil && (s.metric.Format == experiment.JSON || s.metric.Format == experiment.JSONL) {
		return maxDocument
	}
	return maxLine
}

// reader gives what reads a stream's lines.
func (s *search) reader(into *reducer) func(line []byte) {
	switch {
	case s.metric.Pattern != nil:
		return func(line []byte) { s.match(line, into) }
	case s.metric.Format == experiment.CSV, s.metric.Format == experiment.TSV:
		t := newTable(s, into)
		return t.line
	}
	return func(line []byte) { s.jsonLine(line, into) }
}

// match takes the value out of a line that the pattern matches.
func (s *search) match(line []byte, into *reducer) {
	at := s.metric.Pattern.FindSubmatchIndex(line)
	switch {
	case at == nil:
		s.note(noMatch, "no line of %s matches %s", s.place, s.metric.Pattern)
	case len(at) < 4:
		into.add(1) // it is counted
	case at[2] >= 0: // the group is part of the match
		s.value(string(line[at[2]:at[3]]), into)
	}
}

// value takes one value, as it is written.
func (s *search) value(text string, into *reducer) {
	if s.metric.Inner() == experiment.Count {
		into.add(1)
		return
	}
	v, what, ok := parse(s.metric.Parse, text)
	if !ok {
		s.left.note(s.place, s.row, "%s is not %s", quoted(text), what)
		return
	}
	into.add(v)
}

// quoted shows a value, or as much of it as fits a line.
func quoted(text string) string {
	const most = 40
	if len(text) > most {
		return fmt.Sprintf("%.*q...", most, text)
	}
	return fmt.Sprintf("%q", text)
}
