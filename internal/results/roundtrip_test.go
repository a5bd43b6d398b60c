package results_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"downbeat/internal/results"
	"downbeat/internal/streams"
)

// action is one call of Output in the property test, or a Flush.
type action struct {
	process int
	stream  streams.Stream
	at      time.Duration
	data    []byte
	flush   bool
}

func genActions(processes int) *rapid.Generator[[]action] {
	// Few bytes and few times, so that newlines, empty lines and equal times
	// are common; now and then a piece larger than any buffer.
	piece := rapid.Custom(func(t *rapid.T) []byte {
		data := rapid.SliceOfN(rapid.SampledFrom([]byte("\n\nab\r\x00\xff")), 0, 20).Draw(t, "data")
		times := rapid.SampledFrom([]int{1, 1, 1, 1, 1, 1, 1, 1, 300, 4000}).Draw(t, "repeat")
		return bytes.Repeat(data, times)
	})
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) action {
		return action{
			process: rapid.IntRange(0, processes-1).Draw(t, "process"),
			stream:  rapid.SampledFrom([]streams.Stream{streams.Stdout, streams.Stderr}).Draw(t, "stream"),
			at:      time.Duration(rapid.IntRange(-3, 12).Draw(t, "at")),
			data:    piece.Draw(t, "piece"),
			flush:   rapid.IntRange(0, 9).Draw(t, "flush") == 0,
		}
	}), 0, 40)
}

// streamKey names a stream.
type streamKey struct {
	host, process string
	stream        streams.Stream
}

// expected is what a stream must hold: its bytes, and the time of each of its
// lines, which is that of the segment with the line's end, never going back.
type expected struct {
	bytes []byte
	lines []results.Line
	last  time.Time
	open  []byte
}

func (e *expected) add(at time.Time, data []byte) {
	if len(data) == 0 {
		return
	}
	if at.After(e.last) {
		e.last = at
	}
	e.bytes = append(e.bytes, data...)
	for _, c := range data {
		if c != '\n' {
			e.open = append(e.open, c)
			continue
		}
		e.lines = append(e.lines, results.Line{Text: e.open, Time: e.last})
		e.open = nil
	}
}

func (e *expected) end() {
	if len(e.open) > 0 {
		e.lines = append(e.lines, results.Line{Text: e.open, Time: e.last, NoNewline: true})
	}
}

// For any segments in any order, the files hold the bytes of each stream, and the logs hold
// every line once, in the order of time.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	processes := []results.Process{{Host: "bravo", Name: "web.10"}, {Host: "bravo", Name: "web.2"}, {Host: "alpha", Name: "0"}}
	e := newExperiment(t)
	rapid.Check(t, func(t *rapid.T) {
		run, err := e.NewRun("0001", processes)
		if err != nil {
			t.Fatal(err)
		}
		want := map[streamKey]*expected{}
		for _, a := range genActions(len(processes)).Draw(t, "actions") {
			p := processes[a.process]
			key := streamKey{p.Host, p.Name, a.stream}
			if want[key] == nil {
				want[key] = &expected{}
			}
			want[key].add(after(a.at), a.data)
			data := slices.Clone(a.data)
			if err := run.Output(a.process, a.stream, after(a.at), data); err != nil {
				t.Fatal(err)
			}
			clear(data) // it belongs to the caller again
			if a.flush {
				if err := run.Flush(); err != nil {
					t.Fatal(err)
				}
				compareFiles(t, run.Dir(), want)
			}
		}
		finish := rapid.IntRange(0, 9).Draw(t, "finish") == 0
		if finish {
			err = run.Finish(results.Record{Run: "01J"})
		} else {
			err = run.Abandon()
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range want {
			w.end()
		}
		compareFiles(t, run.Dir(), want)
		compareLogs(t, run.Dir(), want)
	})
}

func compareFiles(t *rapid.T, dir string, want map[streamKey]*expected) {
	for key, w := range want {
		ext := ".out"
		if key.stream == streams.Stderr {
			ext = ".err"
		}
		got, err := os.ReadFile(filepath.Join(dir, key.host, key.process+ext))
		if err != nil && (len(w.bytes) > 0 || key.stream == streams.Stdout) {
			t.Fatal(err)
		}
		if !bytes.Equal(got, w.bytes) {
			t.Fatalf("%v: got %d bytes, want %d", key, len(got), len(w.bytes))
		}
	}
}

func compareLogs(t *rapid.T, dir string, want map[streamKey]*expected) {
	reader, err := results.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	var last time.Time
	got := map[streamKey]int{}
	for line, err := range reader.Logs(results.Filter{}) {
		if err != nil {
			t.Fatal(err)
		}
		if line.Time.Before(last) {
			t.Fatalf("line of %v comes after one of %v", line.Time, last)
		}
		last = line.Time
		key := streamKey{line.Host, line.Process, line.Stream}
		n := got[key]
		if want[key] == nil || n >= len(want[key].lines) {
			t.Fatalf("%v: line %d that nobody wrote: %.40q", key, n, line.Text)
		}
		w := want[key].lines[n]
		if !bytes.Equal(line.Text, w.Text) || !line.Time.Equal(w.Time) || line.NoNewline != w.NoNewline {
			t.Fatalf("%v: line %d: got %.40q at %v (no newline: %v), want %.40q at %v (%v)",
				key, n, line.Text, line.Time, line.NoNewline, w.Text, w.Time, w.NoNewline)
		}
		got[key]++
	}
	for key, w := range want {
		if got[key] != len(w.lines) {
			t.Fatalf("%v: got %d lines, want %d", key, got[key], len(w.lines))
		}
	}
}

// Lines of one time come in the order of hosts and processes as people count,
// and those of one process in the order in which the publisher got them.
func TestOrderOfEqualTimes(t *testing.T) {
	t.Parallel()
	run := newRun(t, results.Process{Host: "b", Name: "web.10"}, results.Process{Host: "b", Name: "web.2"}, results.Process{Host: "a", Name: "0"})
	for p := range 3 {
		output(t, run, p, streams.Stderr, 0, "first\n")
		output(t, run, p, streams.Stdout, 0, "second\n")
		output(t, run, p, streams.Stderr, 0, "third\n")
	}
	check(t, run.Finish(results.Record{}))
	var got []string
	for line := range lines(t, run.Dir(), results.Filter{}) {
		got = append(got, fmt.Sprintf("%s/%s %s", line.Host, line.Process, line.Text))
	}
	want := "a/0 first, a/0 second, a/0 third, b/web.2 first, b/web.2 second, b/web.2 third, b/web.10 first, b/web.10 second, b/web.10 third"
	if s := strings.Join(got, ", "); s != want {
		t.Errorf("got  %s\nwant %s", s, want)
	}
}
