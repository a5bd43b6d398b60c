package report

import (
	"maps"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"downbeat/internal/facts"
	"downbeat/internal/outcome"
	"downbeat/internal/results"
	"downbeat/internal/streams"
)

// A run is what the report keeps of a run: the record without its long lists, and the two blobs
// that the page reads on demand.
type run struct {
	name     string // of its directory
	complete bool
	record   results.Record
	metrics  map[string]float64 // those that found something
	stopped  bool               // there is a stop skew: see [results.Record.Stopped]
	facts    facts.Run          // of its hosts and programs
	words    string             // the last words of the process that made it fail

	detail blob // hosts and processes, see detail
	logs   blob // what the processes wrote, see runLog
	usage  blob // what was sampled, see usage; empty: nothing was
	// largest is the smallest limit that logs are within, in bytes.
	largest int64
	cut     bool // not all of the output is in logs
}

// incompleteRun is a run without a record.
func incompleteRun(name, why string) *run {
	return &run{name: name, record: results.Record{Reason: why}}
}

// newRun reads what the processes of a run wrote, up to limit bytes of each.
func newRun(dir, name string, record results.Record, limit int64) (*run, error) {
	r := &run{name: name, complete: true, record: record, metrics: finite(record.Metrics), stopped: record.Stopped(), facts: results.FactsOf(&record, name)}
	if !r.succeeded() {
		r.words = lastWords(filepath.Join(dir, name), record)
	}
	d, logs := newDetail(record), runLog{}
	d.readSeries(filepath.Join(dir, name), &record)
	for _, list := range [][]processDetail{d.Processes, d.Steps} {
		for i := range list {
			p := &list[i]
			ticks, failed := newTicker(d), endedBadly(outcome.Command(p.Outcome))
			excerpt, err := results.ReadExcerpt(filepath.Join(dir, name), results.Process{Host: p.Host, Name: p.Process}, limit*factor(failed), ticks.add)
			if err != nil {
				return nil, err
			}
			p.Out, p.Err = ticks.deltas(streams.Stdout), ticks.deltas(streams.Stderr)
			logs = append(logs, newProcessLog(excerpt, d.base, failed))
		}
	}
	r.largest, r.cut = logs.largest(), logs.cut()
	var err error
	if u := readUsage(filepath.Join(dir, name), &record, d); u != nil {
		if r.usage, err = pack(u); err != nil {
			return nil, err
		}
	}
	if r.detail, err = pack(d); err != nil {
		return nil, err
	}
	if r.logs, err = pack(logs); err != nil {
		return nil, err
	}
	r.record.Hosts, r.record.Processes, r.record.Actions, r.record.Marks, r.record.Barriers = nil, nil, nil, nil, nil
	return r, nil
}

// lastWords are those of the process that the reason names or, if it names none, of the one
// that failed first; empty if it wrote nothing.
func lastWords(dir string, record results.Record) string {
	var cause *results.ProcessRecord
	first := len(record.Reason) // where the reason names it
	for i := range record.Processes {
		p := &record.Processes[i]
		if !endedBadly(p.Outcome) {
			continue
		}
		switch at := named(record.Reason, p); {
		case at < first, cause == nil || at == first && p.EndedAt.Before(cause.EndedAt):
			cause, first = p, at
		}
	}
	if cause == nil {
		return ""
	}
	words, err := results.LastWords(dir, cause.Host, cause.Process)
	if err != nil || len(words) == 0 {
		return ""
	}
	return cause.Host + "/" + cause.Process + ": " + string(words)
}

// named is where a reason names a process, and its length where it doesn't.
func named(reason string, p *results.ProcessRecord) int {
	first := len(reason)
	for _, name := range []string{p.Process + " on " + p.Host, p.Host + "/" + p.Process} {
		if at := strings.Index(reason+" ", name+" "); at >= 0 {
			first = min(first, at)
		}
	}
	return first
}

// finite drops what a metric did not find.
func finite(metrics map[string]float64) map[string]float64 {
	found := maps.Clone(metrics)
	maps.DeleteFunc(found, func(_ string, v float64) bool { return math.IsNaN(v) || math.IsInf(v, 0) })
	return found
}

// succeeded reports whether the run counts in statistics.
func (r *run) succeeded() bool { return r.complete && r.record.Outcome == outcome.RunSucceeded }

// outcome is the word for how it ended.
func (r *run) outcome() string {
	if !r.complete {
		return incomplete
	}
	return string(r.record.Outcome)
}

// incomplete is the word, beside the outcomes, for a run without a record.
const incomplete = "incomplete"

// took is how long its processes ran, and 0 where nothing was started.
func (r *run) took() time.Duration {
	if r.record.ReleasedAt.IsZero() {
		return 0
	}
	return r.record.EndedAt.Sub(r.record.ReleasedAt)
}

// supersede finds the runs that a later one of the same datapoint has replaced; see
// [results.Supersede]. Incomplete runs neither replace others nor are replaced.
func supersede(sorted []*run) map[*run]bool {
	var complete []*run
	var records []results.Record
	for _, r := range sorted {
		if r.complete {
			complete, records = append(complete, r), append(records, r.record)
		}
	}
	superseded := map[*run]bool{}
	for i, is := range results.Supersede(records) {
		if is {
			superseded[complete[i]] = true
		}
	}
	return superseded
}

// counted returns the runs for statistics: those that succeeded and were not replaced by a
// later one (measured again after the file was changed).
func counted(sorted []*run) []*run {
	superseded := supersede(sorted)
	return slices.DeleteFunc(slices.Clone(sorted), func(r *run) bool { return !r.succeeded() || superseded[r] })
}
