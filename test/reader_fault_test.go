package test

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"

	"downbeat/internal/outcome"
	"downbeat/internal/results"
	"downbeat/internal/testkit"
)

// A paused is a program whose outputs nobody reads until the test says so.
type paused struct {
	*program
	readers  []*os.File
	received []bytes.Buffer
}

// publishPaused starts publish with both outputs into pipes (or both on one
// terminal) that nobody reads.
func (c *cluster) publishPaused(terminal bool, args ...string) *paused {
	c.t.Helper()
	cmd := exec.Command(filepath.Join(programs, "publish"), args...)
	p := &paused{}
	open := os.Pipe
	if terminal {
		open = pty.Open
	}
	stdout := c.open(p, open)
	stderr := stdout
	if !terminal {
		stderr = c.open(p, open)
	}
	p.program = c.startWith(cmd, stdout, stderr, "TERM=xterm")
	stdout.Close()
	if !terminal {
		stderr.Close()
	}
	p.received = make([]bytes.Buffer, len(p.readers))
	return p
}

// open opens a pipe or a terminal, and keeps the side that is read.
func (c *cluster) open(p *paused, open func() (*os.File, *os.File, error)) *os.File {
	c.t.Helper()
	r, w, err := open()
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { r.Close() })
	p.readers = append(p.readers, r)
	return w
}

// read reads everything, of each output, until the program has ended.
func (p *paused) read() {
	p.t.Helper()
	done := make(chan struct{})
	for i, r := range p.readers {
		go func() {
			_, _ = io.Copy(&p.received[i], r) // of a terminal, it ends with an error
			done <- struct{}{}
		}()
	}
	for range p.readers {
		<-done
	}
}

// awaitRecord waits until a run has its record, though nobody reads.
func (c *cluster) awaitRecord(dir string) results.Record {
	c.t.Helper()
	testkit.WaitFor(c.t, "the record of "+dir, func() bool {
		_, err := os.Stat(c.path(dir, results.RecordFile))
		return err == nil
	})
	return c.record(dir)
}

