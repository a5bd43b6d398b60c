package report

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"downbeat/internal/outcome"
	"downbeat/internal/results"
)

// made makes runs that have succeeded, one a minute, out of parameters and a metric.
func made(values ...any) []*run {
	var all []*run
	for n := 0; n < len(values); n += 2 {
		at := time.Date(2026, 11, 23, 9, n, 0, 0, time.UTC)
		record := results.Record{
			Run: fmt.Sprint("R", n), Datapoint: n + 1, Repetition: 1, Outcome: outcome.RunSucceeded, Parameters: values[n].(map[string]any),
			Metrics: map[string]float64{"m": values[n+1].(float64)}, EnqueuedAt: at, ReleasedAt: at, EndedAt: at.Add(time.Second),
		}
		all = append(all, &run{name: record.Run, complete: true, record: record, metrics: finite(record.Metrics)})
	}
	return all
}

type parameters = map[string]any

// repeat numbers runs of the same values as repetitions.
func repeat(runs []*run) []*run {
	seen := map[string]int{}
	for _, r := range runs {
		key := fmt.Sprint(r.record.Parameters)
		seen[key]++
		r.record.Repetition = seen[key]
	}
	return runs
}

// One series for each combination of the others, in order; median and spread over repetitions.
func TestSeries(t *testing.T) {
	t.Parallel()
	runs := repeat(made(
		parameters{"n": 4.0, "mode": "b"}, 9.0, parameters{"n": 1.0, "mode": "b"}, 5.0,
		parameters{"n": 1.0, "mode": "a"}, 3.0, parameters{"n": 1.0, "mode": "a"}, 1.0, parameters{"n": 1.0, "mode": "a"}, 2.0,
		parameters{"n": 4.0, "mode": "a"}, 7.0,
	))
	all := figures(runs)
	if len(all) != 2 || all[0].file != "m-over-n" || all[1].file != "skew" {
		t.Fatalf("got %d figures, the first %+v", len(all), all[0])
	}
	f := all[0]
	want := []trace{
		{"mode = a", []point{{1, 1, 2, 3, 3}, {4, 7, 7, 7, 1}}},
		{"mode = b", []point{{1, 5, 5, 5, 1}, {4, 9, 9, 9, 1}}},
	}
	if fmt.Sprint(f.traces) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", f.traces, want)
	}
	if !f.joined || !strings.Contains(strings.Join(f.caption, " "), "Median of up to 3 repetitions; bars from the lowest to the highest.") {
		t.Errorf("joined %v, caption %q", f.joined, f.caption)
	}
}

