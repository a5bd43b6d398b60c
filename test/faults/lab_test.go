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
	"downbeat/internal/worker"
)

// patience bounds every wait for something that has to come. The machine may be
// busy with other tests.
const patience = 2 * time.Minute

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

// A lab is a broker with workers and publishers, all in this process, in a
// namespace and a state directory of its own.
type lab struct {
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
var transports = map[string]func(*lab) func() queue.Broker{
	"mem": func(*lab) func() queue.Broker {
		first := mem.New(queue.Options{})
		return func() queue.Broker { return first.Connect() }
	},
	"amqp": func(l *lab) func() queue.Broker {
		url := rabbittest.URL(l.t)
		return func() queue.Broker {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(l.t.Context()), patience)
			defer cancel()
			b, err := amqp.Open(ctx, url, queue.Options{})
			check(l.t, err)
			return b
		}
	},
}

func newLab(t *testing.T, transport string) *lab {
	t.Helper()
	id := strings.ToLower(message.NewPublisher())
	l := &lab{t: t, namespace: "faults-" + id, state: scratch(t), lease: time.Minute, log: slog.New(slog.DiscardHandler)}
	open := transports[transport](l)
	l.connect = func() queue.Broker {
		b := open()
		t.Cleanup(func() { check(t, b.Close()) })
		return b
	}
	l.cleanQueues()
	return l
}

// cleanQueues deletes the queues of the lab once all that used them has ended.
func (l *lab) cleanQueues() {
	b := l.connect()
	l.t.Cleanup(func() {
		for _, name := range append(l.queues, message.DeadQueue(l.namespace)) {
			check(l.t, b.Delete(context.WithoutCancel(l.t.Context()), name))
		}
	})
}

func (l *lab) config(host string, broker queue.Broker) worker.Config {
	trust := message.Trust{Unsigned: l.key == nil}
	if l.key != nil {
		trust.Keys = []ed25519.PublicKey{l.key.Public().(ed25519.PublicKey)}
	}
	return worker.Config{
		Broker: broker, Runner: processes, Namespace: l.namespace, Host: host, StateDir: l.state, Dir: l.state,
		Trust: trust, Environ: os.Environ(), Lease: l.lease, Version: "v9", Log: l.log,
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
func (l *lab) serve(config worker.Config) *daemon {
	l.t.Helper()
	w, err := worker.New(config)
	check(l.t, err)
	check(l.t, w.Declare(l.t.Context()))
	l.queues = append(l.queues, message.JobsQueue(l.namespace, config.Host), message.ControlQueue(l.namespace, config.Host))
	ctx, cancel := context.WithCancel(context.WithoutCancel(l.t.Context()))
	d := &daemon{t: l.t, w: w, cancel: cancel, done: make(chan error, 1)}
	go func() { d.done <- w.Run(ctx) }()
	l.t.Cleanup(d.stop)
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
	select {
	case err := <-d.done:
		check(d.t, err)
	case <-time.After(patience):
		d.t.Fatal("the worker does not return")
	}
	check(d.t, d.w.Close())
}

// publisher starts a publisher, which ends before the test does.
func (l *lab) publisher(broker queue.Broker) *publisher.Publisher {
	l.t.Helper()
	p, err := publisher.New(l.t.Context(), publisher.Config{
		Broker: broker, Namespace: l.namespace, Key: l.key, ReadyTimeout: patience, Lease: l.lease, Log: l.log,
	})
	check(l.t, err)
	l.t.Cleanup(func() { check(l.t, p.Close(context.WithoutCancel(l.t.Context()))) })
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
	check(t, err)
	dp, err := f.Points()[0].Expand(p.NewRun())
	check(t, err)
	e, err := results.Create(scratch(t), results.Meta{Name: f.Name})
	check(t, err)
	defer e.Close()
	var all []results.Process
	for _, process := range dp.Processes {
		all = append(all, results.Process{Host: process.Host, Name: process.Name})
	}
	out, err := e.NewRun("0001", all)
	check(t, err)
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	record, err := p.Run(ctx, publisher.Spec{Datapoint: dp, Results: out, Observer: blind{}})
	check(t, err)
	return record, out.Dir()
}

// blind is an observer who does not look.
type blind struct{}

func (blind) Host(string, publisher.Phase, string)          {}
func (blind) Started(int, int, time.Time)                   {}
func (blind) Output(int, message.Stream, time.Time, []byte) {}
func (blind) Exited(int, results.ProcessRecord)             {}
func (blind) Step(int, results.StepRecord)                  {}
func (blind) Stopping(cause message.StopCause, _ string)    {}

// files reads all that the processes of a run wrote, by path.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	found := make(map[string]string)
	for _, pattern := range []string{"*/*.out", "*/*.err"} {
		paths, err := filepath.Glob(filepath.Join(dir, pattern))
		check(t, err)
		for _, path := range paths {
			data, err := os.ReadFile(path)
			check(t, err)
			name, err := filepath.Rel(dir, path)
			check(t, err)
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
	t.Cleanup(func() { check(t, os.RemoveAll(dir)) })
	return dir
}

// tree lists everything below a directory, with what it holds, as far as it is
// not below one of except.
func tree(t *testing.T, dir string, except ...string) []string {
	t.Helper()
	var all []string
	check(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
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

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// sorted are the keys of a map in their order, for messages.
func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
