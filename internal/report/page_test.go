package report_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"downbeat/internal/outcome"
	"downbeat/internal/report"
	"downbeat/internal/report/reporttest"
	"downbeat/internal/results"
)

// smallOnce makes the results that most tests only look at; TestMain removes them.
var smallOnce = sync.OnceValues(func() (string, error) {
	root, err := os.MkdirTemp("", "downbeat-report-")
	if err != nil {
		return "", err
	}
	leftovers = append(leftovers, root)
	dir, err := reporttest.Small().Make(root)
	if err != nil {
		return "", err
	}
	return dir, write(dir, report.Options{Planned: 40})
})

func write(dir string, o report.Options) error {
	r, err := report.New(dir, o)
	if err != nil {
		return err
	}
	return r.Write()
}

func small(t *testing.T) string {
	t.Helper()
	dir, err := smallOnce()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// makeReport makes an experiment of the test's own, and its report.
func makeReport(t testing.TB, spec reporttest.Experiment) string {
	t.Helper()
	dir, err := spec.Make(t.TempDir())
	if err == nil {
		err = write(dir, report.Options{})
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// The page tells how the experiment went, and draws a plot for each metric, a row
// for each run, and a timeline, without an error or a request.
func TestPage(t *testing.T) {
	t.Parallel()
	p := open(t, small(t), "")
	if got := p.texts("h1"); !slices.Equal(got, []string{"locks"}) {
		t.Errorf("heading: %q", got)
	}
	tiles := strings.Join(p.texts(".tile"), "\n")
	for _, want := range []string{"30 of 30 datapoints", "30 of 40 datapoints have run", "3 superseded"} {
		if !strings.Contains(tiles, want) {
			t.Errorf("at a glance: %q is not in\n%s", want, tiles)
		}
	}
	// Three runs failed alike, each after another time.
	if got := p.texts(".failures li"); len(got) != 1 || !strings.Contains(got[0], "client.5 on lagoon exited with status 3 after 1") || !strings.Contains(got[0], "3 runs:") {
		t.Errorf("what failed: %q", got)
	}
	if got := p.texts(".failures .words"); !slices.Equal(got, []string{"lagoon/client.5: panic: lost the lock on /a/b while holding it"}) {
		t.Errorf("its last words: %q", got)
	}
	// The hosts of each run were stopped, so each has a stop skew, in the table and of its own.
	if got := p.column("stop skew (µs)"); slices.ContainsFunc(got, func(s string) bool { return s == "–" || s == "" }) {
		t.Errorf("stop skews in the table: %q", got)
	}
	if got := strings.Join(p.texts("#run-facts dt"), " "); !strings.Contains(got, "start skew stop skew") {
		t.Errorf("facts of the run: %q", got)
	}
	if !strings.Contains(tiles, "stop skew") {
		t.Errorf("no tile for the stop skew:\n%s", tiles)
	}
	if got := p.texts("figure > h3"); !slices.Equal(got, []string{"p99_ms over clients", "throughput over clients", "Start and stop skew in the order of the runs"}) {
		t.Errorf("figures: %q", got)
	}
	if got := get[int](p, `[...document.querySelectorAll("figure svg")].filter((s) => s.getBoundingClientRect().width > 200 && s.querySelectorAll("path").length > 20).length`); got != 3 {
		t.Errorf("%d figures are drawn, want 3", got)
	}
	if got := len(p.column("#")); got != 33 {
		t.Errorf("%d rows in the table, want 33", got)
	}
	if got := get[int](p, `document.querySelectorAll("#timeline a").length`); got != 12 {
		t.Errorf("%d processes in the timeline, want 12", got)
	}
	if got := get[int](p, `document.querySelectorAll("#release circle.start").length`); got != 12 {
		t.Errorf("%d starts in the strip, want 12", got)
	}
	if got := get[int](p, `document.querySelectorAll("#stop circle.stopdot").length`); got != 3 {
		t.Errorf("%d stops in the strip, want 3", got)
	}
}

// A heading sorts up, down, and not at all; what has no value comes last either way.
func TestSort(t *testing.T) {
	t.Parallel()
	p := open(t, small(t), "")
	sort := func(order string) []string {
		p.do(click(`#table th[data-key="m.throughput"] button`))
		p.await(fmt.Sprintf(`(document.querySelector('#table th[data-key="m.throughput"]').getAttribute("aria-sort") ?? "") === %q`, order))
		return p.column("throughput (op/s)")
	}
	before := p.column("throughput (op/s)")
	up, down := numbers(t, sort("ascending")), numbers(t, sort("descending"))
	if len(up) != 30 || !slices.IsSorted(up) {
		t.Errorf("ascending: %v", up)
	}
	slices.Reverse(down)
	if !slices.Equal(up, down) {
		t.Errorf("descending: %v", down)
	}
	if got := sort(""); !slices.Equal(got, before) {
		t.Errorf("the third click: %v, want the order of the runs", got)
	}
}

// numbers reads a column; its empty cells must come last.
func numbers(t *testing.T, column []string) []float64 {
	t.Helper()
	var all []float64
	for n, text := range column {
		var v float64
		if _, err := fmt.Sscan(strings.ReplaceAll(text, ",", ""), &v); err != nil {
			if slices.ContainsFunc(column[n:], func(s string) bool { return s != "–" }) {
				t.Errorf("row %d: %q before numbers", n, text)
			}
			break
		}
		all = append(all, v)
	}
	return all
}

// Each column filters by words and by numbers, and superseded runs can be hidden.
func TestFilter(t *testing.T) {
	t.Parallel()
	p := open(t, small(t), "")
	for _, c := range []struct {
		key, text string
		want      int
	}{
		{"p.mode", "linear", 17},
		{"p.mode", "!linear", 16},
		{"p.clients", ">=8", 12},
		{"p.clients", "2..4", 15},
		{"p.clients", "=1", 6},
		{"outcome", "failed", 3},
		{"reason", "lagoon", 3},
		{"m.throughput", ">1e9", 0},
		{"attempt", "2", 3},
	} {
		field := fmt.Sprintf(`#table input[data-key=%q]`, c.key)
		p.write(field, c.text)
		p.await(fmt.Sprintf(`new URLSearchParams(location.hash.slice(1)).get("f.%s") === %q`, c.key, c.text))
		got := len(p.column("#"))
		if got != c.want {
			t.Errorf("%s %s: %d rows, want %d", c.key, c.text, got, c.want)
		}
		p.do(click("#table-reset"))
		p.await(`document.querySelectorAll("#table tbody tr").length === 33`)
	}
	p.do(click("#table-superseded"))
	p.await(`document.getElementById("table-count").textContent !== "33 runs"`)
	if got := p.texts("#table-count"); len(p.column("#")) != 30 || got[0] != "30 of 33 runs" {
		t.Errorf("without superseded runs: %d rows, %q", len(p.column("#")), got)
	}
	p.do(click("#table-superseded"))
	p.write("#table-search", "exited with status 3")
	p.await(`document.querySelectorAll("#table tbody tr").length === 3`)
}

// A run and a process are chosen with the mouse or the keyboard; the address keeps
// them over a reload.
func TestChooseRun(t *testing.T) {
	t.Parallel()
	p := open(t, small(t), "")
	p.do(click(`#table tbody tr:nth-child(5) td:nth-child(3)`))
	p.await(`document.getElementById("run-title").textContent.startsWith("Run 5:")`)
	p.await(`document.getElementById("log-process").value === "lagoon/client.5"`)
	p.await(`document.getElementById("log-lines").textContent.includes("lost the lock")`)
	p.do(chromedp.Focus(chromedp.CSS(`#timeline a`)), chromedp.KeyEvent(kb.Enter))
	p.await(`document.getElementById("log-process").value === "nevis/replica.0"`)
	p.await(`document.querySelector("#timeline a.chosen").dataset.process === "nevis/replica.0"`)
	p.do(chromedp.Reload())
	p.await(`document.getElementById("run-title")?.textContent.startsWith("Run 5:")`)
	p.await(`document.getElementById("log-about")?.textContent.includes("nevis/replica.0.out")`)
	p.do(click(`#run-next`))
	p.await(`document.getElementById("run-title").textContent.startsWith("Run 6:")`)
}

// The pictures of runs, and the numbers beside what failed, lead to their run.
func TestLinksToRuns(t *testing.T) {
	t.Parallel()
	p := open(t, small(t), "")
	p.do(click(`.squares li:nth-child(7) a`))
	p.await(`document.getElementById("run-title").textContent.startsWith("Run 7:")`)
	number := p.texts(".failures a")[1]
	p.do(click(`.failures a:nth-of-type(2)`))
	p.await(`document.getElementById("run-title").textContent.startsWith("Run ` + strings.Fields(number)[0] + `:")`)
}

// The output of all processes can be chosen in a run that failed too, and a reload
// keeps that.
func TestAllOutputOfAFailedRun(t *testing.T) {
	t.Parallel()
	p := open(t, small(t), "")
	p.do(click(`#table tbody tr:nth-child(5) td:nth-child(3)`))
	p.await(`document.getElementById("log-process").value === "lagoon/client.5"`)
	p.do(click(`#log-search`)) // the list is in view
	get[bool](p, `(() => { const s = document.getElementById("log-process"); s.value = ""; s.dispatchEvent(new Event("change")); return true; })()`)
	p.await(`document.getElementById("log-count").textContent === "361 lines"`)
	p.await(`document.getElementById("log-process").value === ""`)
	p.do(chromedp.Reload())
	p.await(`document.getElementById("log-count")?.textContent === "361 lines"`)
	p.do(click(`#run-next`))
	p.await(`document.getElementById("run-title").textContent.startsWith("Run 6:")`)
}

// Why a run failed stands where it can be seen without scrolling sideways.
func TestReasonIsInView(t *testing.T) {
	t.Parallel()
	p := open(t, small(t), "", size(1280, 800))
	right := get[float64](p, `(() => {
		const td = document.querySelector("#table tbody tr:nth-child(5) td.reason"), box = document.getElementById("table-box").getBoundingClientRect();
		return box.right - td.getBoundingClientRect().left;
	})()`)
	if right < 200 {
		t.Errorf("of the reason %.0f pixels are in view", right)
	}
	if got := p.column("reason"); !strings.Contains(got[4], "client.5 on lagoon exited with status 3") {
		t.Errorf("the reason is %q", got[4])
	}
}

// The timeline names one unit, that of its axis.
func TestTimelineNamesItsUnitOnce(t *testing.T) {
	t.Parallel()
	dir := makeReport(t, reporttest.Experiment{Name: "short", Hosts: 1, Processes: 2, Lines: 3, Length: 200 * time.Millisecond})
	p := open(t, dir, "", size(1280, 800))
	axis := p.texts("#timeline text.faint")
	if got := axis[len(axis)-1]; !strings.Contains(got, "ms") {
		t.Errorf("the axis is in %q, want ms", got)
	}
	hint := get[string](p, `document.getElementById("timeline-key").previousElementSibling.textContent`)
	if !strings.Contains(hint, "since the release") || strings.Contains(strings.ToLower(hint), "seconds") {
		t.Errorf("over an axis in ms: %q", hint)
	}
}

// The search in the output counts, marks and visits what it finds, and can leave out the rest.
func TestSearchLog(t *testing.T) {
	t.Parallel()
	p := open(t, small(t), "#process=")
	p.await(`document.getElementById("log-count").textContent === "360 lines"`)
	p.write("#log-search", "RETRY 15")
	p.await(`document.querySelector("#log-lines mark")?.textContent === "retry 15"`)
	p.await(`document.getElementById("log-count").textContent === "match 1 of 12"`)
	p.do(chromedp.SendKeys(chromedp.CSS("#log-search"), kb.Enter))
	p.await(`document.getElementById("log-count").textContent === "match 2 of 12"`)
	p.do(click("#log-only"))
	p.await(`document.querySelectorAll("#log-lines .row").length === 12`)
	p.write("#log-search", "no such thing")
	p.await(`document.getElementById("log-lines").textContent === "No line matches."`)
}

// On a phone, and in the dark, nothing sticks out of the page and everything is drawn.
func TestNarrowAndDark(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		scheme string
		width  int64
	}{{"light", 360}, {"dark", 360}, {"dark", 1280}} {
		p := open(t, small(t), "", size(c.width, 800), scheme(c.scheme))
		if got := get[int64](p, `document.documentElement.scrollWidth`); got > c.width {
			t.Errorf("%d wide: the page is %d", c.width, got)
		}
		if got := get[int64](p, `Math.max(...[...document.querySelectorAll("svg")].map((s) => s.getBoundingClientRect().right))`); got > c.width {
			t.Errorf("%d wide: a drawing reaches to %d", c.width, got)
		}
		dark := get[bool](p, `getComputedStyle(document.body).backgroundColor.match(/\d+/g).every((c) => c < 60)`)
		if dark != (c.scheme == "dark") {
			t.Errorf("%s: the background is dark: %v", c.scheme, dark)
		}
		if got := get[string](p, `getComputedStyle(document.querySelector("figure svg text")).fill`); (got == "rgb(26, 26, 26)") != (c.scheme == "light") {
			t.Errorf("%s: text in figures is %s", c.scheme, got)
		}
	}
}

// The file names its figures, and they are there.
func TestFigureFiles(t *testing.T) {
	t.Parallel()
	dir := small(t)
	names, err := filepath.Glob(filepath.Join(dir, "figures", "*"))
	if err != nil || len(names) != 3 {
		t.Fatalf("figures: %v, %v", names, err)
	}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil || !strings.HasSuffix(string(data), "</svg>\n") {
			t.Errorf("%s: %v, ends with %q", name, err, data[max(0, len(data)-20):])
		}
	}
}

// Beside each number stands on how many processes it rests, in the table, as a tooltip
// and among the facts of the run, which also say that it was judged anew.
func TestPageTellsWhatNumbersRestOn(t *testing.T) {
	t.Parallel()
	p := open(t, makeReport(t, reporttest.Experiment{Name: "rests", Clients: []int{1, 2}, Length: time.Second, Change: func(r *results.Record) {
		r.Metrics = results.Metrics{"rate": 300 * float64(r.Datapoint)}
		r.MetricsOf = map[string]results.MetricBasis{"rate": {Values: 3, Expected: 4}}
		r.MetricNotes = map[string]string{"rate": "left out: <b>a line"}
		r.Judged = &results.Judgement{AnewAt: reporttest.Epoch, Before: &results.Verdict{Outcome: outcome.RunFailed, Reason: "rate was 3, required > 4"}}
	}}), "")
	if got := p.column("rate"); !slices.Equal(got, []string{"300 (3 of 4)", "600 (3 of 4)"}) {
		t.Errorf("the table has %q", got)
	}
	if got := get[string](p, `document.querySelector("#table td[title]").title`); got != "based on 3 of 4 processes or files; left out: <b>a line" {
		t.Errorf("the tooltip is %q", got)
	}
	facts := strings.Join(p.texts("#run-facts dd"), "\n")
	for _, want := range []string{"(3 of 4)", "2026-11-23T21:30:00Z, by other metrics or requirements; it was failed before: rate was 3, required > 4"} {
		if !strings.Contains(facts, want) {
			t.Errorf("%q is not among the facts:\n%s", want, facts)
		}
	}
	if got := strings.Join(p.texts("figcaption"), " "); !strings.Contains(got, "Each value is based on 3 of 4 processes or files; in 2 runs on fewer than there are.") {
		t.Errorf("captions: %s", got)
	}
}

// A metric over the run's time is drawn on the axis of the timeline, with the windows shaded and
// a line for each release, mark and action; where the pointer is, the value is said.
func TestPageDrawsMetricsOverTheTimeOfARun(t *testing.T) {
	t.Parallel()
	spec := reporttest.Experiment{Name: "course", Length: 10 * time.Second, Change: func(r *results.Record) {
		at := func(seconds int) time.Time { return r.ReleasedAt.Add(time.Duration(seconds) * time.Second) }
		r.Marks = []results.MarkRecord{{Mark: "warm", Host: "nevis", At: at(3)}}
		r.Actions = []results.ActionRecord{{Text: "signal KILL", Host: "nevis", Target: "server.0", At: at(5)}}
		r.Windows = []results.WindowRecord{{Window: "steady", From: at(3), To: at(8)}}
		r.Units, r.Metrics = map[string]string{"rate": "req/s"}, results.Metrics{"rate": 30}
		r.MetricsOf = map[string]results.MetricBasis{"rate": {Values: 2, Expected: 2, Window: "steady"}}
	}}
	dir, err := spec.Make(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	runs, err := results.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	s := results.Series{Metric: "rate", Columns: []string{results.AllProcesses, "a/c.0", "a/c.1"}, Values: make([][]float64, 3)}
	for i := range 10 {
		s.Times = append(s.Times, float64(i))
		for c := range s.Values {
			s.Values[c] = append(s.Values[c], float64(i*i))
		}
	}
	if err := s.Write(runs.Runs()[0]); err != nil {
		t.Fatal(err)
	}
	if err := write(dir, report.Options{}); err != nil {
		t.Fatal(err)
	}
	p := open(t, dir, "", size(1280, 900))
	for selector, want := range map[string]int{
		"#course svg": 1, "#course path.course": 3, "#course rect.window": 1, "#course .moment line.mark": 1, "#course .moment line.action": 1, "#timeline rect.window": 1,
	} {
		if got := get[int](p, `document.querySelectorAll("`+selector+`").length`); got != want {
			t.Errorf("%d of %s, want %d", got, selector, want)
		}
	}
	if got := get[bool](p, `(() => { const x = (s) => document.querySelector(s + " rect.window").getBoundingClientRect().x; return Math.abs(x("#course") - x("#timeline")) < 1; })()`); !got {
		t.Error("the axes of the course and the timeline differ")
	}
	if facts := p.texts("#run-facts dd"); !slices.Contains(facts, "30 (2 of 2), in steady") {
		t.Errorf("among the facts: %q", facts)
	}
	said := get[string](p, `(() => {
		const area = document.querySelector("#course rect.row"), box = document.querySelector("#course rect.window").getBoundingClientRect();
		area.dispatchEvent(new PointerEvent("pointermove", { clientX: box.left + box.width / 10, clientY: box.top + 9 }));
		return document.querySelector("#course .readout").textContent;
	})()`)
	if want := "3.00 s to 4.00 s: 9 req/s"; said != want {
		t.Errorf("in the middle of the fourth second it says %q, want %q", said, want)
	}
}
