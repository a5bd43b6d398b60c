package runner

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"time"
)

// A Leftover is a process that could not be ended.
type Leftover struct {
	PID     int
	Command string // the whole command, if it is one of the set's; otherwise its name in the process table
}

// String describes the process for people.
func (l Leftover) String() string { return fmt.Sprintf("%s (pid %d)", l.Command, l.PID) }

// A LeftError says which processes are left of a set that is over, or of a program that
// crashed.
type LeftError struct {
	Left []Leftover
	// Unseen is why not all processes of the system could be checked; nil if they were, so that
	// Left is complete.
	Unseen error
}

// Error names the processes.
func (e *LeftError) Error() string {
	var parts []string
	if len(e.Left) > 0 {
		parts = append(parts, "these processes do not react to KILL: "+nameAll(e.Left))
	}
	if e.Unseen != nil {
		parts = append(parts, "it is not known whether a process is left: "+e.Unseen.Error())
	}
	return strings.Join(parts, "; ")
}

// Unwrap returns why the search was not complete.
func (e *LeftError) Unwrap() error { return e.Unseen }

// nameAll lists the first few, and says how many more there are.
func nameAll(left []Leftover) string {
	const most = 6
	var names []string
	for _, l := range left[:min(len(left), most)] {
		names = append(names, l.String())
	}
	if more := len(left) - most; more > 0 {
		names = append(names, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(names, ", ")
}

// leftovers describes processes for results and messages.
func leftovers(procs []proc) []Leftover {
	var all []Leftover
	for _, d := range procs {
		all = append(all, Leftover{d.pid, d.name})
	}
	slices.SortFunc(all, func(a, b Leftover) int { return a.PID - b.PID })
	return all
}

// pursueEvery is the time between two attempts to end what could not be ended.
const pursueEvery = time.Second

// A remnant is the processes of a set, or of a crashed program, that could not be ended in
// time. The runner keeps trying.
type remnant struct {
	look func() ([]proc, error) // what is left of it; after an error there may be more
	over func()                 // called when nothing is left

	// Guarded by the runner's mutex.
	left *LeftError     // not nil
	pids map[int]uint64 // with their start times
}

// pursue keeps trying to end what is left, until it has ended or the runner is closed.
func (r *Runner) pursue(m *remnant) {
	r.mu.Lock()
	r.remnants[m] = true
	r.mu.Unlock()
	r.tasks.Go(func() {
		tick := time.NewTicker(pursueEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
			case <-r.stopReaping:
				return
			}
			if r.pursued(m) {
				return
			}
		}
	})
}

// pursued tries once, and reports whether nothing is left.
func (r *Runner) pursued(m *remnant) bool {
	procs, err := m.look()
	if err == nil && len(procs) == 0 {
		r.mu.Lock()
		delete(r.remnants, m)
		r.mu.Unlock()
		r.log.Info("processes that could not be ended have ended", "processes", nameAll(m.left.Left))
		m.over()
		return true
	}
	for _, d := range procs {
		r.sys.signal(d, syscall.SIGKILL)
	}
	r.remember(m, procs, err)
	return false
}

// remember notes what is left now.
func (r *Runner) remember(m *remnant, procs []proc, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	m.pids = startsOf(procs)
	if len(procs) > 0 {
		m.left = &LeftError{Left: leftovers(procs), Unseen: err}
	}
}

// startsOf are the start times of processes, by pid.
func startsOf(procs []proc) map[int]uint64 {
	starts := map[int]uint64{}
	for _, d := range procs {
		starts[d.pid] = d.start
	}
	return starts
}

// isLeft reports whether the process is known to be left of another set.
func (r *Runner) isLeft(d proc) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for m := range r.remnants {
		if start, ok := m.pids[d.pid]; ok && start == d.start {
			return true
		}
	}
	return false
}

// Leftovers are the processes of former sets, and of sweeps, that could not be ended yet; nil
// if nothing is left. The runner keeps trying to end them.
func (r *Runner) Leftovers() *LeftError {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.remnants) == 0 {
		return nil
	}
	all := new(LeftError)
	for m := range r.remnants {
		all.Left = append(all.Left, m.left.Left...)
		all.Unseen = errors.Join(all.Unseen, m.left.Unseen)
	}
	slices.SortFunc(all.Left, func(a, b Leftover) int { return a.PID - b.PID })
	return all
}
