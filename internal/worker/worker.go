// Package worker is the daemon on each host. It takes the host's jobs from the
// queue, journals each and acknowledges it, has the processes prepared, released
// and stopped by the runner as the publisher says, and reports everything
// through the run's log.
//
// The package course decides what becomes of a run, which run has the host, and which jobs
// and controls are accepted. This one carries it out.
//
// A Worker serves one host. Its goroutines: one that takes jobs, one that takes
// controls while there are runs, and for each run one that owns it (see run), one that
// sends its log (sender), one at a time for what it waits for: its files, a command of its
// setup or teardown, its preparation (task), one for each release and stop until its instant
// (processes), one for each process of which it is not known yet whether it can be used
// (probes), one that gathers the facts of the host (evidence), those of the socket on which processes meet (meeting), and one for the collection
// of its files (collector) and for the removal of its directory (clearing).
package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"downbeat/internal/message"
	"downbeat/internal/queue"
	"downbeat/internal/runner"
	"downbeat/internal/trustedpath"
	"downbeat/internal/udpclock"
	"downbeat/internal/worker/course"
	"downbeat/internal/worker/facts"
)

// Config is what a worker needs. All fields are required but Log, Clock and Skew.
type Config struct {
	Broker    queue.Broker
	Runner    *runner.Runner
	Namespace string
	Host      string
	// StateDir is where the worker keeps its journal; it may be shared by the
	// workers of several hosts and namespaces.
	StateDir string
	// Dir is where programs named by a relative path are looked for when they
	// are not in the run's directory.
	Dir   string
	Trust message.Trust
	// Environ is what processes inherit, "KEY=value". It must not hold secrets of
	// the worker: see [secrecy.Environ].
	Environ []string
	// Lease is the longest that a run goes on without a word from its publisher.
	Lease   time.Duration
	Version string
	Log     *slog.Logger
	// Clock answers probes of the machine's clock; nil: it is measured through the broker alone.
	Clock *udpclock.Responder
	// Skew, if any, is added to what the host's wall clock shows whenever it is
	// read, to play a host whose clock is wrong or is stepped.
	Skew func() time.Duration
}

// A Worker serves one host.
type Worker struct {
	config Config
	slog   *slog.Logger
	dir    string // of this host within StateDir
	turns  turns
	lock   *os.File
	loops  sync.WaitGroup
	watch  watch
	facts  *facts.Reader

	restoring sync.Mutex // held while the directory is made again

	mu        sync.Mutex // guards what follows
	runs      map[string]*run
	admission course.Admission
	unwritten map[string]bool // runs that are over, and whose marks are not on the disk
	tidied    time.Time       // when the runs remembered on the disk were last looked through
	// contenders are other workers that wait for this host.
	contenders []contender

	self message.WorkerInfo
	// outside: another worker serves the host, and this one waits.
	outside atomic.Bool
	hurry   int // how many times faster than usual a name is waited for; 0: once

	taken, refused atomic.Uint64 // see Stats
}

// ErrLocked is wrapped by New's error where another worker has the state directory.
var ErrLocked = errors.New("another worker on this machine serves it already: end that one, or give this one another name with DOWNBEAT_HOST")

// New makes the worker's directory and takes its lock. It fails where another
// worker serves the same host from the same directory.
func New(config Config) (*Worker, error) {
	if config.Log == nil {
		config.Log = slog.New(slog.DiscardHandler)
	}
	if err := errors.Join(message.CheckNamespace(config.Namespace), message.CheckName(config.Host)); err != nil {
		return nil, err
	}
	w := &Worker{
		config: config, slog: config.Log.With("host", config.Host),
		dir:  filepath.Join(config.StateDir, config.Namespace, config.Host),
		runs: make(map[string]*run), unwritten: make(map[string]bool), self: self(), facts: facts.New(),
	}
	for _, dir := range []string{w.runsDir(), w.seenDir()} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("make the worker's state directory: %w (set DOWNBEAT_STATE_DIR to one that this user can write)", err)
		}
	}
	for _, dir := range []string{w.runsDir(), w.seenDir()} {
		if err := trustedpath.CheckDir(dir); err != nil {
			return nil, fmt.Errorf("the worker's state directory: %w", err)
		}
	}
	lock, err := lockFile(filepath.Join(w.dir, "lock"))
	if err != nil {
		return nil, fmt.Errorf("worker for host %s: %w", config.Host, err)
	}
	w.lock = lock
	return w, nil
}

// Close gives the lock back. Run must have returned.
func (w *Worker) Close() error { return unlockFile(w.lock) }

