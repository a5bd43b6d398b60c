package metric

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"

	"downbeat/internal/experiment"
	"downbeat/internal/results"
)

// definitions are the reductions as one would write them down, of one value and more.
var definitions = map[experiment.Reduction]func(values []float64) float64{
	experiment.Sum:    sum,
	experiment.Mean:   func(v []float64) float64 { return sum(v) / float64(len(v)) },
	experiment.Min:    slices.Min[[]float64],
	experiment.Max:    slices.Max[[]float64],
	experiment.Count:  func(v []float64) float64 { return float64(len(v)) },
	experiment.First:  func(v []float64) float64 { return v[0] },
	experiment.Last:   func(v []float64) float64 { return v[len(v)-1] },
	experiment.Median: median,
	"p50":             median,
}

func sum(values []float64) float64 {
	total := 0.
	for _, v := range values {
		total += v
	}
	return total
}

func median(values []float64) float64 {
	v := slices.Sorted(slices.Values(values))
	if len(v)%2 == 1 {
		return v[len(v)/2]
	}
	return v[len(v)/2-1]/2 + v[len(v)/2]/2
}

// Each reduction is what it is defined as, in whatever order values come.
func TestReductions(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.Float64Range(-1e9, 1e9), 1, 50).Draw(t, "values")
		for name, define := range definitions {
			r := reducer{reduction: name}
			for _, v := range values {
				r.add(v)
			}
			got, ok := r.result()
			want := define(values)
			if !ok || math.Abs(got-want) > 1e-6*max(1, math.Abs(want)) {
				t.Errorf("%s of %v: got %v, %v, want %v", name, values, got, ok, want)
			}
		}
	})
}

// A percentile has as many of the values below it as it says, and lies between two of them.
func TestPercentiles(t *testing.T) {
	t.Parallel()
	hundred := make([]float64, 101)
	for i := range hundred {
		hundred[i] = float64(100 - i)
	}
	for name, want := range map[experiment.Reduction]float64{"p1": 1, "p25": 25, "p99": 99, "p99.9": 99.9, "p0.5": 0.5} {
		r := reducer{reduction: name}
		for _, v := range hundred {
			r.add(v)
		}
		if got, ok := r.result(); !ok || math.Abs(got-want) > 1e-9 {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.Float64Range(-1e9, 1e9), 1, 50).Draw(t, "values")
		percent := rapid.Float64Range(0.1, 99.9).Draw(t, "percent")
		got := percentile(slices.Clone(values), percent)
		below, above := 0, 0
		for _, v := range values {
			if v < got {
				below++
			}
			if v > got {
				above++
			}
		}
		n := float64(len(values) - 1)
		if float64(below) > percent/100*n+1 || float64(above) > (100-percent)/100*n+1 {
			t.Errorf("p%v of %v is %v: %d below, %d above", percent, values, got, below, above)
		}
	})
}

// Nothing is made of no values, but for a count where there was something to look at.
func TestReductionsOfNothing(t *testing.T) {
	t.Parallel()
	for name := range definitions {
		if v, ok := (&reducer{reduction: name}).result(); ok {
			t.Errorf("%s: got %v", name, v)
		}
	}
	if v, ok := (&reducer{reduction: experiment.Count, looked: true}).result(); !ok || v != 0 {
		t.Errorf("count: got %v, %v", v, ok)
	}
}

// kinds are metrics of each kind of text.
func kinds() []experiment.Metric {
	where := []experiment.Condition{{Field: "a", Value: "1"}}
	kinds := []experiment.Metric{
		{Pattern: regexp.MustCompile(`([0-9.]+)`)},
		{Pattern: regexp.MustCompile(`a|(b)`), Lines: experiment.Count},
	}
	for _, f := range []experiment.Format{experiment.CSV, experiment.TSV, experiment.JSONL, experiment.JSON} {
		kinds = append(kinds, experiment.Metric{Format: f, Field: "b"}, experiment.Metric{Format: f, Field: "b.0.c", Where: where})
	}
	for i := range kinds {
		kinds[i].Processes, kinds[i].Scale = experiment.Sum, 1
	}
	return kinds
}

// FuzzTake: whatever bytes a process or a file left, nothing breaks, and what is
// found does not depend on the pieces in which they are read.
func FuzzTake(f *testing.F) {
	for _, text := range []string{
		"a,b\n1,2\n3,4\n", "\"a\",\"b\n1,\"2\"\n", "\ufeffa\tb\r\n1\t2", `{"a": 1, "b": [{"c": "7"}]}` + "\n{}\n[]\nnull\n\"\"", "[{\"b\": 1e3}, [], 5]",
		"1\r2\r\n\r\r\n3", "\x1b[1;3mb\x1b]0;t\ab\x1b]\x1bP\x1b\\\x1b(B\x1b[2Gb\x1b", "x\n{\"b\": -nan, \"a\": [1,\ny\n [{\"b\": NaN}]{\"b\": 2}{",
		"\x00\xff\n\n,,,\n", strings.Repeat("b,", 5000) + "\n" + strings.Repeat("1,", 5000), `{"b.0.c": 1, "a": 1}`, "b\n\"1\"\"\"\n",
	} {
		f.Add([]byte(text), uint16(3))
	}
	f.Fuzz(func(t *testing.T, data []byte, size uint16) {
		for i, m := range kinds() {
			for _, source := range []experiment.Source{{Host: "h", Process: "0"}, {Host: "h", File: "x"}} {
				m.Sources = []experiment.Source{source}
				whole, note := scanAll(&m, bytes.NewReader(data))
				pieces, other := scanAll(&m, &pieces{bytes.NewReader(data), int(size%5000) + 1})
				if whole != pieces && !(math.IsNaN(whole) && math.IsNaN(pieces)) || note != other {
					t.Errorf("kind %d: whole %v, %q; in pieces %v, %q", i, whole, note, pieces, other)
				}
				if math.IsNaN(whole) && note == "" || math.IsInf(whole, 0) {
					t.Errorf("kind %d: got %v, %q", i, whole, note)
				}
			}
		}
	})
}

