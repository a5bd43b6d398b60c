package worker

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"downbeat/internal/message"
	"downbeat/internal/runner"
	"downbeat/internal/testkit"
)

// A run whose processes leave read-only directories, as Go's module cache is, leaves
// nothing on the disk.
func TestReadOnlyDirectoriesOfARunAreRemoved(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.serve(nil)
	job := s.job("mkdir -p go/pkg/mod/m@v1; touch go/pkg/mod/m@v1/go.mod; chmod -R a-w go")
	s.Start(job)
	if done := s.finish(job); len(done.Notes) > 0 {
		t.Errorf("notes: %q", done.Notes)
	}
}

// Files of a run that can't be removed are told to its publisher once, moved out of the
// way, and removed at a later start when that is possible.
func TestWhatCannotBeRemovedIsToldAndTriedAgain(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	v := s.serve(nil)
	job := s.job("mkdir -p a/b; echo there >a/file")
	s.Ready(job)
	mounted := filepath.Join(s.runDir(job), workDir, "mounted")
	testkit.Check(t, os.Mkdir(mounted, 0o700))
	if err := unix.Mount(t.TempDir(), mounted, "", unix.MS_BIND, ""); err != nil {
		t.Skipf("nothing can be mounted here: %v", err)
	}
	s.Commit(job)
	s.Release(job)
	done := s.finish(job)
	left := filepath.Join(v.w.leftDir(), job.Run)
	t.Cleanup(func() { _ = unix.Unmount(filepath.Join(left, "mounted"), unix.MNT_DETACH) })
	if len(done.Notes) != 1 || !strings.HasPrefix(done.Notes[0], "left "+left+" behind: ") || !strings.Contains(done.Notes[0], "something is mounted there") {
		t.Errorf("notes: %q", done.Notes)
	}
	if exists(filepath.Join(left, "a")) || !exists(filepath.Join(left, "mounted")) {
		t.Error("not exactly what can't be removed is kept")
	}
	v.stop()
	testkit.Check(t, unix.Unmount(filepath.Join(left, "mounted"), 0))
	s.serve(nil)
	testkit.WaitFor(t, "what was left is removed", func() bool { return !exists(left) })
}

// The teardown runs also where a process has removed the run's directory, or has put
// something else in its place, and the run says so.
func TestTeardownRunsThoughTheDirectoryIsGone(t *testing.T) {
	t.Parallel()
	for name, script := range map[string]string{
		"removed":         `rm -rf "$PWD"`,
		"replaced":        `d=$PWD; rm -rf "$d"; echo x >"$d"`,
		"part is removed": `rmdir sub`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			s.serve(nil)
			trace := filepath.Join(t.TempDir(), "trace")
			job := s.job(script)
			add(job, message.PhaseSetup, "mkdir sub")
			add(job, message.PhaseTeardown, "touch "+trace)[0].Dir = "sub"
			s.Start(job)
			done := s.finish(job)
			if !exists(trace) {
				t.Error("the teardown did not run")
			}
			if text := strings.Join(done.Notes, "; "); !strings.Contains(text, "was gone") {
				t.Errorf("notes: %q", text)
			}
		})
	}
}

// A teardown that deletes does so in the run's directory, and not where a link leads
// that a process has put in its place.
func TestTeardownDoesNotFollowALinkInPlaceOfTheDirectory(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.serve(nil)
	precious := filepath.Join(t.TempDir(), "precious")
	testkit.Check(t, os.WriteFile(precious, nil, 0o600))
	job := s.job(fmt.Sprintf(`d=$PWD; mv "$d" "$d.moved" && ln -s %s "$d"`, filepath.Dir(precious)))
	add(job, message.PhaseTeardown, "rm -f precious")
	s.Start(job)
	done := s.finish(job)
	if !exists(precious) {
		t.Error("the teardown has removed a file that the link leads to")
	}
	if text := strings.Join(done.Notes, "; "); !strings.Contains(text, "was gone") {
		t.Errorf("notes: %q", text)
	}
}

// Files are collected from the directory in which the processes were started, not
// from where a link leads that one of them has put in its place.
func TestCollectDoesNotFollowALinkInPlaceOfTheDirectory(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.serve(nil)
	secrets := t.TempDir()
	testkit.Check(t, os.WriteFile(filepath.Join(secrets, "file"), []byte("secret"), 0o600))
	job := s.job(fmt.Sprintf(`echo own >file; d=$PWD; mv "$d" "$d.moved" && ln -s %s "$d"`, secrets))
	job.Collect = []string{"**"}
	s.Start(job)
	done := s.finish(job)
	got := unpack(t, s.Of(job).Pieces())
	if done.Files.Files != 1 || got.files["file"] != "own\n" {
		t.Errorf("collected %q (%+v), want the run's own file", got.files, done.Files)
	}
	if data, err := os.ReadFile(filepath.Join(secrets, "file")); err != nil || string(data) != "secret" {
		t.Errorf("what the link leads to: %q, %v", data, err)
	}
}

