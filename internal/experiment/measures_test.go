package experiment

import (
	"strings"
	"testing"
)

const measuredBase = `
name: base
hosts: {alpha: , bravo: }
matrix: {op: [get, set]}
groups:
  server: {on: alpha, run: s}
  client: {on: bravo, count: 2, run: "c {{.op}}"}
at: [{t: 5s, signal: KILL, to: server}]
metrics: {old: {output: stdout, pattern: (x), group: client, reduce: sum}}
require: {old: "> 1"}
`

// measures parses a file with nothing but measures, about a run of the base.
func measuresOf(t *testing.T, text string) (Measures, error) {
	t.Helper()
	base := mustParse(t, "base.yaml", measuredBase)
	d, err := base.Points()[1].Expand(trial)
	if err != nil {
		t.Fatal(err)
	}
	f, err := ParseMeasures(Origin{Path: "m.yaml"}, []byte(text), base)
	if err != nil {
		return Measures{}, err
	}
	return f.Judges(pastOf(t, d))
}

func TestMeasuresAloneAreAboutTheExperimentThatWasRun(t *testing.T) {
	t.Parallel()
	got, err := measuresOf(t, `
windows: {w: {from: {action: 0}}}
metrics: {rate: {output: stdout, pattern: '{{.op}}', group: client, window: w, reduce: rate}}
require: {rate: "> 2", start_skew.server: "< 5ms"}
`)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Metrics) != 1 || got.Metrics[0].Pattern.String() != "set" || len(got.Metrics[0].Sources) != 2 || got.Metrics[0].Sources[1].Process != "client.1" {
		t.Errorf("metrics: %+v", got.Metrics)
	}
	if len(got.Windows) != 1 || got.Windows[0].String() != "action 0 to the end" || len(got.Require) != 2 {
		t.Errorf("windows %v, requirements %v", got.Windows, got.Require)
	}
}

func TestAWholeFileIsMeasuredByItself(t *testing.T) {
	t.Parallel()
	got, err := measuresOf(t, strings.ReplaceAll(measuredBase, "old", "new"))
	if err != nil || len(got.Metrics) != 1 || got.Metrics[0].Name != "new" {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestWhatIsWrongWithMeasuresIsSaid(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"metrics: {m: {output: stdout, pattern: (x), group: clinet, reduce: sum}}": `m.yaml:1:52: metrics.m.group: no group "clinet" (did you mean "client"?)`,
		"metrics: {m: {output: stdout, pattern: '{{.opp}}', reduce: count}}":       `m.yaml:1:40: metrics.m.pattern: unknown template key .opp (did you mean .op?)`,
		"windows: {w: {from: {action: 1}}}":                                        `m.yaml:1:30: windows.w.from.action: there is no action 1: the last is 0 (they count from 0)`,
		"matrix: {op: [get]}":                                                      `m.yaml:1:1: unknown field "matrix" (known: $schema, windows, metrics, require)`,
		"- metrics":                                                                `m.yaml:1:1: an experiment must be a map, not a list (begin with "name" and "hosts")`,
	} {
		if _, err := measuresOf(t, text); err == nil || err.Error() != want {
			t.Errorf("%s: got\n%v\nwant\n%s", text, err, want)
		}
	}
}
