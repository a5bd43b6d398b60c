package test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"downbeat/internal/message"
	"downbeat/internal/outcome"
	"downbeat/internal/queue"
	"downbeat/internal/queue/amqp/rabbittest"
	"downbeat/internal/queue/dial"
	"downbeat/internal/queue/queuetest/proxy"
	"downbeat/internal/testkit"
)

// Faults that need a broker of their own: it is killed and started again.
func TestBrokerFaults(t *testing.T) {
	t.Parallel()
	node := startNode(t)
	//nolint:paralleltest // one after the other on one node
	t.Run("killed", func(t *testing.T) { testBrokerKilled(t, node) })
	//nolint:paralleltest // one after the other on one node
	t.Run("wiped", func(t *testing.T) { testBrokerWiped(t, node) })
}

// The same, where it stays up: it takes no messages for a while, or not from everybody.
func TestBrokerRefuses(t *testing.T) {
	t.Parallel()
	node := startNode(t)
	//nolint:paralleltest // one after the other on one node
	t.Run("blocked", func(t *testing.T) { testBrokerBlocked(t, node) })
	//nolint:paralleltest // one after the other on one node
	t.Run("permissions", func(t *testing.T) { testPermissions(t, node) })
}

// startNode starts a broker for one test.
func startNode(t *testing.T) *rabbittest.Node {
	t.Helper()
	rabbittest.NeedServer(t)
	node, err := rabbittest.Start(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := node.Stop(); err != nil {
			t.Error(err)
		}
	})
	return node
}

// counting prints line after line until it is [cluster.enough], and notes beside it
// how far it is. It is one process: a shell would start another for each line.
const counting = `{run: [perl, -e, '$| = 1; until (-e "$ENV{SCRATCH}/enough") { $i++; print "line $i\n"; ` +
	`open F, ">", "$ENV{SCRATCH}/$ENV{DOWNBEAT_HOST}"; print F $i; close F; select undef, undef, undef, 0.01 }']}`

// count is an experiment with counting on two hosts.
const count = "name: count\nhosts: {alpha: [" + counting + "], bravo: [" + counting + "]}\n"

// reached is how far counting is on a host.
func (c *cluster) reached(host string) int {
	var n int
	data, _ := os.ReadFile(c.path(host))
	_, _ = fmt.Sscan(string(data), &n)
	return n
}

// awaitMore waits until counting has gone on for a while on a host.
func (c *cluster) awaitMore(host string) {
	c.t.Helper()
	before := c.reached(host)
	testkit.WaitFor(c.t, host+" counts on", func() bool { return c.reached(host) >= before+50 })
}

// enough ends counting.
func (c *cluster) enough() {
	c.t.Helper()
	c.write("enough", "")
}

// wantCounted checks that every line of counting has come, once and in order.
func (c *cluster) wantCounted(hosts ...string) {
	c.t.Helper()
	for _, host := range hosts {
		n := c.reached(host)
		var want bytes.Buffer
		for i := range n {
			fmt.Fprintf(&want, "line %d\n", i+1)
		}
		if got := c.output("results/count/latest/0001/" + host + "/0.out"); n == 0 || !bytes.Equal(got, want.Bytes()) {
			c.t.Errorf("%d bytes and %d lines of %s have come, want the %d bytes of %d lines",
				len(got), bytes.Count(got, []byte("\n")), host, want.Len(), n)
		}
	}
}

