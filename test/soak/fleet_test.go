//go:build soak && linux

package soak

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"downbeat/internal/queue/queuetest/daemon"
	"downbeat/internal/queue/queuetest/proxy"
	"downbeat/internal/testkit"
)

const namespace = "soak"

// spared is the host whose worker is never killed, so that what grows can grow.
const spared = "delta"

var hosts = []string{"alpha", "bravo", "charlie", spared}

// A member is the worker of one host, which its supervisor starts again.
type member struct {
	t       *testing.T
	host    string
	proxy   *proxy.Proxy
	broker  string // through the proxy
	metrics string // address
	log     *os.File
	process *daemon.Process
	kills   int

	first, last usage
}

func newMember(t *testing.T, host, broker string) *member {
	t.Helper()
	ports, err := daemon.FreePorts(t.Context(), 1)
	check(t, err)
	log, err := os.Create(filepath.Join(root, "worker-"+host+".log"))
	check(t, err)
	m := &member{t: t, host: host, metrics: fmt.Sprintf("127.0.0.1:%d", ports[0]), log: log}
	m.proxy, m.broker = proxy.New(t, broker)
	m.start()
	t.Cleanup(func() {
		if m.process != nil {
			check(t, m.process.Stop(syscall.SIGTERM, testkit.Timeout))
		}
		check(t, log.Close())
	})
	return m
}

func (m *member) start() {
	m.t.Helper()
	cmd := exec.Command(filepath.Join(root, "bin", "worker"))
	cmd.Dir, cmd.Stderr = root, m.log
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "DOWNBEAT_QUEUE_URL=" + m.broker, "DOWNBEAT_HOST=" + m.host, "DOWNBEAT_NAMESPACE=" + namespace,
		"DOWNBEAT_STATE_DIR=" + stateDir(), "DOWNBEAT_METRICS_ADDR=" + m.metrics, "DOWNBEAT_LOG_LEVEL=info", mark,
	}
	var err error
	m.process, err = start(cmd)
	check(m.t, err)
}

// kill does what the kernel does when memory is short, and the supervisor then.
func (m *member) kill(pause time.Duration) {
	m.t.Helper()
	check(m.t, syscall.Kill(m.process.PID(), syscall.SIGKILL))
	<-m.process.Done()
	m.kills++
	<-time.After(pause)
	m.start()
}

// leave ends the worker as systemd does, which must work.
func (m *member) leave() {
	m.t.Helper()
	p := m.process
	m.process = nil
	check(m.t, p.Stop(syscall.SIGTERM, testkit.Timeout))
	if got := p.Err().Error(); got != "exit status 0" {
		m.t.Errorf("the worker of %s has ended with %s", m.host, got)
	}
}

func stateDir() string { return filepath.Join(root, "state") }

// mark is in the environment of everything that the soak starts.
const mark = "SOAK=1"

// A usage is what a worker takes of its machine.
type usage struct{ goroutines, descriptors, memory int }

// look reads the worker's own account.
func (m *member) look() (usage, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+m.metrics+"/metrics", nil)
	if err != nil {
		return usage{}, err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return usage{}, err
	}
	defer answer.Body.Close()
	var u usage
	found := 0
	for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), " ")
		field, wanted := map[string]*int{
			"go_goroutines": &u.goroutines, "process_open_fds": &u.descriptors, "process_resident_memory_bytes": &u.memory,
		}[name]
		if !wanted {
			continue
		}
		n, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return usage{}, err
		}
		*field = int(n)
		found++
	}
	if found != 3 {
		return usage{}, errors.New("the worker does not tell what it takes")
	}
	return u, nil
}

// An experimenter runs the experiment, and goes on with it when its publish has
// been killed or something has failed, until all is done.
type experimenter struct {
	t      *testing.T
	proxy  *proxy.Proxy
	broker string // through the proxy
	file   string
	log    *os.File
	done   chan struct{}

	mu      sync.Mutex
	process *daemon.Process // nil between two
	began   int             // how often publish was started
	kills   int
}

func results() string { return filepath.Join(root, "results", "soak", "latest") }

func (e *experimenter) command(args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(root, "bin", "publish"), args...)
	cmd.Args = append(cmd.Args, "--quiet", "--no-progress", "--lease", lease.String(), "--results", filepath.Join(root, "results"))
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "DOWNBEAT_QUEUE_URL=" + e.broker, "DOWNBEAT_NAMESPACE=" + namespace, mark}
	cmd.Dir, cmd.Stderr = root, e.log
	return cmd
}

// lease is short, so that what a kill leaves is over soon, and longer than a
// program is suspended.
const lease = 8 * time.Second

// run returns once publish says that every datapoint has succeeded.
func (e *experimenter) run() {
	defer close(e.done)
	for range 20 + *datapoints {
		args := []string{e.file}
		if _, err := os.Stat(results()); err == nil {
			args = []string{"resume", results()}
		}
		e.mu.Lock()
		p, err := start(e.command(args...))
		e.process = p
		e.began++
		e.mu.Unlock()
		if err != nil {
			e.t.Error(err)
			return
		}
		<-p.Done()
		e.mu.Lock()
		e.process = nil
		e.mu.Unlock()
		if p.Err().Error() == "exit status 0" {
			return
		}
		<-time.After(time.Second)
	}
	e.t.Error("the experiment does not come to its end, however often it is resumed")
}

// signal signals the publish that is running, if one is.
func (e *experimenter) signal(sig syscall.Signal) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.process == nil {
		return false
	}
	select {
	case <-e.process.Done():
		return false
	default:
		return syscall.Kill(e.process.PID(), sig) == nil
	}
}
