package sampler

import (
	"path/filepath"
	"slices"
	"strconv"
	"time"
)

// A member is a live process of the run.
type member struct {
	pid     int
	start   uint64 // tells it from others that have had the pid; 0: not known yet
	parent  int
	group   int
	of      *command
	root    bool // a life of the command itself
	ended   bool // what it has used is known for good; it leaves with the next look
	zombie  bool
	own     counters      // with what it has of children that it waited for
	waited  time.Duration // the CPU time of those
	handed  time.Duration // how much waited has grown since the look before
	looked  bool          // it was looked at before
	rss     int64
	threads int64

	descriptors int64
	fdRounds    int              // until the descriptors are counted again
	byThread    map[int]switches // where there are several
	nextThread  int              // which of them is looked at next, where all are too many
	gone        switches         // of threads that have ended
}

type switches struct{ voluntary, involuntary int64 }

// tick is the resolution of the CPU times in /proc (USER_HZ, which is 100 wherever Go runs).
const tick = 10 * time.Millisecond

// forgetEvery is after how many rounds processes that were not the run's are looked at again: a
// pid may be another's by then.
const forgetEvery = 16

// look brings the members up to date.
func (s *Sampler) look() {
	s.rounds++
	s.threads = maxThreads
	if s.rounds%forgetEvery == 0 {
		clear(s.foreign)
	}
	var vanished []*member
	for _, m := range s.inOrder() {
		if m.ended {
			continue
		}
		st, err := s.files.stat(s.options.Proc, m.pid)
		if err != nil || !m.is(&st) {
			vanished = append(vanished, m)
			delete(s.members, m.pid)
			continue
		}
		s.refresh(m, &st)
	}
	s.retire(vanished)
	for pid, m := range s.members {
		m.handed = 0
		if m.ended {
			m.of.done.add(&m.own)
			delete(s.members, pid)
		}
	}
	s.admit()
}

// inOrder are the members, beginning after the cursor, so that all of those with many threads
// have their turn.
func (s *Sampler) inOrder() []*member {
	all := make([]*member, 0, len(s.members))
	for _, m := range s.members {
		all = append(all, m)
	}
	slices.SortFunc(all, func(a, b *member) int { return a.pid - b.pid })
	i, _ := slices.BinarySearchFunc(all, s.cursor+1, func(m *member, pid int) int { return m.pid - pid })
	return slices.Concat(all[i:], all[:i])
}

// is reports whether a process in the table is the member.
func (m *member) is(st *stat) bool {
	if m.start == 0 {
		m.start = st.start
	}
	return m.start == st.start
}

// retire keeps what those have used that are gone. Where an ancestor has waited for them, it is
// the ancestor's: its CPU time of such children has grown by no less. What a process does with
// those that it ignores (SIGCHLD), and what an orphan has used, is nobody's, and is kept here.
func (s *Sampler) retire(vanished []*member) {
	if len(vanished) == 0 {
		return
	}
	gone := make(map[int]*member, len(vanished))
	for _, m := range vanished {
		gone[m.pid] = m
	}
	left := make(map[*member]*counters)
	number := make(map[*member]int)
	for _, m := range vanished {
		heir := s.heir(m, gone)
		if heir == nil {
			m.of.done.add(&m.own)
			continue
		}
		if left[heir] == nil {
			left[heir] = new(counters)
		}
		left[heir].add(&m.own)
		number[heir]++
	}
	for heir, c := range left {
		rest := c.cpu - heir.handed
		if tolerated := time.Duration(2*number[heir]) * tick; rest <= tolerated {
			// It has waited for them, and has what they have read and written too; what it has
			// not is how often they were switched.
			c = &counters{switches: c.switches, preempts: c.preempts}
		} else if heir.handed > 0 {
			c.system = time.Duration(float64(c.system) * float64(rest) / float64(c.cpu))
			c.cpu = rest
		}
		heir.of.done.add(c)
	}
}

// heir is the nearest ancestor that is not gone; nil if it is none of the run's.
func (s *Sampler) heir(m *member, gone map[int]*member) *member {
	parent := m.parent
	for range len(gone) + 1 {
		p := gone[parent]
		if p == nil {
			break
		}
		parent = p.parent
	}
	if h := s.members[parent]; h != nil && h.of == m.of {
		return h
	}
	return nil
}

// admit takes in what has come to be since the last look.
func (s *Sampler) admit() {
	found := make(map[int]*stat)
	for _, pid := range s.list() {
		if s.members[pid] != nil || s.foreign[pid] || pid == s.self {
			continue
		}
		if st, err := s.files.stat(s.options.Proc, pid); err == nil {
			found[pid] = &st
		}
	}
	for pid, st := range found {
		if s.roots[pid] != nil && !st.zombie {
			delete(s.roots, pid) // that life has ended, and the pid is another's
		}
		c := s.owner(st, found, 0)
		if c == nil {
			s.foreign[pid] = true
			continue
		}
		m := &member{pid: pid, of: c}
		m.is(st)
		s.members[pid] = m
		s.refresh(m, st)
	}
}

// maxDepth is how far up from a new process an ancestor is looked for among the new ones.
const maxDepth = 64

// owner is whose descendant a new process is; nil if it is none of the run's.
func (s *Sampler) owner(st *stat, found map[int]*stat, depth int) *command {
	if s.roots[st.pid] != nil { // of a life whose end is known
		return nil
	}
	if p := s.members[st.parent]; p != nil {
		return p.of
	}
	if c := s.roots[st.group]; c != nil {
		return c
	}
	if p := found[st.parent]; p != nil && depth < maxDepth {
		if c := s.owner(p, found, depth+1); c != nil {
			return c
		}
	}
	if st.parent == s.self || st.parent == 1 || s.options.Cgroup != "" {
		return s.carries(st.pid)
	}
	return nil
}

// list are the processes among which those of the run are: those of its cgroup, or all.
func (s *Sampler) list() []int {
	if s.options.Cgroup == "" {
		return s.files.pids(s.options.Proc)
	}
	return s.inCgroup(s.options.Cgroup, nil)
}

// inCgroup adds the processes of a cgroup and of those below it.
func (s *Sampler) inCgroup(dir string, pids []int) []int {
	data, _ := s.files.all(filepath.Join(dir, "cgroup.procs")) // what is gone has none
	for field := range fields(data) {
		if pid, err := strconv.Atoi(string(field)); err == nil && pid > 0 {
			pids = append(pids, pid)
		}
	}
	if s.files.links(dir) > 2 { // a directory below has a link to this one
		for _, below := range s.files.dirs(dir) {
			pids = s.inCgroup(filepath.Join(dir, below), pids)
		}
	}
	return pids
}
