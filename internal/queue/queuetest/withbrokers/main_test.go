package main

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"downbeat/internal/queue/amqp/rabbittest"
	"downbeat/internal/queue/sqs/sqstest"
	"downbeat/internal/testkit"
)

// TestMain lets the test binary be the program.
func TestMain(m *testing.M) {
	if os.Getenv("WITHBROKERS_TEST") != "" {
		main()
	}
	os.Exit(m.Run())
}

// program is the program where brokers are there already.
func program(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Env = append(os.Environ(), "WITHBROKERS_TEST=1", rabbittest.EnvURL+"=amqp://there", sqstest.EnvURL+"=http://there")
	return cmd
}

// The exit status is the command's, or that of the line which runs meanwhile.
func TestExitStatus(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		args   []string
		status int
		stdout string
	}{
		{[]string{"--", "sh", "-c", "echo $" + rabbittest.EnvURL + "; exit 4"}, 4, "amqp://there\n"},
		{[]string{"sh", "-c", "kill -KILL $$"}, 128 + 9, ""},
		{[]string{"/nonexistent"}, 127, ""},
		{[]string{}, 2, ""},
		{[]string{"--quickly", "--", "true"}, 2, ""},
		{[]string{"--meanwhile", "echo beside", "--", "echo", "command"}, 0, "command\nbeside\n"},
		{[]string{"--meanwhile", "exit 5", "--", "true"}, 5, ""},
		{[]string{"--meanwhile", "echo beside; exit 5", "--", "sh", "-c", "exit 4"}, 4, "beside\n"},
	} {
		cmd := program(t, test.args...)
		out, _ := cmd.Output() // the status is looked at
		if got := cmd.ProcessState.ExitCode(); got != test.status || string(out) != test.stdout {
			t.Errorf("%q: status %d and %q, want %d and %q", test.args, got, out, test.status, test.stdout)
		}
	}
}

// What is printed meanwhile does not come between the command's lines, even if it is earlier.
func TestWhatIsPrintedMeanwhileComesAfterTheCommandsLines(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cmd := program(t, "--meanwhile", "echo beside; touch "+dir+"/printed", "--", "sh", "-c", "until [ -e "+dir+"/printed ]; do sleep 0.01; done; echo command")
	out, err := cmd.Output()
	if err != nil || string(out) != "command\nbeside\n" {
		t.Errorf("got %q, %v", out, err)
	}
}

// A signal ends both.
func TestSignalsReachBoth(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cmd := program(t, "--meanwhile", "trap 'echo beside has ended; exit' TERM; touch "+dir+"/up; while :; do sleep 0.01; done",
		"--", "sh", "-c", "trap 'echo command has ended; exit 7' TERM; until [ -e "+dir+"/up ]; do sleep 0.01; done; echo up; while :; do sleep 0.01; done")
	var stdout testkit.Buffer
	cmd.Stdout = &stdout
	testkit.Check(t, cmd.Start())
	testkit.WaitFor(t, "the command is up", func() bool { return stdout.Has("up\n") })
	testkit.Check(t, cmd.Process.Signal(syscall.SIGTERM))
	_ = cmd.Wait() // the status is looked at
	if got := cmd.ProcessState.ExitCode(); got != 7 || !strings.HasSuffix(stdout.String(), "command has ended\nbeside has ended\n") {
		t.Errorf("status %d and %q", got, stdout.String())
	}
}
