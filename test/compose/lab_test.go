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
)

// A lab is docker-compose.yml, brought up in a copy of the project that
// belongs to an ordinary user and is closed to all others.
type lab struct {
	dir  string
	env  []string
	tool []string // docker-compose, or docker compose
}

// hosts are the hosts of docker-compose.yml.
var hosts = []string{"alpha", "bravo", "charlie", "delta"}

// owner is the user whom the copy of the project belongs to; there needn't be one.
const owner = 4242

// patience bounds every wait; it is far beyond what anything here takes.
const patience = 3 * time.Minute

// buildTime bounds a command, which may build all programs from nothing.
const buildTime = 15 * time.Minute

// newLab copies the project, and takes all down at the end.
func newLab(t *testing.T, env ...string) *lab {
	t.Helper()
	l := &lab{dir: filepath.Join(docker.dir, "clone"), env: docker.environ(env...), tool: []string{"docker-compose"}}
	if tool := os.Getenv("COMPOSE"); tool != "" {
		l.tool = strings.Fields(tool)
	}
	l.env = append(l.env, "COMPOSE_PROJECT_NAME=downbeat")
	clone := `mkdir "$0" && git ls-files -z --cached --others --exclude-standard --deduplicate | tar --null --files-from=- --ignore-failed-read -cf - |
	tar -C "$0" -xf - && chown -R 4242:4242 "$0" && chmod -R go= "$0"`
	cmd := exec.CommandContext(t.Context(), "sh", "-c", clone, l.dir)
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("copy the project: %v\n%s", err, out)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if out, err := l.in(ctx, append(slices.Clip(l.tool), "down", "--volumes", "--remove-orphans")...).CombinedOutput(); err != nil {
			t.Errorf("take all down: %v\n%s", err, out)
		}
	})
	return l
}

// in makes a command that runs in the lab's directory.
func (l *lab) in(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir, cmd.Env = l.dir, l.env
	cmd.WaitDelay = time.Second
	return cmd
}

// do runs a command that has to succeed, and returns what it prints.
func (l *lab) do(t *testing.T, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), buildTime)
	defer cancel()
	var stdout, stderr bytes.Buffer
	cmd := l.in(ctx, args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%s%s", strings.Join(args, " "), err, &stdout, &stderr)
	}
	return stdout.String()
}

func (l *lab) compose(t *testing.T, args ...string) string {
	t.Helper()
	return l.do(t, append(slices.Clip(l.tool), args...)...)
}

// container is the name of a service's container.
func (l *lab) container(t *testing.T, service string) string {
	t.Helper()
	return strings.TrimSpace(l.compose(t, "ps", "--quiet", service))
}

// up brings the lab up, as a person would, and waits until all workers serve.
func (l *lab) up(t *testing.T) {
	t.Helper()
	if len(l.tool) > 1 { // the plugin knows how to wait
		l.compose(t, "up", "--detach", "--wait")
		return
	}
	l.compose(t, "up", "--detach")
	for _, host := range hosts {
		eventually(t, "healthy "+host, func() bool {
			return strings.TrimSpace(l.do(t, "docker", "inspect", "--format={{.State.Health.Status}}", l.container(t, host))) == "healthy"
		})
	}
}

// eventually waits until something is so.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !is() {
		if docker.gone() {
			t.Fatalf("%s: the engine has ended", what)
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: still not so after %s", what, patience)
		}
		<-time.After(100 * time.Millisecond)
	}
}

// A publication is one call of publish in a container of its own.
type publication struct {
	cmd            *exec.Cmd
	stdout, stderr lines
	cancel         context.CancelFunc
}

// publish starts `docker compose run --rm publish ARGS`.
func (l *lab) publish(t *testing.T, args ...string) *publication {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	p := &publication{cancel: cancel}
	p.cmd = l.in(ctx, append(append(slices.Clip(l.tool), "run", "--rm", "-T", "publish"), args...)...)
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
