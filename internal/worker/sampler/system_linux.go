package sampler

import (
	"time"

	"golang.org/x/sys/unix"
)

// Supported says why no samples can be taken here; nil: they can.
func Supported() error { return nil }

// cpuTime is the CPU time of a process without its children: all its threads, those that have ended
// too, to the nanosecond where /proc counts hundredths of a second. Every process has a clock of
// it, the number of which is made of its pid.
func cpuTime(pid int) (time.Duration, bool) {
	const scheduled = 2 // CPUCLOCK_SCHED
	var ts unix.Timespec
	if unix.ClockGettime(int32(^pid<<3|scheduled), &ts) != nil {
		return 0, false
	}
	return time.Duration(ts.Nano()), true
}
