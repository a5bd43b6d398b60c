// Package test runs publish, worker and pproc as a person would: the programs
// themselves, from scripts in testdata/script, on the embedded queue and on a
// real RabbitMQ with a worker process for each host.
package test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"downbeat/internal/message"
	"downbeat/internal/queue"
	"downbeat/internal/queue/amqp/rabbittest"
	"downbeat/internal/queue/dial"
	"downbeat/internal/queue/sqs/sqstest"
	"downbeat/internal/testkit"
)

// programs is the directory that holds the programs under test.
var programs string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "downbeat-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	programs = dir
	if err := useEmulator(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	args := []string{"build", "-buildvcs=false", "-ldflags=-s -w", "-o", dir} // linked faster without what a debugger wants
	if raceEnabled {
		args = append(args, "-race")
	}
	build := exec.Command("go", append(args, "../cmd/publish", "../cmd/worker", "../cmd/downbeat-conform")...)
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "%v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// useEmulator lets sqs:// in this process, where scripts' commands look into
// queues, mean the emulator.
func useEmulator() error {
	endpoint := os.Getenv(sqstest.EnvURL)
	if endpoint == "" {
		return nil
	}
	for _, entry := range sqstest.Environ(endpoint) {
		name, value, _ := strings.Cut(entry, "=")
		if err := os.Setenv(name, value); err != nil {
			return err
		}
	}
	return nil
}

// TestEmbedded runs the scripts that need nothing but the programs.
func TestEmbedded(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script/embedded", Setup: setup, Cmds: commands, ContinueOnError: true,
	})
}

// TestAMQP runs the scripts that talk to RabbitMQ, each in a namespace of its own.
func TestAMQP(t *testing.T) {
	t.Parallel()
	broker := rabbittest.URL(t)
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script/amqp", Cmds: commands, ContinueOnError: true,
		Setup: func(env *testscript.Env) error {
			if err := setup(env); err != nil {
				return err
			}
			namespace := fmt.Sprintf("test-%d-%d", os.Getpid(), scripts.Add(1))
			env.Setenv("DOWNBEAT_QUEUE_URL", broker)
			env.Setenv("DOWNBEAT_NAMESPACE", namespace)
			env.Defer(func() { deleteQueues(t, broker, namespace) })
			return nil
		},
	})
}

// TestSQS runs the scripts that talk to an SQS emulator, each in a namespace of
// its own.
func TestSQS(t *testing.T) {
	t.Parallel()
	endpoint := sqstest.URL(t)
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script/sqs", Cmds: commands, ContinueOnError: true,
		Setup: func(env *testscript.Env) error {
			if err := setup(env); err != nil {
				return err
			}
			env.Vars = append(env.Vars, sqstest.Environ(endpoint)...)
			namespace := fmt.Sprintf("test-%d-%d", os.Getpid(), scripts.Add(1))
			env.Setenv("DOWNBEAT_QUEUE_URL", sqstest.QueueURL)
			env.Setenv("DOWNBEAT_NAMESPACE", namespace)
			env.Defer(func() { deleteQueues(t, sqstest.QueueURL, namespace) })
			return nil
		},
	})
}

var scripts atomic.Int64

// setup makes the programs and the project's files known to a script.
func setup(env *testscript.Env) error {
	root, err := filepath.Abs("..")
	if err != nil {
		return err
	}
	env.Setenv("PATH", programs+string(os.PathListSeparator)+os.Getenv("PATH"))
	env.Setenv("GORACE", os.Getenv("GORACE"))
	env.Setenv("ROOT", root)
	env.Setenv("DOWNBEAT_STATE_DIR", filepath.Join(env.WorkDir, "state"))
	env.Setenv("DOWNBEAT_LOG_LEVEL", "warn")
	env.Setenv("MARK", filepath.Base(env.WorkDir)+fmt.Sprint(os.Getpid()))
	return nil
}

// hosts are the hosts that scripts use.
var hosts = []string{"alpha", "bravo", "charlie", "delta"}

func deleteQueues(t *testing.T, url, namespace string) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	broker, err := dial.Open(ctx, url, queue.Options{})
	if err != nil {
		t.Error(err)
		return
	}
	defer func() { _ = broker.Close() }()
	names := []string{message.DeadQueue(namespace)}
	for _, h := range hosts {
		names = append(names, message.JobsQueue(namespace, h), message.ControlQueue(namespace, h))
	}
	for _, name := range names {
		if err := broker.Delete(ctx, name); err != nil {
			t.Error(err)
		}
	}
}