// wantLines checks that of a process every line of these runs came, in order and
// each with its tag.
func (c *cluster) wantLines(p *paused, process string, runs ...string) {
	c.t.Helper()
	var got [2]bytes.Buffer // by stream
	for i := range p.received {
		for line := range bytes.Lines(p.received[i].Bytes()) {
			line = line[bytes.LastIndex(line, []byte("\x1b[J"))+1:] // behind the live line, on a terminal
			line = bytes.TrimPrefix(line, []byte("[J"))
			text, ok := bytes.CutPrefix(line, []byte(process+" | "))
			if !ok {
				continue
			}
			stream := 0
			if bytes.HasPrefix(text, []byte("e")) { // see chatty
				stream = 1
			}
			got[stream].Write(bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n")))
		}
	}
	for stream, name := range []string{".out", ".err"} {
		var want []byte
		for _, run := range runs {
			want = append(want, c.output(filepath.Join(run, process+name))...)
		}
		if !bytes.Equal(got[stream].Bytes(), want) {
			c.t.Errorf("%d bytes of %s%s came, want %d, the same", got[stream].Len(), process, name, len(want))
		}
	}
}

// chatty prints a good deal more than a pipe takes, on both outputs, does so
// again later, and then whatever is said.
func chatty(then string) string {
	return `{shell: true, run: 'seq -f %0100.0f 6000; seq -f e%0100.0f 4000 >&2; sleep 3; seq -f %0100.0f 6000; ` + then + `'}`
}

// While nobody reads what publish prints, for longer than the lease, runs go on
// and their results come in. Then every line comes, whole and in order.
func TestAReaderThatPausesForLongerThanTheLease(t *testing.T) {
	t.Parallel()
	for name, terminal := range map[string]bool{"pipes": false, "terminal": true} {
		for broker, newCluster := range map[string]func(*testing.T) *cluster{
			"embedded": func(t *testing.T) *cluster { return newClusterOn(t, "mem:", "downbeat") },
			"workers": func(t *testing.T) *cluster {
				c := newSharedCluster(t)
				c.worker("alpha")
				c.worker("bravo")
				return c
			},
		} {
			t.Run(name+" "+broker, func(t *testing.T) {
				t.Parallel()
				c := newCluster(t)
				c.write("x.yaml", `{name: x, repeat: 2, hosts: {alpha: [`+chatty("true")+`], bravo: [`+chatty("true")+`]}}`)
				p := c.publishPaused(terminal, "--lease=4s", "x.yaml") // less than two runs take
				runs := []string{"results/x/latest/0001", "results/x/latest/0002"}
				for _, run := range runs {
					if r := c.awaitRecord(run); r.Outcome != outcome.RunSucceeded {
						t.Errorf("%s %s: %s", run, r.Outcome, r.Reason)
					}
				}

				p.read()

				p.wait(0)
				c.wantLines(p, "alpha/0", runs...)
				c.wantLines(p, "bravo/0", runs...)
			})
		}
	}
}

// The file's timeout and ^C act while nobody reads; the results are complete before
// anybody does, and then every line comes.
func TestATimeoutAndAnInterruptActWhileNobodyReads(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		args    []string
		timeout string
		signal  syscall.Signal
		outcome outcome.Run
		status  int
	}{
		"timeout":       {nil, "5s", 0, outcome.RunTimedOut, 1},
		"^C":            {nil, awhile, syscall.SIGINT, outcome.RunAborted, 130},
		"^C, with JSON": {[]string{"--output=json"}, awhile, syscall.SIGINT, outcome.RunAborted, 130},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newClusterOn(t, "mem:", "downbeat")
			c.write("x.yaml", `{name: x, timeout: `+test.timeout+`, hosts: {alpha: [`+chatty(`echo up; exec sleep 600`)+`]}}`)
			p := c.publishPaused(false, append(test.args, "--lease=20s", "x.yaml")...)
			const dir = "results/x/latest/0001"
			if test.signal != 0 {
				c.awaitOutput(dir+"/alpha/0.out", "up\n")
				p.signal(test.signal)
			}
			if r := c.awaitRecord(dir); r.Outcome != test.outcome {
				t.Errorf("the run %s: %s", r.Outcome, r.Reason)
			}
			c.nothingLeft()

			p.read()

			p.wait(test.status)
			if test.args == nil {
				c.wantLines(p, "alpha/0", dir)
			} else if n := bytes.Count(p.received[0].Bytes(), []byte(`"event":"output"`)); n != 6000+4000+6000+1 {
				t.Errorf("%d lines came", n)
			}
		})
	}
}

// A second ^C leaves, though nobody reads, and says on which output it can what
// becomes of the rest.
func TestASecondInterruptLeavesThoughNobodyReads(t *testing.T) {
	t.Parallel()
	c := newClusterOn(t, "mem:", "downbeat")
	c.write("x.yaml", `{name: x, hosts: {alpha: [`+chatty(`echo up; exec sleep 600`)+`]}}`)
	p := c.publishPaused(false, "x.yaml")
	const dir = "results/x/latest/0001"
	c.awaitOutput(dir+"/alpha/0.out", "up\n")
	p.signal(syscall.SIGINT)
	c.awaitRecord(dir)

	p.insist(syscall.SIGINT)

	p.wait(130)
}

// full opens the device that is always full.
func (c *cluster) full() *os.File {
	c.t.Helper()
	f, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		c.t.Skip(err)
	}
	c.t.Cleanup(func() { f.Close() })
	return f
}

