package results

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"downbeat/internal/streams"
)

// A Process names a process of a run.
type Process struct {
	Host string
	Name string
}

// A Run is the directory of one run while it is being written. Its methods must not be called
// concurrently; different runs are independent. The first error of a file is final: every later
// Output, Flush and Finish returns it again, so that a run with a gap never becomes complete.
type Run struct {
	experiment *Experiment
	dir        string
	attempt    int
	root       *os.Root
	files      *files
	named      []Process
	processes  []processFiles
	created    bool                   // CreateFiles was called
	collected  map[string]*Collection // by host
	sampled    map[string]*file       // by host; nil: no samples have come
	err        error
	closed     bool
}

// processFiles are the three files of a process.
type processFiles struct {
	out, err, times *file
	enc             timesEncoder
}

// errRunClosed: Output, Flush or Finish after Finish or Abandon.
var errRunClosed = errors.New("run is closed already")

// NewRun makes the directory of one run, with its files; see [Experiment.ReserveRun]
// and [Run.CreateFiles].
func (e *Experiment) NewRun(label string, processes []Process) (*Run, error) {
	r, err := e.ReserveRun(label, processes)
	if err != nil {
		return nil, err
	}
	if err := r.CreateFiles(); err != nil {
		return nil, errors.Join(err, r.Discard())
	}
	return r, nil
}

// ReserveRun makes the directory of one run: label (such as "0001" or "0001-clients=4") or,
// where there is a run of that datapoint already, "0001.attempt2" and so on: see [Run.Attempt].
// It has no files yet: creating them takes time on a remote file system, during which the run
// can already be prepared.
func (e *Experiment) ReserveRun(label string, processes []Process) (*Run, error) {
	if err := checkProcesses(processes); err != nil {
		return nil, fmt.Errorf("create run in %s: %w", e.dir, err)
	}
	dir, attempt, err := e.reserve(sanitize(label, "run", maxLabel))
	if err != nil {
		return nil, advise(fmt.Errorf("create run in %s: %w", e.dir, err))
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, advise(fmt.Errorf("create run: %w", err))
	}
	r := &Run{experiment: e, dir: dir, attempt: attempt, root: root, files: newFiles(root), named: processes}
	for _, p := range processes {
		r.processes = append(r.processes, processFiles{
			out:   r.files.add(outPath(p.Host, p.Name)),
			err:   r.files.add(errPath(p.Host, p.Name)),
			times: r.files.add(TimesPath(p.Host, p.Name)),
		})
	}
	return r, nil
}

// CreateFiles makes an empty .out for each process, so that scripts find the file even if
// nothing is printed; .err and .times are created with their first byte. It must be called
// before the first Output; a second call does nothing.
func (r *Run) CreateFiles() error {
	if r.created || r.err != nil {
		return r.err
	}
	r.created = true
	if err := r.createOutputs(); err != nil {
		r.err = advise(fmt.Errorf("create run in %s: %w", r.dir, err))
	}
	return r.err
}

// Dir is the run's directory.
func (r *Run) Dir() string { return r.dir }

// checkProcesses refuses names that can't be parts of a path, and two hosts or
// processes that would share a file.
func checkProcesses(processes []Process) error {
	seen := make(map[Process]bool, len(processes))
	for _, p := range processes {
		if err := checkElement("host", p.Host); err != nil {
			return err
		}
		if err := checkElement("process", p.Name); err != nil {
			return err
		}
		if p.Host == RecordFile {
			return fmt.Errorf("%q can't be the name of a host: a file of the results has that name", p.Host)
		}
		if seen[p] {
			return fmt.Errorf("process %s occurs twice on host %s", p.Name, p.Host)
		}
		seen[p] = true
	}
	return nil
}

func (r *Run) createOutputs() error {
	made := map[string]bool{}
	for i, p := range r.named {
		if !made[p.Host] {
			if err := r.root.Mkdir(p.Host, 0o777); err != nil && !errors.Is(err, os.ErrExist) {
				return err
			}
			made[p.Host] = true
		}
		out := r.processes[i].out.path
		f, err := r.root.OpenFile(out, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o666)
		if errors.Is(err, os.ErrExist) {
			return fmt.Errorf("%s exists already: this file system ignores case", out)
		}
		if err != nil {
			return err
		}
		if err := f.Close(); err != nil {
			return err
		}
	}
	return nil
}

