package test

import (
	"context"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"downbeat/internal/queue/amqp/rabbittest"
	"downbeat/internal/queue/queuetest/proxy"
	"downbeat/internal/results"
)

// A host is in a network of its own, which one link connects with the publisher's. Where
// datagrams get through, its clock is compared by them, and known much better than by the broker;
// where they are blocked, it is compared through the broker, and the record says so.
func TestClockOfAHostBehindALinkIsComparedByUDP(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		rule, worker, publish string
		want                  string
	}{
		"it gets through":                      {want: results.ClockByUDP},
		"at a fixed port":                      {worker: "DOWNBEAT_CLOCK_ADDR=198.18.0.2:7171", publish: "DOWNBEAT_CLOCK_ADDR=198.18.0.1:7172", want: results.ClockByUDP},
		"no answer gets out":                   {rule: "ip rule add ipproto udp blackhole", want: results.ClockByBroker},
		"the worker is told not to":            {worker: "DOWNBEAT_CLOCK_ADDR=off", want: results.ClockByBroker},
		"publish is told not to":               {publish: "DOWNBEAT_CLOCK_ADDR=off", want: results.ClockByBroker},
		"it listens where nobody can reach it": {worker: "DOWNBEAT_CLOCK_ADDR=127.0.0.1:0", want: results.ClockByBroker},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newSharedCluster(t)
			n := newNetwork(t)
			n.command("ip link set lo up")
			n.command("ip link add downlink type veth peer name uplink")
			n.command("ip address add 198.18.0.1/30 dev downlink")
			n.command("ip link set downlink up")
			var listener net.Listener
			n.do(func() (err error) {
				listener, err = (&net.ListenConfig{}).Listen(context.Background(), "tcp", "198.18.0.1:0")
				return err
			})
			_, url := proxy.On(t, listener, rabbittest.URL(t))

			cmd := exec.Command(filepath.Join(programs, "worker"))
			cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
			worker := c.start(cmd, "DOWNBEAT_HOST=alpha", "DOWNBEAT_LOG_LEVEL=debug", "DOWNBEAT_QUEUE_URL="+url, "DOWNBEAT_ALLOW_UNSIGNED=true", test.worker)
			there := fmt.Sprintf("nsenter --net --target %d ", worker.pid())
			n.command(fmt.Sprintf("ip link set uplink netns %d", worker.pid()))
			n.command(there + "ip address add 198.18.0.2/30 dev uplink")
			n.command(there + "ip link set uplink up")
			n.command(there + "ip link set lo up")
			if test.rule != "" {
				n.command(there + test.rule)
			}
			worker.await(serving)
			c.write("clock.yaml", "name: clock\nhosts: {alpha: [sleep 2]}\n")
			var p *program
			n.do(func() error {
				p = c.start(exec.Command(filepath.Join(programs, "publish"), "clock.yaml"), "DOWNBEAT_QUEUE_URL="+url, test.publish)
				return nil
			})
			p.wait(0, "clock: succeeded")
			h := c.record("results/clock/latest/0001").Hosts[0]
			if h.ClockBy != test.want {
				t.Errorf("the clock was compared by %q, want %q", h.ClockBy, test.want)
			}
			if h.ClockBy == results.ClockByUDP && (h.ClockErrorUS <= 0 || 5*h.ClockErrorUS > h.ClockBrokerErrorUS) {
				t.Errorf("the clock is known to ±%d µs by UDP, and to ±%d by the broker alone, want at most a fifth", h.ClockErrorUS, h.ClockBrokerErrorUS)
			}
			if off := max(h.ClockOffsetUS, -h.ClockOffsetUS); off > h.ClockErrorUS+100 { // both read one clock, one after the other
				t.Errorf("the offset is said to be %d µs, with an error of at most %d, and is none", h.ClockOffsetUS, h.ClockErrorUS)
			}
		})
	}
}
