package results

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"
)

// Reopen opens the directory of an experiment to add runs to it. It returns the experiment's
// Meta and the records of its complete runs, in the order in which they ended. Interrupted runs
// stay as they are. The tables are rewritten from the records.
func Reopen(dir string) (*Experiment, Meta, []Record, error) {
	dir = Locate(dir)
	meta, err := ReadMeta(dir)
	if err != nil {
		return nil, Meta{}, nil, err
	}
	e := &Experiment{dir: dir, tables: newTables(dir)}
	if err := e.acquire(); err != nil {
		return nil, Meta{}, nil, err
	}
	records, err := e.retabulate()
	if err != nil {
		e.Close()
		return nil, Meta{}, nil, err
	}
	return e, meta, records, nil
}

// Locate is the directory of the experiment that dir stands for: dir itself, or the latest one
// below it. Links are resolved, because latest may change meanwhile.
func Locate(dir string) string {
	if exists(filepath.Join(dir, LatestLink, ExperimentFile)) {
		dir = filepath.Join(dir, LatestLink)
	}
	if resolved, err := filepath.EvalSymlinks(dir); err == nil {
		return resolved
	}
	return dir
}

// ReadMeta returns the Meta of the experiment in dir; about its file, what [Experiment.Use] was
// told last.
func ReadMeta(dir string) (Meta, error) {
	d, err := readDocument(dir)
	if err != nil {
		return Meta{}, err
	}
	meta, err := d.meta()
	if err != nil {
		return Meta{}, fmt.Errorf("read experiment: %s: %w", filepath.Join(dir, ExperimentFile), err)
	}
	if n := len(d.Sources); n > 1 {
		last := d.Sources[n-1]
		meta.File, meta.Format, meta.Path, meta.Directory = last.File, last.Format, last.Path, last.Directory
		if meta.Source, err = last.read(dir); err != nil {
			return Meta{}, err
		}
	}
	return meta, nil
}

// readDocument reads experiment.json.
func readDocument(dir string) (*document, error) {
	path := filepath.Join(dir, ExperimentFile)
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s is not an experiment: it has no %s; name a directory such as results/NAME/latest", dir, ExperimentFile)
	}
	if err != nil {
		return nil, fmt.Errorf("read experiment: %w", err)
	}
	var d document
	if err := json.Unmarshal(data, &d); err != nil {
		return nil, fmt.Errorf("read experiment: %s: %w", path, err)
	}
	return &d, nil
}

// meta is what the document says about the first version of the file.
func (d *document) meta() (Meta, error) {
	source := []byte(d.Source)
	if d.SourceBase64 != "" {
		var err error
		if source, err = base64.StdEncoding.DecodeString(d.SourceBase64); err != nil {
			return Meta{}, fmt.Errorf("source_base64: %w", err)
		}
	}
	return Meta{
		Name: d.Name, Time: d.CreatedAt, File: d.File, Format: d.Format, Source: source, Version: d.Versions.Downbeat,
		Path: d.Path, Directory: d.Directory,
	}, nil
}

// A foundRecord is a record and the name of the directory it is in.
type foundRecord struct {
	Record
	directory string
}

// readRecords reads the records of the complete runs of an experiment, in the order in which they
// ended.
func readRecords(dir string) ([]foundRecord, error) {
	runs, err := findRuns(dir)
	if err != nil {
		return nil, fmt.Errorf("read experiment: %w", err)
	}
	var all []foundRecord
	for _, dir := range runs {
		rec, err := ReadRecord(dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		all = append(all, foundRecord{rec, filepath.Base(dir)})
	}
	slices.SortStableFunc(all, func(a, b foundRecord) int { return a.EndedAt.Compare(b.EndedAt) })
	return all, nil
}

// retabulate rewrites the tables: a program that was killed between writing a run's rows and
// its record has left rows without a run.
func (e *Experiment) retabulate() ([]Record, error) {
	all, err := readRecords(e.dir)
	if err != nil {
		return nil, err
	}
	records := make([]Record, len(all))
	for i, f := range all {
		records[i] = f.Record
	}
	for _, name := range []string{DatapointsFile, ProcessesFile, SummaryFile} {
		if err := os.Remove(filepath.Join(e.dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("rewrite the tables: %w", err)
		}
	}
	for i, superseded := range Supersede(records) {
		err := e.enter(tabled{brief(records[i]), place{all[i].directory, superseded}}, records[i])
		if err != nil {
			return nil, advise(fmt.Errorf("rewrite the tables: %w", err))
		}
	}
	if len(records) > 0 {
		if err := e.writeSummary(); err != nil {
			return nil, advise(fmt.Errorf("rewrite the tables: %w", err))
		}
	}
	return records, nil
}

// ErrInUse is the error of Reopen while another program adds to the experiment.
var ErrInUse = errors.New("another publish is running this experiment")

// acquire keeps other programs from adding runs until Close, or the end of this program. On
// network file systems without locks it has no effect.
func (e *Experiment) acquire() error {
	d, err := os.Open(e.dir)
	if err != nil {
		return fmt.Errorf("open the experiment: %w", err)
	}
	if err := unix.Flock(int(d.Fd()), unix.LOCK_EX|unix.LOCK_NB); errors.Is(err, unix.EWOULDBLOCK) {
		return errors.Join(fmt.Errorf("%s: %w", e.dir, ErrInUse), d.Close())
	}
	e.lock = d
	return nil
}

// Close lets other programs add runs. The experiment must not be used any more.
func (e *Experiment) Close() {
	if e.lock != nil {
		_ = e.lock.Close() // only read
		e.lock = nil
	}
}
