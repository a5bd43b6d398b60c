// Package samples is the form in which samples of processes and hosts are stored and sent: what
// they were using, at instants a second or so apart. [Builder] makes a block of them, [Retime]
// puts a block on another clock, [Append] puts it into a file, and [Reader] reads that back, row by
// row, in bounded memory.
//
// A file is the line "downbeat samples 1" and blocks. A block is the size of what follows and as
// many bytes of zlib (RFC 1950). What these hold is documented in docs/results.md; a block on its
// way (docs/protocol.md) is the same before compression.
package samples

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// Header is how a file of samples begins.
const Header = "downbeat samples 1\n"

// Bounds of a block. What is beyond them is not believed.
const (
	// MaxBlock is how large a block is before compression at most, in bytes.
	MaxBlock = 512 << 10
	// maxFields is how many fields a table has at most: they fit the mask of a row.
	maxFields = 48
	// maxTables and maxName bound what a block names.
	maxTables = 16
	maxName   = 255
	// maxValues is how many values one row has at most, over all subjects.
	maxValues = 1 << 20
)

// ErrMalformed is wrapped by the errors about a block or a file that is not one.
var ErrMalformed = errors.New("malformed samples")

// ErrCut is returned by [Reader.Next] where a file ends in the middle of a block, since its writer
// was interrupted.
var ErrCut = errors.New("the samples end in the middle of a block")

// Unknown is the value of a field that could not be read.
const Unknown = -1

// A Table names the fields that subjects of one kind have.
type Table struct {
	Name   string
	Fields []string
}

// A Subject is what was sampled: a process, a host, a device of it.
type Subject struct {
	Table int    // in the block's tables
	Name  string // empty for the host itself
}

// The tables that workers of this build fill. Counters count from the first sample, or from the
// start of the process; each name ends with its unit, where it has one.
const (
	Process = iota // a process and its descendants
	Host
	Network // a network device
	Disk
)

// Fields of [Process].
const (
	CPU      = iota // user and system time, of descendants that have ended too
	System          // that part of it
	RSS             // resident memory, shared pages counted once for each process
	Read            // from storage
	Written         // to storage
	Switches        // times that a thread waited of its own will
	Preempts        // times that it was interrupted
	Threads
	Descriptors
	Processes // it and its descendants
)

// Fields of [Host]. Those of CPU time are summed over its CPUs.
const (
	HostUser = iota
	HostSystem
	HostIOWait
	HostIRQ
	HostSteal
	HostIdle
	HostRun // the CPU time of all of this run's processes, by their cgroup
	HostLoad
	HostMemoryUsed
	HostMemoryAvailable
	HostMemoryCached
	HostFrequency
	HostTemperature
)

// Fields of [Network].
const (
	ReceivedBytes = iota
	ReceivedPackets
	SentBytes
	SentPackets
	DroppedPackets
)

// Fields of [Disk].
const (
	DiskReadBytes = iota
	DiskReads
	DiskWrittenBytes
	DiskWrites
	DiskBusy
)

// Tables are those that workers of this build fill.
func Tables() []Table { return slices.Clone(tables) }

var tables = []Table{
	{"process", []string{"cpu_us", "system_us", "rss_bytes", "read_bytes", "written_bytes", "switches", "preemptions", "threads", "descriptors", "processes"}},
	{"host", []string{
		"user_us", "system_us", "iowait_us", "irq_us", "steal_us", "idle_us", "run_us", "load_thousandths",
		"memory_used_bytes", "memory_available_bytes", "memory_cached_bytes", "frequency_khz", "temperature_millidegrees",
	}},
	{"network", []string{"received_bytes", "received_packets", "sent_bytes", "sent_packets", "dropped_packets"}},
	{"disk", []string{"read_bytes", "reads", "written_bytes", "writes", "busy_us"}},
}

// A Row is what was sampled at one instant.
type Row struct {
	At time.Time
	// Bound is the error of At, on a clock that it was translated to.
	Bound time.Duration
	// Subjects are those of the row's block, Tables what they have. Values are by subject; nil:
	// it was not sampled then.
	Tables   []Table
	Subjects []Subject
	Values   [][]int64
}

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrMalformed, fmt.Sprintf(format, args...))
}
