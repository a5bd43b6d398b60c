package results_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"downbeat/internal/results"
	"downbeat/internal/streams"
)

// lines are the lines of a directory; an error ends the test.
func lines(t *testing.T, dir string, f results.Filter) iter.Seq[results.Line] {
	t.Helper()
	reader, err := results.Open(dir)
	reader = must(t, reader, err)
	return func(yield func(results.Line) bool) {
		for line, err := range reader.Logs(f) {
			check(t, err)
			if !yield(line) {
				return
			}
		}
	}
}

// read gives a directory's lines as "run host/process text", and its errors.
func read(t *testing.T, dir string, f results.Filter) (texts []string, problems error) {
	t.Helper()
	reader, err := results.Open(dir)
	reader = must(t, reader, err)
	for line, err := range reader.Logs(f) {
		if err != nil {
			problems = errors.Join(problems, err)
			continue
		}
		texts = append(texts, fmt.Sprintf("%s %s/%s %s", line.Run, line.Host, line.Process, line.Text))
	}
	return texts, problems
}

func equal(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

var two = []results.Process{{Host: "alpha", Name: "client.0"}, {Host: "bravo", Name: "server.0"}}

// Several runs are read one after the other, by whichever directory one names.
func TestOpen(t *testing.T) {
	t.Parallel()
	e := newExperiment(t)
	for _, label := range []string{"0002", "0001", "0001", "0010"} {
		run, err := e.NewRun(label, two)
		run = must(t, run, err)
		output(t, run, 0, streams.Stdout, 0, "hello\n")
		check(t, run.Finish(results.Record{}))
	}
	all := []string{
		"0001 alpha/client.0 hello", "0001.attempt2 alpha/client.0 hello",
		"0002 alpha/client.0 hello", "0010 alpha/client.0 hello",
	}
	for _, dir := range []string{e.Dir(), filepath.Dir(e.Dir()), filepath.Join(filepath.Dir(e.Dir()), "latest")} {
		got, err := read(t, dir, results.Filter{})
		check(t, err)
		equal(t, got, all...)
	}
	got, err := read(t, filepath.Join(e.Dir(), "0002"), results.Filter{})
	check(t, err)
	equal(t, got, all[2])
}

// A directory without results is refused, with advice.
func TestOpenSomethingElse(t *testing.T) {
	t.Parallel()
	e := newExperiment(t)
	for _, dir := range []string{e.Dir(), t.TempDir(), filepath.Join(e.Dir(), "experiment.json"), filepath.Join(e.Dir(), "nowhere")} {
		_, err := results.Open(dir)
		if err == nil || !strings.Contains(err.Error(), dir) {
			t.Errorf("got %v, want an error that names %s", err, dir)
		}
	}
	if _, err := results.Open(filepath.Join(e.Dir(), "nowhere")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want fs.ErrNotExist", err)
	}
}

// A filter takes names and patterns; one that takes nothing says what there is.
func TestFilter(t *testing.T) {
	t.Parallel()
	run := newRun(t, append(two, results.Process{Host: "bravo", Name: "client.1"})...)
	for p := range 3 {
		output(t, run, p, streams.Stdout, time.Duration(p), "hello\n")
	}
	check(t, run.Finish(results.Record{}))
	for f, want := range map[results.Filter]string{
		{}:                                   "alpha/client.0 bravo/server.0 bravo/client.1",
		{Host: "bravo"}:                      "bravo/server.0 bravo/client.1",
		{Process: "client.*"}:                "alpha/client.0 bravo/client.1",
		{Host: "[a]*", Process: "client.?"}:  "alpha/client.0",
		{Host: "bravo", Process: "server.0"}: "bravo/server.0",
	} {
		var got []string
		for line := range lines(t, run.Dir(), f) {
			got = append(got, line.Host+"/"+line.Process)
		}
		if s := strings.Join(got, " "); s != want {
			t.Errorf("%+v: got %s, want %s", f, s, want)
		}
	}
	_, err := read(t, run.Dir(), results.Filter{Host: "charlie"})
	if err == nil || !strings.Contains(err.Error(), "charlie") || !strings.Contains(err.Error(), "bravo/server.0") {
		t.Errorf("nothing matches: got %v, want an error that says what there is", err)
	}
	if _, err := read(t, run.Dir(), results.Filter{Process: "["}); err == nil || !strings.Contains(err.Error(), "[") {
		t.Errorf("bad pattern: got %v", err)
	}
}

// A process that printed nothing is no error to ask for.
func TestFilterTakesSilentProcess(t *testing.T) {
	t.Parallel()
	run := newRun(t, two...)
	check(t, run.Finish(results.Record{}))
	got, err := read(t, run.Dir(), results.Filter{Host: "alpha"})
	check(t, err)
	equal(t, got)
}

// Lines of any length come whole, one that is longer than every buffer included.
func TestLongLines(t *testing.T) {
	t.Parallel()
	run := newRun(t, two...)
	var want []string
	for i, size := range []int{0, 1, 32<<10 - 1, 32 << 10, 32<<10 + 1, 100_000, 0, 3_000_000, 5, 70_000} {
		want = append(want, strings.Repeat(string(rune('a'+i)), size))
	}
	text := strings.Join(want, "\n")
	for piece := range slices.Chunk([]byte(text), 50_000) {
		check(t, run.Output(0, streams.Stdout, epoch, piece))
	}
	output(t, run, 1, streams.Stderr, 1, "other\n")
	check(t, run.Finish(results.Record{}))
	i := 0
	for line := range lines(t, run.Dir(), results.Filter{Host: "alpha"}) {
		if string(line.Text) != want[i] || line.NoNewline != (i == len(want)-1) {
			t.Errorf("line %d: got %d bytes, want %d", i, len(line.Text), len(want[i]))
		}
		i++
	}
	if i != len(want) {
		t.Errorf("got %d lines, want %d", i, len(want))
	}
}

// A reader that has seen enough stops, and leaves nothing behind.
func TestStopReading(t *testing.T) {
	t.Parallel()
	run := newRun(t, two...)
	output(t, run, 0, streams.Stdout, 0, "one\ntwo\n")
	check(t, run.Finish(results.Record{}))
	n := 0
	for range lines(t, run.Dir(), results.Filter{}) {
		n++
		break
	}
	if n != 1 {
		t.Errorf("got %d lines", n)
	}
}

// The output of an interrupted run can be read wherever it was cut.
func TestInterruptedRun(t *testing.T) {
	t.Parallel()
	run := newRun(t, two...)
	for i := range 5 {
		output(t, run, 0, streams.Stdout, time.Duration(i)*time.Second, fmt.Sprintf("line %d\n", i))
	}
	check(t, run.Abandon())
	times := readFile(t, run.Dir(), "alpha", "client.0.times")
	for size := range len(times) + 1 {
		check(t, os.WriteFile(filepath.Join(run.Dir(), "alpha", "client.0.times"), []byte(times[:size]), 0o666))
		var last time.Time
		n := 0
		for line := range lines(t, run.Dir(), results.Filter{}) {
			if want := fmt.Sprintf("line %d", n); string(line.Text) != want || line.Time.Before(last) {
				t.Fatalf("%d bytes of times: got %q at %v, want %q", size, line.Text, line.Time, want)
			}
			last = line.Time
			n++
		}
		if n != 5 {
			t.Fatalf("%d bytes of times: got %d lines, want 5", size, n)
		}
	}
	check(t, os.Remove(filepath.Join(run.Dir(), "alpha", "client.0.times")))
	if got, err := read(t, run.Dir(), results.Filter{}); err != nil || len(got) != 5 {
		t.Errorf("no times: got %d lines, %v, want 5", len(got), err)
	}
}

// In a complete run whatever is damaged or missing is an error that says where;
// it comes after all lines that can be read.
func TestDamage(t *testing.T) {
	t.Parallel()
	times, out := filepath.Join("alpha", "client.0.times"), filepath.Join("alpha", "client.0.out")
	for name, c := range map[string]struct {
		file   string
		damage func([]byte) []byte
		lines  int
		want   []string
	}{
		"cut":     {times, func(b []byte) []byte { return b[:len(b)-1] }, 4, []string{times, "offset 33", "middle of an entry"}},
		"short":   {times, func(b []byte) []byte { return b[:len(b)-6] }, 4, []string{out, "21 bytes", "accounts for 14"}},
		"no size": {times, func(b []byte) []byte { b[17] = 0; return b }, 4, []string{times, "offset 17", "no bytes"}},
		"number":  {times, func(b []byte) []byte { return append(b[:17], bytes.Repeat([]byte{0xff}, 11)...) }, 4, []string{times, "offset 17", "64 bits"}},
		"huge":    {times, func(b []byte) []byte { return append(b, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 0) }, 4, []string{times, "offset 39"}},
		"other":   {times, func(b []byte) []byte { return []byte("PK\x03\x04 something else") }, 4, []string{times, "not a times file"}},
		"missing": {times, nil, 4, []string{times, "is missing"}},
		"shorter": {out, func(b []byte) []byte { return b[:10] }, 3, []string{out, "11 of the 21 bytes"}},
		"gone":    {out, nil, 1, []string{out, "21 of the 21 bytes"}},
		"record":  {"run.json", func(b []byte) []byte { return b[:20] }, 4, []string{"run.json"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run := newRun(t, two...)
			for i := range 3 {
				output(t, run, 0, streams.Stdout, time.Duration(i)*time.Second, fmt.Sprintf("line %d\n", i))
			}
			output(t, run, 1, streams.Stdout, 0, "unharmed\n")
			check(t, run.Finish(results.Record{Processes: []results.ProcessRecord{{Host: "alpha", Process: "client.0", CommandRecord: results.CommandRecord{Total: streams.Total{StdoutBytes: 21}}}}}))
			if got, err := read(t, run.Dir(), results.Filter{}); err != nil || len(got) != 4 {
				t.Fatalf("before the damage: %d lines, %v", len(got), err)
			}
			path := filepath.Join(run.Dir(), c.file)
			if c.damage == nil {
				check(t, os.Remove(path))
			} else {
				check(t, os.WriteFile(path, c.damage([]byte(readFile(t, path))), 0o666))
			}
			got, err := read(t, run.Dir(), results.Filter{})
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range append(c.want, run.Dir()) {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("got %v, want %q in it", err, want)
				}
			}
			if len(got) != c.lines || !strings.Contains(strings.Join(got, "\n"), "unharmed") {
				t.Errorf("got %q, want %d lines, one of them unharmed", got, c.lines)
			}
		})
	}
}