// A broker that takes no messages disturbs no process: workers keep what is
// printed on their disks, and it comes when the broker takes messages again.
func testBrokerBlocked(t *testing.T, node *rabbittest.Node) {
	c := newCluster(t, node.URL())
	alpha, bravo := c.worker("alpha", "DOWNBEAT_LEASE="+awhile), c.worker("bravo", "DOWNBEAT_LEASE="+awhile)
	c.write("count.yaml", count)
	p := c.publish("--lease="+awhile, "count.yaml")
	c.awaitMore("alpha")
	c.awaitMore("bravo")

	unblock := block(t, node)
	for _, worker := range []*program{alpha, bravo} {
		worker.await("the broker takes no messages at the moment")
	}
	c.awaitMore("alpha")
	c.awaitMore("bravo")
	c.enough()
	for _, worker := range []*program{alpha, bravo} {
		worker.await("to=finished") // to the end, with nobody to take it
	}
	if p.over() {
		t.Errorf("publish has ended while the broker was blocked:\n%s", tail(&p.stderr))
	}
	unblock()

	p.wait(0, "count: succeeded")
	c.wantCounted("alpha", "bravo")
	c.nothingLeft()
}

// block raises the node's memory alarm, until the returned function is called
// or the test ends.
func block(t *testing.T, node *rabbittest.Node) (unblock func()) {
	t.Helper()
	set := func(watermark string) {
		if err := node.Ctl(context.Background(), "set_vm_memory_high_watermark", watermark); err != nil {
			t.Error(err)
		}
	}
	set("0.00001")
	unblock = sync.OnceFunc(func() { set("0.4") })
	t.Cleanup(unblock)
	return unblock
}

// A phase is a run that is held in it while the broker is killed, in a cluster of its own.
type phase struct {
	name  string
	enter func(c *cluster) *program
	// down is called while the broker is away, up when it is there again.
	down, up func(c *cluster, publish *program)
}

// awhile is a lease that no restart outlasts.
const awhile = "30m"

var phases = []phase{
	{name: "job queued on one host, ready on the other", enter: enterQueued, up: leaveQueued},
	{name: "running", enter: enterRunning, down: countOn, up: leaveRunning},
	{name: "stopping", enter: enterStopping, up: leaveStopping},
	{name: "completing", enter: enterCompleting, up: leaveCompleting},
	{name: "running with a lease that is over before the broker is back", enter: enterShort, down: endShort, up: leaveShort},
}

// A broker that is killed and started again, in whatever phase of a run,
// costs time and nothing else; a run whose lease is over by then is lost. One
// death is the same to all of them.
func testBrokerKilled(t *testing.T, node *rabbittest.Node) {
	clusters, publishers := make([]*cluster, len(phases)), make([]*program, len(phases))
	for i, phase := range phases {
		clusters[i] = newCluster(t, node.URL())
		publishers[i] = phase.enter(clusters[i])
	}
	if err := node.Kill(); err != nil {
		t.Fatal(err)
	}
	for i, phase := range phases {
		if phase.down != nil {
			phase.down(clusters[i], publishers[i])
		}
	}
	if err := node.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i, phase := range phases {
		t.Run(phase.name, func(t *testing.T) {
			t.Parallel()
			clusters[i].t, publishers[i].t = t, t
			phase.up(clusters[i], publishers[i])
			clusters[i].nothingLeft()
		})
	}
}

func enterQueued(c *cluster) *program {
	bravo := c.worker("bravo", "DOWNBEAT_LEASE="+awhile)
	bravo.signal(syscall.SIGTERM)
	bravo.wait(0)
	c.worker("alpha", "DOWNBEAT_LEASE="+awhile)
	c.write("count.yaml", count)
	p := c.publish("--output=json", "--ready-timeout="+awhile, "--lease="+awhile, "count.yaml")
	p.await(`"event":"ready"`, "no worker is connected")
	return p
}

func leaveQueued(c *cluster, publish *program) {
	if c.reached("alpha") > 0 {
		c.t.Error("alpha has begun without bravo")
	}
	c.worker("bravo", "DOWNBEAT_LEASE="+awhile)
	c.awaitMore("alpha")
	c.awaitMore("bravo")
	c.enough()
	publish.wait(0)
	c.wantCounted("alpha", "bravo")
}

