package facts

import (
	"strconv"
	"strings"
)

// A Row is one fact of a host: a text, or a number.
type Row struct {
	// Name is that of its field, by which a file names it; Label is for people.
	Name, Label string
	// Text is nil for a number, and Number for a text. ok is false where it isn't known.
	Text   func(*HostFacts) (value string, ok bool)
	Number func(*HostFacts) (value float64, ok bool)
	// Bytes: the number is one of bytes.
	Bytes bool
	// Fleeting: it is another one each time, so that a difference means nothing.
	Fleeting bool
}

// Rows are the facts in the order in which people are shown them.
var Rows = []Row{
	text("machine", "machine", true, func(f *HostFacts) string { return f.Machine }),
	text("kernel", "kernel", false, func(f *HostFacts) string { return f.Kernel }),
	text("distribution", "distribution", false, func(f *HostFacts) string { return f.Distribution }),
	text("arch", "architecture", false, func(f *HostFacts) string { return f.Arch }),
	text("cpu", "CPU", false, func(f *HostFacts) string { return f.CPU }),
	count("cores", "cores", func(f *HostFacts) int { return f.Cores }),
	count("threads", "hardware threads", func(f *HostFacts) int { return f.Threads }),
	{Name: "cpus", Label: "usable CPUs", Number: func(f *HostFacts) (float64, bool) { return f.CPUs, f.CPUs > 0 }},
	count("numa_nodes", "NUMA nodes", func(f *HostFacts) int { return f.NUMANodes }),
	text("governor", "governor", false, func(f *HostFacts) string { return f.Governor }),
	text("turbo", "turbo", false, func(f *HostFacts) string { return f.Turbo }),
	text("smt", "SMT", false, func(f *HostFacts) string { return f.SMT }),
	bytes("memory_bytes", "memory", func(f *HostFacts) int64 { return f.MemoryBytes }),
	bytes("memory_limit_bytes", "memory limit", func(f *HostFacts) int64 { return f.MemoryLimitBytes }),
	bytes("swap_bytes", "swap", func(f *HostFacts) int64 { return f.SwapBytes }),
	text("thp", "transparent huge pages", false, func(f *HostFacts) string { return f.THP }),
	text("clock_source", "clock source", false, func(f *HostFacts) string { return f.ClockSource }),
	text("virtualisation", "virtualisation", false, func(f *HostFacts) string { return f.Virtualisation }),
	text("container", "container", false, func(f *HostFacts) string { return f.Container }),
	fleeting("load", "load", func(f *HostFacts) *float64 { return f.Load }),
	fleeting("foreign_cpu", "foreign CPU", func(f *HostFacts) *float64 { return f.ForeignCPU }),
}

func text(name, label string, fleeting bool, get func(*HostFacts) string) Row {
	return Row{Name: name, Label: label, Fleeting: fleeting, Text: func(f *HostFacts) (string, bool) { v := get(f); return v, v != "" }}
}

func count(name, label string, get func(*HostFacts) int) Row {
	return Row{Name: name, Label: label, Number: func(f *HostFacts) (float64, bool) { v := get(f); return float64(v), v > 0 }}
}

func bytes(name, label string, get func(*HostFacts) int64) Row {
	return Row{Name: name, Label: label, Bytes: true, Number: func(f *HostFacts) (float64, bool) { v := get(f); return float64(v), v > 0 }}
}

func fleeting(name, label string, get func(*HostFacts) *float64) Row {
	return Row{Name: name, Label: label, Fleeting: true, Number: func(f *HostFacts) (float64, bool) {
		v := get(f)
		if v == nil {
			return 0, false
		}
		return *v, true
	}}
}

// RowOf finds a fact by its name.
func RowOf(name string) (Row, bool) {
	for _, r := range Rows {
		if r.Name == name {
			return r, true
		}
	}
	return Row{}, false
}

// Names are those of all facts.
func Names() []string {
	names := make([]string, len(Rows))
	for i, r := range Rows {
		names[i] = r.Name
	}
	return names
}

// Show is the fact of a host for people; empty where it isn't known.
func (r Row) Show(f *HostFacts) string {
	if f == nil {
		return ""
	}
	if r.Text != nil {
		v, _ := r.Text(f)
		return v
	}
	v, ok := r.Number(f)
	switch {
	case !ok:
		return ""
	case r.Bytes:
		return showBytes(v)
	}
	return strconv.FormatFloat(v, 'f', -1, 64)
}

// showBytes is a size in the largest binary unit that leaves a digit before the point.
func showBytes(v float64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB"}
	i := 0
	for v >= 1024 && i < len(units)-1 {
		v /= 1024
		i++
	}
	return strings.TrimSuffix(strconv.FormatFloat(v, 'f', 1, 64), ".0") + " " + units[i]
}
