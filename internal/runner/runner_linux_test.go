package runner

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"downbeat/internal/streams"
	"downbeat/internal/testkit"
)

// stateOf is the letter for the state of a process.
func stateOf(t *testing.T, pid int) byte {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Fields(data[bytes.LastIndexByte(data, ')')+1:])[0][0]
}

// setUID is a copy of a program with the set-uid bit. This program doesn't write it itself: a child
// that is started meanwhile would have it open for writing, and nobody could execute it.
func setUID(t *testing.T, program string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "special")
	if out, err := exec.CommandContext(t.Context(), "cp", program, path).CombinedOutput(); err != nil {
		t.Fatalf("cp: %v: %s", err, out)
	}
	if err := os.Chmod(path, 0o700|os.ModeSetuid); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestEveryWayIsOpenHere(t *testing.T) {
	t.Parallel()
	r := newRunner(t, Options{})
	if !r.holds {
		t.Error("processes can't be held here, so what needs that has not been tested")
	}
	if r.base == "" && cgroupBase() != "" && unix.Access(cgroupBase(), unix.W_OK) == nil {
		t.Error("cgroups can't be used here, though there are some")
	}
	if tree := newRunner(t, Options{NoCgroup: true}); tree.base != "" || !tree.holds {
		t.Error("the tree alone can't be tested")
	}
}

func TestAHeldProcessIsStoppedAndTraced(t *testing.T) {
	t.Parallel()
	tr := prepare(t, newRunner(t, Options{}), role(t, "end"))
	if got := stateOf(t, tr.procs[0].pid); got != 't' {
		t.Errorf("got state %c, want t (tracing stop)", got)
	}
}

func TestACommandDoesNotInheritWhatIsNotItsOwn(t *testing.T) {
	t.Parallel()
	// The signals are read without starting a program: dash blocks all around a vfork.
	tr := prepare(t, newRunner(t, Options{}), shell(t, `
		ls -l /proc/$$/fd >fds; grep -cE 'pipe:|anon_inode' fds
		while read -r name value; do case $name in SigBlk:|SigIgn:) echo $name $value;; esac; done </proc/$$/status
		readlink /proc/$$/fd/0
		cat /proc/$$/timerslack_ns`))
	tr.release(t)
	tr.end(t)
	inherited := 0 // by this program, from its parent
	for fd := 3; fd < 1024; fd++ {
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		target, _ := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
		if err == nil && flags&unix.FD_CLOEXEC == 0 && (strings.HasPrefix(target, "pipe:") || strings.HasPrefix(target, "anon_inode")) {
			inherited++
		}
	}
	got := strings.Join(strings.Fields(tr.text(0, streams.Stdout)), " ")
	want := fmt.Sprintf("%d SigBlk: 0000000000000000 SigIgn: %s /dev/null 50000", 2+inherited, ignored(t))
	if got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// ignored are the signals that this program ignores because its parent did, like nohup; the Go
// runtime ignores none by itself.
func ignored(t *testing.T) string {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(status), "SigIgn:")
	return strings.Fields(after)[0]
}

func TestCgroupsAreRemoved(t *testing.T) {
	t.Parallel()
	r := newRunner(t, Options{})
	if r.base == "" {
		t.Skip("no cgroup v2 is delegated to this user")
	}
	tr := prepare(t, r, shell(t, `cg=`+r.base+`/*/; for d in $cg; do grep -q "^$$\$" $d/cgroup.procs && mkdir $d/below && echo $$ > $d/below/cgroup.procs; done; echo ready $$; sleep 1000`))
	path := tr.cgroup.path
	tr.release(t)
	tr.awaitReady(t, 0, 1)
	if _, err := os.Stat(filepath.Join(path, "below")); err != nil {
		t.Errorf("the command made no cgroup of its own: %v", err)
	}
	tr.Stop(tr.started[0], forever, 0)
	tr.end(t)
	if _, err := os.Stat(path); err == nil {
		t.Errorf("%s is left", path)
	}
}

