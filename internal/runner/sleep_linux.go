package runner

import (
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// sleepPrecisely sleeps for d, without the 50 µs that the kernel may add to a thread's sleep by
// default. It is a raw system call: Go's scheduler doesn't take the processor away from the
// goroutine, which would have to wait for one afterwards. So d must be short.
func sleepPrecisely(d time.Duration) {
	var now unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &now) != nil {
		return
	}
	until := unix.NsecToTimespec(now.Nano() + int64(d))

	// Only for this sleep, because children inherit the slack.
	setTimerSlack(1)
	defer setTimerSlack(0)
	for {
		_, _, errno := unix.RawSyscall6(unix.SYS_CLOCK_NANOSLEEP, unix.CLOCK_MONOTONIC, unix.TIMER_ABSTIME,
			uintptr(unsafe.Pointer(&until)), 0, 0, 0)
		if errno != unix.EINTR {
			return
		}
	}
}

// setTimerSlack sets the slack of the calling thread; 0 is its default.
func setTimerSlack(ns uintptr) {
	unix.RawSyscall6(unix.SYS_PRCTL, unix.PR_SET_TIMERSLACK, ns, 0, 0, 0, 0) //nolint:errcheck // without it the sleep is merely less precise
}
