package metric_test

import (
	"fmt"
	"math"
	"regexp"
	"strings"
	"testing"

	"downbeat/internal/experiment"
)

const redis = `"test","rps","avg_latency_ms","p99 latency, ms"` + "\n" +
	`"SET","58139.53","0.371","6.247"` + "\n" + `"GET","61000","0.3","5.5"` + "\n"

// A column's values come out of CSV and TSV, whatever the header's names look
// like, and wherever among a process's lines the table begins.
func TestTables(t *testing.T) {
	t.Parallel()
	set := []experiment.Condition{{Field: "test", Value: "SET"}}
	none := math.NaN()
	tests := []struct {
		name, text string
		m          experiment.Metric
		want       float64
		note       string
	}{
		{"plain", "a,b\n1,2\n3,4\n", experiment.Metric{Field: "b"}, 6, ""},
		{"without a last newline", "a,b\n1,2\n3,4", experiment.Metric{Field: "b"}, 6, ""},
		{"CRLF, BOM and blank lines", "\ufeffa,b\r\n\r\n1,2\r\n3,4\r\n", experiment.Metric{Field: "a"}, 4, ""},
		{"blanks", "a , b\n 1 , 2 \n", experiment.Metric{Field: "b"}, 2, ""},
		{"blanks and quotes", "\"a\", \"b\"\n\"1\", \"2\"\n", experiment.Metric{Field: "b"}, 2, ""},
		{"quoted", redis, experiment.Metric{Field: "p99 latency, ms", Processes: experiment.Max}, 6.247, ""},
		{"row", redis, experiment.Metric{Field: "rps", Where: set}, 58139.53, ""},
		{"row by number", "n,v\n4.0,1\n8,2\n", experiment.Metric{Field: "v", Where: []experiment.Condition{{Field: "n", Value: "4"}}}, 1, ""},
		{"among other lines", "waiting for alpha:7000\nready, steady\n" + redis + "bye\n", experiment.Metric{Field: "rps", Where: set}, 58139.53, ""},
		{"two tables", redis + redis, experiment.Metric{Field: "rps", Where: set}, 116279.06, ""},
		{"columns that move", "a,b\n1,2\nb,a\n10,20\n", experiment.Metric{Field: "b"}, 12, ""},
		{"empty cells", "a,b\n1,\n,2\n", experiment.Metric{Field: "b"}, 2, ""},
		{"a header repeated twice", "b,b\n1,2\n", experiment.Metric{Field: "b"}, 1, ""},
		{"tabs", "a\tb c\n1\t2\n\t4\n", experiment.Metric{Field: "b c", Format: experiment.TSV}, 6, ""},
		{"tabs and a quote", "a\tb\n5\"\t2\n", experiment.Metric{Field: "b", Format: experiment.TSV}, 2, ""},
		{
			"no numbers", "b\n12 ms\n\"1,234\"\n0x10\ninf\nNaN\n1e999\ntrue\n7\n",
			experiment.Metric{Field: "b"},
			7,
			`left out: alpha/0.out:2 "12 ms" is not a number, and 6 more`,
		},
		{"counted all the same", "b\n12 ms\nx\n\n", experiment.Metric{Field: "b", Processes: experiment.Count}, 2, ""},
		{"cut off", "a,b\n1,2\n3,4\n5,6,7\n\"5", experiment.Metric{Field: "b"}, 6, `left out: alpha/0.out:4 does not have the header's 2 cells, and 1 more`},
		{"quote out of place", "a,b\n1,2\n\"3,4\n5,6\n", experiment.Metric{Field: "b"}, 8, `left out: alpha/0.out:3 is not a row of a table: a quote is out of place`},
		{
			"no column", redis,
			experiment.Metric{Field: "throughput"},
			none,
			`alpha/0.out has no header with "throughput"; its first line has "test", "rps", "avg_latency_ms", "p99 latency, ms"`,
		},
		{
			"no column of the condition", "a,b\n1,2\n",
			experiment.Metric{Field: "b", Where: set},
			none,
			`alpha/0.out has no header with "b", "test"; its first line has "a", "b"`,
		},
		{"no row", redis, experiment.Metric{Field: "rps", Where: []experiment.Condition{{Field: "test", Value: "INCR"}}}, none, `alpha/0.out has no row where test is "INCR"`},
		{"nothing", "", experiment.Metric{Field: "rps"}, none, "alpha/0.out is empty"},
		{"empty cells alone", "a,b\n1,\n2, \n", experiment.Metric{Field: "b"}, none, `alpha/0.out has nothing but empty cells for "b"`},
		{"a header alone", "a,b\n", experiment.Metric{Field: "b"}, none, "alpha/0.out has no row below its header"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if tt.m.Format == "" {
				tt.m.Format = experiment.CSV
			}
			tt.m.Sources = outputs(1)
			checkTake(t, run(map[string]string{"alpha/0.out": tt.text}), tt.m, tt.want, tt.note)
		})
	}
}

