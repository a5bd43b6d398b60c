package metric

import (
	"io/fs"

	"downbeat/internal/results"
)

// A Run is what metrics are taken of.
type Run struct {
	files  fs.FS // its directory
	starts map[results.Process]bool
}

// NewRun is the run that has left these files and that the record describes. Only processes that
// were started count; of a record without processes, all do.
func NewRun(files fs.FS, rec *results.Record) *Run {
	r := &Run{files: files, starts: make(map[results.Process]bool, len(rec.Processes))}
	for _, p := range rec.Processes {
		r.starts[results.Process{Host: p.Host, Name: p.Process}] = !p.StartedAt.IsZero()
	}
	return r
}

// started reports whether a process was started; if not, it need not have a value.
func (r *Run) started(host, process string) bool {
	if len(r.starts) == 0 {
		return true
	}
	return r.starts[results.Process{Host: host, Name: process}]
}