// another starts a program that runs sets of its own.
func another(t *testing.T, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], append([]string{childPrefix + name}, args...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil && cmd.ProcessState.ExitCode() != -1 {
		t.Fatalf("%s: %v", name, err)
	}
	return string(out)
}

func TestAnExclusiveProgramLeavesNoOrphanOfAnyKind(t *testing.T) {
	t.Parallel()
	var pid int
	out := another(t, "exclusive")
	if _, err := fmt.Sscanf(out, "orphan %d\nchildren []\n", &pid); err != nil {
		t.Fatalf("got %q", out)
	}
	gone(t, pid)
}

func TestAKilledProgramLeavesNothing(t *testing.T) {
	t.Parallel()
	for _, way := range []string{"cgroup", "tree"} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			out := another(t, "killed", way)
			var pids [4]int
			if _, err := fmt.Sscanf(out, "%d %d %d %d", &pids[0], &pids[1], &pids[2], &pids[3]); err != nil {
				t.Fatalf("got %q", out)
			}
			for _, pid := range pids {
				awaitGone(t, pid)
			}
		})
	}
}

// The guard knows of processes that began in the middle, and held ones die too.
func TestAKilledProgramLeavesNothingOfItsLivesAndBeats(t *testing.T) {
	t.Parallel()
	for _, way := range []string{"cgroup", "tree"} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			out := another(t, "killed", way, "lives")
			fields := strings.Fields(out)
			if len(fields) != 10 { // four of each life, one of a beat that did not come, one of a life that didn't
				t.Fatalf("got %q", out)
			}
			for _, field := range fields {
				awaitGone(t, number(field))
			}
		})
	}
}

func TestParseStatTakesAnyName(t *testing.T) {
	t.Parallel()
	line := "42 (a) R 1 (b) S 7 8 9 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 987654 1 2 3"
	got, ok := parseStat(42, []byte(line))
	if want := (proc{pid: 42, parent: 7, group: 8, start: 987654, name: "a) R 1 (b"}); !ok || got != want {
		t.Errorf("got %+v, %v, want %+v", got, ok, want)
	}
	for threads, zombie := range map[int]bool{1: true, 2: false} {
		line := fmt.Sprintf("42 (a) Z 7 8 9 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 %d 0 987654 1 2 3", threads)
		if got, ok := parseStat(42, []byte(line)); !ok || got.zombie != zombie {
			t.Errorf("%d threads left, the first ended: got %+v, %v", threads, got, ok)
		}
	}
	for size, ending := range map[int]bool{0: true, 1: false} {
		line := fmt.Sprintf("42 (a) R 7 8 9 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 987654 %d 2 3", size)
		if got, ok := parseStat(42, []byte(line)); !ok || got.ending != ending {
			t.Errorf("%d bytes of memory: got %+v, %v", size, got, ok)
		}
	}
	if _, ok := parseStat(42, []byte("42 (a) R 1")); ok {
		t.Error("a line that is too short was taken")
	}
}

func TestCgroupDir(t *testing.T) {
	t.Parallel()
	base := cgroupBase()
	if base == "" {
		t.Skip("no cgroup v2 is mounted")
	}
	tests := map[string]struct{ mount, own, want string }{
		"whole":          {"41 31 0:38 / " + base + " rw,relatime - cgroup2 cgroup2 rw", "/", base},
		"other type":     {"41 31 0:38 / " + base + " rw,relatime - cgroup cgroup rw", "/", ""},
		"part":           {"41 31 0:38 /box " + base + " rw,relatime shared:1 - cgroup2 cgroup2 rw", "/box", base},
		"another part":   {"41 31 0:38 /box " + base + " rw - cgroup2 cgroup2 rw", "/boxes", ""},
		"not there":      {"41 31 0:38 / " + base + " rw - cgroup2 cgroup2 rw", "/no/such", ""},
		"no such system": {"41 31 0:38 / /tmp rw - cgroup2 cgroup2 rw", "/", ""},
		"garbage":        {"41", "/", ""},
	}
	for name, tt := range tests {
		if got := cgroupDir(tt.mount, tt.own); got != tt.want {
			t.Errorf("%s: got %q, want %q", name, got, tt.want)
		}
	}
	if got := unescapeMount(`/a\040b\134c`); got != `/a b\c` {
		t.Errorf("got %q", got)
	}
}