// commands are what scripts have beyond testscript's own.
var commands = map[string]func(ts *testscript.TestScript, neg bool, args []string){
	"workers":       startWorkers,
	"pythonworker":  startPythonWorker,
	"await":         await,
	"nothing":       nothingLeft,
	"dead":          deadLetter,
	"junk":          junk,
	"bigjunk":       bigJunk,
	"runof":         runOf,
	"wrongpassword": wrongPassword,
	"signal":        signalTo,
	"status":        status,
}

// status runs a command and checks its exit status: status 3 publish file.
func status(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: status N COMMAND ...")
	}
	err := ts.Exec(args[1], args[2:]...)
	got := 0
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		got = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%s: %v", args[1], err)
	}
	if fmt.Sprint(got) != args[0] {
		ts.Fatalf("%s exited with status %d, want %s", args[1], got, args[0])
	}
}

// signalTo sends a signal to a worker or to the newest background command:
// signal TERM publish, signal KILL alpha.
func signalTo(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: signal NAME HOST|COMMAND")
	}
	pid := ts.Getenv("WORKER_" + args[1])
	if pid == "" {
		background := ts.BackgroundCmds()
		pid = strconv.Itoa(background[len(background)-1].Process.Pid)
	}
	ts.Check(ts.Exec("kill", "-"+args[0], pid))
}

// startWorkers starts a worker for each host named and waits until all serve;
// they are ended when the script is over.
func startWorkers(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: workers HOST ...")
	}
	for _, host := range args {
		startWorker(ts, host, exec.Command(filepath.Join(programs, "worker")))
	}
	for _, host := range args {
		testkit.WaitFor(ts, "the worker of "+host+" serves", func() bool {
			return strings.Contains(ts.ReadFile("worker-"+host+".log"), serving)
		})
	}
}

// python is the interpreter for which Debian's packages of modules are.
const python = "/usr/bin/python3"

// startPythonWorker starts the example worker and waits until it answers:
// pythonworker HOST.
func startPythonWorker(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: pythonworker HOST")
	}
	startWorker(ts, args[0], exec.Command(python, "-B", filepath.Join("examples", "clients", "worker.py"), args[0]))
	await(ts, false, []string{"publish", "hosts", writeHosts(ts, args)})
}

// startWorker starts a worker for a host; it is ended when the script is over.
func startWorker(ts *testscript.TestScript, host string, cmd *exec.Cmd) {
	cmd.Dir = ts.Getenv("ROOT")
	log, err := os.Create(ts.MkAbs("worker-" + host + ".log"))
	ts.Check(err)
	cmd.Stderr = log
	for _, name := range []string{"PATH", "MARK", "DOWNBEAT_QUEUE_URL", "DOWNBEAT_NAMESPACE", "DOWNBEAT_STATE_DIR", "DOWNBEAT_TRUSTED_KEYS", "DOWNBEAT_LEASE", "TMPDIR", "GORACE"} {
		if value := ts.Getenv(name); value != "" {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
	}
	for _, entry := range sqstest.Environ("") { // the names count; without SQS they are not set
		name, _, _ := strings.Cut(entry, "=")
		if value := ts.Getenv(name); value != "" {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
	}
	cmd.Env = append(cmd.Env, "DOWNBEAT_HOST="+host, "DOWNBEAT_LOG_LEVEL=debug")
	ts.Check(cmd.Start())
	ts.Setenv("WORKER_"+host, fmt.Sprint(cmd.Process.Pid))
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended); log.Close() }()
	ts.Defer(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		select {
		case <-ended:
		case <-time.After(20 * time.Second):
			_ = cmd.Process.Kill()
			<-ended
		}
	})
}

func writeHosts(ts *testscript.TestScript, names []string) string {
	path := ts.MkAbs("up-" + strings.Join(names, "-") + ".yaml")
	text := "name: up\nhosts:\n"
	for _, n := range names {
		text += "  " + n + ": [\"true\"]\n"
	}
	ts.Check(os.WriteFile(path, []byte(text), 0o600))
	return path
}

// await runs a command again and again until it succeeds.
func await(ts *testscript.TestScript, neg bool, args []string) {
	testkit.WaitFor(ts, fmt.Sprintf("%v succeeds", args), func() bool {
		return (ts.Exec(args[0], args[1:]...) == nil) != neg
	})
}

