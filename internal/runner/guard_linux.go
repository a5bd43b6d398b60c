package runner

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A guard is a copy of this program that does nothing but wait for this one's
// end: the end of a pipe tells it, whatever the cause. It then kills what is
// left of the sets that were active. The kernel kills the commands themselves
// at that moment (Pdeathsig), but not what they have started.
//
// All methods do nothing on a nil guard.
type guard struct {
	pid int

	mu   sync.Mutex
	pipe *os.File
	ids  map[*Set]int
	next int
}

// guardName is what the guard finds as the name it was started by.
const guardName = "downbeat-guard"

// guarded is what the guard is told of a set.
type guarded struct {
	ID     int      `json:"id"`
	Over   bool     `json:"over,omitempty"`
	Mark   []string `json:"mark,omitempty"`
	Groups []int    `json:"groups,omitempty"`
	Cgroup string   `json:"cgroup,omitempty"`
}

func newGuard(r *Runner) (*guard, error) {
	if !guardable.Load() {
		// Its copy would do whatever the program does, and not guard.
		return nil, errors.New("start the guard: this program's main does not begin with GuardMain")
	}
	fds, err := pipe()
	if err != nil {
		return nil, fmt.Errorf("start the guard: %w", err)
	}
	defer unix.Close(fds[0]) //nolint:errcheck // the guard has its own
	if err := errors.Join(unix.SetNonblock(fds[0], false), unix.SetNonblock(fds[1], true)); err != nil {
		unix.Close(fds[1]) //nolint:errcheck // nothing was written
		return nil, fmt.Errorf("start the guard: %w", err)
	}
	null := r.null.Fd()
	r.forking.Lock()
	defer r.forking.Unlock()
	// A session of its own, so that no ^C reaches it; and no environment, so
	// that it isn't taken for a process of a set by another Downbeat around us.
	pid, err := syscall.ForkExec("/proc/self/exe", []string{guardName}, &syscall.ProcAttr{
		Dir:   "/",
		Env:   []string{"GOMAXPROCS=1"},
		Files: []uintptr{uintptr(fds[0]), null, null},
		Sys:   &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		unix.Close(fds[1]) //nolint:errcheck // nothing was written
		return nil, fmt.Errorf("start the guard: %w", err)
	}
	r.children[pid] = nil
	return &guard{pid: pid, pipe: os.NewFile(uintptr(fds[1]), "guard"), ids: map[*Set]int{}}, nil
}

// watch entrusts the set to the guard.
func (g *guard) watch(s *Set) {
	if g == nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.next++
	g.ids[s] = g.next
	entry := guarded{ID: g.next, Mark: s.spec.Mark}
	for _, p := range s.procs {
		if p.pid > 0 {
			entry.Groups = append(entry.Groups, p.pid)
		}
	}
	if s.cgroup != nil {
		entry.Cgroup = s.cgroup.path
	}
	g.tell(s, entry)
}

// forget takes the set off the guard, before its pids are given free.
func (g *guard) forget(s *Set) {
	if g == nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.tell(s, guarded{ID: g.ids[s], Over: true})
	delete(g.ids, s)
}

// tell writes to the guard; under its mutex.
func (g *guard) tell(s *Set, entry guarded) {
	line, err := json.Marshal(entry)
	if err == nil {
		g.pipe.SetWriteDeadline(time.Now().Add(time.Second)) //nolint:errcheck // a pipe can
		_, err = g.pipe.Write(append(line, '\n'))
	}
	if err != nil {
		s.runner.log.Warn("the guard is gone: should this program be killed, processes may be left", "error", err)
	}
}

// close ends the guard; no set is active any more.
func (g *guard) close() {
	if g == nil {
		return
	}
	g.pipe.Close()
	unix.Kill(g.pid, unix.SIGKILL) //nolint:errcheck // our own child, not waited for: it's there
	reap(g.pid)
}

// guardable: GuardMain has been called, and has returned false.
var guardable atomic.Bool

// GuardMain reports whether this process was started to be a guard (see
// Options.Guard), and has done its work by the time it returns. It must be the
// first thing in main, with os.Args, and main must end if it returns true.
func GuardMain(args []string) bool {
	if len(args) != 1 || args[0] != guardName {
		guardable.Store(true)
		return false
	}
	pipe := os.NewFile(0, "guarded")
	defer pipe.Close()
	for _, g := range readGuarded(pipe) {
		g.clear()
	}
	return true
}

// readGuarded follows what it is told until the teller is gone, and returns the
// sets that are active then.
func readGuarded(pipe io.Reader) map[int]guarded {
	active := map[int]guarded{}
	for entries := json.NewDecoder(pipe); ; {
		var g guarded
		if entries.Decode(&g) != nil {
			return active
		}
		if g.Over {
			delete(active, g.ID)
		} else {
			active[g.ID] = g
		}
	}
}

// clear kills what is left of a set, again and again until nothing is, or it
// can't be killed.
func (g *guarded) clear() {
	since := bootTicks()
	deadline := time.Now().Add(KillTimeout)
	var dir *cgroup
	if g.Cgroup != "" {
		dir = &cgroup{path: g.Cgroup, fd: -1}
	}
	for pause := time.Millisecond; time.Now().Before(deadline); pause = min(2*pause, 20*time.Millisecond) {
		dir.kill() //nolint:errcheck // what it doesn't kill is found below
		left := g.left(since)
		for _, d := range left {
			signalProc(d, syscall.SIGKILL)
		}
		if len(left) == 0 && !dir.populated() {
			break
		}
		<-time.After(pause)
	}
	if dir != nil {
		removeCgroup(dir.path, 100) //nolint:errcheck // nobody to tell
	}
}

// left are the processes of the set, and what hangs below them. The ids of the
// groups were theirs alone until the teller's end; a process that is younger
// than that may be a stranger's, that was given such an id since.
func (g *guarded) left(since uint64) []proc {
	groups := map[int]bool{}
	for _, id := range g.Groups {
		groups[id] = true
	}
	var left []proc
	for _, pid := range allPIDs() {
		d, ok := readProc(pid)
		if !ok || d.zombie || pid == selfPID {
			continue
		}
		if groups[d.group] && d.start <= since || carries(pid, g.Mark) {
			left = append(append(left, d), descendants(d)...)
		}
	}
	return left
}

// bootTicks is the time since the machine was booted in the unit of start
// times: 1/100 s for every program, whatever the kernel's own clock does.
func bootTicks() uint64 {
	var now unix.Timespec
	if unix.ClockGettime(unix.CLOCK_BOOTTIME, &now) != nil {
		return 0
	}
	return uint64(now.Nano()) / uint64(10*time.Millisecond)
}
