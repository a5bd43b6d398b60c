package metric_test

import (
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"pgregory.net/rapid"

	"downbeat/internal/experiment"
	"downbeat/internal/metric"
	"downbeat/internal/outcome"
	"downbeat/internal/results"
	"downbeat/internal/streams"
)

// released is when the runs of these tests were released.
var released = time.Date(2026, 11, 23, 9, 30, 0, 0, time.UTC)

// A read is a piece of output and when it was read, in milliseconds after the release.
type read struct {
	ms     int
	text   string
	stream streams.Stream
}

// wrote has a process write that.
func wrote(tree fstest.MapFS, host, process string, reads ...read) {
	times, last := []byte("downbeat times 1\n"), int64(0)
	text := map[streams.Stream]string{}
	for _, r := range reads {
		at := released.Add(time.Duration(r.ms) * time.Millisecond).UnixNano()
		times = binary.AppendUvarint(times, uint64(len(r.text))<<1|uint64(r.stream))
		times = binary.AppendVarint(times, at-last)
		last = at
		text[r.stream] += r.text
	}
	tree[results.TimesPath(host, process)] = &fstest.MapFile{Data: times}
	for stream, s := range text {
		tree[results.OutputPath(host, process, stream)] = &fstest.MapFile{Data: []byte(s)}
	}
}

// everySecond prints a line a second, from half a second on: "v=0" and so on.
func everySecond(n int) (reads []read) {
	for i := range n {
		reads = append(reads, read{ms: i*1000 + 500, text: fmt.Sprintf("v=%d\n", i)})
	}
	return reads
}

func at(seconds float64) time.Time {
	return released.Add(time.Duration(seconds * float64(time.Second)))
}

// tenSeconds is a run of server and, a second later, client, which was stopped after ten seconds.
func tenSeconds() *results.Record {
	return &results.Record{
		Outcome: outcome.RunSucceeded, ReleasedAt: at(-1), ClockErrorUS: 100, EndedAt: at(11),
		Beats: []results.BeatRecord{
			{Beat: 0, Groups: []string{"server"}, ReleasedAt: at(-1), ClockErrorUS: 100},
			{Beat: 1, Groups: []string{"client"}, ReleasedAt: at(0), ClockErrorUS: 100},
		},
		Marks:   []results.MarkRecord{{Mark: "warm", At: at(3), ClockErrorUS: 200}, {Mark: "warm", At: at(2), ClockErrorUS: 300}},
		Actions: []results.ActionRecord{{Action: 0, At: at(7), ClockErrorUS: 50}, {Action: 0, At: at(6), ClockErrorUS: 60}, {Action: 1, Reason: "alpha/server.0 had ended"}},
		Hosts: []results.HostRecord{
			{Host: "alpha", StoppedAt: at(10), StoppedErrorUS: 400, LineErrors: []results.LineError{{From: at(-10), ErrorUS: 1000}}},
			{Host: "bravo", StoppedAt: at(10.5), StoppedErrorUS: 400},
		},
	}
}

func release(after time.Duration) experiment.Boundary {
	return experiment.Boundary{Of: experiment.OfRelease, After: after}
}

func end(before time.Duration) experiment.Boundary {
	return experiment.Boundary{Of: experiment.OfEnd, After: -before}
}

func mark(name string, after time.Duration) experiment.Boundary {
	return experiment.Boundary{Of: experiment.OfMark, Mark: name, After: after}
}

func action(n int, after time.Duration) experiment.Boundary {
	return experiment.Boundary{Of: experiment.OfAction, Action: n, After: after}
}

func window(from, to experiment.Boundary) []experiment.Window {
	return []experiment.Window{{Name: "w", From: from, To: to}}
}

// judgedIn judges the run by metrics, which are about these windows, and gives its directory.
func judgedIn(t *testing.T, tree fstest.MapFS, rec *results.Record, windows []experiment.Window, metrics ...experiment.Metric) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, tree); err != nil {
		t.Fatal(err)
	}
	dp := &experiment.Datapoint{Measures: experiment.Measures{Windows: windows, Metrics: metrics}}
	metric.Judge(t.Context(), dir, dp, rec, nil)
	return dir
}

// sumInWindow sums what two processes on host alpha say in the window.
func sumInWindow() experiment.Metric {
	return experiment.Metric{Name: "m", Sources: outputs(2), Pattern: regexp.MustCompile(`v=(\d+)`), Processes: experiment.Sum, Scale: 1, Window: "w"}
}

