// Package metric takes numbers out of what a run left on the disk, and judges the run by them:
// [Judge] fills in a record's metrics, and fails a run that does not meet what the experiment
// requires. Files and outputs are read as streams, so they may be of any size; only medians and
// percentiles keep all values, of eight bytes each. Malformed parts are left out, counted and
// reported, and are never an error.
package metric

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"path"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"

	"downbeat/internal/experiment"
	"downbeat/internal/results"
)

// Take takes a metric out of a run's directory. Only processes that were started
// count; without started, all do.
func Take(run fs.FS, m *experiment.Metric, started func(host, process string) bool) Finding {
	s := &search{run: run, metric: m, over: reducer{reduction: m.Processes}, started: started}
	s.open = func(name string) (io.ReadCloser, error) { return run.Open(name) }
	s.spare()
	for _, source := range m.Sources {
		if source.File != "" {
			s.files(&source)
		} else if s.runs(source.Host, source.Process) {
			s.output(source)
		}
	}
	return s.result()
}

// A Finding is the value of a metric in a run.
type Finding struct {
	// Value is NaN if nothing was found.
	Value float64
	// Note says why nothing was found or, otherwise, what was left out, if anything.
	Note string
	// Values says on how many processes, or files, the value is based, and Expected how many
	// there should be.
	Values, Expected int
	// Lacking says which have no value, and why: a phrase for each of the first few.
	Lacking []string
	// Lost says that its sources are not in the results any more.
	Lost bool
}

// result reduces the values that were found.
func (s *search) result() Finding {
	f := Finding{Value: math.NaN(), Values: s.values, Expected: s.expected, Lacking: s.lacking}
	v, ok := s.over.result()
	switch v *= s.metric.Scale; {
	case !ok:
		f.Note = s.why()
	case math.IsInf(v, 0) || math.IsNaN(v):
		f.Note = "the result is too large for a number"
	default:
		f.Value, f.Note = v, s.left.String()
	}
	if len(s.spared) > 0 {
		f.Note = strings.TrimPrefix(f.Note+"; none is expected of "+listed(s.spared)+", which left no such file anywhere", "; ")
	}
	return f
}

// A search is the work on one metric of one run.
type search struct {
	run     fs.FS
	open    func(name string) (io.ReadCloser, error)
	started func(host, process string) bool
	metric  *experiment.Metric
	over    reducer // of all values, or of the values of the sources
	lines   reducer // of one source's values, where there are two steps

	spared           []string // groups that need not have a file
	values, expected int      // processes or files
	lacking          []string

	miss miss // of all sources
	left left

	place string // the file that is being read
	row   int    // its line, from 1
	here  miss   // of this file
	known bool   // it has what is looked for, though perhaps not in any row
}

// runs reports whether a process was started; if not, it need not have a value.
func (s *search) runs(host, process string) bool { return s.started == nil || s.started(host, process) }

// filesDir holds what was collected from a host, below the host's directory.
const filesDir = "files"

// spare finds the groups that need not have a file: if the metric does not say which processes
// its files belong to, those are the groups without one, if another group has one.
func (s *search) spare() {
	var left, none []string
	for i := range s.metric.Sources {
		source := &s.metric.Sources[i]
		if len(source.Groups) == 0 || s.owing(source) == 0 {
			continue
		}
		if len(s.collected(source)) > 0 {
			left = append(left, source.Groups...)
		} else {
			none = append(none, source.Groups...)
		}
	}
	s.miss = miss{}
	none = slices.DeleteFunc(none, func(group string) bool { return len(left) == 0 || slices.Contains(left, group) })
	slices.Sort(none)
	s.spared = slices.Compact(none)
}

// owing is how many files a source should have.
func (s *search) owing(source *experiment.Source) int {
	if len(source.Named) == 0 {
		return 1
	}
	n := 0
	for _, process := range source.Named {
		if s.runs(source.Host, process) {
			n++
		}
	}
	if !source.Wild() || len(source.Groups) > 0 {
		return min(n, 1) // they share it, or it is not known which one it belongs to
	}
	return n
}

// files reads the files of a host that match the source's pattern.
func (s *search) files(source *experiment.Source) {
	named := s.owing(source)
	isSpared := func(group string) bool { return slices.Contains(s.spared, group) }
	if named == 0 || len(source.Groups) > 0 && !slices.ContainsFunc(source.Groups, func(group string) bool { return !isSpared(group) }) {
		return
	}
	names := s.collected(source)
	there := 0
	for _, name := range names {
		s.here = miss{}
		got := s.read(name)
		if got || s.here.near != noField || !source.Wild() {
			there++
			s.count(got)
		} // otherwise it is a file of another kind
	}
	if there >= named {
		return
	}
	s.expected += named - there
	if !source.Wild() || there == 0 {
		s.lack(s.here.text)
		return
	}
	s.lack(fmt.Sprintf("%d processes on %s left %s like %q", named, source.Host, files(there), source.File))
}

func files(n int) string {
	if n == 1 {
		return "1 file"
	}
	return fmt.Sprintf("%d files", n)
}

// collected lists the files that were collected for a source.
func (s *search) collected(source *experiment.Source) []string {
	s.here = miss{}
	dir := path.Join(source.Host, filesDir)
	below, err := fs.Sub(s.run, dir)
	if err != nil {
		s.note(noSource, "%s: %v", dir, err)
		return nil
	}
	names, err := doublestar.Glob(below, source.File, doublestar.WithFilesOnly())
	if err != nil {
		s.note(noSource, "%s: %v", source.File, err)
		return nil
	}
	if len(names) == 0 {
		s.note(noSource, "no file collected from %s matches %q", source.Host, source.File)
	}
	slices.Sort(names)
	for i := range names {
		names[i] = path.Join(dir, names[i])
	}
	return names
}

// output reads what a process wrote to one of its streams.
func (s *search) output(source experiment.Source) {
	s.here = miss{}
	s.count(s.read(results.OutputPath(source.Host, source.Process, source.Stream)))
}

// count counts a process or file, with or without a value.
func (s *search) count(got bool) {
	s.expected++
	if got {
		s.values++
	} else {
		s.lack(s.here.text)
	}
}

// mostLacking is for how many processes or files a reason is given why they have no value.
const mostLacking = 3

// lack notes why a process or file has no value.
func (s *search) lack(why string) {
	if len(s.lacking) < mostLacking {
		s.lacking = append(s.lacking, why)
	}
}

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
				s.note(noLine, "%s is empty", s.place)
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
		s.note(noLine, "%s is empty", s.place)
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
	v, ok := number(text)
	if !ok {
		s.left.note(s.place, s.row, "%s is not a number", quoted(text))
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
