package sampler

import (
	"bytes"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"downbeat/internal/samples"
)

// A host is what is known of this host's files.
type host struct {
	files   *files
	options Options
	speeds  []string // files with a CPU's frequency
	heats   []string // files with a temperature
	disks   map[string]bool
	values  []int64
	rare    time.Time // when frequency and temperature were read
}

// maxDevices is how many devices of a kind are sampled, maxSensors how many CPUs' frequencies and
// temperatures are.
const (
	maxDevices = 64
	maxSensors = 32
)

// rarely is how often frequency and temperature are read at most: for some of them another CPU is
// interrupted, or firmware asked.
const rarely = time.Second

func newHost(f *files, o Options) host {
	h := host{files: f, options: o, disks: make(map[string]bool), values: make([]int64, samples.HostTemperature+1)}
	for i := range h.values {
		h.values[i] = samples.Unknown
	}
	h.speeds = spread(glob(o.Sys, "devices/system/cpu/cpu[0-9]*/cpufreq/scaling_cur_freq"))
	h.heats = spread(h.thermometers())
	return h
}

// thermometers are the files with the temperatures of CPUs.
func (h *host) thermometers() []string {
	var found []string
	for _, zone := range glob(h.options.Sys, "class/thermal/thermal_zone[0-9]*/type") {
		kind := h.word(zone)
		if slices.ContainsFunc([]string{"cpu", "pkg", "soc"}, func(part string) bool { return strings.Contains(strings.ToLower(kind), part) }) {
			found = append(found, filepath.Join(filepath.Dir(zone), "temp"))
		}
	}
	if len(found) > 0 {
		return found
	}
	for _, name := range glob(h.options.Sys, "class/hwmon/hwmon[0-9]*/name") {
		if slices.Contains([]string{"coretemp", "k10temp", "zenpower", "cpu_thermal"}, h.word(name)) {
			found = append(found, glob(filepath.Dir(name), "temp*_input")...)
		}
	}
	return found
}

func (h *host) word(path string) string {
	data, _ := h.files.all(path) // empty if it is not there
	return strings.TrimSpace(string(data))
}

func glob(dir, pattern string) []string {
	names, _ := filepath.Glob(filepath.Join(dir, pattern)) // the pattern is valid
	return names
}

// spread gives some of many files, evenly.
func spread(names []string) []string {
	step := (len(names) + maxSensors - 1) / maxSensors
	if step <= 1 {
		return names
	}
	var some []string
	for i := 0; i < len(names); i += step {
		some = append(some, names[i])
	}
	return some
}

// sample adds the host and its devices to the row.
func (h *host) sample(b *samples.Builder) {
	h.cpu()
	h.load()
	h.memory()
	h.run()
	if now := time.Now(); now.Sub(h.rare) >= rarely-rarely/10 {
		h.rare = now
		h.sensors()
	}
	b.Put(samples.Host, "", h.values)
	h.network(b)
	h.storage(b)
}

// cpu reads what the CPUs did, by kind, from the first line of /proc/stat: user, nice, system,
// idle, iowait, irq, softirq, steal. What guests used is in the first two.
func (h *host) cpu() {
	data, err := h.files.all(h.options.Proc + "/stat")
	if err != nil {
		return
	}
	line, _, _ := bytes.Cut(data, []byte("\n"))
	var v [9]int64
	i := 0
	for field := range fields(line) {
		if i < len(v) {
			v[i] = number(field) * tick.Microseconds()
		}
		i++
	}
	h.values[samples.HostUser], h.values[samples.HostSystem] = v[1]+v[2], v[3]
	h.values[samples.HostIdle], h.values[samples.HostIOWait] = v[4], v[5]
	h.values[samples.HostIRQ], h.values[samples.HostSteal] = v[6]+v[7], v[8]
}

// load reads the load average of the last minute.
func (h *host) load() {
	data, err := h.files.once(h.options.Proc + "/loadavg")
	if err != nil {
		return
	}
	whole, rest, _ := bytes.Cut(data, []byte("."))
	part, _, _ := bytes.Cut(rest, []byte(" "))
	h.values[samples.HostLoad] = number(whole)*1000 + number(append(part, "000"...)[:3])
}

