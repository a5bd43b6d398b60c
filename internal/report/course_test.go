package report

import (
	"encoding/json"
	"math"
	"slices"
	"testing"
	"time"

	"downbeat/internal/results"
)

func TestADrawingKeepsThePeaksAndTheDropsOfALongSeries(t *testing.T) {
	t.Parallel()
	all := make([]float64, 10*mostPlaces)
	for i := range all {
		all[i] = 100
	}
	all[1234], all[3333] = 900, 0
	few := thin(all)
	if len(few) > mostPlaces || slices.Max(few) != 900 || slices.Min(few) != 0 {
		t.Errorf("of %d values %d are left, from %v to %v", len(all), len(few), slices.Min(few), slices.Max(few))
	}
	if peak, drop := slices.Index(few, 900), slices.Index(few, 0); peak > drop || math.Abs(float64(peak)-1234./5000*float64(len(few))) > 2 {
		t.Errorf("the peak is at %d, the drop at %d of %d", peak, drop, len(few))
	}
	if short := []float64{1, math.NaN(), 2}; !slices.Equal(thin(short)[:1], values(short[:1])) || len(thin(short)) != 3 {
		t.Errorf("a short one: %v", thin(short))
	}
}

func TestASeriesIsDrawnFromTheLastReleaseOn(t *testing.T) {
	t.Parallel()
	base := time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)
	rec := results.Record{
		ReleasedAt: base, EndedAt: base.Add(10 * time.Second), Units: map[string]string{"rate": "1/s"},
		Beats:   []results.BeatRecord{{ReleasedAt: base}, {Beat: 1, ReleasedAt: base.Add(3 * time.Second)}},
		Windows: []results.WindowRecord{{Window: "steady", From: base.Add(4 * time.Second), To: base.Add(9 * time.Second)}, {Window: "none", Reason: "no mark"}},
	}
	dir := t.TempDir()
	s := results.Series{
		Metric: "rate", Times: []float64{-0.5, 0, 0.5}, Columns: []string{results.AllProcesses, "a/x.0", "a/x.1"},
		Values: [][]float64{{1, math.NaN(), 1234567.8}, {1, 2, 3}, {4, 5, 6}},
	}
	if err := s.Write(dir); err != nil {
		t.Fatal(err)
	}
	d := newDetail(rec)
	d.readSeries(dir, &rec)
	if len(d.Series) != 1 || d.Series[0].FirstUS != 2_500_000 || d.Series[0].StepUS != 500_000 || d.Series[0].Unit != "1/s" || len(d.Series[0].Processes) != 2 {
		t.Errorf("got %+v", d.Series)
	}
	if text, err := json.Marshal(d.Series[0].All); err != nil || string(text) != "[1,null,1.23457e+06]" {
		t.Errorf("got %s, %v", text, err)
	}
	if want := []windowDetail{{Window: "steady", From: 4_000_000, To: 9_000_000}}; !slices.Equal(d.Windows, want) {
		t.Errorf("got %+v, want %+v", d.Windows, want)
	}
}
