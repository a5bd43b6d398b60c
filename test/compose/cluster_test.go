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
	"testing"
	"time"

	"downbeat/internal/testkit"
)

// A cluster is docker-compose.yml, brought up in a copy of the project that
// belongs to an ordinary user and is closed to all others.
type cluster struct {
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
func newCluster(t *testing.T, env ...string) *cluster {
	t.Helper()
	c := &cluster{dir: filepath.Join(docker.dir, "clone"), env: docker.environ(env...), tool: []string{"docker-compose"}}
	if tool := os.Getenv("COMPOSE"); tool != "" {
		c.tool = strings.Fields(tool)
	}
	c.env = append(c.env, "COMPOSE_PROJECT_NAME=downbeat")
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

// container is the name of a service's container.
func (c *cluster) container(t *testing.T, service string) string {
	t.Helper()
	return strings.TrimSpace(c.compose(t, "ps", "--quiet", service))
}

// up brings the cluster up, as a person would, and waits until all workers serve.
func (c *cluster) up(t *testing.T) {
	t.Helper()
	if len(c.tool) > 1 { // the plugin knows how to wait
		c.compose(t, "up", "--detach", "--wait")
		return
	}
	c.compose(t, "up", "--detach")
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

// await waits until all of the words have been printed.
func await(t *testing.T, printed *testkit.Buffer, words ...string) {
	t.Helper()
	for _, word := range words {
		waitFor(t, "printed: "+word, func() bool { return printed.Has(word) })
	}
}

// A publication is one call of publish in a container of its own.
type publication struct {
	cmd            *exec.Cmd
	stdout, stderr testkit.Buffer
	cancel         context.CancelFunc
}

// publish starts `docker compose run --rm publish ARGS`.
func (c *cluster) publish(t *testing.T, args ...string) *publication {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testkit.Timeout)
	p := &publication{cancel: cancel}
	p.cmd = c.in(ctx, append(append(slices.Clip(c.tool), "run", "--rm", "-T", "publish"), args...)...)
	p.cmd.Stdout, p.cmd.Stderr = &p.stdout, &p.stderr
	if err := p.cmd.Start(); err != nil {
		cancel()
		t.Fatal(err)
	}
	return p
}

// wait returns the exit status.
func (p *publication) wait(t *testing.T) int {
	t.Helper()
	defer p.cancel()
	err := p.cmd.Wait()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.Exited() {
		return exit.ExitCode()
	}
	if err != nil {
		t.Fatalf("publish: %v\n%s%s", err, &p.stdout, &p.stderr)
	}
	return 0
}
