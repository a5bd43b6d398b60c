package results

import (
	"container/heap"
	"errors"
	"fmt"
	"iter"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Logs yields the lines that pass the filter: run after run, within a run in the order of time,
// and those of one stream in the order in which they were written. Memory is bounded by the
// number of streams and the longest line.
//
// An error doesn't end the sequence: it comes, with an empty Line, after all readable lines of
// its run, and says what is missing or damaged, or that nothing matched.
func (r *Reader) Logs(f Filter) iter.Seq2[Line, error] {
	return func(yield func(Line, error) bool) {
		if err := f.check(); err != nil {
			yield(Line{}, err)
			return
		}
		matched, seen := false, []Process{}
		for _, dir := range r.runs {
			m, err := openMerge(dir, f)
			if err != nil {
				if !yield(Line{}, fmt.Errorf("read logs: %w", err)) {
					return
				}
				continue
			}
			matched = matched || m.matched
			seen = append(seen, m.rejected...)
			goOn := m.each(yield)
			_ = m.root.Close() // only read
			if !goOn {
				return
			}
		}
		if !matched && len(seen) > 0 {
			yield(Line{}, f.nothing(seen))
		}
	}
}

// check reports a malformed pattern.
func (f Filter) check() error {
	for _, pattern := range []string{f.Host, f.Process} {
		if _, err := path.Match(pattern, ""); err != nil {
			return fmt.Errorf("read logs: pattern %q: %w", pattern, err)
		}
	}
	return nil
}

func (f Filter) takes(p Process) bool {
	host, _ := path.Match(f.Host, p.Host)
	process, _ := path.Match(f.Process, p.Name)
	return (host || f.Host == "") && (process || f.Process == "")
}

// nothing is the error for a filter that matched none of the processes.
func (f Filter) nothing(seen []Process) error {
	var names []string
	listed := map[Process]bool{}
	for _, p := range seen {
		if listed[p] {
			continue
		}
		if listed[p] = true; len(listed) > 12 {
			names = append(names, "...")
			break
		}
		names = append(names, p.Host+"/"+p.Name)
	}
	var asked []string
	if f.Host != "" {
		asked = append(asked, fmt.Sprintf("host %q", f.Host))
	}
	if f.Process != "" {
		asked = append(asked, fmt.Sprintf("process %q", f.Process))
	}
	return fmt.Errorf("read logs: no %s; there are %s", strings.Join(asked, ", "), strings.Join(names, " "))
}

// A merge reads one run: a heap of streams by the time of their next line.
type merge struct {
	root     *os.Root
	run      string
	streams  []*stream
	long     []byte // see stream.long
	problems []error
	matched  bool
	rejected []Process
}

func openMerge(dir string, f Filter) (*merge, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	m := &merge{root: root, run: RunName(dir)}
	if err := m.open(f); err != nil {
		_ = root.Close()
		return nil, err
	}
	return m, nil
}

func (m *merge) open(f Filter) error {
	whole, err := complete(m.root)
	if err != nil {
		return err
	}
	sources, err := findSources(m.root)
	if err != nil {
		return err
	}
	for _, s := range sources {
		if !f.takes(s.Process) {
			m.rejected = append(m.rejected, s.Process)
			continue
		}
		m.matched = true
		m.start(newStream(m.root, s, whole, &m.long))
	}
	heap.Init(m)
	if whole {
		m.compare(sources, f)
	}
	return nil
}

// start adds a stream if it has a line.
func (m *merge) start(s *stream) {
	if s.next() {
		m.streams = append(m.streams, s)
	} else if s.problem != nil {
		m.blame(s.problem)
	}
}

// blame notes a problem, but only once: both streams of a process share its times.
func (m *merge) blame(err error) {
	if !slices.ContainsFunc(m.problems, func(p error) bool { return p.Error() == err.Error() }) {
		m.problems = append(m.problems, err)
	}
}

// compare reports streams that are shorter than the record says.
func (m *merge) compare(sources []source, f Filter) {
	rec, err := ReadRecord(m.root.Name())
	if err != nil {
		m.blame(err)
		return
	}
	sizes := map[string]int64{}
	for _, s := range sources {
		sizes[s.path] = s.size
	}
	for _, p := range rec.Processes {
		if !f.takes(Process{p.Host, p.Process}) {
			continue
		}
		m.compareSize(outPath(p.Host, p.Process), sizes, p.StdoutBytes)
		m.compareSize(errPath(p.Host, p.Process), sizes, p.StderrBytes)
	}
	for path, size := range stepSizes(rec, f) {
		m.compareSize(path, sizes, size)
	}
}

// stepSizes are the bytes that setups and teardowns wrote, by path. A command that was run
// again has appended to the same files.
func stepSizes(rec Record, f Filter) map[string]uint64 {
	all := map[string]uint64{}
	for _, h := range rec.Hosts {
		for _, s := range slices.Concat(h.Setup, h.Teardown) {
			if f.takes(Process{h.Host, s.Name}) {
				all[outPath(h.Host, s.Name)] += s.StdoutBytes
				all[errPath(h.Host, s.Name)] += s.StderrBytes
			}
		}
	}
	return all
}

func (m *merge) compareSize(path string, sizes map[string]int64, recorded uint64) {
	if has := sizes[path]; uint64(has) < recorded {
		m.blame(fmt.Errorf("%s: %d of the %d bytes in %s are missing",
			filepath.Join(m.root.Name(), path), recorded-uint64(has), recorded, RecordFile))
	}
}

// each yields every line, and then the problems; it returns false if the caller wants no more.
func (m *merge) each(yield func(Line, error) bool) bool {
	for len(m.streams) > 0 {
		s := m.streams[0]
		line, err := s.line(m.run)
		if err != nil {
			s.blame(err)
		} else if !yield(line, nil) {
			return false
		}
		if err == nil && s.next() {
			heap.Fix(m, 0)
			continue
		}
		if s.problem != nil {
			m.blame(s.problem)
		}
		heap.Pop(m)
	}
	if len(m.problems) == 0 {
		return true
	}
	return yield(Line{}, fmt.Errorf("read logs of %s: %w", m.run, errors.Join(m.problems...)))
}

// RunName is the name of a run's directory, even if the path is ".".
func RunName(dir string) string {
	if abs, err := filepath.Abs(dir); err == nil {
		dir = abs
	}
	return filepath.Base(dir)
}

// The heap: by time, then process, then the order in which the publisher got it.

func (m *merge) Len() int      { return len(m.streams) }
func (m *merge) Swap(i, j int) { m.streams[i], m.streams[j] = m.streams[j], m.streams[i] }
func (m *merge) Push(x any)    { m.streams = append(m.streams, x.(*stream)) }

func (m *merge) Pop() any {
	last := len(m.streams) - 1
	s := m.streams[last]
	m.streams = m.streams[:last]
	return s
}

func (m *merge) Less(i, j int) bool {
	a, b := m.streams[i], m.streams[j]
	switch {
	case a.timed != b.timed:
		return b.timed // streams without times come first
	case a.at != b.at:
		return a.at < b.at
	case a.rank != b.rank:
		return a.rank < b.rank
	case a.entry != b.entry:
		return a.entry < b.entry
	}
	return a.stream < b.stream
}
