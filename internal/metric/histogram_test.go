package metric

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/HdrHistogram/hdrhistogram-go"
	"pgregory.net/rapid"

	"downbeat/internal/experiment"
	"downbeat/internal/results"
)

// drawn is a histogram of some precision with some values.
func drawn(t *rapid.T) (*hdrhistogram.Histogram, []int64) {
	lowest := rapid.Int64Range(1, 5000).Draw(t, "lowest")
	h := hdrhistogram.New(lowest, 1<<40, rapid.IntRange(1, 5).Draw(t, "digits"))
	values := rapid.SliceOfN(rapid.Int64Range(0, 1<<rapid.IntRange(1, 39).Draw(t, "bits")), 1, 60).Draw(t, "values")
	for _, v := range values {
		if err := h.RecordValue(v); err != nil {
			t.Fatal(err)
		}
	}
	return h, values
}

// decoded is what is read of a histogram after it was written.
func decoded(t *rapid.T, h *hdrhistogram.Histogram) []bar {
	encoded, err := h.Encode(hdrhistogram.V2CompressedEncodingCookieBase)
	if err != nil {
		t.Fatal(err)
	}
	p, err := hdrhistogram.DecodePacked(encoded)
	if err != nil {
		t.Fatal(err)
	}
	return barsOf(p)
}

// The bars of a histogram are those that the library has, and what is reduced of them too.
func TestBars(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		h, _ := drawn(t)
		var want []bar
		for _, b := range h.Distribution() {
			if b.Count > 0 {
				want = append(want, bar{b.From, b.To, b.Count})
			}
		}
		got := decoded(t, h)
		if !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
		var m histogram
		m.merge(got)
		if v := m.reduce(experiment.Max); v != float64(h.Max()) {
			t.Errorf("max: got %v, want %v", v, h.Max())
		}
		if v := m.reduce(experiment.Min); v != float64(h.Min()) {
			t.Errorf("min: got %v, want %v", v, h.Min())
		}
		if v := m.reduce(experiment.Mean); math.Abs(v-h.Mean()) > 1e-9*(1+h.Mean()) {
			t.Errorf("mean: got %v, want %v", v, h.Mean())
		}
	})
}

// Whatever the precisions, and in whatever order histograms come, none of their values is lost, and
// a percentile is that of all values, as closely as these are known.
func TestMergedHistograms(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var there, back histogram
		var all []int64
		var each [][]bar
		for range rapid.IntRange(1, 4).Draw(t, "histograms") {
			h, values := drawn(t)
			each, all = append(each, decoded(t, h)), append(all, values...)
		}
		for i := range each {
			there.merge(each[i])
			back.merge(each[len(each)-1-i])
		}
		if !slices.Equal(there.bars, back.bars) || there.total() != int64(len(all)) {
			t.Fatalf("got %v and %v of %d values", there.bars, back.bars, len(all))
		}
		slices.Sort(all)
		for _, percent := range []float64{0.1, 50, 99, 99.9} {
			v := there.percentile(percent)
			rank := min(max(int(math.Ceil(percent/100*float64(len(all)))), 1), len(all))
			exact := all[rank-1]
			// One digit is told apart, or 4095 values.
			if room := max(exact/5, 4096); v < exact-room || v > exact+room {
				t.Errorf("p%v: got %d, want %d, of %v", percent, v, exact, all)
			}
		}
	})
}

// Whatever a log has in it, reading it ends, and gives a count or says why not.
func FuzzHistogramLog(f *testing.F) {
	h := hdrhistogram.New(1, 1<<30, 3)
	_ = h.RecordValue(700)
	encoded, err := h.Encode(hdrhistogram.V2CompressedEncodingCookieBase)
	if err != nil {
		f.Fatal(err)
	}
	for _, text := range []string{
		"0.1,1.0,3.5," + string(encoded), "Tag=A," + string(encoded), "#[StartTime: 12.5 (seconds since epoch)]\n1,1,1," + string(encoded), "#[BaseTime: x]", "Tag=,,,", "1,2,3,HISTF",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		m := &experiment.Metric{Name: "m", Format: experiment.HDR, Tag: experiment.AnyTag, Processes: "p99", Scale: 1, Sources: []experiment.Source{{Host: "h", Process: "0"}}}
		s := newSearch(NewRun(nil, &results.Record{}), m)
		s.source = &m.Sources[0]
		into := newReducer("p99", 0)
		if err := s.byLines(strings.NewReader(text), &into); err != nil {
			t.Error(err)
		}
		if v, ok := into.result(); ok && (math.IsNaN(v) || v < 0) {
			t.Errorf("got %v", v)
		}
	})
}
