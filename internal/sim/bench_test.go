package sim

import (
	"syscall"
	"testing"
	"time"
)

// BenchmarkRun makes runs of 4 hosts with 12 processes each, and two faults in each. What
// counts is the time of the processor, so that it says the same on a machine that does other
// things too; with GOMAXPROCS=1 that is the speed of one core.
func BenchmarkRun(b *testing.B) {
	seed := uint64(0)
	before := processorTime(b)
	b.ReportAllocs()
	for b.Loop() {
		Run(Generate(seed, Heavy))
		seed++
	}
	b.ReportMetric(float64(b.N)/(processorTime(b)-before).Seconds(), "runs/cpu-s")
}

// processorTime is how much of it this process has had, its garbage collector's included.
func processorTime(tb testing.TB) time.Duration {
	tb.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
