package metric_test

import (
	"maps"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"downbeat/internal/experiment"
	"downbeat/internal/metric"
	"downbeat/internal/outcome"
	"downbeat/internal/results"
)

// three of four processes report.
var threeOfFour = map[string]string{
	"alpha/0.out": "rate 100\n", "alpha/1.out": "rate 100\nrate 100\n", "alpha/2.out": "rate 100\n", "alpha/3.out": "starting\n",
}

// A number that needs every process fails the run where one has no value, unless
// the file says that it may; it says on how many of how many it rests in any case.
func TestMetricThatLacksAProcess(t *testing.T) {
	t.Parallel()
	tests := []struct {
		lines, processes experiment.Reduction
		want             float64
		fails            bool
	}{
		{"", experiment.Sum, 400, true},
		{"", experiment.Mean, 100, true},
		{"", experiment.Median, 100, true},
		{"", "p99.9", 100, true},
		{"", experiment.Min, 100, true},
		{"", experiment.Max, 100, true},
		{experiment.Last, experiment.Sum, 300, true},
		{experiment.Sum, experiment.Max, 200, true},
		{experiment.First, experiment.Mean, 100, true},
		{"", experiment.First, 100, false},
		{"", experiment.Last, 100, false},
		{experiment.Sum, experiment.Last, 100, false},
		{experiment.Max, experiment.Count, 3, false},
	}
	for _, tt := range tests {
		for _, partial := range []bool{false, true} {
			m := experiment.Metric{
				Name: "rate", Sources: outputs(4), Pattern: regexp.MustCompile(`rate (\d+)`),
				Lines: tt.lines, Processes: tt.processes, Scale: 1, Partial: partial,
			}
			rec := judged(t, threeOfFour, m)
			of := rec.MetricsOf["rate"]
			if rec.Metrics["rate"] != tt.want || of.Values != 3 || of.Expected != 4 || len(of.Lacking) != 1 {
				t.Errorf("%s, %s: got %v of %+v, want %v of 3 of 4", tt.lines, tt.processes, rec.Metrics["rate"], of, tt.want)
			}
			want := ""
			if tt.fails && !partial {
				want = "rate is the " + string(tt.processes) + ` of 3 of 4 processes (partial: true would let that pass): no line of alpha/3.out matches rate (\d+)`
			}
			if rec.Reason != want || (rec.Outcome == outcome.RunFailed) != (want != "") {
				t.Errorf("%s, %s, partial %v: got %s, %q, want %q", tt.lines, tt.processes, partial, rec.Outcome, rec.Reason, want)
			}
		}
	}
}

// judged is the record of a run that ended well, with these files.
func judged(t *testing.T, files map[string]string, metrics ...experiment.Metric) results.Record {
	t.Helper()
	rec := results.Record{Outcome: outcome.RunSucceeded}
	metric.Judge(t.Context(), directory(t, files), &experiment.Datapoint{Measures: experiment.Measures{Metrics: metrics}}, &rec, nil)
	return rec
}