// Links and names in what somebody else gives us lead nowhere outside the run.
func TestReadStaysInside(t *testing.T) {
	t.Parallel()
	run := newRun(t, two...)
	output(t, run, 0, streams.Stdout, 0, "inside\n")
	check(t, run.Finish(results.Record{Processes: []results.ProcessRecord{{Host: "../..", Process: "secret"}}}))
	secret := filepath.Join(t.TempDir(), "secret")
	check(t, os.WriteFile(secret, []byte("secret\n"), 0o666))
	check(t, os.Symlink(secret, filepath.Join(run.Dir(), "alpha", "stolen.out")))
	check(t, os.Symlink(filepath.Dir(secret), filepath.Join(run.Dir(), "charlie")))
	got, _ := read(t, run.Dir(), results.Filter{})
	if len(got) != 1 || !strings.HasSuffix(got[0], "inside") {
		t.Errorf("got %q, want the run's own line alone", got)
	}
}

// A setup that was run twice has written to one file: what both wrote must be there.
func TestStepsThatAreShorterThanRecordedAreDamage(t *testing.T) {
	t.Parallel()
	run := newRun(t, results.Process{Host: "alpha", Name: "client.0"}, results.Process{Host: "alpha", Name: "setup.0"})
	output(t, run, 1, streams.Stdout, 0, "once\n")
	output(t, run, 1, streams.Stdout, time.Second, "again\n")
	check(t, run.Finish(results.Record{Hosts: []results.HostRecord{{Host: "alpha", Setup: []results.StepRecord{
		{Name: "setup.0", CommandRecord: results.CommandRecord{Total: streams.Total{StdoutBytes: 5}}}, {Name: "setup.0", CommandRecord: results.CommandRecord{Total: streams.Total{StdoutBytes: 6}}},
	}}}}))
	if got, err := read(t, run.Dir(), results.Filter{Process: "setup.*"}); err != nil || len(got) != 2 {
		t.Errorf("got %d lines, %v, want 2", len(got), err)
	}
	check(t, os.Truncate(filepath.Join(run.Dir(), "alpha", "setup.0.out"), 5))
	if _, err := read(t, run.Dir(), results.Filter{}); err == nil || !strings.Contains(err.Error(), "6 of the 11 bytes") {
		t.Errorf("got %v, want what is missing", err)
	}
}
