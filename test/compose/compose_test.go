//go:build compose && linux

package compose

import (
	"cmp"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestCompose brings docker-compose.yml up as a newcomer does, and breaks it in
// every way that containers break. Beside that, and on clusters of their own, it
// runs with programs of somebody's own, with a machine that has systemd, and over SQS:
// all of that mostly waits.
func TestCompose(t *testing.T) {
	t.Parallel()
	c := newCluster(t, "downbeat")
	c.buildImages(t)
	c.up(t)
	t.Run("rabbitmq", func(t *testing.T) {
		t.Parallel()
		t.Run("sample", func(t *testing.T) { sameAsEmbedded(t, c) }) //nolint:paralleltest // its parts share one cluster, in the order of a story
		for _, f := range faults {
			t.Run(f.name, func(t *testing.T) { f.test(t, c) }) //nolint:paralleltest // as above
		}
		t.Run("sample again", func(t *testing.T) { succeeds(t, c, "sample.json") })                           //nolint:paralleltest // as above
		t.Run("48 processes", func(t *testing.T) { succeeds(t, c, "--quiet", "examples/48-processes.yaml") }) //nolint:paralleltest // as above
	})
	t.Run("own programs", func(t *testing.T) {
		t.Parallel()
		c := newCluster(t, "own", "DOWNBEAT_COMPOSE_IMAGE=my-workers")
		c.do(t, "docker", "build", "--tag", "my-workers", "--file", "examples/image/Dockerfile", ".")
		c.up(t)
		succeeds(t, c, "examples/redis/redis.yaml")
		t.Run("systemd", func(t *testing.T) { systemdServes(t, c) }) //nolint:paralleltest // on the same cluster
	})
	t.Run("sqs", func(t *testing.T) {
		t.Parallel()
		sqsServes(t, newCluster(t, "sqs", "COMPOSE_PROFILES=sqs", "DOWNBEAT_COMPOSE_QUEUE=sqs"))
	})
}

// succeeds publishes and returns what was printed.
func succeeds(t *testing.T, c *cluster, args ...string) string {
	t.Helper()
	p := c.publish(t, args...)
	if status := p.wait(t); status != 0 {
		t.Fatalf("publish %s exited with status %d\n%s%s", strings.Join(args, " "), status, &p.stdout, &p.stderr)
	}
	return p.stdout.String()
}

// sameAsEmbedded: over RabbitMQ and four containers, the sample says what it
// says in one process, and its results belong to the owner of the directory.
func sameAsEmbedded(t *testing.T, c *cluster) {
	got := said(succeeds(t, c, "sample.json"))
	want := said(succeeds(t, c, "--queue=mem:", "--results=/tmp/results", "sample.json"))
	if !slices.Equal(got, want) {
		t.Errorf("with docker-compose:\n%s\nembedded:\n%s", strings.Join(got, ""), strings.Join(want, ""))
	}
	path := filepath.Join(c.dir, "results/sample/latest/0001/run.json")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var record struct {
		Outcome string
		Hosts   []struct{ Host, Hold string }
	}
	if err := json.Unmarshal(data, &record); err != nil {
		t.Fatal(err)
	}
	if record.Outcome != "succeeded" || len(record.Hosts) != len(hosts) {
		t.Errorf("the record says %s on %d hosts, want succeeded on %d", record.Outcome, len(record.Hosts), len(hosts))
	}
	for _, h := range record.Hosts {
		if h.Hold != "ptrace" {
			t.Errorf("processes on %s were held by %q, want ptrace", h.Host, h.Hold)
		}
	}
	if info, err := os.Stat(path); err != nil || info.Sys().(*syscall.Stat_t).Uid != owner {
		t.Errorf("the record does not belong to the owner of the project's directory: %v", err)
	}
}

var (
	address = regexp.MustCompile(`(alpha|bravo|127\.0\.0\.1):\d+`)
	number  = regexp.MustCompile(`\d+(\.\d+)? `)
	digits  = regexp.MustCompile(`\d+$`)
)

// said is what the processes said, without addresses, measured values, and
// what depends on which of two servers is stopped first.
func said(output string) []string {
	var said []string
	for line := range strings.Lines(output) {
		tag, text, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " | ")
		text = strings.TrimSuffix(text, ", followed by 1")
		text = digits.ReplaceAllString(number.ReplaceAllString(address.ReplaceAllString(text, "ADDRESS"), "N "), "N")
		said = append(said, tag+" | "+text+"\n")
	}
	slices.Sort(said)
	return slices.Compact(said)
}

