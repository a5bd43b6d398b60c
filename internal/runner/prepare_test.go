package runner

import (
	"context"
	"errors"
	"io/fs"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestOneBadCommandAndNothingIsExecuted(t *testing.T) {
	t.Parallel()
	for name, options := range ways {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRunner(t, options)
			trace := traces{t.TempDir()}
			good := trace.touch(t, "good")
			missing := Command{Name: "server.1", Argv: []string{"honu-is-not-there", "-s"}, Env: []string{"PATH=/usr/bin:/bin"}}
			plain := trace.touch(t, "plain")
			plain.Name, plain.Argv[0] = "text", script(t, "just words\n")
			nowhere := trace.touch(t, "nowhere")
			nowhere.Name, nowhere.Dir = "nowhere", "/there/is/no/such/place"
			rec := newRecorder()

			_, err := r.Prepare(t.Context(), Spec{Commands: []Command{good, missing, plain, good, nowhere}, Mark: markOf(t), Sink: rec})

			var prepare *PrepareError
			if !errors.As(err, &prepare) {
				t.Fatalf("got %v, want a PrepareError", err)
			}
			var indices []int
			for _, p := range prepare.Problems {
				indices = append(indices, p.Command)
			}
			if want := []int{1, 2, 4}; !slices.Equal(indices, want) {
				t.Errorf("got problems with commands %v, want %v: %v", indices, want, err)
			}
			for _, part := range []string{
				`server.1: command "honu-is-not-there" not found in PATH (/usr/bin:/bin)`,
				"text: ", "exec format error", `nowhere: directory "/there/is/no/such/place" does not exist`,
			} {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q does not say %q", err, part)
				}
			}
			if !errors.Is(err, exec.ErrNotFound) || !errors.Is(err, fs.ErrNotExist) || !errors.Is(err, fs.ErrPermission) {
				t.Errorf("%v wraps too little", err)
			}
			if left := trace.left(t); len(left) > 0 || len(rec.started)+len(rec.exits) > 0 {
				t.Errorf("executed: %v; the sink heard of %v", left, rec.started)
			}
		})
	}
}

func TestNothingIsExecutedBeforeTheRelease(t *testing.T) {
	t.Parallel()
	for name, options := range ways {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRunner(t, options)
			trace := traces{t.TempDir()}
			tr := prepare(t, r, trace.touch(t, "a"), trace.touch(t, "b"), trace.touch(t, "c"))
			if left := trace.left(t); len(left) > 0 {
				t.Errorf("executed before the release: %v", left)
			}
			at := time.Now().Add(30 * time.Millisecond)
			if err := tr.Release(at); err != nil {
				t.Fatal(err)
			}
			tr.end(t)
			if left, want := trace.left(t), []string{"a", "b", "c"}; !slices.Equal(left, want) {
				t.Errorf("got %v executed, want %v", left, want)
			}
			for i, began := range tr.started {
				if began.Before(at) {
					t.Errorf("command %d began %v before its time", i, at.Sub(began))
				}
			}
		})
	}
}

func TestPrepareThatIsCancelledLeavesNothing(t *testing.T) {
	t.Parallel()
	r := newRunner(t, Options{})
	trace := traces{t.TempDir()}
	mark := markOf(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := r.Prepare(ctx, Spec{Commands: []Command{trace.touch(t, "a"), trace.touch(t, "b")}, Mark: mark})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
	if left := lookNow().carriers(mark); len(left) > 0 || len(trace.left(t)) > 0 {
		t.Errorf("left: %v, executed: %v", left, trace.left(t))
	}
}

func TestTheMarkReplacesVariablesOfItsName(t *testing.T) {
	t.Parallel()
	got := marked([]string{"A=1", "RUN=old", "RUNNER=2", "RUN=older"}, []string{"RUN=new", "HOST=h"})
	if want := []string{"A=1", "RUNNER=2", "RUN=new", "HOST=h"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestAClosedRunnerPreparesNothing(t *testing.T) {
	t.Parallel()
	r := newRunner(t, Options{})
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Prepare(t.Context(), Spec{Commands: []Command{role(t, "end")}}); !errors.Is(err, ErrClosed) {
		t.Errorf("got %v, want %v", err, ErrClosed)
	}
}

func TestCloseKillsWhatIsActive(t *testing.T) {
	t.Parallel()
	r := newRunner(t, Options{})
	running, held := prepare(t, r, role(t, "deaf")), prepare(t, r, role(t, "deaf"))
	running.release(t)
	pid := running.awaitReady(t, 0, 1)[0]
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	running.end(t)
	held.end(t)
	gone(t, pid)
}