// With many repetitions at every point the spread is the middle half.
func TestQuartiles(t *testing.T) {
	t.Parallel()
	var values []any
	for i := range 9 {
		values = append(values, parameters{"n": 1.0}, float64(i), parameters{"n": 2.0}, float64(10*i))
	}
	f := figures(repeat(made(values...)))[0]
	if got, want := f.traces[0].points, []point{{1, 2, 4, 6, 9}, {2, 20, 40, 60, 9}}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// Failed runs and those that are replaced by a later one stay out of statistics; NaN is nothing.
func TestWhatCounts(t *testing.T) {
	t.Parallel()
	runs := made(
		parameters{"n": 1.0}, 1.0, parameters{"n": 2.0}, 2.0, parameters{"n": 1.0}, 10.0, parameters{"n": 3.0}, math.NaN(),
		parameters{"n": 4.0}, 4.0, parameters{"n": 4.0}, 5.0,
	)
	runs[1].record.Outcome = outcome.RunFailed
	runs[5].record.Outcome = outcome.RunFailed
	good := counted(runs)
	if len(good) != 3 || good[0] != runs[2] || good[1] != runs[3] || good[2] != runs[4] {
		t.Errorf("counted: %v", good)
	}
	superseded := supersede(runs)
	if len(superseded) != 1 || !superseded[runs[0]] {
		t.Errorf("superseded: %v", superseded)
	}
	f := figures(runs)[0]
	if len(f.traces) != 1 || len(f.traces[0].points) != 2 || f.traces[0].points[0].mid != 10 {
		t.Errorf("got %v, want the points of 1 and 4", f.traces)
	}
	if !strings.Contains(strings.Join(f.caption, " "), "In 1 more m was not found.") {
		t.Errorf("caption: %q", f.caption)
	}
}

// Without a number the parameters are categories; without a parameter runs are in their order;
// without a metric there is the skew.
func TestOtherFigures(t *testing.T) {
	t.Parallel()
	f := figures(made(parameters{"mode": "b"}, 1.0, parameters{"mode": "a"}, 2.0))[0]
	if got := f.x.categories; !slices.Equal(got, []string{"a", "b"}) || f.joined || f.traces[0].points[0].mid != 2 {
		t.Errorf("categories: %q, joined %v, %v", got, f.joined, f.traces)
	}
	if f := figures(made(parameters{}, 1.0, parameters{}, 2.0)); len(f) != 2 || f[0].x.text() != "run, in the order of execution" {
		t.Errorf("no parameter: %+v", f[0])
	}
	runs := made(parameters{"n": 1.0}, 1.0)
	runs[0].record.Metrics, runs[0].metrics = nil, nil
	runs[0].record.StartSkewUS, runs[0].record.ClockErrorUS = 800, 900
	all := figures(runs)
	if len(all) != 1 || all[0].traces[0].points[0] != (point{1, 0, 800, 1700, 1}) || all[0].y.text() != "skew (µs)" {
		t.Errorf("no metric: %+v", all[0])
	}
	if all := figures([]*run{incompleteRun("0001", "gone")}); len(all) != 0 {
		t.Errorf("nothing complete: %+v", all[0])
	}
}

// Axes are logarithmic where that shows more, begin at zero where that is honest, and
// name the unit that a name ends in.
func TestAxes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		values []float64
		log    bool
	}{
		{[]float64{1, 2, 4, 8, 16, 32, 64}, true},
		{[]float64{1, 8, 64}, true},
		{[]float64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, false},
		{[]float64{0, 1, 10, 100}, false},
		{[]float64{1, 100}, false},
		{[]float64{10, 20, 40}, false},
		{[]float64{100, 400, 700, 1000}, false},
		{[]float64{0.001, 0.01, 0.1, 1}, true},
	} {
		if got := evenerInLog(c.values); got != c.log {
			t.Errorf("%v: logarithmic: %v, want %v", c.values, got, c.log)
		}
	}
	for _, c := range []struct {
		values   []float64
		log      bool
		min, max float64
	}{
		{[]float64{120, 480}, false, 0, 500},
		{[]float64{900, 1000}, false, 900, 1000},
		{[]float64{3, 3}, false, 2.4, 3.6},
		{[]float64{0, 0}, false, -0.6, 0.6},
		{[]float64{-5, 7}, false, -5, 10},
		{[]float64{1, 2000}, true, 1 / 1.3, 2600},
		{[]float64{0, 2000}, false, 0, 2000},
	} {
		var a axis
		a.fit(c.values)
		if a.log != c.log || math.Abs(a.min-c.min) > 1e-9 || math.Abs(a.max-c.max) > 1e-9 {
			t.Errorf("%v: got %v from %v to %v", c.values, a.log, a.min, a.max)
		}
	}
	for name, want := range map[string]string{
		"p99_ms": "p99 (ms)", "throughput": "throughput", "rss_bytes": "rss (B)", "ms": "ms", "latency.us": "latency (µs)", "a_b": "a_b",
	} {
		if a := newAxis(name); a.text() != want {
			t.Errorf("%s: got %q, want %q", name, a.text(), want)
		}
	}
}

