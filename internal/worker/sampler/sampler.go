// Package sampler reads what the processes of a run, each with its descendants, and this host are
// using: from /proc and /sys, and from the run's cgroup where it has one. It is made to cost little:
// a few system calls for each process, no file that the kernel takes long to make.
//
// CPU time, storage I/O and switches are counters that never go back, though processes end: what a
// child has used becomes its parent's when that waits for it, and is kept here where nobody did;
// see tree.go.
package sampler

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"downbeat/internal/samples"
)

// Options for [New].
type Options struct {
	// Proc and Sys are where the system's files are; empty: /proc and /sys.
	Proc, Sys string
	// Cgroup is the directory of the cgroup v2 that all processes of the run are in; empty: there
	// is none, and the process table is searched.
	Cgroup string
	// Mark holds entries that are in the environment of every process of the run, and Owner
	// begins the one that names the process: descendants whose parents are gone are known by them.
	Mark  []string
	Owner string
}

// A Sampler samples the processes of one run and this host. Its methods may be called
// concurrently.
type Sampler struct {
	options Options
	self    int
	cpuOf   func(pid int) (time.Duration, bool) // the CPU time of a process, more closely than /proc tells it

	mu       sync.Mutex
	files    files
	order    []*command
	commands map[string]*command
	roots    map[int]*command // by the pid of each life
	members  map[int]*member
	foreign  map[int]bool // processes that are not of the run, by pid
	rounds   int
	threads  int // how many threads may still be looked at in this round
	cursor   int // the pid after which those with many threads are looked at next
	host     host
}

// New makes a sampler. [Supported] says whether it can work here.
func New(o Options) *Sampler {
	if o.Proc == "" {
		o.Proc = "/proc"
	}
	if o.Sys == "" {
		o.Sys = "/sys"
	}
	s := &Sampler{
		options: o, self: os.Getpid(), cpuOf: cpuTime,
		commands: make(map[string]*command), roots: make(map[int]*command), members: make(map[int]*member), foreign: make(map[int]bool),
	}
	s.files.fdSizes = s.files.size(filepath.Join(o.Proc, "self/fd")) > 0
	s.host = newHost(&s.files, o)
	return s
}

// A command is a process of the run, through all its lives, with its descendants.
type command struct {
	name string
	done counters // of what is gone
	last []int64  // as they were sampled last
	over bool     // the latest sample had none
}

// counters are what never goes back.
type counters struct {
	cpu, system time.Duration
	read        int64
	written     int64
	switches    int64
	preempts    int64
	io          bool // it could be read
}

func (c *counters) add(o *counters) {
	c.cpu += o.cpu
	c.system += o.system
	c.read += o.read
	c.written += o.written
	c.switches += o.switches
	c.preempts += o.preempts
	c.io = c.io || o.io
}

// Began says that a life of a process has begun.
func (s *Sampler) Began(name string, pid int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.commands[name]
	if c == nil {
		c = &command{name: name}
		s.commands[name] = c
		s.order = append(s.order, c)
	}
	c.over = false
	s.roots[pid] = c
	if old := s.members[pid]; old != nil { // a descendant of before that had the pid
		old.of.done.add(&old.own)
	}
	s.members[pid] = &member{pid: pid, of: c, root: true}
	delete(s.foreign, pid)
}

// Ended says that a life of a process has ended, and what it has used, with the children that it
// waited for. It is to be called while the process is still in the process table.
func (s *Sampler) Ended(pid int, user, system time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.members[pid]
	if m == nil || !m.root {
		return
	}
	s.threads = maxThreads
	if st, err := s.files.stat(s.options.Proc, pid); err == nil && m.is(&st) {
		s.refresh(m, &st)
	}
	m.own.cpu, m.own.system = max(m.own.cpu, user+system), max(m.own.system, system)
	m.ended = true
}

// Sample adds a row to a block: what has been used up to now.
func (s *Sampler) Sample(b *samples.Builder, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b.Row(at)
	s.look()
	s.report(b)
	s.host.sample(b)
}

// report adds the processes to the row. One that has ended is in one more row, and then no more.
func (s *Sampler) report(b *samples.Builder) {
	sums := make(map[*command]*gauges, len(s.commands))
	for _, m := range s.members {
		g := sums[m.of]
		if g == nil {
			g = &gauges{counters: m.of.done}
			sums[m.of] = g
		}
		g.add(m)
	}
	for _, c := range s.order {
		g := sums[c]
		if g == nil {
			if c.over {
				continue
			}
			c.over = true
			g = &gauges{counters: c.done}
		} else {
			c.over = false
		}
		c.last = g.values(c.last)
		b.Put(samples.Process, c.name, c.last)
	}
}

// gauges are what the members of a command come to.
type gauges struct {
	counters
	rss, threads, descriptors, processes int64
	seen                                 bool // the descriptors of one at least
}

func (g *gauges) add(m *member) {
	g.counters.add(&m.own)
	if m.zombie || m.ended {
		return
	}
	g.rss += m.rss
	g.threads += m.threads
	g.processes++
	if m.descriptors >= 0 {
		g.seen = true
		g.descriptors += m.descriptors
	}
}

// values are the fields of a process. Counters don't go back: what is told of a child before and
// after its parent has waited for it differs by the resolution of the system's times.
func (g *gauges) values(before []int64) []int64 {
	v := make([]int64, samples.Processes+1)
	v[samples.CPU], v[samples.System] = g.cpu.Microseconds(), g.system.Microseconds()
	v[samples.Read], v[samples.Written] = g.read, g.written
	if !g.io {
		v[samples.Read], v[samples.Written] = samples.Unknown, samples.Unknown
	}
	v[samples.Switches], v[samples.Preempts] = g.switches, g.preempts
	for _, i := range []int{samples.CPU, samples.System, samples.Read, samples.Written, samples.Switches, samples.Preempts} {
		if before != nil {
			v[i] = max(v[i], before[i])
		}
	}
	v[samples.RSS], v[samples.Threads], v[samples.Processes] = g.rss, g.threads, g.processes
	if v[samples.Descriptors] = g.descriptors; !g.seen && g.processes > 0 {
		v[samples.Descriptors] = samples.Unknown
	}
	return v
}

// carries reports whose process an environment names; nil if it is none of the run's.
func (s *Sampler) carries(pid int) *command {
	if len(s.options.Mark) == 0 {
		return nil
	}
	data, err := s.files.all(procPath(s.options.Proc, pid, "environ"))
	if err != nil {
		return nil
	}
	entries := strings.Split(string(data), "\x00")
	for _, mark := range s.options.Mark {
		if !slices.Contains(entries, mark) {
			return nil
		}
	}
	for _, e := range entries {
		if name, ok := strings.CutPrefix(e, s.options.Owner); ok {
			return s.commands[name]
		}
	}
	return nil
}
