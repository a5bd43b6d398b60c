// Package facts finds out what is true of this host: its kernel, processors and memory, what
// else uses them, and which programs are executed. It reads /proc and /sys, runs nothing, and
// leaves out what it can't find.
package facts

import (
	"maps"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"

	"downbeat/internal/facts"
)

// A Reader finds out facts of this host. Its methods may be called by any goroutine.
type Reader struct {
	root string // where /proc, /sys and /etc are

	mu       sync.Mutex
	fixed    *facts.HostFacts // what doesn't change while a machine is up
	programs map[identity]facts.ProgramFacts
}

// New makes a reader of this host's facts.
func New() *Reader { return &Reader{root: "/", programs: make(map[identity]facts.ProgramFacts)} }

// Host gives the facts of this host as they are now, but for what needs time to measure.
func (r *Reader) Host() facts.HostFacts {
	f := r.unchanging()
	f.Governor = r.governor()
	f.Turbo = r.turbo()
	f.SMT = r.text("sys/devices/system/cpu/smt/control")
	f.THP = chosen(r.text("sys/kernel/mm/transparent_hugepage/enabled"))
	f.ClockSource = r.text("sys/devices/system/clocksource/clocksource0/current_clocksource")
	f.MemoryBytes, f.SwapBytes = r.memory()
	f.CPUs, f.MemoryLimitBytes = r.limits()
	if first, _, ok := strings.Cut(r.text("proc/loadavg"), " "); ok {
		if load, err := strconv.ParseFloat(first, 64); err == nil {
			f.Load = &load
		}
	}
	return f
}

// unchanging are the facts that hold until the machine is started anew. They are looked for
// once: on a large machine it takes the kernel some time to describe its processors.
func (r *Reader) unchanging() facts.HostFacts {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fixed == nil {
		machine, _ := os.Hostname()
		f := facts.HostFacts{
			Machine: machine, Boot: r.text("proc/sys/kernel/random/boot_id"), Kernel: r.kernel(), Distribution: r.distribution(), Arch: runtime.GOARCH,
			NUMANodes: len(r.glob("sys/devices/system/node/node[0-9]*")), Container: r.container(),
		}
		info := r.text("proc/cpuinfo")
		f.CPU, f.Cores, f.Threads = processors(info)
		f.Virtualisation = r.virtualisation(info)
		r.fixed = &f
	}
	return *r.fixed
}

// text is what a file holds, without the space around it; empty if it can't be read.
func (r *Reader) text(name string) string {
	data, err := os.ReadFile(filepath.Join(r.root, name))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(data))
}

func (r *Reader) exists(name string) bool {
	_, err := os.Stat(filepath.Join(r.root, name))
	return err == nil
}

func (r *Reader) glob(pattern string) []string {
	names, _ := filepath.Glob(filepath.Join(r.root, pattern)) // its only error is a bad pattern
	return names
}

func (r *Reader) kernel() string {
	return strings.TrimSpace(r.text("proc/sys/kernel/ostype") + " " + r.text("proc/sys/kernel/osrelease"))
}

func (r *Reader) distribution() string {
	for line := range strings.Lines(r.text("etc/os-release")) {
		if name, ok := strings.CutPrefix(line, "PRETTY_NAME="); ok {
			return strings.Trim(strings.TrimSpace(name), `"'`)
		}
	}
	return ""
}

// processors reads the model and the numbers of real cores and of hardware threads out of
// /proc/cpuinfo, of which each architecture has its own form.
func processors(info string) (model string, cores, threads int) {
	seen := make(map[string]bool)
	var socket string
	for line := range strings.Lines(info) {
		key, value, _ := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		switch strings.TrimSpace(key) {
		case "processor":
			if _, err := strconv.Atoi(value); err == nil {
				threads++
			}
		case "model name", "Model", "cpu", "Hardware":
			if model == "" {
				model = value
			}
		case "physical id":
			socket = value
		case "core id":
			seen[socket+"/"+value] = true
		}
	}
	return model, len(seen), threads
}

// governor is that of all processors' frequencies, or those that there are.
func (r *Reader) governor() string {
	all := make(map[string]bool)
	for _, name := range r.glob("sys/devices/system/cpu/cpufreq/policy*/scaling_governor") {
		if data, err := os.ReadFile(name); err == nil {
			all[strings.TrimSpace(string(data))] = true
		}
	}
	return strings.Join(slices.Sorted(maps.Keys(all)), ", ")
}

func (r *Reader) turbo() string {
	switch {
	case r.text("sys/devices/system/cpu/intel_pstate/no_turbo") == "0", r.text("sys/devices/system/cpu/cpufreq/boost") == "1":
		return "on"
	case r.text("sys/devices/system/cpu/intel_pstate/no_turbo") == "1", r.text("sys/devices/system/cpu/cpufreq/boost") == "0":
		return "off"
	}
	return ""
}

// chosen is the word in brackets among others.
func chosen(list string) string {
	_, rest, _ := strings.Cut(list, "[")
	word, _, ok := strings.Cut(rest, "]")
	if !ok {
		return ""
	}
	return word
}

func (r *Reader) memory() (all, swap int64) {
	for line := range strings.Lines(r.text("proc/meminfo")) {
		key, value, _ := strings.Cut(line, ":")
		kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		switch {
		case err != nil:
		case key == "MemTotal":
			all = kib << 10
		case key == "SwapTotal":
			swap = kib << 10
		}
	}
	return all, swap
}

// limits are how many processors, and how much memory, the worker and what it starts may use:
// the least that its affinity and the control groups around it say. No memory: no limit.
func (r *Reader) limits() (cpus float64, memory int64) {
	cpus = float64(runtime.NumCPU())
	for line := range strings.Lines(r.text("proc/self/cgroup")) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		for group := path.Clean("/" + parts[2]); ; group = path.Dir(group) {
			quota, most := r.groupLimits(parts[1], group)
			if quota > 0 {
				cpus = min(cpus, quota)
			}
			if most > 0 && (memory == 0 || most < memory) {
				memory = most
			}
			if group == "/" {
				break
			}
		}
	}
	if all, _ := r.memory(); memory >= all { // version 1 says "none" by a number that no machine has
		memory = 0
	}
	return cpus, memory
}

// groupLimits are those of one control group; controllers is empty for version 2.
func (r *Reader) groupLimits(controllers, group string) (cpus float64, memory int64) {
	switch {
	case controllers == "":
		quota, period, _ := strings.Cut(r.text("sys/fs/cgroup"+group+"/cpu.max"), " ")
		cpus = quotient(quota, period)
		memory, _ = strconv.ParseInt(r.text("sys/fs/cgroup"+group+"/memory.max"), 10, 64)
	case slices.Contains(strings.Split(controllers, ","), "cpu"):
		dir := "sys/fs/cgroup/cpu" + group
		cpus = quotient(r.text(dir+"/cpu.cfs_quota_us"), r.text(dir+"/cpu.cfs_period_us"))
	case controllers == "memory":
		memory, _ = strconv.ParseInt(r.text("sys/fs/cgroup/memory"+group+"/memory.limit_in_bytes"), 10, 64)
	}
	return cpus, memory
}

// quotient is 0 where one of the texts is no positive number.
func quotient(a, b string) float64 {
	x, errX := strconv.ParseFloat(a, 64)
	y, errY := strconv.ParseFloat(b, 64)
	if errX != nil || errY != nil || x <= 0 || y <= 0 {
		return 0
	}
	return x / y
}
