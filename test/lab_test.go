package test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"downbeat/internal/queue/amqp/rabbittest"
	"downbeat/internal/results"
	"downbeat/internal/testkit"
)

// A lab is where a fault is tried: workers and publishers, the programs
// themselves, in a namespace and a directory of the test's own.
type lab struct {
	t       *testing.T
	dir     string
	environ []string
	mark    string
}

// newLab makes a lab on the broker, whose queues are deleted at the end.
func newLab(t *testing.T, broker string) *lab {
	t.Helper()
	namespace := fmt.Sprintf("test-%d-%d", os.Getpid(), scripts.Add(1))
	l := newLabOn(t, broker, namespace)
	t.Cleanup(func() { deleteQueues(t, broker, namespace) }) // once the workers have ended
	return l
}

// newSharedLab makes a lab on the broker that all tests share.
func newSharedLab(t *testing.T) *lab {
	t.Helper()
	return newLab(t, rabbittest.URL(t))
}

// newLabOn makes a lab; an empty broker is the embedded queue.
func newLabOn(t *testing.T, broker, namespace string) *lab {
	t.Helper()
	dir := t.TempDir()
	l := &lab{t: t, dir: dir, mark: "MARK=" + dir}
	for _, entry := range os.Environ() {
		if !strings.HasPrefix(entry, "DOWNBEAT_") {
			l.environ = append(l.environ, entry)
		}
	}
	l.environ = append(l.environ, l.mark, "LAB="+dir, "DOWNBEAT_QUEUE_URL="+broker, "DOWNBEAT_NAMESPACE="+namespace,
		"DOWNBEAT_STATE_DIR="+l.path("state"), "DOWNBEAT_LOG_LEVEL=warn")
	return l
}

// path is that of a file in the lab's directory, where publish runs.
func (l *lab) path(elements ...string) string {
	return filepath.Join(append([]string{l.dir}, elements...)...)
}

// variable is what one of the lab's own variables is set to.
func (l *lab) variable(name string) string {
	for _, entry := range l.environ {
		if value, ok := strings.CutPrefix(entry, name+"="); ok {
			return value
		}
	}
	return ""
}

// write puts a file into the lab's directory.
func (l *lab) write(name, text string) {
	l.t.Helper()
	if err := os.WriteFile(l.path(name), []byte(text), 0o600); err != nil {
		l.t.Fatal(err)
	}
}

// start starts a program of the lab; it is ended with the test.
func (l *lab) start(cmd *exec.Cmd, environ ...string) *program {
	l.t.Helper()
	return l.startWith(cmd, nil, nil, environ...)
}