func TestAStrangerIsNeverSignalled(t *testing.T) {
	t.Parallel()
	mark := markOf(t)
	stranger := exec.CommandContext(t.Context(), "sleep", "1000")
	stranger.Env = []string{mark[0], mark[1] + "x", "X" + mark[1], "A=" + mark[1]} // as near as it gets
	stranger.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := stranger.Start(); err != nil {
		t.Fatal(err)
	}
	defer stranger.Wait()         //nolint:errcheck // it is killed
	defer stranger.Process.Kill() //nolint:errcheck // it is there until waited for
	pid := stranger.Process.Pid

	r := newRunner(t, Options{})
	if n, err := r.Sweep(t.Context(), mark); n != 0 || err != nil {
		t.Errorf("sweep: got %d, %v", n, err)
	}
	// It has been given the pid of a process that was ours.
	d, ok := lookNow().proc(pid)
	if !ok {
		t.Fatal("no such process")
	}
	d.start--
	r.sys.signal(d, syscall.SIGKILL)
	(&process{pid: pid, reaped: true, slot: &slot{set: &Set{runner: r}}}).signalGroup(syscall.SIGKILL)
	g := guarded{Groups: []int{pid}, Mark: mark}
	if left := g.left(lookNow(), d.start); len(left) > 0 {
		t.Errorf("the guard takes it for one of ours: %v", left)
	}
	set := prepare(t, r, role(t, "end"))
	set.release(t)
	set.end(t)
	set.procs[0].pid = pid
	set.Stop(time.Now(), 0, 0)

	if now, ok := lookNow().proc(pid); !ok || now.zombie {
		t.Error("it was killed")
	}
}

// The children of an orphan that is about to end may belong to the set, and are not this program's
// yet: a look that can't tell whose it is has not seen everything.
func TestAnOrphanThatIsAboutToEndLeavesALookIncomplete(t *testing.T) {
	t.Parallel()
	r := newRunner(t, Options{NoCgroup: true})
	tr := prepare(t, r, role(t, "end"))
	f := newFamily(tr.Set)
	for ending, want := range map[bool]error{true: errEnding, false: nil} {
		l := newLook(r.sys)
		if f.owns(l, proc{pid: selfPID, start: 1, ending: ending}) || !errors.Is(l.err, want) {
			t.Errorf("about to end: %t; got %v, want %v", ending, l.err, want)
		}
	}
	tr.Stop(time.Now(), 0, 0)
	tr.end(t)
}

func TestAGrandchildWithoutMarkIsFoundInTheTree(t *testing.T) {
	t.Parallel()
	tr := prepare(t, newRunner(t, Options{NoCgroup: true}),
		shell(t, `env -i setsid sh -c 'trap "" TERM; echo ready $$; while :; do sleep 1; done' & trap "" TERM; echo ready $$; while :; do sleep 1; done`))
	tr.release(t)
	pids := tr.awaitReady(t, 0, 2)
	tr.Stop(time.Now(), 50*time.Millisecond, 0)
	tr.end(t)
	// The shell is its parent, and both get KILL: only one that was seen before can be told then.
	for _, pid := range pids {
		gone(t, pid)
	}
}

func TestASetUIDProgramIsStartedAtTheReleaseAndNotHeld(t *testing.T) {
	t.Parallel()
	r := newRunner(t, Options{})
	trace := traces{t.TempDir()}
	normal, special := trace.touch(t, "normal"), trace.touch(t, "special")
	special.Name, special.Argv[0] = "special", setUID(t, special.Argv[0])
	tr := prepare(t, r, special, normal)
	if got, want := tr.Unheld(), []string{"special"}; !slices.Equal(got, want) {
		t.Errorf("got %v unheld, want %v", got, want)
	}
	if tr.procs[0].pid != 0 || tr.procs[1].pid == 0 || len(trace.left(t)) > 0 {
		t.Errorf("started before the release: %v", trace.left(t))
	}
	tr.release(t)
	tr.end(t)
	if got, want := trace.left(t), []string{"normal", "special"}; !slices.Equal(got, want) {
		t.Errorf("got %v executed, want %v", got, want)
	}
}

