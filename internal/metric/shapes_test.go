package metric_test

import (
	"math"
	"regexp"
	"strings"
	"testing"

	"downbeat/internal/experiment"
)

// The output of redis-benchmark -q: each update of its bar begins with \r, and the result
// writes over the last one.
const redisBar = "WARNING: Could not fetch server CONFIG\n" +
	"SET: rps=0.0 (overall: 0.0) avg_msec=nan (overall: nan)\r" +
	"SET: rps=49876.5 (overall: 48211.2) avg_msec=0.511 (overall: 0.530)\r" +
	"SET: rps=52301.2 (overall: 50100.9) avg_msec=0.480 (overall: 0.505)\r" +
	"                                                                    \rSET: 50428.64 requests per second, p50=0.447 msec\n\n"

// The output of etcdctl check perf: its result comes after the bar.
const etcdBar = " 0 / 60 B                                    !   0.00%\r 30 / 60 Booooooom        !  50.00% 30s\r" +
	" 60 / 60 Booooooooooooooo! 100.00% 1m0sPASS: Throughput is 150 writes/s\nPASS: Slowest request took 0.087696s\n"

// A line ends where a person sees one end, whatever a terminal is told besides.
func TestLinesAsSeen(t *testing.T) {
	t.Parallel()
	const colour, plain = "\x1b[1;32m", "\x1b[0m"
	tests := []struct {
		name, text, pattern string
		reduction           experiment.Reduction
		want                float64
		note                string
	}{
		{"the last update of a bar", redisBar, `SET: rps=([\d.]+)`, experiment.Last, 52301.2, ""},
		{"the first update of a bar", redisBar, `SET: rps=([\d.]+)`, experiment.First, 0, ""},
		{"the number of updates", redisBar, `rps=`, experiment.Count, 3, ""},
		{"what writes over a bar", redisBar, `^SET: ([\d.]+) requests`, experiment.Sum, 50428.64, ""},
		{"an update that is not a number", redisBar, `avg_msec=(\S+)`, experiment.Last, 0.48, `left out: alpha/0.out:2 "nan" is not a number`},
		{"a result behind a bar", etcdBar, `PASS: Throughput is (\d+)`, experiment.Last, 150, ""},
		{"the line after a bar", etcdBar, `^PASS: Slowest request took ([\d.]+)s$`, experiment.Last, 0.087696, ""},
		{"the last percentage", etcdBar, ` ([\d.]+)%`, experiment.Last, 100, ""},
		{"a last update without an end", "1%\r2%\r3%", `^(\d)%$`, experiment.Last, 3, ""},
		{"old line ends", "1\r2\r3\r", `^(\d)$`, experiment.Sum, 6, ""},
		{"line ends of both kinds", "1\r\n2\n3\r\n", `^(\d)$`, experiment.Sum, 6, ""},
		{"an end of a bar, then of a line", "1\r\r\n2\r\n", `^(\d)$`, experiment.Sum, 3, ""},
		{"colours", "rate: " + colour + "12" + plain + ".5 req/s\n", `^rate: ([\d.]+) req/s$`, experiment.Sum, 12.5, ""},
		{"colours by number and with colons", "\x1b[38;5;9mv=\x1b[38:2::1:2:3m7\x1b[m\n", `^v=(\d)$`, experiment.Sum, 7, ""},
		{"a title", "\x1b]0;v=9\av=7\n\x1b]0;v=9\x1b\\v=8\n", `^v=(\d)$`, experiment.Sum, 15, ""},
		{"a link", "\x1b]8;;http://x/v=9\x1b\\v=7\x1b]8;;\x1b\\\n", `^v=(\d)$`, experiment.Sum, 7, ""},
		{"character sets and modes", "\x1b(B\x1b[?25lv=7\x1b7\x1b[?25h\n", `^v=(\d)$`, experiment.Sum, 7, ""},
		{"a bar that goes back to the first column", "v=1\x1b[2K\x1b[1Gv=2\x1b[K\x1b[Gv=3\n", `^v=(\d)$`, experiment.Last, 3, ""},
		{"a bar of several lines", "a\nv=1\n\x1b[2Aa\nv=2\n", `^v=(\d)$`, experiment.Last, 2, ""},
		{"grep's colours", "v=\x1b[01;31m\x1b[K7\x1b[m\x1b[K;\n", `^v=(\d);$`, experiment.Sum, 7, ""},
		{"a colour that is cut off", "v=7\x1b[3\nv=8\x1b[", `^v=(\d)$`, experiment.Sum, 15, ""},
		{"a title that has no end", "\x1b]v=7\nv=8\x1b", `^v=(\d)$`, experiment.Sum, 15, ""},
		{"a place in the file", "1\r2\r\nx\n\x1b[1mnone\r\n", `(\d|none)`, experiment.Sum, 3, `left out: alpha/0.out:3 "none" is not a number`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := experiment.Metric{Sources: outputs(1), Pattern: regexp.MustCompile(tt.pattern), Processes: tt.reduction}
			checkTake(t, run(map[string]string{"alpha/0.out": tt.text}), m, tt.want, tt.note)
		})
	}
}

