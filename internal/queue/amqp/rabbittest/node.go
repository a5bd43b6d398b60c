// Package rabbittest runs private RabbitMQ nodes for tests: on loopback, on ports of their own,
// with all their files in a directory of their own. They leave no trace when they are stopped,
// or when the process that started them ends, for whatever reason.
package rabbittest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"downbeat/internal/queue/queuetest/daemon"
)

// startTimeout bounds a start; it usually takes 7 to 25 s, but minutes on a busy machine.
const startTimeout = 5 * time.Minute

// stopTimeout is how long a node may take to stop before it is killed.
const stopTimeout = 30 * time.Second

// A Node is a RabbitMQ node and its epmd. Its methods must not be called
// concurrently.
type Node struct {
	dir    string
	config []string
	name   string
	ports  [3]int // AMQP, distribution, epmd

	epmd  *daemon.Process
	beam  *daemon.Process // nil while the node is down
	guard *daemon.Guard
}

// Start runs a node that keeps everything in a new directory in dir, or in the system's
// temporary directory if dir is empty. Each of config is a line for rabbitmq.conf. When Start
// returns, the node accepts connections.
func Start(ctx context.Context, dir string, config ...string) (*Node, error) {
	dir, err := os.MkdirTemp(dir, "rabbitmq-")
	if err != nil {
		return nil, fmt.Errorf("start RabbitMQ: %w", err)
	}
	n := &Node{dir: dir, config: config, name: "downbeat-" + strings.TrimPrefix(filepath.Base(dir), "rabbitmq-") + "@localhost"}
	if err := n.start(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("start RabbitMQ: %w", err), n.Stop())
	}
	return n, nil
}

func (n *Node) start(ctx context.Context) error {
	if err := n.prepare(ctx); err != nil {
		return err
	}
	// An epmd that we start ourselves is our child, and can be ended by its pid; one that the
	// node starts is a daemon that outlives it. Both outlive ctx, which bounds only the start.
	epmd, err := command(context.Background(), "epmd", "-port", fmt.Sprint(n.ports[2]), "-address", "127.0.0.1")
	if err != nil {
		return err
	}
	if n.guard, err = daemon.NewGuard(n.dir); err != nil {
		return err
	}
	if n.epmd, err = n.run(epmd, "epmd"); err != nil {
		return err
	}
	if err := n.await(ctx, n.epmd, n.ports[2], nil); err != nil {
		return err
	}
	return n.boot(ctx)
}

