package publisher

import (
	"downbeat/internal/outcome"
	"downbeat/internal/publisher/conduct"
	"downbeat/internal/results"
)

// measureBeats enters how far apart the starts of each beat were. The run's own figures are
// when the first one was released, and how far apart the starts of the last one were.
func (r *run) measureBeats(rec *results.Record, res *conduct.Result) {
	starts := make([]spread, len(res.Beats))
	beats := make([]results.BeatRecord, len(res.Beats))
	for n, p := range res.Processes {
		began := p.Began()
		if began.IsZero() {
			continue
		}
		starts[p.Beat].add(r.dp.Processes[n].Host, began, -p.Delay())
		beats[p.Beat].ClockErrorUS = max(beats[p.Beat].ClockErrorUS, began.ErrorUS())
	}
	for k, was := range res.Beats {
		b, s := &beats[k], &starts[k]
		b.Beat, b.Groups, b.ReleasedAt = k, was.Groups, s.first
		b.StartSkewUS, b.StartErrorUS = s.width().Microseconds(), s.errorUS()
		if s.first.IsZero() {
			if !was.CutOff {
				b.ReleasedAt = was.At
			}
			continue
		}
		if rec.ReleasedAt.IsZero() || s.first.Before(rec.ReleasedAt) {
			rec.ReleasedAt = s.first
		}
		rec.StartSkewUS, rec.StartErrorUS = b.StartSkewUS, b.StartErrorUS
	}
	if !rec.ReleasedAt.IsZero() {
		rec.Beats = beats
	}
}

// lifeRecords are the records of all lives of a process.
func lifeRecords(p *conduct.Ran) []results.LifeRecord {
	var records []results.LifeRecord
	for n, l := range p.Lives() {
		ran := conduct.Ran{Command: p.Command, PID: l.PID, StartedAt: l.StartedAt, EndedAt: l.EndedAt, Exit: l.Exit, Outcome: l.Outcome, Reason: l.Reason}
		c := commandRecord(&ran)
		records = append(records, results.LifeRecord{
			Life: n, PID: l.PID, Outcome: c.Outcome, Reason: c.Reason, Cause: causeOf(&l), ExitCode: c.ExitCode, Signal: c.Signal,
			StartedAt: c.StartedAt, EndedAt: c.EndedAt, StartedErrorUS: c.StartedErrorUS, EndedErrorUS: c.EndedErrorUS,
			UserUS: c.UserUS, SystemUS: c.SystemUS, MaxRSSBytes: c.MaxRSSBytes,
		})
	}
	return records
}

// causeOf is what ended a life.
func causeOf(l *conduct.Life) results.Cause {
	switch {
	case l.Exit == nil:
		return ""
	case l.Exit.Action != nil && l.Outcome == outcome.CommandStopped:
		return results.CauseAction
	case l.Exit.Stopped || l.Exit.Killed || l.Outcome == outcome.CommandStopped && !l.Exit.Again:
		return results.CauseStop
	}
	return results.CauseItself
}

// addLives has a process's record tell of all its lives.
func addLives(rec *results.ProcessRecord) {
	first := &rec.Lives[0]
	rec.StartedAt, rec.StartedErrorUS = first.StartedAt, first.StartedErrorUS
	rec.UserUS, rec.SystemUS, rec.MaxRSSBytes = 0, 0, 0
	for i := range rec.Lives {
		l := &rec.Lives[i]
		rec.UserUS, rec.SystemUS, rec.MaxRSSBytes = rec.UserUS+l.UserUS, rec.SystemUS+l.SystemUS, max(rec.MaxRSSBytes, l.MaxRSSBytes)
	}
}

// recordCourse enters what was done to the run, and what its processes have told of it.
func (r *run) recordCourse(rec *results.Record, res *conduct.Result) {
	for i := range res.Acts {
		rec.Actions = append(rec.Actions, r.actionRecord(&res.Acts[i]))
	}
	for i := range res.Marks {
		rec.Marks = append(rec.Marks, r.markRecord(&res.Marks[i]))
	}
	for _, b := range res.Barriers {
		rec.Barriers = append(rec.Barriers, results.BarrierRecord{Barrier: b.Name, Count: b.Count, FirstAt: b.FirstAt, LastAt: b.LastAt, OpenedAt: b.OpenedAt})
	}
}

// notReached is why an action was not carried out that nothing was heard of.
const notReached = "the run ended before"

// actionRecord is the record of one action on one process or command.
func (r *run) actionRecord(a *conduct.Act) results.ActionRecord {
	target := r.commands[a.Command]
	rec := results.ActionRecord{
		Action: a.Action.Number, Turn: a.Turn, Do: string(a.Action.Do), Text: a.Action.Text, Optional: a.Action.Optional,
		Target: target.Name, Host: target.Host, Life: a.Life, PlannedAt: a.DueAt, Reason: a.Reason,
	}
	switch {
	case !a.Reported:
		rec.Reason = notReached
	case a.Reason == "" && !a.At.IsZero():
		rec.At, rec.ClockErrorUS = a.At.Time, a.At.ErrorUS()
		rec.LateUS = a.At.Time.Sub(a.DueAt).Microseconds()
	}
	return rec
}

func (r *run) markRecord(m *conduct.Mark) results.MarkRecord {
	return results.MarkRecord{Mark: m.Name, Host: r.hosts[m.Host].name, Process: m.Process, At: m.At.Time, ClockErrorUS: m.At.ErrorUS()}
}
