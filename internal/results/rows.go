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
		"start_skew_us", "stop_skew_us", "clock_error_us",
	}
	processFields = []string{
		"host", "process", "group", "index", "rank", "delay_us", "pid", "argv", "outcome", "reason", "exit_code", "signal",
		"started_at", "ended_at", "user_us", "system_us", "max_rss_bytes",
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
	var start, stop, clocks string // empty cells: zeros would count in a mean
	if !rec.ReleasedAt.IsZero() {
		start, clocks = intCell(rec.StartSkewUS), intCell(rec.ClockErrorUS)
	}
	if rec.Stopped() {
		stop = intCell(rec.StopSkewUS)
	}
	r.set(datapointFields, string(rec.Outcome), rec.Reason,
		timeCell(rec.EnqueuedAt), timeCell(rec.ReleasedAt), timeCell(rec.EndedAt), start, stop, clocks)
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
			timeCell(p.StartedAt), timeCell(p.EndedAt), intCell(p.UserUS), intCell(p.SystemUS), intCell(p.MaxRSSBytes),
			countCell(p.StdoutLines), countCell(p.StdoutBytes), countCell(p.StderrLines), countCell(p.StderrBytes))
		rows = append(rows, r)
	}
	return rows
}

func intCell(n int64) string    { return strconv.FormatInt(n, 10) }
func countCell(n uint64) string { return strconv.FormatUint(n, 10) }

// timeCell gives a time as run.json does, and nothing for one that never came.
func timeCell(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.RFC3339Nano)
}