// startWith starts a program with outputs of its own; nil: they are kept to be
// looked at.
func (l *lab) startWith(cmd *exec.Cmd, stdout, stderr *os.File, environ ...string) *program {
	l.t.Helper()
	cmd.Dir = l.dir
	cmd.Env = append(append(cmd.Env, l.environ...), environ...)
	p := &program{t: l.t, cmd: cmd, ended: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = &p.stdout, &p.stderr
	if stdout != nil {
		cmd.Stdout = stdout
	}
	if stderr != nil {
		cmd.Stderr = stderr
	}
	if err := cmd.Start(); err != nil {
		l.t.Fatal(err)
	}
	go func() {
		defer close(p.ended)
		p.err = cmd.Wait()
	}()
	l.t.Cleanup(p.end)
	return p
}

// publish starts publish.
func (l *lab) publish(args ...string) *program {
	l.t.Helper()
	return l.start(exec.Command(filepath.Join(programs, "publish"), args...))
}

// worker starts the worker of a host and waits until it serves.
func (l *lab) worker(host string, environ ...string) *program {
	l.t.Helper()
	p := l.startWorker(host, environ...)
	p.await(serving)
	return p
}

// serving is what a worker logs once it takes jobs.
const serving = `msg="waiting for jobs"`

func (l *lab) startWorker(host string, environ ...string) *program {
	l.t.Helper()
	cmd := exec.Command(filepath.Join(programs, "worker"))
	return l.start(cmd, append([]string{"DOWNBEAT_HOST=" + host, "DOWNBEAT_LOG_LEVEL=debug"}, environ...)...)
}

// output is what a process wrote, according to the results of a run:
// output("results/NAME/latest/0001/HOST/PROCESS.out").
func (l *lab) output(path string) []byte {
	l.t.Helper()
	data, err := os.ReadFile(l.path(path))
	if err != nil {
		l.t.Fatal(err)
	}
	return data
}

// awaitOutput waits until the results of a run that goes on have the text.
func (l *lab) awaitOutput(path, text string) {
	l.t.Helper()
	testkit.WaitFor(l.t, path+" has "+text, func() bool {
		data, err := os.ReadFile(l.path(path))
		return err == nil && bytes.Contains(data, []byte(text))
	})
}

// record reads the record of a run: record("results/NAME/latest/0001").
func (l *lab) record(dir string) results.Record {
	l.t.Helper()
	var r results.Record
	if err := json.Unmarshal(l.output(filepath.Join(dir, results.RecordFile)), &r); err != nil {
		l.t.Fatal(err)
	}
	return r
}

// nothingLeft waits until no process of the lab's runs is left.
func (l *lab) nothingLeft() {
	l.t.Helper()
	var left []string
	testkit.WaitFor(l.t, "no process of a run is left", func() bool {
		left = marked(nil, l.mark)
		return len(left) == 0
	})
}

// A program is a worker or a publisher of a lab.
type program struct {
	t              *testing.T
	cmd            *exec.Cmd
	stdout, stderr printed
	ended          chan struct{}
	err            error // valid once it has ended
}

func (p *program) pid() int { return p.cmd.Process.Pid }

func (p *program) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// await waits until the program has printed all of the texts, and fails at once
// if it ends without.
func (p *program) await(texts ...string) {
	p.t.Helper()
	for _, text := range texts {
		testkit.WaitFor(p.t, "printed: "+text, func() bool {
			over := p.over()
			if p.stderr.has(text) || p.stdout.has(text) {
				return true
			}
			if over {
				p.t.Fatalf("%s has ended (%v) and not printed %q, but\n%s", p.name(), p.err, text, &p.stderr)
			}
			return false
		})
	}
}

func (p *program) name() string { return filepath.Base(p.cmd.Path) }

func (p *program) over() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// wait waits for the end of the program, which has to have that status and to
// have printed the texts; a negative status is a signal.
func (p *program) wait(status int, texts ...string) {
	p.t.Helper()
	select {
	case <-p.ended:
	case <-time.After(patience):
		p.signal(syscall.SIGQUIT) // it prints what its goroutines wait for
		p.signal(syscall.SIGCONT) // should it be suspended
		<-p.ended
		p.t.Fatalf("%s does not end; it has printed\n%s", p.name(), &p.stderr)
	}
	got := 0
	if exit, ok := errors.AsType[*exec.ExitError](p.err); ok {
		got = exit.ExitCode()
		if s := exit.Sys().(syscall.WaitStatus); s.Signaled() {
			got = -int(s.Signal())
		}
	} else if p.err != nil {
		p.t.Fatalf("%s: %v", p.name(), p.err)
	}
	if got != status {
		p.t.Errorf("%s exited with status %d, want %d; it has printed\n%s", p.name(), got, status, &p.stderr)
	}
	for _, text := range texts {
		if !p.stderr.has(text) {
			p.t.Errorf("%s has not printed %q, but\n%s", p.name(), text, &p.stderr)
		}
	}
}

// kill ends the program as kill -9 does.
func (p *program) kill() {
	p.t.Helper()
	p.signal(syscall.SIGKILL)
	<-p.ended
}

// end ends the program with the test; where that has failed, the program may
// have reasons to take its time.
func (p *program) end() {
	if p.over() {
		return
	}
	if p.t.Failed() {
		_ = p.cmd.Process.Kill()
		<-p.ended
		return
	}
	_ = p.cmd.Process.Signal(syscall.SIGCONT) // it may be suspended
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-time.After(patience / 3):
		_ = p.cmd.Process.Kill()
		<-p.ended
		p.t.Errorf("%s had to be killed; it has printed\n%s", p.name(), &p.stderr)
	}
}

// printed keeps what a program prints, to be looked at while it runs.
type printed struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements [io.Writer].
func (b *printed) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *printed) has(text string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return bytes.Contains(b.text.Bytes(), []byte(text))
}

// String is the end of it, for an error message.
func (b *printed) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	const most = 8 << 10
	text := b.text.Bytes()
	return string(text[max(0, len(text)-most):])
}