// Standard output that can't be written is told, and the exit status says so; the
// run goes on, and its results are complete.
func TestStandardOutputOnAFullDisk(t *testing.T) {
	t.Parallel()
	c := newClusterOn(t, "mem:", "downbeat")
	c.write("x.yaml", `{name: x, hosts: {alpha: ["echo up"]}}`)
	for _, args := range [][]string{
		{"x.yaml"}, {"--output=json", "x.yaml"}, {"logs", "results/x/latest"}, {"check", "x.yaml"}, {"check", "--json", "x.yaml"}, {"--help"}, {"keygen", "keys"},
	} {
		p := c.startWith(exec.Command(filepath.Join(programs, "publish"), args...), c.full(), nil)
		p.wait(1, "standard output: write /dev/stdout: no space left on device")
		if n := strings.Count(p.stderr.String(), "no space left"); n != 1 {
			t.Errorf("%q told it %d times: %s", args, n, tail(&p.stderr))
		}
	}
	for _, run := range []string{"0001", "0001"} {
		if got := string(c.output("results/x/latest/" + run + "/alpha/0.out")); got != "up\n" {
			t.Errorf("the results have %q", got)
		}
		if r := c.record("results/x/latest/" + run); r.Outcome != outcome.RunSucceeded {
			t.Errorf("the run %s", r.Outcome)
		}
	}
}

// A reader that has enough is no fault of anybody's.
func TestAReaderThatHasEnough(t *testing.T) {
	t.Parallel()
	c := newClusterOn(t, "mem:", "downbeat")
	c.write("x.yaml", `{name: x, hosts: {alpha: ["seq 30000"]}}`)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	defer w.Close()
	for _, args := range [][]string{{"x.yaml"}, {"--output=json", "x.yaml"}, {"logs", "results/x/latest"}} {
		p := c.startWith(exec.Command(filepath.Join(programs, "publish"), args...), w, nil)
		p.wait(0)
		if p.stderr.Has("standard output") {
			t.Errorf("%q printed %s", args, tail(&p.stderr))
		}
	}
}

// deafWorker starts a worker whose log goes into a pipe that is full already and
// that nobody reads.
func (c *cluster) deafWorker(host string) *program {
	c.t.Helper()
	var p paused
	w := c.open(&p, os.Pipe)
	defer w.Close()
	conn, err := w.SyscallConn()
	if err != nil {
		c.t.Fatal(err)
	}
	err = conn.Write(func(fd uintptr) bool {
		for n := 0; n >= 0; {
			n, _ = unix.Write(int(fd), make([]byte, 4096)) // it is non-blocking
		}
		return true
	})
	if err != nil {
		c.t.Fatal(err)
	}
	cmd := exec.Command(filepath.Join(programs, "worker"))
	// The worker's end blocks, as a shell's would: Fd makes it so.
	if err := unix.SetNonblock(int(w.Fd()), false); err != nil {
		c.t.Fatal(err)
	}
	return c.startWith(cmd, nil, w, "DOWNBEAT_HOST="+host, "DOWNBEAT_LOG_LEVEL=debug")
}

// A worker whose log nobody reads obeys SIGTERM and the lease as any other.
func TestAWorkerWhoseLogNobodyReads(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(c *cluster, worker, publish *program){
		"SIGTERM": func(c *cluster, worker, publish *program) {
			worker.signal(syscall.SIGTERM)
			c.nothingLeft()
			publish.wait(1, "the worker on this host is shutting down")
			worker.wait(0)
		},
		"lease": func(c *cluster, _, publish *program) {
			publish.kill()
			c.nothingLeft()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newSharedCluster(t)
			worker := c.deafWorker("alpha")
			c.write("x.yaml", `{name: x, hosts: {alpha: ["sh -c 'echo up; exec sleep 600'"]}}`)
			p := c.publish("--lease=4s", "--ready-timeout="+awhile, "x.yaml")
			// Before its queue is declared there is no such host: try again until it serves.
			for tries := 0; !upOrOver(c, p); tries++ {
				if tries == 50 {
					t.Fatalf("the worker doesn't serve: %s", tail(&p.stderr))
				}
				p = c.publish("--lease=4s", "--ready-timeout="+awhile, "x.yaml")
			}
			end(c, worker, p)
		})
	}
}

// upOrOver waits until the run's process is up; false: publish has ended.
func upOrOver(c *cluster, p *program) (up bool) {
	c.t.Helper()
	testkit.WaitFor(c.t, "the process is up, or publish has ended", func() bool {
		data, err := os.ReadFile(c.path("results/x/latest/0001/alpha/0.out"))
		up = err == nil && len(data) > 0
		return up || p.over()
	})
	return up
}
