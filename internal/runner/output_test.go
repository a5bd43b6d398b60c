package runner

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"downbeat/internal/streams"
	"downbeat/internal/testkit"
)

// counter is a sink that only counts.
type counter struct {
	nobody
	bytes, calls atomic.Uint64
}

func (c *counter) Output(_ int, _ streams.Stream, _ time.Time, data []byte) {
	c.bytes.Add(uint64(len(data)))
	c.calls.Add(1)
}

//nolint:paralleltest // it looks at the memory of the whole process
func TestEndlessLinesTakeNoMemory(t *testing.T) {
	const size = 200 << 20
	r := newRunner(t, Options{})
	sink := &counter{}
	set, err := r.Prepare(t.Context(), Spec{Commands: []Command{role(t, "flood", fmt.Sprint(size), "x")}, Sink: sink})
	if err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if err := set.Release(time.Now()); err != nil {
		t.Fatal(err)
	}
	<-set.Done()
	runtime.ReadMemStats(&after)
	if got, want := set.Result().Totals[0], (streams.Total{StdoutLines: 1, StdoutBytes: size}); got != want || sink.bytes.Load() != size {
		t.Errorf("got %+v, %d bytes in the sink, want %+v", got, sink.bytes.Load(), want)
	}
	if grown := int64(after.Sys - before.Sys); grown > 64<<20 {
		t.Errorf("this program has grown by %d bytes", grown)
	}
}

func TestEmptyLinesAreCounted(t *testing.T) {
	t.Parallel()
	sink := &counter{}
	set, err := newRunner(t, Options{}).Prepare(t.Context(), Spec{Commands: []Command{role(t, "flood", "1000000", "\n")}, Sink: sink})
	if err != nil {
		t.Fatal(err)
	}
	if err := set.Release(time.Now()); err != nil {
		t.Fatal(err)
	}
	<-set.Done()
	if got, want := set.Result().Totals[0], (streams.Total{StdoutLines: 1e6, StdoutBytes: 1e6}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestAnyBytesComeThrough(t *testing.T) {
	t.Parallel()
	want := "\xff\xfe no UTF-8\r\n\n\tand\x1b[31m colour"
	tr := prepare(t, newRunner(t, Options{}),
		shell(t, `printf 'a\0b\0\n\0'`), role(t, "print", want))
	tr.release(t)
	result := tr.end(t)
	if got := tr.text(0, streams.Stdout); got != "a\x00b\x00\n\x00" {
		t.Errorf("got %q", got)
	}
	if got := tr.text(1, streams.Stdout); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := result.Totals[0].StdoutLines; got != 2 {
		t.Errorf("got %d lines, want 2", got)
	}
}

func TestAProcessThatClosesItsOutputsIsWaitedFor(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "go on")
	c := role(t, "silent")
	c.Env = append(c.Env, "UNTIL="+file)
	tr := prepare(t, newRunner(t, Options{}), c)
	tr.release(t)
	tr.await(t, "the end of its output", func() bool { return tr.closed["0/stdout"] && tr.closed["0/stderr"] })
	select {
	case <-tr.Done():
		t.Error("the set is over with a process left")
	default:
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	tr.end(t)
	if e := tr.exits[0]; e.Code != 5 {
		t.Errorf("got %+v, want status 5", e)
	}
}

func TestASlowSinkLosesNothing(t *testing.T) {
	t.Parallel()
	const size = 1 << 20
	sink := &slow{gate: make(chan struct{})}
	set, err := newRunner(t, Options{}).Prepare(t.Context(), Spec{Commands: []Command{role(t, "flood", fmt.Sprint(size), "0123456\n")}, Sink: sink})
	if err != nil {
		t.Fatal(err)
	}
	if err := set.Release(time.Now()); err != nil {
		t.Fatal(err)
	}
	testkit.WaitFor(t, "the first call", func() bool { return sink.waiting.Load() })
	sink.pauses.Store(int64(2*DrainTimeout/time.Millisecond) / 16)
	close(sink.gate)
	<-set.Done()
	if got := sink.bytes.Load(); got != size {
		t.Errorf("got %d bytes, want %d", got, size)
	}
}

// slow is a sink that needs more time for a process's output than DrainTimeout.
type slow struct {
	counter
	gate    chan struct{}
	waiting atomic.Bool
	pauses  atomic.Int64 // milliseconds, for each call
}

func (s *slow) Output(command int, stream streams.Stream, at time.Time, data []byte) {
	s.waiting.Store(true)
	<-s.gate
	<-time.After(time.Duration(s.pauses.Load()) * time.Millisecond)
	s.counter.Output(command, stream, at, data)
}
