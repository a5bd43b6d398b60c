package test

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"downbeat/internal/message"
	"downbeat/internal/queue"
	"downbeat/internal/queue/amqp/rabbittest"
	"downbeat/internal/queue/dial"
	"downbeat/internal/queue/queuetest/proxy"
	"downbeat/internal/testkit"
)

// A broker that takes connections and closes them may be starting: publish and
// worker say so and try again until it lets them in.
func TestPublishTriesAgainWhileTheBrokerHangsUp(t *testing.T) {
	t.Parallel()
	link, url := proxy.New(t, rabbittest.URL(t))
	c := newSharedCluster(t)
	c.write("once.yaml", "name: once\nhosts: {alpha: [\"true\"]}\n")
	link.Down()
	worker := c.startWorker("alpha", "DOWNBEAT_QUEUE_URL="+url)
	worker.await("it may still be starting")
	link.Up()
	worker.await(serving)
	link.Down()
	p := c.start(exec.Command(filepath.Join(programs, "publish"), "once.yaml"), "DOWNBEAT_QUEUE_URL="+url)
	p.await("it may still be starting", "trying again")
	link.Up()
	p.wait(0, "once: succeeded")
}

// A worker of more names than a connection's first frame has room for starts,
// and serves each of them.
func TestWorkerOfManyNamesServesThem(t *testing.T) {
	t.Parallel()
	c := newSharedCluster(t)
	const many = 80
	names := make([]string, many)
	for i := range names {
		names[i] = fmt.Sprintf("host-%02d-%s", i, strings.Repeat("x", 50))
	}
	t.Cleanup(func() { deleteHosts(t, c, names) })
	worker := c.startWorker(strings.Join(names, ","), "DOWNBEAT_LOG_LEVEL=info")
	for _, name := range []string{names[0], names[many-1]} {
		worker.await(serving + " host=" + name + " ")
	}
	c.write("two.yaml", fmt.Sprintf("name: two\nhosts: {%s: [\"true\"], %s: [\"true\"]}\n", names[0], names[many-1]))
	c.publish("--ready-timeout=2m", "two.yaml").wait(0, "two: succeeded")
}

// deleteHosts deletes the queues of hosts that are not those of [hosts].
func deleteHosts(t *testing.T, c *cluster, names []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), testkit.Timeout)
	defer cancel()
	broker, err := dial.Open(ctx, c.variable("DOWNBEAT_QUEUE_URL"), queue.Options{})
	if err != nil {
		t.Error(err)
		return
	}
	defer func() { _ = broker.Close() }()
	namespace := c.variable("DOWNBEAT_NAMESPACE")
	for _, name := range names {
		for _, q := range []string{message.JobsQueue(namespace, name), message.ControlQueue(namespace, name)} {
			if err := broker.Delete(ctx, q); err != nil {
				t.Error(err)
				return
			}
		}
	}
}
