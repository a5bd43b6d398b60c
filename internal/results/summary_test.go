package results_test

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"downbeat/internal/outcome"
	"downbeat/internal/results"
)

// repetition is the record of a run with a metric.
func repetition(datapoint, repetition int, clients any, rate float64) results.Record {
	rec := sample()
	rec.Datapoint, rec.Repetition, rec.Outcome, rec.Attempt = datapoint, repetition, outcome.RunSucceeded, 1
	rec.Run = strings.Repeat("0", 24) + string(rune('A'+datapoint)) + string(rune('A'+repetition))
	rec.Parameters = map[string]any{"clients": clients}
	rec.Metrics = results.Metrics{"rate": rate}
	rec.Units = map[string]string{"rate": "req/s"}
	return rec
}

// The summary has a row for each combination and metric, in the order of the datapoints. Runs that
// failed or were superseded don't count, and a metric that found nothing has no value.
func TestSummary(t *testing.T) {
	t.Parallel()
	e := newExperiment(t)
	failed := repetition(5, 3, 4, 999)
	failed.Outcome = outcome.RunFailed
	for _, rec := range []results.Record{
		repetition(1, 1, 4, 100), repetition(2, 1, 16, 300), repetition(3, 2, 4, 777),
		repetition(3, 2, 4, 104), repetition(4, 2, 16, math.NaN()), failed,
	} {
		finish(t, e, rec)
	}
	const want = `clients,metric,unit,n,median,mean,sd,low,high,method,min,max,outliers
4,rate,req/s,2,102,102,2.828427125,76.58759053,127.4124095,t,100,104,0
16,rate,req/s,1,300,300,,,,,300,300,0
`
	if got := readFile(t, e.Dir(), results.SummaryFile); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	e.Close()
	check(t, os.Remove(filepath.Join(e.Dir(), results.SummaryFile)))
	again, _, _, err := results.Reopen(e.Dir())
	check(t, err)
	defer again.Close()
	if got := readFile(t, e.Dir(), results.SummaryFile); got != want {
		t.Errorf("made again it is\n%s", got)
	}
}

// A parameter that is called like a column is told apart.
func TestSummaryOfAmbiguousNames(t *testing.T) {
	t.Parallel()
	e := newExperiment(t)
	rec := repetition(1, 1, 4, 100)
	rec.Parameters = map[string]any{"n": 3, "mode": "fast, safe"}
	finish(t, e, rec)
	got, _, _ := strings.Cut(readFile(t, e.Dir(), results.SummaryFile), "\n")
	if want := "mode,parameter.n,metric,unit,n,median,mean,sd,low,high,method,min,max,outliers"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// What was summarized before is computed again only where there are other values.
func TestSummarizerFollows(t *testing.T) {
	t.Parallel()
	var s results.Summarizer
	records := []results.Record{repetition(1, 1, 4, 100), repetition(2, 1, 16, 7)}
	first := s.Summarize(records)
	second := s.Summarize(append(records, repetition(3, 2, 4, 110)))
	if len(first) != 2 || first[0].N != 1 || first[0].Mean != 100 {
		t.Errorf("first %+v", first)
	}
	if len(second) != 2 || second[0].N != 2 || second[0].Mean != 105 || second[0].Unit != "req/s" || second[1].Mean != 7 {
		t.Errorf("second %+v", second)
	}
	if third := s.Summarize(records[:1]); len(third) != 1 || third[0].Mean != 100 {
		t.Errorf("third %+v", third)
	}
}