// A directory that is gone by the end is said to be gone, not to have held nothing.
func TestCollectSaysThatTheDirectoryIsGone(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.serve(nil)
	job := s.job(`rm -rf "$PWD"`)
	job.Collect = []string{"*"}
	s.Start(job)
	if done := s.finish(job); !strings.Contains(done.Files.BrokenOff, "the run's directory is gone") {
		t.Errorf("files: %+v", done.Files)
	}
}

// frozen starts a process that no signal ends until it is thawed: a real one that
// hangs, as far as its worker can see.
func frozen(t *testing.T, env ...string) (pid int, thaw func()) {
	t.Helper()
	dir, err := os.MkdirTemp("/sys/fs/cgroup/freezer", "downbeat-test-") //nolint:usetesting // a cgroup
	if err != nil {
		t.Skipf("no freezer of cgroup v1, in which a process does not hear KILL: %v", err)
	}
	cmd := exec.Command("sleep", "1000")
	cmd.Env = append(os.Environ(), env...)
	testkit.Check(t, cmd.Start())
	set := func(file, text string) { testkit.Check(t, os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600)) }
	set("cgroup.procs", fmt.Sprint(cmd.Process.Pid))
	set("freezer.state", "FROZEN")
	thawed := false
	thaw = func() {
		if !thawed {
			thawed = true
			set("freezer.state", "THAWED")
			_ = cmd.Process.Kill() // its worker may have
			_ = cmd.Wait()         // killed
			testkit.Check(t, os.Remove(dir))
		}
	}
	t.Cleanup(thaw)
	return cmd.Process.Pid, thaw
}

// A worker that finds a process of a crashed run which can't be ended serves all the
// same, within the bound that is documented, and the run's publisher is told of it.
func TestRestartedWorkerServesBesideWhatCannotBeEnded(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	job := s.job("true")
	pid, thaw := frozen(t, marks(job)...)
	testkit.Check(t, s.log(job).Close())
	r, err := runner.New(runner.Options{}) // of its own: what is left is the program's
	testkit.Check(t, err)
	t.Cleanup(func() { testkit.Check(t, r.Close()) })
	v := s.serve(func(c *Config) { c.Runner = r })
	done := s.Await(job, message.Done).Done // after runner.KillTimeout
	if done.Outcome != message.HostLost || len(done.Left) != 1 || done.Left[0] != (message.Leftover{PID: pid, Command: "sleep"}) {
		t.Errorf("done: %+v, want it lost, and process %d left", done, pid)
	}
	s.Ack(job)
	next := s.job("true")
	s.Start(next)
	if done := s.finish(next); len(done.Left) > 0 || len(done.Notes) != 1 || !strings.Contains(done.Notes[0], fmt.Sprintf("sleep (pid %d)", pid)) {
		t.Errorf("the next run: %+v, want a note of process %d", done, pid)
	}
	v.stop()
	other, err := runner.New(runner.Options{}) // of the next start, which knows by the disk alone
	testkit.Check(t, err)
	t.Cleanup(func() { testkit.Check(t, other.Close()) })
	s.serve(func(c *Config) { c.Runner = other })
	testkit.WaitFor(t, "the next start knows of it", func() bool { return other.Leftovers() != nil })
	thaw()
	testkit.WaitFor(t, "the next start has ended it", func() bool { return other.Leftovers() == nil })
	testkit.WaitFor(t, "nothing is left any more", func() bool { return r.Leftovers() == nil })
	last := s.job("true")
	s.Start(last)
	if done := s.finish(last); len(done.Notes) > 0 {
		t.Errorf("the run after that: %+v", done)
	}
}

// A huge directory does not keep the end of a run: what is slow to remove goes on
// being removed, and is tried again at the next start.
func TestRemovalThatIsBrokenOffIsTriedAgain(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	w, err := New(s.config())
	testkit.Check(t, err)
	t.Cleanup(func() { testkit.Check(t, w.Close()) })
	job := s.job("true")
	testkit.Check(t, os.MkdirAll(filepath.Join(s.runDir(job), workDir, "a"), 0o700))
	ctx, cancel := context.WithTimeout(t.Context(), -time.Second)
	defer cancel()
	dir := w.directory(job.Run)
	if err := dir.clear(ctx); err == nil || !strings.HasPrefix(err.Error(), "left ") {
		t.Errorf("got %v", err)
	}
	w.clearLeft(t.Context())
	if exists(filepath.Join(w.leftDir(), job.Run)) {
		t.Error("it is still there")
	}
}
