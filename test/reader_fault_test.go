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
func (l *lab) publishPaused(terminal bool, args ...string) *paused {
	l.t.Helper()
	cmd := exec.Command(filepath.Join(programs, "publish"), args...)
	p := &paused{}
	open := os.Pipe
	if terminal {
		open = pty.Open
	}
	stdout := l.open(p, open)
	stderr := stdout
	if !terminal {
		stderr = l.open(p, open)
	}
	p.program = l.startWith(cmd, stdout, stderr, "TERM=xterm")
	stdout.Close()
	if !terminal {
		stderr.Close()
	}
	p.received = make([]bytes.Buffer, len(p.readers))
	return p
}

// open opens a pipe or a terminal, and keeps the side that is read.
func (l *lab) open(p *paused, open func() (*os.File, *os.File, error)) *os.File {
	l.t.Helper()
	r, w, err := open()
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { r.Close() })
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
func (l *lab) awaitRecord(dir string) results.Record {
	l.t.Helper()
	testkit.WaitFor(l.t, "the record of "+dir, func() bool {
		_, err := os.Stat(l.path(dir, results.RecordFile))
		return err == nil
	})
	return l.record(dir)
}

// wantLines checks that of a process every line of these runs came, in order and
// each with its tag.
func (l *lab) wantLines(p *paused, process string, runs ...string) {
	l.t.Helper()
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
			want = append(want, l.output(filepath.Join(run, process+name))...)
		}
		if !bytes.Equal(got[stream].Bytes(), want) {
			l.t.Errorf("%d bytes of %s%s came, want %d, the same", got[stream].Len(), process, name, len(want))
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
		for broker, lab := range map[string]func(*testing.T) *lab{
			"embedded": func(t *testing.T) *lab { return newLabOn(t, "mem:", "downbeat") },
			"workers": func(t *testing.T) *lab {
				l := newSharedLab(t)
				l.worker("alpha")
				l.worker("bravo")
				return l
			},
		} {
			t.Run(name+" "+broker, func(t *testing.T) {
				t.Parallel()
				l := lab(t)
				l.write("x.yaml", `{name: x, repeat: 2, hosts: {alpha: [`+chatty("true")+`], bravo: [`+chatty("true")+`]}}`)
				p := l.publishPaused(terminal, "--lease=4s", "x.yaml") // less than two runs take
				runs := []string{"results/x/latest/0001", "results/x/latest/0002"}
				for _, run := range runs {
					if r := l.awaitRecord(run); r.Outcome != outcome.RunSucceeded {
						t.Errorf("%s %s: %s", run, r.Outcome, r.Reason)
					}
				}

				p.read()

				p.wait(0)
				l.wantLines(p, "alpha/0", runs...)
				l.wantLines(p, "bravo/0", runs...)
			})
		}
	}
}

// The file's timeout and ^C act while nobody reads; the results are complete before
// anybody does, and then every line comes.
func TestATimeoutAndAnInterruptActWhileNobodyReads(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
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
			l := newLabOn(t, "mem:", "downbeat")
			l.write("x.yaml", `{name: x, timeout: `+c.timeout+`, hosts: {alpha: [`+chatty(`echo up; exec sleep 600`)+`]}}`)
			p := l.publishPaused(false, append(c.args, "--lease=20s", "x.yaml")...)
			const dir = "results/x/latest/0001"
			if c.signal != 0 {
				l.awaitOutput(dir+"/alpha/0.out", "up\n")
				p.signal(c.signal)
			}
			if r := l.awaitRecord(dir); r.Outcome != c.outcome {
				t.Errorf("the run %s: %s", r.Outcome, r.Reason)
			}
			l.nothingLeft()

			p.read()

			p.wait(c.status)
			if c.args == nil {
				l.wantLines(p, "alpha/0", dir)
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
	l := newLabOn(t, "mem:", "downbeat")
	l.write("x.yaml", `{name: x, hosts: {alpha: [`+chatty(`echo up; exec sleep 600`)+`]}}`)
	p := l.publishPaused(false, "x.yaml")
	const dir = "results/x/latest/0001"
	l.awaitOutput(dir+"/alpha/0.out", "up\n")
	p.signal(syscall.SIGINT)
	l.awaitRecord(dir)

	p.insist(syscall.SIGINT)

	p.wait(130)
}

// full opens the device that is always full.
func (l *lab) full() *os.File {
	l.t.Helper()
	f, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		l.t.Skip(err)
	}
	l.t.Cleanup(func() { f.Close() })
	return f
}

