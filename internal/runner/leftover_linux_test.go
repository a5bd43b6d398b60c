package runner

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"downbeat/internal/testkit"
)

// A shield keeps processes from being signalled, as the kernel does with those
// that hang in it.
type shield struct {
	mu   sync.Mutex
	pids []int
	sent int // signals that it blocked
}

// raise puts a shield between the runner and the processes that are added to it later.
func raise(r *Runner) *shield {
	s := &shield{}
	kill, send := r.sys.kill, r.sys.send
	r.sys.kill = func(pid int, sig syscall.Signal) error {
		if sig != 0 && s.keepsOff(max(pid, -pid)) {
			return nil
		}
		return kill(pid, sig)
	}
	r.sys.send = func(pidfd int, sig syscall.Signal) error {
		if s.keepsOff(pidOf(pidfd)) {
			return nil
		}
		return send(pidfd, sig)
	}
	return s
}

// pidOf is the process that a pidfd stands for.
func pidOf(pidfd int) int {
	data, _ := os.ReadFile(fmt.Sprintf("/proc/self/fdinfo/%d", pidfd))
	_, after, _ := strings.Cut(string(data), "\nPid:")
	var pid int
	_, _ = fmt.Sscan(after, &pid)
	return pid
}

func (s *shield) keepsOff(pid int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if slices.Contains(s.pids, pid) {
		s.sent++
		return true
	}
	return false
}

func (s *shield) over(pids ...int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pids = pids
}

// quick makes the runner give up soon on processes that can't be ended.
func quick(r *Runner) { r.killTimeout = 100 * time.Millisecond }

// A command, or a descendant, that can't be ended is named in the result, in no
// other set's, and is ended as soon as it can be.
func TestWhatCannotBeEndedIsNamedAndPursued(t *testing.T) {
	t.Parallel()
	for name, options := range map[string]Options{"tree": {NoCgroup: true}, "unheld": {NoPtrace: true}} {
		for what, c := range map[string]Command{"command": role(t, "deaf"), "daemon": role(t, "daemon", "deaf", "sleep")} {
			t.Run(name+" "+what, func(t *testing.T) {
				t.Parallel()
				r := newRunner(t, options)
				quick(r)
				shield := raise(r)
				tr := prepare(t, r, c)
				tr.release(t)
				pid := tr.awaitReady(t, 0, 1)[0]
				if what == "daemon" {
					pid = daemonOf(tr.awaitReady(t, 0, 2), tr.pids[0])
				}
				shield.over(pid)
				tr.Stop(time.Now(), time.Millisecond, 0)
				<-tr.Done()
				left := tr.Result().Left
				if left == nil || len(left.Left) != 1 || left.Left[0].PID != pid || left.Left[0].Command == "" || left.Unseen != nil {
					t.Fatalf("left: %v, want process %d", left, pid)
				}
				if e := tr.exits[0]; (e.Err != nil) != (what == "command") {
					t.Errorf("exit %+v", e)
				}
				if all := r.Leftovers(); all == nil || len(all.Left) != 1 || all.Left[0].PID != pid {
					t.Errorf("the runner knows of %v", all)
				}
				next := prepare(t, r, role(t, "end"))
				next.release(t)
				next.end(t) // finds nothing of its own left

				shield.over()
				testkit.WaitFor(t, "it is ended after all", func() bool { return r.Leftovers() == nil })
				gone(t, pid)
			})
		}
	}
}

// daemonOf is which of two is not the command itself.
func daemonOf(pids []int, command int) int {
	if pids[0] == command {
		return pids[1]
	}
	return pids[0]
}

