package metric

import (
	"context"
	"fmt"
	"io/fs"
	"path"
	"time"

	"github.com/bmatcuk/doublestar/v4"

	"downbeat/internal/experiment"
	"downbeat/internal/outcome"
	"downbeat/internal/results"
)

// Anew judges existing runs by what a file says now.
type Anew struct {
	File *experiment.File
	// Source is the hash of the file.
	Source string
	Now    time.Time
	// Programs are for those that judge runs.
	Programs *Programs
}

// Due reports whether Judge would judge a run again.
func (a *Anew) Due(rec *results.Record) bool {
	by, _ := a.judges(rec) // even metrics with errors have a definition
	return outdated(rec, definition(&by))
}

// Judge judges the run in a directory again, from the stored results, if it was judged by
// something else than what the file says now; it reports whether it did. A metric with the same
// definition is kept. One that can't be taken any more has no value, and a note that says why.
func (a *Anew) Judge(ctx context.Context, dir string, rec *results.Record) bool {
	by, err := a.judges(rec)
	if !outdated(rec, definition(&by)) {
		return false
	}
	before := results.Verdict{Outcome: rec.Outcome, Reason: rec.Reason}
	rec.Outcome, rec.Reason = own(rec)
	j := judging{programs: a.Programs, dir: dir, by: &by, rec: rec, unfit: err}
	j.judge(ctx, again(rec, err)).write(dir, rec)
	rec.Judged.AnewAt, rec.Judged.Source = a.Now, a.Source
	if after := (results.Verdict{Outcome: rec.Outcome, Reason: rec.Reason}); after != before {
		rec.Judged.Before = &before
	}
	return true
}

// judges are what a run is judged by. Where a program is not there any more, what it has said of
// the run still holds.
func (a *Anew) judges(rec *results.Record) (experiment.Measures, error) {
	by, err := a.File.Judges(past(rec))
	keepUnknown(&by, rec)
	return by, err
}

// keepUnknown gives metrics and requirements whose programs are not there the definition by which
// the run was judged, if only the programs are unknown.
func keepUnknown(by *experiment.Measures, rec *results.Record) {
	for i := range by.Metrics {
		m := &by.Metrics[i]
		for name, of := range rec.MetricsOf {
			if m.Program != nil && (name == m.Name || m.Gives(name)) && experiment.SameDefinition(of.Definition, m.Definition) {
				m.Definition = of.Definition
			}
		}
	}
	for i := range by.Require {
		r := &by.Require[i]
		if rec.Judged == nil || r.Program == nil {
			continue
		}
		for _, c := range rec.Judged.Checks {
			if c.Name == r.Name && experiment.SameDefinition(c.Definition, r.Definition) {
				r.Definition = c.Definition
			}
		}
	}
}

// outdated reports whether a run was judged by another definition. An old record without one
// counts as outdated, unless there is nothing to judge by, now and then.
func outdated(rec *results.Record, definition string) bool {
	if rec.Judged == nil {
		return len(rec.Metrics) > 0 || definition != nothing
	}
	return rec.Judged.Definition != definition
}

// nothing is the definition of a file without metrics and requirements.
var nothing = definition(&experiment.Measures{})

// own is how a run ended before it was judged. In an old record, without that, a run has failed
// only by the judgement if all of its hosts have succeeded.
func own(rec *results.Record) (outcome.Run, string) {
	judged := rec.Judged != nil && len(rec.Judged.Unmet) > 0
	if rec.Judged == nil && rec.Outcome == outcome.RunFailed {
		judged = len(rec.Hosts) > 0
		for _, h := range rec.Hosts {
			judged = judged && h.Outcome == outcome.HostSucceeded
		}
	}
	if judged {
		return outcome.RunSucceeded, ""
	}
	return rec.Outcome, rec.Reason
}

// past is what the record tells of the run.
func past(rec *results.Record) experiment.Past {
	p := experiment.Past{Run: rec.Run, Datapoint: rec.Datapoint, Repetition: rec.Repetition, Attempt: rec.Attempt, Parameters: rec.Parameters}
	for _, r := range rec.Processes {
		p.Processes = append(p.Processes, experiment.PastProcess{Host: r.Host, Name: r.Process, Group: r.Group, Index: r.Index, Rank: r.Rank})
	}
	return p
}

// lost says which of a metric's sources is gone or incomplete although the run had left it;
// empty if all are there.
func lost(run fs.FS, m *experiment.Metric, rec *results.Record) string {
	if m.Sample != "" { // they may never have been taken, and that is said when they are read
		return ""
	}
	for _, s := range m.Sources {
		if s.File != "" {
			if gone := lostFile(run, s, rec); gone != "" {
				return gone
			}
			continue
		}
		for _, p := range rec.Processes {
			_, size := p.Of(s.Stream)
			if p.Host == s.Host && p.Process == s.Process {
				if gone := missing(run, results.OutputPath(s.Host, s.Process, s.Stream), size); gone != "" {
					return gone
				}
				if gone := missing(run, results.TimesPath(s.Host, s.Process), min(size, 1)); gone != "" && m.Timed() {
					return gone
				}
			}
		}
	}
	return ""
}

// lostFile looks for the files that were collected and that the source is about.
func lostFile(run fs.FS, s experiment.Source, rec *results.Record) string {
	for _, h := range rec.Hosts {
		if h.Host != s.Host {
			continue
		}
		for _, f := range h.Collected {
			if ok, err := doublestar.Match(s.File, f.Path); err != nil || !ok {
				continue
			}
			if gone := missing(run, path.Join(h.Host, filesDir, f.Path), f.Bytes); gone != "" {
				return gone
			}
		}
	}
	return ""
}

// missing says that a file is gone or too short; empty if it isn't.
func missing(run fs.FS, name string, size uint64) string {
	if size == 0 {
		return ""
	}
	info, err := fs.Stat(run, name)
	switch {
	case err != nil:
		return fmt.Sprintf("can't be taken again: %s is gone", name)
	case uint64(info.Size()) < size: // a file's size is never negative
		return fmt.Sprintf("can't be taken again: %s has %d of %d bytes", name, info.Size(), size)
	}
	return ""
}