// Standard output that can't be written is told, and the exit status says so; the
// run goes on, and its results are complete.
func TestStandardOutputOnAFullDisk(t *testing.T) {
	t.Parallel()
	l := newLabOn(t, "mem:", "downbeat")
	l.write("x.yaml", `{name: x, hosts: {alpha: ["echo up"]}}`)
	for _, args := range [][]string{
		{"x.yaml"}, {"--output=json", "x.yaml"}, {"logs", "results/x/latest"}, {"check", "x.yaml"}, {"check", "--json", "x.yaml"}, {"--help"}, {"keygen", "keys"},
	} {
		p := l.startWith(exec.Command(filepath.Join(programs, "publish"), args...), l.full(), nil)
		p.wait(1, "standard output: write /dev/stdout: no space left on device")
		if n := strings.Count(p.stderr.String(), "no space left"); n != 1 {
			t.Errorf("%q told it %d times: %s", args, n, &p.stderr)
		}
	}
	for _, run := range []string{"0001", "0001"} {
		if got := string(l.output("results/x/latest/" + run + "/alpha/0.out")); got != "up\n" {
			t.Errorf("the results have %q", got)
		}
		if r := l.record("results/x/latest/" + run); r.Outcome != outcome.RunSucceeded {
			t.Errorf("the run %s", r.Outcome)
		}
	}
}

// A reader that has enough is no fault of anybody's.
func TestAReaderThatHasEnough(t *testing.T) {
	t.Parallel()
	l := newLabOn(t, "mem:", "downbeat")
	l.write("x.yaml", `{name: x, hosts: {alpha: ["seq 30000"]}}`)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	defer w.Close()
	for _, args := range [][]string{{"x.yaml"}, {"--output=json", "x.yaml"}, {"logs", "results/x/latest"}} {
		p := l.startWith(exec.Command(filepath.Join(programs, "publish"), args...), w, nil)
		p.wait(0)
		if p.stderr.has("standard output") {
			t.Errorf("%q printed %s", args, &p.stderr)
		}
	}
}

// deafWorker starts a worker whose log goes into a pipe that is full already and
// that nobody reads.
func (l *lab) deafWorker(host string) *program {
	l.t.Helper()
	var p paused
	w := l.open(&p, os.Pipe)
	defer w.Close()
	conn, err := w.SyscallConn()
	if err != nil {
		l.t.Fatal(err)
	}
	err = conn.Write(func(fd uintptr) bool {
		for n := 0; n >= 0; {
			n, _ = unix.Write(int(fd), make([]byte, 4096)) // it is non-blocking
		}
		return true
	})
	if err != nil {
		l.t.Fatal(err)
	}
	cmd := exec.Command(filepath.Join(programs, "worker"))
	// The worker's end blocks, as a shell's would: Fd makes it so.
	if err := unix.SetNonblock(int(w.Fd()), false); err != nil {
		l.t.Fatal(err)
	}
	return l.startWith(cmd, nil, w, "DOWNBEAT_HOST="+host, "DOWNBEAT_LOG_LEVEL=debug")
}

// A worker whose log nobody reads obeys SIGTERM and the lease as any other.
func TestAWorkerWhoseLogNobodyReads(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(l *lab, worker, publish *program){
		"SIGTERM": func(l *lab, worker, publish *program) {
			worker.signal(syscall.SIGTERM)
			l.nothingLeft()
			publish.wait(1, "the worker on this host is shutting down")
			worker.wait(0)
		},
		"lease": func(l *lab, _, publish *program) {
			publish.kill()
			l.nothingLeft()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newSharedLab(t)
			worker := l.deafWorker("alpha")
			l.write("x.yaml", `{name: x, hosts: {alpha: ["sh -c 'echo up; exec sleep 600'"]}}`)
			p := l.publish("--lease=4s", "--ready-timeout="+awhile, "x.yaml")
			// Before its queue is declared there is no such host: try again until it serves.
			for tries := 0; !upOrOver(l, p); tries++ {
				if tries == 50 {
					t.Fatalf("the worker doesn't serve: %s", &p.stderr)
				}
				p = l.publish("--lease=4s", "--ready-timeout="+awhile, "x.yaml")
			}
			end(l, worker, p)
		})
	}
}

// upOrOver waits until the run's process is up; false: publish has ended.
func upOrOver(l *lab, p *program) (up bool) {
	l.t.Helper()
	testkit.WaitFor(l.t, "the process is up, or publish has ended", func() bool {
		data, err := os.ReadFile(l.path("results/x/latest/0001/alpha/0.out"))
		up = err == nil && len(data) > 0
		return up || p.over()
	})
	return up
}