// nothingLeft makes sure that no process is left that carries the script's MARK
// in its environment, but for the workers themselves.
func nothingLeft(ts *testscript.TestScript, _ bool, _ []string) {
	var workers []string
	for _, h := range hosts {
		workers = append(workers, ts.Getenv("WORKER_"+h))
	}
	var left []string
	defer func() {
		if len(left) > 0 {
			ts.Logf("left: %q", left)
		}
	}()
	testkit.WaitFor(ts, "no process of the script's runs is left", func() bool {
		left = marked(workers, "MARK="+ts.Getenv("MARK"))
		return len(left) == 0
	})
}

// marked lists the processes that have the entries in their environment and were
// started for a run.
func marked(except []string, wanted ...string) []string {
	environs, _ := filepath.Glob("/proc/[0-9]*/environ")
	var found []string
	for _, path := range environs {
		data, err := os.ReadFile(path)
		pid := filepath.Base(filepath.Dir(path))
		entries := strings.Split(string(data), "\x00")
		if err != nil || slices.Contains(except, pid) {
			continue
		}
		if slices.ContainsFunc(wanted, func(e string) bool { return !slices.Contains(entries, e) }) {
			continue
		}
		if !slices.ContainsFunc(entries, func(e string) bool { return strings.HasPrefix(e, "DOWNBEAT_RUN=") }) {
			continue
		}
		line, _ := os.ReadFile(filepath.Join(filepath.Dir(path), "cmdline"))
		found = append(found, pid+" "+strings.ReplaceAll(string(line), "\x00", " "))
	}
	return found
}

func open(ts *testscript.TestScript) (context.Context, queue.Broker) {
	ctx, cancel := context.WithTimeout(context.Background(), testkit.Timeout)
	ts.Defer(cancel)
	broker, err := dial.Open(ctx, ts.Getenv("DOWNBEAT_QUEUE_URL"), queue.Options{})
	ts.Check(err)
	ts.Defer(func() { _ = broker.Close() })
	return ctx, broker
}

// junk puts the contents of a file on a queue: junk jobs alpha FILE. In it
// SOON stands for the time in an hour, NAMESPACE for the script's.
func junk(ts *testscript.TestScript, _ bool, args []string) {
	ctx, broker := open(ts)
	name := ts.Getenv("DOWNBEAT_NAMESPACE") + "." + args[0] + "." + args[1]
	soon := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	body := strings.NewReplacer("SOON", soon, "NAMESPACE", ts.Getenv("DOWNBEAT_NAMESPACE")).Replace(ts.ReadFile(args[2]))
	ts.Check(broker.Publish(ctx, name, queue.Message{Body: []byte(body)}))
}

// deadLetter takes the next dead letter and makes sure that its reason has the text.
func deadLetter(ts *testscript.TestScript, _ bool, args []string) {
	ctx, broker := open(ts)
	consumer, err := broker.Consume(ctx, message.DeadQueue(ts.Getenv("DOWNBEAT_NAMESPACE")), 1)
	ts.Check(err)
	defer func() { _ = consumer.Close() }()
	d, err := consumer.Receive(ctx)
	ts.Check(err)
	if reason := d.Header[queue.HeaderReason]; !strings.Contains(reason, args[0]) {
		ts.Fatalf("dead-lettered because of %q, want a reason with %q", reason, args[0])
	}
	ts.Check(d.Ack(ctx))
}

// bigJunk puts a message on a queue that is larger than any job.
func bigJunk(ts *testscript.TestScript, _ bool, args []string) {
	ctx, broker := open(ts)
	name := ts.Getenv("DOWNBEAT_NAMESPACE") + "." + args[0] + "." + args[1]
	ts.Check(broker.Publish(ctx, name, queue.Message{Body: make([]byte, message.MaxSigned+1)}))
}

// runOf puts the run that a host is busy with into a variable: runof alpha RUN.
func runOf(ts *testscript.TestScript, _ bool, args []string) {
	entries, err := os.ReadDir(filepath.Join(ts.Getenv("DOWNBEAT_STATE_DIR"), ts.Getenv("DOWNBEAT_NAMESPACE"), args[0], "runs"))
	ts.Check(err)
	if len(entries) != 1 {
		ts.Fatalf("%d runs on %s, want 1", len(entries), args[0])
	}
	ts.Setenv(args[1], entries[0].Name())
}

// wrongPassword points the script at the broker with a password that it refuses.
func wrongPassword(ts *testscript.TestScript, _ bool, _ []string) {
	u, err := url.Parse(ts.Getenv("DOWNBEAT_QUEUE_URL"))
	ts.Check(err)
	u.User = url.UserPassword(u.User.Username(), "not-the-password")
	ts.Setenv("DOWNBEAT_QUEUE_URL", u.String())
}
