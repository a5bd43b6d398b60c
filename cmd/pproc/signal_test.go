package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"downbeat/internal/testkit"
)

// A session is a pproc that was started.
type session struct {
	cmd   *exec.Cmd
	lines *bufio.Scanner
	errs  *strings.Builder
}

// start starts pproc by the name that testscript gave the test binary.
func start(t *testing.T, args ...string) *session {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "pproc")
	if err := os.Symlink(exe, name); err != nil {
		t.Fatal(err)
	}
	s := &session{cmd: exec.CommandContext(t.Context(), name, args...), errs: &strings.Builder{}}
	s.cmd.Stderr = s.errs
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s.lines = bufio.NewScanner(out)
	return s
}

// pid reads a line, which must be a pid.
func (s *session) pid(t *testing.T) int {
	t.Helper()
	if !s.lines.Scan() {
		t.Fatalf("no line: %v; %s", s.lines.Err(), s.errs)
	}
	pid, err := strconv.Atoi(s.lines.Text())
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

// status waits for the end.
func (s *session) status(t *testing.T) int {
	t.Helper()
	for s.lines.Scan() {
	}
	err := s.cmd.Wait()
	if err != nil && s.cmd.ProcessState.ExitCode() < 0 {
		t.Logf("pproc: %v", err)
	}
	return s.cmd.ProcessState.ExitCode()
}

func (s *session) signal(t *testing.T, sig os.Signal) {
	t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
}

// gone waits until a process is gone, or only waits to be reaped.
func gone(t *testing.T, pid int) {
	t.Helper()
	testkit.WaitFor(t, fmt.Sprintf("process %d is gone", pid), func() bool {
		out, err := exec.CommandContext(t.Context(), "ps", "-o", "stat=", "-p", strconv.Itoa(pid)).Output()
		return err != nil || len(out) == 0 || out[0] == 'Z'
	})
}

// family is a command that leaves one process in the background, in a session
// of its own; both print their pids.
const family = `sh -c 'setsid sh -c "echo \$\$; exec sleep 1000" & sleep 0.1; echo $$; wait'`

// deaf is a command that ignores TERM, and all that it starts.
const deaf = `sh -c 'trap "" TERM; echo $$; while :; do sleep 1; done'`

func TestASignalStopsAllAndLeavesNothing(t *testing.T) {
	t.Parallel()
	// Below nohup SIGHUP is ignored, also by what is started; unless it is caught here.
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, syscall.SIGHUP)
	t.Cleanup(func() { signal.Stop(caught) })
	for sig, want := range map[syscall.Signal]int{syscall.SIGINT: 130, syscall.SIGTERM: 143, syscall.SIGHUP: 129} {
		t.Run(sig.String(), func(t *testing.T) {
			t.Parallel()
			s := start(t, family, family)
			var pids []int
			for range 4 {
				pids = append(pids, s.pid(t))
			}
			s.signal(t, sig)
			if got := s.status(t); got != want {
				t.Errorf("got status %d, want %d", got, want)
			}
			for _, pid := range pids {
				gone(t, pid)
			}
			if got, want := s.errs.String(), fmt.Sprintf("pproc: %v: stopping 2 processes\n", sig); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

func TestASecondInterruptLeavesAtOnce(t *testing.T) {
	t.Parallel()
	s := start(t, "--grace", "1h", deaf)
	pid := s.pid(t)
	s.signal(t, os.Interrupt)
	s.signal(t, os.Interrupt)
	// The first of them may be taken for both, as the kernel merges them.
	go func() {
		for s.cmd.Process.Signal(os.Interrupt) == nil {
			<-time.After(10 * time.Millisecond)
		}
	}()
	if got := s.status(t); got != 130 {
		t.Errorf("got status %d, want 130", got)
	}
	gone(t, pid)
}

func TestSignalsThatComeTogetherAreOne(t *testing.T) {
	t.Parallel()
	s := start(t, "--grace", "500ms", deaf)
	pid := s.pid(t)
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGTERM} {
		s.signal(t, sig)
	}
	if got := s.status(t); got != 143 && got != 130 && got != 129 {
		t.Errorf("got status %d", got)
	}
	if !strings.Contains(s.errs.String(), "ignored TERM for 500ms and was killed") {
		t.Errorf("it did not wait for the grace: %q", s.errs)
	}
	gone(t, pid)
}

func TestKilledItLeavesNothing(t *testing.T) {
	t.Parallel()
	s := start(t, family, deaf)
	pids := []int{s.pid(t), s.pid(t), s.pid(t)}
	s.signal(t, os.Kill)
	s.status(t)
	for _, pid := range pids {
		gone(t, pid)
	}
}

func TestWhenNobodyReadsItStopsAllQuietly(t *testing.T) {
	t.Parallel()
	pidfile := filepath.Join(t.TempDir(), "pid")
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "pproc")
	if err := os.Symlink(exe, name); err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	var errs strings.Builder
	cmd := exec.CommandContext(t.Context(), name, fmt.Sprintf(`sh -c 'echo $$ >%s; exec sleep 1000'`, pidfile), "yes")
	cmd.Stdout, cmd.Stderr = w, &errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	if _, err := io.ReadFull(r, make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	r.Close()
	cmd.Wait() //nolint:errcheck // the status is looked at
	if got := cmd.ProcessState.ExitCode(); got != 141 || errs.Len() > 0 {
		t.Errorf("got status %d and %q, want 141 and nothing", got, errs.String())
	}
	if data, err := os.ReadFile(pidfile); err == nil { // it may not have got so far
		if pid, err := strconv.Atoi(strings.TrimSpace(string(data))); err == nil {
			gone(t, pid)
		}
	}
}