func enterRunning(c *cluster) *program {
	c.worker("alpha", "DOWNBEAT_LEASE="+awhile)
	c.worker("bravo", "DOWNBEAT_LEASE="+awhile)
	c.write("count.yaml", count)
	p := c.publish("--lease="+awhile, "count.yaml")
	c.awaitOutput("results/count/latest/0001/alpha/0.out", "line 20\n")
	c.awaitOutput("results/count/latest/0001/bravo/0.out", "line 20\n")
	return p
}

func countOn(c *cluster, _ *program) {
	c.awaitMore("alpha")
	c.awaitMore("bravo")
}

func leaveRunning(c *cluster, publish *program) {
	c.awaitMore("alpha")
	c.enough()
	publish.wait(0, "count: succeeded")
	c.wantCounted("alpha", "bravo")
}

// enterStopping: the stop has come, and the process has more to say before it
// follows it.
func enterStopping(c *cluster) *program {
	c.worker("alpha", "DOWNBEAT_LEASE="+awhile)
	c.worker("bravo", "DOWNBEAT_LEASE="+awhile)
	c.write("stop.yaml", `
name: stop
hosts: {alpha: , bravo: }
groups:
  server: {on: alpha, shell: true, run: 'trap "echo asked; touch $SCRATCH/asked" TERM; touch $SCRATCH/armed; until [ -e $SCRATCH/leave ]; do sleep 0.05; done; echo leaving'}
  client: {on: bravo, shell: true, run: 'until [ -e $SCRATCH/armed ]; do sleep 0.05; done'}
stop: {when: client, grace: 30m}
`)
	p := c.publish("--lease="+awhile, "stop.yaml")
	testkit.WaitFor(c.t, "the server has been asked to stop", func() bool {
		_, err := os.Stat(c.path("asked"))
		return err == nil
	})
	return p
}

func leaveStopping(c *cluster, publish *program) {
	c.write("leave", "")
	publish.wait(0, "stop: succeeded")
	if got, want := string(c.output("results/stop/latest/0001/alpha/server.0.out")), "asked\nleaving\n"; got != want {
		c.t.Errorf("got %q, want %q", got, want)
	}
}

// enterCompleting: nothing of the run is left, and all that it printed is on
// its way, for the publisher takes nothing.
func enterCompleting(c *cluster) *program {
	alpha := c.worker("alpha", "DOWNBEAT_LEASE="+awhile)
	c.write("flood.yaml", "name: flood\nhosts: {alpha: [{shell: true, run: 'echo up; until [ -e $SCRATCH/go ]; do sleep 0.05; done; "+bulk+"'}]}\n")
	p := c.publish("--lease="+awhile, "--quiet", "flood.yaml")
	c.awaitOutput("results/flood/latest/0001/alpha/0.out", "up\n")
	p.signal(syscall.SIGSTOP)
	c.write("go", "")
	alpha.await("to=finished")
	return p
}

func leaveCompleting(c *cluster, publish *program) {
	publish.signal(syscall.SIGCONT)
	publish.wait(0, "flood: succeeded")
	c.wantBulk()
}

const shortLease = "3s"

func enterShort(c *cluster) *program {
	c.worker("alpha", "DOWNBEAT_LEASE="+shortLease)
	c.write("long.yaml", "name: long\nhosts: {alpha: [\"sh -c 'echo up; exec sleep 600'\"]}\n")
	p := c.publish("--lease="+shortLease, "long.yaml")
	c.awaitOutput("results/long/latest/0001/alpha/0.out", "up\n")
	return p
}

func endShort(c *cluster, publish *program) {
	publish.wait(1, "long: lost", "no word from alpha for 3s")
	c.nothingLeft()
}

func leaveShort(c *cluster, _ *program) {
	if got := c.record("results/long/latest/0001"); got.Outcome != outcome.RunLost || got.Processes[0].Outcome != outcome.CommandLost {
		c.t.Errorf("the run is %s and its process %s, want both lost", got.Outcome, got.Processes[0].Outcome)
	}
	c.write("short.yaml", "name: short\nhosts: {alpha: [echo again]}\n")
	again := c.publish("--ready-timeout="+awhile, "short.yaml")
	again.wait(0, "short: succeeded")
}

