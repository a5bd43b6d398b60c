package rendezvous

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"downbeat/internal/message"
	"downbeat/internal/testkit"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve listens in a directory of the test's own, and answers as ask does.
func serve(t *testing.T, ask func(context.Context, Request) (Answer, error)) (path string) {
	t.Helper()
	path = Path(t.TempDir())
	s, err := Listen(t.Context(), Options{Path: path, Ask: ask})
	testkit.Check(t, err)
	t.Cleanup(func() {
		testkit.Check(t, s.Close())
		if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the socket is left: %v", err)
		}
	})
	return path
}

// Requests and answers arrive whole.
func TestRequestsComeWhole(t *testing.T) {
	t.Parallel()
	for _, want := range []Request{
		{What: message.AskBarrier, Name: "loaded", Count: 8, Within: 1500 * time.Millisecond, Process: "server.1"},
		{What: message.AskPut, Name: "leader", Value: []byte("a\n\x00b"), Process: "server.1"},
		{What: message.AskGet, Name: "leader", Within: time.Second, Process: "server.1"},
		{What: message.AskGet, Name: "leader", Process: "server.1"},
		{What: message.AskMark, Name: "warm", Process: "server.1"},
	} {
		var got Request
		path := serve(t, func(_ context.Context, r Request) (Answer, error) {
			got = r
			return Answer{Value: []byte("x\ny")}, nil
		})
		value, err := Call(t.Context(), path, want)
		testkit.Check(t, err)
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("it was asked for %+v, and %+v has come", want, got)
		}
		if want.What == message.AskGet && string(value) != "x\ny" {
			t.Errorf("the value has come as %q", value)
		}
	}
}

// curl is what people have at hand.
func TestCurlIsEnough(t *testing.T) {
	t.Parallel()
	var asked []string
	path := serve(t, func(_ context.Context, r Request) (Answer, error) {
		asked = append(asked, fmt.Sprintf("%s %s %d %s %s %s", r.What, r.Name, r.Count, r.Within, r.Value, r.Process))
		return Answer{Value: []byte("10.0.0.1:80")}, nil
	})
	curl := func(args ...string) string {
		t.Helper()
		command := exec.CommandContext(t.Context(), "curl", append([]string{"-sS", "-w", "%{http_code}", "--unix-socket", path}, args...)...)
		command.Env = append(os.Environ(), "DOWNBEAT_PROCESS=client.3")
		out, err := command.CombinedOutput()
		if err != nil {
			t.Fatalf("curl %s: %v: %s", args, err, out)
		}
		return string(out)
	}
	for _, got := range []string{
		curl("-XPOST", "http://x/barrier/loaded?count=8&within=2s"), curl("-XPOST", "http://x/mark/warm"), curl("-XPUT", "-dhello", "http://x/value/leader"),
	} {
		if got != "204" {
			t.Errorf("curl prints %q, want a status of 204", got)
		}
	}
	if got := curl("http://x/value/leader?wait=1s"); got != "10.0.0.1:80200" {
		t.Errorf("curl prints %q, want the value and a status of 200", got)
	}
	want := "barrier loaded 8 2s  client.3, mark warm 0 0s  client.3, put leader 0 0s hello client.3, get leader 0 1s  client.3"
	if got := strings.Join(asked, ", "); got != want {
		t.Errorf("it was asked for %s\nwant %s", got, want)
	}
}

// The answer waits for its instant.
func TestAnswerComesAtItsInstant(t *testing.T) {
	t.Parallel()
	at := time.Now().Add(50 * time.Millisecond)
	path := serve(t, func(context.Context, Request) (Answer, error) { return Answer{At: at}, nil })
	_, err := Call(t.Context(), path, Request{What: message.AskBarrier, Name: "b", Count: 1})
	testkit.Check(t, err)
	if early := time.Until(at); early > 0 {
		t.Errorf("it came %s before its instant", early)
	}
}

