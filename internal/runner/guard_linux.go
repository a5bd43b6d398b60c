package runner

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A guard is a copy of this program that only waits for this one to end: the end of a pipe
// shows that, whatever the cause. It then kills what is left of the sets that were active. The
// kernel kills the commands themselves at that moment (Pdeathsig), but not their descendants.
// If the guard itself is killed, another one is started.
//
// All methods do nothing on a nil guard.
type guard struct {
	runner *Runner
	ended  chan struct{} // closed when keep has returned

	mu      sync.Mutex
	pid     int      // 0: there is no guard at the moment
	pipe    *os.File // nil: there is no guard at the moment
	entries map[*Set]guarded
	next    int
	closed  chan struct{}
}

// guardName is the guard's argument 0.
const guardName = "downbeat-guard"

// How long to wait before a guard that was killed is started again: longer and longer, in case
// something kills every one.
const (
	guardPause    = 100 * time.Millisecond
	maxGuardPause = 5 * time.Second
)

// guarded is what the guard is told about a set.
type guarded struct {
	ID     int      `json:"id"`
	Over   bool     `json:"over,omitempty"`
	Mark   []string `json:"mark,omitempty"`
	Groups []int    `json:"groups,omitempty"`
	Cgroup string   `json:"cgroup,omitempty"`
}

func newGuard(r *Runner) (*guard, error) {
	if !guardable.Load() {
		// A copy of this program would do what the program does, and not guard.
		return nil, errors.New("start the guard: this program's main does not begin with GuardMain")
	}
	g := &guard{runner: r, entries: map[*Set]guarded{}, closed: make(chan struct{}), ended: make(chan struct{})}
	if err := g.start(); err != nil {
		return nil, err
	}
	go g.keep()
	return g, nil
}

// start starts the guard, and tells it about the active sets.
func (g *guard) start() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-g.closed:
		return nil
	default:
	}
	pid, pipe, err := g.runner.startGuard()
	if err != nil {
		return fmt.Errorf("start the guard: %w", err)
	}
	g.pid, g.pipe = pid, pipe
	for _, entry := range g.entries {
		g.tell(entry)
	}
	return nil
}

