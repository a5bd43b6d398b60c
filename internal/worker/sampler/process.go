package sampler

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// maxThreads is how many threads of processes that have several are looked at in one round, to
// count their switches. Where there are more, each is looked at every few rounds.
const maxThreads = 64

// manyDescriptors is from how many descriptors on they are counted every few rounds only, where
// that takes reading a directory; fdEvery is how many rounds.
const (
	manyDescriptors = 256
	fdEvery         = 10
)

// stat is what is needed of /proc/PID/stat.
type stat struct {
	pid, parent, group int
	zombie             bool
	user, system       time.Duration
	waited, waitedSys  time.Duration // of children that it waited for; the second is part of the first
	threads            int64
	start              uint64
	rss                int64
}

// stat reads the state of a process.
func (f *files) stat(proc string, pid int) (stat, error) {
	data, err := f.once(procPath(proc, pid, "stat"))
	if err != nil {
		return stat{}, err
	}
	return parseStat(pid, data)
}

// Fields of /proc/PID/stat, counted from the one after the name.
const (
	statState, statParent, statGroup                    = 0, 1, 2
	statUser, statSystem, statWaitedUser, statWaitedSys = 11, 12, 13, 14
	statThreads, statStart, statRSS                     = 17, 19, 21
)

// parseStat reads /proc/PID/stat, whose second field, the name in parentheses, may hold anything.
func parseStat(pid int, data []byte) (stat, error) {
	var at [statRSS + 1][]byte
	n := 0
	for field := range fields(data[bytes.LastIndexByte(data, ')')+1:]) {
		if n == len(at) {
			break
		}
		at[n] = field
		n++
	}
	if n < len(at) {
		return stat{}, os.ErrNotExist
	}
	ticks := func(i int) time.Duration { return time.Duration(number(at[i])) * tick }
	s := stat{
		pid: pid, parent: int(number(at[statParent])), group: int(number(at[statGroup])),
		user: ticks(statUser), system: ticks(statSystem), waited: ticks(statWaitedUser) + ticks(statWaitedSys), waitedSys: ticks(statWaitedSys),
		threads: number(at[statThreads]), start: uint64(number(at[statStart])), rss: number(at[statRSS]) * pageSize,
	}
	state := at[statState][0]
	s.zombie = (state == 'Z' || state == 'X') && s.threads <= 1
	return s, nil
}

var pageSize = int64(os.Getpagesize())

// refresh takes down what a member is using now.
func (s *Sampler) refresh(m *member, st *stat) {
	m.parent, m.group, m.zombie = st.parent, st.group, st.zombie
	own, system := st.user+st.system, st.system
	if exact, ok := s.cpuOf(m.pid); ok {
		if own > 0 {
			system = time.Duration(float64(system) / float64(own) * float64(exact))
		}
		own = exact
	}
	if m.looked {
		m.handed += st.waited - m.waited
	}
	m.waited, m.looked = st.waited, true
	m.own.cpu = max(m.own.cpu, own+st.waited)
	m.own.system = max(m.own.system, system+st.waitedSys)
	m.rss, m.threads = st.rss, st.threads
	s.io(m)
	s.switches(m)
	s.countDescriptors(m)
}

// io reads what a process, and the children that it waited for, have read from storage and
// written to it.
func (s *Sampler) io(m *member) {
	data, err := s.files.once(procPath(s.options.Proc, m.pid, "io"))
	if err != nil {
		return
	}
	read, ok1 := after(data, "\nread_bytes:")
	written, ok2 := after(data, "\nwrite_bytes:")
	if ok1 && ok2 {
		m.own.read, m.own.written, m.own.io = max(m.own.read, read), max(m.own.written, written), true
	}
}

// switches reads how often the threads of a process were switched: the system tells that of each
// alone.
func (s *Sampler) switches(m *member) {
	if m.threads <= 1 && m.byThread == nil {
		if now, ok := s.switchesAt(procPath(s.options.Proc, m.pid, "status")); ok {
			m.own.switches, m.own.preempts = now.voluntary, now.involuntary
		}
		return
	}
	if int64(s.threads) < min(m.threads, maxThreads) {
		return // another round
	}
	s.cursor = m.pid
	m.byThread = s.eachThread(m)
	sum := m.gone
	for _, t := range m.byThread {
		sum.add(t)
	}
	m.own.switches, m.own.preempts = sum.voluntary, sum.involuntary
}

// eachThread reads the switches of a process's threads, as many as may be looked at, and keeps those
// of threads that have ended.
func (s *Sampler) eachThread(m *member) map[int]switches {
	dir := procPath(s.options.Proc, m.pid, "task")
	tids := s.files.pids(dir)
	now := make(map[int]switches, len(tids))
	first := m.nextThread
	for i := range tids {
		tid := tids[(first+i)%len(tids)]
		last, known := m.byThread[tid]
		if s.threads > 0 {
			s.threads--
			m.nextThread++
			if read, ok := s.switchesAt(filepath.Join(dir, strconv.Itoa(tid), "status")); ok {
				last, known = read, true
			}
		}
		if known {
			now[tid] = last
		}
	}
	for tid, last := range m.byThread {
		if _, there := now[tid]; !there {
			m.gone.add(last)
		}
	}
	return now
}

func (s *switches) add(o switches) {
	s.voluntary += o.voluntary
	s.involuntary += o.involuntary
}

func (s *Sampler) switchesAt(path string) (switches, bool) {
	data, err := s.files.once(path)
	if err != nil {
		return switches{}, false
	}
	voluntary, ok1 := after(data, "\nvoluntary_ctxt_switches:")
	involuntary, ok2 := after(data, "\nnonvoluntary_ctxt_switches:")
	return switches{voluntary, involuntary}, ok1 && ok2
}

// countDescriptors counts the descriptors that a process has open. Kernels from 6.2 on tell their
// number as the size of the directory.
func (s *Sampler) countDescriptors(m *member) {
	dir := procPath(s.options.Proc, m.pid, "fd")
	switch {
	case s.files.fdSizes:
		m.descriptors = s.files.size(dir)
	case m.fdRounds > 0:
		m.fdRounds--
	default:
		if m.descriptors = s.files.entries(dir); m.descriptors > manyDescriptors {
			m.fdRounds = fdEvery
		}
	}
}

func procPath(proc string, pid int, name string) string {
	return proc + "/" + strconv.Itoa(pid) + "/" + name
}
