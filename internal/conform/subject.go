package conform

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// A subject is a process of the implementation under test. It has a process group of
// its own.
type subject struct {
	cmd            *exec.Cmd
	stdout, stderr *tail
	ended          chan struct{} // closed when it has ended
}

// startSubject starts the program in dir.
func startSubject(argv, environ []string, dir string) (*subject, error) {
	s := &subject{stdout: &tail{most: 64 << 20}, stderr: &tail{most: 64 << 10}, ended: make(chan struct{})}
	s.cmd = exec.Command(argv[0], argv[1:]...)
	s.cmd.Env, s.cmd.Dir = environ, dir
	s.cmd.Stdout, s.cmd.Stderr = s.stdout, s.stderr
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	s.cmd.WaitDelay = 5 * time.Second // what it has left may hold its output open
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", argv[0], err)
	}
	go func() {
		defer close(s.ended)
		_ = s.cmd.Wait() // how it ended is in its state
	}()
	return s, nil
}

// signal sends a signal to the program alone.
func (s *subject) signal(sig syscall.Signal) {
	select {
	case <-s.ended:
	default:
		_ = s.cmd.Process.Signal(sig) // it may have ended just now
	}
}

// leaveWithin is how long a program has to end in good order when its case is over
// before it should be.
const leaveWithin = 2 * time.Second

// end ends the program, and what is left of its process group, and reports whether it
// had to be killed.
func (s *subject) end() (killed bool) {
	s.signal(syscall.SIGTERM)
	select {
	case <-s.ended:
	case <-time.After(leaveWithin):
		killed = true
	}
	_ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL) // the group may be gone
	<-s.ended
	return killed
}

// wait waits until the program has ended, and gives its exit status as a shell does.
func (s *subject) wait(ctx context.Context) (int, error) {
	select {
	case <-s.ended:
	case <-ctx.Done():
		return 0, fmt.Errorf("%s has not ended", s.cmd.Args[0])
	}
	return s.status(), nil
}

// status is the exit status of a program that has ended.
func (s *subject) status() int {
	state := s.cmd.ProcessState
	if state == nil {
		return -1
	}
	if w, ok := state.Sys().(syscall.WaitStatus); ok && w.Signaled() {
		return 128 + int(w.Signal())
	}
	return state.ExitCode()
}

// A tail keeps the end of what is written to it, as much as most bytes.
type tail struct {
	most int
	mu   sync.Mutex
	data []byte
}

// Write implements [io.Writer].
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.data = append(t.data, p...)
	if extra := len(t.data) - t.most; extra > 0 {
		t.data = append(t.data[:0], t.data[extra:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.data)
}

// lines are the last lines, at most n.
func (t *tail) lines(n int) []string {
	text := strings.TrimRight(t.String(), "\n")
	if text == "" {
		return nil
	}
	all := strings.Split(text, "\n")
	return all[max(len(all)-n, 0):]
}
