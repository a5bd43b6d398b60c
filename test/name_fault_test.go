package test

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"testing"

	"downbeat/internal/queue/amqp/rabbittest"
	"downbeat/internal/queue/queuetest/proxy"
	"downbeat/internal/queue/sqs/sqstest"
)

// elsewhere is the environment of a worker on another machine, as far as it matters
// here: with a state directory of its own.
func (c *cluster) elsewhere(name string) string {
	return "DOWNBEAT_STATE_DIR=" + c.path("state-of-"+name)
}

// checkWorker runs worker --check for alpha with a state directory of its own.
func (c *cluster) checkWorker(status int, texts ...string) {
	c.t.Helper()
	cmd := exec.Command(filepath.Join(programs, "worker"), "--check")
	c.start(cmd, "DOWNBEAT_HOST=alpha", c.elsewhere("check")).wait(status, texts...)
}

// Of two workers with one name the second says who has it, and waits; no run is lost
// by it; and it serves the host when the first has gone.
func TestTwoWorkersWithOneName(t *testing.T) {
	t.Parallel()
	c := newSharedCluster(t)
	twoWorkersWithOneName(t, c)
}

// The same on SQS.
func TestTwoWorkersWithOneNameOnSQS(t *testing.T) {
	t.Parallel()
	endpoint := sqstest.URL(t)
	c := newCluster(t, sqstest.QueueURL)
	c.environ = append(c.environ, sqstest.Environ(endpoint)...)
	twoWorkersWithOneName(t, c)
}

func twoWorkersWithOneName(t *testing.T, c *cluster) {
	c.write("three.yaml", "name: three\nrepeat: 3\nhosts: {alpha: [\"echo done\"]}\n")
	first := c.worker("alpha", c.elsewhere("first"))
	who := fmt.Sprintf("pid %d on ", first.pid())
	second := c.startWorker("alpha", c.elsewhere("second"))
	second.await("another worker serves this host, waiting", who)
	first.await("another worker wants to serve this host too", fmt.Sprintf("pid %d on ", second.pid()))
	c.checkWorker(1, "host alpha is served by another worker", who)

	hosts := c.publish("hosts")
	hosts.wait(0, "another worker wants to serve alpha too, and waits", fmt.Sprintf("pid %d on ", second.pid()))
	if !hosts.stdout.Has(who) {
		t.Errorf("publish hosts does not name the worker that serves alpha:\n%s", tail(&hosts.stdout))
	}
	c.publish("--lease=10s", "three.yaml").wait(0, "three: 3 of 3 datapoints succeeded")
	if second.stderr.Has("job taken") {
		t.Error("the second worker has taken a job")
	}
	first.end()
	second.await("the other worker has gone", serving)
	c.publish("--lease=10s", "three.yaml").wait(0, "three: 3 of 3 datapoints succeeded")
}

// A worker whose connection is cut in mid-run has its name back, though another one
// waits for it, and the run goes on.
func TestWorkerThatReconnectsKeepsItsName(t *testing.T) {
	t.Parallel()
	link, url := proxy.New(t, rabbittest.URL(t))
	c := newSharedCluster(t)
	c.write("count.yaml", "name: count\nhosts: {alpha: ["+counting+"]}\n")
	first := c.worker("alpha", c.elsewhere("first"), "DOWNBEAT_QUEUE_URL="+url)
	second := c.startWorker("alpha", c.elsewhere("second"))
	second.await("another worker serves this host, waiting")
	p := c.publish("--lease="+awhile, "count.yaml")
	c.awaitMore("alpha")
	for range 3 {
		link.Cut()
		first.await("connected again")
		c.awaitMore("alpha")
	}
	c.enough()
	p.wait(0, "count: succeeded")
	c.wantCounted("alpha")
	c.write("once.yaml", "name: once\nhosts: {alpha: [\"true\"]}\n")
	c.publish("once.yaml").wait(0, "once: succeeded")
	if second.stderr.Has("job taken") || second.stderr.Has(serving) {
		t.Error("the second worker has taken the name")
	}
}
