package test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"downbeat/internal/testkit"
)

// standIn is a worker that runs until somebody has opened the gate.
const standIn = `#!/bin/sh
test "$1" = --check && exec echo all is well
cat gate
echo left
`

// The guide's line that starts a worker returns while the worker runs on, also where
// its output is a pipe that somebody reads to the end, as over ssh.
func TestGuideStartsAWorkerThatNobodyWaitsFor(t *testing.T) {
	t.Parallel()
	guide, err := os.ReadFile("../docs/guide.md")
	if err != nil {
		t.Fatal(err)
	}
	var start []string
	for line := range strings.Lines(string(guide)) {
		if strings.Contains(line, "nohup") {
			start = append(start, strings.TrimSpace(line))
		}
	}
	if len(start) != 1 {
		t.Fatalf("the guide starts workers with %q, want one line", start)
	}
	for _, shell := range []string{"sh", "bash"} {
		t.Run(shell, func(t *testing.T) {
			t.Parallel()
			startStandIn(t, shell, start[0])
		})
	}
}

func startStandIn(t *testing.T, shell, line string) {
	dir := t.TempDir()
	gate := filepath.Join(dir, "gate")
	if err := os.WriteFile(filepath.Join(dir, "worker"), []byte(standIn), 0o700); err != nil { // a program
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(gate, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, shell, "-c", line)
	cmd.Dir, cmd.WaitDelay = dir, 10*time.Second
	out, err := cmd.CombinedOutput()
	if err != nil || strings.TrimSpace(string(out)) != "all is well" {
		t.Errorf("%s: %v, and it printed %q", line, err, out)
	}
	open, err := os.OpenFile(gate, os.O_WRONLY, 0) // waits until the worker is there
	if err != nil {
		t.Fatal(err)
	}
	if err := open.Close(); err != nil {
		t.Fatal(err)
	}
	testkit.WaitFor(t, "the worker's last word is in its log", func() bool {
		log, err := os.ReadFile(filepath.Join(dir, "worker.log"))
		return err == nil && strings.Contains(string(log), "left")
	})
}

// The guide's example of programs that wait for each other and make a mark does what the
// guide says.
func TestGuidesProcessesMeet(t *testing.T) {
	t.Parallel()
	guide, err := os.ReadFile("../docs/guide.md")
	if err != nil {
		t.Fatal(err)
	}
	_, example, _ := strings.Cut(string(guide), "```yaml\nname: marked\n")
	example, _, found := strings.Cut(example, "```")
	if !found {
		t.Fatal("the guide has no example called marked")
	}
	c := newSharedCluster(t)
	c.environ = append(c.environ, "PATH="+programs+string(os.PathListSeparator)+os.Getenv("PATH"))
	c.write("marked.yaml", "name: marked\n"+example)
	for _, host := range []string{"alpha", "bravo", "charlie"} {
		c.worker(host)
	}

	p := c.publish("marked.yaml")

	p.wait(0, "marked: succeeded")
	c.nothingLeft()
	r := c.record("results/marked/latest/0001")
	if len(r.Marks) != 1 || r.Marks[0].Mark != "load" || r.Marks[0].Process != "client.0" {
		t.Errorf("marks: %+v, want load of client.0", r.Marks)
	}
	if len(r.Barriers) != 1 || r.Barriers[0].Barrier != "warm" || r.Barriers[0].Count != 2 {
		t.Errorf("barriers: %+v, want warm of two", r.Barriers)
	}
	if len(r.Actions) != 1 || r.Actions[0].Target != "server.0" || r.Actions[0].Reason != "" || !r.Actions[0].At.After(r.Marks[0].At) {
		t.Errorf("actions: %+v, want server.0 killed after the mark", r.Actions)
	}
	for _, process := range []string{"bravo/client.0", "charlie/client.1"} {
		if got := string(c.output("results/marked/latest/0001/" + process + ".out")); !strings.HasPrefix(got, "the server is 127.0.0.1:") {
			t.Errorf("%s printed %q", process, got)
		}
	}
}
