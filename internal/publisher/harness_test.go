package publisher

import (
	"context"
	"crypto/ed25519"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"downbeat/internal/experiment"
	"downbeat/internal/message"
	"downbeat/internal/queue"
	"downbeat/internal/queue/mem"
	"downbeat/internal/results"
	"downbeat/internal/streams"
	"downbeat/internal/testkit"
	"downbeat/internal/testkit/fakeworker"
)

const testNamespace = "test"

// timeout bounds every wait of these tests for something that has to come.
const timeout = 20 * time.Second

// A harness is a broker with a publisher under test and scripted workers.
type harness struct {
	t       *testing.T
	broker  *mem.Broker
	p       *Publisher
	results *results.Run
	watcher watcher
}

// newHarness starts a publisher; change, if any, adapts its configuration.
func newHarness(t *testing.T, change func(*Config)) *harness {
	t.Helper()
	l := &harness{t: t, broker: mem.New(queue.Options{})}
	t.Cleanup(func() { testkit.Check(t, l.broker.Close()) })
	l.p = l.publisher(change)
	return l
}

// publisher starts one more publisher on the same broker.
func (l *harness) publisher(change func(*Config)) *Publisher {
	l.t.Helper()
	config := Config{Broker: l.broker, Namespace: testNamespace, ReadyTimeout: timeout, Lease: timeout / 2}
	if change != nil {
		change(&config)
	}
	p, err := New(l.t.Context(), config)
	testkit.Check(l.t, err)
	l.t.Cleanup(func() { testkit.Check(l.t, p.Close(context.WithoutCancel(l.t.Context()))) })
	return p
}

// worker starts the worker of a host.
func (l *harness) worker(host string) *fakeworker.Worker {
	l.t.Helper()
	return fakeworker.New(l.t, l.broker, testNamespace, host)
}

// datapoint describes a run of these processes, ranked in that order.
func (l *harness) datapoint(processes ...experiment.Command) *experiment.Datapoint {
	dp := &experiment.Datapoint{
		Name: "locks", Index: 3, Run: l.p.NewRun(), Timeout: time.Hour, Processes: processes,
		Stop: experiment.StopRule{Grace: 7 * time.Second, OnFailure: true},
	}
	for i := range dp.Processes {
		p := &dp.Processes[i]
		p.Rank = i
		if !slices.ContainsFunc(dp.Hosts, func(h experiment.Host) bool { return h.Name == p.Host }) {
			dp.Hosts = append(dp.Hosts, experiment.Host{Name: p.Host, Address: p.Host})
		}
	}
	return dp
}

func proc(host, group string, index int) experiment.Command {
	return experiment.Command{Host: host, Command: message.Command{
		Name: message.ProcessName(group, index), Phase: message.PhaseRun, Group: group, Index: index, Argv: []string{"./" + group, "-v"}, OKExit: []int{0},
	}}
}

// ending is a run under way, and then its end.
type ending struct {
	t      *testing.T
	done   chan struct{}
	cancel context.CancelCauseFunc
	record results.Record
	err    error
}

// start begins a run of the datapoint; it ends before the test does. change, if
// any, adapts what is asked for.
func (l *harness) start(dp *experiment.Datapoint, change ...func(*Spec)) *ending {
	l.t.Helper()
	l.results = newResults(l.t, l.t.TempDir(), dp)
	ctx, cancel := context.WithCancelCause(l.t.Context())
	e := &ending{t: l.t, done: make(chan struct{}), cancel: cancel}
	spec := Spec{Datapoint: dp, Attempt: 2, Results: l.results, Observer: &l.watcher}
	for _, c := range change {
		c(&spec)
	}
	go func() {
		defer close(e.done)
		e.record, e.err = l.p.Run(ctx, spec)
	}()
	l.t.Cleanup(func() {
		cancel(nil)
		l.giveUp(dp)
		select {
		case <-e.done:
		case <-time.After(timeout):
			l.t.Error("the run does not end")
		}
	})
	return e
}

// alone takes a run of one process, a.0 on alpha, to where it runs.
func alone(t *testing.T, change func(*Config)) (*harness, *fakeworker.Worker, *ending) {
	t.Helper()
	l := newHarness(t, change)
	alpha := l.worker("alpha")
	run := l.start(l.datapoint(proc("alpha", "a", 0)))
	fakeworker.Release(alpha)
	return l, alpha, run
}

