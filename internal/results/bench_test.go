package results

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"downbeat/internal/streams"
)

// benchRun makes a run of 48 processes outside of what is measured.
func benchRun(b *testing.B) *Run {
	b.Helper()
	e, err := Create(b.TempDir(), Meta{Name: "bench"})
	if err != nil {
		b.Fatal(err)
	}
	var processes []Process
	for i := range 48 {
		processes = append(processes, Process{Host: fmt.Sprint("host", i%4), Name: fmt.Sprint(i)})
	}
	r, err := e.NewRun("0001", processes)
	if err != nil {
		b.Fatal(err)
	}
	return r
}

var benchLine = append(bytes.Repeat([]byte("x"), 99), '\n')

// Lines of 100 bytes, in segments of as many lines as the name says, flushed
// every 4 MB.
func BenchmarkOutput(b *testing.B) {
	for _, lines := range []int{1, 10, 100, 2600} {
		b.Run(fmt.Sprint("segment=", lines), func(b *testing.B) {
			r := benchRun(b)
			defer func() { _ = r.Abandon() }()
			data := bytes.Repeat(benchLine, lines)
			at := time.Now()
			b.SetBytes(100)
			b.ResetTimer()
			for i := 0; i < b.N; i += lines {
				if err := r.Output(i/lines%48, streams.Stdout, at.Add(time.Duration(i)), data); err != nil {
					b.Fatal(err)
				}
				if i/40000 != (i+lines)/40000 {
					if err := r.Flush(); err != nil {
						b.Fatal(err)
					}
				}
			}
			if err := r.Finish(Record{}); err != nil {
				b.Fatal(err)
			}
		})
	}
}

// The lines of 48 processes, merged.
func BenchmarkLogs(b *testing.B) {
	r := benchRun(b)
	at := time.Now()
	for i := range b.N {
		if err := r.Output(i*7%48, streams.Stream(i%5/4), at.Add(time.Duration(i)*time.Microsecond), benchLine); err != nil {
			b.Fatal(err)
		}
	}
	if err := r.Finish(Record{}); err != nil {
		b.Fatal(err)
	}
	reader, err := Open(r.Dir())
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(100)
	b.ResetTimer()
	n := 0
	for _, err := range reader.Logs(Filter{}) {
		if err != nil {
			b.Fatal(err)
		}
		n++
	}
	if n != b.N {
		b.Fatalf("got %d lines of %d", n, b.N)
	}
}