// twice are two processes that each print a line a second for twelve seconds.
func twice() fstest.MapFS {
	tree := fstest.MapFS{}
	wrote(tree, "alpha", "0", everySecond(12)...)
	wrote(tree, "alpha", "1", everySecond(12)...)
	return tree
}

func TestOnlyValuesThatWereReadInTheWindowCount(t *testing.T) {
	t.Parallel()
	second := time.Second
	tests := []struct {
		name     string
		from, to experiment.Boundary
		want     float64 // of one process
	}{
		{"from the last release to the end", release(0), end(0), 0 + 1 + 2 + 3 + 4 + 5 + 6 + 7 + 8 + 9},
		{"without the beginning and the end", release(3 * second), end(2 * second), 3 + 4 + 5 + 6 + 7},
		{"the last two seconds", end(2 * second), end(0), 8 + 9},
		{"from the first of the marks", mark("warm", 0), release(5 * second), 2 + 3 + 4},
		{"before the first time of the action", action(0, -2*second), action(0, 0), 4 + 5},
		{"since the release of a group", experiment.Boundary{Of: experiment.OfRelease, Group: "server", After: second}, release(2 * second), 0 + 1},
		{"what is cut at the end", release(8 * second), release(60 * second), 8 + 9},
		{"what is cut at the release", end(60 * second), release(2 * second), 0 + 1},
		{"an edge belongs to what follows", release(1500 * time.Millisecond), release(2500 * time.Millisecond), 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			rec := tenSeconds()
			judgedIn(t, twice(), rec, window(tt.from, tt.to), sumInWindow())
			if got := rec.Metrics["m"]; got != 2*tt.want || rec.MetricsOf["m"].Window != "w" {
				t.Errorf("got %v, want %v in window w: %s", got, 2*tt.want, rec.MetricNotes["m"])
			}
		})
	}
}

func TestAWindowThatIsNotThereGivesNoValueButAReason(t *testing.T) {
	t.Parallel()
	second := time.Second
	tests := []struct {
		name, want string
		from, to   experiment.Boundary
	}{
		{"a mark", `window w: nobody made the mark "hot"; there are "warm"`, mark("hot", 0), end(0)},
		{"an action that failed", `window w: action 1 was not done: alpha/server.0 had ended`, release(0), action(1, 0)},
		{"an action that never came", `window w: action 2 was not done`, release(0), action(2, 0)},
		{"a group without processes", `window w: no process of monitor was released`, experiment.Boundary{Of: experiment.OfRelease, Group: "monitor"}, end(0)},
		{
			"turned around", `window w: it is empty: 2s after mark warm was at 5s after the release, and 2s before action 0 at 5s after the release`,
			mark("warm", 2*second), action(0, -2*second),
		},
		{"after the end", `window w: the run was over, at 11s after the release, when it would have begun, at 13s after the release`, release(12 * second), release(20 * second)},
		{"before the beginning", `window w: it would have ended before the release, at -19s after the release`, end(60 * second), end(30 * second)},
		{"nothing was read in it", `alpha/0.out has nothing in window w, but 12 values before or after it`, release(510 * time.Millisecond), release(900 * time.Millisecond)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			rec := tenSeconds()
			judgedIn(t, twice(), rec, window(tt.from, tt.to), sumInWindow())
			if got := rec.MetricNotes["m"]; got != tt.want || !math.IsNaN(rec.Metrics["m"]) {
				t.Errorf("got  %v, %s\nwant %s", rec.Metrics["m"], got, tt.want)
			}
			if rec.Outcome != outcome.RunFailed || rec.Reason != "m was not found: "+tt.want {
				t.Errorf("the run is %s: %s", rec.Outcome, rec.Reason)
			}
			if of := rec.MetricsOf["m"]; of.Values != 0 || of.Expected != 2 {
				t.Errorf("it is based on %d of %d processes, want 0 of 2", of.Values, of.Expected)
			}
		})
	}
}

func TestTheRecordHasTheWindowsAsTheyWere(t *testing.T) {
	t.Parallel()
	rec := tenSeconds()
	windows := []experiment.Window{
		{Name: "steady", From: mark("warm", time.Second), To: end(time.Second)},
		{Name: "cut", From: end(time.Minute), To: release(time.Minute)},
		{Name: "none", From: mark("hot", 0), To: end(0)},
	}
	judgedIn(t, fstest.MapFS{}, rec, windows)
	want := []results.WindowRecord{
		{Window: "steady", From: at(3), FromErrorUS: 300, To: at(9), ToErrorUS: 400},
		{
			Window: "cut", From: at(-1), FromErrorUS: 100, To: at(10), ToErrorUS: 400,
			Note: "it is cut at the end of the run, 50s before 1m after the last release; it is cut at the release, 49s after 1m before the end",
		},
		{Window: "none", Reason: `nobody made the mark "hot"; there are "warm"`},
	}
	if !slices.Equal(rec.Windows, want) {
		t.Errorf("got\n%+v\nwant\n%+v", rec.Windows, want)
	}
}

