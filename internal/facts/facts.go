// Package facts is what is true of a host during a run: its kernel, its processors, what else
// used them, and which programs ran. Workers tell it, results keep it, and [Differences] says
// where hosts or runs were not alike.
package facts

// A HostFacts is what is true of a host. What could not be found out is empty, zero or nil.
type HostFacts struct {
	// Machine is what the machine calls itself, Boot an identifier of the time since its last
	// start: hosts with the same one are the same machine.
	Machine string `json:"machine,omitempty"`
	Boot    string `json:"boot,omitempty"`
	// Kernel is its name and release, Distribution that of the file system that processes see.
	Kernel       string `json:"kernel,omitempty"`
	Distribution string `json:"distribution,omitempty"`
	Arch         string `json:"arch,omitempty"`
	// CPU is the model. Cores are real ones, Threads what the kernel schedules on; CPUs is how
	// many of those processes of the worker may use at a time, by affinity and control group.
	CPU       string  `json:"cpu,omitempty"`
	Cores     int     `json:"cores,omitempty"`
	Threads   int     `json:"threads,omitempty"`
	CPUs      float64 `json:"cpus,omitempty"`
	NUMANodes int     `json:"numa_nodes,omitempty"`
	// Governor is that of the frequency of all processors, or those that there are.
	Governor string `json:"governor,omitempty"`
	Turbo    string `json:"turbo,omitempty"` // on or off
	SMT      string `json:"smt,omitempty"`   // as the kernel says: on, off, forceoff, notsupported, notimplemented
	// MemoryBytes and SwapBytes are all there is; MemoryLimitBytes is how much of it processes
	// of the worker may use, if a control group says so.
	MemoryBytes      int64 `json:"memory_bytes,omitempty"`
	MemoryLimitBytes int64 `json:"memory_limit_bytes,omitempty"`
	SwapBytes        int64 `json:"swap_bytes,omitempty"`
	// THP says whether transparent huge pages are used: always, madvise or never.
	THP         string `json:"thp,omitempty"`
	ClockSource string `json:"clock_source,omitempty"`
	// Virtualisation is the hypervisor, or none; Container is what the worker is in, or none.
	Virtualisation string `json:"virtualisation,omitempty"`
	Container      string `json:"container,omitempty"`
	// Load is the load average of the last minute, as of the time at which the processes were
	// prepared.
	Load *float64 `json:"load,omitempty"`
	// ForeignCPU is how much of a processor was used, from then on, by processes that are
	// neither the worker's nor of a run, over MeasuredMS. Foreign are those that used most.
	ForeignCPU *float64         `json:"foreign_cpu,omitempty"`
	Foreign    []ForeignProcess `json:"foreign,omitempty"`
	MeasuredMS int64            `json:"measured_ms,omitempty"`
}

// MaxForeign is how many foreign processes are named at most.
const MaxForeign = 10

// A ForeignProcess is one that is neither the worker's nor of a run.
type ForeignProcess struct {
	Name string  `json:"name"`
	PID  int     `json:"pid"`
	CPU  float64 `json:"cpu"` // how much of a processor it used
}

// A ProgramFacts is a file that was executed, or interpreted.
type ProgramFacts struct {
	// Path is absolute, with symbolic links followed. Bytes and SHA256 (hexadecimal) are of
	// what was in it when the processes were prepared.
	Path   string `json:"path"`
	Bytes  int64  `json:"bytes,omitempty"`
	SHA256 string `json:"sha256,omitempty"`
	// Build is what the file says of its origin: of a Go program the versions of Go and of its
	// module, and its commit; else an ELF file's build id.
	Build string `json:"build,omitempty"`
	// Interpreter is what runs the file, of a script.
	Interpreter *ProgramFacts `json:"interpreter,omitempty"`
	// Arguments are files that the command names: what an interpreter runs, say.
	Arguments []FileFacts `json:"arguments,omitempty"`
	// Reason is why the rest is not known.
	Reason string `json:"reason,omitempty"`
}

// A FileFacts is a file that a command names as an argument.
type FileFacts struct {
	Path   string `json:"path"` // as the command says
	Bytes  int64  `json:"bytes,omitempty"`
	SHA256 string `json:"sha256,omitempty"`
}
