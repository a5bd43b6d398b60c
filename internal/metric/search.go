package metric

import (
	"fmt"
	"io/fs"
	"path"
	"slices"

	"github.com/bmatcuk/doublestar/v4"

	"downbeat/internal/experiment"
	"downbeat/internal/results"
)

// A search is the work on one metric of one run.
type search struct {
	run    *Run
	metric *experiment.Metric
	over   reducer // of all values, or of the values of the sources
	lines  reducer // of one source's values, where there are two steps
	times  *timing // nil: the metric doesn't depend on when its values were read
	never  string  // why it can't have a value

	spared           []string // groups that need not have a file
	values, expected int      // processes or files
	lacking          []string

	readings map[string]readings // of samples, by host
	whose    string              // which process, or host, the value is of, where it is one's

	miss miss // of all sources
	left left

	source *experiment.Source // the process or files that are being read
	stamps *stamped           // of a stream that is read as a whole

	place string // the file that is being read
	row   int    // its line, from 1
	here  miss   // of this file
	known bool   // it has what is looked for, though perhaps not in any row
}

func newSearch(run *Run, m *experiment.Metric) *search {
	s := &search{run: run, metric: m}
	s.times, s.never = newTiming(run, m)
	s.over = newReducer(m.Processes, s.times.seconds())
	return s
}

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

// owing is how many files, or processes with values, a source should have.
func (s *search) owing(source *experiment.Source) int {
	if source.File == "" {
		if source.Process == "" || s.run.started(source.Host, source.Process) {
			return 1
		}
		return 0
	}
	if len(source.Named) == 0 {
		return 1
	}
	n := 0
	for _, process := range source.Named {
		if s.run.started(source.Host, process) {
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
	below, err := fs.Sub(s.run.files, dir)
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
func (s *search) output(source *experiment.Source) {
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
