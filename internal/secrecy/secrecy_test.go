package secrecy

import (
	"slices"
	"testing"
)

// A program under test gets the environment without our configuration and without
// the credentials of the queue, but for what was named.
func TestConfigurationAndCredentialsAreNotPassedOn(t *testing.T) {
	t.Parallel()
	environ := []string{
		"PATH=/bin", "DOWNBEAT_QUEUE_URL=amqp://u:p@h/", "AWS_SECRET_ACCESS_KEY=k", "AWS_REGION=eu-west-1", "MY_AWS_KEY=x", "DOWNBEAT_HOST=a",
		"AWSOME=y", "EMPTY=",
	}
	got := Environ(environ, []string{"AWS_REGION", "NOT_THERE"})
	if want := []string{"PATH=/bin", "AWS_REGION=eu-west-1", "MY_AWS_KEY=x", "AWSOME=y", "EMPTY="}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Of the environment's block only the values of secrets change, and no length.
func TestSecretsInTheBlockAreMasked(t *testing.T) {
	t.Parallel()
	block := "A=b\x00DOWNBEAT_QUEUE_URL=amqp://\xff=\x00DOWNBEAT_HOST=alpha\x00AWS_X=\x00noequals\x00DOWNBEAT_QUEUE=äx"
	want := "A=b\x00DOWNBEAT_QUEUE_URL=*********\x00DOWNBEAT_HOST=alpha\x00AWS_X=\x00noequals\x00DOWNBEAT_QUEUE=***"
	if got := string(hidden([]byte(block))); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
