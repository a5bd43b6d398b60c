package runner

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"downbeat/internal/streams"
	"downbeat/internal/testkit"
)

// A recorder is a sink that remembers.
type recorder struct {
	mu      sync.Mutex
	changed chan struct{} // closed and replaced at every change
	started map[int]time.Time
	pids    map[int]int
	out     map[string]*bytes.Buffer // by "command/stream"
	closed  map[string]bool
	exits   map[int]Exit // of the last life
	starts  map[int][]Start
	ends    map[int][]Exit
	acts    map[int]Act // by token
	wrong   []string    // calls that must not have come, or not at that time
}

func newRecorder() *recorder {
	return &recorder{
		changed: make(chan struct{}),
		started: map[int]time.Time{}, pids: map[int]int{},
		out: map[string]*bytes.Buffer{}, closed: map[string]bool{}, exits: map[int]Exit{},
		starts: map[int][]Start{}, ends: map[int][]Exit{}, acts: map[int]Act{},
	}
}

func streamKey(command int, stream streams.Stream) string {
	return fmt.Sprintf("%d/%v", command, stream)
}

// note makes a change known.
func (r *recorder) note() {
	close(r.changed)
	r.changed = make(chan struct{})
}

func (r *recorder) Started(command int, start Start) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := len(r.starts[command]); start.Life != n || len(r.ends[command]) != n {
		r.wrong = append(r.wrong, fmt.Sprintf("command %d started as life %d, after %d starts and %d ends", command, start.Life, n, len(r.ends[command])))
	}
	r.starts[command] = append(r.starts[command], start)
	r.started[command], r.pids[command] = start.At, start.PID
	r.note()
}

func (r *recorder) Output(command int, stream streams.Stream, at time.Time, data []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if began, ok := r.started[command]; !ok || at.Before(began) || len(data) == 0 {
		r.wrong = append(r.wrong, fmt.Sprintf("command %d wrote %q before its start", command, data))
	}
	key := streamKey(command, stream)
	if r.closed[key] {
		r.wrong = append(r.wrong, fmt.Sprintf("output of %s after its end", key))
	}
	if r.out[key] == nil {
		r.out[key] = &bytes.Buffer{}
	}
	r.out[key].Write(data)
	r.note()
}

func (r *recorder) Closed(command int, stream streams.Stream) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed[streamKey(command, stream)] = true
	r.note()
}

func (r *recorder) Exited(command int, exit Exit) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := len(r.ends[command]); exit.Life != n {
		r.wrong = append(r.wrong, fmt.Sprintf("command %d: life %d exited after %d ends", command, exit.Life, n))
	}
	if len(r.starts[command]) != exit.Life+1 && exit.Err == nil {
		r.wrong = append(r.wrong, fmt.Sprintf("command %d exited before its start", command))
	}
	r.exits[command] = exit
	r.ends[command] = append(r.ends[command], exit)
	r.note()
}

func (r *recorder) Acted(act Act) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, twice := r.acts[act.Token]; twice {
		r.wrong = append(r.wrong, fmt.Sprintf("action %d was reported twice", act.Token))
	}
	r.acts[act.Token] = act
	r.note()
}

// awaitAct waits until an action was reported.
func (r *recorder) awaitAct(t *testing.T, token int) Act {
	t.Helper()
	r.await(t, fmt.Sprintf("a report of action %d", token), func() bool { _, ok := r.acts[token]; return ok })
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.acts[token]
}

