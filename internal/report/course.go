package report

import (
	"math"
	"slices"
	"strconv"
	"time"

	"downbeat/internal/results"
)

// The course of a run is what its metrics were over its time.

// Bounds of what the page has of a metric over time: more places than that can't be told apart
// on a screen, and more lines neither.
const (
	mostPlaces = 500
	mostLines  = 8
)

// A seriesDetail is a metric over the time of a run: a value for each piece of it.
type seriesDetail struct {
	Metric string `json:"metric"`
	Unit   string `json:"unit,omitempty"`
	// WidthUS is how wide the pieces are. The first value is drawn from FirstUS on, since the
	// run's base, and each over StepUS.
	WidthUS int64  `json:"width_us"`
	FirstUS int64  `json:"first_us"`
	StepUS  int64  `json:"step_us"`
	Thinned bool   `json:"thinned,omitempty"` // each two values are the least and the largest of several
	All     values `json:"all"`
	// Processes are those of single processes, if they are few.
	Processes []seriesLine `json:"processes,omitempty"`
}

type seriesLine struct {
	Process string `json:"process"`
	Values  values `json:"values"`
}

// values are written with the digits that a drawing has use for; NaN is null.
type values []float64

// MarshalJSON implements [json.Marshaler].
func (v values) MarshalJSON() ([]byte, error) {
	b := []byte{'['}
	for i, x := range v {
		if i > 0 {
			b = append(b, ',')
		}
		if math.IsNaN(x) || math.IsInf(x, 0) {
			b = append(b, "null"...)
			continue
		}
		b = strconv.AppendFloat(b, x, 'g', 6, 64)
	}
	return append(b, ']'), nil
}

// A windowDetail is a window of a run, in microseconds since its base.
type windowDetail struct {
	Window string `json:"window"`
	From   int64  `json:"from"`
	To     int64  `json:"to"`
	Note   string `json:"note,omitempty"`
}

// windows are those that the run had.
func (d *detail) windows(r *results.Record) []windowDetail {
	var list []windowDetail
	for _, w := range r.Windows {
		from, to := d.since(w.From), d.since(w.To)
		if from != nil && to != nil {
			list = append(list, windowDetail{w.Window, *from, *to, w.Note})
		}
	}
	return list
}

// readSeries reads the metrics over the run's time. A run without them is still worth a report.
func (d *detail) readSeries(dir string, r *results.Record) {
	all, err := results.ReadSeries(dir)
	if err != nil {
		d.SeriesProblem = err.Error()
		return
	}
	release := r.ReleasedAt
	if n := len(r.Beats); n > 0 {
		release = r.Beats[n-1].ReleasedAt
	}
	for _, s := range all {
		if len(s.Times) < 2 { // there is no course in one piece
			continue
		}
		width := time.Duration((s.Times[1] - s.Times[0]) * float64(time.Second))
		first := release.Add(time.Duration(s.Times[0] * float64(time.Second))).Sub(d.base)
		of := seriesDetail{
			Metric: s.Metric, Unit: r.Units[s.Metric], WidthUS: width.Microseconds(), FirstUS: first.Microseconds(), StepUS: width.Microseconds(),
			All: thin(s.Values[0]),
		}
		if few := together(len(s.Times)); few > 1 {
			of.Thinned, of.StepUS = true, of.WidthUS*int64(few)/2
		}
		if n := len(s.Columns); 2 < n && n <= 1+mostLines {
			for i, name := range s.Columns[1:] {
				of.Processes = append(of.Processes, seriesLine{name, thin(s.Values[i+1])})
			}
		}
		d.Series = append(d.Series, of)
	}
}

// together is how many of n values are drawn as their least and their largest.
func together(n int) int {
	if n <= mostPlaces {
		return 1
	}
	return (n + mostPlaces/2 - 1) / (mostPlaces / 2)
}

// thin keeps the least and the largest of each few values, in their order, so that no peak and no
// drop is lost.
func thin(all []float64) values {
	few := together(len(all))
	if few == 1 {
		return all
	}
	var kept values
	for part := range slices.Chunk(all, few) {
		low, high := math.NaN(), math.NaN()
		lowFirst := true
		for _, v := range part {
			if v < low || math.IsNaN(low) {
				low, lowFirst = v, false
			}
			if v > high || math.IsNaN(high) {
				high, lowFirst = v, true
			}
		}
		if !lowFirst {
			low, high = high, low
		}
		kept = append(kept, low, high)
	}
	return kept
}
