package report

import (
	"strings"
	"time"

	"downbeat/internal/results"
)

// An index is the data that the page reads at once: a row for each run.
type index struct {
	Written    string   `json:"written"`
	Parameters []string `json:"parameters"`
	Metrics    []string `json:"metrics"`
	// Units are those of the metrics that have one.
	Units map[string]string `json:"units,omitempty"`
	Rows  []row             `json:"rows"`
}

// A row is a run in the table of the page. Missing values are left out, so that the page can
// tell them from zero.
type row struct {
	N          int            `json:"n"`
	Link       string         `json:"link"`
	Run        string         `json:"run,omitempty"`
	Dir        string         `json:"dir"`
	Datapoint  int            `json:"datapoint,omitempty"`
	Repetition int            `json:"repetition,omitempty"`
	Attempt    int            `json:"attempt,omitempty"`
	Parameters map[string]any `json:"parameters,omitempty"`
	Outcome    string         `json:"outcome"`
	Reason     string         `json:"reason,omitempty"`
	Words      string         `json:"words,omitempty"`
	Superseded bool           `json:"superseded,omitempty"`
	Released   string         `json:"released,omitempty"`
	TookUS     *int64         `json:"took_us,omitempty"`
	StartSkew  *int64         `json:"start_skew_us,omitempty"`
	StopSkew   *int64         `json:"stop_skew_us,omitempty"`
	ClockError *int64         `json:"clock_error_us,omitempty"`
	// StartError and StopError are the bounds of the skews.
	StartError int64              `json:"start_error_us,omitempty"`
	StopError  int64              `json:"stop_error_us,omitempty"`
	Metrics    map[string]float64 `json:"metrics,omitempty"`
	// Basis says of each metric on how many processes, or files, it is based, out of how
	// many.
	Basis map[string][2]int `json:"basis,omitempty"`
	// Windows are those in which the metrics were taken that have one.
	Windows map[string]string `json:"windows,omitempty"`
	// Notes say why a metric is missing or incomplete.
	Notes map[string]string `json:"notes,omitempty"`
	// Judged says when a run was judged again, if it was, and how it was judged before.
	Judged string `json:"judged,omitempty"`
	// Unmatched are patterns of collect that picked no file.
	Unmatched []string `json:"unmatched,omitempty"`
}

func newIndex(written time.Time, sorted []*run, superseded map[*run]bool) index {
	i := index{
		Written:    written.Format(time.RFC3339),
		Parameters: append([]string{}, names(sorted, func(r *run) []string { return keys(r.record.Parameters) })...),
		Metrics:    append([]string{}, names(sorted, func(r *run) []string { return keys(r.record.Metrics) })...),
		Units:      map[string]string{},
		Rows:       []row{},
	}
	for _, metric := range i.Metrics {
		if unit := unitOf(metric, sorted); unit != "" {
			i.Units[metric] = unit
		}
	}
	for n, r := range sorted {
		i.Rows = append(i.Rows, newRow(n+1, r, superseded[r]))
	}
	return i
}

func newRow(n int, r *run, superseded bool) row {
	rec := r.record
	row := row{
		N: n, Link: r.link(), Run: rec.Run, Dir: r.name, Datapoint: rec.Datapoint, Repetition: rec.Repetition, Attempt: rec.Attempt,
		Parameters: rec.Parameters, Outcome: r.outcome(), Reason: rec.Reason, Words: printable(r.words), Superseded: superseded, Metrics: r.metrics,
		Basis: basis(rec), Windows: windowsOf(rec), Judged: judgedAnew(rec.Judged), Notes: rec.MetricNotes, Unmatched: rec.Unmatched,
	}
	if !rec.ReleasedAt.IsZero() {
		took := r.took().Microseconds()
		row.Released = rec.ReleasedAt.UTC().Format(time.RFC3339Nano)
		row.TookUS, row.StartSkew, row.ClockError = &took, &rec.StartSkewUS, &rec.ClockErrorUS
		row.StartError = rec.StartBoundUS()
	}
	if r.stopped {
		row.StopSkew, row.StopError = &rec.StopSkewUS, rec.StopBoundUS()
	}
	return row
}

func judgedAnew(j *results.Judgement) string {
	if j == nil || j.AnewAt.IsZero() {
		return ""
	}
	text := j.AnewAt.UTC().Format(time.RFC3339) + ", by other metrics or requirements"
	if j.Before != nil {
		text += "; it was " + strings.ReplaceAll(string(j.Before.Outcome), "_", " ") + " before"
		if j.Before.Reason != "" {
			text += ": " + j.Before.Reason
		}
	}
	return text
}

func basis(rec results.Record) map[string][2]int {
	all := make(map[string][2]int, len(rec.MetricsOf))
	for name, of := range rec.MetricsOf {
		all[name] = [2]int{of.Values, of.Expected}
	}
	return all
}

func windowsOf(rec results.Record) map[string]string {
	all := make(map[string]string)
	for name, of := range rec.MetricsOf {
		if of.Window != "" {
			all[name] = of.Window
		}
	}
	return all
}

// link names the run in addresses within the page.
func (r *run) link() string {
	if r.record.Run != "" {
		return r.record.Run
	}
	return r.name
}