// directory is a run's directory with these files.
func directory(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// Which processes or files must have a value, by the kind of the source.
func TestWhatIsExpected(t *testing.T) {
	t.Parallel()
	csv := func(m experiment.Metric) experiment.Metric { m.Format, m.Field = experiment.CSV, "v"; return m }
	jsonl := func(m experiment.Metric) experiment.Metric { m.Format, m.Field = experiment.JSONL, "v"; return m }
	pattern := func(m experiment.Metric) experiment.Metric { m.Pattern = regexp.MustCompile(`v=(\d+)`); return m }
	out := experiment.Metric{Sources: outputs(2)}
	files := func(host, file string, named ...string) experiment.Source {
		return experiment.Source{Host: host, File: file, Named: named}
	}
	count := func(m experiment.Metric) experiment.Metric { m.Processes = experiment.Count; return m }
	tests := []struct {
		name             string
		tree             map[string]string
		m                experiment.Metric
		value            float64
		values, expected int
		lacking          string
	}{
		{"a table without rows", map[string]string{"alpha/0.out": "v\n1\n", "alpha/1.out": "v\n"}, csv(out), 1, 1, 2, "alpha/1.out has no row below its header"},
		{"an empty output", map[string]string{"alpha/0.out": "v\n1\n", "alpha/1.out": ""}, csv(out), 1, 1, 2, "alpha/1.out is empty"},
		{"an output that is not there", map[string]string{"alpha/0.out": "v\n1\n"}, csv(out), 1, 1, 2, "alpha/1.out is empty"},
		{"a null", map[string]string{"alpha/0.out": `{"v": null}`, "alpha/1.out": `{"v": 1}`}, jsonl(out), 1, 1, 2, `alpha/0.out has nothing but null for "v"`},
		{"a NaN", map[string]string{"alpha/0.out": `{"v": NaN}`, "alpha/1.out": `{"v": 1}`}, jsonl(out), 1, 1, 2, `alpha/0.out:1 "NaN" is not a number`},
		{"a NaN among numbers", map[string]string{"alpha/0.out": `{"v": NaN}` + "\n" + `{"v": 2}`, "alpha/1.out": `{"v": 1}`}, jsonl(out), 3, 2, 2, ""},
		{"no number", map[string]string{"alpha/0.out": "v=1\n", "alpha/1.out": "v\nv=\n"}, pattern(out), 1, 1, 2, `no line of alpha/1.out matches v=(\d+)`},
		{"lines to count that are not there", map[string]string{"alpha/0.out": "v=1\n"}, count(pattern(out)), 1, 2, 2, ""},
		{"rows to count, of which there are none", map[string]string{"alpha/0.out": "v\n", "alpha/1.out": "v\n7\n"}, count(csv(out)), 1, 2, 2, ""},
		{"rows to count without a table", map[string]string{"alpha/0.out": "boom\n", "alpha/1.out": "v\n7\n"}, count(csv(out)), 1, 1, 2, `alpha/0.out has no header with "v"; its first line has "boom"`},
		{"objects to count in an empty output", map[string]string{"alpha/1.out": `{"v": 7}`}, count(jsonl(out)), 1, 2, 2, ""},
		{"objects to count without the field", map[string]string{"alpha/0.out": `{"w": 7}`, "alpha/1.out": `{"v": 7}`}, count(jsonl(out)), 1, 1, 2, `alpha/0.out has no field "v"; the first row has "w"`},
		{
			"a file of each process",
			map[string]string{"alpha/files/0.csv": "v\n1\n"},
			csv(experiment.Metric{Sources: []experiment.Source{files("alpha", "0.csv", "0"), files("alpha", "1.csv", "1")}}),
			1, 1, 2, `no file collected from alpha matches "1.csv"`,
		},
		{
			"a file that processes share",
			map[string]string{"alpha/files/all.csv": "v\n1\n"},
			csv(experiment.Metric{Sources: []experiment.Source{files("alpha", "all.csv", "0", "1", "2")}}), 1, 1, 1, "",
		},
		{
			"a file that is missing on a host",
			map[string]string{"alpha/files/all.csv": "v\n1\n"},
			csv(experiment.Metric{Sources: []experiment.Source{files("alpha", "all.csv", "0"), files("bravo", "all.csv", "0")}}),
			1, 1, 2, `no file collected from bravo matches "all.csv"`,
		},
		{
			"files of several processes by one pattern",
			map[string]string{"alpha/files/0.csv": "v\n1\n", "alpha/files/1.csv": "v\n2\n"},
			csv(experiment.Metric{Sources: []experiment.Source{files("alpha", "*.csv", "0", "1", "2")}}),
			3, 2, 3, `3 processes on alpha left 2 files like "*.csv"`,
		},
		{
			"more files than processes",
			map[string]string{"alpha/files/0.csv": "v\n1\n", "alpha/files/1.csv": "v\n2\n", "alpha/files/2.csv": ""},
			csv(experiment.Metric{Sources: []experiment.Source{files("alpha", "*.csv", "0")}}), 3, 2, 3, "alpha/files/2.csv is empty",
		},
		{
			"files of another kind",
			map[string]string{"alpha/files/0.csv": "v\n1\n", "alpha/files/1.csv": "other,kind\n2,3\n"},
			csv(experiment.Metric{Sources: []experiment.Source{files("alpha", "*.csv", "0")}}), 1, 1, 1, "",
		},
		{
			"files of another kind alone",
			map[string]string{"alpha/files/1.csv": "other\n2\n"},
			csv(experiment.Metric{Sources: []experiment.Source{files("alpha", "*.csv", "0")}}), math.NaN(), 0, 1, `alpha/files/1.csv has no header with "v"; its first line has "other"`,
		},
		{"no process", nil, csv(experiment.Metric{}), math.NaN(), 0, 0, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if tt.m.Processes == "" {
				tt.m.Processes = experiment.Sum
			}
			tt.m.Scale = 1
			f := metric.Take(metric.NewRun(run(tt.tree), &results.Record{}), &tt.m)
			if f.Value != tt.value && !(math.IsNaN(f.Value) && math.IsNaN(tt.value)) || f.Values != tt.values || f.Expected != tt.expected {
				t.Errorf("got %v of %d of %d, want %v of %d of %d", f.Value, f.Values, f.Expected, tt.value, tt.values, tt.expected)
			}
			if got := strings.Join(f.Lacking, "; "); got != tt.lacking {
				t.Errorf("lacking: got %q, want %q", got, tt.lacking)
			}
		})
	}
}

