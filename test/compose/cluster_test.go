//go:build compose && linux

package compose

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"downbeat/internal/testkit"
)

// A cluster is docker-compose.yml, brought up in a copy of the project that
// belongs to an ordinary user and is closed to all others.
type cluster struct {
	name string // of the project: what belongs to it is called after it
	dir  string
	env  []string
	tool []string // docker-compose, or docker compose
}

// hosts are the hosts of docker-compose.yml.
var hosts = []string{"alpha", "bravo", "charlie", "delta"}

// owner is the user whom the copy of the project belongs to; there needn't be one.
const owner = 4242

// buildTime bounds a command, which may build all programs from nothing.
const buildTime = 15 * time.Minute

// newCluster copies the project, and takes all down at the end.
func newCluster(t *testing.T, name string, env ...string) *cluster {
	t.Helper()
	c := &cluster{name: name, dir: filepath.Join(docker.dir, "clone-"+name), env: docker.environ(env...), tool: []string{"docker-compose"}}
	if tool := os.Getenv("COMPOSE"); tool != "" {
		c.tool = strings.Fields(tool)
	}
	c.env = append(c.env, "COMPOSE_PROJECT_NAME="+name)
	clone := `mkdir "$0" && git ls-files -z --cached --others --exclude-standard --deduplicate | tar --null --files-from=- --ignore-failed-read -cf - |
	tar -C "$0" -xf - && chown -R 4242:4242 "$0" && chmod -R go= "$0"`
	cmd := exec.CommandContext(t.Context(), "sh", "-c", clone, c.dir)
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("copy the project: %v\n%s", err, out)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), testkit.Timeout)
		defer cancel()
		if out, err := c.in(ctx, append(slices.Clip(c.tool), "down", "--volumes", "--remove-orphans")...).CombinedOutput(); err != nil {
			t.Errorf("take all down: %v\n%s", err, out)
		}
	})
	return c
}

// network is the network of its containers.
func (c *cluster) network() string { return c.name + "_default" }

// in makes a command that runs in the cluster's directory.
func (c *cluster) in(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir, cmd.Env = c.dir, c.env
	cmd.WaitDelay = time.Second
	return cmd
}

// do runs a command that has to succeed, and returns what it prints.
func (c *cluster) do(t *testing.T, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), buildTime)
	defer cancel()
	var stdout, stderr bytes.Buffer
	cmd := c.in(ctx, args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%s%s", strings.Join(args, " "), err, &stdout, &stderr)
	}
	return stdout.String()
}

func (c *cluster) compose(t *testing.T, args ...string) string {
	t.Helper()
	return c.do(t, append(slices.Clip(c.tool), args...)...)
}

// container is the id of a service's container. Compose itself takes a hundred times as long to
// tell.
func (c *cluster) container(t *testing.T, service string) string {
	t.Helper()
	return strings.TrimSpace(c.do(t, "docker", "ps", "--all", "--quiet", "--no-trunc",
		"--filter=label=com.docker.compose.project="+c.name, "--filter=label=com.docker.compose.service="+service))
}

// buildImages builds what the Dockerfile has. The stage that compiles has a name, so that the
// engine keeps its layers for the next time.
func (c *cluster) buildImages(t *testing.T) {
	t.Helper()
	c.do(t, "docker", "build", "--target", "build", "--tag", "downbeat-build", ".")
	c.do(t, "docker", "build", "--tag", "downbeat", ".")
	c.compose(t, "build", "keys")
}

// up brings the cluster up, as a person would, and waits until all workers serve.
func (c *cluster) up(t *testing.T) {
	t.Helper()
	if len(c.tool) > 1 { // the plugin knows how to wait
		c.compose(t, "up", "--detach", "--wait")
		return
	}
	c.compose(t, "up", "--detach")
	c.awaitHealthy(t, hosts...)
}

// upAgain brings one host up again, which leaves all others alone.
func (c *cluster) upAgain(t *testing.T, host string) {
	t.Helper()
	c.compose(t, "up", "--detach", "--no-deps", host)
	c.awaitHealthy(t, host)
}

func (c *cluster) awaitHealthy(t *testing.T, hosts ...string) {
	t.Helper()
	for _, host := range hosts {
		waitFor(t, "healthy "+host, func() bool {
			return strings.TrimSpace(c.do(t, "docker", "inspect", "--format={{.State.Health.Status}}", c.container(t, host))) == "healthy"
		})
	}
}

// waitFor waits until something is so, as long as there is an engine.
func waitFor(t *testing.T, what string, holds func() bool) {
	t.Helper()
	testkit.WaitFor(t, what, func() bool {
		if docker.gone() {
			t.Fatalf("%s: the engine has ended", what)
		}
		return holds()
	})
}

// A publication is one call of publish in a container of its own.
type publication struct {
	cmd            *exec.Cmd
	stdout, stderr testkit.Buffer
	cancel         context.CancelFunc
	ended          chan struct{}
	err            error // valid once it has ended
}

// await waits until all of the words have been printed, as long as it goes on.
func (p *publication) await(t *testing.T, words ...string) {
	t.Helper()
	for _, word := range words {
		waitFor(t, "printed: "+word, func() bool {
			select {
			case <-p.ended:
				if !p.stdout.Has(word) {
					t.Fatalf("publish has ended (%v) and not printed %q, but\n%s%s", p.err, word, &p.stdout, &p.stderr)
				}
			default:
			}
			return p.stdout.Has(word)
		})
	}
}

// publish starts `docker compose run --rm publish ARGS`.
func (c *cluster) publish(t *testing.T, args ...string) *publication {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testkit.Timeout)
	p := &publication{cancel: cancel, ended: make(chan struct{})}
	p.cmd = c.in(ctx, append(append(slices.Clip(c.tool), "run", "--rm", "-T", "publish"), args...)...)
	p.cmd.Stdout, p.cmd.Stderr = &p.stdout, &p.stderr
	p.cmd.Cancel = func() error { return p.cmd.Process.Signal(syscall.SIGTERM) } // it stops its container
	p.cmd.WaitDelay = 20 * time.Second
	if err := p.cmd.Start(); err != nil {
		cancel()
		t.Fatal(err)
	}
	go func() {
		defer close(p.ended)
		p.err = p.cmd.Wait()
	}()
	t.Cleanup(func() {
		cancel()
		<-p.ended
		if t.Failed() {
			t.Logf("publish %s: %v\n%s%s", strings.Join(args, " "), p.err, &p.stdout, &p.stderr)
		}
	})
	return p
}

// wait returns the exit status.
func (p *publication) wait(t *testing.T) int {
	t.Helper()
	<-p.ended
	p.cancel()
	if exit, ok := errors.AsType[*exec.ExitError](p.err); ok && exit.Exited() {
		return exit.ExitCode()
	}
	if p.err != nil {
		t.Fatalf("publish: %v\n%s%s", p.err, &p.stdout, &p.stderr)
	}
	return 0
}
