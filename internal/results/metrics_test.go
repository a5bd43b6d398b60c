package results_test

import (
	"encoding/json"
	"maps"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"downbeat/internal/results"
)

// Metrics survive run.json: numbers to the last bit, and what was not found as null.
func TestMetricsRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		finite := rapid.Float64().Filter(func(v float64) bool { return !math.IsInf(v, 0) && !math.IsNaN(v) })
		want := results.Metrics(rapid.MapOf(rapid.String(), rapid.OneOf(finite, rapid.Just(math.NaN()))).Draw(t, "metrics"))
		data, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		var got results.Metrics
		if err := json.Unmarshal(data, &got); err != nil {
			t.Fatalf("%s: %v", data, err)
		}
		same := func(a, b float64) bool { return a == b || math.IsNaN(a) && math.IsNaN(b) }
		if !maps.EqualFunc(got, want, same) {
			t.Errorf("%s: got %v, want %v", data, got, want)
		}
	})
}

// A metric that found nothing is null in run.json, and so is one that no number of JSON's can stand for.
func TestMetricsWithoutNumberAreNull(t *testing.T) {
	t.Parallel()
	data, err := json.Marshal(results.Metrics{"a": 2733.2, "b": math.NaN(), "c": math.Inf(-1)})
	if want := `{"a":2733.2,"b":null,"c":null}`; err != nil || string(data) != want {
		t.Errorf("got %s, %v, want %s", data, err, want)
	}
	for _, text := range []string{`{"a": "1"}`, `{"a": true}`, `[1]`, `3`} {
		var m results.Metrics
		if err := json.Unmarshal([]byte(text), &m); err == nil {
			t.Errorf("%s: got %v and no error", text, m)
		}
	}
}

// The run's row keeps the column of a metric that found nothing, with an empty cell.
func TestMetricNotFoundIsAnEmptyCell(t *testing.T) {
	t.Parallel()
	e := newExperiment(t)
	rec := sample()
	for _, m := range []results.Metrics{{"p99": math.NaN(), "throughput": 12}, {"p99": 1.5, "throughput": math.NaN()}} {
		rec.Metrics = m
		finish(t, e, rec)
	}
	lines := strings.Split(readFile(t, e.Dir(), "datapoints.csv"), "\n")
	for i, want := range []string{",p99,throughput", ",310,,,4,4,,12", ",310,,,4,4,1.5,"} {
		if !strings.HasSuffix(lines[i], want) {
			t.Errorf("line %d: got %s, want %s at its end", i+1, lines[i], want)
		}
	}
	back, err := results.ReadRecord(filepath.Join(e.Dir(), "0001"))
	if v, ok := back.Metrics["p99"]; err != nil || !ok || !math.IsNaN(v) || back.Metrics["throughput"] != 12 {
		t.Errorf("run.json: got %v, %v", back.Metrics, err)
	}
}
