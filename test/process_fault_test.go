package test

import (
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"downbeat/internal/outcome"
)

// awkward are processes that do what a runner may stumble over, all of one run.
// Their output is checked byte by byte.
const awkward = `
name: awkward
hosts: {alpha: }
groups:
  endless: {on: alpha, shell: true, run: 'head -c 120000000 /dev/zero | tr "\0" x'}
  empty: {on: alpha, shell: true, run: 'yes "" | head -n 1000000'}
  bytes: {on: alpha, shell: true, run: 'printf "a\000b\000\n\000\377\376 no UTF-8\r\n\n\tand\033[31m colour"'}
  quick: {on: alpha, count: 20, run: "true"}
  closed: {on: alpha, shell: true, run: 'echo up; exec >&- 2>&-; sleep 1; touch "$SCRATCH/went-on"'}
  holder: {on: alpha, shell: true, run: 'sh -c "trap \"\" TERM; while :; do sleep 1; done" & echo "the grandchild holds this"'}
  daemon: {on: alpha, shell: true, run: 'setsid sh -c "setsid sleep 601 & sleep 602" & echo "a daemon has left"'}
  many: {on: alpha, shell: true, run: 'for i in $(seq 500); do sleep 603 & done; echo 500'}
  suspended: {on: alpha, shell: true, run: 'echo suspended; kill -STOP $$; echo "and on"'}
  deaf: {on: alpha, shell: true, run: 'trap "" TERM; echo deaf; while :; do sleep 1; done'}
stop: {when: [endless, empty, bytes, quick, closed, holder, daemon, many], grace: 2s}
`

// Processes that behave in awkward ways neither hang a run nor lose a byte, nor
// are they left.
func TestAwkwardProcesses(t *testing.T) {
	t.Parallel()
	c := newSharedCluster(t)
	worker := c.worker("alpha", "DOWNBEAT_LEASE="+awhile)
	c.write("awkward.yaml", awkward)

	p := c.publish("--lease="+awhile, "--quiet", "awkward.yaml")

	p.wait(0, "awkward: succeeded")
	c.nothingLeft()
	for process, want := range map[string]struct {
		text  string
		times int
	}{
		"endless.0":   {"x", 120_000_000},
		"empty.0":     {"\n", 1_000_000},
		"bytes.0":     {"a\x00b\x00\n\x00\xff\xfe no UTF-8\r\n\n\tand\x1b[31m colour", 1},
		"closed.0":    {"up\n", 1},
		"holder.0":    {"the grandchild holds this\n", 1},
		"daemon.0":    {"a daemon has left\n", 1},
		"many.0":      {"500\n", 1},
		"suspended.0": {"suspended\n", 1},
		"deaf.0":      {"deaf\n", 1},
	} {
		hash := sha256.New()
		for piece := 1 << 16; want.times > 0; want.times -= piece {
			piece = min(piece, want.times)
			_, _ = io.WriteString(hash, strings.Repeat(want.text, piece))
		}
		if got, size := c.sum("results/awkward/latest/0001/alpha/" + process + ".out"); got != fmt.Sprintf("%x", hash.Sum(nil)) {
			t.Errorf("%s: the %d bytes that have come are not those that were printed", process, size)
		}
	}
	if _, err := os.Stat(c.path("went-on")); err != nil {
		t.Errorf("the process that closed its outputs was not waited for: %v", err)
	}
	for _, got := range c.record("results/awkward/latest/0001").Processes {
		want := outcome.CommandSucceeded
		switch got.Group {
		case "suspended":
			want = outcome.CommandStopped
		case "deaf":
			want = outcome.CommandKilled
		}
		if got.Outcome != want {
			t.Errorf("%s %s: %s, want %s", got.Process, got.Outcome, got.Reason, want)
		}
	}
	if peak := peakMemory(t, worker.pid()); peak > mostMemory {
		t.Errorf("the worker's memory has grown to %d MB, want %d at most", peak>>20, mostMemory>>20)
	}
}

// sum is the SHA-256 of a file, and its size.
func (c *cluster) sum(path string) (sum string, size int64) {
	c.t.Helper()
	f, err := os.Open(c.path(path))
	if err != nil {
		c.t.Fatal(err)
	}
	defer f.Close()
	hash := sha256.New()
	size, err = io.Copy(hash, f)
	if err != nil {
		c.t.Fatal(err)
	}
	return fmt.Sprintf("%x", hash.Sum(nil)), size
}
