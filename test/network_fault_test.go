package test

import (
	"testing"

	"downbeat/internal/queue/amqp/rabbittest"
	"downbeat/internal/queue/queuetest/proxy"
)

// A wire is what alpha's worker reaches the broker by.
type wire struct {
	worker    *program
	cut, mend func()
}

// wires are the ways to cut one: in each the other side notices something else.
var wires = map[string]func(c *cluster, lease string) wire{
	// The broker's system answers, and refuses: it is known at once on both sides.
	"hung up": func(c *cluster, lease string) wire {
		p, url := proxy.New(c.t, rabbittest.URL(c.t))
		return wire{c.worker("alpha", "DOWNBEAT_QUEUE_URL="+url, "DOWNBEAT_LEASE="+lease), p.Down, p.Up}
	},
	// Connections stay, and nothing comes any more.
	"silent": func(c *cluster, lease string) wire {
		p, url := proxy.New(c.t, rabbittest.URL(c.t))
		return wire{c.worker("alpha", "DOWNBEAT_QUEUE_URL="+url, "DOWNBEAT_LEASE="+lease), p.StallAll, p.Flow}
	},
	// Packets are dropped on the way, and no system tells the other.
	"link down": linkedWorker,
}

// A host whose connection to the broker is cut for less than the lease goes on,
// and nothing of what its processes print meanwhile is lost.
func TestCutForLessThanTheLease(t *testing.T) {
	t.Parallel()
	for name, connect := range wires {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newSharedCluster(t)
			wire := connect(c, awhile)
			c.worker("bravo", "DOWNBEAT_LEASE="+awhile)
			c.write("count.yaml", count)
			p := c.publish("--lease="+awhile, "count.yaml")
			c.awaitOutput("results/count/latest/0001/alpha/0.out", "line 20\n")

			wire.cut()
			c.awaitMore("alpha")
			c.awaitMore("bravo")
			if p.over() {
				t.Error("publish did not wait")
			}
			wire.mend()
			c.awaitMore("alpha")
			c.enough()

			p.wait(0, "count: succeeded")
			c.wantCounted("alpha", "bravo")
			c.nothingLeft()
		})
	}
}

// A host whose connection is cut for longer than the lease stops its processes
// by itself, and the publisher names it and stops the others. Once the
// connection is there again, the host takes part in the next run.
func TestCutForMoreThanTheLease(t *testing.T) {
	t.Parallel()
	for name, connect := range wires {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const lease = "4s"
			c := newSharedCluster(t)
			wire := connect(c, lease)
			c.worker("bravo", "DOWNBEAT_LEASE="+lease)
			c.write("long.yaml", `
name: long
hosts: {alpha: ["sh -c 'setsid sleep 601 & echo up; exec sleep 600'"], bravo: ["sh -c 'echo up; exec sleep 600'"]}
`)
			p := c.publish("--lease="+lease, "long.yaml")
			c.awaitOutput("results/long/latest/0001/alpha/0.out", "up\n")
			c.awaitOutput("results/long/latest/0001/bravo/0.out", "up\n")

			wire.cut()
			p.wait(1, "long: lost", "no word from alpha for 4s: the host, its worker or its network is gone")
			wire.worker.await("no word from the publisher for 4s")
			c.nothingLeft()
			wire.mend()

			c.write("short.yaml", "name: short\nhosts: {alpha: [echo again], bravo: [echo again]}\n")
			again := c.publish("--ready-timeout="+awhile, "short.yaml")
			again.wait(0, "short: succeeded")
		})
	}
}
