package experiment

import (
	"slices"
	"strings"
	"testing"
	"time"
)

const windowed = `
hosts: {alpha: , bravo: }
matrix: {warm: [15, 20]}
groups:
  server: {on: alpha, run: s}
  client: {on: bravo, run: c, after: server}
at: [{t: 5s, signal: KILL, to: server}]
timeout: 60s
windows:
  all: {}
  steady: {from: "{{.warm}}s", to: -5s}
  last: {from: -10s}
  marked: {from: {mark: warm}, to: {action: 0, t: -1500ms}}
  early: {from: {since: server, t: 1s}, to: 0s}
metrics:
  m: {output: stdout, pattern: x, window: steady, reduce: rate, series: 500ms}
`

func TestWindowsSayWhatTheirEdgesCountFrom(t *testing.T) {
	t.Parallel()
	d, err := mustParse(t, "x.yaml", windowed).Points()[1].Expand(trial)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"all: the last release to the end",
		"steady: 20s after the last release to 5s before the end",
		"last: 10s before the end to the end",
		"marked: mark warm to 1.5s before action 0",
		"early: 1s after the release of server to the last release",
	}
	var got []string
	for i := range d.Windows {
		got = append(got, d.Windows[i].Name+": "+d.Windows[i].String())
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if m := d.Metrics[0]; m.Window != "steady" || m.Series != 500*time.Millisecond || m.Processes != Rate || !m.Timed() {
		t.Errorf("got %+v", m)
	}
}

// What a metric means depends on its window, and on nothing else of the windows.
func TestAMetricIsAnotherOneInAnotherWindow(t *testing.T) {
	t.Parallel()
	define := func(text string) string {
		d := mustExpand(t, "x.yaml", text)
		return d.Metrics[0].Definition
	}
	same := define(windowed)
	for name, change := range map[string][2]string{
		"another window of the file":  {"last: {from: -10s}", "last: {from: -11s}"},
		"another name of that window": {"steady", "calm"},
	} {
		if define(strings.ReplaceAll(windowed, change[0], change[1])) != same {
			t.Errorf("%s changes the metric", name)
		}
	}
	for name, change := range map[string][2]string{
		"other edges":     {`"{{.warm}}s", to: -5s`, `"{{.warm}}s", to: -6s`},
		"without one":     {"window: steady, ", ""},
		"other pieces":    {"series: 500ms", "series: 1s"},
		"another anchor":  {"from: \"{{.warm}}s\"", "from: {mark: warm}"},
		"another formula": {"reduce: rate", "reduce: count"},
	} {
		if define(strings.ReplaceAll(windowed, change[0], change[1])) == same {
			t.Errorf("%s: the metric has the same definition", name)
		}
	}
}
