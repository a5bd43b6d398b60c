// Bench compares Downbeat over a real RabbitMQ with a plain shell, on one machine in one run:
// every figure is the median, with its range, of several rounds in which the two take turns.
//
//	go run ./bench [-rounds 7] [skew] [wall] [idle] [beats] [output] [collect] [clock] [samples] [sqs]
//
// sqs compares with an SQS emulator, which scripts/install-deps installs.
//
// It starts a private RabbitMQ on loopback and four workers, needs a C compiler
// for its three small programs, and leaves nothing.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
	"time"

	"downbeat/internal/queue/amqp/rabbittest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	rounds := flag.Int("rounds", 7, "rounds of each measurement")
	flag.Parse()
	names := flag.Args()
	if len(names) == 0 {
		names = []string{"skew", "wall", "idle", "beats", "output", "collect", "clock", "samples", "sqs"}
	}
	all := map[string]func(context.Context, *bed) error{"skew": skew, "wall": wall, "idle": idle, "beats": beats, "output": output, "collect": collect, "clock": clocks, "samples": sampled, "sqs": overSQS}
	for _, name := range names {
		if all[name] == nil {
			return fmt.Errorf("%q is not a measurement: use skew, wall, idle, beats, output, collect, clock, samples or sqs", name)
		}
	}
	b, err := newBed(ctx, *rounds)
	if err != nil {
		return err
	}
	defer func() {
		if err := b.close(); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
		}
	}()
	fmt.Printf("%d cores, %s, %d rounds; medians (range)\n", runtime.NumCPU(), runtime.Version(), *rounds)
	for _, name := range names {
		if err := all[name](ctx, b); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// A bed is the test bed that all measurements share: programs, broker and workers.
type bed struct {
	dir      string
	programs string // where they were built
	rounds   int
	url      string
	env      []string // beside DOWNBEAT_*
	stop     func() error
	workers  []*exec.Cmd

	published time.Duration // CPU time of all calls of publish
}

var hosts = []string{"alpha", "bravo", "charlie", "delta"}

func newBed(ctx context.Context, rounds int) (_ *bed, err error) {
	dir, err := os.MkdirTemp("", "downbeat-bench-")
	if err != nil {
		return nil, err
	}
	b := &bed{dir: dir, programs: dir, rounds: rounds, stop: func() error { return nil }}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.close())
		}
	}()
	for _, build := range [][]string{
		{"go", "build", "-o", dir, "./cmd/publish", "./cmd/worker"},
		{"cc", "-O2", "-static", "-o", b.path("stamp"), "bench/stamp/stamp.c"},
		{"cc", "-O2", "-static", "-o", b.path("lines"), "bench/stamp/lines.c"},
		{"cc", "-O2", "-static", "-o", b.path("barrier"), "bench/stamp/barrier.c"},
	} {
		cmd := exec.CommandContext(ctx, build[0], build[1:]...)
		cmd.Stderr = os.Stderr
		if err := cmd.Run(); err != nil {
			return nil, fmt.Errorf("%v: %w", build, err)
		}
	}
	if b.url = os.Getenv("DOWNBEAT_TEST_AMQP_URL"); b.url == "" {
		node, err := rabbittest.Start(ctx, dir)
		if err != nil {
			return nil, err
		}
		b.url, b.stop = node.URL(), node.Stop
	}
	return b, b.startWorkers(ctx)
}

func (b *bed) path(name string) string { return filepath.Join(b.dir, name) }

func (b *bed) programPath(name string) string { return filepath.Join(b.programs, name) }

// prepare makes the directory of another bed and starts its workers.
func (b *bed) prepare(ctx context.Context) error {
	if err := os.Mkdir(b.dir, 0o700); err != nil {
		return err
	}
	return b.startWorkers(ctx)
}

func (b *bed) environ() []string {
	return append(append(os.Environ(), b.env...), "DOWNBEAT_QUEUE_URL="+b.url, "DOWNBEAT_NAMESPACE=bench", "DOWNBEAT_STATE_DIR="+b.path("state"),
		"DOWNBEAT_RESULTS="+b.path("results"), "DOWNBEAT_LOG_LEVEL=warn")
}

// startWorkers starts one worker for each host, and waits until all answer.
func (b *bed) startWorkers(ctx context.Context) error {
	for _, host := range hosts {
		cmd := exec.Command(b.programPath("worker"))
		cmd.Dir = b.dir
		cmd.Env = append(b.environ(), "DOWNBEAT_HOST="+host)
		cmd.Stderr = os.Stderr
		if err := cmd.Start(); err != nil {
			return err
		}
		b.workers = append(b.workers, cmd)
	}
	if err := os.WriteFile(b.path("hosts.json"), []byte(`{"name":"up","hosts":{"alpha":["true"],"bravo":["true"],"charlie":["true"],"delta":["true"]}}`), 0o600); err != nil {
		return err
	}
	// Asking about a host whose worker is not up yet fails at once.
	for deadline := time.Now().Add(startTimeout); ; {
		err := b.publish(ctx, b.path("hosts.json"))
		if err == nil || ctx.Err() != nil || time.Now().After(deadline) {
			return err
		}
	}
}

// startTimeout is how long workers may take to come up.
const startTimeout = 20 * time.Second

// publish runs a file, as a user would, and discards the lines.
func (b *bed) publish(ctx context.Context, file string) error {
	cmd := exec.CommandContext(ctx, b.programPath("publish"), file)
	cmd.Env = b.environ()
	out, err := os.OpenFile(b.path("lines.out"), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	cmd.Stdout = out
	report, err := os.Create(b.path("report"))
	if err != nil {
		return err
	}
	defer report.Close()
	cmd.Stderr = report
	err = cmd.Run()
	b.published += cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	if err != nil {
		text, _ := os.ReadFile(report.Name())
		return fmt.Errorf("publish %s: %w\n%s", filepath.Base(file), err, text)
	}
	return nil
}

// close ends what newBed started, workers first.
func (b *bed) close() error {
	var errs []error
	for _, cmd := range b.workers {
		errs = append(errs, cmd.Process.Signal(syscall.SIGTERM))
	}
	for _, cmd := range b.workers {
		errs = append(errs, cmd.Wait())
	}
	return errors.Join(append(errs, b.stop(), os.RemoveAll(b.dir))...)
}

// A series is one figure over the rounds.
type series []float64

// String formats the median and the range.
func (s series) String() string {
	sorted := slices.Sorted(slices.Values(s))
	return fmt.Sprintf("%.1f (%.1f..%.1f)", s.median(), sorted[0], sorted[len(sorted)-1])
}

func (s series) median() float64 {
	sorted := slices.Sorted(slices.Values(s))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1e3 }
