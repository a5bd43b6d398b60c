package sampler

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"downbeat/internal/samples"
	"downbeat/internal/testkit"
)

// A tree is a fake /proc and /sys.
type tree struct {
	t    *testing.T
	root string
}

func newTree(t *testing.T) *tree {
	t.Helper()
	tr := &tree{t, t.TempDir()}
	tr.write("proc/stat", "cpu  10 20 30 40 50 6 7 8 9 0\ncpu0 1 2 3\nintr 5\n")
	tr.write("proc/loadavg", "1.5 0.10 0.20 1/100 9\n")
	tr.write("proc/meminfo", "MemTotal:  1000 kB\nMemFree: 1 kB\nMemAvailable:   600 kB\nBuffers: 10 kB\nCached:  20 kB\nSwapCached: 7 kB\nSReclaimable: 30 kB\n")
	return tr
}

func (tr *tree) write(name, text string) {
	tr.t.Helper()
	path := filepath.Join(tr.root, name)
	testkit.Check(tr.t, os.MkdirAll(filepath.Dir(path), 0o755))
	testkit.Check(tr.t, os.WriteFile(path, []byte(text), 0o600))
}

func (tr *tree) remove(name string) {
	tr.t.Helper()
	testkit.Check(tr.t, os.RemoveAll(filepath.Join(tr.root, name)))
}

// A fake is a process in it.
type fake struct {
	pid, parent, group           int
	name                         string
	state                        byte
	user, system, waited, thread int
	start                        int
	rss                          int
	read                         int
	switches                     int
}

func (tr *tree) process(f fake) {
	if f.state == 0 {
		f.state = 'S'
	}
	if f.group == 0 {
		f.group = f.pid
	}
	dir := fmt.Sprintf("proc/%d/", f.pid)
	tr.write(dir+"stat", fmt.Sprintf("%d (%s) %c %d %d 1 0 -1 4194560 1 2 3 4 %d %d %d 0 20 0 %d 0 %d 4096 %d 184467 1 1\n",
		f.pid, f.name, f.state, f.parent, f.group, f.user, f.system, f.waited, max(f.thread, 1), f.start, f.rss))
	tr.write(dir+"status", fmt.Sprintf("Name:\t%s\nVmRSS:\t4 kB\nvoluntary_ctxt_switches:\t%d\nnonvoluntary_ctxt_switches:\t3\n", f.name, f.switches))
	tr.write(dir+"io", fmt.Sprintf("rchar: 1\nwchar: 2\nsyscr: 3\nsyscw: 4\nread_bytes: %d\nwrite_bytes: 8192\ncancelled_write_bytes: 0\n", f.read))
	tr.write(dir+"fd/0", "")
	tr.write(dir+"fd/1", "")
}

func (tr *tree) sampler(change ...func(*Options)) *Sampler {
	o := Options{Proc: filepath.Join(tr.root, "proc"), Sys: filepath.Join(tr.root, "sys"), Mark: []string{"RUN=1"}, Owner: "NAME="}
	for _, c := range change {
		c(&o)
	}
	s := New(o)
	s.self = 7
	s.files.fdSizes = false
	s.cpuOf = func(int) (time.Duration, bool) { return 0, false } // the pids are others' here
	return s
}

func TestOddNamesOfProcessesAreRead(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"plain", "a b", "x) S 1 1", ":-) (", "((", ")", "new\nline", ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tr := newTree(t)
			tr.process(fake{pid: 100, parent: 7, name: name, user: 10, system: 5, waited: 20, thread: 1, start: 99, rss: 3, read: 4096, switches: 11})
			s := tr.sampler()
			s.Began("p.0", 100)
			got := take(t, s)["process/p.0"]
			want := []int64{350_000, 50_000, 3 * pageSize, 4096, 8192, 11, 3, 1, 2, 1}
			if !slices.Equal(got, want) {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	}
}

func TestFilesThatAreNotAsExpectedAreNoEnd(t *testing.T) {
	t.Parallel()
	tr := newTree(t)
	for i, stat := range []string{"", "101", "102 (x", "103 (x) S 1 2", "104 (x) S a b c d e f g h i j k l m n o p q r s t u v w x y z"} {
		tr.write(fmt.Sprintf("proc/%d/stat", 101+i), stat)
	}
	tr.write("proc/self/stat", "none")
	tr.write("proc/stat", "")
	tr.write("proc/loadavg", "x")
	tr.write("proc/meminfo", "MemTotal:\n")
	tr.write("proc/net/dev", "Inter-|\n face |bytes\n eth0: 1 2\nlo:\n")
	tr.write("proc/diskstats", "8\n 8 0 sda 1\n\n")
	s := tr.sampler()
	s.Began("p.0", 103)
	got := take(t, s)
	if v, there := got["process/p.0"]; !there || v[samples.CPU] != 0 || v[samples.Read] != samples.Unknown {
		t.Errorf("got %v", got)
	}
}

func TestWhatCanNotBeReadIsUnknown(t *testing.T) {
	t.Parallel()
	tr := newTree(t)
	tr.process(fake{pid: 100, parent: 7})
	tr.remove("proc/100/io")
	tr.remove("proc/100/fd")
	s := tr.sampler()
	s.Began("p.0", 100)
	v := take(t, s)["process/p.0"]
	if v[samples.Read] != samples.Unknown || v[samples.Written] != samples.Unknown || v[samples.Descriptors] != samples.Unknown {
		t.Errorf("got %v", v)
	}
	h := take(t, s)["host/"]
	if h[samples.HostRun] != samples.Unknown || h[samples.HostFrequency] != samples.Unknown || h[samples.HostTemperature] != samples.Unknown {
		t.Errorf("got %v", h)
	}
}

