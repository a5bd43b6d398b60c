package metric_test

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"downbeat/internal/experiment"
	"downbeat/internal/metric"
	"downbeat/internal/results"
)

func testdata(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// hlog is a metric of the logs of both hosts.
func hlog(r experiment.Reduction) experiment.Metric {
	return experiment.Metric{Name: "m", Format: experiment.HDR, Sources: inFiles("*.hlog"), Processes: r, Scale: 1}
}

// javas are the logs of two processes.
func javas(t *testing.T) fstest.MapFS {
	t.Helper()
	return run(map[string]string{"alpha/files/a.hlog": testdata(t, "java-1.hlog"), "bravo/files/b.hlog": testdata(t, "java-2.hlog")})
}

// The histograms of all intervals and processes are one, of which HdrHistogram itself says the
// same.
func TestHistogramsAreMerged(t *testing.T) {
	t.Parallel()
	for r, want := range map[experiment.Reduction]float64{
		experiment.Count: 1400, experiment.Mean: 1346995.1007142856, experiment.Min: 3618, experiment.Max: 47087615,
		"p1": 11791, "p25": 170239, experiment.Median: 475135, "p90": 3256319, "p99": 12181503, "p99.9": 32342015, "p99.99": 47087615,
	} {
		m := hlog(r)
		f := metric.Take(metric.NewRun(javas(t), &results.Record{}), &m)
		if math.Abs(f.Value-want) > 1e-9*want || f.Note != "" || f.Values != 2 || f.Expected != 2 {
			t.Errorf("%s: got %v, %q, %d of %d, want %v", r, f.Value, f.Note, f.Values, f.Expected, want)
		}
	}
	for r, want := range map[experiment.Reduction]float64{experiment.Count: 300, experiment.Mean: 357.12333333333333, experiment.Min: 1, experiment.Max: 2917, "p50": 59, "p90": 1197, "p99": 2781} {
		m := hlog(r)
		m.Sources = outputs(1)
		checkTake(t, run(map[string]string{"alpha/0.out": testdata(t, "hdr-histogram-js.out")}), m, want, "")
	}
}

// Scale, tags and two steps hold for histograms as for values.
func TestHistogramsOfTags(t *testing.T) {
	t.Parallel()
	get, all, none := hlog(experiment.Count), hlog(experiment.Count), hlog(experiment.Count)
	get.Tag, all.Tag, none.Tag = "GET", experiment.AnyTag, "SET"
	checkTake(t, javas(t), get, 1400, "")
	checkTake(t, javas(t), all, 2800, "")
	checkTake(t, javas(t), none, 0, "")
	none.Processes = experiment.Max
	checkTake(t, javas(t), none, math.NaN(), `alpha/files/a.hlog has no interval with the tag "SET"`)
	scaled := hlog(experiment.Max)
	scaled.Scale = 1e-6
	checkTake(t, javas(t), scaled, 47087615*1e-6, "")
	two := hlog(experiment.Sum)
	two.Lines = experiment.Count
	checkTake(t, javas(t), two, 1400, "")
	two.Lines, two.Processes = "p99", experiment.Min
	if f := metric.Take(metric.NewRun(javas(t), &results.Record{}), &two); f.Value >= 12181503 {
		t.Errorf("the lower of two percentiles is %v, and that of both together 12181503", f.Value)
	}
	tagged := hlog(experiment.Max)
	var lines []string
	for line := range strings.Lines(testdata(t, "java-1.hlog")) {
		if strings.HasPrefix(line, "Tag=") || strings.HasPrefix(line, "#") {
			lines = append(lines, line)
		}
	}
	tagged.Sources = tagged.Sources[:1]
	checkTake(t, run(map[string]string{"alpha/files/a.hlog": strings.Join(lines, "")}), tagged, math.NaN(),
		`alpha/files/a.hlog has only intervals with a tag: tag: "GET" would take these, and tag: "*" all`)
}

// Histograms of different precision are merged with that of each: here 1400 values of 3 digits and
// 1400 of 2, whose percentiles lie between.
func TestPrecisionsAreMerged(t *testing.T) {
	t.Parallel()
	of := func(tag string, r experiment.Reduction) float64 {
		m := hlog(r)
		m.Tag = tag
		return metric.Take(metric.NewRun(javas(t), &results.Record{}), &m).Value
	}
	if fine, coarse, both := of("", experiment.Mean), of("GET", experiment.Mean), of("*", experiment.Mean); math.Abs(both-(fine+coarse)/2) > 1 {
		t.Errorf("means: got %v of %v and %v", both, fine, coarse)
	}
	for _, r := range []experiment.Reduction{"p10", "p50", "p99"} {
		if fine, coarse, both := of("", r), of("GET", r), of("*", r); both < fine || both > coarse {
			t.Errorf("%s: got %v of %v and %v", r, both, fine, coarse)
		}
	}
	if got, want := of("*", experiment.Max), of("GET", experiment.Max); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
}

// What of a log is damaged is left out and told; other output of a process is neither.
func TestDamagedHistograms(t *testing.T) {
	t.Parallel()
	var line string
	for l := range strings.Lines(testdata(t, "java-1.hlog")) {
		if strings.HasPrefix(l, "0.000,") {
			line = strings.TrimSpace(l)
		}
	}
	_, encoded, _ := strings.Cut(line, "HIST")
	encoded = "HIST" + encoded
	tests := []struct {
		name, text string
		isFile     bool
		want       float64
		note       string
	}{
		{"alone", encoded + "\n", false, 200, ""},
		{"with a tag alone", "Tag=x," + encoded + "\n" + encoded, false, 200, ""},
		{"blanks", " 1.5 , 1.0 , 3 , " + encoded + " \r\n", true, 200, ""},
		{"other output", "ready\n# of requests: 7\n1,2,3\n" + line + "\nbye\n", false, 200, ""},
		{"other lines of a file", "ready\n" + line + "\n", true, 200, "left out: alpha/files/a.hlog:1 is not a line of a log of histograms"},
		{"cut off", line + "\n" + line[:len(line)-40] + "\n", false, 200, "left out: alpha/0.out:2 has a histogram that is damaged: "},
		{"cut off before it", line + "\n1.0,1.0,3.5,\n", false, 200, `left out: alpha/0.out:2 has no histogram: ""`},
		{"behind its tag", line + "\nTag=GET\n", true, 200, "left out: alpha/files/a.hlog:2 is cut off behind its tag"},
		{"times", line + "\n1.0,x,3.5," + encoded + "\n", true, 200, "left out: alpha/files/a.hlog:2 has no valid times"},
		{"another encoding", line + "\n1.0,1.0,3.5,HISTEgAAAAA=\n", true, 200, "left out: alpha/files/a.hlog:2 has a histogram in another encoding than V2, compressed"},
		{"doubles", line + "\n1.0,1.0,3.5,DHISTwAAAAM=\n", true, 200, "left out: alpha/files/a.hlog:2 has a histogram of doubles, and not of whole numbers"},
		{"a bit", line + "\n" + strings.Replace(line, "AAAA", "AAAB", 1) + "\n", true, 200, "left out: alpha/files/a.hlog:2 has a histogram that is damaged: "},
		{"a log without intervals", "#[Histogram log format version 1.3]\n", true, 0, ""},
		{"no log", "hello\n", false, math.NaN(), "no line of alpha/0.out is one of a log of histograms"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m, name := hlog(experiment.Count), "alpha/files/a.hlog"
			m.Sources = m.Sources[:1]
			if !tt.isFile {
				m.Sources, name = outputs(1), "alpha/0.out"
			}
			f := metric.Take(metric.NewRun(run(map[string]string{name: tt.text}), &results.Record{}), &m)
			if f.Value != tt.want && !(math.IsNaN(f.Value) && math.IsNaN(tt.want)) || !strings.HasPrefix(f.Note, tt.note) || tt.note == "" && f.Note != "" {
				t.Errorf("got %v, %q\nwant %v, %q", f.Value, f.Note, tt.want, tt.note)
			}
		})
	}
}

