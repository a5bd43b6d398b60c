package test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"downbeat/internal/results"
	"downbeat/internal/testkit"
)

// A disk is a small file system of the test's own. Only the programs that are
// started on it see it, and it vanishes with the last of them.
type disk struct {
	c      *cluster
	dir    string // where these programs see it
	holder *program
}

// newDisk makes a disk of that size, such as "4m".
func (c *cluster) newDisk(size string) *disk {
	c.t.Helper()
	if os.Geteuid() != 0 {
		c.t.Skip("needs root, to mount a small file system")
	}
	d := &disk{c: c, dir: c.path("disk")}
	if err := os.Mkdir(d.dir, 0o700); err != nil {
		c.t.Fatal(err)
	}
	cmd := exec.Command("sh", "-c", `mount -t tmpfs -o size="$0",mode=0755 tmpfs "$1" && echo mounted && exec sleep 600`, size, d.dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	d.holder = c.start(cmd)
	d.holder.await("mounted")
	return d
}

// program is one of the project's, on the disk.
func (d *disk) program(name string, args ...string) *exec.Cmd {
	all := []string{"--mount", "--target", strconv.Itoa(d.holder.pid()), "sh", "-c", `cd "$0" && exec "$@"`, d.c.dir, filepath.Join(programs, name)}
	return exec.Command("nsenter", append(all, args...)...)
}

// worker starts the worker of a host that keeps its state on the disk, and
// waits until it serves.
func (d *disk) worker(host string) *program {
	d.c.t.Helper()
	p := d.c.start(d.program("worker"),
		"DOWNBEAT_HOST="+host, "DOWNBEAT_LOG_LEVEL=debug", "DOWNBEAT_LEASE="+awhile, "DOWNBEAT_STATE_DIR="+d.dir)
	p.await(serving)
	return p
}

// path is where this program sees a file of the disk.
func (d *disk) path(elements ...string) string {
	return filepath.Join(append([]string{fmt.Sprintf("/proc/%d/root", d.holder.pid()), d.dir}, elements...)...)
}

// fill takes all room that is left; the returned function gives it back.
func (d *disk) fill() (free func()) {
	d.c.t.Helper()
	f, err := os.Create(d.path("filler"))
	if err != nil {
		d.c.t.Fatal(err)
	}
	defer f.Close()
	for err == nil {
		_, err = f.Write(make([]byte, 4<<10))
	}
	return func() {
		if err := os.Remove(d.path("filler")); err != nil {
			d.c.t.Fatal(err)
		}
	}
}

// numbers are the lines of seq.
func numbers(last int) []byte {
	var b []byte
	for i := range last {
		b = append(strconv.AppendInt(b, int64(i+1), 10), '\n')
	}
	return b
}

const floods = 4_000_000

// flood prints more than any disk here holds, once it may.
const flood = `{shell: true, run: 'echo up; until [ -e "$SCRATCH/go" ]; do sleep 0.05; done; seq 4000000'}`

// A disk that is full at the publisher ends the run with that reason; what is
// written is no complete run. With room again the next one works.
func TestPublishersDiskFull(t *testing.T) {
	t.Parallel()
	c := newClusterOn(t, "mem:", "downbeat")
	d := c.newDisk("4m")
	c.write("go", "")
	c.write("flood.yaml", `{name: flood, hosts: {alpha: [`+flood+`], bravo: ["sleep 600"]}}`)
	c.write("short.yaml", `{name: short, hosts: {alpha: [echo a], bravo: [echo b]}}`)

	p := c.start(d.program("publish", "--results=disk", "--quiet", "flood.yaml"))
	p.wait(1, "flood: failed", "the results can't be written: write disk/flood/", "alpha/0.out: no space left on device; make room, or choose another place with --results")
	if p.stderr.Has("publish: finish") {
		t.Errorf("the reason is said twice:\n%s", tail(&p.stderr))
	}
	c.nothingLeft()
	if _, err := os.Stat(d.path("flood/latest/0001", results.RecordFile)); err == nil {
		t.Error("a run that could not be written is complete")
	}
	if got, err := os.ReadFile(d.path("flood/latest/0001/alpha/0.out")); err != nil || !bytes.HasPrefix(append([]byte("up\n"), numbers(floods)...), got) {
		t.Errorf("the %d bytes that have been written are not what was printed first; %v", len(got), err)
	}

	again := c.start(d.program("publish", "--results=disk", "short.yaml"))
	again.wait(2, "no space left on device; make room, or choose another place with --results")
	if err := os.RemoveAll(d.path("flood")); err != nil {
		t.Fatal(err)
	}
	again = c.start(d.program("publish", "--results=disk", "short.yaml"))
	again.wait(0, "short: succeeded")
}

// A disk that is full at a worker ends the run with that reason. What was
// printed before arrives; that the rest does not, the publisher says.
func TestWorkersDiskFull(t *testing.T) {
	t.Parallel()
	c := newSharedCluster(t)
	d := c.newDisk("24m")
	alpha := d.worker("alpha")
	c.worker("bravo", "DOWNBEAT_LEASE="+awhile)
	c.write("flood.yaml", `{name: flood, hosts: {alpha: [`+flood+`], bravo: ["sleep 600"]}}`)
	c.write("short.yaml", `{name: short, hosts: {alpha: [echo a], bravo: [echo b]}}`)

	p := c.publish("--lease="+awhile, "--quiet", "flood.yaml")
	c.awaitOutput("results/flood/latest/0001/alpha/0.out", "up\n")
	p.signal(syscall.SIGSTOP) // so that it acknowledges nothing
	c.write("go", "")
	alpha.await("the run log can't be written", "to=finished")
	p.signal(syscall.SIGCONT)
	p.wait(1, "flood: lost", "alpha: output is missing", "no space left on device")
	c.nothingLeft()
	got := c.output("results/flood/latest/0001/alpha/0.out")
	if !bytes.HasPrefix(append([]byte("up\n"), numbers(floods)...), got) {
		t.Errorf("the %d bytes that have come are not what was printed first", len(got))
	}
	if len(got) < 20<<20 {
		t.Errorf("%d bytes have come; the disk held more", len(got))
	}
	if r := c.record("results/flood/latest/0001"); r.Processes[0].Signal != "SIGTERM" && r.Processes[0].Signal != "SIGPIPE" {
		t.Errorf("the process's end has not come: %+v", r.Processes[0])
	}

	free := d.fill()
	refused := c.publish("short.yaml")
	refused.wait(1, "short: refused", "alpha refused: the worker can't keep a journal", "no space left on device")
	free()
	again := c.publish("short.yaml")
	again.wait(0, "short: succeeded")
	if left, err := filepath.Glob(d.path("*", "alpha", "runs", "*")); err != nil || len(left) > 0 {
		t.Errorf("%q are left on the disk; %v", left, err)
	}
}

// A worker that dies while its disk is full finds room, when it is started
// again, to report that.
func TestWorkerKilledOnFullDisk(t *testing.T) {
	t.Parallel()
	c := newSharedCluster(t)
	d := c.newDisk("4m")
	alpha := d.worker("alpha")
	c.write("long.yaml", `{name: long, hosts: {alpha: ["sh -c 'echo up; exec sleep 600'"]}}`)
	p := c.publish("--lease="+awhile, "long.yaml")
	c.awaitOutput("results/long/latest/0001/alpha/0.out", "up\n")

	d.fill()
	alpha.kill()
	d.worker("alpha")

	p.wait(1, "long: lost", "alpha: the worker on alpha died in mid-run")
	c.nothingLeft()
}

// A worker's disk that does not hold what is collected a second time makes that
// slower: it goes on as the publisher takes what is there already.
func TestWorkersDiskFullWhileItCollects(t *testing.T) {
	t.Parallel()
	c := newSharedCluster(t)
	d := c.newDisk("24m")
	alpha := d.worker("alpha")
	c.write("files.yaml", `
name: files
collect: out
hosts:
  alpha: [{shell: true, run: 'head -c 18000000 /dev/urandom >out; sha256sum <out; until [ -e "$SCRATCH/go" ]; do sleep 0.05; done'}]
`)
	p := c.publish("--lease="+awhile, "files.yaml")
	const run = "results/files/latest/0001/alpha/"
	testkit.WaitFor(t, "the file is written", func() bool {
		said, _ := os.ReadFile(c.path(run + "0.out"))
		return len(said) > 0
	})

	p.signal(syscall.SIGSTOP) // so that it acknowledges nothing
	c.write("go", "")
	alpha.await("to=collecting")
	testkit.WaitFor(t, "the disk is full", func() bool {
		var s unix.Statfs_t
		return unix.Statfs(d.path(), &s) == nil && s.Bavail*uint64(s.Bsize) < 600_000
	})
	p.signal(syscall.SIGCONT)

	p.wait(0, "files: succeeded", "1 file collected, 18 MB")
	if got := fmt.Sprintf("%x  -\n", sha256.Sum256(c.output(run+"files/out"))); got != string(c.output(run+"0.out")) {
		t.Errorf("the file that has come has the hash %s", got)
	}
	c.nothingLeft()
}
