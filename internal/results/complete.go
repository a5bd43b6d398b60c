package results

import "downbeat/internal/outcome"

// A CompleteRun is a run that has its record.
type CompleteRun struct {
	Record
	Directory  string // its name, in that of the experiment
	Superseded bool   // a later run of the same datapoint counts instead
}

// Counts reports whether the run's numbers count.
func (r *CompleteRun) Counts() bool { return !r.Superseded && r.Outcome == outcome.RunSucceeded }

// CompleteRuns are the complete runs of the experiment in dir, in the order in which they ended.
func CompleteRuns(dir string) ([]CompleteRun, error) {
	found, err := readRecords(Locate(dir))
	if err != nil {
		return nil, err
	}
	records := make([]Record, len(found))
	for i := range found {
		records[i] = found[i].Record
	}
	runs := make([]CompleteRun, len(found))
	for i, superseded := range Supersede(records) {
		runs[i] = CompleteRun{records[i], found[i].directory, superseded}
	}
	return runs, nil
}
