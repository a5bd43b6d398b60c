package runner

import (
	"path/filepath"
	"sync/atomic"
	"syscall"
	"time"
)

// A slot is where the lives of one command run, one after the other. The first group of fields
// does not change once the set is prepared; the others are guarded by the set's mutex.
type slot struct {
	set     *Set
	index   int
	command *Command
	path    string   // what to execute
	env     []string // with the marks of the set and of the command
	holds   bool     // it is held until it begins, not started then
	outputs [2]*output

	// life is the one that has begun last, or the first. It is changed under the mutex, and read
	// without.
	life     atomic.Pointer[process]
	told     atomic.Bool // the sink was told of a start
	lives    int         // how many have begun
	starting bool        // another life is being prepared
}

// newSlot is for command i of the set, with a first life.
func newSlot(s *Set, i int, mark []string) *slot {
	c := &s.spec.Commands[i]
	if c.Dir != "" {
		c.Dir = filepath.Clean(c.Dir)
	}
	sl := &slot{set: s, index: i, command: c, env: marked(marked(c.Env, mark), c.Mark)}
	sl.life.Store(newProcess(sl))
	return sl
}

// stopSignal is what asks the command to end.
func (sl *slot) stopSignal() syscall.Signal {
	if sl.command.Stop.Signal != 0 {
		return sl.command.Stop.Signal
	}
	return syscall.SIGTERM
}

// grace is the command's own, if it has one. A stop without grace leaves none to anyone.
func (sl *slot) grace(given time.Duration) time.Duration {
	if given > 0 && sl.command.Stop.Grace > 0 {
		return sl.command.Stop.Grace
	}
	return max(given, 0)
}

// closeWrite closes the processes' ends of the outputs in this program, if no other life can
// come; under the set's mutex.
func (sl *slot) closeWrite() {
	if !sl.set.sealed {
		return
	}
	for _, o := range sl.outputs {
		if o != nil {
			o.closeWrite()
		}
	}
}

// closeOutputs closes the pipes of a command that never had a process.
func (sl *slot) closeOutputs() {
	for _, o := range sl.outputs {
		if o != nil {
			o.closeWrite()
			o.read.Close()
		}
	}
}