func (h *host) memory() {
	data, err := h.files.all(h.options.Proc + "/meminfo")
	if err != nil {
		return
	}
	kib := func(label string) int64 {
		v, _ := after(data, label) // 0 if this kernel doesn't have it
		return v << 10
	}
	available := kib("\nMemAvailable:")
	h.values[samples.HostMemoryUsed] = kib("MemTotal:") - available
	h.values[samples.HostMemoryAvailable] = available
	h.values[samples.HostMemoryCached] = kib("\nBuffers:") + kib("\nCached:") + kib("\nSReclaimable:")
}

// run reads the CPU time of all processes of the run, whoever has waited for them or not.
func (h *host) run() {
	if h.options.Cgroup == "" {
		return
	}
	if data, err := h.files.once(filepath.Join(h.options.Cgroup, "cpu.stat")); err == nil {
		if us, ok := after(data, "usage_usec"); ok {
			h.values[samples.HostRun] = us
		}
	}
}

func (h *host) sensors() {
	var sum, n int64
	for _, name := range h.speeds {
		if data, err := h.files.once(name); err == nil {
			sum, n = sum+number(bytes.TrimSpace(data)), n+1
		}
	}
	if n > 0 {
		h.values[samples.HostFrequency] = sum / n
	}
	highest := int64(samples.Unknown)
	for _, name := range h.heats {
		if data, err := h.files.once(name); err == nil {
			highest = max(highest, number(bytes.TrimSpace(data)))
		}
	}
	h.values[samples.HostTemperature] = highest
}

// network adds the network devices that have been used.
func (h *host) network(b *samples.Builder) {
	data, err := h.files.all(h.options.Proc + "/net/dev")
	if err != nil {
		return
	}
	n := 0
	for line := range bytes.Lines(data) {
		name, counts, ok := bytes.Cut(line, []byte(":"))
		if !ok || n == maxDevices {
			continue
		}
		v := numbers(counts) // received: bytes, packets, errors, dropped, ...; sent: the same, from the 9th on
		if len(v) < 12 || v[0] == 0 && v[8] == 0 {
			continue
		}
		n++
		b.Put(samples.Network, string(bytes.TrimSpace(name)), []int64{v[0], v[1], v[8], v[9], v[3] + v[11]})
	}
}

// storage adds the disks that have been used.
func (h *host) storage(b *samples.Builder) {
	data, err := h.files.all(h.options.Proc + "/diskstats")
	if err != nil {
		return
	}
	const sector = 512
	n := 0
	for line := range bytes.Lines(data) {
		name, counts := diskName(line)
		v := numbers(counts) // reads, merged, sectors, ms; writes, merged, sectors, ms; in flight, busy ms
		if len(v) < 10 || v[0] == 0 && v[4] == 0 || n == maxDevices || !h.isDisk(name) {
			continue
		}
		n++
		b.Put(samples.Disk, name, []int64{v[2] * sector, v[0], v[6] * sector, v[4], v[9] * time.Millisecond.Microseconds()})
	}
}

// diskName splits a line of /proc/diskstats, which begins with two numbers and a name.
func diskName(line []byte) (name string, rest []byte) {
	rest = line
	for range 3 {
		rest = bytes.TrimLeft(rest, " ")
		var word []byte
		word, rest, _ = bytes.Cut(rest, []byte(" "))
		name = string(word)
	}
	return name, rest
}

// isDisk reports whether a device is a disk: no partition, nothing that lies on another device, and
// no memory.
func (h *host) isDisk(name string) bool {
	is, known := h.disks[name]
	if known {
		return is
	}
	dir := filepath.Join(h.options.Sys, "block", strings.ReplaceAll(name, "/", "!"))
	is = h.files.size(dir) >= 0 && h.files.entries(filepath.Join(dir, "slaves")) <= 0
	for _, virtual := range []string{"loop", "ram", "zram"} {
		is = is && !strings.HasPrefix(name, virtual)
	}
	h.disks[name] = is
	return is
}

func numbers(text []byte) []int64 {
	v := make([]int64, 0, 20)
	for field := range fields(text) {
		v = append(v, number(field))
	}
	return v
}
