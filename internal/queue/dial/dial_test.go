package dial_test

import (
	"errors"
	"strings"
	"testing"

	"downbeat/internal/queue"
	"downbeat/internal/queue/amqp/rabbittest"
	"downbeat/internal/queue/dial"
	"downbeat/internal/queue/sqs/sqstest"
)

// Each scheme opens its implementation.
func TestOpenMem(t *testing.T) {
	t.Parallel()
	b, err := dial.Open(t.Context(), "mem:", queue.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Declare(t.Context(), queue.Spec{Name: "q"}); err != nil {
		t.Error(err)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
}

// amqp:// opens a connection to RabbitMQ.
func TestOpenAMQP(t *testing.T) {
	t.Parallel()
	b, err := dial.Open(t.Context(), rabbittest.URL(t), queue.Options{ClientName: t.Name()})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
}

// A URL that can't be opened is ErrBadURL, which says what can be, and tells
// nothing of the password.
func TestOpenBadURL(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"":                               "empty",
		"localhost":                      "no scheme",
		"localhost:5672":                 `unknown scheme "localhost"`,
		"redis://user:hidden@host":       `unknown scheme "redis"`,
		"sqs:eu-central-1":               "not followed by //",
		"sqs://eu-central-1/queue":       "sqs://REGION",
		"sqs://EU_WEST":                  "sqs://REGION",
		"sqs://key:hidden@eu-central-1":  "never from the URL",
		"amqp:host":                      "not followed by //",
		"mem:name":                       "nothing can follow mem:",
		"amqp://user:hid/den@host":       "USER:PASSWORD@HOST",
		"amqp://user:12/hidden@host":     "'#', '/' or '?' before an '@'",
		"amqp://user:12#hidden@host":     "'#', '/' or '?' before an '@'",
		"amqp://localhost?cacert=x":      `unknown parameter "cacert"; the parameters are cacertfile`,
		"amqp://user:hid%zzden@host":     "USER:PASSWORD@HOST",
		"amqp://user:hidden@host:port/":  "USER:PASSWORD@HOST",
		"amqp://user:hidden@host:99999/": "port 99999",
	} {
		b, err := dial.Open(t.Context(), url, queue.Options{})
		if b != nil || !errors.Is(err, queue.ErrBadURL) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want ErrBadURL with %q", url, err, want)
		}
		if err != nil && (strings.Contains(err.Error(), "hid") || strings.Contains(err.Error(), "den@")) {
			t.Errorf("%s: the error shows the password: %v", url, err)
		}
		if err != nil && strings.HasPrefix(want, "unknown scheme") && !strings.Contains(err.Error(), "amqps://") {
			t.Errorf("%s: the error doesn't say what is possible: %v", url, err)
		}
	}
}

// Loopback is what can be told to be from the URL alone.
func TestIsLoopback(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]bool{
		"mem:":                                true,
		"MEM:":                                true,
		"amqp://localhost":                    true,
		"amqp://LocalHost:5672/vhost":         true,
		"amqps://user:word@127.0.0.1":         true,
		"amqp://127.8.9.10:5672":              true,
		"amqp://[::1]:5672/":                  true,
		"amqp://[::ffff:127.0.0.1]/":          true,
		"amqp://":                             true, // the library's default is localhost
		"amqp://broker.example":               false,
		"amqp://localhost.example":            false,
		"amqp://localhost@broker.example":     false,
		"amqp://127.0.0.1@broker.example/":    false,
		"amqp://10.0.0.1":                     false,
		"amqp://[fe80::1]":                    false,
		"amqp://0.0.0.0":                      false,
		"amqp://127.1":                        false,
		"amqp://broker.example?heartbeat=127": false,
	} {
		got, err := dial.IsLoopback(url)
		if err != nil || got != want {
			t.Errorf("%s: got %v, %v, want %v", url, got, err, want)
		}
	}
	for _, url := range []string{"", "sqs://region/x", "amqp://host:port", "nonsense"} {
		if got, err := dial.IsLoopback(url); !errors.Is(err, queue.ErrBadURL) || got {
			t.Errorf("%q: got %v, %v, want ErrBadURL", url, got, err)
		}
	}
}

