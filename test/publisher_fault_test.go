package test

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A publisher that is suspended for a while, under full output, costs nothing
// but disk: workers keep what is printed there, and not in their memory.
func TestPublisherSuspendedUnderFullOutput(t *testing.T) {
	t.Parallel()
	const suspended = 10 * time.Second
	c := newSharedCluster(t)
	alpha := c.worker("alpha", "DOWNBEAT_LEASE="+awhile)
	c.write("flood.yaml", "name: flood\nhosts: {alpha: [{shell: true, run: 'echo up; until [ -e $SCRATCH/go ]; do sleep 0.05; done; "+bulk+"'}]}\n")
	p := c.publish("--lease="+awhile, "--quiet", "flood.yaml")
	c.awaitOutput("results/flood/latest/0001/alpha/0.out", "up\n")

	p.signal(syscall.SIGSTOP)
	over := time.After(suspended)
	c.write("go", "")
	alpha.await("to=finished") // all has been printed, with nobody to take it
	<-over
	p.signal(syscall.SIGCONT)

	p.wait(0, "flood: succeeded")
	printed := c.wantBulk()
	peak := peakMemory(t, alpha.pid())
	t.Logf("%d MB were printed; the worker's memory was at most %d MB", printed>>20, peak>>20)
	if peak > mostMemory {
		t.Errorf("the worker's memory has grown to %d MB, want %d at most", peak>>20, mostMemory>>20)
	}
}

// bulk prints more than a worker may have in its memory, in lines of 100 bytes.
var bulk = fmt.Sprintf("yes %s | head -n %d", bulkLine, bulkLines)

const bulkLines = 800_000

var bulkLine = strings.Repeat("bulk", 25)[1:]

// wantBulk checks what has come of an experiment with bulk, and returns its size.
func (c *cluster) wantBulk() (size int) {
	c.t.Helper()
	got := c.output("results/flood/latest/0001/alpha/0.out")
	want := bytes.Repeat([]byte(bulkLine+"\n"), bulkLines)
	if !bytes.Equal(got, append([]byte("up\n"), want...)) {
		c.t.Errorf("%d bytes have come, and they are not the %d that were printed", len(got), len(want))
	}
	return len(got)
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
