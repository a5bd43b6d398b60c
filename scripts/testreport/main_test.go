package main

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestReport(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, in, out, problems string
		status                  int
	}{
		{
			name: "of a package that passes, only its closing line is printed",
			in: `{"Action":"run","Package":"x","Test":"TestA"}
{"Action":"output","Package":"x","Test":"TestA","Output":"=== RUN   TestA\n"}
{"Action":"output","Package":"x","Test":"TestA","Output":"    a_test.go:3: noise\n"}
{"Action":"output","Package":"x","Test":"TestA","Output":"--- PASS: TestA (0.00s)\n"}
{"Action":"pass","Package":"x","Test":"TestA","Elapsed":0}
{"Action":"output","Package":"x","Output":"PASS\n"}
{"Action":"output","Package":"x","Output":"ok  \tx\t0.019s\n"}
{"Action":"pass","Package":"x","Elapsed":0.02}
`,
			out: "ok  \tx\t0.019s\n",
		},
		{
			name: "a test that fails is printed whole, without its neighbour's lines",
			in: `{"Action":"output","Package":"x","Test":"TestA","Output":"    a_test.go:3: noise\n"}
{"Action":"output","Package":"x","Test":"TestB","Output":"    a_test.go:5: got 1, want 2\n"}
{"Action":"output","Package":"x","Test":"TestB","Output":"--- FAIL: TestB (0.00s)\n"}
{"Action":"fail","Package":"x","Test":"TestB","Elapsed":0}
{"Action":"pass","Package":"x","Test":"TestA","Elapsed":0}
{"Action":"output","Package":"x","Output":"FAIL\tx\t0.004s\n"}
{"Action":"fail","Package":"x","Elapsed":0.02}
`,
			out: "    a_test.go:5: got 1, want 2\n--- FAIL: TestB (0.00s)\nFAIL\tx\t0.004s\n",
		},
		{
			name: "a test that is skipped is named, with its reason, and fails the report",
			in: `{"Action":"output","Package":"x","Test":"TestA","Output":"    a_test.go:3: no broker\n"}
{"Action":"output","Package":"x","Test":"TestA","Output":"--- SKIP: TestA (0.00s)\n"}
{"Action":"skip","Package":"x","Test":"TestA","Elapsed":0}
`,
			out:      "    a_test.go:3: no broker\n--- SKIP: TestA (0.00s)\n",
			problems: "testreport: skipped, where every test has to run:\n  x TestA\n",
			status:   1,
		},
		{
			name: "a package without tests is not a skipped test",
			in: `{"Action":"output","Package":"x","Output":"?   \tx\t[no test files]\n"}
{"Action":"skip","Package":"x","Elapsed":0}
`,
			out: "?   \tx\t[no test files]\n",
		},
		{
			name: "a panic is printed, though its test never ends",
			in: `{"Action":"output","Package":"x","Test":"TestA","Output":"panic: boom\n"}
{"Action":"output","Package":"x","Output":"FAIL\tx\t0.006s\n"}
{"Action":"fail","Package":"x","Elapsed":0}
`,
			out: "FAIL\tx\t0.006s\npanic: boom\n",
		},
		{
			name: "compile errors and lines that are not events are passed on",
			in: `make: Entering directory
{"ImportPath":"x","Action":"build-output","Output":"x.go:3:27: undefined: y\n"}
{"not": "an event"}
no newline`,
			out: "make: Entering directory\nx.go:3:27: undefined: y\n{\"not\": \"an event\"}\nno newline",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var out, problems strings.Builder
			status := run(strings.NewReader(tt.in), &out, &problems)
			if got := out.String(); got != tt.out {
				t.Errorf("output: got %q, want %q", got, tt.out)
			}
			if got := problems.String(); got != tt.problems {
				t.Errorf("problems: got %q, want %q", got, tt.problems)
			}
			if status != tt.status {
				t.Errorf("status: got %d, want %d", status, tt.status)
			}
		})
	}
}

// A report that couldn't be read to its end must not look like one without skips.
func TestReportThatBreaksOff(t *testing.T) {
	t.Parallel()
	var problems strings.Builder
	status := run(iotest.ErrReader(errors.New("pipe burst")), io.Discard, &problems)
	if status != 1 {
		t.Errorf("status: got %d, want 1", status)
	}
	if want := "testreport: read: pipe burst\n"; problems.String() != want {
		t.Errorf("problems: got %q, want %q", problems.String(), want)
	}
}
