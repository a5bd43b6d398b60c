package test

import (
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/creack/pty"
)

// onTerminal runs a program of the cluster to its end on a terminal of its own, and
// gives what the terminal received.
func (c *cluster) onTerminal(name string, args ...string) string {
	c.t.Helper()
	cmd := exec.Command(filepath.Join(programs, name), args...)
	cmd.Dir = c.dir
	cmd.Env = append(c.environ, "TERM=xterm-256color")
	master, err := pty.Start(cmd)
	if err != nil {
		c.t.Fatal(err)
	}
	defer master.Close()
	received, _ := io.ReadAll(master) // ends with an error once nobody has the terminal
	if err := cmd.Wait(); err != nil {
		c.t.Fatalf("%s: %v; %s", name, err, received)
	}
	return string(received)
}

// On a terminal each line has its tag, and of control sequences only colours pass, which end
// with the line. In a pipe and in the results every byte is as it was.
func TestWhatProcessesPrintLeavesTheTerminalAlone(t *testing.T) {
	t.Parallel()
	c := newClusterOn(t, "mem:", "downbeat")
	const spoiler = `\033[2J\033[H10%%\r50%%\r\033[31mdone\n\033[?25l\033]0;owned\007next\033[0m\302\233?1049h\nend\r`
	c.write("x.yaml", `{name: x, hosts: {alpha: ["printf '`+strings.ReplaceAll(spoiler, `\`, `\\`)+`'"]}}`)
	printed := "\x1b[2J\x1b[H10%\r50%\r\x1b[31mdone\n\x1b[?25l\x1b]0;owned\anext\x1b[0m\xc2\x9b?1049h\nend\r"
	shown := "alpha/0 | 10%\r\nalpha/0 | 50%\r\nalpha/0 | \x1b[31mdone\x1b[0m\r\nalpha/0 | \x1b[31mnext\x1b[0m\r\nalpha/0 | end\r\n"

	got := c.onTerminal("publish", "--no-progress", "x.yaml")

	if !strings.HasPrefix(got, shown+"x: ") {
		t.Errorf("the terminal received %q, want %q first", got, shown)
	}
	if got := string(c.output("results/x/latest/0001/alpha/0.out")); got != printed {
		t.Errorf("the results have %q, want %q", got, printed)
	}
	if got := c.onTerminal("publish", "logs", "results/x/latest"); got != shown {
		t.Errorf("the terminal received %q from logs, want %q", got, shown)
	}
	piped := c.publish("logs", "results/x/latest")
	piped.wait(0)
	if got, want := piped.stdout.String(), "alpha/0 | "+strings.ReplaceAll(printed, "\n", "\nalpha/0 | ")+"\n"; got != want {
		t.Errorf("logs printed %q to a pipe, want %q", got, want)
	}
}
