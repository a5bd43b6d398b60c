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
func (l *lab) elsewhere(name string) string { return "DOWNBEAT_STATE_DIR=" + l.path("state-of-"+name) }

// checkWorker runs worker --check for alpha with a state directory of its own.
func (l *lab) checkWorker(status int, texts ...string) {
	l.t.Helper()
	cmd := exec.Command(filepath.Join(programs, "worker"), "--check")
	l.start(cmd, "DOWNBEAT_HOST=alpha", l.elsewhere("check")).wait(status, texts...)
}

// Of two workers with one name the second says who has it, and waits; no run is lost
// by it; and it serves the host when the first has gone.
func TestTwoWorkersWithOneName(t *testing.T) {
	t.Parallel()
	l := newSharedLab(t)
	twoWorkersWithOneName(t, l)
}

// The same on SQS.
func TestTwoWorkersWithOneNameOnSQS(t *testing.T) {
	t.Parallel()
	endpoint := sqstest.URL(t)
	l := newLab(t, sqstest.QueueURL)
	l.environ = append(l.environ, sqstest.Environ(endpoint)...)
	twoWorkersWithOneName(t, l)
}

func twoWorkersWithOneName(t *testing.T, l *lab) {
	l.write("three.yaml", "name: three\nrepeat: 3\nhosts: {alpha: [\"echo done\"]}\n")
	first := l.worker("alpha", l.elsewhere("first"))
	who := fmt.Sprintf("pid %d on ", first.pid())
	second := l.startWorker("alpha", l.elsewhere("second"))
	second.await("another worker serves this host, waiting", who)
	first.await("another worker wants to serve this host too", fmt.Sprintf("pid %d on ", second.pid()))
	l.checkWorker(1, "host alpha is served by another worker", who)

	hosts := l.publish("hosts")
	hosts.wait(0, "another worker wants to serve alpha too, and waits", fmt.Sprintf("pid %d on ", second.pid()))
	if !hosts.stdout.has(who) {
		t.Errorf("publish hosts does not name the worker that serves alpha:\n%s", &hosts.stdout)
	}
	l.publish("--lease=10s", "three.yaml").wait(0, "three: 3 of 3 datapoints succeeded")
	if second.stderr.has("job taken") {
		t.Error("the second worker has taken a job")
	}
	first.end()
	second.await("the other worker has gone", serving)
	l.publish("--lease=10s", "three.yaml").wait(0, "three: 3 of 3 datapoints succeeded")
}

// A worker whose connection is cut in mid-run has its name back, though another one
// waits for it, and the run goes on.
func TestWorkerThatReconnectsKeepsItsName(t *testing.T) {
	t.Parallel()
	link, url := proxy.New(t, rabbittest.URL(t))
	l := newSharedLab(t)
	l.write("count.yaml", "name: count\nhosts: {alpha: ["+counting+"]}\n")
	first := l.worker("alpha", l.elsewhere("first"), "DOWNBEAT_QUEUE_URL="+url)
	second := l.startWorker("alpha", l.elsewhere("second"))
	second.await("another worker serves this host, waiting")
	p := l.publish("--lease="+awhile, "count.yaml")
	l.awaitMore("alpha")
	for range 3 {
		link.Cut()
		first.await("connected again")
		l.awaitMore("alpha")
	}
	l.enough()
	p.wait(0, "count: succeeded")
	l.wantCounted("alpha")
	l.write("once.yaml", "name: once\nhosts: {alpha: [\"true\"]}\n")
	l.publish("once.yaml").wait(0, "once: succeeded")
	if second.stderr.has("job taken") || second.stderr.has(serving) {
		t.Error("the second worker has taken the name")
	}
}
