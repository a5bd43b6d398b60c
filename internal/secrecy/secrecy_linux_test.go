package secrecy

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "hide" {
		fmt.Println(Hide(), os.Getenv("AWS_SECRET_ACCESS_KEY"))
		_, _ = io.Copy(io.Discard, os.Stdin) // until the test has seen enough
		return
	}
	os.Exit(m.Run())
}

// nobody is a user who is not root.
const nobody = 65534

// as has a command run by a user who is not root.
func as(cmd *exec.Cmd) *exec.Cmd {
	if os.Geteuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	return cmd
}

// A program that has hidden goes on with its own environment. Others of the same
// user can't read that or its memory; and root sees no secret in it.
func TestOthersOfTheSameUserSeeNothing(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "secrecy") //nolint:usetesting // that of the test is for root alone
	check(t, err)
	t.Cleanup(func() { check(t, os.RemoveAll(dir)) })
	check(t, os.Chmod(dir, 0o755))
	program := filepath.Join(dir, "program")
	data, err := os.ReadFile("/proc/self/exe")
	check(t, err)
	check(t, os.WriteFile(program, data, 0o600))
	check(t, os.Chmod(program, 0o755))

	cmd := as(exec.CommandContext(t.Context(), program, "hide"))
	cmd.Env = []string{"A=1", "AWS_SECRET_ACCESS_KEY=hush", "DOWNBEAT_QUEUE_URL=amqp://u:hush@h/", "DOWNBEAT_RUN=01"}
	in, err := cmd.StdinPipe()
	check(t, err)
	out, err := cmd.StdoutPipe()
	check(t, err)
	check(t, cmd.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	check(t, err)
	if line != "<nil> hush\n" {
		t.Errorf("the program says %q, want no error and its own variable", line)
	}
	for _, file := range []string{"environ", "mem"} {
		path := fmt.Sprintf("/proc/%d/%s", cmd.Process.Pid, file)
		if got, err := as(exec.CommandContext(t.Context(), "head", "-c", "1", path)).Output(); err == nil {
			t.Errorf("another of the user reads %q of %s", got, file)
		}
	}
	if os.Geteuid() == 0 {
		got, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", cmd.Process.Pid))
		check(t, err)
		if text := string(got); strings.Contains(text, "hush") || !strings.Contains(text, "A=1\x00AWS_SECRET_ACCESS_KEY=****\x00") || !strings.Contains(text, "DOWNBEAT_RUN=01") {
			t.Errorf("root sees %q", text)
		}
	}
	check(t, in.Close())
	check(t, cmd.Wait())
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
