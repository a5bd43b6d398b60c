package results

import (
	"strconv"
	"time"
)

// The fields of run.json that are columns: those that name the run begin each
// row of both tables.
var (
	runFields       = []string{"run", "experiment", "datapoint", "repetition", "attempt"}
	datapointFields = []string{
		"outcome", "reason", "enqueued_at", "released_at", "ended_at",
		"start_skew_us", "start_error_us", "stop_skew_us", "stop_error_us", "clock_error_us",
	}
	processFields = []string{
		"host", "process", "group", "index", "rank", "delay_us", "pid", "argv", "outcome", "reason", "exit_code", "signal",
		"started_at", "ended_at", "started_error_us", "ended_error_us", "user_us", "system_us", "max_rss_bytes",
		"stdout_lines", "stdout_bytes", "stderr_lines", "stderr_bytes",
	}
)

// set gives the cells of fields, in the order of names.
func (r row) set(names []string, values ...string) {
	for i, name := range names {
		r[column{fieldColumn, name}] = values[i]
	}
}

// runRow begins a row with what names the run.
func runRow(rec Record) row {
	r := row{}
	r.set(runFields, rec.Run, rec.Experiment,
		strconv.Itoa(rec.Datapoint), strconv.Itoa(rec.Repetition), strconv.Itoa(rec.Attempt))
	for name, value := range rec.Parameters {
		r[column{parameterColumn, name}] = jsonCell(value)
	}
	return r
}

func datapointRow(rec Record) row {
	r := runRow(rec)
	var start, startError, stop, stopError, clocks string // empty cells: zeros would count in a mean
	if !rec.ReleasedAt.IsZero() {
		start, startError, clocks = intCell(rec.StartSkewUS), boundCell(rec.StartErrorUS), intCell(rec.ClockErrorUS)
	}
	if rec.Stopped() {
		stop, stopError = intCell(rec.StopSkewUS), boundCell(rec.StopErrorUS)
	}
	r.set(datapointFields, string(rec.Outcome), rec.Reason,
		timeCell(rec.EnqueuedAt), timeCell(rec.ReleasedAt), timeCell(rec.EndedAt), start, startError, stop, stopError, clocks)
	for name, value := range rec.Metrics {
		r[column{metricColumn, name}] = metricCell(value)
	}
	return r
}

func processRows(rec Record) []row {
	rows := make([]row, 0, len(rec.Processes))
	for _, p := range rec.Processes {
		r := runRow(rec)
		r.set(processFields, p.Host, p.Process, p.Group, strconv.Itoa(p.Index), strconv.Itoa(p.Rank),
			intCell(p.DelayUS), strconv.Itoa(p.PID), jsonCell(p.Argv), string(p.Outcome), p.Reason, strconv.Itoa(p.ExitCode), p.Signal,
			timeCell(p.StartedAt), timeCell(p.EndedAt), boundCell(p.StartedErrorUS), boundCell(p.EndedErrorUS), intCell(p.UserUS), intCell(p.SystemUS), intCell(p.MaxRSSBytes),
			countCell(p.StdoutLines), countCell(p.StdoutBytes), countCell(p.StderrLines), countCell(p.StderrBytes))
		rows = append(rows, r)
	}
	return rows
}

func intCell(n int64) string    { return strconv.FormatInt(n, 10) }
func countCell(n uint64) string { return strconv.FormatUint(n, 10) }

// boundCell gives an error bound, and nothing where there was nothing to bound or,
// in results of an earlier version, the bound is not known.
func boundCell(us int64) string {
	if us == 0 {
		return ""
	}
	return intCell(us)
}

// timeCell gives a time as run.json does, and nothing for one that never came.
func timeCell(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.RFC3339Nano)
}
