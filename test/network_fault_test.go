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
var wires = map[string]func(l *lab, lease string) wire{
	// The broker's system answers, and refuses: it is known at once on both sides.
	"hung up": func(l *lab, lease string) wire {
		p, url := proxy.New(l.t, rabbittest.URL(l.t))
		return wire{l.worker("alpha", "DOWNBEAT_QUEUE_URL="+url, "DOWNBEAT_LEASE="+lease), p.Down, p.Up}
	},
	// Connections stay, and nothing comes any more.
	"silent": func(l *lab, lease string) wire {
		p, url := proxy.New(l.t, rabbittest.URL(l.t))
		return wire{l.worker("alpha", "DOWNBEAT_QUEUE_URL="+url, "DOWNBEAT_LEASE="+lease), p.StallAll, p.Flow}
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
			l := newSharedLab(t)
			wire := connect(l, awhile)
			l.worker("bravo", "DOWNBEAT_LEASE="+awhile)
			l.write("count.yaml", count)
			p := l.publish("--lease="+awhile, "count.yaml")
			l.awaitOutput("results/count/latest/0001/alpha/0.out", "line 20\n")

			wire.cut()
			l.awaitMore("alpha")
			l.awaitMore("bravo")
			if p.over() {
				t.Error("publish did not wait")
			}
			wire.mend()
			l.awaitMore("alpha")
			l.enough()

			p.wait(0, "count: succeeded")
			l.wantCounted("alpha", "bravo")
			l.nothingLeft()
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
			l := newSharedLab(t)
			wire := connect(l, lease)
			l.worker("bravo", "DOWNBEAT_LEASE="+lease)
			l.write("long.yaml", `
name: long
hosts: {alpha: ["sh -c 'setsid sleep 601 & echo up; exec sleep 600'"], bravo: ["sh -c 'echo up; exec sleep 600'"]}
`)
			p := l.publish("--lease="+lease, "long.yaml")
			l.awaitOutput("results/long/latest/0001/alpha/0.out", "up\n")
			l.awaitOutput("results/long/latest/0001/bravo/0.out", "up\n")

			wire.cut()
			p.wait(1, "long: lost", "no word from alpha for 4s: the host, its worker or its network is gone")
			wire.worker.await("no word from the publisher for 4s")
			l.nothingLeft()
			wire.mend()

			l.write("short.yaml", "name: short\nhosts: {alpha: [echo again], bravo: [echo again]}\n")
			again := l.publish("--ready-timeout="+awhile, "short.yaml")
			again.wait(0, "short: succeeded")
		})
	}
}