// A broker that comes back empty knows no host: a run that goes on goes on, and a
// datapoint that begins waits for the workers to come back, instead of saying that
// there never was one.
func testBrokerWiped(t *testing.T, node *rabbittest.Node) {
	running := newCluster(t, node.URL())
	running.worker("alpha", "DOWNBEAT_LEASE="+awhile)
	running.write("count.yaml", "name: count\nhosts: {alpha: ["+counting+"]}\n")
	count := running.publish("--lease="+awhile, "count.yaml")
	running.awaitMore("alpha")

	link, url := proxy.New(t, node.URL())
	between := newCluster(t, node.URL())
	worker := between.worker("bravo", "DOWNBEAT_QUEUE_URL="+url)
	between.write("twice.yaml", "name: twice\nrepeat: 2\npause: 1s\nhosts: {bravo: [\"true\"]}\n")
	twice := between.publish("--ready-timeout="+awhile, "twice.yaml")
	twice.await("twice 1/2: succeeded")

	link.Down()
	for _, step := range []func() error{node.Kill, node.Wipe, func() error { return node.Restart(t.Context()) }} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	twice.await("waiting for bravo: the broker has started again and does not know it")
	link.Up()
	worker.await("connected again")
	twice.wait(0, "twice: 2 of 2 datapoints succeeded")

	running.awaitMore("alpha")
	running.enough()
	count.wait(0, "count: succeeded")
	running.wantCounted("alpha")
}

// A worker's check finds what the broker doesn't let it do by trying it; publish says at
// once what it may not do.
func testPermissions(t *testing.T, node *rabbittest.Node) {
	c := newCluster(t, node.URL())
	ctl := func(args ...string) {
		t.Helper()
		if err := node.Ctl(t.Context(), args...); err != nil {
			t.Fatal(err)
		}
	}
	ctl("add_user", "limited", "secret")
	as := strings.Replace(node.URL(), "guest:guest", "limited:secret", 1)
	check := func(status int, texts ...string) {
		t.Helper()
		cmd := exec.Command(filepath.Join(programs, "worker"), "--check")
		p := c.start(cmd, "DOWNBEAT_HOST=alpha", "DOWNBEAT_QUEUE_URL="+as)
		p.wait(status, texts...)
		if p.stderr.Has("secret") {
			t.Errorf("the password is shown:\n%s", tail(&p.stderr))
		}
	}
	for _, allowed := range [][]string{{"", ".*", ".*"}, {".*", "", ".*"}, {".*", ".*", ""}} {
		ctl(append([]string{"set_permissions", "limited"}, allowed...)...)
		check(2, "access denied by the broker", "'limited'")
	}
	ctl("set_permissions", "limited", ".*", ".*", ".*")
	check(0)

	otherwise := queue.Spec{Name: message.JobsQueue(c.variable("DOWNBEAT_NAMESPACE"), "alpha"), Expires: time.Hour}
	broker, err := dial.Open(t.Context(), node.URL(), queue.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = broker.Close() }()
	if err := broker.Declare(t.Context(), otherwise); err != nil {
		t.Fatal(err)
	}
	check(1, otherwise.Name, "inequivalent arg 'x-expires'", "declared differently")

	c.worker("bravo")
	c.write("once.yaml", "name: once\nhosts: {bravo: [\"true\"]}\n")
	ctl("set_permissions", "limited", ".*", "", ".*")
	publish := c.start(exec.Command(filepath.Join(programs, "publish"), "--ready-timeout="+awhile, "once.yaml"), "DOWNBEAT_QUEUE_URL="+as)
	publish.wait(3, "the broker does not let publish send host bravo its job: ", "access denied by the broker", "'limited'")
}