func TestHostIsRead(t *testing.T) {
	t.Parallel()
	tr := newTree(t)
	tr.write("proc/net/dev", "Inter-|   Receive\n face |bytes\n  eth0: 1000 10 0 1 0 0 0 0 2000 20 0 2 0 0 0 0\n   br-1:0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n")
	tr.write("proc/diskstats", "   8       0 sda 3 0 16 9 5 0 32 9 0 70 18\n   8       1 sda1 3 0 16 9 5 0 32 9 0 70 18\n 253 0 dm-0 3 0 16 9 5 0 32 9 0 70 18\n 7 0 loop0 3 0 16 9 5 0 32 9 0 70 18\n")
	tr.write("sys/block/sda/size", "1")
	tr.write("sys/block/dm-0/slaves/sda", "")
	tr.write("sys/block/loop0/size", "1")
	tr.write("sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq", "2000000\n")
	tr.write("sys/devices/system/cpu/cpu1/cpufreq/scaling_cur_freq", "3000000\n")
	tr.write("sys/class/thermal/thermal_zone0/type", "acpitz\n")
	tr.write("sys/class/thermal/thermal_zone0/temp", "99000\n")
	tr.write("sys/class/thermal/thermal_zone1/type", "x86_pkg_temp\n")
	tr.write("sys/class/thermal/thermal_zone1/temp", "45000\n")
	tr.write("cg/cpu.stat", "usage_usec 12345\nuser_usec 1\n")
	got := take(t, tr.sampler(func(o *Options) { o.Cgroup = filepath.Join(tr.root, "cg") }))
	for name, want := range map[string][]int64{
		"host/":        {300_000, 300_000, 500_000, 130_000, 80_000, 400_000, 12345, 1500, 400 << 10, 600 << 10, 60 << 10, 2_500_000, 45_000},
		"network/eth0": {1000, 10, 2000, 20, 3},
		"disk/sda":     {16 * 512, 3, 32 * 512, 5, 70_000},
	} {
		if !slices.Equal(got[name], want) {
			t.Errorf("%s: %v, want %v", name, got[name], want)
		}
	}
	if len(got) != 3 {
		t.Errorf("got %v", got)
	}
}

func TestProcessesOfACgroupAreFound(t *testing.T) {
	t.Parallel()
	tr := newTree(t)
	tr.process(fake{pid: 100, parent: 7})
	tr.process(fake{pid: 101, parent: 100, user: 1})
	tr.process(fake{pid: 102, parent: 7, user: 2})   // an orphan
	tr.process(fake{pid: 103, parent: 7, user: 4})   // held, and of a command that has not begun
	tr.process(fake{pid: 104, parent: 100, user: 8}) // in a cgroup below
	tr.write("proc/102/environ", "A=B\x00RUN=1\x00NAME=p.0\x00")
	tr.write("proc/103/environ", "RUN=1\x00NAME=p.1\x00")
	tr.write("cg/cgroup.procs", "100\n101\n102\n103\n")
	tr.write("cg/below/cgroup.procs", "104\n")
	s := tr.sampler(func(o *Options) { o.Cgroup = filepath.Join(tr.root, "cg") })
	s.Began("p.0", 100)
	got := take(t, s)
	if v := got["process/p.0"]; v[samples.Processes] != 4 || v[samples.CPU] != 110_000 {
		t.Errorf("got %v", v)
	}
	if _, there := got["process/p.1"]; there {
		t.Error("p.1 has not begun")
	}
	s.Began("p.1", 103)
	if v := take(t, s)["process/p.1"]; v[samples.CPU] != 40_000 {
		t.Errorf("got %v", v)
	}
}

func TestUsedPidIsAnotherProcess(t *testing.T) {
	t.Parallel()
	tr := newTree(t)
	tr.process(fake{pid: 100, parent: 7, user: 10, start: 1})
	s := tr.sampler()
	s.Began("p.0", 100)
	take(t, s)
	tr.process(fake{pid: 100, parent: 1, user: 900, start: 2}) // a stranger's
	got := take(t, s)["process/p.0"]
	if got[samples.CPU] != 100_000 || got[samples.Processes] != 0 {
		t.Errorf("got %v", got)
	}
}

func TestManyThreadsHaveTheirTurns(t *testing.T) {
	t.Parallel()
	tr := newTree(t)
	s := tr.sampler()
	for _, pid := range []int{100, 200, 300} {
		tr.process(fake{pid: pid, parent: 7, thread: 100})
		for tid := range 100 {
			tr.write(fmt.Sprintf("proc/%d/task/%d/status", pid, pid+tid), "Name:\nvoluntary_ctxt_switches:\t2\nnonvoluntary_ctxt_switches:\t1\n")
		}
		s.Began(fmt.Sprintf("p.%d", pid), pid)
	}
	var got map[string][]int64
	for range 6 { // two rounds for each
		got = take(t, s)
	}
	for name, v := range got {
		if strings.HasPrefix(name, "process/") && (v[samples.Switches] != 200 || v[samples.Preempts] != 100) {
			t.Errorf("%s: %v", name, v)
		}
	}
	tr.remove("proc/100/task/150")
	for range 6 {
		got = take(t, s)
	}
	if v := got["process/p.100"]; v[samples.Switches] != 200 {
		t.Errorf("after the end of a thread: %v", v)
	}
}

func FuzzStat(f *testing.F) {
	f.Add([]byte("1 (a b) S 1 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 99 4096 3 1"))
	f.Add([]byte(":-) ("))
	f.Fuzz(func(t *testing.T, data []byte) {
		if s, err := parseStat(1, data); err == nil && s.pid != 1 {
			t.Error("another process")
		}
		diskName(data)
		numbers(data)
		after(data, "a")
	})
}