// A table and rows of JSON are read by the same lines.
func TestTablesAndRowsAmongBars(t *testing.T) {
	t.Parallel()
	csv := experiment.Metric{Sources: outputs(1), Format: experiment.CSV, Field: "rps"}
	checkTake(t, run(map[string]string{"alpha/0.out": "10%\r100%\r\x1b[1mtest,rps\x1b[0m\nSET,\x1b[32m7\x1b[0m\nGET,NaN\n"}), csv, 7, `left out: alpha/0.out:3 "NaN" is not a number`)
	rows := experiment.Metric{Sources: outputs(1), Format: experiment.JSONL, Field: "v"}
	checkTake(t, run(map[string]string{"alpha/0.out": "10%\r100%\r{\"v\": 1}\r\n\x1b[2m{\"v\": 2}\x1b[0m\n"}), rows, 3, "")
}

// The output of fio with a message before the JSON.
const fio = `fio: this platform does not support process shared mutexes, forcing use of threads. Use the 'thread' option to get rid of this warning.
note: both iodepth >= 1 and synchronous I/O engine are selected, queue depth will be capped at 1
{
  "fio version" : "fio-3.33",
  "jobs" : [
    {
      "jobname" : "randread",
      "read" : {
        "iops" : 2733.25,
        "lat_ns" : {
          "mean" : -nan,
          "stddev" : NaN,
          "max" : inf
        }
      }
    }
  ]
}
fio: done
`

// The output of iperf3 -J without a server; it exits with 0.
const iperfError = `{
	"start":	{
		"connected":	[],
		"version":	"iperf 3.12"
	},
	"intervals":	[],
	"end":	{
	},
	"error":	"unable to connect to server - server may have stopped running or use a different port, firewall issue, etc.: Connection refused"
}
`