// Values come out of JSON by path: from lines, from a document, from a list.
func TestJSON(t *testing.T) {
	t.Parallel()
	const lines = `{"t": 1, "latency": {"p50": 1, "p99": 5.5}, "ok": true}` + "\n" + `{"t": 2, "latency": {"p50": 2, "p99": "7"}, "ok": false}` + "\n"
	none := math.NaN()
	tests := []struct {
		name, text string
		m          experiment.Metric
		want       float64
		note       string
	}{
		{"path", lines, experiment.Metric{Field: "latency.p99"}, 12.5, ""},
		{"row", lines, experiment.Metric{Field: "latency.p99", Where: []experiment.Condition{{Field: "ok", Value: "true"}}}, 5.5, ""},
		{"row by a path", lines, experiment.Metric{Field: "t", Where: []experiment.Condition{{Field: "latency.p50", Value: "2.0"}}}, 2, ""},
		{"a key with dots", `{"latency.p99": 3, "latency": {"p99": 4}}`, experiment.Metric{Field: "latency.p99"}, 3, ""},
		{"an index", `{"jobs": [{"iops": 1}, {"iops": 2}]}`, experiment.Metric{Field: "jobs.1.iops"}, 2, ""},
		{"no such index", `{"jobs": [{"iops": 1}]}`, experiment.Metric{Field: "jobs.1.iops"}, none, `alpha/0.out has no field "jobs.1.iops"; the first row has "jobs"`},
		{"null", lines + `{"t": null}`, experiment.Metric{Field: "t"}, 3, ""},
		{"null alone", `{"t": null}`, experiment.Metric{Field: "t"}, none, `alpha/0.out has nothing but null for "t"`},
		{"a document", "{\n \"a\": {\n  \"b\": 4\n }\n}\n", experiment.Metric{Field: "a.b", Format: experiment.JSON}, 4, ""},
		{"a list", `[{"a": 1}, {"a": 2}, 5]`, experiment.Metric{Field: "a", Format: experiment.JSON}, 3, ""},
		{"a document that is lines", lines, experiment.Metric{Field: "t", Format: experiment.JSON}, 3, ""},
		{"a number too large for a float", `{"t": 1e999}`, experiment.Metric{Field: "t"}, none, `left out: alpha/0.out:1 "1e999" is not a number`},
		{
			"no numbers", `{"t": true}` + "\n" + `{"t": {"a": 1}}` + "\n" + `{"t": "12 ms"}` + "\n" + `{"t": 1}`,
			experiment.Metric{Field: "t"},
			1,
			`left out: alpha/0.out:1 "true" is not a number, and 2 more`,
		},
		{"broken", lines + `{"t": 3` + "\n" + `{"t": 4}`, experiment.Metric{Field: "t"}, 7, "left out: alpha/0.out:3 is not JSON"},
		{"other lines", "starting\n[1/2] warming up\n" + lines + "3\n", experiment.Metric{Field: "t"}, 3, ""},
		{"no field", lines, experiment.Metric{Field: "p99"}, none, `alpha/0.out has no field "p99"; the first row has "latency", "ok", "t"`},
		{"an empty row", "{}\n", experiment.Metric{Field: "t"}, none, `alpha/0.out has no field "t"; the first row is empty`},
		{"no row", lines, experiment.Metric{Field: "t", Where: []experiment.Condition{{Field: "ok", Value: "maybe"}}}, none, `alpha/0.out has no row where ok is "maybe"`},
		{"no JSON at all", "hello\n", experiment.Metric{Field: "t"}, none, "no line of alpha/0.out is an object of JSON"},
		{"too large together", `{"t": 1e308}` + "\n" + `{"t": 1e308}`, experiment.Metric{Field: "t"}, none, "the result is too large for a number"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if tt.m.Format == "" {
				tt.m.Format = experiment.JSONL
			}
			tt.m.Sources = outputs(1)
			checkTake(t, run(map[string]string{"alpha/0.out": tt.text}), tt.m, tt.want, tt.note)
		})
	}
}

