package program_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"downbeat/internal/program"
	"downbeat/internal/runner"
	"downbeat/internal/testkit"
)

func TestMain(m *testing.M) {
	if runner.GuardMain(os.Args) {
		return
	}
	goleak.VerifyTestMain(m)
}

func newRunner(t *testing.T) *runner.Runner {
	t.Helper()
	r, err := runner.New(runner.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// sh has a shell run a script in a directory of its own.
func sh(t *testing.T, script string, args ...string) program.Command {
	t.Helper()
	return program.Command{Argv: append([]string{"/bin/sh", "-c", script, "judge"}, args...), Dir: t.TempDir(), Env: []string{"PATH=/usr/bin:/bin", "A=1"}, Timeout: time.Minute}
}

// A program gets its directory, arguments and environment and nothing else, and its standard
// output is what counts.
func TestRun(t *testing.T) {
	t.Parallel()
	r := newRunner(t)
	c := sh(t, `pwd; echo "$A$B$1"; echo told >&2; cat`, "x")
	got := program.Run(t.Context(), r, c)
	if want := c.Dir + "\n1x\n"; string(got.Output) != want || got.Err != nil || got.Cut || got.Undecided {
		t.Errorf("got %q, %+v, want %q", got.Output, got, want)
	}
}

// A program that does not succeed says why by its last words, of standard error if there are any.
func TestFailures(t *testing.T) {
	t.Parallel()
	r := newRunner(t)
	tests := []struct {
		name      string
		c         program.Command
		want      string
		undecided bool
	}{
		{"status", sh(t, "echo out; echo no history >&2; exit 3"), "exited with status 3 after ", false},
		{"its words", sh(t, "echo out; echo no history >&2; exit 3"), ": no history", false},
		{"words of its output", sh(t, "echo out; exit 1"), ": out", false},
		{"signal", sh(t, "kill -KILL $$"), "was ended by SIGKILL", false},
		{"no program", program.Command{Argv: []string{"./judge"}, Dir: t.TempDir(), Timeout: time.Minute}, `can't be run: program "./judge" not found`, true},
		{"no directory", program.Command{Argv: []string{"/bin/true"}, Dir: "/nowhere", Timeout: time.Minute}, `can't be run: directory "/nowhere" does not exist`, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := program.Run(t.Context(), r, tt.c)
			if got.Err == nil || !strings.Contains(got.Err.Error(), tt.want) || got.Undecided != tt.undecided || got.Output != nil {
				t.Errorf("got %+v, want %q", got, tt.want)
			}
		})
	}
}

// When its time is over, or the caller gives up, a program is ended, and so is whatever it has
// started, wherever that has gone.
func TestNothingIsLeft(t *testing.T) {
	t.Parallel()
	r := newRunner(t)
	const stay = `trap '' TERM; setsid sh -c 'echo $$ >there; exec sleep 1000' & echo $$ >here; echo waiting >&2; while :; do sleep 1; done`
	gone := errors.New("interrupted")
	tests := []struct {
		name      string
		timeout   time.Duration
		give      bool // up, once both are there
		script    string
		want      string
		undecided bool
	}{
		{"its time is over", 500 * time.Millisecond, false, stay, "was not over within 500ms", false},
		{"interrupted", time.Minute, true, stay, "was stopped: interrupted", true},
		{"it ends and leaves one", time.Minute, false, `setsid sh -c 'echo $$ >there; exec sleep 1000' & while [ ! -s there ]; do sleep 0.01; done; echo $$ >here`, "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			c := sh(t, tt.script)
			c.Timeout = tt.timeout
			var got program.Result
			var running sync.WaitGroup
			running.Go(func() { got = program.Run(ctx, r, c) })
			if tt.give {
				testkit.WaitFor(t, "both are there", func() bool { return pidIn(c.Dir, "here") > 0 && pidIn(c.Dir, "there") > 0 })
				cancel(gone)
			}
			running.Wait()
			if tt.want == "" && got.Err != nil || tt.want != "" && (got.Err == nil || !strings.Contains(got.Err.Error(), tt.want)) || got.Undecided != tt.undecided {
				t.Errorf("got %+v, want %q", got, tt.want)
			}
			for _, name := range []string{"here", "there"} {
				if pid := pidIn(c.Dir, name); pid > 0 && syscall.Kill(pid, 0) == nil {
					t.Errorf("%s is left", name)
				}
			}
		})
	}
}

func pidIn(dir, file string) int {
	data, _ := os.ReadFile(filepath.Join(dir, file))
	pid, _ := strconv.Atoi(strings.TrimSpace(string(data)))
	return pid
}

// However much a program writes, its end is what is kept, and memory stays bounded.
func TestLongOutput(t *testing.T) {
	t.Parallel()
	r := newRunner(t)
	got := program.Run(t.Context(), r, sh(t, `head -c 9000000 /dev/zero | tr '\0' x; echo; echo 42`))
	if got.Err != nil || !got.Cut || len(got.Output) != program.MaxOutput || !strings.HasSuffix(string(got.Output), "x\n42\n") {
		t.Errorf("got %d bytes, cut %v, %v", len(got.Output), got.Cut, got.Err)
	}
}

// Nobody else's environment reaches a program.
func TestEnvironmentIsTheWholeOne(t *testing.T) {
	t.Parallel()
	r := newRunner(t)
	c := program.Command{Argv: []string{"/usr/bin/env"}, Dir: "/", Env: []string{"A=1"}, Timeout: time.Minute}
	got := program.Run(t.Context(), r, c)
	lines := strings.Fields(string(got.Output))
	mark := func(line string) bool { return strings.HasPrefix(line, program.Mark+"=") }
	if got.Err != nil || !slices.Contains(lines, "A=1") || len(slices.DeleteFunc(lines, mark)) != 1 {
		t.Errorf("got %q, %v", got.Output, got.Err)
	}
}