// A fault strikes one host in mid-run.
type fault struct {
	name, host string
	// lease is what publish is given; empty: so short that it is soon over.
	lease  string
	strike func(t *testing.T, c *cluster, container string)
	// says is what publish says of the host.
	says string
	// whileBroken: what of the run was on the host is gone before it is mended.
	whileBroken bool
	mend        func(t *testing.T, c *cluster, container string)
}

var faults = []fault{
	{
		name: "worker crashes and is started again", host: "bravo", lease: "30s", says: "the worker on bravo died in mid-run",
		strike: func(t *testing.T, c *cluster, container string) {
			c.do(t, "docker", "exec", container, "sh", "-c", "kill -KILL $(pidof -s worker)")
		},
	},
	{
		name: "container is killed", host: "charlie", says: "no word from charlie for ",
		strike: func(t *testing.T, c *cluster, container string) { c.do(t, "docker", "kill", container) },
		mend:   func(t *testing.T, c *cluster, _ string) { c.upAgain(t, "charlie") },
	},
	{
		name: "container is paused", host: "delta", says: "no word from delta for ",
		strike: func(t *testing.T, c *cluster, container string) { c.do(t, "docker", "pause", container) },
		mend:   func(t *testing.T, c *cluster, container string) { c.do(t, "docker", "unpause", container) },
	},
	{
		name: "container is cut off the network", host: "bravo", says: "no word from bravo for ", whileBroken: true,
		strike: func(t *testing.T, c *cluster, container string) {
			c.do(t, "docker", "network", "disconnect", c.network(), container)
		},
		mend: func(t *testing.T, c *cluster, container string) {
			c.do(t, "docker", "network", "connect", "--alias=bravo", c.network(), container)
		},
	},
}

// longRun prints a line on each host and then goes on for longer than any test.
const longRun = `{"name": "long", "hosts": {
	"alpha": ["sh -c 'echo up; exec sleep 600'"], "bravo": ["sh -c 'echo up; exec sleep 600'"],
	"charlie": ["sh -c 'echo up; exec sleep 600'"], "delta": ["sh -c 'echo up; exec sleep 600'"]}}
`

// soon is how long publish may take to end a run after a fault: a lease of 3 s,
// the restart of a container, and a machine that is busy with something else.
const soon = 30 * time.Second

// test: publish names the host, the others are stopped, and nothing hangs.
func (f fault) test(t *testing.T, c *cluster) {
	c.write(t, "long.json", longRun)
	container := c.container(t, f.host)
	p := c.publish(t, "--lease="+cmp.Or(f.lease, "3s"), "long.json")
	p.await(t, "alpha/0 | up\n", "bravo/0 | up\n", "charlie/0 | up\n", "delta/0 | up\n")

	f.strike(t, c, container)
	struck := time.Now()
	status := p.wait(t)

	if took := time.Since(struck); took > soon {
		t.Errorf("publish ended %s after the fault, want %s at most", took, soon)
	}
	if status != 1 || !strings.Contains(p.stderr.String(), "long: lost") || !strings.Contains(p.stderr.String(), f.says) {
		t.Errorf("publish exited with status %d, want 1, and %q in\n%s", status, f.says, &p.stderr)
	}
	for _, host := range hosts {
		if host != f.host || f.whileBroken {
			c.nothingRuns(t, host)
		}
	}
	if f.mend != nil {
		f.mend(t, c, container)
	}
	c.nothingRuns(t, f.host)
}

// nothingRuns waits until no process of any run is left in a host's container.
func (c *cluster) nothingRuns(t *testing.T, host string) {
	t.Helper()
	waitFor(t, "nothing runs on "+host, func() bool {
		found, err := c.in(t.Context(), "docker", "exec", c.container(t, host),
			"sh", "-c", "grep -lsz ^DOWNBEAT_RUN= /proc/[0-9]*/environ || [ $? != 0 ]").CombinedOutput()
		return err == nil && len(found) == 0 // the container may be about to start again
	})
}

// write puts a file into the cluster's directory.
func (c *cluster) write(t *testing.T, name, text string) {
	t.Helper()
	path := filepath.Join(c.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(path, owner, owner); err != nil {
		t.Fatal(err)
	}
}
