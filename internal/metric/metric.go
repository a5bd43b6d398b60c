// Package metric takes numbers out of what a run left on the disk, and judges
// the run by them: [Judge] fills in a record's metrics, and fails a run that
// does not meet what the experiment requires.
//
// Files and outputs are read as streams, so that they may be of any size; only
// medians and percentiles keep all values, of eight bytes each. What can't be
// understood in them is left out, counted and told, and never an error.
package metric

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"path"
	"slices"

	"github.com/bmatcuk/doublestar/v4"

	"downbeat/internal/experiment"
	"downbeat/internal/results"
)

// Take takes a metric out of a run's directory. It is NaN if nothing was
// found; note then says why, and else what was left out, if anything was.
func Take(run fs.FS, m *experiment.Metric) (value float64, note string) {
	s := &search{run: run, metric: m, over: reducer{reduction: m.Processes}}
	s.open = func(name string) (io.ReadCloser, error) { return run.Open(name) }
	for _, source := range m.Sources {
		if source.File != "" {
			s.files(source)
		} else {
			s.output(source)
		}
	}
	return s.result()
}

// result is what the values that were found come to.
func (s *search) result() (value float64, note string) {
	v, ok := s.over.result()
	if !ok {
		return math.NaN(), s.why()
	}
	if v *= s.metric.Scale; math.IsInf(v, 0) || math.IsNaN(v) {
		return math.NaN(), "the result is too large for a number"
	}
	return v, s.left.String()
}

// A search is the work on one metric of one run.
type search struct {
	run    fs.FS
	open   func(name string) (io.ReadCloser, error)
	metric *experiment.Metric
	over   reducer // of all values, or of what each source came to
	lines  reducer // of one source's values, where there are two steps

	miss miss
	left left

	place string // the file that is being read
	row   int    // its line, or the number of its row, from 1
}

// filesDir holds what was collected from a host, below the host's directory.
const filesDir = "files"

// files reads the files of a host that match the source's pattern.
func (s *search) files(source experiment.Source) {
	dir := path.Join(source.Host, filesDir)
	below, err := fs.Sub(s.run, dir)
	if err != nil {
		s.miss.note(noSource, "%s: %v", dir, err)
		return
	}
	names, err := doublestar.Glob(below, source.File, doublestar.WithFilesOnly())
	if err != nil {
		s.miss.note(noSource, "%s: %v", source.File, err)
		return
	}
	if len(names) == 0 {
		s.miss.note(noSource, "no file collected from %s matches %q", source.Host, source.File)
	}
	slices.Sort(names)
	for _, name := range names {
		s.read(path.Join(dir, name))
	}
}

// output reads what a process wrote to one of its streams.
func (s *search) output(source experiment.Source) {
	s.read(results.OutputPath(source.Host, source.Process, source.Stderr))
}

// read takes the values of one source.
func (s *search) read(name string) {
	s.place, s.row = name, 0
	into := &s.over
	if s.metric.Lines != "" {
		s.lines = reducer{reduction: s.metric.Lines}
		into = &s.lines
	}
	switch err := s.scan(name, into); {
	case errors.Is(err, fs.ErrNotExist):
		// A stream to which nothing was written has no file.
		s.miss.note(noLine, "%s is empty", name)
	case err != nil:
		s.left.note(name, 0, "can't be read: %v", bare(err))
		return
	}
	if s.metric.Pattern != nil {
		into.looked = true
	}
	if into != &s.over {
		if v, ok := into.result(); ok {
			s.over.add(v)
		}
	}
}

// bare gives an error without the path, which stands before it anyhow.
func bare(err error) error {
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		return pathErr.Err
	}
	return err
}

func (s *search) scan(name string, into *reducer) error {
	f, err := s.open(name)
	if err != nil {
		return err
	}
	defer f.Close()
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
				s.miss.note(noLine, "%s is empty", s.place)
			}
			return nil
		}
		r = rest
	}
	read := s.reader(into)
	lines := newLines(r)
	for lines.next() {
		text := lines.text
		if s.row == 0 {
			text = trimBOM(text)
		}
		s.row = lines.number
		if lines.tooLong {
			s.left.note(s.place, s.row, "is longer than %d MiB", maxLine>>20)
			continue
		}
		read(text)
	}
	if s.row == 0 && lines.err == nil {
		s.miss.note(noLine, "%s is empty", s.place)
	}
	return lines.err
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
		s.miss.note(noMatch, "no line of %s matches %s", s.place, s.metric.Pattern)
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
	v, ok := number(text)
	if !ok {
		s.left.note(s.place, s.row, "%s is no number", quoted(text))
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