// Where a metric does not say whose files it is about, a group that has left none
// anywhere owes none; of one that has, each host owes one.
func TestFilesOfNobodyInParticular(t *testing.T) {
	t.Parallel()
	m := experiment.Metric{Format: experiment.CSV, Field: "v", Processes: experiment.Sum, Scale: 1, Sources: []experiment.Source{
		{Host: "alpha", File: "x.csv", Named: []string{"server.0"}, Groups: []string{"server"}},
		{Host: "bravo", File: "x.csv", Named: []string{"client.0", "client.2"}, Groups: []string{"client"}},
		{Host: "charlie", File: "x.csv", Named: []string{"client.1", "server.1"}, Groups: []string{"client", "server"}},
		{Host: "delta", File: "x.csv", Named: []string{"monitor.0"}, Groups: []string{"monitor"}},
	}}
	const v = "v\n1\n"
	tests := []struct {
		files            []string
		values, expected int
		note             string
	}{
		{[]string{"bravo"}, 1, 2, `none is expected of "monitor", "server", which left no such file anywhere`},
		{[]string{"bravo", "charlie"}, 2, 3, `none is expected of "monitor", which left no such file anywhere`},
		{[]string{"bravo", "charlie", "alpha", "delta"}, 4, 4, ""},
		{nil, 0, 4, `no file collected from alpha matches "x.csv"`},
	}
	for _, tt := range tests {
		tree := make(map[string]string)
		for _, host := range tt.files {
			tree[host+"/files/x.csv"] = v
		}
		if f := metric.Take(metric.NewRun(run(tree), &results.Record{}), &m); f.Values != tt.values || f.Expected != tt.expected || f.Note != tt.note {
			t.Errorf("%v: got %d of %d, %q, want %d of %d, %q", tt.files, f.Values, f.Expected, f.Note, tt.values, tt.expected, tt.note)
		}
	}
}

