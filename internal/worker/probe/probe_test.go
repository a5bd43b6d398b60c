package probe

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"downbeat/internal/message"
	"downbeat/internal/runner"
	"downbeat/internal/testkit"
)

// testRunner is the runner that all tests share: a program has one.
var testRunner *runner.Runner

func TestMain(m *testing.M) { goleak.VerifyTestMain(suite{m}) }

// suite has the runner closed before it is looked for what was left running.
type suite struct{ m *testing.M }

func (s suite) Run() int {
	var err error
	if testRunner, err = runner.New(runner.Options{}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := s.m.Run()
	if err := testRunner.Close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// newProbe makes a probe whose process would run in a directory of its own.
func newProbe(t *testing.T, r message.Readiness) *Probe {
	t.Helper()
	r.EveryMS = 1
	dir := t.TempDir()
	return &Probe{
		Readiness: r, Dir: dir, Runner: testRunner, Mark: []string{"DOWNBEAT_PROBE=" + t.Name()},
		Command: runner.Command{Name: "server.0", Argv: []string{"server"}, Dir: dir, Env: []string{"PATH=/usr/bin:/bin", "COLOUR=blue"}},
	}
}

// found waits for the end of a probe that finds nothing, once it has looked.
func found(t *testing.T, p *Probe) string {
	t.Helper()
	if err := p.look(t.Context()); err == nil {
		t.Fatalf("it is ready: %s is there", &p.Readiness)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	err := p.Wait(ctx)
	if err == nil {
		t.Fatalf("it is ready: %s is there", &p.Readiness)
	}
	return err.Error()
}

func listen(t *testing.T) (net.Listener, int) {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.7.1:0")
	testkit.Check(t, err)
	return l, l.Addr().(*net.TCPAddr).Port
}

func TestPortIsReadyOnceItAccepts(t *testing.T) {
	t.Parallel()
	l, port := listen(t)
	testkit.Check(t, l.Close())
	p := newProbe(t, message.Readiness{Port: port, Address: "127.0.7.1"})
	if err := found(t, p); !strings.Contains(err, "refused") {
		t.Errorf("of a port on which nobody listens it is said: %s", err)
	}
	ready := make(chan error, 1)
	go func() { ready <- p.Wait(testkit.Context(t)) }()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", net.JoinHostPort("127.0.7.1", strconv.Itoa(port)))
	testkit.Check(t, err)
	defer func() { testkit.Check(t, l.Close()) }()
	testkit.Check(t, testkit.Receive(t, ready, "the port"))
}

func TestURLIsReadyOnceItAnswersWithTheStatus(t *testing.T) {
	t.Parallel()
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if asked++; asked < 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer server.Close()
	testkit.Check(t, newProbe(t, message.Readiness{HTTP: server.URL}).Wait(testkit.Context(t)))
	if asked != 3 {
		t.Errorf("it was ready after %d requests, and 3 were needed", asked)
	}
	if err := found(t, newProbe(t, message.Readiness{HTTP: server.URL, Status: 204})); err != "it was answered with status 200" {
		t.Errorf("of another status it is said: %s", err)
	}
}

// A redirection is an answer of its own.
func TestRedirectionIsNotFollowed(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.RedirectHandler("http://127.0.0.1:1/", http.StatusFound))
	defer server.Close()
	testkit.Check(t, newProbe(t, message.Readiness{HTTP: server.URL, Status: 302}).Wait(testkit.Context(t)))
}

// The environment of the worker's own says nothing about the processes.
func TestNoProxyIsAsked(t *testing.T) {
	t.Parallel()
	request := &http.Request{URL: &url.URL{Scheme: "http", Host: "example.org"}}
	if proxy := client.Transport.(*http.Transport).Proxy; proxy != nil {
		t.Errorf("a proxy is asked for %s", request.URL)
	}
}

func TestFileIsReadyOnceItIsThere(t *testing.T) {
	t.Parallel()
	p := newProbe(t, message.Readiness{File: "up"})
	if err := found(t, p); err != "no such file or directory" {
		t.Errorf("of a missing file it is said: %s", err)
	}
	path := filepath.Join(p.Dir, "up")
	testkit.Check(t, os.WriteFile(path, nil, 0o600))
	testkit.Check(t, p.Wait(testkit.Context(t)))
	testkit.Check(t, newProbe(t, message.Readiness{File: path}).Wait(testkit.Context(t)))
}

// The command runs where the process does, and with its environment.
func TestCommandIsReadyOnceItSucceeds(t *testing.T) {
	t.Parallel()
	p := newProbe(t, message.Readiness{Run: []string{"sh", "-c", `test "$COLOUR" = blue && test -e up`}})
	if err := found(t, p); err != "it exited with status 1" {
		t.Errorf("of a command that fails it is said: %s", err)
	}
	testkit.Check(t, os.WriteFile(filepath.Join(p.Dir, "up"), nil, 0o600))
	testkit.Check(t, p.Wait(testkit.Context(t)))
}

func TestCommandThatFailsIsQuoted(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		run  []string
		want string
	}{
		{[]string{"sh", "-c", "echo not yet >&2; exit 3"}, `it exited with status 3; its last words: "not yet"`},
		{[]string{"sh", "-c", "kill -KILL $$"}, "it was ended by SIGKILL"},
		{[]string{"there-is-no-such-program"}, "not found"},
	} {
		if err := found(t, newProbe(t, message.Readiness{Run: tt.run})); !strings.Contains(err, tt.want) {
			t.Errorf("%s: it is said: %s, want %s", tt.run, err, tt.want)
		}
	}
}

// A command that hangs, and what it has started, is gone when the probe ends.
func TestCommandThatHangsIsEnded(t *testing.T) {
	t.Parallel()
	p := newProbe(t, message.Readiness{Run: []string{"sh", "-c", "sleep 1000 & echo $! > pid; wait"}})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- p.Wait(ctx) }()
	pid := 0
	testkit.WaitFor(t, "the command to begin", func() bool {
		text, err := os.ReadFile(filepath.Join(p.Dir, "pid"))
		pid, _ = strconv.Atoi(strings.TrimSpace(string(text)))
		return err == nil && pid > 0
	})
	cancel()
	if err := testkit.Receive(t, ended, "the end of the probe"); err == nil {
		t.Error("a command that hangs is taken for a success")
	}
	if process, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)); err == nil && strings.HasPrefix(string(process), "sleep") {
		t.Errorf("process %d is left", pid)
	}
}

// Lines are found however they are cut into pieces.
func TestLinesAreFoundInPieces(t *testing.T) {
	t.Parallel()
	text := "starting\nready to serve\r\nnot ready\n\nready to serve"
	for size := 1; size <= len(text); size++ {
		l, n := NewLines("^ready to serve$"), 0
		for i := 0; i < len(text); i += size {
			n += l.Feed([]byte(text[i:min(i+size, len(text))]))
		}
		if n != 1 {
			t.Fatalf("in pieces of %d bytes %d lines match, want 1", size, n)
		}
		if !l.Close() {
			t.Fatalf("in pieces of %d bytes the last line does not match", size)
		}
	}
}

// A line without an end takes no more memory than what is looked at.
func TestLongLineIsCut(t *testing.T) {
	t.Parallel()
	l := NewLines("^a*b?$")
	for range 100 {
		if l.Feed([]byte(strings.Repeat("a", maxLine/3))) != 0 {
			t.Fatal("a line that has not ended matches")
		}
	}
	if cap(l.begun) > 2*maxLine {
		t.Errorf("%d bytes are kept", cap(l.begun))
	}
	if l.Feed([]byte("c\nab\n")) != 2 {
		t.Error("the beginning of a long line, and the line after it, do not match")
	}
}
