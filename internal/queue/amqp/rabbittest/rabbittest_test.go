package rabbittest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"downbeat/internal/queue/amqp/rabbittest"
	"downbeat/internal/testkit"
)

// TestMain lets the test binary be a process that starts a node and waits to be
// killed.
func TestMain(m *testing.M) {
	if dir := os.Getenv("RABBITTEST_CHILD"); dir != "" {
		child(dir)
	}
	os.Exit(m.Run())
}

func child(dir string) {
	if _, err := rabbittest.Start(context.Background(), dir); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("up")
	select {}
}

// mentioning lists the processes whose command line or environment names dir:
// the node's own and all its helpers.
func mentioning(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Skip("needs /proc to find the node's processes")
	}
	var found []string
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		environ, _ := os.ReadFile(filepath.Join("/proc", e.Name(), "environ"))
		cmdline, _ := os.ReadFile(filepath.Join("/proc", e.Name(), "cmdline"))
		if bytes.Contains(environ, []byte(dir)) || bytes.Contains(cmdline, []byte(dir)) {
			found = append(found, fmt.Sprintf("%d %s", pid, bytes.ReplaceAll(cmdline, []byte{0}, []byte(" "))))
		}
	}
	return found
}

// A directory without a RabbitMQ is refused, with its name and what makes one.
func TestADirectoryWithoutRabbitMQIsRefused(t *testing.T) {
	dir, root := t.TempDir(), t.TempDir()
	t.Setenv(rabbittest.EnvRoot, root)
	_, err := rabbittest.Start(t.Context(), dir)
	if err == nil || !strings.Contains(err.Error(), root) || !strings.Contains(err.Error(), "scripts/debian") {
		t.Errorf("got %v, want an error with %s and the script", err, root)
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("%v is left in the node's directory", left)
	}
}

// A node is gone with all its helpers and files after Stop, and when the process
// that started it is killed.
func TestNothingIsLeft(t *testing.T) {
	t.Parallel()
	rabbittest.NeedServer(t)
	dir := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), "RABBITTEST_CHILD="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line := make([]byte, 200)
	n, _ := out.Read(line)
	if got := strings.TrimSpace(string(line[:n])); got != "up" {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		t.Fatal(got)
	}
	if got := mentioning(t, dir); len(got) < 3 { // epmd, the node, erl_child_setup ...
		t.Errorf("found only %q", got)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Error(err)
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Errorf("the child ended with %v, want to see it killed", err)
	}
	var left []string
	defer func() {
		if t.Failed() {
			t.Logf("left: %q", left)
		}
	}()
	testkit.WaitFor(t, "no process is left", func() bool { left = mentioning(t, dir); return len(left) == 0 })
	testkit.WaitFor(t, "no file is left", func() bool {
		entries, err := os.ReadDir(dir)
		return err == nil && len(entries) == 0
	})
}
