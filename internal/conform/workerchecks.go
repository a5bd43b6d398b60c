package conform

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"downbeat/internal/outcome"
	"downbeat/internal/results"
	"downbeat/internal/streams"
)

// manyProcesses append a line each to a file of their own, so that it shows how often
// they were run, and print some.
const manyProcesses = `
hosts: {HOST: {}}
groups:
  p: {on: [HOST], count: 4, shell: true, run: "echo run >> DIR/once.{{.index}}; for i in $(seq 50); do echo line $i; sleep 0.01; done"}
`

func checkOnce(s *stage, g *gathered) error {
	var want strings.Builder
	for i := range 50 {
		fmt.Fprintf(&want, "line %d\n", i+1)
	}
	for i := range 4 {
		if err := checkLines(fmt.Sprintf("DIR/once.%d", i), "run")(s, g); err != nil {
			return err
		}
		if err := says(fmt.Sprintf("p.%d", i), want.String())(s, g); err != nil {
			return err
		}
	}
	return nil
}

// checkLines compares the lines of a file that processes have written.
func checkLines(path string, want ...string) func(*stage, *gathered) error {
	return func(s *stage, _ *gathered) error {
		data, err := os.ReadFile(strings.Replace(path, "DIR", s.dir, 1))
		if err != nil && !os.IsNotExist(err) {
			return err
		}
		if got := strings.Split(strings.TrimSuffix(string(data), "\n"), "\n"); strings.Join(got, "\n") != strings.Join(want, "\n") {
			return s.failed(RuleCase, "what was run is %q, and should be %q", got, want)
		}
		return nil
	}
}

// says compares what a process wrote.
func says(process, want string) func(*stage, *gathered) error {
	return func(s *stage, g *gathered) error {
		got, err := g.text(s.host, process)
		if err == nil && got != want {
			err = s.failed(RuleCase, "process %s wrote %.200q, and should have written %.200q", process, got, want)
		}
		return err
	}
}

// process finds the record of a process.
func (g *gathered) process(name string) results.ProcessRecord {
	for _, p := range g.record.Processes {
		if p.Process == name {
			return p
		}
	}
	return results.ProcessRecord{}
}

// endedAs compares how a process ended.
func endedAs(process string, code int, signal string) func(*stage, *gathered) error {
	return func(s *stage, g *gathered) error {
		if p := g.process(process); p.ExitCode != code || p.Signal != signal {
			return s.failed(RuleCase, "process %s is said to have ended with exit_code %d and signal %q, and should have with %d and %q",
				process, p.ExitCode, p.Signal, code, signal)
		}
		return nil
	}
}

// checkPlain compares output, and looks for the directory of the run, which is to be
// gone.
func checkPlain(s *stage, g *gathered) error {
	got, err := g.text(s.host, "talks")
	if err != nil {
		return err
	}
	dir, rest, _ := strings.Cut(got, "\n")
	if want := "one\n\377\000two\nno newline"; rest != want {
		return s.failed(RuleCase, "after its directory the process wrote %q, and should have written %q", rest, want)
	}
	stderr, err := os.ReadFile(filepath.Join(g.dir, results.OutputPath(s.host, "talks", streams.Stderr)))
	if err != nil || string(stderr) != "to stderr\n" {
		return s.failed(RuleCase, "to standard error the process wrote %q (%v), and should have written %q", stderr, err, "to stderr\n")
	}
	if !filepath.IsAbs(dir) || dir == s.dir {
		return s.failed(RuleCase, "the process started in %q", dir)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		return s.failed(RuleLeft, "the run's directory %s is still there", dir)
	}
	return nil
}

