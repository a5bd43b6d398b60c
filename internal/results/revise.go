package results

import (
	"errors"
	"fmt"
	"io/fs"
)

// Revise calls change for the record of each complete run, in the order of their directories'
// names, and rewrites the records that it reports as changed, each atomically. Then it rewrites
// the tables, and returns the records as [Reopen] does. If an error or the end of the program
// interrupts it, another Revise completes the work.
func (e *Experiment) Revise(change func(dir string, rec *Record) (bool, error)) ([]Record, error) {
	runs, err := findRuns(e.dir)
	if err != nil {
		return nil, fmt.Errorf("read experiment: %w", err)
	}
	for _, dir := range runs {
		if err := revise(dir, change); err != nil {
			return nil, err
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.tables, e.tabled = newTables(e.dir), nil
	return e.retabulate()
}

func revise(dir string, change func(dir string, rec *Record) (bool, error)) error {
	rec, err := ReadRecord(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // it was interrupted
	}
	if err != nil {
		return err
	}
	changed, err := change(dir, &rec)
	if err != nil || !changed {
		return err
	}
	data, err := marshal(rec.Normal(), " ")
	if err != nil {
		return fmt.Errorf("rewrite the record of %s: %w", dir, err)
	}
	if err := writeAtomically(dir, RecordFile, data); err != nil {
		return advise(fmt.Errorf("rewrite the record of %s: %w", dir, err))
	}
	return nil
}
