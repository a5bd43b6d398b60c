package results

import (
	"strconv"
	"time"
)

// The fields of run.json that are columns. Those that identify the run come first in both
// tables.
var (
	runFields       = []string{"run", "experiment", "datapoint", "repetition", "attempt"}
	datapointFields = []string{
		"outcome", "reason", supersededField, "directory", "enqueued_at", "released_at", "ended_at", "duration_s",
		"start_skew_us", "start_error_us", "stop_skew_us", "stop_error_us", "stop_exit_us", "stop_exit_error_us", "clock_error_us",
	}
	processFields = []string{
		"host", "process", "group", "index", "rank", "delay_us", "pid", "argv", "outcome", "reason", "exit_code", "signal",
		"started_at", "ended_at", "started_error_us", "ended_error_us", "user_us", "system_us", "max_rss_bytes",
		"stdout_lines", "stdout_bytes", "stderr_lines", "stderr_bytes", supersededField, "directory",
		"beat", "ready_at", "ready_error_us", "life",
	}
)

// supersededField is the one column that may change after its row was written.
const supersededField = "superseded"

// A place is what a row says about a run that is not in its record.
type place struct {
	directory  string // of the run, in the experiment's
	superseded bool
}

// set sets the cells of fields, in the order of names.
func (r row) set(names []string, values ...string) {
	for i, name := range names {
		r[column{fieldColumn, name}] = values[i]
	}
}

// runRow starts a row with the fields that identify the run.
func runRow(rec Record) row {
	r := row{}
	r.set(runFields, rec.Run, rec.Experiment,
		strconv.Itoa(rec.Datapoint), strconv.Itoa(rec.Repetition), strconv.Itoa(rec.Attempt))
	for name, value := range rec.Parameters {
		r[column{parameterColumn, name}] = jsonCell(value)
	}
	return r
}

func datapointRow(rec Record, at place) row {
	r := runRow(rec)
	var took, start, startError, stop, stopError, exit, exitError, clocks string // empty cells: zeros would count in a mean
	if !rec.ReleasedAt.IsZero() {
		took = secondsCell(rec.EndedAt.Sub(rec.ReleasedAt))
		start, startError, clocks = intCell(rec.StartSkewUS), boundCell(rec.StartErrorUS), intCell(rec.ClockErrorUS)
	}
	if rec.Stopped() {
		stop, stopError = intCell(rec.StopSkewUS), boundCell(rec.StopErrorUS)
	}
	if rec.Stopped() && rec.StopExitUS > 0 {
		exit, exitError = intCell(rec.StopExitUS), boundCell(rec.StopExitErrorUS)
	}
	r.set(datapointFields, string(rec.Outcome), rec.Reason, strconv.FormatBool(at.superseded), at.directory,
		timeCell(rec.EnqueuedAt), timeCell(rec.ReleasedAt), timeCell(rec.EndedAt), took,
		start, startError, stop, stopError, exit, exitError, clocks)
	for name, value := range rec.Metrics {
		r[column{metricColumn, name}] = metricCell(value)
		if of, ok := rec.MetricsOf[name]; ok {
			r[column{valuesColumn, name}], r[column{expectedColumn, name}] = strconv.Itoa(of.Values), strconv.Itoa(of.Expected)
		}
	}
	return r
}

// processRows has a row for each life of each process. What a process wrote is in the row of
// its last life.
func processRows(rec Record, at place) []row {
	rows := make([]row, 0, len(rec.Processes))
	for _, p := range rec.Processes {
		for i := range max(len(p.Lives)-1, 0) {
			l := &p.Lives[i]
			r := processRow(rec, at, l.of(p))
			for _, name := range []string{"stdout_lines", "stdout_bytes", "stderr_lines", "stderr_bytes"} {
				r[column{fieldColumn, name}] = ""
			}
			r[column{fieldColumn, "life"}] = strconv.Itoa(l.Life)
			rows = append(rows, r)
		}
		life := max(len(p.Lives)-1, 0)
		if len(p.Lives) > 0 {
			p = p.Lives[life].of(p)
		}
		r := processRow(rec, at, p)
		r[column{fieldColumn, "life"}] = strconv.Itoa(life)
		rows = append(rows, r)
	}
	return rows
}

// Life is the process as if that of its lives were its only one.
func (p *ProcessRecord) Life(n int) ProcessRecord { return p.Lives[n].of(*p) }

// of is a process as if this life were its only one.
func (l *LifeRecord) of(p ProcessRecord) ProcessRecord {
	p.PID, p.Outcome, p.Reason, p.ExitCode, p.Signal = l.PID, l.Outcome, l.Reason, l.ExitCode, l.Signal
	p.StartedAt, p.EndedAt, p.StartedErrorUS, p.EndedErrorUS = l.StartedAt, l.EndedAt, l.StartedErrorUS, l.EndedErrorUS
	p.UserUS, p.SystemUS, p.MaxRSSBytes = l.UserUS, l.SystemUS, l.MaxRSSBytes
	return p
}

func processRow(rec Record, at place, p ProcessRecord) row {
	r := runRow(rec)
	r.set(processFields, p.Host, p.Process, p.Group, strconv.Itoa(p.Index), strconv.Itoa(p.Rank),
		intCell(p.DelayUS), strconv.Itoa(p.PID), jsonCell(p.Argv), string(p.Outcome), p.Reason, strconv.Itoa(p.ExitCode), p.Signal,
		timeCell(p.StartedAt), timeCell(p.EndedAt), boundCell(p.StartedErrorUS), boundCell(p.EndedErrorUS), intCell(p.UserUS), intCell(p.SystemUS), intCell(p.MaxRSSBytes),
		countCell(p.StdoutLines), countCell(p.StdoutBytes), countCell(p.StderrLines), countCell(p.StderrBytes),
		strconv.FormatBool(at.superseded), at.directory,
		strconv.Itoa(p.Beat), timeCell(p.ReadyAt), boundCell(p.ReadyErrorUS), "")
	return r
}

// secondsCell formats a duration in seconds, to the microsecond.
func secondsCell(d time.Duration) string { return strconv.FormatFloat(d.Seconds(), 'f', 6, 64) }

func intCell(n int64) string    { return strconv.FormatInt(n, 10) }
func countCell(n uint64) string { return strconv.FormatUint(n, 10) }

// boundCell formats an error bound; it is empty if there was nothing to bound or, in results of
// older versions, the bound is not known.
func boundCell(us int64) string {
	if us == 0 {
		return ""
	}
	return intCell(us)
}

// timeCell formats a time as in run.json; it is empty for one that was never reached.
func timeCell(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.RFC3339Nano)
}
