// Command withrabbit runs a command with a private RabbitMQ node beside it:
//
//	withrabbit -- go test ./...
//
// The command finds the node's URL in DOWNBEAT_TEST_AMQP_URL. If that is set
// already, no node is started. Signals are passed on to the command and what
// it has started; the exit status is the command's, 128+n if a signal ended
// it, or 125 if RabbitMQ could not be started or stopped.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"

	"downbeat/internal/queue/amqp/rabbittest"
)

// statusBroken is the exit status for trouble with the node, not the command.
const statusBroken = 125

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	if len(args) > 0 && args[0] == "--" {
		args = args[1:]
	}
	if len(args) == 0 {
		fmt.Fprintln(os.Stderr, "usage: withrabbit [--] COMMAND [ARGUMENT...]")
		return 2
	}
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)

	if os.Getenv(rabbittest.EnvURL) != "" {
		return command(args, signals)
	}
	return withNode(args, signals)
}

func withNode(args []string, signals chan os.Signal) int {
	begin := time.Now()
	node, sig, err := start(signals)
	if sig != nil {
		return 128 + int(sig.(syscall.Signal))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "withrabbit:", err)
		return statusBroken
	}
	fmt.Fprintf(os.Stderr, "withrabbit: RabbitMQ at %s, up after %.1f s\n", node.URL(), time.Since(begin).Seconds())
	if err := os.Setenv(rabbittest.EnvURL, node.URL()); err != nil {
		panic(err) // the name is a constant
	}
	status := command(args, signals)
	if err := node.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, "withrabbit: stop RabbitMQ:", err)
		return statusBroken
	}
	return status
}

// start starts the node. A signal meanwhile ends that, and is returned.
func start(signals chan os.Signal) (*rabbittest.Node, os.Signal, error) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	type result struct {
		node *rabbittest.Node
		err  error
	}
	started := make(chan result, 1)
	go func() {
		node, err := rabbittest.Start(ctx, "")
		started <- result{node, err}
	}()
	select {
	case r := <-started:
		return r.node, nil, r.err
	case sig := <-signals:
		cancel()
		r := <-started
		if r.node != nil {
			return nil, sig, r.node.Stop()
		}
		return nil, sig, nil
	}
}

// command runs the command in a process group of its own, so that each signal
// reaches it once, whether it came from a terminal or from kill.
func command(args []string, signals chan os.Signal) int {
	cmd := exec.CommandContext(context.Background(), args[0], args[1:]...) // ended by signals alone
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		fmt.Fprintln(os.Stderr, "withrabbit:", err)
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
		fmt.Fprintln(os.Stderr, "withrabbit:", err)
		return statusBroken
	}
	if ws, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return 128 + int(ws.Signal())
	}
	return cmd.ProcessState.ExitCode()
}