// The clocks of alpha are known to a millisecond, the release to a tenth of that.
func TestValuesNearAnEdgeAreCountedAndTold(t *testing.T) {
	t.Parallel()
	rec := tenSeconds()
	m := sumInWindow()
	judgedIn(t, twice(), rec, window(release(1501050*time.Microsecond), end(time.Second)), m)
	if want := "2 values are so near the edge of window w that the clocks leave open on which side of it"; rec.MetricNotes["m"] != want || rec.Metrics["m"] != 2*(2+3+4+5+6+7+8) {
		t.Errorf("got %v, %q, want %q", rec.Metrics["m"], rec.MetricNotes["m"], want)
	}
	rec = tenSeconds()
	judgedIn(t, twice(), rec, window(release(1502*time.Millisecond), end(time.Second)), m)
	if rec.MetricNotes["m"] != "" {
		t.Errorf("2 ms from the edge: got %q", rec.MetricNotes["m"])
	}
}

func TestAllFormatsHaveTimes(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		m     experiment.Metric
		reads []read
		want  float64
	}{
		{"a table whose header came before", experiment.Metric{Format: experiment.CSV, Field: "v"}, []read{{ms: 100, text: "t,v\n"}, {ms: 900, text: "1,1\n"}, {ms: 1100, text: "2,2\n3,4\n"}, {ms: 2100, text: "4,8\n"}}, 6},
		{"a line that came in pieces", experiment.Metric{Pattern: regexp.MustCompile(`v=(\d)`)}, []read{{ms: 900, text: "v=1\nv="}, {ms: 1100, text: "2\nv"}, {ms: 2100, text: "=4\n"}}, 2},
		{"a last line without its end", experiment.Metric{Pattern: regexp.MustCompile(`v=(\d)`)}, []read{{ms: 900, text: "v=1\n"}, {ms: 1100, text: "v=2"}}, 2},
		{"a progress bar with colours", experiment.Metric{Pattern: regexp.MustCompile(`^v=(\d)`)}, []read{{ms: 900, text: "\x1b[1mv=1\r\x1b["}, {ms: 1100, text: "2mv=2\r"}, {ms: 2100, text: "v=4\n"}}, 2},
		{"lines of JSON", experiment.Metric{Format: experiment.JSONL, Field: "v"}, []read{{ms: 900, text: `{"v": 1}` + "\n"}, {ms: 1100, text: `{"v": 2}` + "\n"}}, 2},
		{
			"documents of JSON, by their ends",
			experiment.Metric{Format: experiment.JSON, Field: "v"},
			[]read{{ms: 100, text: "\ufeffstarting\n"}, {ms: 900, text: "{\n\"v\": 1}\n{\n"}, {ms: 1100, text: "\"v\": 2\n}\n"}, {ms: 1200, text: "[{\"v\": 4},\n{\"v\": 8}]\n{\"v\":"}, {ms: 2100, text: "16}\n"}},
			14,
		},
		{"one document alone", experiment.Metric{Format: experiment.JSON, Field: "v"}, []read{{ms: 100, text: "{\n"}, {ms: 1900, text: "\"v\": 1}"}, {ms: 2100, text: "\n\n"}}, 1},
		{"standard error", experiment.Metric{Pattern: regexp.MustCompile(`v=(\d)`)}, []read{{ms: 1100, text: "v=9\n"}, {ms: 1200, text: "v=2\n", stream: streams.Stderr}, {ms: 2100, text: "v=4\n", stream: streams.Stderr}}, 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tree := fstest.MapFS{}
			wrote(tree, "alpha", "0", tt.reads...)
			tt.m.Name, tt.m.Window, tt.m.Processes, tt.m.Scale = "m", "w", experiment.Sum, 1
			tt.m.Sources = []experiment.Source{{Host: "alpha", Process: "0", Stream: tt.reads[len(tt.reads)-1].stream}}
			rec := tenSeconds()
			judgedIn(t, tree, rec, window(release(time.Second), release(2*time.Second)), tt.m)
			if got := rec.Metrics["m"]; got != tt.want {
				t.Errorf("got %v, want %v: %s", got, tt.want, rec.MetricNotes["m"])
			}
		})
	}
}

