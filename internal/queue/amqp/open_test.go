package amqp_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"downbeat/internal/queue"
	"downbeat/internal/queue/amqp"
	"downbeat/internal/queue/amqp/rabbittest"
	"downbeat/internal/testkit"
)

// refusal opens the URL, which has to fail with this error, say where and as whom,
// and keep the password to itself.
func refusal(t *testing.T, rawURL string, want error, words ...string) {
	t.Helper()
	b, err := amqp.Open(testkit.Context(t), rawURL, queue.Options{})
	if b != nil {
		_ = b.Close()
	}
	if !errors.Is(err, want) {
		t.Errorf("%s: got %v, want %v", rawURL, err, want)
		return
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("%s: %q doesn't say %q", rawURL, err, word)
		}
	}
	if strings.Contains(err.Error(), "hidden") {
		t.Errorf("%s: the error shows the password: %v", rawURL, err)
	}
}

// with returns the URL with another user, password and vhost.
func with(t *testing.T, rawURL, user, password, vhost string) string {
	t.Helper()
	u, err := url.Parse(rawURL)
	must(t, err)
	u.User, u.Path = url.UserPassword(user, password), "/"+vhost
	return u.String()
}

// server serves every connection with f until the test ends, and returns its
// address.
func server(t *testing.T, f func(net.Conn)) string {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	must(t, err)
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer func() { _ = conn.Close() }()
				f(conn)
			})
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		wg.Wait()
	})
	return listener.Addr().String()
}

// Where nobody listens the broker is unreachable.
func TestOpenNobodyThere(t *testing.T) {
	t.Parallel()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	must(t, err)
	address := listener.Addr().String()
	_ = listener.Close()
	refusal(t, "amqp://user:hidden@"+address, queue.ErrUnreachable, address, "refused", "check")
}

// A server that does not speak AMQP is not a broker.
func TestOpenNoBroker(t *testing.T) {
	t.Parallel()
	for what, f := range map[string]func(net.Conn){
		"another protocol": func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n\r\n") },
		"hangs up":         func(net.Conn) {},
		"another version":  func(c net.Conn) { _, _ = io.WriteString(c, "AMQP\x00\x01\x00\x00") },
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			address := server(t, f)
			refusal(t, "amqp://user:hidden@"+address, queue.ErrUnreachable, address, "AMQP")
			refusal(t, "amqps://user:hidden@"+address, queue.ErrUnreachable, address, "TLS")
		})
	}
}

// A server that takes the connection and says nothing is waited for as long as the
// context allows.
func TestOpenSilence(t *testing.T) {
	t.Parallel()
	address := server(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
	for _, scheme := range []string{"amqp", "amqps"} {
		ctx := within(t, 50*time.Millisecond)
		b, err := amqp.Open(ctx, scheme+"://"+address, queue.Options{})
		if b != nil || !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), address) {
			t.Errorf("%s: got %v, want the context's error, and where", scheme, err)
		}
	}
}

// A broker that refuses us is told from one that isn't there.
func TestOpenDenied(t *testing.T) {
	t.Parallel()
	raw := rabbittest.URL(t)
	u, err := url.Parse(raw)
	must(t, err)
	refusal(t, with(t, raw, "guest", "hidden", ""), queue.ErrDenied, u.Host, `"guest"`, "password")
	refusal(t, with(t, raw, "nobody", "hidden", ""), queue.ErrDenied, u.Host, `"nobody"`, "password")
	refusal(t, with(t, raw, "guest", "guest", "nowhere"), queue.ErrDenied, u.Host, `"guest"`, `"nowhere"`)
}

// A URL or file that can't be used is found before anybody is asked.
func TestOpenBadURL(t *testing.T) {
	t.Parallel()
	missing := filepath.Join(t.TempDir(), "missing.pem")
	empty := filepath.Join(t.TempDir(), "empty.pem")
	must(t, os.WriteFile(empty, nil, 0o600))
	for rawURL, word := range map[string]string{
		"http://user:hidden@localhost":                              "amqp://",
		"amqp://user:hidden@localhost:0":                            "port 0",
		"amqp://user:hidden@localhost?certfile=x":                   "amqps://",
		"amqps://user:hidden@localhost?cacertfile=" + missing:       missing,
		"amqps://user:hidden@localhost?cacertfile=" + empty:         "no certificate",
		"amqps://user:hidden@localhost?certfile=" + empty:           "go together",
		"amqps://user:hidden@localhost?keyfile=" + empty:            "go together",
		"amqps://localhost?keyfile=" + empty + "&certfile=" + empty: "certfile and keyfile",
		"amqp://user:hidden@localhost?heartbeat=0":                  "heartbeat",
		"amqp://user:hidden@localhost?heartbeat=soon":               "parameter",
		"amqp://user:hidden@localhost?auth_mechanism=magic":         "auth_mechanism",
		"amqp://user:hidden@localhost?verify=verify_none":           "cacertfile",
	} {
		refusal(t, rawURL, queue.ErrBadURL, word)
	}
}

// A context that has ended opens nothing.
func TestOpenEndedContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if b, err := amqp.Open(ctx, rabbittest.URL(t), queue.Options{}); b != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the context's error", err)
	}
}

// A broker that closes the connection during the handshake has not refused a
// password: it may be starting, and is worth another try.
func TestOpenHungUpOn(t *testing.T) {
	t.Parallel()
	for what, test := range map[string]struct {
		after int64 // bytes from the broker
		says  string
	}{
		"at once":              {0, "before it had sent any"},
		"when it is logged in": {1, "while user \"guest\" was logging in"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			raw := rabbittest.URL(t)
			address := server(t, func(c net.Conn) { cutShort(t, c, raw, test.after) })
			rawURL := strings.Replace(with(t, raw, "guest", "hidden", ""), hostOf(t, raw), address, 1)
			refusal(t, rawURL, queue.ErrUnreachable, address, test.says, "may still be starting")
			refusal(t, rawURL, queue.ErrHungUp)
		})
	}
}

// cutShort passes the broker's first word on, if after is not 0, and hangs up on the
// client's answer to it.
func cutShort(t *testing.T, client net.Conn, rawURL string, after int64) {
	greeting := make([]byte, 8) // AMQP and the version
	if _, err := io.ReadFull(client, greeting); err != nil || after == 0 {
		return
	}
	broker, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", hostOf(t, rawURL))
	if err != nil {
		return
	}
	defer func() { _ = broker.Close() }()
	_, _ = broker.Write(greeting)
	word := make([]byte, 64<<10)
	n, _ := broker.Read(word)
	_, _ = client.Write(word[:n])
	_, _ = client.Read(word)
}

func hostOf(t *testing.T, rawURL string) string {
	t.Helper()
	u, err := url.Parse(rawURL)
	must(t, err)
	return u.Host
}

// However long the client's name is, the handshake stays within what a broker
// reads before it knows who is there.
func TestOpenLongName(t *testing.T) {
	t.Parallel()
	name := strings.Repeat("host-with-a-long-name,", 1000)
	b, err := amqp.Open(testkit.Context(t), rabbittest.URL(t), queue.Options{ClientName: name, Log: logger(t)})
	must(t, err)
	must(t, b.Close())
}
