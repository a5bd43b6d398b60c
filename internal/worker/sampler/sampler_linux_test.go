package sampler

import (
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"downbeat/internal/samples"
	"downbeat/internal/testkit"
)

// mark is what processes of this test's run have in their environments.
func mark(t *testing.T, name string) []string {
	t.Helper()
	return []string{"SAMPLED=" + t.Name(), "NAMED=" + name}
}

func newSampler(t *testing.T) *Sampler {
	t.Helper()
	return New(Options{Mark: []string{"SAMPLED=" + t.Name()}, Owner: "NAMED="})
}

// about checks CPU time in milliseconds: what was used, and what the system tells in coarser times.
func about(t *testing.T, what string, got, want int64) {
	t.Helper()
	if got /= 1000; got < want-35 || got > want+60 {
		t.Errorf("%s: %d ms of CPU time, want about %d", what, got, want)
	}
}

func TestWhatAProcessUsesIsCounted(t *testing.T) {
	t.Parallel()
	s, p := newSampler(t), start(t, nil, "burn=200", "say", "burn=150", "open=40", "say")
	s.Began("p.0", p.pid())
	self, _ := p.said()
	first := take(t, s)["process/p.0"]
	about(t, "first", first[samples.CPU], self)
	if first[samples.System] > first[samples.CPU] || first[samples.RSS] < 1<<20 || first[samples.Threads] < 1 || first[samples.Processes] != 1 {
		t.Errorf("got %v", first)
	}
	p.goOn()
	self, _ = p.said()
	second := take(t, s)["process/p.0"]
	about(t, "second", second[samples.CPU], self)
	if n := second[samples.Descriptors] - first[samples.Descriptors]; n != 40 {
		t.Errorf("it has %d more descriptors, want 40", n)
	}
	if second[samples.Switches] < first[samples.Switches] || first[samples.Switches] == 0 {
		t.Errorf("switches: %d and %d", first[samples.Switches], second[samples.Switches])
	}
}

func TestShortLivedChildrenAreCounted(t *testing.T) {
	t.Parallel()
	s, p := newSampler(t), start(t, nil, "say", "child=burn:60", "child=burn:60", "child=burn:60", "say")
	s.Began("p.0", p.pid())
	p.said()
	take(t, s)
	p.goOn()
	self, children := p.said()
	v := take(t, s)["process/p.0"]
	about(t, "with three children", v[samples.CPU], self+children)
	if children < 180 || v[samples.Processes] != 1 {
		t.Errorf("children used %d ms; %d processes", children, v[samples.Processes])
	}
}

func TestChildIsCountedOnceWhetherItLivesOrNot(t *testing.T) {
	t.Parallel()
	s, p := newSampler(t), start(t, nil, "child=burn:150,say,burn:50", "say")
	s.Began("p.0", p.pid())
	child, _ := p.said()
	v := take(t, s)["process/p.0"]
	if v[samples.Processes] != 2 {
		t.Errorf("%d processes, want 2", v[samples.Processes])
	}
	if v[samples.CPU]/1000 < child-15 {
		t.Errorf("%d µs, and the child alone has used %d ms", v[samples.CPU], child)
	}
	p.goOn()
	self, children := p.said()
	about(t, "after its end", take(t, s)["process/p.0"][samples.CPU], self+children)
	about(t, "later", take(t, s)["process/p.0"][samples.CPU], self+children)
}

func TestChildThatNobodyWaitsForStaysCounted(t *testing.T) {
	t.Parallel()
	s, p := newSampler(t), start(t, nil, "ignore", "begin=burn:200,say", "say")
	s.Began("p.0", p.pid())
	p.said()
	p.said() // both, in any order
	before := take(t, s)["process/p.0"]
	if before[samples.Processes] != 2 || before[samples.CPU] < 190_000 {
		t.Fatalf("got %v", before)
	}
	p.goOn() // either the child ends, or the parent and then the child's input
	testkit.WaitFor(t, "one has ended", func() bool { return take(t, s)["process/p.0"][samples.Processes] < 2 })
	if after := take(t, s)["process/p.0"]; after[samples.CPU] < before[samples.CPU] || after[samples.CPU] > before[samples.CPU]+60_000 {
		t.Errorf("%d µs, and %d before it ended", after[samples.CPU], before[samples.CPU])
	}
}

func TestOrphanIsKnownByItsEnvironment(t *testing.T) {
	t.Parallel()
	s, p := newSampler(t), start(t, mark(t, "p.0"), "child=orphan:burn~200;say", "say")
	s.Began("p.0", p.pid())
	p.said()
	p.said() // both, in any order
	before := take(t, s)["process/p.0"]
	if before[samples.Processes] != 2 || before[samples.CPU] < 190_000 {
		t.Fatalf("got %v", before)
	}
	orphan := s.other(p.pid())
	testkit.Check(t, unix.Kill(orphan, unix.SIGKILL))
	_, err := unix.Wait4(orphan, nil, 0, nil)
	testkit.Check(t, err)
	if after := take(t, s)["process/p.0"]; after[samples.CPU] < before[samples.CPU] || after[samples.Processes] != 1 {
		t.Errorf("got %v after its end, and %v before", after, before)
	}
}

