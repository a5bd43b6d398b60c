package runner

import (
	"bytes"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// How peak memory is known The kernel's figure for a process starts with the peak of the
// program that started it, as of the exec. So a figure that is not above what this program
// itself has used is meaningless; then the last of the samples taken while the process lived is
// reported, or 0 if it ended before the first.

// ownPeak is the peak resident memory of this program in bytes.
func ownPeak() int64 {
	var usage unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &usage) != nil {
		return 0
	}
	return usage.Maxrss << 10
}

// peakOf is the peak resident memory of a process in bytes; 0 when it has ended.
func peakOf(pid int) int64 {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	_, after, _ := bytes.Cut(data, []byte("\nVmHWM:"))
	fields := bytes.Fields(after)
	if len(fields) == 0 {
		return 0
	}
	kib, err := strconv.ParseInt(string(fields[0]), 10, 64)
	if err != nil {
		return 0
	}
	return kib << 10
}
