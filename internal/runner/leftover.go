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
	Command string // its name as the system has it; of a command of the set: all of it
}

// String names the process for a person.
func (l Leftover) String() string { return fmt.Sprintf("%s (pid %d)", l.Command, l.PID) }

// A LeftError says what is left of a set that is over, or of a program that
// crashed.
type LeftError struct {
	Left []Leftover
	// Unseen is why the system's processes could not be looked through; nil if
	// they could, so that Left is all.
	Unseen error
}

// Error names the processes.
func (e *LeftError) Error() string {
	var parts []string
	if len(e.Left) > 0 {
		parts = append(parts, "these processes do not react to KILL: "+nameAll(e.Left))
	}
	if e.Unseen != nil {
		parts = append(parts, "it can't be told whether a process is left: "+e.Unseen.Error())
	}
	return strings.Join(parts, "; ")
}

// Unwrap gives what kept the search from being complete.
func (e *LeftError) Unwrap() error { return e.Unseen }

// nameAll lists a few, and how many more there are.
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

// leftovers are processes as they are told of.
func leftovers(procs []proc) []Leftover {
	var all []Leftover
	for _, d := range procs {
		all = append(all, Leftover{d.pid, d.name})
	}
	slices.SortFunc(all, func(a, b Leftover) int { return a.PID - b.PID })
	return all
}

// pursueEvery is the time between two tries to end what could not be ended.
const pursueEvery = time.Second

// A remnant is what could not be ended: of a set, when its time was over, or of
// what a crashed program has left. The runner goes on trying.
type remnant struct {
	look func() ([]proc, error) // what is left of it; after an error there may be more
	over func()                 // what is to be done when nothing is

	// Guarded by the runner's mutex.
	left *LeftError     // not nil
	pids map[int]uint64 // with their start times
}

// pursue goes on trying to end what is left, and takes care of it until it has
// ended, or the runner is closed.
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
		r.log.Info("what could not be ended has ended", "processes", nameAll(m.left.Left))
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

// Leftovers is what of sets that are over, and of sweeps, could not be ended up to
// now; nil if nothing is left. The runner goes on trying to end it.
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