// pieces gives no more than size bytes at once.
type pieces struct {
	r    io.Reader
	size int
}

func (p *pieces) Read(b []byte) (int, error) { return p.r.Read(b[:min(len(b), p.size)]) }

// scanAll takes a metric of one source whose bytes r gives.
func scanAll(m *experiment.Metric, r io.Reader) (float64, string) {
	s := newSearch(NewRun(oneFile{r}, &results.Record{}), m)
	s.count(s.read("h/0.out"))
	f := s.result()
	return f.Value, f.Note
}

// oneFile is a directory in which each file has the bytes that r gives.
type oneFile struct{ r io.Reader }

func (f oneFile) Open(string) (fs.File, error) { return f, nil }
func (f oneFile) Read(b []byte) (int, error)   { return f.r.Read(b) }
func (f oneFile) Stat() (fs.FileInfo, error)   { return nil, errors.ErrUnsupported }
func (f oneFile) Close() error                 { return nil }

// Lines are found one by one, however long the text and wherever it is cut.
func TestStreams(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.IntRange(-1000, 1000), 1, 300).Draw(t, "values")
		var text strings.Builder
		total := 0
		for _, v := range values {
			total += v
			fmt.Fprintf(&text, "%s=%d\n", strings.Repeat("x", rapid.IntRange(0, 2000).Draw(t, "padding")), v)
		}
		m := numbers
		got, note := scanAll(&m, iotest.HalfReader(strings.NewReader(text.String())))
		if got != float64(total) || note != "" {
			t.Errorf("got %v, %q, want %d", got, note, total)
		}
	})
}

// numbers is the sum of what stands behind an equals sign in a process's output.
var numbers = experiment.Metric{
	Sources: []experiment.Source{{Host: "h", Process: "0"}}, Pattern: regexp.MustCompile(`=(-?\d+)`), Processes: experiment.Sum, Scale: 1,
}

// Memory does not grow with a line that is too long.
func TestLongLinesStayOutOfMemory(t *testing.T) {
	t.Parallel()
	l := newLines(io.MultiReader(io.LimitReader(zeros{}, 64<<20), strings.NewReader("\nend")), maxLine)
	for _, want := range []bool{true, false} {
		if !l.next() || l.tooLong != want {
			t.Errorf("a line of %d bytes: too long is %v, want %v", len(l.text), l.tooLong, want)
		}
	}
	if cap(l.long) > 2*maxLine {
		t.Errorf("%d bytes are kept of a line of 64 MiB", cap(l.long))
	}
}

// zeros is an endless file.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

// A file whose reading fails in the middle is told, with what came before it.
func TestBrokenFile(t *testing.T) {
	t.Parallel()
	broken := io.MultiReader(strings.NewReader("=1\n=2\n"), iotest.ErrReader(io.ErrUnexpectedEOF))
	m := numbers
	got, note := scanAll(&m, broken)
	if want := "left out: h/0.out can't be read: unexpected EOF"; got != 3 || note != want {
		t.Errorf("got %v, %q, want 3, %q", got, note, want)
	}
}

// A collected link leads to no file outside the run.
func TestLinksStayInside(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	secret := filepath.Join(dir, "secret.csv")
	files := filepath.Join(dir, "run", "alpha", "files")
	for _, err := range []error{
		os.WriteFile(secret, []byte("v\n7\n"), 0o600), os.MkdirAll(files, 0o755),
		os.Symlink(secret, filepath.Join(files, "a.csv")), os.Symlink("../../../secret.csv", filepath.Join(files, "b.csv")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	m := experiment.Metric{Name: "v", Format: experiment.CSV, Field: "v", Processes: experiment.Sum, Scale: 1, Sources: []experiment.Source{{Host: "alpha", File: "*.csv"}}}
	var rec results.Record
	Judge(t.Context(), filepath.Join(dir, "run"), &experiment.Datapoint{Measures: experiment.Measures{Metrics: []experiment.Metric{m}}}, &rec, nil)
	if note := rec.MetricNotes["v"]; !math.IsNaN(rec.Metrics["v"]) || !strings.Contains(note, "a.csv can't be read: path escapes") {
		t.Errorf("got %v, %q", rec.Metrics, note)
	}
}
