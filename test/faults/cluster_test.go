// Package faults runs whole experiments, publishers and workers, in one process
// and lets things go wrong between and around them. Each test is one of the rows
// of docs/faults.md.
package faults

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"downbeat/internal/experiment"
	"downbeat/internal/message"
	"downbeat/internal/publisher"
	"downbeat/internal/queue"
	"downbeat/internal/queue/amqp"
	"downbeat/internal/queue/amqp/rabbittest"
	"downbeat/internal/queue/mem"
	"downbeat/internal/results"
	"downbeat/internal/runner"
	"downbeat/internal/streams"
	"downbeat/internal/testkit"
	"downbeat/internal/worker"
)

// processes is the runner that all tests share: a program has one.
var processes *runner.Runner

func TestMain(m *testing.M) { goleak.VerifyTestMain(suite{m}) }

// suite has the runner closed before it is looked for what was left running.
type suite struct{ m *testing.M }

func (s suite) Run() int {
	var err error
	if processes, err = runner.New(runner.Options{}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := s.m.Run()
	if err := processes.Close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// A cluster is a broker with workers and publishers, all in this process, in a
// namespace and a state directory of its own.
type cluster struct {
	t         *testing.T
	namespace string
	connect   func() queue.Broker // one more connection; the test's end closes it
	state     string
	key       ed25519.PrivateKey // nil: nothing is signed
	lease     time.Duration
	log       *slog.Logger
	queues    []string
}

// transports are the brokers that a test is to run over.
var transports = map[string]func(*cluster) func() queue.Broker{
	"mem": func(*cluster) func() queue.Broker {
		first := mem.New(queue.Options{})
		return func() queue.Broker { return first.Connect() }
	},
	"amqp": func(c *cluster) func() queue.Broker {
		url := rabbittest.URL(c.t)
		return func() queue.Broker {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(c.t.Context()), testkit.Timeout)
			defer cancel()
			b, err := amqp.Open(ctx, url, queue.Options{})
			testkit.Check(c.t, err)
			return b
		}
	},
}

func newCluster(t *testing.T, transport string) *cluster {
	t.Helper()
	id := strings.ToLower(message.NewPublisher())
	c := &cluster{t: t, namespace: "faults-" + id, state: scratch(t), lease: time.Minute, log: slog.New(slog.DiscardHandler)}
	open := transports[transport](c)
	c.connect = func() queue.Broker {
		b := open()
		t.Cleanup(func() { testkit.Check(t, b.Close()) })
		return b
	}
	c.cleanQueues()
	return c
}

// cleanQueues deletes the queues of the cluster once all that used them has ended.
func (c *cluster) cleanQueues() {
	b := c.connect()
	c.t.Cleanup(func() {
		for _, name := range append(c.queues, message.DeadQueue(c.namespace)) {
			testkit.Check(c.t, b.Delete(context.WithoutCancel(c.t.Context()), name))
		}
	})
}

func (c *cluster) config(host string, broker queue.Broker) worker.Config {
	trust := message.Trust{Unsigned: c.key == nil}
	if c.key != nil {
		trust.Keys = []ed25519.PublicKey{c.key.Public().(ed25519.PublicKey)}
	}
	return worker.Config{
		Broker: broker, Runner: processes, Namespace: c.namespace, Host: host, StateDir: c.state, Dir: c.state,
		Trust: trust, Environ: os.Environ(), Lease: c.lease, Version: "v9", Log: c.log,
	}
}

// A daemon is a worker that serves its host.
type daemon struct {
	t      *testing.T
	w      *worker.Worker
	cancel context.CancelFunc
	done   chan error
	ended  bool
}

// serve starts the worker of a host; it ends before the test does.
func (c *cluster) serve(config worker.Config) *daemon {
	c.t.Helper()
	w, err := worker.New(config)
	testkit.Check(c.t, err)
	testkit.Check(c.t, w.Declare(c.t.Context()))
	c.queues = append(c.queues, message.JobsQueue(c.namespace, config.Host), message.ControlQueue(c.namespace, config.Host))
	ctx, cancel := context.WithCancel(context.WithoutCancel(c.t.Context()))
	d := &daemon{t: c.t, w: w, cancel: cancel, done: make(chan error, 1)}
	go func() { d.done <- w.Run(ctx) }()
	c.t.Cleanup(d.stop)
	return d
}

// stop does what SIGTERM does, and waits for the worker to return.
func (d *daemon) stop() {
	d.t.Helper()
	if d.ended {
		return
	}
	d.ended = true
	d.cancel()
	testkit.Check(d.t, testkit.Receive(d.t, d.done, "the worker returns"))
	testkit.Check(d.t, d.w.Close())
}

// publisher starts a publisher, which ends before the test does.
func (c *cluster) publisher(broker queue.Broker) *publisher.Publisher {
	c.t.Helper()
	p, err := publisher.New(c.t.Context(), publisher.Config{
		Broker: broker, Namespace: c.namespace, Key: c.key, ReadyTimeout: testkit.Timeout, Lease: c.lease, Log: c.log,
	})
	testkit.Check(c.t, err)
	c.t.Cleanup(func() { testkit.Check(c.t, p.Close(context.WithoutCancel(c.t.Context()))) })
	return p
}

// run makes a run of the first datapoint of the file, and returns its record and
// its directory.
func run(t *testing.T, p *publisher.Publisher, file string) (results.Record, string) {
	t.Helper()
	return runIn(t.Context(), t, p, file)
}

// runIn is the same; the end of ctx stops the run.
func runIn(ctx context.Context, t *testing.T, p *publisher.Publisher, file string) (results.Record, string) {
	t.Helper()
	f, err := experiment.Parse("test.yaml", []byte(file))
	testkit.Check(t, err)
	dp, err := f.Points()[0].Expand(p.NewRun())
	testkit.Check(t, err)
	e, err := results.Create(scratch(t), results.Meta{Name: f.Name})
	testkit.Check(t, err)
	defer e.Close()
	var all []results.Process
	for _, process := range dp.Processes {
		all = append(all, results.Process{Host: process.Host, Name: process.Name})
	}
	out, err := e.NewRun("0001", all)
	testkit.Check(t, err)
	ctx, cancel := context.WithTimeout(ctx, testkit.Timeout)
	defer cancel()
	record, err := p.Run(ctx, publisher.Spec{Datapoint: dp, Results: out, Observer: blind{}})
	testkit.Check(t, err)
	return record, out.Dir()
}

// blind is an observer who does not look.
type blind struct{}

func (blind) Host(string, publisher.Phase, string)          {}
func (blind) Started(int, int, time.Time)                   {}
func (blind) Beat(int, []string, time.Time)                 {}
func (blind) ProcessReady(int, time.Time)                   {}
func (blind) LifeEnded(int, results.LifeRecord)             {}
func (blind) Acted(results.ActionRecord)                    {}
func (blind) Marked(results.MarkRecord)                     {}
func (blind) Output(int, streams.Stream, time.Time, []byte) {}
func (blind) Exited(int, results.ProcessRecord)             {}
func (blind) Step(int, results.StepRecord)                  {}
func (blind) Stopping(cause message.StopCause, _ string)    {}

// files reads all that the processes of a run wrote, by path.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	found := make(map[string]string)
	for _, pattern := range []string{"*/*.out", "*/*.err"} {
		paths, err := filepath.Glob(filepath.Join(dir, pattern))
		testkit.Check(t, err)
		for _, path := range paths {
			data, err := os.ReadFile(path)
			testkit.Check(t, err)
			name, err := filepath.Rel(dir, path)
			testkit.Check(t, err)
			found[name] = string(data)
		}
	}
	return found
}

// scratch is a directory in memory, where there is one: runs are many here, and
// each waits for the disk more than ten times.
func scratch(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "downbeat-test-") //nolint:usetesting // t.TempDir is on the disk
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { testkit.Check(t, os.RemoveAll(dir)) })
	return dir
}

// tree lists everything below a directory, with what it holds, as far as it is
// not below one of except.
func tree(t *testing.T, dir string, except ...string) []string {
	t.Helper()
	var all []string
	testkit.Check(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if slices.Contains(except, path) {
			return fs.SkipDir
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		entry := path + " " + info.Mode().String()
		if !d.IsDir() {
			entry += fmt.Sprintf(" %d bytes", info.Size())
		}
		all = append(all, entry)
		return nil
	}))
	return all
}

// together runs the functions at a time and waits for all of them.
func together(functions ...func()) {
	var all sync.WaitGroup
	for _, f := range functions {
		all.Go(f)
	}
	all.Wait()
}

// sorted are the keys of a map in their order, for messages.
func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
