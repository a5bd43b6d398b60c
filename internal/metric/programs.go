package metric

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"downbeat/internal/experiment"
	"downbeat/internal/program"
	"downbeat/internal/results"
)

// Programs say how the programs are run that judge runs.
type Programs struct {
	// Run runs one.
	Run func(ctx context.Context, c program.Command) program.Result
	// Environ is what they inherit.
	Environ []string
	// Begins, unless it is nil, is told of each before it is run, from several goroutines.
	Begins func(p *experiment.Program)
}

// The variables that tell a program of the run that it judges.
const (
	runVariable       = "DOWNBEAT_RUN"
	directoryVariable = "DOWNBEAT_RUN_DIRECTORY"
	recordVariable    = "DOWNBEAT_RUN_RECORD"
)

// A programRun is a program that is needed for a judgement, and what came of it.
type programRun struct {
	program *experiment.Program
	result  program.Result
}

// programRuns are those of one judgement. Each command is among them once.
type programRuns []programRun

// need adds a program, unless its command is there already. Of two times the longer one holds.
func (r *programRuns) need(p *experiment.Program) {
	i := slices.IndexFunc(*r, func(other programRun) bool { return other.program.Same(p) })
	switch {
	case i < 0:
		*r = append(*r, programRun{program: p})
	case p.Timeout > (*r)[i].program.Timeout:
		(*r)[i].program = p
	}
}

// of is what came of a program.
func (r programRuns) of(p *experiment.Program) program.Result {
	return r[slices.IndexFunc(r, func(other programRun) bool { return other.program.Same(p) })].result
}

// fail gives all the same result.
func (r programRuns) fail(err error) {
	for i := range r {
		r[i].result = program.Result{Err: err, Undecided: true}
	}
}

var (
	errNoPrograms = errors.New("can't be run here")
	errNoDir      = errors.New("can't be run: the run's directory is not known")
)

// runAll runs the programs, for the run in a directory.
func (r programRuns) runAll(ctx context.Context, by *Programs, dir string, rec *results.Record) {
	if len(r) == 0 {
		return
	}
	if by == nil {
		r.fail(errNoPrograms)
		return
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		r.fail(errNoDir)
		return
	}
	record, err := writeRecord(rec)
	if err != nil {
		r.fail(fmt.Errorf("can't be run: %w", err))
		return
	}
	defer func() { _ = os.Remove(record) }() // it is among temporary files
	env := slices.DeleteFunc(slices.Clone(by.Environ), func(entry string) bool { return strings.HasPrefix(entry, "PWD=") })
	env = append(env, runVariable+"="+rec.Run, directoryVariable+"="+dir, recordVariable+"="+record)
	var running errgroup.Group
	running.SetLimit(runtime.GOMAXPROCS(0)) // the next run waits for this
	for i := range r {
		running.Go(func() error {
			p := r[i].program
			if by.Begins != nil {
				by.Begins(p)
			}
			r[i].result = by.Run(ctx, program.Command{
				Argv: append(slices.Clone(p.Argv), dir), Dir: p.Dir, Env: append(slices.Clone(env), "PWD="+p.Dir), Timeout: p.Timeout,
			})
			return nil
		})
	}
	_ = running.Wait() // errors are in the results
}

// writeRecord writes what run.json will be, without a judgement, for programs to read.
func writeRecord(rec *results.Record) (path string, err error) {
	unjudged := *rec
	unjudged.Metrics, unjudged.MetricsOf, unjudged.MetricNotes, unjudged.Units, unjudged.Judged = nil, nil, nil, nil, nil
	data, err := json.MarshalIndent(unjudged.Normal(), "", " ")
	if err != nil {
		return "", fmt.Errorf("write the run's record: %w", err)
	}
	f, err := os.CreateTemp("", "downbeat-record-*.json")
	if err != nil {
		return "", fmt.Errorf("write the run's record: %w", err)
	}
	_, err = f.Write(append(data, '\n'))
	if err = errors.Join(err, f.Close()); err != nil {
		return "", errors.Join(fmt.Errorf("write the run's record: %w", err), os.Remove(f.Name()))
	}
	return f.Name(), nil
}
