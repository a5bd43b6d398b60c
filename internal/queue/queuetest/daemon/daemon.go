// Package daemon runs the programs that tests need beside them: in process groups
// of their own, and gone with all that they started when stopped - or when the
// process that started them dies, however that happens.
package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// A Process is a child in a group of its own.
type Process struct {
	name string
	cmd  *exec.Cmd
	done chan struct{} // closed once it has ended
	err  error         // how; valid after done
}

// Start starts the command in a process group of its own, so that a terminal's ^C
// doesn't reach it.
func Start(cmd *exec.Cmd) (*Process, error) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = time.Second
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &Process{name: filepath.Base(cmd.Path), cmd: cmd, done: make(chan struct{})}
	go func() {
		defer close(p.done)
		if p.err = cmd.Wait(); p.err == nil {
			p.err = errors.New("exit status 0")
		}
	}()
	return p, nil
}

// PID is the process's id, and its group's.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Done is closed once the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Err tells how the process ended; it is valid after Done.
func (p *Process) Err() error { return p.err }

// Name is the program's name.
func (p *Process) Name() string { return p.name }

// Kill ends the whole group at once and waits for it.
func (p *Process) Kill() error { return p.Stop(syscall.SIGKILL, 0) }

// Stop sends the signal to the process and, if it is still there after grace,
// kills its group. It returns when nothing is left of all that it started: the
// Erlang machine's helpers, in sessions of their own, end by themselves once it
// is gone, but a moment later.
func (p *Process) Stop(sig syscall.Signal, grace time.Duration) error {
	select {
	case <-p.done: // its pid may be somebody else's by now
		return nil
	default:
	}
	left := append(descendants(p.PID()), p.PID())
	if sig != syscall.SIGKILL {
		_ = p.cmd.Process.Signal(sig)
		select {
		case <-p.done:
			return awaitGone(p.name, left)
		case <-time.After(grace):
		}
	}
	if err := syscall.Kill(-p.PID(), syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("kill %s (process group %d): %w", p.name, p.PID(), err)
	}
	<-p.done
	return awaitGone(p.name, left)
}

// descendants lists the processes below pid.
func descendants(pid int) []int {
	out, err := exec.CommandContext(context.Background(), "ps", "-A", "-o", "ppid=,pid=").Output()
	if err != nil {
		return nil
	}
	children := make(map[int][]int)
	for line := range strings.Lines(string(out)) {
		var parent, child int
		if n, _ := fmt.Sscan(line, &parent, &child); n == 2 {
			children[parent] = append(children[parent], child)
		}
	}
	var all []int
	for next := children[pid]; len(next) > 0; {
		first := next[0]
		all = append(all, first)
		next = append(next[1:], children[first]...)
	}
	return all
}

// awaitGone waits until none of the processes is there any more.
func awaitGone(name string, pids []int) error {
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	deadline := time.After(10 * time.Second)
	for {
		pids = slices.DeleteFunc(pids, func(pid int) bool { return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) })
		if len(pids) == 0 {
			return nil
		}
		select {
		case <-ticker.C:
		case <-deadline:
			return fmt.Errorf("%s has ended, but left processes %v", name, pids)
		}
	}
}

// A Guard is a shell that waits for our end. It holds the other end of a pipe:
// however we die, the pipe closes, and the guard then kills the groups that it
// was told of and removes the directory.
type Guard struct {
	process *Process
	pipe    io.WriteCloser
}

const guardScript = `pids=
while read -r pid; do pids="$pids -$pid"; done
[ -z "$pids" ] || kill -s KILL -- $pids
sleep 0.2
rm -rf -- "$1"
`

// NewGuard starts a guard over the directory.
func NewGuard(dir string) (*Guard, error) {
	cmd := exec.CommandContext(context.Background(), "/bin/sh", "-c", guardScript, "guard", dir)
	pipe, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	p, err := Start(cmd)
	if err != nil {
		return nil, err
	}
	return &Guard{process: p, pipe: pipe}, nil
}

// Watch adds a process group.
func (g *Guard) Watch(pgid int) error {
	_, err := fmt.Fprintln(g.pipe, pgid)
	return err
}

// Dismiss ends the guard before it does anything.
func (g *Guard) Dismiss() error {
	err := g.process.Kill()
	_ = g.pipe.Close()
	return err
}

// FreePorts finds ports on loopback that nobody listens on at the moment. They
// lie below those that systems give to outgoing connections: a client that keeps
// dialling a port of those while the node is down may sooner or later be given
// that very port, and find itself connected to itself.
func FreePorts(ctx context.Context, n int) ([]int, error) {
	const lowest, highest, attempts = 10000, 32000, 1000
	var ports []int
	for range attempts {
		port := lowest + rand.IntN(highest-lowest)
		l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue
		}
		defer func() { _ = l.Close() }() // all at the end, so that no port is found twice
		if ports = append(ports, port); len(ports) == n {
			return ports, nil
		}
	}
	return nil, fmt.Errorf("no %d free ports on 127.0.0.1 in %d attempts", n, attempts)
}