// Of sqs:// the endpoint decides, which is the AWS SDK's to name.
func TestIsLoopbackOfEndpoint(t *testing.T) {
	t.Setenv("AWS_CONFIG_FILE", "/nonexistent")
	for endpoint, want := range map[string]bool{
		"":                             false,
		"http://localhost:4566":        true,
		"http://127.0.0.1:4566":        true,
		"http://[::1]:4566":            true,
		"http://emulator:4566":         false,
		"https://localhost.example":    false,
		"https://vpce-1.amazonaws.com": false,
	} {
		for _, name := range []string{"AWS_ENDPOINT_URL_SQS", "AWS_ENDPOINT_URL"} {
			t.Run(name+"="+endpoint, func(t *testing.T) {
				t.Setenv(name, endpoint)
				got, err := dial.IsLoopback("sqs://eu-central-1")
				if err != nil || got != want {
					t.Errorf("got %v, %v, want %v", got, err, want)
				}
			})
		}
	}
}

// sqs:// alone takes the region from the AWS SDK's own configuration, and needs
// one.
func TestRegionOfEnvironment(t *testing.T) {
	for _, entry := range sqstest.Environ("http://127.0.0.1:1") {
		name, value, _ := strings.Cut(entry, "=")
		t.Setenv(name, value)
	}
	t.Setenv("AWS_REGION", "")
	if _, err := dial.Open(t.Context(), "sqs://", queue.Options{}); !errors.Is(err, queue.ErrBadURL) || !strings.Contains(err.Error(), "AWS_REGION") {
		t.Errorf("without a region: got %v, want ErrBadURL that names AWS_REGION", err)
	}
	t.Setenv("AWS_REGION", "eu-central-1")
	if _, err := dial.Open(t.Context(), "sqs://", queue.Options{}); !errors.Is(err, queue.ErrUnreachable) || !strings.Contains(err.Error(), "127.0.0.1:1") {
		t.Errorf("nobody there: got %v, want ErrUnreachable that names the endpoint", err)
	}
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	if _, err := dial.Open(t.Context(), "sqs://", queue.Options{}); !errors.Is(err, queue.ErrDenied) || !strings.Contains(err.Error(), "AWS_PROFILE") {
		t.Errorf("without credentials: got %v, want ErrDenied that says where they can come from", err)
	}
}

// sqs:// opens a broker on SQS.
func TestOpenSQS(t *testing.T) {
	t.Setenv("AWS_REGION", "")
	for _, entry := range sqstest.Environ(sqstest.URL(t)) {
		name, value, _ := strings.Cut(entry, "=")
		t.Setenv(name, value)
	}
	b, err := dial.Open(t.Context(), sqstest.QueueURL, queue.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
}

// Redact leaves no piece of a password, however the URL is broken.
func TestRedact(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"mem:":                                 "mem:",
		"amqp://host":                          "amqp://host",
		"amqp://user@host:1/v":                 "amqp://user@host:1/v",
		"amqp://user:hidden@host:1/v":          "amqp://user:xxxxx@host:1/v",
		"amqps://user:hid%40den@host?a=b":      "amqps://user:xxxxx@host?a=b",
		"amqp://user:hid/den@host":             "amqp:(unreadable URL)",
		"amqp://user:12#den@host":              "amqp:(unreadable URL)",
		"amqp://user:12/hid?den@host":          "amqp:(unreadable URL)",
		"amqp://user:hid@den@host/":            "amqp:(unreadable URL)",
		"amqp://us@er:hid/den@host":            "amqp:(unreadable URL)",
		"amqp://user:hid%zzden@host":           "amqp:(unreadable URL)",
		"amqp://user:hidden@host:port":         "amqp:(unreadable URL)",
		"user:hidden@host":                     "(unreadable URL)",
		"hid/den:x@y":                          "(unreadable URL)",
		"amqp://user:hidden@host/v#hidden@den": "amqp:(unreadable URL)",
		"sqs://eu-central-1":                   "sqs://eu-central-1",
		"sqs://key:hidden@eu-central-1":        "sqs://key:xxxxx@eu-central-1",
		"sqs://key:hid/den@eu-central-1":       "sqs:(unreadable URL)",
	} {
		if got := dial.Redact(url); got != want {
			t.Errorf("%s: got %s, want %s", url, got, want)
		}
	}
}