// A process that can't be read in /proc does not count as gone: the set is not over before
// it is known that nothing is left, and remaining processes are ended.
func TestProcessesThatCannotBeReadAreNotTakenForGone(t *testing.T) {
	t.Parallel()
	for _, errno := range []syscall.Errno{unix.EMFILE, unix.ENOMEM, unix.EIO} {
		t.Run(errno.Error(), func(t *testing.T) {
			t.Parallel()
			r := newRunner(t, Options{NoCgroup: true})
			tr := prepare(t, r, role(t, "daemon", "deaf", "sleep"))
			blind := make(chan struct{})
			var looks sync.WaitGroup
			looks.Add(20)
			n := 0
			r.sys.open = func(name string) (*os.File, error) { // by one goroutine, that of the set
				select {
				case <-blind:
					return os.Open(name)
				default:
					if n++; n <= 20 {
						looks.Done()
					}
					return nil, &os.PathError{Op: "open", Path: name, Err: errno}
				}
			}
			tr.release(t)
			pids := tr.awaitReady(t, 0, 2)
			tr.Stop(time.Now(), time.Millisecond, 0)
			looks.Wait()
			select {
			case <-tr.Done():
				t.Error("the set is over though nobody knows whether something is left")
			default:
			}
			close(blind)
			if result := tr.end(t); result.Swept < 1 {
				t.Errorf("%d swept, want the daemon", result.Swept)
			}
			for _, pid := range pids {
				gone(t, pid)
			}
		})
	}
}

// Where /proc stays unreadable the result says so, and the runner goes on looking.
func TestResultSaysThatNothingCouldBeSeen(t *testing.T) {
	t.Parallel()
	r := newRunner(t, Options{NoCgroup: true})
	quick(r)
	var mu sync.Mutex
	blind := false
	r.sys.open = func(name string) (*os.File, error) {
		mu.Lock()
		defer mu.Unlock()
		if blind {
			return nil, unix.EIO
		}
		return os.Open(name)
	}
	see := func(b bool) { mu.Lock(); defer mu.Unlock(); blind = !b }
	tr := prepare(t, r, role(t, "daemon", "deaf", "sleep"))
	tr.release(t)
	pids := tr.awaitReady(t, 0, 2)
	see(false)
	tr.Stop(time.Now(), time.Millisecond, 0)
	<-tr.Done()
	if left := tr.Result().Left; left == nil || !errors.Is(left, unix.EIO) {
		t.Errorf("left: %v, want that it is not known", left)
	}
	see(true)
	testkit.WaitFor(t, "what was not seen is ended", func() bool { return r.Leftovers() == nil })
	for _, pid := range pids {
		gone(t, pid)
	}
}

// A program without a single free descriptor still ends what its set has left.
func TestEndsWithoutAFreeDescriptor(t *testing.T) {
	t.Parallel()
	for _, way := range []string{"cgroup", "tree"} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			var pid, swept int
			out := another(t, "starved", way)
			if _, err := fmt.Sscanf(out, "ready %d\nswept %d, left <nil>\n", &pid, &swept); err != nil || swept < 1 {
				t.Errorf("got %q", out)
			}
			gone(t, pid)
		})
	}
}