// await waits until the condition, called under the mutex, holds.
func (r *recorder) await(t testing.TB, what string, condition func() bool) {
	t.Helper()
	timeout := time.NewTimer(testkit.Timeout)
	defer timeout.Stop()
	for {
		r.mu.Lock()
		ok, changed := condition(), r.changed
		r.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-changed:
		case <-timeout.C:
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// text is what a command wrote so far; under the mutex, or when all is over.
func (r *recorder) text(command int, stream streams.Stream) string {
	if b := r.out[streamKey(command, stream)]; b != nil {
		return b.String()
	}
	return ""
}

// awaitReady waits until a command, or what it started, has said n times that
// it is ready, and returns the pids of those who said so.
func (r *recorder) awaitReady(t *testing.T, command, n int) []int {
	t.Helper()
	var pids []int
	r.await(t, fmt.Sprintf("command %d to be ready %d times", command, n), func() bool {
		pids = nil
		for line := range strings.Lines(r.text(command, streams.Stdout)) {
			var pid int
			if k, err := fmt.Sscanf(line, "ready %d\n", &pid); k == 1 && err == nil {
				pids = append(pids, pid)
			}
		}
		return len(pids) >= n
	})
	return pids
}

// role is a command that is the test binary in one of its roles.
func role(t *testing.T, args ...string) Command {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return Command{
		Name: args[0], Dir: t.TempDir(), Env: os.Environ(),
		Argv: append([]string{exe, childPrefix + args[0]}, args[1:]...),
	}
}

// shell is a command for the shell.
func shell(t *testing.T, script string) Command {
	t.Helper()
	return Command{Name: "sh", Argv: []string{"sh", "-c", script}, Dir: t.TempDir(), Env: os.Environ()}
}

// ways are the ways to hold and to find processes.
var ways = map[string]Options{
	"cgroup": {},
	"tree":   {NoCgroup: true},
	"unheld": {NoPtrace: true},
}

func newRunner(t *testing.T, options Options) *Runner {
	t.Helper()
	r, err := New(options)
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

// A trial is a set under test, with what its sink has heard.
type trial struct {
	*Set
	*recorder
	mark []string
}

// markOf marks the processes of this test, and of no other.
func markOf(t *testing.T) []string {
	return []string{"RUNNER_TEST=" + t.Name(), "RUNNER_TEST_DIR=" + t.TempDir()}
}

func prepare(t *testing.T, r *Runner, commands ...Command) *trial {
	t.Helper()
	return prepareSpec(t, r, Spec{Commands: commands})
}

// open is prepare for a set whose commands may be started again.
func open(t *testing.T, r *Runner, commands ...Command) *trial {
	t.Helper()
	return prepareSpec(t, r, Spec{Commands: commands, Open: true})
}

func prepareSpec(t *testing.T, r *Runner, spec Spec) *trial {
	t.Helper()
	tr := &trial{recorder: newRecorder(), mark: markOf(t)}
	spec.Mark, spec.Sink = tr.mark, tr.recorder
	var err error
	tr.Set, err = r.Prepare(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

func (tr *trial) release(t *testing.T) {
	t.Helper()
	if err := tr.Release(time.Now()); err != nil {
		t.Fatal(err)
	}
}

// end waits for the end of the set and checks what holds for every one.
func (tr *trial) end(t *testing.T) Result {
	t.Helper()
	testkit.Receive(t, tr.Done(), "the set ends")
	for _, wrong := range tr.wrong {
		t.Error(wrong)
	}
	for command, starts := range tr.starts {
		if len(tr.ends[command]) != len(starts) {
			t.Errorf("command %d started %d times and was heard to end %d times", command, len(starts), len(tr.ends[command]))
		}
	}
	for _, d := range lookNow().carriers(tr.mark) {
		t.Errorf("process %d is left", d.pid)
	}
	if left := tr.Result().Left; left != nil {
		t.Errorf("left: %v", left)
	}
	return tr.Result()
}

// gone fails the test if the process still executes.
func gone(t *testing.T, pid int) {
	t.Helper()
	if d, ok := lookNow().proc(pid); ok && !d.zombie {
		t.Errorf("process %d is left", pid)
	}
}

// awaitGone waits until the process doesn't execute any more.
func awaitGone(t *testing.T, pid int) {
	t.Helper()
	testkit.WaitFor(t, fmt.Sprintf("process %d is gone", pid), func() bool {
		d, ok := lookNow().proc(pid)
		return !ok || d.zombie
	})
}

// traces are files that commands leave if they are executed.
type traces struct{ dir string }

func (tr traces) touch(t *testing.T, name string) Command {
	return role(t, "touch", filepath.Join(tr.dir, name))
}

func (tr traces) left(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(tr.dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range files {
		files[i] = filepath.Base(files[i])
	}
	return files
}

// lookNow is a look at the processes as they are.
func lookNow() *look { return newLook(testSystem) }

var testSystem = newSystem()
