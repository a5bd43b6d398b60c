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
	"syscall"
	"testing"
	"time"

	"downbeat/internal/queue/amqp/rabbittest"
	"downbeat/internal/results"
	"downbeat/internal/testkit"
)

// A cluster is where a fault is tried: workers and publishers, the programs
// themselves, in a namespace and a directory of the test's own.
type cluster struct {
	t       *testing.T
	dir     string
	environ []string
	mark    string
	as      *syscall.Credential // of its programs; nil: the test's own
}

// newCluster makes a cluster on the broker, whose queues are deleted at the end.
func newCluster(t *testing.T, broker string) *cluster {
	t.Helper()
	namespace := fmt.Sprintf("test-%d-%d", os.Getpid(), scripts.Add(1))
	c := newClusterOn(t, broker, namespace)
	t.Cleanup(func() { deleteQueues(t, broker, namespace) }) // once the workers have ended
	return c
}

// newSharedCluster makes a cluster on the broker that all tests share.
func newSharedCluster(t *testing.T) *cluster {
	t.Helper()
	return newCluster(t, rabbittest.URL(t))
}

// newClusterOn makes a cluster; an empty broker is the embedded queue.
func newClusterOn(t *testing.T, broker, namespace string) *cluster {
	t.Helper()
	dir := t.TempDir()
	c := &cluster{t: t, dir: dir, mark: "MARK=" + dir}
	for _, entry := range os.Environ() {
		if !strings.HasPrefix(entry, "DOWNBEAT_") {
			c.environ = append(c.environ, entry)
		}
	}
	c.environ = append(c.environ, c.mark, "SCRATCH="+dir, "DOWNBEAT_QUEUE_URL="+broker, "DOWNBEAT_NAMESPACE="+namespace,
		"DOWNBEAT_STATE_DIR="+c.path("state"), "DOWNBEAT_LOG_LEVEL=warn")
	return c
}

// path is that of a file in the cluster's directory, where publish runs.
func (c *cluster) path(elements ...string) string {
	return filepath.Join(append([]string{c.dir}, elements...)...)
}

// variable is what one of the cluster's own variables is set to.
func (c *cluster) variable(name string) string {
	for _, entry := range c.environ {
		if value, ok := strings.CutPrefix(entry, name+"="); ok {
			return value
		}
	}
	return ""
}

// write puts a file into the cluster's directory.
func (c *cluster) write(name, text string) {
	c.t.Helper()
	if err := os.WriteFile(c.path(name), []byte(text), 0o600); err != nil {
		c.t.Fatal(err)
	}
}

// start starts a program of the cluster; it is ended with the test.
func (c *cluster) start(cmd *exec.Cmd, environ ...string) *program {
	c.t.Helper()
	return c.startWith(cmd, nil, nil, environ...)
}

// startWith starts a program with outputs of its own; nil: they are kept to be
// looked at.
func (c *cluster) startWith(cmd *exec.Cmd, stdout, stderr *os.File, environ ...string) *program {
	c.t.Helper()
	cmd.Dir = c.dir
	cmd.Env = append(append(cmd.Env, c.environ...), environ...)
	if c.as != nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: c.as}
	}
	p := &program{t: c.t, cmd: cmd, ended: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = &p.stdout, &p.stderr
	if stdout != nil {
		cmd.Stdout = stdout
	}
	if stderr != nil {
		cmd.Stderr = stderr
	}
	if err := cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	go func() {
		defer close(p.ended)
		p.err = cmd.Wait()
	}()
	c.t.Cleanup(p.end)
	return p
}

// publish starts publish.
func (c *cluster) publish(args ...string) *program {
	c.t.Helper()
	return c.start(exec.Command(filepath.Join(programs, "publish"), args...))
}

// worker starts the worker of a host and waits until it serves.
func (c *cluster) worker(host string, environ ...string) *program {
	c.t.Helper()
	p := c.startWorker(host, environ...)
	p.await(serving)
	return p
}

// serving is what a worker logs once it takes jobs.
const serving = `msg="waiting for jobs"`

func (c *cluster) startWorker(host string, environ ...string) *program {
	c.t.Helper()
	cmd := exec.Command(filepath.Join(programs, "worker"))
	return c.start(cmd, append([]string{"DOWNBEAT_HOST=" + host, "DOWNBEAT_LOG_LEVEL=debug"}, environ...)...)
}

// output is what a process wrote, according to the results of a run:
// output("results/NAME/latest/0001/HOST/PROCESS.out").
func (c *cluster) output(path string) []byte {
	c.t.Helper()
	data, err := os.ReadFile(c.path(path))
	if err != nil {
		c.t.Fatal(err)
	}
	return data
}

// awaitOutput waits until the results of a run that goes on have the text.
func (c *cluster) awaitOutput(path, text string) {
	c.t.Helper()
	testkit.WaitFor(c.t, path+" has "+text, func() bool {
		data, err := os.ReadFile(c.path(path))
		return err == nil && bytes.Contains(data, []byte(text))
	})
}

// record reads the record of a run: record("results/NAME/latest/0001").
func (c *cluster) record(dir string) results.Record {
	c.t.Helper()
	var r results.Record
	if err := json.Unmarshal(c.output(filepath.Join(dir, results.RecordFile)), &r); err != nil {
		c.t.Fatal(err)
	}
	return r
}

// nothingLeft waits until no process of the cluster's runs is left.
func (c *cluster) nothingLeft() {
	c.t.Helper()
	var left []string
	defer func() {
		if len(left) > 0 {
			c.t.Logf("left: %q", left)
		}
	}()
	testkit.WaitFor(c.t, "no process of a run is left", func() bool {
		left = marked(nil, c.mark)
		return len(left) == 0
	})
}

// A program is a worker or a publisher of a cluster.
type program struct {
	t              *testing.T
	cmd            *exec.Cmd
	stdout, stderr testkit.Buffer
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
			if p.stderr.Has(text) || p.stdout.Has(text) {
				return true
			}
			if over {
				p.t.Fatalf("%s has ended (%v) and not printed %q, but\n%s", p.name(), p.err, text, tail(&p.stderr))
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
	case <-time.After(testkit.Timeout):
		p.signal(syscall.SIGQUIT) // it prints what its goroutines wait for
		p.signal(syscall.SIGCONT) // should it be suspended
		<-p.ended
		p.t.Fatalf("%s does not end; it has printed\n%s", p.name(), tail(&p.stderr))
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
		p.t.Errorf("%s exited with status %d, want %d; it has printed\n%s", p.name(), got, status, tail(&p.stderr))
	}
	for _, text := range texts {
		if !p.stderr.Has(text) {
			p.t.Errorf("%s has not printed %q, but\n%s", p.name(), text, tail(&p.stderr))
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
	case <-time.After(testkit.Timeout / 3):
		_ = p.cmd.Process.Kill()
		<-p.ended
		p.t.Errorf("%s had to be killed; it has printed\n%s", p.name(), tail(&p.stderr))
	}
}

// tail is the last of what a program has printed, for an error message.
func tail(b *testkit.Buffer) string {
	const most = 8 << 10
	text := b.String()
	return text[max(0, len(text)-most):]
}