// A pattern's group is the value; without one, lines are counted.
func TestPatterns(t *testing.T) {
	t.Parallel()
	const text = "12.5 req/s\r\n7 req/s after 8 req/s\nERROR x\nfast req/s\n"
	tests := []struct {
		name, pattern string
		reduction     experiment.Reduction
		want          float64
		note          string
	}{
		{"group", `([0-9.]+) req/s`, experiment.Sum, 19.5, ""},
		{"end of line", `^([0-9.]+) req/s$`, experiment.Sum, 12.5, ""},
		{"no number", `(\S+) req/s`, experiment.Sum, 19.5, `left out: alpha/0.out:4 "fast" is not a number`},
		{"group that is no part of it", `ERROR|([0-9]+) req`, experiment.Max, 7, ""},
		{"count", `ERROR`, experiment.Count, 1, ""},
		{"count of none", `PANIC`, experiment.Count, 0, ""},
		{"nothing", `(\d+) errors`, experiment.Sum, math.NaN(), `no line of alpha/0.out matches (\d+) errors`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := experiment.Metric{Sources: outputs(1), Pattern: regexp.MustCompile(tt.pattern), Processes: tt.reduction}
			checkTake(t, run(map[string]string{"alpha/0.out": text}), m, tt.want, tt.note)
		})
	}
}

// One step reduces all values; two reduce each process's, and then these.
func TestSteps(t *testing.T) {
	t.Parallel()
	tree := run(map[string]string{"alpha/0.out": "1\n2\n6\n", "alpha/1.out": "10\n20\n", "alpha/2.out": "", "alpha/3.err": "x"})
	tests := []struct {
		lines, processes experiment.Reduction
		want             float64
	}{
		{"", experiment.Sum, 39},
		{"", experiment.Mean, 7.8},
		{"", experiment.First, 1},
		{"", experiment.Last, 20},
		{"", experiment.Count, 5},
		{"", experiment.Median, 6},
		{experiment.Mean, experiment.Sum, 18},
		{experiment.Last, experiment.Sum, 26},
		{experiment.Last, experiment.Min, 6},
		{experiment.Sum, experiment.Max, 30},
		{experiment.Count, experiment.Mean, 5. / 4}, // the two that wrote nothing count
		{experiment.Max, experiment.Count, 2},
	}
	for _, tt := range tests {
		m := experiment.Metric{Sources: outputs(4), Pattern: regexp.MustCompile(`^(\d+)$`), Lines: tt.lines, Processes: tt.processes}
		checkTake(t, tree, m, tt.want, "")
	}
}

