package runner

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"downbeat/internal/streams"
	"downbeat/internal/testkit"
)

// terminal gives a command a terminal.
func terminal(c Command) Command {
	c.Pty = true
	return c
}

// buffering is a program that, like most, decides by its output whether to write
// each line at once. It says one line, and another once the file until is there.
func buffering(t *testing.T, until string) Command {
	t.Helper()
	script := `print "one\n"; select undef, undef, undef, 0.001 until -e $ARGV[0]; print "two\n"`
	return Command{Name: "perl", Argv: []string{"perl", "-e", script, until}, Dir: t.TempDir(), Env: os.Environ()}
}

func TestLinesComeAsTheyArePrintedOnATerminal(t *testing.T) {
	t.Parallel()
	for name, options := range ways {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			until := filepath.Join(t.TempDir(), "go on")
			tr := prepare(t, newRunner(t, options), terminal(buffering(t, until)))
			tr.release(t)
			tr.await(t, "the first line", func() bool { return tr.text(0, streams.Stdout) == "one\n" })
			if err := os.WriteFile(until, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			tr.end(t)
			if got := tr.text(0, streams.Stdout); got != "one\ntwo\n" {
				t.Errorf("got %q", got)
			}
		})
	}
}

func TestLinesComeInOneBlockOnAPipe(t *testing.T) {
	t.Parallel()
	until := filepath.Join(t.TempDir(), "go on")
	if err := os.WriteFile(until, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	sink := &counter{}
	set, err := newRunner(t, Options{}).Prepare(t.Context(), Spec{Commands: []Command{buffering(t, until)}, Sink: sink})
	if err != nil {
		t.Fatal(err)
	}
	if err := set.Release(time.Now()); err != nil {
		t.Fatal(err)
	}
	<-set.Done()
	if calls, size := sink.calls.Load(), sink.bytes.Load(); calls != 1 || size != 8 {
		t.Errorf("%d bytes came in %d blocks: the other tests here prove nothing", size, calls)
	}
}

func TestAllThreeStreamsAreTheTerminal(t *testing.T) {
	t.Parallel()
	tr := prepare(t, newRunner(t, Options{}), terminal(shell(t, `test -t 0 && test -t 1 && test -t 2 && stty size && echo err >&2 && echo out`)))
	tr.release(t)
	result := tr.end(t)
	if got, want := tr.text(0, streams.Stdout), "24 80\nerr\nout\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if e := tr.exits[0]; e.Code != 0 {
		t.Errorf("got %+v, want status 0", e)
	}
	if got, want := result.Totals[0], (streams.Total{StdoutLines: 3, StdoutBytes: 14}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if !tr.closed["0/stderr"] || !tr.closed["0/stdout"] {
		t.Error("a stream has not been closed")
	}
}

func TestAnyBytesComeThroughATerminal(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x\x00\t", 1<<20/3) // a line of a megabyte
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	want := append(append([]byte("no\r\nUTF-8 \xff\xfe\x1b[31m\n"), every...), long...)
	file := filepath.Join(t.TempDir(), "bytes")
	if err := os.WriteFile(file, want, 0o600); err != nil {
		t.Fatal(err)
	}
	tr := prepare(t, newRunner(t, Options{}), terminal(Command{Name: "cat", Argv: []string{"cat", file}, Env: os.Environ()}))
	tr.release(t)
	tr.end(t)
	if got := tr.text(0, streams.Stdout); !bytes.Equal([]byte(got), want) {
		t.Errorf("got %d bytes, want the %d that were written", len(got), len(want))
	}
}

func TestAGrandchildsOutputOnTheTerminalIsNotLost(t *testing.T) {
	t.Parallel()
	for name, options := range ways {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			until := filepath.Join(t.TempDir(), "go on")
			// The child goes on when its leader has ended, as another command does.
			leaves := shell(t, `(until [ -e "`+until+`" ]; do sleep 0.01; done; echo late) & echo early`)
			stays := role(t, "until")
			stays.Env = append(stays.Env, "UNTIL="+until+".too")
			tr := prepare(t, newRunner(t, options), terminal(leaves), stays)
			tr.release(t)
			tr.await(t, "the leader's end", func() bool { _, ended := tr.exits[0]; return ended })
			if err := os.WriteFile(until, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			tr.await(t, "its child's output", func() bool { return tr.text(0, streams.Stdout) == "early\nlate\n" })
			if err := os.WriteFile(until+".too", nil, 0o600); err != nil {
				t.Fatal(err)
			}
			tr.end(t)
		})
	}
}

func TestWhatALeaderOfATerminalHasStartedKeepsItsGrace(t *testing.T) {
	t.Parallel()
	for name, options := range ways {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// If the terminal controlled the session, the child would be killed when the leader
			// ends. What its shell prints about the sleep is discarded.
			until := filepath.Join(t.TempDir(), "on")
			child := `exec 2>/dev/null; trap "until [ -e ` + until + ` ]; do sleep 0.01; done; echo saved; exit 0" TERM; echo there; while :; do sleep 0.01; done`
			tr := prepare(t, newRunner(t, options), terminal(shell(t, `sh -c '`+child+`' & exec sleep 1000`)))
			tr.release(t)
			tr.await(t, "the child", func() bool { return tr.text(0, streams.Stdout) == "there\n" })
			tr.Stop(time.Now(), testkit.Timeout, 0)
			tr.await(t, "the leader's end", func() bool { _, ended := tr.exits[0]; return ended })
			if err := os.WriteFile(until, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			tr.end(t)
			if e := tr.exits[0]; e.Signal != "SIGTERM" || !e.Stopped || e.Killed {
				t.Errorf("the leader: %+v, want it ended by TERM", e)
			}
			if got := tr.text(0, streams.Stdout); got != "there\nsaved\n" {
				t.Errorf("got %q, want the child to have ended in order", got)
			}
		})
	}
}

func TestADeafProcessOnATerminalIsKilled(t *testing.T) {
	t.Parallel()
	tr := prepare(t, newRunner(t, Options{}), terminal(role(t, "spawn", "deaf", "deaf")))
	tr.release(t)
	pids := tr.awaitReady(t, 0, 2)
	tr.Stop(time.Now(), 200*time.Millisecond, 0)
	tr.end(t)
	for _, pid := range pids {
		gone(t, pid)
	}
	if e := tr.exits[0]; e.Signal != "SIGKILL" || !e.Killed {
		t.Errorf("got %+v, want it killed", e)
	}
}

func TestAHeldProcessHasNotTouchedItsTerminal(t *testing.T) {
	t.Parallel()
	trace := traces{t.TempDir()}
	tr := prepare(t, newRunner(t, Options{}), terminal(trace.touch(t, "executed")))
	tr.Stop(time.Now(), 0, 0)
	tr.end(t)
	if left := trace.left(t); len(left) > 0 {
		t.Errorf("what was held has left %q", left)
	}
}