// other is the member that has not that pid.
func (s *Sampler) other(pid int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	for other := range s.members {
		if other != pid {
			return other
		}
	}
	return 0
}

func TestEndTellsWhatWasNeverSampled(t *testing.T) {
	t.Parallel()
	s, p := newSampler(t), start(t, nil, "burn=40", "say")
	s.Began("p.0", p.pid())
	p.said()
	s.Ended(p.pid(), 300*time.Millisecond, 50*time.Millisecond) // as its parent is told
	p.end()
	v := take(t, s)["process/p.0"]
	if v[samples.CPU] != 350_000 || v[samples.System] < 50_000 || v[samples.Processes] != 0 || v[samples.RSS] != 0 || v[samples.Descriptors] != 0 {
		t.Errorf("got %v", v)
	}
	if _, there := take(t, s)["process/p.0"]; there {
		t.Error("it is still told of")
	}
}

func TestLivesAddUp(t *testing.T) {
	t.Parallel()
	s := newSampler(t)
	for range 2 {
		p := start(t, nil, "say")
		s.Began("p.0", p.pid())
		p.said()
		s.Ended(p.pid(), time.Second, 0)
		p.end()
	}
	last := start(t, nil, "say")
	s.Began("p.0", last.pid())
	self, _ := last.said()
	v := take(t, s)["process/p.0"]
	about(t, "three lives", v[samples.CPU], 2000+self)
	if v[samples.Processes] != 1 {
		t.Errorf("%d processes, want 1", v[samples.Processes])
	}
}

func TestSwitchesOfAllThreadsAreCounted(t *testing.T) {
	t.Parallel()
	s, p := newSampler(t), start(t, nil, "threads=20", "say")
	s.Began("p.0", p.pid())
	p.said()
	first := take(t, s)["process/p.0"]
	testkit.WaitFor(t, "its threads are there", func() bool { return take(t, s)["process/p.0"][samples.Threads] >= 20 })
	testkit.WaitFor(t, "its threads are switched", func() bool {
		return take(t, s)["process/p.0"][samples.Switches] > first[samples.Switches]+500
	})
}

func TestThisHostIsSampled(t *testing.T) {
	t.Parallel()
	s := newSampler(t)
	first := take(t, s)
	burn(30 * time.Millisecond)
	h, before := take(t, s)["host/"], first["host/"]
	var sum int64
	for _, i := range []int{samples.HostUser, samples.HostSystem, samples.HostIOWait, samples.HostIRQ, samples.HostSteal, samples.HostIdle} {
		if h[i] < 0 || h[i] < before[i]-20_000 { // idle and iowait of some kernels go back a little
			t.Errorf("field %d went from %d to %d", i, before[i], h[i])
		}
		sum += h[i] - before[i]
	}
	if sum <= 0 {
		t.Error("its CPUs did nothing, not even idle")
	}
	if h[samples.HostMemoryUsed] <= 0 || h[samples.HostMemoryAvailable] <= 0 || h[samples.HostLoad] < 0 {
		t.Errorf("got %v", h)
	}
}

func TestStrangersAreNotCounted(t *testing.T) {
	t.Parallel()
	s := newSampler(t)
	p, stranger := start(t, nil, "say"), start(t, nil, "say")
	s.Began("p.0", p.pid())
	p.said()
	stranger.said()
	take(t, s)
	if v := take(t, s)["process/p.0"]; v[samples.Processes] != 1 {
		t.Errorf("%d processes, want 1", v[samples.Processes])
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.foreign[stranger.pid()] || !s.foreign[1] || s.foreign[p.pid()] || s.foreign[os.Getpid()] {
		t.Error("it isn't known who is a stranger")
	}
}

// BenchmarkSample is of 48 processes.
func BenchmarkSample(b *testing.B) {
	s := New(Options{})
	var all []*process
	for i := range 48 {
		p := start(b, nil, "say")
		s.Began(fmt.Sprintf("p.%d", i), p.pid())
		all = append(all, p)
	}
	for _, p := range all {
		if _, err := p.out.ReadString('\n'); err != nil {
			b.Fatal(err)
		}
	}
	var builder samples.Builder
	b.ReportAllocs()
	began := used(unix.RUSAGE_SELF)
	for b.Loop() {
		s.Sample(&builder, time.Now())
		if builder.Rows() == 5 {
			builder.Block()
		}
	}
	b.ReportMetric(float64((used(unix.RUSAGE_SELF)-began).Microseconds())/float64(b.N), "cpu-µs/op")
	for _, p := range slices.Backward(all) {
		p.end()
	}
}
