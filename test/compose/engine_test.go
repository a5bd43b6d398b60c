//go:build compose && linux

package compose

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// An engine is a Docker engine of the test's own. It and all its containers
// live in namespaces of their own for processes, mounts and the network: the
// machine's engine, firewall and interfaces are left alone, and whatever ends
// the first process of these namespaces ends them all.
type engine struct {
	dir    string // everything it writes, but for
	data   string // images, layers, containers and volumes
	cgroup string // below which its containers are, in every hierarchy
	cmd    *exec.Cmd
	log    bytes.Buffer
	ended  chan struct{}
}

// start is the first process's script: the namespaces are prepared, then
// dockerd takes its place, below an init that reaps. What dockerd would write
// to fixed places goes to file systems that vanish with the namespace.
const start = `
set -e
mount --make-rprivate /
mount -t proc proc /proc
for dir in /run /opt /etc/docker; do [ ! -d $dir ] || mount -t tmpfs tmpfs $dir; done
exec docker-init -- dockerd "$@"
`

// startEngine starts an engine that keeps its data in data, and everything else in
// dir. The calling goroutine stays on its thread from then on: the kernel ends the engine when
// that ends.
func startEngine(ctx context.Context, dir, data string) (*engine, error) {
	e := &engine{dir: dir, data: data, cgroup: fmt.Sprintf("downbeat-test-%d", os.Getpid()), ended: make(chan struct{})}
	e.cmd = exec.Command("sh", "-c", start, "sh",
		"--host", e.host(), "--pidfile", filepath.Join(dir, "pid"),
		"--data-root", data, "--exec-root", filepath.Join(dir, "exec"),
		"--exec-opt", "native.cgroupdriver=cgroupfs", "--cgroup-parent", "/"+e.cgroup)
	e.cmd.Stdout, e.cmd.Stderr = &e.log, &e.log
	e.cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWNET | syscall.CLONE_NEWPID | syscall.CLONE_NEWIPC,
		Pdeathsig:  syscall.SIGKILL,
		Setpgid:    true, // ^C is for the test, which then ends the engine in order
	}
	runtime.LockOSThread()
	if err := e.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the engine in namespaces of its own: %w", err)
	}
	go func() {
		_ = e.cmd.Wait() // its log says why it ended
		close(e.ended)
	}()
	if err := e.await(ctx); err != nil {
		return nil, errors.Join(err, e.stop(), errors.New(e.log.String()))
	}
	return e, nil
}

func (e *engine) host() string { return "unix://" + filepath.Join(e.dir, "docker.sock") }

// environ is the environment of docker and docker-compose: nothing of the
// user's own settings, the engine's socket, and the variables given.
func (e *engine) environ(extra ...string) []string {
	return append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + e.dir, "DOCKER_CONFIG=" + dockerConfig(e.dir), "DOCKER_HOST=" + e.host(),
		"DOCKER_BUILDKIT=0", "COMPOSE_INTERACTIVE_NO_CLI=1",
	}, extra...)
}

// dockerConfig is where the plugin for `docker compose` is looked for.
func dockerConfig(dir string) string {
	if config := os.Getenv("DOCKER_CONFIG"); config != "" {
		return config
	}
	return dir
}

// await waits until the engine answers.
func (e *engine) await(ctx context.Context) error {
	for {
		cmd := exec.CommandContext(ctx, "docker", "info")
		cmd.Env = e.environ()
		if cmd.Run() == nil {
			return nil
		}
		select {
		case <-e.ended:
			return errors.New("the engine ended before it answered")
		case <-ctx.Done():
			return fmt.Errorf("wait for the engine: %w", ctx.Err())
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// stop ends the engine with all that is in it, and makes sure that nothing is
// left but its directory.
func (e *engine) stop() error {
	_ = e.cmd.Process.Signal(syscall.SIGTERM) // if it hasn't ended by itself
	select {
	case <-e.ended:
	case <-time.After(30 * time.Second):
		e.kill()
		<-e.ended
	}
	return errors.Join(e.removeCgroups(), e.mounts())
}

// gone reports whether the engine has ended.
func (e *engine) gone() bool {
	select {
	case <-e.ended:
		return true
	default:
		return false
	}
}

// kill ends the first process of the namespaces, and so all that is in them.
func (e *engine) kill() { _ = e.cmd.Process.Kill() }

// mounts complains about file systems that the engine has left mounted here.
func (e *engine) mounts() error {
	info, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(info)) {
		if strings.Contains(line, e.dir) || strings.Contains(line, e.data) {
			err = errors.Join(err, fmt.Errorf("the engine has left a mount: %s", line))
		}
	}
	return err
}

// removeCgroups removes the cgroups of the containers, which are empty now.
func (e *engine) removeCgroups() error {
	roots, err := filepath.Glob("/sys/fs/cgroup/*/" + e.cgroup)
	if err != nil {
		return err
	}
	roots = append(roots, "/sys/fs/cgroup/"+e.cgroup)
	for _, root := range roots {
		err = errors.Join(err, removeCgroup(root))
	}
	return err
}

func removeCgroup(root string) error {
	var dirs []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			dirs = append(dirs, path)
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
	for _, dir := range slices.Backward(dirs) { // from the deepest up
		err = errors.Join(err, syscall.Rmdir(dir))
	}
	return err
}