// prepare chooses the ports and writes the configuration.
func (n *Node) prepare(ctx context.Context) error {
	ports, err := daemon.FreePorts(ctx, len(n.ports))
	if err != nil {
		return err
	}
	copy(n.ports[:], ports)
	lines := append([]string{
		fmt.Sprintf("listeners.tcp.1 = 127.0.0.1:%d", n.ports[0]),
		"log.console = false",
		"disk_free_limit.absolute = 1MB",
	}, n.config...)
	for name, text := range map[string]string{
		"rabbitmq.conf":   strings.Join(lines, "\n") + "\n",
		"enabled_plugins": "[].\n",
	} {
		if err := os.WriteFile(filepath.Join(n.dir, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// boot starts the node proper and waits until it takes connections.
func (n *Node) boot(ctx context.Context) error {
	server, err := command(context.Background(), "rabbitmq-server")
	if err != nil {
		return err
	}
	if n.beam, err = n.run(server, "server"); err != nil {
		return err
	}
	return n.await(ctx, n.beam, n.ports[0], []byte("AMQP\x00\x00\x09\x01"))
}

// run starts one of the node's programs in a process group of its own, so that
// a terminal's ^C doesn't reach it, under the guard.
func (n *Node) run(cmd *exec.Cmd, what string) (*daemon.Process, error) {
	cmd.Env = append(cmd.Environ(), n.environment()...)
	cmd.Dir = n.dir
	log, err := os.OpenFile(filepath.Join(n.dir, what+".out"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }()
	cmd.Stdout, cmd.Stderr = log, log
	p, err := daemon.Start(cmd)
	if err != nil {
		return nil, err
	}
	if err := n.guard.Watch(p.PID()); err != nil {
		return nil, errors.Join(err, p.Kill())
	}
	return p, nil
}

// environment is everything that RabbitMQ's scripts need to touch nothing but
// our directory and our ports.
func (n *Node) environment() []string {
	in := func(name string) string { return filepath.Join(n.dir, name) }
	return []string{
		"HOME=" + n.dir,
		"RABBITMQ_NODENAME=" + n.name,
		fmt.Sprintf("RABBITMQ_NODE_PORT=%d", n.ports[0]),
		fmt.Sprintf("RABBITMQ_DIST_PORT=%d", n.ports[1]),
		fmt.Sprintf("ERL_EPMD_PORT=%d", n.ports[2]),
		"ERL_EPMD_ADDRESS=127.0.0.1",
		"ERL_CRASH_DUMP=" + in("erl_crash.dump"),
		"RABBITMQ_CONF_ENV_FILE=" + in("rabbitmq-env.conf"),
		"RABBITMQ_CONFIG_FILE=" + in("rabbitmq.conf"),
		"RABBITMQ_ENABLED_PLUGINS_FILE=" + in("enabled_plugins"),
		"RABBITMQ_MNESIA_BASE=" + in("mnesia"),
		"RABBITMQ_LOG_BASE=" + in("log"),
		"RABBITMQ_PID_FILE=" + in("pid"),
		// Without busy waiting, and with few threads, a start takes a third less CPU
		// time.
		"RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=-kernel inet_dist_use_interface {127,0,0,1} +sbwt none +SDio 1",
		// The script then becomes the node itself, instead of watching it.
		"RUNNING_UNDER_SYSTEMD=true",
	}
}

// await waits until something on the port accepts a connection and, if greeting is given,
// answers it.
func (n *Node) await(ctx context.Context, p *daemon.Process, port int, greeting []byte) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for {
		if answers(ctx, port, greeting) {
			return nil
		}
		select {
		case <-ticker.C:
		case <-p.Done():
			return fmt.Errorf("%s ended before it answered on port %d: %w\n%s", p.Name(), port, p.Err(), n.output())
		case <-ctx.Done():
			return fmt.Errorf("%s does not answer on port %d: %w\n%s", p.Name(), port, ctx.Err(), n.output())
		}
	}
}

func answers(ctx context.Context, port int, greeting []byte) bool {
	dialer := net.Dialer{Timeout: time.Second}
	conn, err := dialer.DialContext(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return false
	}
	defer func() { _ = conn.Close() }()
	if len(greeting) == 0 {
		return true
	}
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := conn.Write(greeting); err != nil {
		return false
	}
	_, err = io.ReadFull(conn, make([]byte, 1))
	return err == nil
}

// output is the end of what the programs printed and logged, for an error
// message.
func (n *Node) output() string {
	const most = 4 << 10
	logs, _ := filepath.Glob(filepath.Join(n.dir, "log", "*.log"))
	var all strings.Builder
	for _, path := range append([]string{filepath.Join(n.dir, "epmd.out"), filepath.Join(n.dir, "server.out")}, logs...) {
		text, _ := os.ReadFile(path)
		fmt.Fprintf(&all, "%s:\n%s\n", filepath.Base(path), text[max(0, len(text)-most):])
	}
	return strings.TrimSpace(all.String())
}

// URL is where the node accepts connections.
func (n *Node) URL() string { return fmt.Sprintf("amqp://guest:guest@127.0.0.1:%d/", n.ports[0]) }

// Ctl runs rabbitmqctl against the node.
func (n *Node) Ctl(ctx context.Context, args ...string) error {
	cmd, err := command(ctx, "rabbitmqctl", append([]string{"-n", n.name}, args...)...)
	if err != nil {
		return err
	}
	cmd.Env = append(cmd.Environ(), n.environment()...)
	cmd.WaitDelay = time.Second
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("rabbitmqctl %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return nil
}

// Kill ends the node as kill -9 does. [Node.Restart] brings it back.
func (n *Node) Kill() error {
	if n.beam == nil {
		return nil
	}
	err := n.beam.Kill()
	n.beam = nil
	return err
}

// Wipe removes everything that a stopped node has on its disk: queues, messages and users.
// [Node.Restart] brings it back as a new node.
func (n *Node) Wipe() error {
	if n.beam != nil {
		return errors.New("wipe RabbitMQ: it is up")
	}
	return os.RemoveAll(filepath.Join(n.dir, "mnesia"))
}

// Restart stops the node, if it is up, and starts it again with the same ports
// and data.
func (n *Node) Restart(ctx context.Context) error {
	if err := n.halt(); err != nil {
		return fmt.Errorf("restart RabbitMQ: %w", err)
	}
	if err := n.boot(ctx); err != nil {
		return fmt.Errorf("restart RabbitMQ: %w", err)
	}
	return nil
}

// halt shuts the node down properly.
func (n *Node) halt() error {
	if n.beam == nil {
		return nil
	}
	p := n.beam
	n.beam = nil
	return p.Stop(syscall.SIGTERM, stopTimeout)
}

// Stop ends the node and its epmd and removes their files. It doesn't wait for a proper
// shutdown, because the files are not needed any more.
func (n *Node) Stop() error {
	err := n.Kill()
	if n.epmd != nil {
		err = errors.Join(err, n.epmd.Kill())
		n.epmd = nil
	}
	if n.guard != nil {
		err = errors.Join(err, n.guard.Dismiss())
		n.guard = nil
	}
	return errors.Join(err, os.RemoveAll(n.dir))
}
