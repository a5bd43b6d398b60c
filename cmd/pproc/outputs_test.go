package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"downbeat/internal/interrupt"
	"downbeat/internal/testkit"
)

// A stalled is a pproc whose standard output is not read until the test says so.
type stalled struct {
	session
	out     *os.File
	pidfile string
}

// startStalled starts it on a command that prints far more than a pipe takes, and
// waits until that has printed it all.
func startStalled(t *testing.T, args ...string) *stalled {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	name := filepath.Join(dir, "pproc")
	if err := os.Symlink(exe, name); err != nil {
		t.Fatal(err)
	}
	s := &stalled{session: session{errs: &strings.Builder{}}, pidfile: filepath.Join(dir, "pid")}
	command := fmt.Sprintf(`sh -c 'seq 700000; echo $$ >%s.new; mv %s.new %s; exec sleep 1000'`, s.pidfile, s.pidfile, s.pidfile)
	s.cmd = exec.CommandContext(t.Context(), name, append(args, command)...)
	var w *os.File
	if s.out, w, err = os.Pipe(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.out.Close() })
	s.cmd.Stdout, s.cmd.Stderr = w, s.errs
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	return s
}

// pid is that of the command, once it has printed everything.
func (s *stalled) pid(t *testing.T) int {
	t.Helper()
	var pid int
	testkit.WaitFor(t, "the command has printed everything", func() bool {
		data, err := os.ReadFile(s.pidfile)
		if err != nil {
			return false
		}
		pid, err = strconv.Atoi(strings.TrimSpace(string(data)))
		return err == nil
	})
	return pid
}

// end reads everything, which has to be every line, and gives the exit status.
func (s *stalled) end(t *testing.T) int {
	t.Helper()
	got, err := io.ReadAll(s.out)
	if err != nil {
		t.Fatal(err)
	}
	var want bytes.Buffer
	for i := range 700000 {
		fmt.Fprintln(&want, i+1)
	}
	if !bytes.Equal(got, want.Bytes()) {
		t.Errorf("got %d bytes, want %d, the same", len(got), want.Len())
	}
	s.cmd.Wait() //nolint:errcheck // the status is looked at
	return s.cmd.ProcessState.ExitCode()
}

// The timeout ends the processes while nobody reads; then every line comes.
func TestTheTimeoutActsWhileNobodyReads(t *testing.T) {
	t.Parallel()
	s := startStalled(t, "--timeout", "8s")
	gone(t, s.pid(t))
	if got := s.end(t); got != 124 {
		t.Errorf("got status %d, want 124; %s", got, s.errs)
	}
}

// So does a signal.
func TestASignalActsWhileNobodyReads(t *testing.T) {
	t.Parallel()
	s := startStalled(t)
	pid := s.pid(t)
	s.signal(t, os.Interrupt)
	gone(t, pid)
	if got := s.end(t); got != 130 {
		t.Errorf("got status %d, want 130; %s", got, s.errs)
	}
}

// The second signal leaves, though nobody has read anything.
func TestASecondSignalLeavesWhileNobodyReads(t *testing.T) {
	t.Parallel()
	s := startStalled(t)
	gonePID := s.pid(t)
	s.signal(t, os.Interrupt)
	gone(t, gonePID)
	go func() {
		for s.cmd.Process.Signal(os.Interrupt) == nil {
			<-time.After(10 * time.Millisecond)
		}
	}()
	s.cmd.Wait() //nolint:errcheck // the status is looked at
	if got := s.cmd.ProcessState.ExitCode(); got != 130 {
		t.Errorf("got status %d, want 130; %s", got, s.errs)
	}
}

// After the timeout a reader that takes nothing is not waited for; one that takes
// a little now and then is.
func TestAfterTheTimeoutAReaderIsWaitedForWhileItReads(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var errs bytes.Buffer
		out := &slowReader{every: 10 * time.Second, times: 20, goOn: make(chan struct{})}
		o := newOutputs(out, &errs, nil)
		for range 22 {
			if _, err := o.out.Write(bytes.Repeat([]byte("x"), 256<<10)); err != nil {
				t.Fatal(err)
			}
		}
		began := time.Now()
		var seen interrupt.Signals
		o.deliver(make(chan os.Signal), &seen, nil, true)
		if took := time.Since(began); took < 200*time.Second || took > 220*time.Second {
			t.Errorf("it waited for %v, want 200 s, and 15 s more", took)
		}
		if got, want := errs.String(), "pproc: nobody has read standard output for 15s: 524 kB of it are lost\n"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		close(out.goOn)
		<-o.out.Done()
	})
}

// A slowReader takes a write at a time, so many of them, and then nothing until it
// is told to go on.
type slowReader struct {
	every time.Duration
	times int
	goOn  chan struct{}
}

func (r *slowReader) Write(p []byte) (int, error) {
	if r.times--; r.times >= 0 {
		<-time.After(r.every)
	} else {
		<-r.goOn
	}
	return len(p), nil
}

// Output that can't be written is told, and the processes are stopped.
func TestOutputOnAFullDisk(t *testing.T) {
	t.Parallel()
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { full.Close() })
	for name, args := range map[string][]string{"lines": {"sh -c 'echo up; exec sleep 1000'"}, "help": {"--help"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			exe, err := os.Executable()
			if err != nil {
				t.Fatal(err)
			}
			link := filepath.Join(t.TempDir(), "pproc")
			if err := os.Symlink(exe, link); err != nil {
				t.Fatal(err)
			}
			var errs strings.Builder
			cmd := exec.CommandContext(t.Context(), link, args...)
			cmd.Stdout, cmd.Stderr = full, &errs
			cmd.Run() //nolint:errcheck // the status is looked at
			if got := cmd.ProcessState.ExitCode(); got != 1 || !strings.Contains(errs.String(), syscall.ENOSPC.Error()) {
				t.Errorf("got status %d, %q", got, errs.String())
			}
		})
	}
}