// Each error has a status of its own, and says in words what is wrong.
func TestRefusalsAreSaid(t *testing.T) {
	t.Parallel()
	path := serve(t, func(_ context.Context, r Request) (Answer, error) {
		switch r.Name {
		case "late":
			return Answer{Err: "3 of 8 have come", TimedOut: true}, nil
		case "full":
			return Answer{Err: "there are too many"}, nil
		case "over":
			return Answer{}, ErrOver
		}
		return Answer{}, nil
	})
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}}
	for _, tt := range []struct {
		method, target, body string
		status               int
		says                 string
	}{
		{"POST", "/barrier/b", "", 400, `count is "": say how many have to come, as in ?count=8`},
		{"POST", "/barrier/b?count=x", "", 400, `count is "x"`},
		{"POST", "/barrier/b?count=0", "", 400, "a barrier for 0"},
		{"POST", "/barrier/b?count=1&within=soon", "", 400, `within is "soon": say how long, as in ?within=30s`},
		{"POST", "/barrier/b?count=1&within=-1s", "", 400, `within is "-1s"`},
		{"POST", "/barrier/a%20b?count=1", "", 400, "is not a usable name"},
		{"PUT", "/value/v", strings.Repeat("x", 2*message.MaxSyncValue), 400, "a value of 32768 bytes; at most 16384 are taken"},
		{"PUT", "/value/v", strings.Repeat("x", message.MaxSyncValue+1), 400, "a value of 16385 bytes; at most 16384 are taken"},
		{"PUT", "/value/v", strings.Repeat("x", message.MaxSyncValue), 204, ""},
		{"GET", "/value/v?wait=1", "", 400, `wait is "1"`},
		{"POST", "/barrier/late?count=8", "", 504, "3 of 8 have come"},
		{"GET", "/value/full", "", 404, "there are too many"},
		{"PUT", "/value/full", "", 409, "there are too many"},
		{"POST", "/mark/over", "", 503, "the run is over"},
		{"GET", "/barrier/b", "", 405, ""},
		{"POST", "/value/v", "", 405, ""},
		{"GET", "/", "", 404, ""},
	} {
		request, err := http.NewRequestWithContext(t.Context(), tt.method, "http://x"+tt.target, strings.NewReader(tt.body))
		testkit.Check(t, err)
		response, err := client.Do(request)
		testkit.Check(t, err)
		var body strings.Builder
		testkit.Check(t, response.Write(&body))
		testkit.Check(t, response.Body.Close())
		if response.StatusCode != tt.status || !strings.Contains(body.String(), tt.says) {
			t.Errorf("%s %s is answered with\n%s\nwant status %d, and %q", tt.method, tt.target, body.String(), tt.status, tt.says)
		}
	}
}

// A process that waits when the run ends is told so, and closing the server waits for none.
func TestEndReleasesThoseThatWait(t *testing.T) {
	t.Parallel()
	waits := make(chan struct{})
	path := Path(t.TempDir())
	s, err := Listen(t.Context(), Options{Path: path, Ask: func(ctx context.Context, _ Request) (Answer, error) {
		close(waits)
		<-ctx.Done()
		return Answer{}, ErrOver
	}})
	testkit.Check(t, err)
	ended := make(chan error, 1)
	go func() {
		_, err := Call(testkit.Context(t), path, Request{What: message.AskBarrier, Name: "b", Count: 2})
		ended <- err
	}()
	testkit.Receive(t, waits, "the request")
	testkit.Check(t, s.Close())
	if err := testkit.Receive(t, ended, "the end of the request"); err == nil {
		t.Error("the barrier is open, and only one has come")
	}
}

// Only the worker's own user can connect, and a socket that is left is replaced.
func TestSocketIsPrivateAndReplaced(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := Path(dir)
	old, err := new(net.ListenConfig).Listen(t.Context(), "unix", path)
	if err != nil {
		testkit.Check(t, os.MkdirAll(filepath.Dir(path), 0o700))
		old, err = new(net.ListenConfig).Listen(t.Context(), "unix", path)
		testkit.Check(t, err)
	}
	old.(*net.UnixListener).SetUnlinkOnClose(false)
	testkit.Check(t, old.Close())
	s, err := Listen(t.Context(), Options{Path: path})
	testkit.Check(t, err)
	defer func() { testkit.Check(t, s.Close()) }()
	info, err := os.Lstat(path)
	testkit.Check(t, err)
	if mode := info.Mode().Perm(); mode != 0o600 {
		t.Errorf("the mode of the socket is %o", mode)
	}
}

// Runs that share the directory for sockets come and go, and the last one takes it away.
func TestSharedDirectoryIsLeftByNobody(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	long := filepath.Join(t.TempDir(), strings.Repeat("d", maxPath))
	var runs sync.WaitGroup
	for i := range 8 {
		runs.Go(func() {
			for j := range 50 {
				s, err := Listen(t.Context(), Options{Path: Path(filepath.Join(long, fmt.Sprint(i, j)))})
				if err != nil {
					t.Error(err)
					return
				}
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	runs.Wait()
	if _, err := os.Lstat(elsewhere()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the directory is left: %v", err)
	}
}

// The path of a socket has a limit, and the one that is taken instead is always the same.
func TestLongPathIsReplaced(t *testing.T) {
	t.Parallel()
	short, long := "/run/d", "/"+strings.Repeat("d/", 60)
	if got := Path(short); got != "/run/d/sync" {
		t.Errorf("the path is %s", got)
	}
	if got := Path(long); len(got) > maxPath || got != Path(long) || got == Path(long+"d") {
		t.Errorf("the path is %s", got)
	}
}
