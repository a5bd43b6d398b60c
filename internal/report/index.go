package report

import (
	"time"
)

// An index is what the page knows at once: a row for each run.
type index struct {
	Written    string   `json:"written"`
	Parameters []string `json:"parameters"`
	Metrics    []string `json:"metrics"`
	// Units are those of the metrics that have one.
	Units map[string]string `json:"units,omitempty"`
	Rows  []row             `json:"rows"`
}

// A row is a run in the table of the page. What it lacks is left out, so that the
// page can tell it from zero.
type row struct {
	N          int                `json:"n"`
	Link       string             `json:"link"`
	Run        string             `json:"run,omitempty"`
	Dir        string             `json:"dir"`
	Datapoint  int                `json:"datapoint,omitempty"`
	Repetition int                `json:"repetition,omitempty"`
	Attempt    int                `json:"attempt,omitempty"`
	Parameters map[string]any     `json:"parameters,omitempty"`
	Outcome    string             `json:"outcome"`
	Reason     string             `json:"reason,omitempty"`
	Words      string             `json:"words,omitempty"`
	Superseded bool               `json:"superseded,omitempty"`
	Released   string             `json:"released,omitempty"`
	TookUS     *int64             `json:"took_us,omitempty"`
	StartSkew  *int64             `json:"start_skew_us,omitempty"`
	StopSkew   *int64             `json:"stop_skew_us,omitempty"`
	ClockError *int64             `json:"clock_error_us,omitempty"`
	Metrics    map[string]float64 `json:"metrics,omitempty"`
	// Notes say of metrics why they are not there, or what is not in them.
	Notes map[string]string `json:"notes,omitempty"`
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
		Notes: rec.MetricNotes, Unmatched: rec.Unmatched,
	}
	if !rec.ReleasedAt.IsZero() {
		took := r.took().Microseconds()
		row.Released = rec.ReleasedAt.UTC().Format(time.RFC3339Nano)
		row.TookUS, row.StartSkew, row.ClockError = &took, &rec.StartSkewUS, &rec.ClockErrorUS
	}
	if r.stopped {
		row.StopSkew = &rec.StopSkewUS
	}
	return row
}

// link names the run in addresses within the page.
func (r *run) link() string {
	if r.record.Run != "" {
		return r.record.Run
	}
	return r.name
}
