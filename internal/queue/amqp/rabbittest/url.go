package rabbittest

import (
	"os"
	"testing"
)

// EnvURL names the variable that holds the URL of the broker for tests.
const EnvURL = "DOWNBEAT_TEST_AMQP_URL"

// URL is that of the shared broker for tests, which must leave it running and clean. Without
// one the test is skipped.
func URL(t testing.TB) string {
	t.Helper()
	url := os.Getenv(EnvURL)
	if url == "" {
		t.Skipf("needs RabbitMQ: %s is not set; `make test`, or go run ./internal/queue/queuetest/withbrokers -- go test ./..., starts one", EnvURL)
	}
	return url
}

// NeedServer skips the test unless a node of its own can be started: it takes
// more than a URL.
func NeedServer(t testing.TB) {
	t.Helper()
	URL(t) // without a shared RabbitMQ, none should be started either
	for _, name := range []string{"rabbitmq-server", "rabbitmqctl", "epmd"} {
		if _, err := tool(os.Getenv(EnvRoot), name); err != nil {
			t.Skipf("needs a RabbitMQ node of its own: %v", err)
		}
	}
}