// Output appends the data of one read from a stream of a process (an index into the processes
// given to [Experiment.NewRun]). at is the time of the read on the publisher's clock, and
// becomes the time of all lines that end in data. data is not kept after the call. Bytes are
// buffered, in bounded memory, until Flush or until there are enough of them; so an error may
// be about an earlier call.
func (r *Run) Output(process int, stream streams.Stream, at time.Time, data []byte) error {
	if err := r.usable(); err != nil {
		return err
	}
	if process < 0 || process >= len(r.processes) {
		return fmt.Errorf("output for process %d of %d in %s", process, len(r.processes), r.dir)
	}
	if len(data) == 0 {
		return nil
	}
	p := &r.processes[process]
	f := p.out
	if stream == streams.Stderr {
		f = p.err
	}
	r.err = r.write(p, f, at, stream, data)
	return r.err
}

// write puts bytes and their time into the buffers. A file's times must never be on disk before
// its bytes, so when the times' buffer is full, the bytes are written first.
func (r *Run) write(p *processFiles, f *file, at time.Time, stream streams.Stream, data []byte) error {
	if err := r.files.append(f, data); err != nil {
		return err
	}
	p.times.buf = p.enc.append(p.times.buf, segment{stream: stream, at: at.UnixNano(), size: int64(len(data))})
	if r.files.account(p.times) >= writeSize {
		return r.flushProcess(p)
	}
	if r.files.buffered > maxBuffered {
		return r.flushAll()
	}
	return nil
}

// Flush returns once everything given to Output is in the files, where it survives the end of
// this process.
func (r *Run) Flush() error {
	if err := r.usable(); err != nil {
		return err
	}
	r.err = r.flushAll()
	return r.err
}

func (r *Run) flushAll() error {
	for _, f := range r.sampled {
		if err := r.files.flush(f); err != nil {
			return err
		}
	}
	for i := range r.processes {
		if err := r.flushProcess(&r.processes[i]); err != nil {
			return err
		}
	}
	return nil
}

func (r *Run) flushProcess(p *processFiles) error {
	for _, f := range []*file{p.out, p.err, p.times} {
		if err := r.files.flush(f); err != nil {
			return err
		}
	}
	return nil
}

// Finish flushes and closes the files, adds the run to the experiment's tables, and then writes
// run.json atomically. After an error the run is closed and stays incomplete.
func (r *Run) Finish(rec Record) error {
	err := r.usable()
	if err == nil {
		err = r.flushAll()
	}
	if cerr := r.close(); err == nil {
		err = cerr
	}
	if err != nil {
		return fmt.Errorf("finish %s: %w", r.dir, err)
	}
	rec = rec.Normal()
	data, err := marshal(rec, " ")
	if err != nil {
		return fmt.Errorf("finish %s: %s: %w", r.dir, RecordFile, err)
	}
	if err := r.experiment.tabulate(rec, filepath.Base(r.dir)); err != nil {
		return advise(fmt.Errorf("finish %s: %w", r.dir, err))
	}
	if err := writeAtomically(r.dir, RecordFile, data); err != nil {
		return advise(fmt.Errorf("finish %s: %w", r.dir, err))
	}
	return nil
}

// Abandon flushes and closes the files of a run that will not be completed. After Finish it
// does nothing, so it can be deferred.
func (r *Run) Abandon() error {
	if r.closed {
		return nil
	}
	err := r.err
	if err == nil {
		err = r.flushAll()
	}
	if cerr := r.close(); err == nil {
		err = cerr
	}
	if err != nil {
		return fmt.Errorf("abandon %s: %w", r.dir, err)
	}
	return nil
}

// Discard closes the files of a run that did not take place, and removes its directory.
func (r *Run) Discard() error {
	err := r.close()
	if rerr := os.RemoveAll(r.dir); err == nil {
		err = rerr
	}
	if err != nil {
		return fmt.Errorf("discard %s: %w", r.dir, err)
	}
	return nil
}

func (r *Run) usable() error {
	if r.closed {
		return fmt.Errorf("%s: %w", r.dir, errRunClosed)
	}
	return r.err
}

func (r *Run) close() error {
	if r.closed {
		return nil
	}
	r.closed = true
	for _, c := range r.collected {
		c.close()
	}
	err := r.files.close()
	if cerr := r.root.Close(); err == nil {
		err = cerr
	}
	return err
}
