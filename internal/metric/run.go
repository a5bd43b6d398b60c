package metric

import (
	"io/fs"

	"downbeat/internal/results"
)

// A Run is what metrics are taken of.
type Run struct {
	files  fs.FS // its directory
	record *results.Record
	starts map[results.Process]bool
}

// NewRun is the run that has left these files and that the record describes. Only processes that
// were started count; of a record without processes, all do.
func NewRun(files fs.FS, rec *results.Record) *Run {
	r := &Run{files: files, record: rec, starts: make(map[results.Process]bool, len(rec.Processes))}
	for _, p := range rec.Processes {
		r.starts[results.Process{Host: p.Host, Name: p.Process}] = !p.StartedAt.IsZero()
	}
	return r
}

// host is what the record has of a host.
func (r *Run) host(name string) results.HostRecord {
	for _, h := range r.record.Hosts {
		if h.Host == name {
			return h
		}
	}
	return results.HostRecord{}
}

// started reports whether a process was started; if not, it need not have a value.
func (r *Run) started(host, process string) bool {
	if len(r.starts) == 0 {
		return true
	}
	return r.starts[results.Process{Host: host, Name: process}]
}
