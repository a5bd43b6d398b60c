package main

import (
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"downbeat/internal/runner"
)

func TestMain(m *testing.M) {
	if runner.GuardMain(os.Args) {
		return
	}
	goleak.VerifyTestMain(m)
}

// listen plays systemd; the function that it returns receives the next message.
func listen(t *testing.T) (next func() string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	t.Setenv("NOTIFY_SOCKET", path)
	return func() string {
		t.Helper()
		if err := conn.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		buffer := make([]byte, 4096)
		n, err := conn.Read(buffer)
		if err != nil {
			t.Fatalf("systemd heard nothing: %v", err)
		}
		return string(buffer[:n])
	}
}

// await returns the first message that begins so.
func await(next func() string, prefix string) string {
	for {
		if message := next(); strings.HasPrefix(message, prefix) {
			return message
		}
	}
}

// TestServiceStartsWithoutItsBroker: a worker whose broker isn't there yet
// counts as started, says what it waits for, and feeds the watchdog.
func TestServiceStartsWithoutItsBroker(t *testing.T) {
	next := listen(t)
	t.Setenv("WATCHDOG_USEC", "30000")
	t.Setenv("WATCHDOG_PID", strconv.Itoa(os.Getpid()))
	t.Setenv("DOWNBEAT_QUEUE_URL", "amqp://user:secret@127.0.0.1:1/")
	t.Setenv("DOWNBEAT_STATE_DIR", t.TempDir())
	c, err := configure()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- c.serve(ctx, io.Discard) }()

	ready := await(next, "READY=1")
	await(next, "WATCHDOG=1")
	await(next, "WATCHDOG=1")
	cancel()

	if err := <-ended; err != nil {
		t.Errorf("serve: %v", err)
	}
	if want := "READY=1\nSTATUS=waiting for the queue at amqp://user:xxxxx@127.0.0.1:1/"; ready != want {
		t.Errorf("systemd was told %q, want %q", ready, want)
	}
	for _, name := range []string{"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"} {
		if value, ok := os.LookupEnv(name); ok {
			t.Errorf("%s=%s is left for the processes of experiments", name, value)
		}
	}
}

// TestWatchdogIsFedOnlyWhileAllIsAlive: what hangs keeps the watchdog from being fed.
func TestWatchdogIsFedOnlyWhileAllIsAlive(t *testing.T) {
	next := listen(t)
	t.Setenv("WATCHDOG_USEC", "3000")
	s := newSystemd(nil)
	asked, answer := make(chan struct{}), make(chan struct{})
	stop := s.watch(func() {
		asked <- struct{}{}
		<-answer
	})
	<-asked
	s.ready("up")
	first := next()
	answer <- struct{}{}
	second := next()
	<-asked
	close(answer)
	go func() {
		for range asked {
		}
	}()
	stop()
	close(asked)
	if first != "READY=1\nSTATUS=up" || second != "WATCHDOG=1" {
		t.Errorf("systemd heard %q, then %q: the watchdog was fed while something hung", first, second)
	}
}

// TestWatchdogOfAnotherProcess: an inherited watchdog is somebody else's to feed.
//
//nolint:paralleltest // it sets the environment
func TestWatchdogOfAnotherProcess(t *testing.T) {
	for _, test := range []struct {
		usec, pid string
		want      time.Duration
	}{
		{"", "", 0},
		{"3000000", "", 3 * time.Second},
		{"3000000", strconv.Itoa(os.Getpid()), 3 * time.Second},
		{"3000000", "1", 0},
		{"soon", "", 0},
	} {
		t.Setenv("WATCHDOG_USEC", test.usec)
		t.Setenv("WATCHDOG_PID", test.pid)
		if got := watchdog(); got != test.want {
			t.Errorf("WATCHDOG_USEC=%q WATCHDOG_PID=%q: a word every %s, want %s", test.usec, test.pid, got, test.want)
		}
	}
}

// TestWithoutSystemd: without systemd nothing is sent.
func TestWithoutSystemd(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	s := newSystemd(nil)
	s.ready("up")
	s.watch(func() { t.Error("asked for nobody") })()
	s.stopping("down")
}