// In a window, intervals of a file count that lie in it as a whole, by the times of the log, which
// are those of the host's clock.
func TestHistogramsInAWindow(t *testing.T) {
	t.Parallel()
	began := time.Unix(1795857000, 0)
	m := hlog(experiment.Count)
	m.Window, m.Series = "w", time.Second
	record := func(from, to time.Duration) *results.Record {
		return &results.Record{
			ReleasedAt: began, Outcome: "succeeded",
			Windows:   []results.WindowRecord{{Window: "w", From: began.Add(from), To: began.Add(to)}},
			Hosts:     []results.HostRecord{{Host: "alpha"}, {Host: "bravo", ClockOffsetUS: 500_000}},
			Processes: []results.ProcessRecord{{Host: "alpha", Process: "0", CommandRecord: results.CommandRecord{StartedAt: began, EndedAt: began.Add(4 * time.Second)}}},
		}
	}
	tests := []struct {
		from, to time.Duration
		want     float64
		note     string
	}{
		{0, 4 * time.Second, 1400, ""},
		{time.Second, 3 * time.Second, 800, ""},
		{time.Second, 2500 * time.Millisecond, 400, "left out: 2 intervals of histograms across an edge of window w"},
		{10 * time.Second, 20 * time.Second, math.NaN(), "alpha/files/a.hlog has nothing in window w, but 4 values before or after it"},
	}
	for _, tt := range tests {
		if tt.want != tt.want { //nolint:gocritic // NaN: 0 is a count, so that nothing is found by another reduction
			m.Processes = experiment.Max
		}
		f := metric.Take(metric.NewRun(javas(t), record(tt.from, tt.to)), &m)
		if f.Value != tt.want && !(math.IsNaN(f.Value) && math.IsNaN(tt.want)) || f.Note != tt.note {
			t.Errorf("%s to %s: got %v, %q, want %v, %q", tt.from, tt.to, f.Value, f.Note, tt.want, tt.note)
		}
	}
	m.Processes, m.Window = experiment.Count, ""
	f := metric.Take(metric.NewRun(javas(t), record(0, 4*time.Second)), &m)
	if s := f.Series; s == nil || len(s.Times) != 4 || s.Values[0][0] != 400 || s.Values[0][3] != 200 || s.Columns[1] != "alpha/files/a.hlog" {
		t.Errorf("got the series %+v", f.Series)
	}
	untimed := run(map[string]string{"alpha/files/a.hlog": strings.Replace(testdata(t, "java-1.hlog"), "#[StartTime", "#[Start", 1)})
	m.Window, m.Sources = "w", m.Sources[:1]
	if f := metric.Take(metric.NewRun(untimed, record(0, 4*time.Second)), &m); !strings.Contains(f.Note, "a.hlog:5 has no time: the log does not say when it began") {
		t.Errorf("got %v, %q", f.Value, f.Note)
	}
}

// Intervals that a process prints are in a window by when their lines were read.
func TestPrintedHistogramsInAWindow(t *testing.T) {
	t.Parallel()
	tree, reads := fstest.MapFS{}, []read{{ms: 100, text: "ready\n"}}
	for line := range strings.Lines(testdata(t, "hdr-histogram-js.out")) {
		reads = append(reads, read{ms: len(reads) * 1000, text: line})
	}
	wrote(tree, "alpha", "0", reads...) // intervals at 4, 6 and 8 seconds
	m := hlog(experiment.Count)
	m.Sources, m.Window = outputs(1), "w"
	for from, want := range map[time.Duration]float64{0: 300, 5 * time.Second: 200, 7 * time.Second: 100} {
		rec := tenSeconds()
		judgedIn(t, tree, rec, window(release(from), end(0)), m)
		if got := rec.Metrics["m"]; got != want {
			t.Errorf("from %s on: got %v (%s), want %v", from, got, rec.MetricNotes["m"], want)
		}
	}
}