// Marks have round, short numbers without a negative zero, whatever the range.
func TestTicks(t *testing.T) {
	t.Parallel()
	labels := func(a axis) (all []string) {
		for _, tick := range a.ticks() {
			if tick.Label != "" {
				all = append(all, tick.Label)
			}
		}
		return all
	}
	for _, c := range []struct {
		axis axis
		want string
		text string
	}{
		{axis{label: "x", min: 0, max: 0.5}, "[0.0 0.1 0.2 0.3 0.4 0.5]", "x"},
		{axis{label: "x", min: -1, max: 1}, "[-1.0 -0.5 0.0 0.5 1.0]", "x"},
		{axis{label: "x", min: 0, max: 2.5e6}, "[0.0 0.5 1.0 1.5 2.0 2.5]", "x (×10^6)"},
		{axis{label: "x", unit: "B", min: 0, max: 4e-5}, "[0 10 20 30 40]", "x (×10^-6 B)"},
		{axis{label: "x", min: 0.5, max: 3.5, whole: true}, "[1 2 3]", "x"},
		{axis{label: "x", log: true, min: 0.5, max: 3e6}, "[10^0 10^1 10^2 10^3 10^4 10^5 10^6]", "x"},
		{axis{label: "x", log: true, min: 3, max: 400}, "[10 100 5 20 50 200]", "x"},
		{axis{label: "x", values: []float64{1, 8, 64}, log: true, min: 1, max: 64}, "[1 8 64]", "x"},
	} {
		if got := fmt.Sprint(labels(c.axis)); got != c.want || c.axis.text() != c.text {
			t.Errorf("%+v: got %s, %q, want %s, %q", c.axis, got, c.axis.text(), c.want, c.text)
		}
	}
}

// Any numbers can be drawn.
func TestDrawAnything(t *testing.T) {
	t.Parallel()
	many := func(n int, at func(i int) (parameters, float64)) []*run {
		var values []any
		for i := range n {
			p, v := at(i)
			values = append(values, p, v)
		}
		return repeat(made(values...))
	}
	for name, runs := range map[string][]*run{
		"tiny":     many(3, func(i int) (parameters, float64) { return parameters{"n": 1e-300 * float64(i)}, 1e-300 * float64(i) }),
		"huge":     many(3, func(i int) (parameters, float64) { return parameters{"n": 1e300 * float64(i+1)}, 1e307 * float64(i) }),
		"equal":    many(9, func(i int) (parameters, float64) { return parameters{"n": float64(i % 2)}, 0 }),
		"negative": many(3, func(i int) (parameters, float64) { return parameters{"n": float64(-i)}, float64(-i) }),
		"series": many(300, func(i int) (parameters, float64) {
			return parameters{"n": float64(i % 3), "s": fmt.Sprint(i / 3)}, float64(i)
		}),
		"values": many(40, func(i int) (parameters, float64) {
			return parameters{"n": math.Pow(2, float64(i))}, math.Pow(10, float64(i))
		}),
		"names": many(30, func(i int) (parameters, float64) {
			return parameters{"n": strings.Repeat("long 長い ", i+1)}, float64(i)
		}),
		"lists": many(4, func(i int) (parameters, float64) { return parameters{"n": []any{float64(i), true}}, float64(i) }),
	} {
		for _, f := range figures(runs) {
			if svg, err := f.svg(); err != nil || strings.Contains(string(svg), "NaN") || strings.Contains(string(svg), "Inf") || strings.Contains(string(svg), "#-") {
				t.Errorf("%s: %s: %v, %d bytes", name, f.title, err, len(svg))
			}
		}
	}
}

// A metric has the unit that the experiment's file gives it, in plots and table.
func TestUnitsOfMetrics(t *testing.T) {
	t.Parallel()
	first := &run{name: "1", complete: true, record: results.Record{Metrics: results.Metrics{"rate_ms": 1, "p99_ms": 1}}}
	second := &run{name: "2", complete: true, record: results.Record{
		Metrics: results.Metrics{"rate_ms": 2, "p99_ms": 2}, Units: map[string]string{"rate_ms": "op/s"}, MetricNotes: map[string]string{"p99_ms": "why"},
	}}
	runs := []*run{first, second}
	for metric, want := range map[string]string{"rate_ms": "rate_ms (op/s)", "p99_ms": "p99 (ms)"} {
		if a := metricAxis(metric, runs); a.text() != want {
			t.Errorf("the axis of %s says %q, want %q", metric, a.text(), want)
		}
	}
	i := newIndex(time.Now(), runs, nil)
	if len(i.Units) != 1 || i.Units["rate_ms"] != "op/s" || i.Rows[1].Notes["p99_ms"] != "why" {
		t.Errorf("the index has units %v and notes %v", i.Units, i.Rows[1].Notes)
	}
}
