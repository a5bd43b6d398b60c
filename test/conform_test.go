package test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"downbeat/internal/conform"
	"downbeat/internal/queue/amqp/rabbittest"
	"downbeat/internal/testkit"
)

// examined is what the kit finds out about a command, and the kit's exit status. Its
// directories are made in a directory of the test's own, where nothing may be left.
func examined(t *testing.T, args ...string) ([]conform.Result, int) {
	t.Helper()
	scratch := t.TempDir()
	cmd := exec.CommandContext(t.Context(), filepath.Join(programs, "downbeat-conform"), args...)
	cmd.Env = append(os.Environ(), "DOWNBEAT_QUEUE_URL="+rabbittest.URL(t), "TMPDIR="+scratch)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	var told struct {
		Cases []conform.Result `json:"cases"`
	}
	if jsonErr := json.Unmarshal(out, &told); jsonErr != nil {
		t.Fatalf("%v: %v\n%s%s", err, jsonErr, out, &stderr)
	}
	left, err := os.ReadDir(scratch)
	if err != nil || len(left) > 0 {
		t.Errorf("%d entries were left in the directory for temporary files (%v)", len(left), err)
	}
	return told.Cases, cmd.ProcessState.ExitCode()
}

// Our own worker and publisher pass every case for those who write one.
func TestOurProgramsConform(t *testing.T) {
	t.Parallel()
	for role, command := range map[conform.Role][]string{
		conform.Worker:    {filepath.Join(programs, "worker")},
		conform.Publisher: {filepath.Join(programs, "publish"), "{file}"},
	} {
		t.Run(string(role), func(t *testing.T) {
			t.Parallel()
			results, status := examined(t, append([]string{string(role), "--json", "--timeout=60s", "--"}, command...)...)
			if want := len(conform.Cases(role)); len(results) != want || status != 0 {
				t.Errorf("%d cases were played and the exit status is %d, want %d and 0", len(results), status, want)
			}
			for i := range results {
				if r := &results[i]; r.Outcome != conform.OK {
					var text strings.Builder
					r.WriteText(&text)
					t.Error(text.String())
				}
			}
		})
	}
}

// A program that does nothing right is told so, and with a list of what is known to
// fail it is not.
func TestAProgramThatDoesNothingFails(t *testing.T) {
	t.Parallel()
	known := filepath.Join(t.TempDir(), "known")
	if err := os.WriteFile(known, []byte("# both\nplain\nno-worker # as well\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		command, flag string
		status        int
		outcomes      map[string]conform.Outcome
	}{
		"status 3":             {"exit 3", "--seed=2", 1, map[string]conform.Outcome{"plain": conform.Failed, "no-worker": conform.Failed}},
		"status 3, as it does": {"exit 3", "--known-failures=" + known, 0, map[string]conform.Outcome{"plain": conform.Known, "no-worker": conform.Known}},
	} {
		results, status := examined(t, "publisher", "--json", test.flag, "--case=plain", "--case=no-worker", "--", "sh", "-c", test.command)
		if status != test.status {
			t.Errorf("%s: the exit status is %d, want %d", name, status, test.status)
		}
		for _, r := range results {
			if r.Outcome != test.outcomes[r.Name] {
				t.Errorf("%s: %s is %s, want %s", name, r.Name, r.Outcome, test.outcomes[r.Name])
			}
		}
	}
}

// A case that a publisher has no use for is skipped, which says why.
func TestACaseIsSkipped(t *testing.T) {
	t.Parallel()
	results, status := examined(t, "publisher", "--json", "--case=collect", "--", "sh", "-c", "exit 2")
	if len(results) != 1 || results[0].Outcome != conform.Skipped || results[0].Reason != "its job doesn't ask for files" || status != 0 {
		t.Errorf("got %+v and status %d, want the case to be skipped, as its job doesn't ask for files", results, status)
	}
}

// SIGINT ends the examination, and nothing is left of it.
func TestAnExaminationIsInterrupted(t *testing.T) {
	t.Parallel()
	broker, scratch := rabbittest.URL(t), t.TempDir()
	cmd := exec.CommandContext(t.Context(), filepath.Join(programs, "downbeat-conform"), "worker", "--", filepath.Join(programs, "worker"))
	cmd.Env = append(os.Environ(), "DOWNBEAT_QUEUE_URL="+broker, "TMPDIR="+scratch)
	var out testkit.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	testkit.Check(t, cmd.Start())
	testkit.WaitFor(t, "a case is over", func() bool { return out.Has(" ok\n") })
	testkit.Check(t, cmd.Process.Signal(os.Interrupt))
	_ = cmd.Wait() // the status is looked at
	if got := cmd.ProcessState.ExitCode(); got != 130 || out.Has("FAILED") {
		t.Errorf("the exit status is %d, want 130, and no case that failed:\n%s", got, out.String())
	}
	left, err := os.ReadDir(scratch)
	if err != nil || len(left) > 0 {
		t.Errorf("%d entries were left in the directory for temporary files (%v)", len(left), err)
	}
}

// A mistake in the command line, or a broker that is not there, is told before anything is
// started.
func TestConformUsage(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		args   []string
		status int
		says   string
	}{
		{[]string{}, 2, "worker or publisher"},
		{[]string{"worker"}, 2, "there is no command: downbeat-conform worker -- COMMAND ... {host}"},
		{[]string{"worker", "--", "true"}, 2, "give --queue URL"},
		{[]string{"worker", "--queue=mem:", "--", "true"}, 2, "the kit needs a RabbitMQ"},
		{[]string{"worker", "--queue=amqp://user:hidden@127.0.0.1:1/", "--", "true"}, 3, "127.0.0.1:1"},
		{[]string{"worker", "--case=levitation", "--", "true"}, 2, `there is no case "levitation" for a worker`},
		{[]string{"worker", "--known-failures=/nonexistent", "--", "true"}, 2, "/nonexistent"},
		{[]string{"worker", "--queue=amqp://localhost", "--", "/nonexistent/program"}, 2, "/nonexistent/program"},
		{[]string{"worker", "--parallel=0", "--queue=amqp://localhost", "--", "true"}, 2, "--parallel is 0"},
		{[]string{"worker", "--list"}, 0, "lossy"},
	} {
		cmd := exec.CommandContext(t.Context(), filepath.Join(programs, "downbeat-conform"), test.args...)
		cmd.Env = append(os.Environ(), "DOWNBEAT_QUEUE_URL=")
		out, _ := cmd.CombinedOutput() // the status is looked at
		if got := cmd.ProcessState.ExitCode(); got != test.status || !strings.Contains(string(out), test.says) || strings.Contains(string(out), "hidden") {
			t.Errorf("%q: status %d and %q, want %d and %q", test.args, got, out, test.status, test.says)
		}
	}
}
