package metric_test

import (
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"downbeat/internal/experiment"
)

// What fio, wrk, redis-benchmark and pgbench print is found with a path, a column or a pattern.
func TestOutputsOfRealPrograms(t *testing.T) {
	t.Parallel()
	field := func(format experiment.Format, field string, r experiment.Reduction) experiment.Metric {
		return experiment.Metric{Format: format, Field: field, Processes: r}
	}
	pattern := func(by experiment.Notation, re string, r experiment.Reduction) experiment.Metric {
		return experiment.Metric{Pattern: regexp.MustCompile(re), Parse: by, Processes: r}
	}
	set := []experiment.Condition{{Field: "test", Value: "SET"}}
	tests := []struct {
		file string
		m    experiment.Metric
		want float64
	}{
		{"fio.json", field(experiment.JSON, "jobs.0.read.iops", experiment.Sum), 4952.095808},
		{"fio.json", field(experiment.JSON, "jobs.*.read.iops", experiment.Count), 2},
		{"fio.json", field(experiment.JSON, "jobs.*.read.iops", experiment.Sum), 10099.947956},
		{"fio.json", field(experiment.JSON, "jobs.*.read.clat_ns.percentile.99.000000", experiment.Max), 2539520},
		{"wrk.txt", pattern(experiment.NotationDuration, `^ +Latency +(\d\S+)`, experiment.Sum), 0.04376},
		{"wrk.txt", pattern(experiment.NotationDuration, `^ +99% +(\S+)`, experiment.Sum), 0.05438},
		{"wrk.txt", pattern(experiment.NotationNumber, `^Requests/sec: +(\S+)`, experiment.Sum), 45.13},
		{"wrk.txt", pattern(experiment.NotationSI, `^Transfer/sec: +(\S+)`, experiment.Sum), 5090},
		{"redis-benchmark.csv", experiment.Metric{Format: experiment.CSV, Field: "rps", Where: set}, 10162.6},
		{"redis-benchmark.csv", field(experiment.CSV, "p99_latency_ms", experiment.Max), 6.647},
		{"pgbench.txt", pattern(experiment.NotationNumber, `^tps = (\S+)`, experiment.Sum), 374.242209},
		{"pgbench.txt", pattern(experiment.NotationDuration, `^latency average = (.*)`, experiment.Sum), 0.010623},
		{"pgbench-progress.txt", pattern(experiment.NotationNumber, `, (\S+) tps,`, experiment.Max), 613.3},
		{"pgbench-progress.txt", pattern(experiment.NotationDuration, `lat (\S+ ms)`, experiment.Max), 0.015309},
	}
	for _, tt := range tests {
		t.Run(tt.file+" "+tt.m.String(), func(t *testing.T) {
			t.Parallel()
			data, err := os.ReadFile(filepath.Join("testdata", tt.file))
			if err != nil {
				t.Fatal(err)
			}
			tt.m.Sources = outputs(1)
			checkTake(t, run(map[string]string{"alpha/0.out": string(data)}), tt.m, tt.want, "")
		})
	}
}

// A path with * and a list of numbers are as many values as there are numbers, and those of all
// processes are one set.
func TestListsOfValues(t *testing.T) {
	t.Parallel()
	m := func(field string, r experiment.Reduction) experiment.Metric {
		return experiment.Metric{Format: experiment.JSONL, Field: field, Processes: r, Scale: 1}
	}
	const one, two = `{"lat": [1, 2, 3, 100], "by": {"get": {"n": 1}, "set": {"n": 2}}, "*": 9}`, `{"lat": [4, "5", null, 6]}`
	tests := []struct {
		name, first, second string
		m                   experiment.Metric
		want                float64
		note                string
	}{
		{"a percentile over processes", one, two, m("lat", "p50"), 4, ""},
		{"not that of the percentiles", one, `{"lat": [4, 5, 6, 7, 8]}`, m("lat", experiment.Median), 5, ""},
		{"counted", one, two, m("lat", experiment.Count), 7, ""},
		{"by a star", one, two, m("lat.*", experiment.Sum), 121, ""},
		{"one of it", one, `{"lat": [4, 5]}`, m("lat.1", experiment.Sum), 7, ""},
		{"the members of an object", one, one, m("by.*.n", experiment.Sum), 6, ""},
		{"a key that is a star", one, one, m("*", experiment.Sum), 18, ""},
		{"two stars", `{"a": [{"b": [{"c": 1}, {"c": 2}]}, {"b": []}]}`, `{"a": []}`, m("a.*.b.*.c", experiment.Count), 2, ""},
		{"members without the field", `{"a": [{"b": 1}, {}, 7]}`, `{"a": [{"b": 2}]}`, m("a.*.b", experiment.Sum), 3, ""},
		{"no number among them", `{"a": [1, true, [2], "x"]}`, `{"a": 2}`, m("a", experiment.Sum), 3, `left out: alpha/0.out:1 "true" is not a number, and 2 more`},
		{"in lists of rows", `{"a": [{"b": [1, 2]}, {"b": [3]}]}`, `{"a": [{"b": 4}]}`, m("a.*.b", experiment.Sum), 10, ""},
		{"an empty list", `{"a": [null]}`, `{"a": []}`, m("a", experiment.Sum), math.NaN(), `alpha/0.out has nothing but lists without a value for "a"`},
		{"an empty list is counted", `{"a": []}`, `{"a": [null]}`, m("a", experiment.Count), 0, ""},
		{"no such path", one, two, m("by.*.lat", experiment.Sum), math.NaN(), `alpha/0.out has no field "by.*.lat"; the first row has "*", "by", "lat"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.m.Sources = outputs(2)
			checkTake(t, run(map[string]string{"alpha/0.out": tt.first, "alpha/1.out": tt.second}), tt.m, tt.want, tt.note)
		})
	}
	some := m("n", experiment.Sum)
	some.Where, some.Sources = []experiment.Condition{{Field: "ops.*.kind", Value: "set"}}, outputs(1)
	checkTake(t, run(map[string]string{"alpha/0.out": `{"n": 1, "ops": [{"kind": "get"}, {"kind": "set"}]}` + "\n" + `{"n": 2, "ops": [{"kind": "get"}]}`}), some, 1, "")
}

// A list of raw values makes a long line, which counts as a document does.
func TestALongListIsRead(t *testing.T) {
	t.Parallel()
	m := experiment.Metric{Format: experiment.JSONL, Field: "lat", Processes: experiment.Count, Sources: outputs(1)}
	list := "[1" + strings.Repeat(",123456789", 200_000) + "]"
	checkTake(t, run(map[string]string{"alpha/0.out": `{"lat": ` + list + "}\n"}), m, 200_001, "")
}