func TestHoldTellsTheWay(t *testing.T) {
	t.Parallel()
	held := prepare(t, newRunner(t, Options{}), role(t, "end"))
	if got := held.Hold(); got != HoldPtrace {
		t.Errorf("got %v, want %v", got, HoldPtrace)
	}
	unheld := prepare(t, newRunner(t, Options{NoPtrace: true}), role(t, "end"))
	if got, names := unheld.Hold(), unheld.Unheld(); got != HoldNone || len(names) > 0 {
		t.Errorf("got %v, %v, want %v and no names", got, names, HoldNone)
	}
}

func TestAProcessThatIsSuspendedCanActOnTERM(t *testing.T) {
	t.Parallel()
	tr := prepare(t, newRunner(t, Options{}), role(t, "stopped"))
	tr.release(t)
	pid := tr.awaitReady(t, 0, 1)[0]
	testkit.WaitFor(t, "it is suspended", func() bool { return stateOf(t, pid) == 'T' })
	tr.Stop(time.Now(), forever, 0)
	tr.end(t)
	if e := tr.exits[0]; e.Signal != "SIGTERM" || e.Killed {
		t.Errorf("got %+v, want it ended by TERM", e)
	}
}

// A process that is traced already, by another of its set, is ended like any
// other, though it is stopped and hears no TERM.
func TestAProcessThatIsTracedByAnotherIsEnded(t *testing.T) {
	t.Parallel()
	for name, options := range ways {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tr := prepare(t, newRunner(t, options), role(t, "tracer"))
			tr.release(t)
			traced := tr.awaitReady(t, 0, 2)
			testkit.WaitFor(t, "it is stopped for its tracer", func() bool { return stateOf(t, traced[0]) == 't' })
			tr.Stop(time.Now(), 50*time.Millisecond, 0)
			tr.end(t)
			for _, pid := range traced {
				gone(t, pid)
			}
		})
	}
}

func TestAStrangerThatHoldsTheOutputIsNotWaitedForForEver(t *testing.T) {
	t.Parallel()
	tr := prepare(t, newRunner(t, Options{}), role(t, "polite"))
	tr.release(t)
	pid := tr.awaitReady(t, 0, 1)[0]
	// This program, as a stranger, holds the pipe, and has written to it.
	pipe, err := os.OpenFile(fmt.Sprintf("/proc/%d/fd/1", pid), os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer pipe.Close()
	tr.Stop(time.Now(), forever, 0)
	tr.await(t, "its exit", func() bool { return tr.exits[0].Code == 7 })
	if _, err := pipe.WriteString("from outside"); err != nil {
		t.Fatal(err)
	}
	tr.end(t)
	if got := tr.text(0, streams.Stdout); !strings.HasSuffix(got, "from outside") {
		t.Errorf("got %q, want all that was there", got)
	}
}

func TestPeakMemoryIsTheProcessesOwn(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "end")
	little := shell(t, "echo ready $$; until [ -e "+file+" ]; do sleep 0.01; done")
	big := role(t, "big", fmt.Sprint(200<<20))
	tr := prepare(t, newRunner(t, Options{}), little, big)
	tr.release(t)
	pid := tr.awaitReady(t, 0, 1)[0]
	testkit.WaitFor(t, "a sample is taken", func() bool {
		tr.Set.mu.Lock()
		defer tr.Set.mu.Unlock()
		return tr.procs[0].peak > 0
	})
	own := peakOf(pid)
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	tr.end(t)
	// It may grow by some pages yet; what this program uses is many times as much.
	if got := tr.exits[0].MaxRSS; got <= 0 || got > 2*own || 2*own >= ownPeak() {
		t.Errorf("the shell: got %d bytes, want about %d, and less than the %d of this program", got, own, ownPeak())
	}
	if got := tr.exits[1].MaxRSS; got < 200<<20 {
		t.Errorf("the big one: got %d bytes, want at least 200 MiB", got)
	}
}
