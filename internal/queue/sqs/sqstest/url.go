package sqstest

import (
	"os"
	"testing"
)

// EnvURL names the variable that holds the endpoint of the emulator for tests.
const EnvURL = "DOWNBEAT_TEST_SQS_URL"

// QueueURL is the queue URL that goes with [Environ].
const QueueURL = "sqs://eu-central-1"

// URL is the endpoint of the shared emulator for tests, which may do anything
// there that leaves it clean. Without one the test is skipped.
func URL(t testing.TB) string {
	t.Helper()
	url := os.Getenv(EnvURL)
	if url == "" {
		t.Skipf("needs an SQS emulator: %s is not set; `make test`, or go run ./internal/queue/queuetest/withbrokers -- go test ./..., starts one", EnvURL)
	}
	return url
}

// Environ is what the AWS SDK has to find in the environment of a program that
// uses the emulator at the endpoint: nothing of the machine's own configuration
// counts then.
func Environ(endpoint string) []string {
	return []string{
		"AWS_ENDPOINT_URL_SQS=" + endpoint,
		"AWS_ACCESS_KEY_ID=test",
		"AWS_SECRET_ACCESS_KEY=test",
		"AWS_SESSION_TOKEN=",
		"AWS_PROFILE=",
		"AWS_CONFIG_FILE=/nonexistent",
		"AWS_SHARED_CREDENTIALS_FILE=/nonexistent",
		"AWS_EC2_METADATA_DISABLED=true",
	}
}
