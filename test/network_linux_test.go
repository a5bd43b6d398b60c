package test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"downbeat/internal/queue/amqp/rabbittest"
	"downbeat/internal/queue/queuetest/proxy"
)

// A network is one of the test's own, beside the machine's: nothing of it is
// seen there, and it vanishes with the thread and the sockets that are in it.
type network struct {
	t     *testing.T
	calls chan func()
}

// newNetwork makes one without any interface but its loopback.
func newNetwork(t *testing.T) *network {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root, to make a network of its own")
	}
	n := &network{t: t, calls: make(chan func())}
	made := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		made <- unix.Unshare(unix.CLONE_NEWNET)
		for call := range n.calls {
			call()
		}
	}()
	t.Cleanup(func() { close(n.calls) })
	if err := <-made; err != nil {
		t.Fatalf("make a network: %v", err)
	}
	return n
}

// do calls f in the network; the sockets and programs that it opens stay in it.
func (n *network) do(f func() error) {
	n.t.Helper()
	result := make(chan error)
	n.calls <- func() { result <- f() }
	if err := <-result; err != nil {
		n.t.Fatal(err)
	}
}

// command runs a command line in the network.
func (n *network) command(line string) {
	n.t.Helper()
	n.do(func() error {
		args := strings.Fields(line)
		if out, err := exec.CommandContext(context.Background(), args[0], args[1:]...).CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w\n%s", line, err, out)
		}
		return nil
	})
}

// linkedWorker is alpha's worker on a host with a network of its own, which one
// link connects to the broker's. A link that is down drops every packet: neither
// side learns that the other has gone.
func linkedWorker(c *cluster, lease string) wire {
	c.t.Helper()
	n := newNetwork(c.t)
	n.command("ip link add downlink type veth peer name uplink")
	n.command("ip address add 198.18.0.1/30 dev downlink")
	n.command("ip link set downlink up")
	var listener net.Listener
	n.do(func() (err error) {
		listener, err = (&net.ListenConfig{}).Listen(context.Background(), "tcp", "198.18.0.1:0")
		return err
	})
	_, url := proxy.On(c.t, listener, rabbittest.URL(c.t))

	cmd := exec.Command(filepath.Join(programs, "worker"))
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	worker := c.start(cmd, "DOWNBEAT_HOST=alpha", "DOWNBEAT_LOG_LEVEL=debug", "DOWNBEAT_LEASE="+lease,
		"DOWNBEAT_QUEUE_URL="+url, "DOWNBEAT_ALLOW_UNSIGNED=true")
	n.command(fmt.Sprintf("ip link set uplink netns %d", worker.pid()))
	n.command(fmt.Sprintf("nsenter --net --target %d ip address add 198.18.0.2/30 dev uplink", worker.pid()))
	n.command(fmt.Sprintf("nsenter --net --target %d ip link set uplink up", worker.pid()))
	worker.await(serving)
	return wire{
		worker: worker,
		cut:    func() { n.command("ip link set downlink down") },
		mend:   func() { n.command("ip link set downlink up") },
	}
}
