package export

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"
	"go.uber.org/goleak"

	"downbeat/internal/facts"
	"downbeat/internal/report/reporttest"
	"downbeat/internal/results"
	"downbeat/internal/testkit"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// load makes up an experiment and reads it.
func load(t *testing.T) *Data {
	t.Helper()
	x := reporttest.Small()
	x.Lines = 1
	x.Change = func(r *results.Record) {
		r.Git = &facts.Git{Commit: "abc", Dirty: true}
		r.Hosts[0].Facts = &facts.HostFacts{Kernel: "Linux 6.1", Cores: 8}
		r.Processes[0].Program = &facts.ProgramFacts{Path: "/bin/x", SHA256: "aa"}
		for name := range r.Metrics {
			if r.MetricsOf == nil {
				r.MetricsOf = make(map[string]results.MetricBasis)
			}
			r.MetricsOf[name] = results.MetricBasis{Values: 3, Expected: 4, Window: "steady"}
		}
		r.Windows = []results.WindowRecord{{Window: "steady", From: r.ReleasedAt.Add(15 * time.Second), To: r.ReleasedAt.Add(40 * time.Second)}}
	}
	dir, err := x.Make(t.TempDir())
	testkit.Check(t, err)
	d, err := Load(dir)
	testkit.Check(t, err)
	return d
}

func tableNamed(t *testing.T, d *Data, name string) Table {
	t.Helper()
	for _, table := range d.Tables() {
		if table.Name == name {
			return table
		}
	}
	t.Fatalf("there is no table %s", name)
	return Table{}
}

// inCSV writes a table and reads it back.
func inCSV(t *testing.T, table Table) [][]string {
	t.Helper()
	var b bytes.Buffer
	testkit.Check(t, WriteCSV(&b, table))
	lines, err := csv.NewReader(&b).ReadAll()
	testkit.Check(t, err)
	return lines
}

func TestTablesAreTidy(t *testing.T) {
	t.Parallel()
	d := load(t)
	metrics := inCSV(t, tableNamed(t, d, "metrics"))
	heading := "run experiment datapoint repetition attempt counts clients mode metric value unit n expected window window_from_s window_to_s note definition"
	if got := strings.Join(metrics[0], " "); got != heading {
		t.Errorf("heading: %s\nwant     %s", got, heading)
	}
	at := func(line []string, column string) string { return line[slices.Index(metrics[0], column)] }
	counting := 0
	for _, line := range metrics[1:] {
		if at(line, "window") != "steady" || at(line, "window_from_s") != "15" || at(line, "window_to_s") != "40" || at(line, "n") != "3" || at(line, "expected") != "4" {
			t.Fatalf("a metric: %q", line)
		}
		if at(line, "counts") == "true" {
			counting++
		}
	}
	records, err := results.Records(d.Dir)
	testkit.Check(t, err)
	want := 0
	for _, r := range results.Counted(records) {
		want += len(r.Metrics)
	}
	if counting != want {
		t.Errorf("%d of %d rows count, want %d", counting, len(metrics)-1, want)
	}
	if n := len(inCSV(t, tableNamed(t, d, "runs"))); n != len(records)+1 {
		t.Errorf("%d lines of runs", n)
	}
	if n := len(inCSV(t, tableNamed(t, d, "hosts"))); n != 3*len(records)+1 {
		t.Errorf("%d lines of hosts", n)
	}
	if n := len(inCSV(t, tableNamed(t, d, "processes"))); n != 12*len(records)+1 {
		t.Errorf("%d lines of processes", n)
	}
}

func TestNamesThatDifferOnlyInCaseAreToldApart(t *testing.T) {
	t.Parallel()
	got := distinct([]Column{{"n", Text}, {"N", Text}, {"n", Text}, {"n_2", Text}})
	if names := fmt.Sprint(got); names != "[{n 0} {N_2 0} {n_3 0} {n_2_2 0}]" {
		t.Errorf("got %s", names)
	}
}

// What Python's own library reads of the database is what was written.
func TestSQLiteIsReadByPython(t *testing.T) {
	t.Parallel()
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("python3 is not installed")
	}
	d := load(t)
	path := filepath.Join(t.TempDir(), "r.sqlite")
	files, err := d.Write(t.Context(), SQLite, path)
	testkit.Check(t, err)
	if !slices.Equal(files, []string{path}) {
		t.Errorf("files: %q", files)
	}
	const script = `
import sqlite3, sys, csv
db = sqlite3.connect(sys.argv[1])
out = csv.writer(sys.stdout, lineterminator="\n")
for table in ("runs", "hosts", "processes", "metrics"):
    for row in db.execute(f'SELECT "run", * FROM {table}'):
        out.writerow([table] + ["" if c is None else c for c in row[:6]])
print(db.execute("SELECT avg(value) > 0, count(*) FROM metrics WHERE counts AND metric = 'throughput' AND clients = 4").fetchone())
print(db.execute("SELECT typeof(duration_s), typeof(released_at), typeof(counts), strftime('%Y', released_at) FROM runs WHERE counts LIMIT 1").fetchone())
`
	out, err := exec.CommandContext(t.Context(), python, "-c", script, path).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	want := 0
	for _, table := range d.Tables() {
		want += len(inCSV(t, table)) - 1
	}
	if len(lines) != want+2 || lines[want] != "(1, 6)" || lines[want+1] != "('real', 'text', 'integer', '2026')" {
		t.Errorf("%d lines, want %d: %q", len(lines), want+2, lines[max(0, len(lines)-2):])
	}
}

