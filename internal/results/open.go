package results

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"downbeat/internal/streams"
)

// A Reader reads what runs wrote, complete or not.
type Reader struct {
	dir  string
	runs []string // directories, in order
}

// A Filter selects lines. Host and Process are patterns as in [path.Match] ("server.*"); an
// empty one matches everything.
type Filter struct {
	Host    string
	Process string
}

// A Line is one line of output.
type Line struct {
	Run     string // name of the run's directory
	Host    string
	Process string
	Stream  streams.Stream
	// Time is when the worker read the end of the line, on the publisher's clock. It is zero
	// for lines of an interrupted run without a known time.
	Time time.Time
	// Text is without the newline, and valid until the next line is asked for.
	Text []byte
	// NoNewline says that the stream ended without a newline.
	NoNewline bool
}

// ErrNoRuns is the error of Open for a directory without runs.
var ErrNoRuns = errors.New("no runs")

// Open opens the directory of an experiment, of one of its runs, or the one
// above experiments, which stands for the latest in it.
func Open(dir string) (*Reader, error) {
	info, err := os.Stat(dir)
	if err != nil {
		return nil, fmt.Errorf("open results: %w", err)
	}
	if !info.IsDir() {
		return nil, fmt.Errorf("open results: %s is a file; name the directory of an experiment or of a run", dir)
	}
	if exists(filepath.Join(dir, LatestLink, ExperimentFile)) {
		dir = filepath.Join(dir, LatestLink)
	}
	if isRun(dir) {
		return &Reader{dir: dir, runs: []string{dir}}, nil
	}
	runs, err := findRuns(dir)
	if err != nil {
		return nil, fmt.Errorf("open results: %w", err)
	}
	if len(runs) == 0 {
		return nil, fmt.Errorf("open results: %w in %s; name the directory of an experiment (results/NAME/latest) or of a run in it", ErrNoRuns, dir)
	}
	return &Reader{dir: dir, runs: runs}, nil
}

// Runs are the directories of the runs, in the order of their names.
func (r *Reader) Runs() []string { return slices.Clone(r.runs) }

// findRuns lists the directories of runs in an experiment's.
func findRuns(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var runs []string
	for _, e := range entries {
		if path := filepath.Join(dir, e.Name()); e.IsDir() && isRun(path) {
			runs = append(runs, path)
		}
	}
	slices.SortFunc(runs, compareNatural)
	return runs, nil
}

// isRun reports whether dir looks like a run's: it has a record or, if the run was interrupted,
// a host with output.
func isRun(dir string) bool {
	if exists(filepath.Join(dir, RecordFile)) {
		return true
	}
	if exists(filepath.Join(dir, ExperimentFile)) {
		return false
	}
	hosts, err := os.ReadDir(dir)
	if err != nil {
		return false
	}
	return slices.ContainsFunc(hosts, func(h fs.DirEntry) bool {
		files, _ := os.ReadDir(filepath.Join(dir, h.Name()))
		return slices.ContainsFunc(files, func(f fs.DirEntry) bool { return filepath.Ext(f.Name()) == ".out" })
	})
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// A source is one stream that has bytes on disk.
type source struct {
	Process
	stream streams.Stream
	path   string // of the bytes, seen from the run's directory
	size   int64
	rank   int // of the process, for lines of the same time
}

// findSources lists the streams of a run, in the order of hosts and processes.
func findSources(root *os.Root) ([]source, error) {
	hosts, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return nil, err
	}
	var found []source
	for _, h := range hosts {
		if !h.IsDir() {
			continue
		}
		files, err := fs.ReadDir(root.FS(), h.Name())
		if err != nil {
			return nil, err
		}
		for _, f := range files {
			s, ok, err := newSource(h.Name(), f)
			if err != nil {
				return nil, err
			}
			if ok {
				found = append(found, s)
			}
		}
	}
	slices.SortStableFunc(found, func(a, b source) int {
		if c := compareNatural(a.Host, b.Host); c != 0 {
			return c
		}
		return compareNatural(a.Name, b.Name)
	})
	for i := range found {
		found[i].rank = i
		if i > 0 && found[i].Process == found[i-1].Process {
			found[i].rank = found[i-1].rank
		}
	}
	return found, nil
}

// newSource makes a source of a file that is a stream.
func newSource(host string, f fs.DirEntry) (source, bool, error) {
	ext := filepath.Ext(f.Name())
	if f.IsDir() || ext != ".out" && ext != ".err" {
		return source{}, false, nil
	}
	info, err := f.Info()
	if errors.Is(err, fs.ErrNotExist) {
		return source{}, false, nil
	}
	if err != nil {
		return source{}, false, err
	}
	p := Process{Host: host, Name: strings.TrimSuffix(f.Name(), ext)}
	stream := streams.Stdout
	if ext == ".err" {
		stream = streams.Stderr
	}
	return source{Process: p, stream: stream, path: host + "/" + f.Name(), size: info.Size()}, true, nil
}

func compareNatural(a, b string) int {
	switch {
	case naturalLess(a, b):
		return -1
	case naturalLess(b, a):
		return 1
	}
	return 0
}
