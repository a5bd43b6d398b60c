package runner

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// stampSink keeps when each command began.
type stampSink struct {
	nobody
	at []time.Time
}

func (s *stampSink) Started(command int, start Start) { s.at[command] = start.At }

// BenchmarkSet prepares, releases and ends sets of /bin/true. It measures the total time, the
// time of each part, and how far apart the processes were released.
func BenchmarkSet(b *testing.B) {
	for way, options := range ways {
		for _, n := range []int{12, 48} {
			b.Run(fmt.Sprintf("%s/%d", way, n), func(b *testing.B) { benchmarkSet(b, options, n) })
		}
	}
}

func benchmarkSet(b *testing.B, options Options, n int) {
	r, err := New(options)
	if err != nil {
		b.Fatal(err)
	}
	defer r.Close() //nolint:errcheck // only that of /dev/null
	commands := make([]Command, n)
	for i := range commands {
		commands[i] = Command{Name: fmt.Sprint(i), Argv: []string{"/bin/true"}}
	}
	var prepares, skews, ends []time.Duration
	for b.Loop() {
		sink := &stampSink{at: make([]time.Time, n)}
		begin := time.Now()
		set, err := r.Prepare(b.Context(), Spec{Commands: commands, Mark: []string{"RUNNER_TEST=" + b.Name()}, Sink: sink})
		if err != nil {
			b.Fatal(err)
		}
		prepares = append(prepares, time.Since(begin))
		at := time.Now().Add(5 * time.Millisecond)
		if err := set.Release(at); err != nil {
			b.Fatal(err)
		}
		<-set.Done()
		ends = append(ends, time.Since(at))
		skews = append(skews, slices.MaxFunc(sink.at, time.Time.Compare).Sub(at))
	}
	for what, times := range map[string][]time.Duration{"prepare": prepares, "skew": skews, "run": ends} {
		slices.Sort(times)
		b.ReportMetric(float64(times[len(times)/2])/1e3, what+"-µs")
	}
}

// BenchmarkBeats measures how far apart the processes of a second beat are released, and those that
// are started again, beside those of the first one.
func BenchmarkBeats(b *testing.B) {
	const n = 48
	r, err := New(Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer r.Close() //nolint:errcheck // only that of /dev/null
	commands := make([]Command, 2*n)
	for i := range commands {
		commands[i] = Command{Name: fmt.Sprint(i), Argv: []string{"/bin/true"}, Beat: i / n}
	}
	skews := map[string][]time.Duration{}
	for b.Loop() {
		sink := newRecorder()
		set, err := r.Prepare(b.Context(), Spec{Commands: commands, Mark: []string{"RUNNER_TEST=" + b.Name()}, Sink: sink, Open: true})
		if err != nil {
			b.Fatal(err)
		}
		for beat, what := range []string{"first", "second"} {
			at := time.Now().Add(20 * time.Millisecond)
			if err := set.Arm(beat, at); err != nil {
				b.Fatal(err)
			}
			skews[what] = append(skews[what], sink.skew(b, at, 0, beat*n, (beat+1)*n))
		}
		at := time.Now().Add(300 * time.Millisecond)
		for i := range n {
			if err := set.Start(Action{Token: i, Command: i, At: at}); err != nil {
				b.Fatal(err)
			}
		}
		skews["again"] = append(skews["again"], sink.skew(b, at, 1, 0, n))
		set.Close()
		<-set.Done()
	}
	for what, times := range skews {
		slices.Sort(times)
		b.ReportMetric(float64(times[len(times)/2])/1e3, what+"-µs")
	}
}

// skew waits for the ends of that life of some commands, and returns how long after the instant the
// last of them began.
func (r *recorder) skew(b *testing.B, at time.Time, life, from, to int) (skew time.Duration) {
	r.await(b, "their ends", func() bool {
		for i := from; i < to; i++ {
			if len(r.ends[i]) <= life {
				return false
			}
			skew = max(skew, r.starts[i][life].At.Sub(at))
		}
		return true
	})
	return skew
}

// BenchmarkOutput reads lines of 100 bytes from four processes at once.
func BenchmarkOutput(b *testing.B) {
	const processes, lines = 4, 500_000
	r, err := New(Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer r.Close() //nolint:errcheck // only that of /dev/null
	command := Command{Argv: []string{"sh", "-c", fmt.Sprintf("yes %099d | head -n %d", 0, lines)}, Env: []string{"PATH=/usr/bin:/bin"}}
	for b.Loop() {
		sink := &counter{}
		set, err := r.Prepare(b.Context(), Spec{Commands: slices.Repeat([]Command{command}, processes), Sink: sink})
		if err != nil {
			b.Fatal(err)
		}
		if err := set.Release(time.Now()); err != nil {
			b.Fatal(err)
		}
		<-set.Done()
		if got := sink.bytes.Load(); got != processes*lines*100 {
			b.Fatalf("got %d bytes", got)
		}
	}
	b.ReportMetric(float64(b.N)*processes*lines/b.Elapsed().Seconds()/1e6, "Mlines/s")
}
