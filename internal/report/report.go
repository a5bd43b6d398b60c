// Package report makes a page and pictures from an experiment's results: report.html, which is
// self-contained, and the same plots as SVG files under figures/. It reads only the results
// directory.
//
// [New] reads nothing yet; [Report.Write] reads the runs that have been completed since, and
// rewrites page and plots. So it can be called after each datapoint while the experiment goes
// on: each run is read only once, and kept compressed as it goes into the page.
//
// page/page.html describes how the parts of the page work together.
package report

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"downbeat/internal/results"
	"downbeat/internal/statistics"
)

// The files of a report, in the directory of the experiment.
const (
	PageFile   = "report.html"
	FiguresDir = "figures"
)

// Options are what the results don't say; the zero value is valid.
type Options struct {
	// Planned is how many datapoints the experiment has, including repetitions; 0 if that isn't
	// known.
	Planned int
	// Goal is what the repetitions of a combination go on for, up to Planned datapoints in all;
	// nil: there is a fixed number of them.
	Goal *statistics.Goal
	// Now is the clock that says when the page was written; nil means [time.Now].
	Now func() time.Time
}

// A Report is the report of one experiment, which may still go on. Its methods must not be
// called concurrently.
type Report struct {
	dir     string
	meta    results.Meta
	options Options

	runs    map[string]*run   // by the name of their directory
	limit   int64             // of output kept of each process, in bytes; 0 until the first run
	figures map[string]string // what was written last, by the name of the file

	summarizer results.Summarizer // of the runs
}

// New starts the report of the experiment in dir, which is its own directory, or the one above
// experiments, which stands for the latest.
func New(dir string, options Options) (*Report, error) {
	dir = results.Locate(dir)
	meta, err := results.ReadMeta(dir)
	if err != nil {
		return nil, err
	}
	if options.Now == nil {
		options.Now = time.Now
	}
	return &Report{dir: dir, meta: meta, options: options, runs: map[string]*run{}, figures: map[string]string{}}, nil
}

// Dir is the directory of the experiment.
func (r *Report) Dir() string { return r.dir }

// Add reads the complete run in a directory of the experiment. Write does that too; Add is for
// doing it earlier.
func (r *Report) Add(runDir string) error {
	name := filepath.Base(runDir)
	if !r.wants(name) {
		return nil
	}
	record, err := results.ReadRecord(filepath.Join(r.dir, name))
	if err != nil {
		return err
	}
	r.settleLimit(1, len(record.Processes))
	r.runs[name], err = newRun(r.dir, name, record, r.limit)
	return err
}

// wants reports whether a run isn't known yet, or was not complete when it was read.
func (r *Report) wants(name string) bool {
	known := r.runs[name]
	return known == nil || !known.complete
}

// Write rewrites page and plots from all runs in the experiment's directory. Each file is
// replaced atomically.
func (r *Report) Write() error {
	if err := r.gather(); err != nil {
		return fmt.Errorf("make the report: %w", err)
	}
	figures, err := r.draw()
	if err != nil {
		return fmt.Errorf("make the report: %w", err)
	}
	if err := r.writeFigures(figures); err != nil {
		return fmt.Errorf("make the report: %w", err)
	}
	if err := r.writePage(figures); err != nil {
		return fmt.Errorf("make the report: %w", err)
	}
	return nil
}

// gather reads the runs that are new.
func (r *Report) gather() error {
	reader, err := results.Open(r.dir)
	if errors.Is(err, results.ErrNoRuns) {
		return nil
	}
	if err != nil {
		return err
	}
	var wanted []string
	for _, dir := range reader.Runs() {
		if name := filepath.Base(dir); r.wants(name) {
			wanted = append(wanted, name)
		}
	}
	found := make([]*run, len(wanted))
	r.settleLimit(len(wanted), r.processesOf(wanted))
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i, name := range wanted {
		group.Go(func() (err error) {
			found[i], err = r.read(name)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for _, run := range found {
		r.runs[run.name] = run
	}
	return nil
}

// read reads a run, complete or not. One that can't be read becomes a row that says so, so that
// the others still get a report.
func (r *Report) read(name string) (*run, error) {
	record, err := results.ReadRecord(filepath.Join(r.dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return incompleteRun(name, "it has no "+results.RecordFile+": it goes on, or was interrupted"), nil
	}
	if err != nil {
		return incompleteRun(name, err.Error()), nil
	}
	return newRun(r.dir, name, record, r.limit)
}

// processesOf is how many processes the first complete one of the runs has.
func (r *Report) processesOf(names []string) int {
	for _, name := range names {
		if record, err := results.ReadRecord(filepath.Join(r.dir, name)); err == nil {
			return len(record.Processes)
		}
	}
	return 1
}

// sorted returns the runs in the order in which they started; incomplete ones come last, by
// name.
func (r *Report) sorted() []*run {
	all := make([]*run, 0, len(r.runs))
	for _, run := range r.runs {
		all = append(all, run)
	}
	slices.SortFunc(all, func(a, b *run) int {
		if a.complete != b.complete {
			return cmp.Compare(rank(a), rank(b))
		}
		return cmp.Or(a.record.EnqueuedAt.Compare(b.record.EnqueuedAt), cmp.Compare(a.name, b.name))
	})
	return all
}

func rank(r *run) int {
	if r.complete {
		return 0
	}
	return 1
}