// A text of JSON is found among other lines, and what is not a number in it spoils
// nothing else.
func TestJSONAmongOtherLines(t *testing.T) {
	t.Parallel()
	none := math.NaN()
	tests := []struct {
		name, text, field string
		want              float64
		note              string
	}{
		{"fio", fio, "jobs.0.read.iops", 2733.25, ""},
		{"fio, what is not a number", fio, "jobs.0.read.lat_ns.mean", none, `left out: alpha/0.out:3 "-nan" is not a number`},
		{"fio, what is not finite", fio, "jobs.0.read.lat_ns.max", none, `left out: alpha/0.out:3 "inf" is not a number`},
		{"iperf3", iperfError, "end.sum_received.bits_per_second", none, `alpha/0.out has no field "end.sum_received.bits_per_second"; the first row has "end", "error", "intervals", "start"`},
		{"Python", "[{\"a\": NaN},\n {\"a\": 1, \"b\": -Infinity},\n {\"a\": Infinity}]\n", "a", 1, `left out: alpha/0.out:1 "NaN" is not a number, and 1 more`},
		{"several texts", "run 1\n{\n \"a\": 1\n}\nrun 2\n{\"a\": 2} done\n[{\"a\": 3},\n{\"a\": 4}]\n", "a", 10, ""},
		{"texts in a line", "x\n{\"a\": 1}{\"a\": 2}\n{\"a\": 3},\n", "a", 6, ""},
		{"indented", "x\n  {\n \"a\": 1\n}\n", "a", 1, ""},
		{"behind a bar", "10%\r100%\r{\"a\":\n1}", "a", 1, ""},
		{"colours", "x\n\x1b[1m{\x1b[0m\n \"a\"\x1b[2m:\x1b[0m \x1b[33m1\x1b[0m\n}\n", "a", 1, ""},
		{"lines that look like lists", "[1/2] warming up\n[2] \n[INFO] go\n{\"a\": 1}\n[]\n", "a", 1, ""},
		{"a brace inside a string", "x\n{\"s\": \"}{\\\"\", \"a\": 1}\n", "a", 1, ""},
		{"a broken text, then a whole one", "{\n \"a\": 1,\n  {\"a\": 7}\nstopped\n{\"a\": 2}\n", "a", 2, "left out: alpha/0.out:1 begins a text of JSON that is broken at line 3"},
		{"a part of a broken text", "x\n{\n \"jobs\": [\nWARN late\n  {\n   \"a\": 7\n  }\n ]\n}\n", "a", none, "left out: alpha/0.out:2 begins a text of JSON that is broken at line 4"},
		{"cut off", "x\n{\n \"jobs\": [\n  {\"a\": 7}", "a", none, "left out: alpha/0.out:2 begins a text of JSON that is broken at line 4"},
		{"a list that is cut off", "[\n {\"a\": 7},\n {\"a\": 8},\n", "a", none, "left out: alpha/0.out:1 begins a text of JSON that is broken at line 4"},
		{"no JSON", "hello\n", "a", none, "no line of alpha/0.out is an object of JSON"},
		{"nothing", "\n\n", "a", none, "alpha/0.out is empty"},
		{"deeper than anybody nests", "x\n" + strings.Repeat("[{\"a\":", 5000), "a", none, "no line of alpha/0.out is an object of JSON"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := experiment.Metric{Sources: outputs(1), Format: experiment.JSON, Field: tt.field}
			checkTake(t, run(map[string]string{"alpha/0.out": tt.text}), m, tt.want, tt.note)
		})
	}
}

// One value that is not a number does not spoil its row.
func TestRowsWithNaN(t *testing.T) {
	t.Parallel()
	const text = `{"t": 1, "p99": NaN}` + "\n" + `{"t": 2, "p99": 4, "x": [nan, -inf, 1.#IND, -nan(ind)]}` + "\n" + `{"t": 3, "p99": nonsense}` + "\n"
	m := experiment.Metric{Sources: outputs(1), Format: experiment.JSONL, Field: "t"}
	checkTake(t, run(map[string]string{"alpha/0.out": text}), m, 3, "left out: alpha/0.out:3 is not JSON")
	m.Field = "p99"
	checkTake(t, run(map[string]string{"alpha/0.out": text}), m, 4, `left out: alpha/0.out:1 "NaN" is not a number, and 1 more`)
}

// In a file, what is not JSON is told, and what is counts.
func TestNotesInAFileOfJSON(t *testing.T) {
	t.Parallel()
	m := experiment.Metric{Sources: inFiles("fio.json")[:1], Format: experiment.JSON, Field: "jobs.0.read.iops"}
	checkTake(t, run(map[string]string{"alpha/files/fio.json": fio}), m, 2733.25, "left out: alpha/files/fio.json:1 is not JSON, and 2 more")
}