// Run serves the host until ctx ends; then it takes no more jobs, stops the
// current run, and returns once nothing of it is left. It returns an error only
// where serving the host is impossible from the start.
func (w *Worker) Run(ctx context.Context) error {
	if err := w.Declare(ctx); err != nil {
		return err
	}
	jobs := message.JobsQueue(w.config.Namespace, w.config.Host)
	consumer, err := w.hold(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return nil //nolint:nilerr // told to leave while it waited
		}
		return fmt.Errorf("take jobs from %s: %w", jobs, err)
	}
	w.loops.Go(func() { w.clearLeft(ctx) })
	w.recover(ctx)
	w.slog.Info("waiting for jobs", "queue", jobs)
	w.intake(ctx, consumer)
	err = consumer.Close()
	w.loops.Wait()
	w.watch.close()
	if err != nil && !errors.Is(err, queue.ErrClosed) {
		return fmt.Errorf("stop taking jobs: %w", err)
	}
	return nil
}

// Declare makes sure that the host's queues exist. Run does so too; calling it
// first lets jobs be published before Run has come so far.
func (w *Worker) Declare(ctx context.Context) error {
	ns, host := w.config.Namespace, w.config.Host
	dead := message.DeadQueue(ns)
	for _, spec := range []queue.Spec{
		{Name: dead, MaxMessages: maxDead, MaxBytes: maxDeadBytes},
		{Name: message.ControlQueue(ns, host), DeadLetter: dead},
		// The last, so that whoever sends a job can send its stop.
		{Name: message.JobsQueue(ns, host), Group: message.JobsGroup(ns), DeadLetter: dead},
	} {
		if err := w.config.Broker.Declare(ctx, spec); err != nil {
			return fmt.Errorf("host %s: %w", host, err)
		}
	}
	return nil
}

// These bound the dead letters kept: the oldest go first.
const (
	maxDead      = 10_000
	maxDeadBytes = 256 << 20
)

func (w *Worker) runsDir() string { return filepath.Join(w.dir, "runs") }
func (w *Worker) seenDir() string { return filepath.Join(w.dir, "seen") }

// start enters a run and lets it go its way.
func (w *Worker) start(ctx context.Context, r *run) {
	w.mu.Lock()
	w.runs[r.job.Run] = r
	for _, c := range w.admission.Enter(r.job.Run) {
		r.take(c)
	}
	w.mu.Unlock()
	w.watch.open(ctx, w)
	w.loops.Go(func() {
		r.loop(ctx)
		if err := w.forget(r); err != nil {
			r.slog.Warn("something of the run is left on the disk", "error", err)
		}
	})
}

// lookup finds a run that is not over.
func (w *Worker) lookup(id string) *run {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.runs[id]
}

// forget takes a run that is over off the disk, and remembers that it was here;
// one that a worker shutting down could not deliver stays for its next start.
func (w *Worker) forget(r *run) error {
	err := r.log.Close()
	if !r.keep {
		err = errors.Join(err, w.markSeen(r.job.Run), w.dropRun(r.job.Run))
	}
	w.mu.Lock()
	delete(w.runs, r.job.Run)
	w.admission.Leave(r.job.Run)
	due := time.Since(w.tidied) > tidyEvery
	if due {
		w.tidied = time.Now()
		w.admission.Forget(time.Now().Add(-seenFor))
		maps.DeleteFunc(w.unwritten, func(run string, _ bool) bool { return !w.admission.Had(run) })
	}
	w.mu.Unlock()
	if due {
		w.dropOld(w.seenDir(), seenFor)
		w.clearLeft(context.Background())
	}
	return err
}

// skew is how wrong the host's wall clock is made to be at the moment.
func (w *Worker) skew() time.Duration {
	if w.config.Skew == nil {
		return 0
	}
	return w.config.Skew()
}

// now is what the host's wall clock shows, without a monotonic reading.
func (w *Worker) now() time.Time { return time.Now().Round(0).Add(w.skew()) }

// send publishes an unlogged event, for as long as it is of interest.
func (w *Worker) send(to string, e message.Event, within time.Duration) {
	e.Host = w.config.Host
	data, err := e.Encode()
	if err != nil {
		w.slog.Error("an event could not be sent", "error", err)
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), min(within, 5*time.Second))
	defer cancel()
	if err := w.config.Broker.Publish(ctx, to, queue.Message{Body: data, TTL: within}); err != nil && !errors.Is(err, queue.ErrClosed) {
		w.slog.Debug("an event was not sent", "event", e.Kind, "to", to, "error", err)
	}
}

// here answers a hello.
func (w *Worker) here() *message.HereInfo {
	info := &message.HereInfo{
		Version: w.config.Version, Features: message.Features(), OS: runtime.GOOS, Arch: runtime.GOARCH, Worker: &w.self, Waiting: w.waiting(),
	}
	if r := w.lookup(w.turns.active()); r != nil {
		info.Run, info.Experiment = r.job.Run, r.job.Experiment
	}
	return info
}