func TestParquetIsReadBack(t *testing.T) {
	t.Parallel()
	d := load(t)
	dir := t.TempDir()
	files, err := d.Write(t.Context(), Parquet, dir)
	testkit.Check(t, err)
	for i, table := range d.Tables() {
		f, err := os.Open(files[i])
		testkit.Check(t, err)
		got := readParquet(t, f)
		testkit.Check(t, f.Close())
		want := inCSV(t, table)
		if len(got) != len(want) {
			t.Fatalf("%s: %d lines, want %d", table.Name, len(got), len(want))
		}
		for n := range want {
			if !slices.Equal(got[n], want[n]) {
				t.Fatalf("%s, line %d:\n%q\nwant\n%q", table.Name, n, got[n], want[n])
			}
		}
	}
}

// readParquet shows a file as [WriteCSV] would.
func readParquet(t *testing.T, f *os.File) [][]string {
	t.Helper()
	r := parquet.NewReader(f)
	defer func() { testkit.Check(t, r.Close()) }()
	var heading []string
	kinds := make([]string, 0)
	for _, field := range r.Schema().Fields() {
		heading, kinds = append(heading, field.Name()), append(kinds, field.Type().String())
	}
	lines := [][]string{heading}
	rows := make([]parquet.Row, 7)
	for {
		n, err := r.ReadRows(rows)
		for _, row := range rows[:n] {
			line := make([]string, len(row))
			for i, v := range row {
				line[i] = csvCell(cellOf(v, kinds[i]))
			}
			lines = append(lines, line)
		}
		if errors.Is(err, io.EOF) {
			return lines
		}
		testkit.Check(t, err)
	}
}

func cellOf(v parquet.Value, kind string) any {
	switch {
	case v.IsNull():
		return nil
	case strings.HasPrefix(kind, "TIMESTAMP"):
		return time.Unix(0, v.Int64()).UTC()
	case v.Kind() == parquet.Boolean:
		return v.Boolean()
	case v.Kind() == parquet.Double:
		return v.Double()
	case v.Kind() == parquet.Int64:
		return v.Int64()
	}
	return string(v.ByteArray())
}

func TestLaTeXIsATable(t *testing.T) {
	t.Parallel()
	d := load(t)
	var b strings.Builder
	testkit.Check(t, d.WriteLaTeX(&b))
	text := b.String()
	for _, part := range []string{"\\toprule\nmetric & clients & mode & $n$ & median", "\\bottomrule", "throughput", " to "} {
		if !strings.Contains(text, part) {
			t.Errorf("%q is not in\n%s", part, text)
		}
	}
	columns := 8
	for line := range strings.Lines(text) {
		if strings.HasSuffix(line, "\\\\\n") && strings.Count(line, " & ") != columns-1 {
			t.Errorf("%d columns in %s", strings.Count(line, " & ")+1, line)
		}
	}
}

func TestLaTeXEscapesAndRounds(t *testing.T) {
	t.Parallel()
	if got := escape("a_b 50% $x\\{}"); got != `a\_b 50\% \$x\textbackslash{}\{\}` {
		t.Errorf("got %s", got)
	}
	for _, c := range []struct {
		v      float64
		places int
		want   string
	}{{1234.567, 1, "1234.6"}, {1234.567, -2, "1200"}, {-0.5, 2, "$-$0.50"}, {3, 0, "3"}} {
		if got := latexNumber(c.v, c.places); got != c.want {
			t.Errorf("%v to %d places: %s, want %s", c.v, c.places, got, c.want)
		}
	}
}

func TestNothingToExport(t *testing.T) {
	t.Parallel()
	e, err := results.Create(t.TempDir(), results.Meta{Name: "x", Format: "yaml"})
	testkit.Check(t, err)
	e.Close()
	if _, err := Load(e.Dir()); !errors.Is(err, ErrNothing) {
		t.Errorf("got %v", err)
	}
}

// An export that fails leaves what was there before.
func TestFilesAreReplacedWhole(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x")
	testkit.Check(t, os.WriteFile(path, []byte("before"), 0o600))
	err := replace(path, func(temp string) error {
		testkit.Check(t, os.WriteFile(temp, []byte("half"), 0o600))
		return errors.New("disk full")
	})
	data, _ := os.ReadFile(path)
	entries, _ := os.ReadDir(filepath.Dir(path))
	if err == nil || string(data) != "before" || len(entries) != 1 {
		t.Errorf("%v: %q, and %d files", err, data, len(entries))
	}
}
