package report_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"downbeat/internal/outcome"
	"downbeat/internal/report"
	"downbeat/internal/report/reporttest"
	"downbeat/internal/results"
	"downbeat/internal/streams"
)

// attack is what a page that took text for anything else would carry out.
const attack = `</script></title></svg><img src="https://example.org/x" onerror="hacked=1"><script>hacked=1</script>`

// hostile makes an experiment in which everything that a person or a program can
// choose is meant to do harm.
func hostile(t *testing.T) string {
	t.Helper()
	e, err := results.Create(t.TempDir(), results.Meta{Name: attack, Time: reporttest.Epoch, File: attack})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	for n := range 4 {
		run, err := e.NewRun(attack, []results.Process{{Host: "al<b>pha", Name: `"pro&cess'`}})
		if err != nil {
			t.Fatal(err)
		}
		at := reporttest.Epoch.Add(time.Duration(n) * time.Minute)
		text := attack + "\nnul \x00, bell \a, \xff\xfe no UTF-8, \x1b[31mred\x1b[0m, \u202eback\u202c\n<!--\n\u2028]]>\n" + strings.Repeat("x", 9000) + "\n"
		if err := run.Output(0, streams.Stdout, at.Add(time.Second), []byte(text)); err != nil {
			t.Fatal(err)
		}
		rec := results.Record{
			Run: "R" + string(rune('0'+n)), Datapoint: n + 1, Repetition: 1, Attempt: 1, Outcome: outcome.RunSucceeded, Reason: attack,
			Parameters: map[string]any{attack: float64(n), "\x00\xff": attack + string(rune('a'+n%2)), "__proto__": "x"},
			EnqueuedAt: at, ReleasedAt: at, EndedAt: at.Add(10 * time.Second),
			Metrics: map[string]float64{attack: float64(n), "../../up": 1, "": 2},
			Hosts: []results.HostRecord{{
				Host: "al<b>pha", Outcome: outcome.HostSucceeded, Reason: attack, Hold: attack, Files: []string{attack},
				Missing: []results.MissingFile{{Path: attack, Reason: attack}},
				Setup:   []results.StepRecord{{Name: `"set&up'`, CommandRecord: results.CommandRecord{Argv: []string{attack}, Outcome: attack, Reason: attack}}},
			}},
			Unmatched: []string{attack},
			Processes: []results.ProcessRecord{{
				Host: "al<b>pha", Process: `"pro&cess'`, CommandRecord: results.CommandRecord{
					Argv: []string{attack, "\x00"}, Outcome: outcome.CommandSucceeded, Reason: attack, Signal: attack,
					StartedAt: at, EndedAt: at.Add(9 * time.Second), Total: streams.Total{StdoutBytes: uint64(len(text)), StdoutLines: 5},
				},
			}},
		}
		if n == 3 {
			rec.Outcome = outcome.Run(attack)
		}
		if err := run.Finish(rec); err != nil {
			t.Fatal(err)
		}
	}
	if err := write(e.Dir(), report.Options{}); err != nil {
		t.Fatal(err)
	}
	return e.Dir()
}

// Names and output, whatever they contain, are text on the page, and nothing else.
func TestHostileText(t *testing.T) {
	t.Parallel()
	dir := hostile(t)
	p := open(t, dir, "#process=", size(800, 700))
	if got := get[string](p, `typeof hacked`); got != "undefined" {
		t.Error("a script of a process ran")
	}
	if got := get[int](p, `document.querySelectorAll("img, iframe, object, link:not([rel=icon])").length`); got != 0 {
		t.Errorf("%d foreign elements in the page", got)
	}
	if got := p.texts("h1"); got[0] != attack {
		t.Errorf("heading: %q", got[0])
	}
	said := p.texts("#log-lines .said")
	for _, want := range []string{attack, "nul ␀, bell ␇, \uFFFD no UTF-8, red, \u202eback\u202c", "<!--", "\u2028]]>"} {
		if !slices.Contains(said, strings.TrimSpace(want)) {
			t.Errorf("the output lacks %q; it has %.300q", want, said)
		}
	}
	if last := said[len(said)-1]; !strings.HasSuffix(last, "… 5,000 more characters") {
		t.Errorf("a long line ends with %.60q", last[len(last)-60:])
	}
	if got := get[int64](p, `document.documentElement.scrollWidth`); got > 800 {
		t.Errorf("the page is %d wide", got)
	}
}

// The names of figures stay within their directory, are distinct, and the files are
// well-formed.
func TestHostileFigures(t *testing.T) {
	t.Parallel()
	dir := hostile(t)
	entries, err := os.ReadDir(filepath.Join(dir, "figures"))
	if err != nil || len(entries) != 4 {
		t.Fatalf("figures: %v, %v", entries, err)
	}
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(dir, "figures", e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if err := wellFormed(data); err != nil {
			t.Errorf("%s: %v", e.Name(), err)
		}
	}
}
