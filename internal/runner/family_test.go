package runner

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"downbeat/internal/streams"
	"downbeat/internal/testkit"
)

func TestADaemonDoesNotOutliveItsSet(t *testing.T) {
	t.Parallel()
	for name, options := range ways {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tr := prepare(t, newRunner(t, options), role(t, "daemon", "deaf", "polite"))
			tr.release(t)
			pids := tr.awaitReady(t, 0, 2)
			tr.Stop(time.Now(), testkit.Timeout, 0)
			tr.await(t, "the command's end", func() bool { _, ended := tr.exits[0]; return ended })
			tr.Stop(time.Now(), 0, 0) // the daemon's grace is over when the command has had all the time it needs
			result := tr.end(t)
			for _, pid := range pids {
				gone(t, pid)
			}
			if e := tr.exits[0]; e.Code != 7 || result.Swept < 1 { // its parents may still be about to end
				t.Errorf("got %+v, %d swept, want status 7 and 1 or more swept", e, result.Swept)
			}
		})
	}
}

func TestWhatIsLeftWhenTheCommandsHaveEndedIsAskedToEnd(t *testing.T) {
	t.Parallel()
	for name, options := range ways {
		for how, swept := range map[string]int{"spawn": 0, "daemon": 1} {
			t.Run(name+" "+how, func(t *testing.T) {
				t.Parallel()
				file := filepath.Join(t.TempDir(), "end")
				c := role(t, how, "polite", "until")
				c.Env = append(c.Env, "UNTIL="+file)
				tr := prepare(t, newRunner(t, options), c)
				tr.release(t)
				pid := tr.awaitReady(t, 0, 1)[0]
				if err := os.WriteFile(file, nil, 0o600); err != nil {
					t.Fatal(err)
				}
				result := tr.end(t)
				gone(t, pid)
				if e := tr.exits[0]; e.Code != 5 || e.Stopped || result.Swept < swept || swept == 0 && result.Swept > 0 {
					t.Errorf("got %+v, %d swept, want status 5 and %d swept", e, result.Swept, swept)
				}
				if got := tr.text(0, streams.Stdout); !strings.HasSuffix(got, "asked\n") {
					t.Errorf("got %q: it was killed without being asked", got)
				}
			})
		}
	}
}

func TestAHostOfChildrenIsEnded(t *testing.T) {
	t.Parallel()
	for name, options := range map[string]Options{"cgroup": {}, "tree": {NoCgroup: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tr := prepare(t, newRunner(t, options), shell(t,
				`for i in $(seq 500); do setsid sh -c 'trap "" TERM; sleep 1000' & done; echo ready $$; wait`))
			tr.release(t)
			tr.awaitReady(t, 0, 1)
			tr.Stop(time.Now(), 10*time.Millisecond, 0)
			if swept := tr.end(t).Swept; swept < 500 {
				t.Errorf("got %d swept, want at least 500", swept)
			}
		})
	}
}

func TestSweepKillsWhatCarriesAllMarks(t *testing.T) {
	t.Parallel()
	mark := markOf(t)
	cmd := exec.CommandContext(t.Context(), os.Args[0], childPrefix+"daemon", "deaf", "end")
	cmd.Env = append(os.Environ(), mark...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 100)); err != nil { // "ready"
		t.Fatal(err)
	}
	r := newRunner(t, Options{})
	n, err := r.Sweep(t.Context(), mark)
	if n < 1 || err != nil { // its parents may still be about to end
		t.Errorf("got %d, %v, want 1 or more", n, err)
	}
	if left := lookNow().carriers(mark); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	cmd.Wait() //nolint:errcheck // "end" has ended
}

func TestSweepNeedsAMark(t *testing.T) {
	t.Parallel()
	r := newRunner(t, Options{})
	if n, err := r.Sweep(t.Context(), nil); n != 0 || err == nil {
		t.Errorf("got %d, %v, want an error", n, err)
	}
}

func TestSweepGivesUpWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := newRunner(t, Options{})
	if _, err := r.Sweep(ctx, markOf(t)); err != nil {
		t.Errorf("nothing to do: got %v", err)
	}
	tr := prepare(t, r, role(t, "sleep"))
	if _, err := r.Sweep(ctx, tr.mark); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}
