package test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A publisher that is suspended for a while, under full output, costs nothing
// but disk: workers keep what is printed there, and not in their memory.
func TestPublisherSuspendedUnderFullOutput(t *testing.T) {
	t.Parallel()
	const last, suspended = 8_000_000, 10 * time.Second
	l := newSharedLab(t)
	alpha := l.worker("alpha", "DOWNBEAT_LEASE="+awhile)
	l.write("flood.yaml", fmt.Sprintf(
		"name: flood\nhosts: {alpha: [{shell: true, run: 'echo up; until [ -e $LAB/go ]; do sleep 0.05; done; seq %d'}]}\n", last))
	p := l.publish("--lease="+awhile, "--quiet", "flood.yaml")
	l.awaitOutput("results/flood/latest/0001/alpha/0.out", "up\n")

	p.signal(syscall.SIGSTOP)
	over := time.After(suspended)
	l.write("go", "")
	alpha.await("to=finished") // all has been printed, with nobody to take it
	<-over
	p.signal(syscall.SIGCONT)

	p.wait(0, "flood: succeeded")
	want := sha256.New()
	want.Write([]byte("up\n"))
	var line []byte
	for i := range last {
		line = append(strconv.AppendInt(line[:0], int64(i+1), 10), '\n')
		want.Write(line)
	}
	got := l.output("results/flood/latest/0001/alpha/0.out")
	if sum := sha256.Sum256(got); !bytes.Equal(sum[:], want.Sum(nil)) {
		t.Errorf("%d bytes have come, and they are not what was printed", len(got))
	}
	peak := peakMemory(t, alpha.pid())
	t.Logf("%d MB were printed; the worker's memory was at most %d MB", len(got)>>20, peak>>20)
	if peak > mostMemory {
		t.Errorf("the worker's memory has grown to %d MB, want %d at most", peak>>20, mostMemory>>20)
	}
}

// mostMemory is what a worker may use, in bytes, however much is printed. (As
// the tests build it, with the race detector, which takes some times more.)
const mostMemory = 100 << 20

// peakMemory is the largest memory that a process had resident, in bytes.
func peakMemory(t *testing.T, pid int) int64 {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		var kB int64
		if n, _ := fmt.Sscanf(line, "VmHWM: %d kB", &kB); n == 1 {
			return kB << 10
		}
	}
	t.Fatal("the system does not tell")
	return 0
}
