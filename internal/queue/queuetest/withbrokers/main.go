// Command withbrokers runs a command with a private RabbitMQ node and a private
// SQS emulator beside it:
//
//	withbrokers -- go test ./...
//
// The command finds the node's URL in DOWNBEAT_TEST_AMQP_URL and the emulator's in
// DOWNBEAT_TEST_SQS_URL. If a variable is set already, its broker is not started. Signals are
// passed on to the command and its descendants. The exit status is the command's, 128+n if a
// signal ended it, or 125 if a broker could not be started or stopped.
//
// With --meanwhile a line of shell that needs no broker runs from the beginning on, while the
// brokers start and beside the command. What it prints is kept back until it is over, so that
// its lines and the command's are told apart. If the command succeeds, the exit status is the
// line's.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"

	"downbeat/internal/queue/amqp/rabbittest"
	"downbeat/internal/queue/sqs/sqstest"
)

// statusBroken is the exit status for a failure of a broker, not of the command.
const statusBroken = 125

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	flags := flag.NewFlagSet("withbrokers", flag.ContinueOnError)
	flags.Usage = func() {
		fmt.Fprintln(os.Stderr, "usage: withbrokers [--meanwhile SHELL] [--] COMMAND [ARGUMENT...]")
	}
	line := flags.String("meanwhile", "", "")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	if args = flags.Args(); len(args) == 0 {
		flags.Usage()
		return 2
	}
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)

	if *line == "" {
		return withBrokers(args, signals)
	}
	m, err := startMeanwhile(*line)
	if err != nil {
		complain(err)
		return statusBroken
	}
	status := withBrokers(args, m.passOn(signals))
	if meant := m.end(); status == 0 {
		return meant
	}
	return status
}

// A broker is one that has been started.
type broker interface {
	URL() string
	Stop() error
}

// A kind of broker is started unless the variable is set.
type kind struct {
	name, env string
	start     func(context.Context) (broker, error)
}

var kinds = []kind{
	{"RabbitMQ", rabbittest.EnvURL, func(ctx context.Context) (broker, error) { return rabbittest.Start(ctx, "") }},
	{"fauxqs", sqstest.EnvURL, func(ctx context.Context) (broker, error) { return sqstest.Start(ctx, "") }},
}

// withBrokers starts the brokers that are missing, and runs the command beside them.
func withBrokers(args []string, signals chan os.Signal) int {
	var started []broker
	stop := func() (status int) {
		for _, b := range started {
			if err := b.Stop(); err != nil {
				complain(fmt.Errorf("stop the broker at %s: %w", b.URL(), err))
				status = statusBroken
			}
		}
		return status
	}
	for _, k := range kinds {
		if os.Getenv(k.env) != "" {
			continue
		}
		b, sig, err := start(k, signals)
		if b != nil {
			started = append(started, b)
		}
		if sig != nil {
			stop()
			return 128 + int(sig.(syscall.Signal))
		}
		if err != nil {
			complain(err)
			stop()
			return statusBroken
		}
		if err := os.Setenv(k.env, b.URL()); err != nil {
			panic(err) // the name is a constant
		}
	}
	status := command(args, signals)
	if broken := stop(); broken != 0 {
		return broken
	}
	return status
}

func complain(err error) { fmt.Fprintln(os.Stderr, "withbrokers:", err) }

// start starts a broker. A signal meanwhile ends that, and is returned.
func start(k kind, signals chan os.Signal) (broker, os.Signal, error) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	type result struct {
		broker broker
		err    error
	}
	begin := time.Now()
	done := make(chan result, 1)
	go func() {
		b, err := k.start(ctx)
		if err != nil {
			b = nil // not the nil pointer inside
		}
		done <- result{b, err}
	}()
	select {
	case r := <-done:
		if r.err == nil {
			fmt.Fprintf(os.Stderr, "withbrokers: %s at %s, up after %.1f s\n", k.name, r.broker.URL(), time.Since(begin).Seconds())
		}
		return r.broker, nil, r.err
	case sig := <-signals:
		cancel()
		r := <-done
		return r.broker, sig, nil
	}
}

// command runs the command in a process group of its own, so that each signal
// reaches it once, whether it came from a terminal or from kill.
func command(args []string, signals chan os.Signal) int {
	cmd := exec.CommandContext(context.Background(), args[0], args[1:]...) // ended by signals alone
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		complain(err)
		if errors.Is(err, os.ErrPermission) {
			return 126
		}
		return 127
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		select {
		case sig := <-signals:
			_ = syscall.Kill(-cmd.Process.Pid, sig.(syscall.Signal))
		case err := <-ended:
			return status(cmd, err)
		}
	}
}

func status(cmd *exec.Cmd, err error) int {
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		complain(err)
		return statusBroken
	}
	if ws, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return 128 + int(ws.Signal())
	}
	return cmd.ProcessState.ExitCode()
}