// A process that was not started owes nothing, nor does one that a file shares.
func TestProcessesThatWereNotStarted(t *testing.T) {
	t.Parallel()
	tree := map[string]string{"alpha/0.out": "v=1\n", "alpha/files/x.csv": "v\n1\n"}
	of := func(started bool) *metric.Run {
		rec := &results.Record{}
		for i, name := range []string{"0", "1", "2"} {
			p := results.ProcessRecord{Host: "alpha", Process: name}
			if started && i == 0 {
				p.StartedAt = time.Now()
			}
			rec.Processes = append(rec.Processes, p)
		}
		return metric.NewRun(run(tree), rec)
	}
	m := experiment.Metric{Sources: outputs(3), Pattern: regexp.MustCompile(`v=(\d)`), Processes: experiment.Sum, Scale: 1}
	if f := metric.Take(of(true), &m); f.Value != 1 || f.Values != 1 || f.Expected != 1 {
		t.Errorf("got %+v", f)
	}
	m = experiment.Metric{Format: experiment.CSV, Field: "v", Processes: experiment.Sum, Scale: 1, Sources: []experiment.Source{
		{Host: "alpha", File: "*.csv", Named: []string{"0", "1"}}, {Host: "alpha", File: "y.csv", Named: []string{"2"}},
	}}
	if f := metric.Take(of(true), &m); f.Value != 1 || f.Values != 1 || f.Expected != 1 {
		t.Errorf("of files: got %+v", f)
	}
	none := metric.Take(of(false), &m)
	if !math.IsNaN(none.Value) || none.Expected != 0 || none.Note != "no process that it is about was started" {
		t.Errorf("of none: got %+v", none)
	}
}

// A run that succeeded otherwise proves nothing of a metric without any value.
func TestMetricWithoutAnyValue(t *testing.T) {
	t.Parallel()
	none := experiment.Metric{Name: "v", Sources: outputs(2), Pattern: regexp.MustCompile(`v=(\d)`), Processes: experiment.Last, Scale: 1}
	rec := judged(t, threeOfFour, none)
	if want := `v was not found: no line of alpha/0.out matches v=(\d)`; rec.Outcome != outcome.RunFailed || rec.Reason != want || len(rec.Judged.Unmet) != 1 {
		t.Errorf("got %s, %q, want %q", rec.Outcome, rec.Reason, want)
	}
	partial, count, nobody := none, none, none
	partial.Partial = true
	count.Processes = experiment.Count
	nobody.Sources = nil
	for _, m := range []experiment.Metric{partial, count, nobody} {
		if rec := judged(t, threeOfFour, m); rec.Outcome != outcome.RunSucceeded || rec.Reason != "" || len(rec.Judged.Unmet) > 0 {
			t.Errorf("got %s, %q", rec.Outcome, rec.Reason)
		}
	}
}

// Of many processes without a value the first few are named, and how many more.
func TestFewOfManyAreNamed(t *testing.T) {
	t.Parallel()
	m := experiment.Metric{Name: "v", Sources: outputs(9), Pattern: regexp.MustCompile(`rate (\d+)`), Processes: experiment.Sum, Scale: 1}
	tree := maps.Clone(threeOfFour)
	delete(tree, "alpha/3.out")
	rec := judged(t, tree, m)
	if want := "v is the sum of 3 of 9 processes (partial: true would let that pass): alpha/3.out is empty; alpha/4.out is empty; alpha/5.out is empty; and 3 more"; rec.Reason != want {
		t.Errorf("got  %s\nwant %s", rec.Reason, want)
	}
}

// A run that failed anyhow keeps its reason; what its metrics rest on is told all the same.
func TestLackOfAFailedRun(t *testing.T) {
	t.Parallel()
	m := experiment.Metric{Name: "v", Sources: outputs(4), Pattern: regexp.MustCompile(`rate (\d+)`), Processes: experiment.Sum, Scale: 1}
	rec := results.Record{Outcome: outcome.RunLost, Reason: "alpha went silent", Processes: []results.ProcessRecord{
		{Host: "alpha", Process: "0", CommandRecord: results.CommandRecord{StartedAt: time.Unix(1, 0)}}, {Host: "alpha", Process: "3", CommandRecord: results.CommandRecord{StartedAt: time.Unix(1, 0)}},
	}}
	metric.Judge(t.Context(), directory(t, threeOfFour), &experiment.Datapoint{Measures: experiment.Measures{Metrics: []experiment.Metric{m}}}, &rec, nil)
	of := rec.MetricsOf["v"]
	if rec.Outcome != outcome.RunLost || rec.Reason != "alpha went silent" || rec.Metrics["v"] != 100 || of.Values != 1 || of.Expected != 2 {
		t.Errorf("got %s, %q, %v of %+v", rec.Outcome, rec.Reason, rec.Metrics, of)
	}
}
