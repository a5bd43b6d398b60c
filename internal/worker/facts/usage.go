package facts

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"downbeat/internal/facts"
)

// tick is the unit in which the kernel tells CPU time: 100 a second on every architecture that
// Go runs on.
const tick = 10 * time.Millisecond

// A usage is what each process of this host had used of the processors at a time.
type usage struct {
	at    time.Time
	procs map[int]process
}

type process struct {
	name    string
	parent  int
	started uint64        // tells it from another with the same pid
	cpu     time.Duration // of all its threads
}

// usage reads what all processes have used so far.
func (r *Reader) usage() usage {
	u := usage{at: time.Now(), procs: make(map[int]process)}
	for _, dir := range r.glob("proc/[0-9]*") {
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err != nil {
			continue
		}
		data, err := os.ReadFile(filepath.Join(dir, "stat"))
		if err != nil {
			continue // it has ended
		}
		if p, ok := parseStat(string(data)); ok {
			u.procs[pid] = p
		}
	}
	return u
}

// parseStat reads a line of /proc/PID/stat. The name may have spaces and parentheses in it.
func parseStat(line string) (process, bool) {
	open, end := strings.IndexByte(line, '('), strings.LastIndexByte(line, ')')
	if open < 0 || end < open {
		return process{}, false
	}
	fields := strings.Fields(line[end+1:])
	const parent, user, system, start = 1, 11, 12, 19
	if len(fields) <= start {
		return process{}, false
	}
	p := process{name: line[open+1 : end]}
	var ticks [2]int64
	var errs [4]error
	p.parent, errs[0] = strconv.Atoi(fields[parent])
	ticks[0], errs[1] = strconv.ParseInt(fields[user], 10, 64)
	ticks[1], errs[2] = strconv.ParseInt(fields[system], 10, 64)
	p.started, errs[3] = strconv.ParseUint(fields[start], 10, 64)
	p.cpu = time.Duration(ticks[0]+ticks[1]) * tick
	return p, !slices.ContainsFunc(errs[:], func(err error) bool { return err != nil })
}

// foreign adds to the facts what processes used between two times that are neither this one
// nor what it has started, nor known by their environment as a run's.
func (r *Reader) foreign(f *facts.HostFacts, before, after usage) {
	span := after.at.Sub(before.at)
	if len(after.procs) == 0 || span < tick {
		return
	}
	total := 0.0
	for pid, p := range after.procs {
		if was, ok := before.procs[pid]; ok && was.started == p.started {
			p.cpu -= was.cpu
		}
		if p.cpu <= 0 || after.isOurs(pid) || r.isOfRun(pid) {
			continue
		}
		share := float64(p.cpu) / float64(span)
		total += share
		f.Foreign = append(f.Foreign, facts.ForeignProcess{Name: p.name, PID: pid, CPU: rounded(share)})
	}
	slices.SortFunc(f.Foreign, func(a, b facts.ForeignProcess) int {
		switch {
		case a.CPU > b.CPU:
			return -1
		case a.CPU < b.CPU:
			return 1
		}
		return a.PID - b.PID
	})
	f.Foreign = f.Foreign[:min(len(f.Foreign), facts.MaxForeign)]
	total = rounded(total)
	f.ForeignCPU, f.MeasuredMS = &total, span.Milliseconds()
}

func rounded(share float64) float64 { return float64(int(share*100+0.5)) / 100 }

// isOurs reports whether a process is this one, or descends from it.
func (u usage) isOurs(pid int) bool {
	own := os.Getpid()
	for range 64 { // as many generations as there may be, if what was read is odd
		if pid == own {
			return true
		}
		p, ok := u.procs[pid]
		if !ok {
			return false
		}
		pid = p.parent
	}
	return false
}

// isOfRun reports whether a process belongs to a run, perhaps of another worker on this
// machine.
func (r *Reader) isOfRun(pid int) bool {
	data, err := os.ReadFile(filepath.Join(r.root, "proc", strconv.Itoa(pid), "environ"))
	return err == nil && (strings.HasPrefix(string(data), runMark) || strings.Contains(string(data), "\x00"+runMark))
}

const runMark = "DOWNBEAT_RUN="