// checkIdentity looks into the environment that two processes printed.
func checkIdentity(s *stage, g *gathered) error {
	for i := range 2 {
		name := fmt.Sprintf("client.%d", i)
		text, err := g.text(s.host, name)
		if err != nil {
			return err
		}
		env := strings.Split(text, "\n")
		for _, want := range []string{
			"OWN=of the job", "DOWNBEAT_RUN=" + g.record.Run, "DOWNBEAT_HOST=" + s.host, "DOWNBEAT_PROCESS=" + name, "DOWNBEAT_GROUP=client",
			fmt.Sprintf("DOWNBEAT_INDEX=%d", i), fmt.Sprintf("DOWNBEAT_RANK=%d", i), fmt.Sprintf("DOWNBEAT_LOCAL=%d", i),
		} {
			if !slices.Contains(env, want) {
				return s.failed(RuleCase, "the environment of %s lacks %s", name, want)
			}
		}
		for _, entry := range env {
			for _, name := range []string{"QUEUE_URL", "NAMESPACE", "STATE_DIR", "TRUSTED_KEYS"} {
				if strings.HasPrefix(entry, "DOWNBEAT_"+name+"=") {
					return s.failed(RuleCase, "the environment of a process has the worker's own DOWNBEAT_%s", name)
				}
			}
		}
	}
	return nil
}

// checkBig compares 20 MB of output.
func checkBig(s *stage, g *gathered) error {
	got, err := g.text(s.host, "0")
	if err != nil {
		return err
	}
	const size = 20_000_000
	line := "0123456789abcdefghijklmnopqrstuvwxyz\n"
	want := strings.Repeat(line, size/len(line)+1)[:size]
	if got != want {
		return s.failed(RuleCase, "%d bytes of output have come, and are not the %d that were written", len(got), size)
	}
	return nil
}

// checkRefused makes sure that the refusal names the process, and that nothing was
// started.
func checkRefused(process, mark string) func(*stage, *gathered) error {
	return func(s *stage, g *gathered) error {
		if !strings.Contains(g.record.Reason, process) {
			return s.failed(RuleCase, "the reason does not name the process %s: %s", process, g.record.Reason)
		}
		path := strings.Replace(mark, "DIR", s.dir, 1)
		if _, err := os.Stat(path); !os.IsNotExist(err) {
			return s.failed(RuleCase, "another process was started nevertheless")
		}
		return nil
	}
}

// checkStopped compares the ends of a process that heeds TERM and of one that doesn't.
func checkStopped(s *stage, g *gathered) error {
	for name, want := range map[string]outcome.Command{"heeds": outcome.CommandStopped, "ignores": outcome.CommandKilled} {
		if p := g.process(name); p.Outcome != want {
			return s.failed(RuleCase, "process %s is %s and should be %s: %s", name, p.Outcome, want, p.Reason)
		}
	}
	took := g.process("ignores").EndedAt.Sub(g.process("heeds").EndedAt)
	if took < 300*time.Millisecond {
		return s.failed(RuleCase, "what ignores TERM was killed %s after the other one had ended, and the grace is 500ms", took)
	}
	return nil
}

// checkCollected compares the files that have come home.
func checkCollected(s *stage, g *gathered) error {
	want := map[string][]byte{"sub/a.txt": []byte("a\n"), "big.txt": bytes.Repeat([]byte("y\n"), 500_000)}
	for name, content := range want {
		got, err := os.ReadFile(filepath.Join(g.dir, s.host, "files", name))
		if err != nil || !bytes.Equal(got, content) {
			return s.failed(RuleCase, "%s has not come as it was: %d bytes (%v)", name, len(got), err)
		}
	}
	if _, err := os.Stat(filepath.Join(g.dir, s.host, "files", "not.csv")); !os.IsNotExist(err) {
		return s.failed(RuleCase, "not.csv has come, and no pattern picks it")
	}
	return nil
}

// playShipped ships a text, and a file of more than one chunk.
func playShipped(s *stage) error {
	large := bytes.Repeat([]byte("0123456789abcdef"), 40_000) // 640 kB
	if err := os.WriteFile(s.path("large"), large, 0o600); err != nil {
		return err
	}
	return datapoint{outcome: outcome.RunSucceeded, check: says("0", "of the job\n640000\n"), file: `
hosts: {HOST: [{run: "cat conf/text; ./program.sh; wc -c < large >&2; cmp large DIR/large", shell: true}]}
files:
  conf/text: {text: "of the job\n"}
  program.sh: {text: "#!/bin/sh\nwc -c < large\n", mode: "0755"}
  large: large
`}.play(s)
}