// A document that is too large to be taken as a whole is read by lines, with their times.
func TestLargeOutputIsReadByLinesWithTheirTimes(t *testing.T) {
	t.Parallel()
	tree := fstest.MapFS{}
	padding := strings.Repeat(`{"x": "`+strings.Repeat("x", 1000)+`"}`+"\n", 17<<10)
	wrote(tree, "alpha", "0", read{ms: 500, text: padding + `{"v": 1}` + "\n"}, read{ms: 1500, text: `{"v": 2}` + "\n"})
	m := experiment.Metric{Name: "m", Window: "w", Sources: outputs(1), Format: experiment.JSON, Field: "v", Processes: experiment.Sum, Scale: 1}
	rec := tenSeconds()
	judgedIn(t, tree, rec, window(release(time.Second), end(0)), m)
	if rec.Metrics["m"] != 2 {
		t.Errorf("got %v, %q, want 2", rec.Metrics["m"], rec.MetricNotes["m"])
	}
}

func TestLinesWithoutATimeAreLeftOutAndTold(t *testing.T) {
	t.Parallel()
	tree := twice()
	delete(tree, "alpha/0.times")
	rec := tenSeconds()
	m := sumInWindow()
	m.Sources = outputs(1)
	judgedIn(t, tree, rec, window(release(time.Second), end(0)), m)
	if want := "left out: alpha/0.out:1 has no time: alpha/0.times ends before it, and 11 more"; rec.MetricNotes["m"] != want {
		t.Errorf("got %v, %q, want %q", rec.Metrics["m"], rec.MetricNotes["m"], want)
	}
}

func TestARateIsPerSecondOfItsWindow(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name             string
		window           string
		lines, processes experiment.Reduction
		pattern          string
		want             float64
	}{
		{"from the last release to the end", "", "", experiment.Rate, "v", 2},
		{"in a window", "w", "", experiment.Rate, `v=\d$`, 2},
		{"of one process", "", experiment.Rate, experiment.Mean, "v", 1},
		{"of nothing", "w", "", experiment.Rate, "error", 0},
		{"of less", "w", "", experiment.Rate, "v=[34]", 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			rec := tenSeconds()
			m := experiment.Metric{Name: "m", Window: tt.window, Sources: outputs(2), Pattern: regexp.MustCompile(tt.pattern), Lines: tt.lines, Processes: tt.processes, Scale: 1}
			judgedIn(t, twice(), rec, window(release(2*time.Second), release(6*time.Second)), m)
			if got := rec.Metrics["m"]; got != tt.want {
				t.Errorf("got %v, want %v: %s", got, tt.want, rec.MetricNotes["m"])
			}
		})
	}
}

func TestASeriesHasAValueForEachPieceOfTheRun(t *testing.T) {
	t.Parallel()
	tree := twice()
	wrote(tree, "alpha", "1", read{ms: -200, text: "v=7\n"}, read{ms: 1500, text: "v=10\nv=20\n"}, read{ms: 9900, text: "v=30\n"}, read{ms: 10100, text: "v=40\n"})
	rec := tenSeconds()
	m := sumInWindow()
	m.Series, m.Lines, m.Scale = 4*time.Second, experiment.Mean, 2
	rate := experiment.Metric{Name: "rate", Sources: outputs(2), Pattern: regexp.MustCompile(`v=\d\d`), Processes: experiment.Rate, Scale: 1, Series: 5 * time.Second}
	dir := judgedIn(t, tree, rec, window(experiment.Boundary{Of: experiment.OfRelease, Group: "server"}, end(0)), m, rate)
	for name, want := range map[string]string{
		// The window begins before the last release. The last two seconds are no whole piece.
		"m":    "time,all,alpha/0,alpha/1\n-4,14,,14\n0,33,3,30\n4,11,11,\n",
		"rate": "time,all,alpha/0,alpha/1\n0,0.4,0,0.4\n5,0.2,0,0.2\n",
	} {
		got, err := os.ReadFile(filepath.Join(dir, results.SeriesDir, name+".csv"))
		if err != nil || string(got) != want {
			t.Errorf("%s: got %v\n%s\nwant\n%s", name, err, got, want)
		}
	}
	all, err := results.ReadSeries(dir)
	if err != nil || len(all) != 2 || all[0].Metric != "m" || !math.IsNaN(all[0].Values[1][0]) || all[1].Values[0][0] != 0.4 || all[1].Times[1] != 5 {
		t.Errorf("read: got %v, %+v", err, all)
	}
}