// A sweep gives up on what does not end, names it, and keeps trying.
func TestSweepNamesWhatDoesNotEnd(t *testing.T) {
	t.Parallel()
	mark := markOf(t)
	cmd := exec.CommandContext(t.Context(), "sleep", "1000")
	cmd.Env = append(os.Environ(), mark...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait() //nolint:errcheck // it is killed
	r := newRunner(t, Options{})
	quick(r)
	shield := raise(r)
	shield.over(cmd.Process.Pid)
	_, err := r.Sweep(t.Context(), mark)
	left, ok := errors.AsType[*LeftError](err)
	if !ok || len(left.Left) != 1 || left.Left[0] != (Leftover{cmd.Process.Pid, "sleep"}) {
		t.Fatalf("sweep: %v, want process %d", err, cmd.Process.Pid)
	}
	shield.over()
	testkit.WaitFor(t, "it is ended after all", func() bool { return r.Leftovers() == nil })
}

// A relative that the system hides from this user (hidepid) is not gone.
func TestHiddenRelativeIsNotGone(t *testing.T) {
	t.Parallel()
	sys := newSystem()
	defer sys.close()
	sys.open = func(string) (*os.File, error) { return nil, unix.ENOENT }
	for errno, there := range map[syscall.Errno]bool{unix.EPERM: true, unix.ESRCH: false} {
		sys.kill = func(int, syscall.Signal) error { return errno }
		if d, ok := newLook(sys).related(42, 1); ok != there || there && d.pid != 42 {
			t.Errorf("a signal to it: %v; got %+v, %t", errno, d, ok)
		}
	}
}

// A guard that was killed is followed by another, which knows of the sets that
// are active: nothing is left when the program is killed then.
func TestGuardThatWasKilledIsFollowedByAnother(t *testing.T) {
	t.Parallel()
	out := another(t, "killed", "tree", "guard")
	var pids [4]int
	if _, err := fmt.Sscanf(out, "%d %d %d %d", &pids[0], &pids[1], &pids[2], &pids[3]); err != nil {
		t.Fatalf("got %q", out)
	}
	for _, pid := range pids {
		awaitGone(t, pid)
	}
}

// Of a program that starts nothing else, an orphan is the active set's. One that
// an earlier set could not end is not.
func TestWhatAnEarlierSetHasLeftIsNotTheNextOnes(t *testing.T) {
	t.Parallel()
	if out, want := another(t, "unended"), "first: true, second: <nil>, 0 swept\n"; out != want {
		t.Errorf("got %q, want %q", out, want)
	}
}

// unendedProgram runs a set that leaves an orphan which can't be ended, and then
// another set; it prints what each has left.
func unendedProgram([]string) int {
	r, err := New(Options{Exclusive: true, NoCgroup: true})
	if err != nil {
		panic(err)
	}
	quick(r)
	shield := raise(r)
	run := func(script string, lines int, then func(*Set, string)) Result {
		said := newGatherer()
		set, err := r.Prepare(context.Background(), Spec{
			Sink: said, Mark: []string{"RUNNER_TEST=unended"}, Commands: []Command{{Argv: []string{"sh", "-c", script}, Env: os.Environ()}},
		})
		if err != nil {
			panic(err)
		}
		if err := set.Release(time.Now()); err != nil {
			panic(err)
		}
		said.wait(lines)
		then(set, said.text())
		<-set.Done()
		return set.Result()
	}
	var orphan int
	first := run(`(env -i setsid sh -c 'trap "" TERM; echo $$; exec sleep 1000' &); exec sleep 1000`, 1, func(set *Set, text string) {
		_, _ = fmt.Sscan(text, &orphan)
		shield.over(orphan)
		set.Stop(time.Now(), 0, 0)
	})
	second := run("true", 0, func(*Set, string) {})
	fmt.Printf("first: %t, second: %v, %d swept\n", first.Left != nil && first.Left.Left[0].PID == orphan, second.Left, second.Swept)
	shield.over()
	for r.Leftovers() != nil {
		<-time.After(time.Millisecond)
	}
	return 0
}

// starvedProgram runs a set that leaves a daemon, and has no descriptor left when
// the set ends. The argument is a way.
func starvedProgram(args []string) int {
	options := ways[args[0]]
	options.Log = slog.New(slog.NewTextHandler(os.Stderr, nil))
	r, err := New(options)
	if err != nil {
		panic(err)
	}
	said := newGatherer()
	set, err := r.Prepare(context.Background(), Spec{Sink: said, Mark: []string{fmt.Sprintf("RUNNER_TEST=%d", os.Getpid())}, Commands: []Command{{
		Argv: []string{os.Args[0], childPrefix + "daemon", "deaf", "sleep"}, Env: os.Environ(),
	}}})
	if err != nil {
		panic(err)
	}
	if err := set.Release(time.Now()); err != nil {
		panic(err)
	}
	said.wait(2)
	// Closing descriptors from now on does not make room: they are above the limit.
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		panic(err)
	}
	limit.Cur = 0
	for _, f := range r.sys.reserve {
		limit.Cur = max(limit.Cur, uint64(f.Fd())+1)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		panic(err)
	}
	for err == nil {
		_, err = os.Open(os.DevNull)
	}
	if !errors.Is(err, unix.EMFILE) {
		panic(err)
	}
	set.Stop(time.Now(), 50*time.Millisecond, 0)
	<-set.Done()
	result := set.Result()
	first, _, _ := strings.Cut(said.text(), "\n")
	_, _ = io.WriteString(os.Stdout, fmt.Sprintf("%s\nswept %d, left %v\n", first, result.Swept, result.Left))
	return 0
}