// giveUp ends what a test has left of a run: each host says that it is done.
func (l *harness) giveUp(dp *experiment.Datapoint) {
	for _, h := range dp.Hosts {
		e := message.Event{Kind: message.Done, Run: dp.Run, Host: h.Name, Done: &message.DoneInfo{Outcome: message.HostDone}}
		data, err := e.Encode()
		testkit.Check(l.t, err)
		testkit.Check(l.t, l.broker.Publish(context.WithoutCancel(l.t.Context()), l.p.events, queue.Message{Body: data}))
	}
}

func newResults(t interface {
	Helper()
	Fatal(args ...any)
}, root string, dp *experiment.Datapoint,
) *results.Run {
	t.Helper()
	e, err := results.Create(root, results.Meta{Name: dp.Name})
	if err != nil {
		t.Fatal(err)
	}
	var processes []results.Process
	for _, c := range dp.Commands() {
		processes = append(processes, results.Process{Host: c.Host, Name: c.Name})
	}
	run, err := e.ReserveRun("0001", processes)
	if err != nil {
		t.Fatal(err)
	}
	return run
}

// wait returns the record of the run once it has ended.
func (e *ending) wait() results.Record {
	e.t.Helper()
	select {
	case <-e.done:
	case <-time.After(timeout):
		e.t.Fatal("the run does not end")
	}
	return e.record
}

// contents reads what the run has put on the disk for a process.
func (l *harness) contents(path string) string {
	l.t.Helper()
	data, err := os.ReadFile(filepath.Join(l.results.Dir(), path))
	testkit.Check(l.t, err)
	return string(data)
}

// A watcher is an Observer that remembers.
type watcher struct {
	mu       sync.Mutex
	phases   map[string][]Phase
	details  map[string]string
	stopping []message.StopCause
	exited   int
	steps    []int

	beats, usable, lives, acted int
	marks                       []string
}

func (w *watcher) Host(host string, phase Phase, detail string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.phases == nil {
		w.phases, w.details = make(map[string][]Phase), make(map[string]string)
	}
	w.phases[host] = append(w.phases[host], phase)
	w.details[host] = detail
}

func (w *watcher) Started(int, int, time.Time) {}

func (w *watcher) Beat(int, []string, time.Time) { w.count(&w.beats) }

func (w *watcher) ProcessReady(int, time.Time) { w.count(&w.usable) }

func (w *watcher) LifeEnded(int, results.LifeRecord) { w.count(&w.lives) }

func (w *watcher) Acted(results.ActionRecord) { w.count(&w.acted) }

func (w *watcher) Marked(m results.MarkRecord) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.marks = append(w.marks, m.Mark)
}

func (w *watcher) count(n *int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	*n++
}

func (w *watcher) Output(int, streams.Stream, time.Time, []byte) {}

func (w *watcher) Exited(int, results.ProcessRecord) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.exited++
}

func (w *watcher) Step(step int, _ results.StepRecord) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.steps = append(w.steps, step)
}

func (w *watcher) Stopping(cause message.StopCause, _ string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stopping = append(w.stopping, cause)
}

// seen waits until the publisher has told that the host is in that phase.
func (l *harness) seen(host string, phase Phase) {
	l.t.Helper()
	testkit.WaitFor(l.t, "the publisher sees "+host+" "+phase.String(), func() bool {
		l.watcher.mu.Lock()
		defer l.watcher.mu.Unlock()
		phases := l.watcher.phases[host]
		return len(phases) > 0 && phases[len(phases)-1] == phase
	})
}

func newKey(t *testing.T) ed25519.PrivateKey {
	t.Helper()
	_, key, err := ed25519.GenerateKey(nil)
	testkit.Check(t, err)
	return key
}

func hostOf(t *testing.T, record results.Record, name string) results.HostRecord {
	t.Helper()
	i := slices.IndexFunc(record.Hosts, func(h results.HostRecord) bool { return h.Host == name })
	if i < 0 {
		t.Fatalf("host %s is not in the record", name)
	}
	return record.Hosts[i]
}
