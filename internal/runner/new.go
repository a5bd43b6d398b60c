package runner

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// ErrClosed is what Prepare returns on a closed runner.
var ErrClosed = errors.New("the runner is closed")

// A Runner owns what sets share: the thread that starts and releases, and the guard. A program
// has one. Its methods may be called concurrently.
type Runner struct {
	options Options
	log     *slog.Logger
	thread  *thread
	sys     *system
	null    *os.File
	holds   bool   // programs can be held by ptrace
	base    string // where cgroups are made; empty: none are
	guard   *guard // nil: there is none

	killTimeout time.Duration // KillTimeout, or less in tests
	lead        time.Duration // lead, or more in tests

	// forking is held while a child is started and entered into children, so that no new child
	// is taken for an orphan.
	forking  sync.Mutex
	children map[int]*Set // every child that the runner started, by pid; nil: it is of no set

	mu       sync.Mutex
	sets     map[*Set]bool // those that are not over
	remnants map[*remnant]bool
	closed   bool

	stopReaping chan struct{}
	tasks       sync.WaitGroup
}

// New makes a runner. It makes this program the sub-reaper of its descendants, and finds out
// which ways of holding and finding processes work here.
func New(options Options) (*Runner, error) {
	log := options.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("open the processes' standard input: %w", err)
	}
	r := &Runner{
		options: options, log: log, sys: newSystem(), null: null,
		killTimeout: KillTimeout, lead: lead, remnants: map[*remnant]bool{},
		thread:      newThread(),
		children:    map[int]*Set{},
		sets:        map[*Set]bool{},
		stopReaping: make(chan struct{}),
	}
	if err := adoptOrphans(); err != nil {
		log.Warn("descendants that leave their parents can't be found in the process tree", "error", err)
	}
	r.findWays()
	if options.Guard {
		r.guard, err = newGuard(r)
		if err != nil {
			log.Warn("no guard: if this program is killed, processes may be left", "error", err)
		}
	}
	if options.Exclusive {
		r.tasks.Go(r.reapOrphans)
	}
	return r, nil
}

// findWays finds out how processes can be held and found here.
func (r *Runner) findWays() {
	var dir *cgroup
	if !r.options.NoCgroup && !r.options.NoPtrace {
		r.base = cgroupBase()
		removeStaleCgroups(r.base)
		dir = r.newCgroup()
	}
	done := make(chan struct{})
	r.thread.do(nil, func() {
		defer close(done)
		if r.options.NoPtrace {
			return
		}
		r.forking.Lock()
		defer r.forking.Unlock()
		null := int(r.null.Fd())
		if r.holds = canHold(null, dir); !r.holds && dir != nil {
			r.holds = canHold(null, nil)
			r.base = ""
		}
	})
	<-done
	if dir == nil || !r.holds { // cgroups can be tested only with a held process
		r.base = ""
	}
	if dir != nil {
		if err := dir.close(); err != nil {
			r.log.Warn("cgroup not removed", "error", err)
		}
	}
	r.log.Debug("runner", "ptrace", r.holds, "cgroup", r.base)
}

// newCgroup makes a cgroup; nil if that is not possible.
func (r *Runner) newCgroup() *cgroup {
	if r.base == "" {
		return nil
	}
	dir, err := newCgroup(r.base)
	if err != nil {
		r.log.Debug("no cgroup", "error", err)
		return nil
	}
	return dir
}

// start starts p's program and enters it as a child; on the thread.
func (r *Runner) start(p *process, held bool) error {
	r.forking.Lock()
	defer r.forking.Unlock()
	err := p.start(int(r.null.Fd()), held)
	p.floor = ownPeak()
	if p.pid > 0 {
		r.children[p.pid] = p.set
	}
	return err
}

// forget removes a child that has been reaped from the list.
func (r *Runner) forget(pid int) {
	r.forking.Lock()
	defer r.forking.Unlock()
	delete(r.children, pid)
}

// reapOrphans reaps the orphans that this program inherits and that end by themselves while
// sets go on.
func (r *Runner) reapOrphans() {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			for _, orphan := range r.orphans() {
				if orphan.zombie {
					reapEnded(orphan.pid)
				}
			}
		case <-r.stopReaping:
			return
		}
	}
}

// alone reports whether no set but s has begun to execute, so that an orphan of unknown origin
// must be one of s's.
func (r *Runner) alone(s *Set) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for other := range r.sets {
		if other != s && other.active() {
			return false
		}
	}
	return true
}

// Close stops what is still active, at once, and ends the runner. It is idempotent.
func (r *Runner) Close() error {
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		return nil
	}
	r.closed = true
	var sets []*Set
	for s := range r.sets {
		sets = append(sets, s)
	}
	r.mu.Unlock()

	for _, s := range sets {
		s.Stop(time.Now(), 0, 0)
	}
	for _, s := range sets {
		<-s.Done()
	}
	close(r.stopReaping)
	r.tasks.Wait()
	r.thread.close()
	if r.guard != nil {
		r.guard.close()
	}
	r.sys.close()
	return r.null.Close()
}
