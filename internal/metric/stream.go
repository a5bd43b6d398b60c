package metric

import (
	"errors"
	"fmt"
	"io"
	"io/fs"

	"downbeat/internal/experiment"
	"downbeat/internal/results"
)

// read takes the values of one source, and reports whether it had any.
func (s *search) read(name string) bool {
	s.place, s.row, s.known = name, 0, false
	into, before := &s.over, s.over.n
	if s.metric.Lines != "" {
		s.lines = newReducer(s.metric.Lines, s.times.seconds())
		into, before = &s.lines, 0
	}
	s.left.here = ""
	if s.times != nil {
		s.times.begin(s.run, s.source)
	}
	switch err := s.scan(name, into); {
	case errors.Is(err, fs.ErrNotExist):
		// A stream without output has no file.
		s.note(noLine, "%s is empty", name)
	case err != nil:
		s.left.note(name, 0, "can't be read: %v", bare(err))
		s.here.note(noValue, "%s can't be read: %v", name, bare(err))
		return false
	}
	got, countable := into.n > before, s.metric.Inner().Counts() && s.countable()
	if countable {
		into.looked, got = true, true
	}
	if s.over.reduction.Counts() && s.countable() {
		s.over.looked = true
	}
	if s.times != nil {
		s.endTimes(countable)
	}
	if into != &s.over && got {
		v, _ := into.result()
		s.over.add(v)
	}
	if !got && s.left.here != "" {
		s.here.note(leftOut, "%s", s.left.here)
	}
	return got
}

// countable reports whether 0 is a valid count of values: lines that match a pattern can always
// be counted, rows only if there are, or might be, such rows.
func (s *search) countable() bool {
	switch s.metric.Format {
	case experiment.CSV, experiment.TSV, experiment.HDR:
		return s.metric.Pattern != nil || s.known
	case experiment.JSON, experiment.JSONL:
	}
	return s.metric.Pattern != nil || s.known || s.row == 0
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

// scan takes the values out of one file.
func (s *search) scan(name string, into *reducer) error {
	if s.metric.Pattern == nil && s.metric.Format == experiment.JSON {
		err := s.open(name, func(r io.Reader) error { return s.whole(r, into) })
		if !errors.Is(err, errTooLarge) {
			return err
		}
	}
	return s.open(name, func(r io.Reader) error { return s.byLines(r, into) })
}

// open has a file read, as plain text, and together with its times if they matter.
func (s *search) open(name string, read func(r io.Reader) error) error {
	f, err := s.run.files.Open(name)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // only read
	if s.times == nil || s.source.File != "" {
		return read(newPlain(f))
	}
	timed, done, err := s.times.dated(s.run, s.source, f)
	if err != nil {
		return err
	}
	defer done()
	return read(newPlain(timed))
}

// endTimes tells the timing that a process's stream is over.
func (s *search) endTimes(countable bool) {
	if n := s.times.outside; n > 0 {
		s.note(noTime, "%s has nothing in %s, but %s before or after it", s.place, s.times.period.name, values(n))
	}
	if s.times.bins != nil {
		s.times.bins.end(s.columnName(), countable)
	}
}

// columnName is what the source that is being read is called in a series.
func (s *search) columnName() string {
	if s.source.File != "" {
		return s.place
	}
	return s.source.Host + "/" + s.source.Process
}

// whole takes the values out of a stream of JSON texts in any layout.
func (s *search) whole(r io.Reader, into *reducer) error {
	if s.times != nil {
		s.stamps = &stamped{r: r, timing: s.times}
		r = s.stamps
	}
	data, err := document(r)
	if err != nil {
		return err
	}
	s.texts(data, into)
	if s.row == 0 {
		s.note(noLine, "%s is empty", s.place)
	}
	return nil
}

// byLines takes the values out of a stream line by line.
func (s *search) byLines(r io.Reader, into *reducer) error {
	read := s.reader(into)
	lines := newLines(r, s.longest())
	for lines.next() {
		text := lines.text
		if s.row == 0 {
			text = trimBOM(text)
		}
		s.row = lines.number
		if s.times != nil && s.times.reader != nil {
			s.times.stamp()
		}
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
	case s.metric.Format == experiment.HDR:
		l := &histogramLog{search: s, into: into}
		return l.line
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
		s.add(1, into) // it is counted
	case at[2] >= 0: // the group is part of the match
		s.value(string(line[at[2]:at[3]]), into)
	}
}

// value takes one value, as it is written.
func (s *search) value(text string, into *reducer) {
	if s.metric.Inner().Counts() {
		s.add(1, into)
		return
	}
	v, what, ok := parse(s.metric.Parse, text)
	if !ok {
		s.left.note(s.place, s.row, "%s is not %s", quoted(text), what)
		return
	}
	s.add(v, into)
}

// add adds a value of what was read last, if it counts.
func (s *search) add(v float64, into *reducer) { s.addReading(reading{value: v}, into) }

// addReading adds what was read last, if it counts.
func (s *search) addReading(r reading, into *reducer) {
	switch t := s.times; {
	case t == nil, t.counts(r):
		r.into(into)
	case !t.known:
		s.left.note(s.place, s.row, "has no time: %s", results.TimesPath(s.source.Host, s.source.Process)+" ends before it")
	}
}

// quoted shows a value, or as much of it as fits a line.
func quoted(text string) string {
	const most = 40
	if len(text) > most {
		return fmt.Sprintf("%.*q...", most, text)
	}
	return fmt.Sprintf("%q", text)
}