// Files are those that were collected from each host, in the order of their names.
func TestFiles(t *testing.T) {
	t.Parallel()
	tree := run(map[string]string{
		"alpha/files/client.0.csv": "v\n1\n", "alpha/files/client.1.csv": "v\n2\n", "alpha/files/deep/client.csv": "v\n4\n",
		"bravo/files/client.0.csv": "v\n8\n", "bravo/client.9.csv": "v\n16\n", "charlie/files/client.0.csv": "v\n32\n",
		"alpha/files/dir.csv/x": "v\n64\n",
	})
	none := math.NaN()
	tests := []struct {
		file      string
		reduction experiment.Reduction
		want      float64
		note      string
	}{
		{"client.*.csv", experiment.Sum, 11, ""},
		{"client.*.csv", experiment.Last, 8, ""},
		{"client.0.csv", experiment.Sum, 9, ""},
		{"*/client.csv", experiment.Sum, 4, ""},
		{"**/client*.csv", experiment.Sum, 15, ""},
		{"client.{1,2}.csv", experiment.Sum, 2, ""},
		{"dir.csv", experiment.Sum, none, `no file collected from alpha matches "dir.csv"`},
		{"server.csv", experiment.Sum, none, `no file collected from alpha matches "server.csv"`},
		{"../client.9.csv", experiment.Sum, none, `no file collected from alpha matches "../client.9.csv"`},
	}
	for _, tt := range tests {
		m := experiment.Metric{Sources: inFiles(tt.file), Format: experiment.CSV, Field: "v", Processes: tt.reduction}
		checkTake(t, tree, m, tt.want, tt.note)
	}
	two := experiment.Metric{Sources: inFiles("*.csv"), Format: experiment.CSV, Field: "v", Lines: experiment.Mean, Processes: experiment.Max}
	checkTake(t, tree, two, 8, "")
	checkTake(t, tree, experiment.Metric{Format: experiment.CSV, Field: "v"}, none, "no process is of these groups and on these hosts")
}

// In a file every line is meant to be a row, so that what is none is told.
func TestFilesHaveNoOtherLines(t *testing.T) {
	t.Parallel()
	tree := run(map[string]string{"alpha/files/a.jsonl": "{\"v\": 1}\nhello\n", "alpha/files/a.csv": "a,v\n1,2\nhello\n"})
	for format, note := range map[experiment.Format]string{
		experiment.JSONL: "left out: alpha/files/a.jsonl:2 is not JSON",
		experiment.CSV:   "left out: alpha/files/a.csv:3 does not have the header's 2 cells",
	} {
		m := experiment.Metric{Sources: inFiles("a." + string(format))[:1], Format: format, Field: "v", Processes: experiment.Count}
		checkTake(t, tree, m, 1, note)
	}
}

// The result is scaled.
func TestScale(t *testing.T) {
	t.Parallel()
	m := experiment.Metric{Sources: outputs(1), Pattern: regexp.MustCompile(`(\d+) us`), Scale: 0.001}
	checkTake(t, run(map[string]string{"alpha/0.out": "1500 us\n"}), m, 1.5, "")
}

// A line of a megabyte is read; a longer one is left out, and those behind it are not lost.
func TestLongLines(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		size int
		want float64
		note string
	}{
		{100 << 10, 6, ""},
		{1 << 20, 6, ""},
		{1<<20 + 1, 5, "left out: alpha/0.out:2 is longer than 1 MiB"},
		{5 << 20, 5, "left out: alpha/0.out:2 is longer than 1 MiB"},
	} {
		long := "v=1" + strings.Repeat("x", tt.size-3)
		for _, end := range []string{"\n", "\r\n"} {
			tree := run(map[string]string{"alpha/0.out": fmt.Sprintf("v=2%s%s%sv=3", end, long, end)})
			checkTake(t, tree, experiment.Metric{Sources: outputs(1), Pattern: regexp.MustCompile(`v=(\d)`)}, tt.want, tt.note)
		}
	}
}
