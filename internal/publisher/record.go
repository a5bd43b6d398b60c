package publisher

import (
	"downbeat/internal/clock"
	"downbeat/internal/publisher/conduct"
	"downbeat/internal/results"
)

// record makes the record of a run that is over.
func (r *run) record() results.Record {
	res := r.conduct.Result()
	rec := results.Record{
		Run: r.dp.Run, Experiment: r.dp.Name, Datapoint: r.dp.Index, Repetition: max(r.dp.Repetition, 1), Attempt: max(r.spec.Attempt, 1),
		Definition: r.spec.Definition, Source: r.spec.Source, Git: r.spec.Git, Picked: r.dp.Picked, Outcome: res.Outcome, Reason: res.Reason,
		EnqueuedAt: res.EnqueuedAt, EndedAt: r.clock.Now(),
	}
	for _, v := range r.dp.Parameters {
		if rec.Parameters == nil {
			rec.Parameters = make(map[string]any, len(r.dp.Parameters))
		}
		rec.Parameters[v.Name] = v.Value
	}
	for n := range res.Processes {
		rec.Processes = append(rec.Processes, r.processRecord(n, &res.Processes[n]))
	}
	for i := range res.Hosts {
		hr := r.hostRecord(i, &res)
		rec.ClockErrorUS = max(rec.ClockErrorUS, hr.ClockErrorUS)
		rec.Hosts = append(rec.Hosts, hr)
		r.recordFacts(i, res.Hosts[i].Facts, &rec)
	}
	r.measure(&rec, &res)
	r.recordCourse(&rec, &res)
	if !rec.ReleasedAt.IsZero() {
		rec.Unmatched = r.unmatched(res.Hosts, rec.Hosts)
	}
	return rec
}

// processRecord is the record of a process as far as is known.
func (r *run) processRecord(n int, p *conduct.Ran) results.ProcessRecord {
	rec := results.ProcessRecord{
		Host: r.dp.Processes[n].Host, Process: p.Name, Group: p.Group, Index: p.Index, Rank: p.Rank, DelayUS: p.Delay().Microseconds(),
		PID: p.PID, Beat: p.Beat, ReadyAt: p.ReadyAt.Time, ReadyErrorUS: p.ReadyAt.ErrorUS(), CommandRecord: commandRecord(p),
	}
	if len(p.Earlier) > 0 {
		rec.Lives = lifeRecords(p)
		addLives(&rec)
	}
	return rec
}

// stepRecord is the record of a command of a setup or teardown that has ended.
func stepRecord(p *conduct.Ran) results.StepRecord {
	return results.StepRecord{Name: p.Name, Swept: p.Exit.Swept, CommandRecord: commandRecord(p)}
}

// commandRecord is what is known of an execution of a command. One that could not be
// started, or can't be ended, has no end.
func commandRecord(p *conduct.Ran) results.CommandRecord {
	rec := results.CommandRecord{
		Argv: p.Argv, Outcome: p.Outcome, Reason: p.Reason, ExitCode: -1,
		StartedAt: p.StartedAt.Time, StartedErrorUS: p.StartedAt.ErrorUS(),
		Total: p.Total,
	}
	e := p.Exit
	if e == nil {
		return rec
	}
	if e.Signal == "" {
		rec.ExitCode = e.ExitCode
	}
	if e.Reason == "" && !p.StartedAt.IsZero() {
		rec.EndedAt, rec.EndedErrorUS = p.EndedAt.Time, p.EndedAt.ErrorUS()
	}
	rec.Signal, rec.UserUS, rec.SystemUS, rec.MaxRSSBytes = e.Signal, e.UserUS, e.SystemUS, e.MaxRSSBytes
	return rec
}

func stepRecords(all []conduct.Ran) []results.StepRecord {
	var records []results.StepRecord
	for i := range all {
		records = append(records, stepRecord(&all[i]))
	}
	return records
}

func (r *run) hostRecord(i int, res *conduct.Result) results.HostRecord {
	h, was := r.hosts[i], &res.Hosts[i]
	rec := results.HostRecord{
		Host: h.name, Outcome: was.Outcome, Reason: was.Reason, Hold: was.Hold, Swept: was.Swept, Unseen: was.Unseen, Notes: was.Notes,
		Setup: stepRecords(was.Setup), Teardown: stepRecords(was.Teardown), Acted: stepRecords(was.Acted),
		LineErrors: h.errors.list(), Shipped: r.shipped(h.name),
	}
	if stops := r.effective(i, res); len(stops) > 0 {
		rec.StoppedAt, rec.StoppedErrorUS = stops[0].At.Time, stops[0].At.ErrorUS()
	}
	if was.Clock.Samples() > 0 {
		rec.ClockOffsetUS, rec.ClockErrorUS, rec.ClockBy = was.Clock.Value().Microseconds(), clock.Microseconds(was.Clock.Error()), results.ClockByBroker
	}
	if was.Direct > 0 {
		rec.ClockBy = results.ClockByUDP
		if was.Brokered.Samples() > 0 {
			rec.ClockBrokerErrorUS = clock.Microseconds(was.Brokered.Error())
		}
	}
	for n, p := range res.Processes {
		if r.dp.Processes[n].Host == h.name {
			rec.Lines += p.Total.Lines()
			rec.Bytes += p.Total.Bytes()
		}
	}
	for _, l := range was.Left {
		rec.Left = append(rec.Left, results.LeftProcess{PID: l.PID, Command: l.Command})
	}
	r.collected(h, &rec)
	return rec
}