// Whatever was read when: windows that follow one another have together what all of them have,
// and so have the pieces of a series.
func TestWindowsThatFollowOneAnotherLoseNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var reads []read
		ms := 0
		for range rapid.IntRange(0, 60).Draw(t, "reads") {
			ms += rapid.IntRange(0, 400).Draw(t, "after")
			reads = append(reads, read{ms: ms - 500, text: rapid.SampledFrom([]string{"v\n", "v\nv\n", "x\n", "v", "\n"}).Draw(t, "text"), stream: streams.Stdout})
		}
		tree := fstest.MapFS{}
		wrote(tree, "alpha", "0", reads...)
		edges := rapid.SliceOfN(rapid.IntRange(1, 9999), 0, 6).Draw(t, "edges")
		edges = slices.Compact(slices.Sorted(slices.Values(append(edges, 0, 10_000))))
		take := func(from, to int, width time.Duration) metric.Finding {
			rec := tenSeconds()
			rec.Windows = []results.WindowRecord{{Window: "w", From: at(float64(from) / 1000), To: at(float64(to) / 1000)}}
			m := experiment.Metric{Name: "m", Window: "w", Sources: outputs(1), Pattern: regexp.MustCompile("v"), Processes: experiment.Count, Scale: 1, Series: width}
			return metric.Take(metric.NewRun(tree, rec), &m)
		}
		whole := take(0, 10_000, 2*time.Second)
		parts := 0.
		for i := range edges[1:] {
			parts += take(edges[i], edges[i+1], 0).Value
		}
		pieces := 0.
		for _, v := range whole.Series.Values[0] {
			pieces += v
		}
		if parts != whole.Value || pieces != whole.Value {
			t.Errorf("between %v: %v together, %v in the pieces, %v in all", edges, parts, pieces, whole.Value)
		}
	})
}

func TestARunThatIsTooShortForASeriesSaysSo(t *testing.T) {
	t.Parallel()
	for width, want := range map[time.Duration]string{
		time.Minute:      "there is no series: the run was shorter than 1m0s",
		time.Millisecond: "",
		time.Microsecond: "there is no series: the run was too long for pieces of 1µs",
	} {
		rec := tenSeconds()
		m := sumInWindow()
		m.Window, m.Series = "", width
		judgedIn(t, twice(), rec, nil, m)
		if rec.MetricNotes["m"] != want || rec.Metrics["m"] != 2*66 {
			t.Errorf("%s: got %v, %q, want %q", width, rec.Metrics["m"], rec.MetricNotes["m"], want)
		}
	}
}

func TestASeriesOfVeryManyProcessesIsOfAllTogetherAlone(t *testing.T) {
	t.Parallel()
	rec := tenSeconds()
	m := sumInWindow()
	m.Window, m.Series = "", time.Millisecond // 10,000 pieces
	for range 100 {
		m.Sources = append(m.Sources, outputs(2)[1])
	}
	dir := judgedIn(t, twice(), rec, nil, m)
	all, err := results.ReadSeries(dir)
	if err != nil || len(all) != 1 || len(all[0].Columns) != 1 || all[0].Values[0][1500] != 102 {
		t.Fatalf("got %v, %d series", err, len(all))
	}
	if want := "the series is of all processes together alone: of single ones there would be more than a million values"; rec.MetricNotes["m"] != want {
		t.Errorf("got %q, want %q", rec.MetricNotes["m"], want)
	}
}

// A metric that no longer has a series takes its file along; the others keep theirs.
func TestSeriesGoWithTheirMetrics(t *testing.T) {
	t.Parallel()
	rec := tenSeconds()
	kept, gone := sumInWindow(), sumInWindow()
	kept.Name, kept.Window, kept.Series, kept.Definition = "kept", "", time.Second, "1"
	gone.Name, gone.Window, gone.Series, gone.Definition = "gone", "", time.Second, "2"
	dir := judgedIn(t, twice(), rec, nil, kept, gone)
	before, err := os.ReadFile(filepath.Join(dir, results.SeriesDir, "kept.csv"))
	if err != nil {
		t.Fatal(err)
	}
	gone.Series, gone.Definition = 0, "3"
	metric.Judge(t.Context(), dir, &experiment.Datapoint{Measures: experiment.Measures{Metrics: []experiment.Metric{kept, gone}}}, rec, nil)
	after, err := os.ReadFile(filepath.Join(dir, results.SeriesDir, "kept.csv"))
	if err != nil || string(after) != string(before) {
		t.Errorf("of the metric that is as before: %v\n%s", err, after)
	}
	if _, err := os.Stat(filepath.Join(dir, results.SeriesDir, "gone.csv")); !os.IsNotExist(err) {
		t.Errorf("of the metric that has no series any more: %v", err)
	}
}