// startGuard starts the guard, and returns its pid and the pipe that it reads.
func (r *Runner) startGuard() (int, *os.File, error) {
	fds, err := pipe()
	if err != nil {
		return 0, nil, err
	}
	defer unix.Close(fds[0]) //nolint:errcheck // the guard has its own
	if err := errors.Join(unix.SetNonblock(fds[0], false), unix.SetNonblock(fds[1], true)); err != nil {
		unix.Close(fds[1]) //nolint:errcheck // nothing was written
		return 0, nil, err
	}
	null := r.null.Fd()
	r.forking.Lock()
	defer r.forking.Unlock()
	// It has a session of its own, so that no ^C reaches it, and no environment, so that
	// another Downbeat that runs this one does not take it for a process of a set.
	pid, err := syscall.ForkExec("/proc/self/exe", []string{guardName}, &syscall.ProcAttr{
		Dir:   "/",
		Env:   []string{"GOMAXPROCS=1"},
		Files: []uintptr{uintptr(fds[0]), null, null},
		Sys:   &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		unix.Close(fds[1]) //nolint:errcheck // nothing was written
		return 0, nil, err
	}
	r.children[pid] = nil
	return pid, os.NewFile(uintptr(fds[1]), "guard"), nil
}

// keep waits for the end of the guard, and starts another unless it was closed.
func (g *guard) keep() {
	defer close(g.ended)
	for pause := guardPause; ; pause = min(2*pause, maxGuardPause) {
		began := time.Now()
		if g.await() {
			return
		}
		if time.Since(began) > maxGuardPause {
			pause = guardPause
		}
		select {
		case <-time.After(pause):
		case <-g.closed:
			return
		}
		if err := g.start(); err != nil {
			g.runner.log.Warn("no guard for the moment: if this program is killed, processes may be left", "error", err)
		}
	}
}

// await waits for the end of the guard, if there is one, and reports whether it was ended by
// us.
func (g *guard) await() (meant bool) {
	g.mu.Lock()
	pid := g.pid
	g.mu.Unlock()
	if pid != 0 {
		pollEnd(pid, 0) //nolint:errcheck // our own child; it stays a zombie, so that its pid is not reused
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if pid != 0 {
		reapEnded(pid)
		g.runner.forget(pid)
	}
	g.pid = 0
	select {
	case <-g.closed:
		return true
	default:
	}
	if g.pipe != nil {
		g.pipe.Close()
		g.pipe = nil
		g.runner.log.Warn("the guard was ended from outside; another one follows")
	}
	return false
}

// watch entrusts the set to the guard.
func (g *guard) watch(s *Set) {
	if g == nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.next++
	entry := guarded{ID: g.next, Mark: s.spec.Mark}
	for _, p := range s.procs {
		if p.pid > 0 {
			entry.Groups = append(entry.Groups, p.pid)
		}
	}
	if s.cgroup != nil {
		entry.Cgroup = s.cgroup.path
	}
	g.entries[s] = entry
	g.tell(entry)
}

// admit tells the guard of another group of the set.
func (g *guard) admit(s *Set, group int) {
	if g == nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	entry := g.entries[s]
	entry.Groups = append(entry.Groups, group)
	g.entries[s] = entry
	g.tell(entry)
}

// dismiss tells the guard that groups of the set are empty, before their ids are released.
func (g *guard) dismiss(s *Set, groups []int) {
	if g == nil || len(groups) == 0 {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	entry := g.entries[s]
	entry.Groups = slices.DeleteFunc(slices.Clone(entry.Groups), func(id int) bool { return slices.Contains(groups, id) })
	g.entries[s] = entry
	g.tell(entry)
}

// narrow tells the guard which groups the set still has: the ids of the others are about to be
// released.
func (g *guard) narrow(s *Set, groups []int) {
	if g == nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	entry := g.entries[s]
	entry.Groups = groups
	g.entries[s] = entry
	g.tell(entry)
}

// forget takes the set off the guard's list, before its pids are released.
func (g *guard) forget(s *Set) {
	if g == nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.tell(guarded{ID: g.entries[s].ID, Over: true})
	delete(g.entries, s)
}

// tell writes to the guard; under its mutex. If it is gone, start will tell the next one.
func (g *guard) tell(entry guarded) {
	line, err := json.Marshal(entry)
	if err != nil || g.pipe == nil {
		return
	}
	g.pipe.SetWriteDeadline(time.Now().Add(time.Second)) //nolint:errcheck // a pipe can
	if _, err = g.pipe.Write(append(line, '\n')); err == nil || errors.Is(err, syscall.EPIPE) {
		return
	}
	// It does not read, or has read half a line: it can't understand what comes next.
	g.runner.log.Warn("the guard does not listen, and is ended; another one follows", "error", err)
	unix.Kill(g.pid, unix.SIGKILL) //nolint:errcheck // our own child, not waited for: it's there
}

// close ends the guard. If processes could not be ended, they are left to the guard, which then
// ends by itself.
func (g *guard) close() {
	if g == nil {
		return
	}
	g.mu.Lock()
	close(g.closed)
	if g.pipe != nil {
		g.pipe.Close()
	}
	last := len(g.entries) > 0
	if g.pid != 0 && !last {
		unix.Kill(g.pid, unix.SIGKILL) //nolint:errcheck // as above
	}
	g.mu.Unlock()
	if !last {
		<-g.ended
	}
}

// guardable says that GuardMain has been called, and has returned false.
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
		g.clear(newSystem())
	}
	return true
}

// readGuarded reads what the guarded program writes until that has ended, and returns the sets
// that are active then.
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

// clear kills what is left of a set, again and again until nothing is left, or what is left
// can't be killed.
func (g *guarded) clear(sys *system) {
	since := bootTicks()
	deadline := time.Now().Add(KillTimeout)
	var dir *cgroup
	if g.Cgroup != "" {
		dir = &cgroup{path: g.Cgroup, fd: -1}
	}
	for pause := time.Millisecond; time.Now().Before(deadline); pause = min(2*pause, 20*time.Millisecond) {
		dir.kill(sys) //nolint:errcheck // what it doesn't kill is found below
		l := newLook(sys)
		left := g.left(l, since)
		for _, d := range left {
			sys.signal(d, syscall.SIGKILL)
		}
		populated, err := dir.populated(sys)
		if len(left) == 0 && l.err == nil && !populated && err == nil {
			break
		}
		<-time.After(pause)
	}
	if dir != nil {
		removeCgroup(dir.path, 100) //nolint:errcheck // there is no one to tell
	}
}

// left are the processes of the set and their descendants. The ids of the groups were reserved
// until the guarded program ended; a process that started after that may be an unrelated one
// that has got such an id since.
func (g *guarded) left(l *look, since uint64) []proc {
	groups := map[int]bool{}
	for _, id := range g.Groups {
		groups[id] = true
	}
	var left []proc
	for _, pid := range l.allPIDs() {
		d, ok := l.proc(pid)
		if !ok || d.zombie || pid == selfPID {
			continue
		}
		if groups[d.group] && d.start <= since || l.carries(pid, g.Mark) {
			left = append(append(left, d), l.descendants(d)...)
		}
	}
	return left
}

// bootTicks is the time since boot in the unit of start times, which is 1/100 s in /proc,
// whatever the kernel uses internally.
func bootTicks() uint64 {
	var now unix.Timespec
	if unix.ClockGettime(unix.CLOCK_BOOTTIME, &now) != nil {
		return 0
	}
	return uint64(now.Nano()) / uint64(10*time.Millisecond)
}
